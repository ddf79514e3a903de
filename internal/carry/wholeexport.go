package carry

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/vault"

	"filippo.io/age"
)

// AccountJob makes the archive of a whole account; its key is the export's id.
const AccountJob jobs.Kind = "account-export"

// archivePart is how much of an archive is sealed into one row.
const archivePart = 1 << 20

// ExportAccount adds an export of everything that the account has, and the job
// that makes it. An archive for a recipient is opened by nobody else.
func (c *Carrier) ExportAccount(tx *store.Tx, n NewWhole, at time.Time) (*files.Export, error) {
	if !n.Purpose.Valid() {
		return nil, problem.InvalidField("purpose", "bad_purpose", "Up to 100 letters, digits, spaces and - _ . : say why the data is opened.")
	}
	if n.Recipient != "" {
		if _, err := age.ParseX25519Recipient(n.Recipient); err != nil {
			return nil, problem.InvalidField("recipient", "bad_recipient", "Send an age recipient, such as age-keygen prints: age1…")
		}
	}
	keys, err := c.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	e := &files.Export{ID: lead.NewExportID(), Kind: files.OfAccount, Recipient: n.Recipient, By: n.Actor, Purpose: string(n.Purpose),
		KeysetVersion: int64(keys.Version()), CreatedAt: at}
	e.Wrapped, _ = keys.NewSubjectKey(vault.Subject(e.ID.UUID()))
	if err := files.AddExport(tx, e); err != nil {
		return nil, err
	}
	detail := map[string]any{"purpose": n.Purpose, "recipient": n.Recipient}
	if err := record(tx, at, n.Actor, "account.export.created", e.ID.String(), detail); err != nil {
		return nil, err
	}
	if err := c.Jobs.Add(tx, AccountJob, e.ID.String(), at); err != nil {
		return nil, err
	}
	return files.GetExport(tx, e.ID)
}

var errReplaced = errors.New("the export was cancelled, or is made by another")

// runAccount makes an archive. One that was stopped is begun from its first
// byte, under a new key.
func (c *Carrier) runAccount(ctx context.Context, j jobs.Job) error {
	e, err := c.beginAccount(ctx, j.Scope, must(j.Key))
	if err != nil || e == nil {
		return err
	}
	key, err := c.fileKey(ctx, j.Scope.Account(), e.ID.UUID(), e.Wrapped)
	if err != nil {
		return err
	}
	p := &parts{c: c, ctx: ctx, s: j.Scope, e: e, key: key}
	_, err = c.Wholes.Write(ctx, j.Scope, NewWhole{Actor: e.By, Purpose: vault.Purpose(e.Purpose), Recipient: e.Recipient}, p, func(done, total int64) error {
		p.done, p.total = done, total
		return nil
	})
	if err == nil {
		err = p.flush()
	}
	if errors.Is(err, errReplaced) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if _, err := files.MoveExport(tx, e.ID, "running", "ready", time.Now()); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

func (c *Carrier) beginAccount(ctx context.Context, s account.Scope, id lead.ExportID) (e *files.Export, err error) {
	keys, err := c.Accounts.Get(ctx, s.Account())
	if err != nil {
		return nil, err
	}
	err = c.DB.Write(ctx, s, func(tx *store.Tx) error {
		var ok bool
		if e, err = files.GetExport(tx, id); err != nil {
			return err
		}
		e.Wrapped, _ = keys.NewSubjectKey(vault.Subject(e.ID.UUID()))
		e.KeysetVersion = int64(keys.Version())
		if ok, err = files.BeginAgain(tx, e); !ok {
			e = nil
		}
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return nil, nil
	}
	return e, err
}

// parts keeps an archive sealed, part after part, while it is written.
type parts struct {
	c           *Carrier
	ctx         context.Context
	s           account.Scope
	e           *files.Export
	key         keyring.SubjectKey
	buf         []byte
	done, total int64
}

// Write implements io.Writer.
func (p *parts) Write(b []byte) (int, error) {
	p.buf = append(p.buf, b...)
	for len(p.buf) >= archivePart {
		if err := p.keep(p.buf[:archivePart]); err != nil {
			return 0, err
		}
		p.buf = append(p.buf[:0], p.buf[archivePart:]...)
	}
	return len(b), nil
}

func (p *parts) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	return p.keep(p.buf)
}

func (p *parts) keep(part []byte) error {
	sealed := p.key.Seal(place(files.ExportTable, p.e.ID.UUID(), p.e.Chunks), vault.Hide(string(part)))
	kept := false
	err := p.c.DB.Write(p.ctx, p.s, func(tx *store.Tx) (err error) {
		kept, err = files.AddPart(tx, p.e, p.done, max(p.total, p.done), sealed.Data)
		return err
	})
	if err == nil && !kept {
		err = errReplaced
	}
	p.e.Chunks++
	return err
}

// TakeAccountExport gives whoever runs the machine the newest export that an
// admin has asked for with a recipient, to be written at once: nobody but the
// recipient opens it. It is not given out again.
func TakeAccountExport(tx *store.Tx, actor string, at time.Time) (*files.Export, error) {
	list, err := files.ListExports(tx, files.OfAccount, time.Time{}, lead.ExportID{}, 100)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Recipient == "" || e.State != "running" && e.State != "ready" {
			continue
		}
		if _, err := files.MoveExport(tx, e.ID, e.State, "fetched", at); err != nil {
			return nil, err
		}
		if err := files.EndExport(tx, e.ID); err != nil {
			return nil, err
		}
		return e, record(tx, at, actor, "account.export.fetched", e.ID.String(), map[string]any{"recipient": e.Recipient})
	}
	return nil, problem.Conflict("no_export_asked", "No admin of the account has asked for an export for a recipient (POST /v1/account/archives). One that is in clear only an admin fetches.")
}
