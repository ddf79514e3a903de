// Package carry brings leads in from files and gives them out in files, row
// after row: memory does not grow with the file, and nothing of it stands in
// clear on a disk. A caller may rely on this: an import that was begun goes on
// after any stop from the first piece that was not done, a row becomes one
// enquiry however often its file is imported, and each row's outcome is told.
//
// A row of a live import goes through the journal like a captured lead, and
// intake does the rest. A row of history goes the same way with what it brings
// along (submission.Past), and intake keeps it where it stood.
package carry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/jobs"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// The jobs: one for each import and export, its key is the id.
const (
	ImportJob jobs.Kind = "import"
	ExportJob jobs.Kind = "export"
)

// The modes of an import.
const (
	Live    = "live"    // as if each row had just been captured
	History = "history" // keeps time, owner, stage and note; never routed
)

// The states of an import, in their order.
const (
	Receiving = "receiving"
	Received  = "received"
	Checking  = "checking"
	Checked   = "checked"
	Running   = "running"
	Done      = "done"
	Cancelled = "cancelled"
)

// forImport is the purpose of reading one's own file again.
const forImport vault.Purpose = "import"

// The limits of a file.
const (
	MaxBytes   = 4 << 30
	MaxColumns = 200
	maxRow     = 1 << 20                 // bytes; an unclosed quote must not fill the memory
	chunkRows  = journal.MaxBatchEntries // a piece is a message of the journal
	chunkBytes = 512 << 10
)

// Opener opens sealed values with an entry on the record. keyring.Opener does.
type Opener interface {
	Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (keyring.Opened, error)
	Everything(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, count int) (func(context.Context, ...vault.Sealed) (keyring.Opened, error), error)
}

// Journal is where rows go: durable on return, or an error. It may be told the
// same row twice.
type Journal interface {
	AppendAll(ctx context.Context, es []journal.Entry) ([]journal.Ack, error)
}

// Options are the parts. All but Log are needed.
type Options struct {
	DB       *store.DB
	Accounts *keyring.Accounts
	Files    Opener // of sealed pieces of files
	Persons  Opener // of persons, for exports
	Journal  Journal
	Seal     func(id account.ID, plain, aad []byte) (box, data []byte, err error)
	Jobs     *jobs.List
	Wholes   *Wholes                                                  // of whole accounts
	User     func(tx *store.Tx, email string) (account.UserID, error) // zero when there is none
	Log      *slog.Logger
}

// Carrier is safe for concurrent use.
type Carrier struct{ Options }

// New returns a carrier.
func New(o Options) *Carrier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Carrier{o}
}

// Register names the handlers of the jobs.
func (c *Carrier) Register(r *jobs.Runner) {
	r.Handle(ImportJob, c.runImport)
	r.Handle(ExportJob, c.runExport)
	r.Handle(AccountJob, c.runAccount)
}

// NewImport is what an import begins with.
type NewImport struct {
	Source  account.SourceID
	Mode    string
	Mapping map[string]string // column to word; nil: the source's last one
	By      string
	At      time.Time
}

// Create makes an import that waits for its file. keys are the account's.
func (c *Carrier) Create(tx *store.Tx, n NewImport) (*files.Import, error) {
	if _, err := setup.GetSource(tx, n.Source); err != nil {
		if errors.Is(err, store.ErrNone) {
			err = problem.InvalidField("source_id", "unknown_source", "Send the id of a source of this account.")
		}
		return nil, err
	}
	if err := checkMapping(n.Mapping, n.Mode); err != nil {
		return nil, err
	}
	if n.Mapping == nil {
		var err error
		if n.Mapping, err = files.SavedMapping(tx, n.Source); err != nil {
			return nil, err
		}
	} else if err := files.SaveMapping(tx, n.Source, n.Mapping); err != nil {
		return nil, err
	}
	keys, err := c.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	m := &files.Import{ID: lead.NewImportID(), Source: n.Source, Mode: n.Mode, Mapping: n.Mapping, By: n.By,
		KeysetVersion: int64(keys.Version()), CreatedAt: n.At}
	m.Wrapped, _ = keys.NewSubjectKey(vault.Subject(m.ID.UUID()))
	if err := files.AddImport(tx, m); err != nil {
		return nil, err
	}
	if err := record(tx, n.At, n.By, "import.created", m.ID.String(), map[string]any{"mode": n.Mode, "source_id": n.Source.String()}); err != nil {
		return nil, err
	}
	return files.GetImport(tx, m.ID)
}

// Begin starts a dry run (Checking) or the import itself (Running).
func (c *Carrier) Begin(tx *store.Tx, id lead.ImportID, state, actor string, at time.Time) error {
	ok, err := files.Begin(tx, id, state, at)
	if err != nil {
		return err
	}
	if !ok {
		return problem.Conflict("not_ready", "Send the import's file first; an import that runs or has ended is not begun again.")
	}
	if err := record(tx, at, actor, "import."+state, id.String(), nil); err != nil {
		return err
	}
	return c.Jobs.Add(tx, ImportJob, id.String(), at)
}

// Cancel ends an import; rows that were taken stay.
func (c *Carrier) Cancel(tx *store.Tx, id lead.ImportID, actor string, at time.Time) error {
	ok, err := files.Finish(tx, id, Cancelled, at)
	if err != nil {
		return err
	}
	if !ok {
		return problem.Conflict("import_ended", "This import has ended already.")
	}
	return record(tx, at, actor, "import.cancelled", id.String(), nil)
}

func record(tx *store.Tx, at time.Time, actor, action, about string, detail any) error {
	return audit.Write(tx, at, audit.Entry{Actor: actor, Action: action, About: about, Detail: detail})
}

// place is what a piece of a file is bound to.
func place(table string, row [16]byte, n int64) vault.Binding {
	return vault.Binding{Table: table, Row: row, Field: vault.Field(fmt.Sprintf("piece-%d", n))}
}

// fileKey opens the key of a file, to seal with.
func (c *Carrier) fileKey(ctx context.Context, id account.ID, file [16]byte, wrapped []byte) (keyring.SubjectKey, error) {
	keys, err := c.Accounts.Get(ctx, id)
	if err != nil {
		return keyring.SubjectKey{}, err
	}
	key, err := keys.OpenSubjectKey(vault.Subject(file), wrapped)
	if errors.Is(err, keyring.ErrUnknownKey) {
		if keys, err = c.Accounts.Renew(ctx, id); err == nil {
			key, err = keys.OpenSubjectKey(vault.Subject(file), wrapped)
		}
	}
	return key, err
}
