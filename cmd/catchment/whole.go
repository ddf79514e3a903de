package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/carry"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/problem"
	"catchment/internal/publish"
	"catchment/internal/receipt"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/members"
	"catchment/internal/vault"

	"filippo.io/age"
)

// newWholes makes what writes archives of whole accounts.
func (h *house) newWholes() *carry.Wholes {
	return &carry.Wholes{DB: h.db, Accounts: h.accounts, Record: h.recordOpening, Boxes: keyring.NewDropOpener(), Now: time.Now, Key: h.recordKey, Contents: h.filing,
		Tree: func(ctx context.Context, s account.Scope, from int64, w io.Writer) error {
			return h.newTree().Export(ctx, s, from, w)
		},
		Keys: func() ([]byte, error) { return receipt.MarshalKeys(h.recordKeyList()) },
		Schema: func(ctx context.Context) (int64, error) {
			have, _, err := store.Versions(ctx, h.c.storeOptions())
			return have, err
		}}
}

type accountExportCmd struct {
	Make   accountExportMakeCmd   `cmd:"" default:"withargs" help:"Write the archive that an admin of the account has asked for with a recipient."`
	Verify accountExportVerifyCmd `cmd:"" help:"Verify an archive against the published keys; needs no network."`
}

type accountExportMakeCmd struct {
	config  `embed:""`
	Account string `arg:"" help:"The account's id." placeholder:"ACCT"`
	Out     string `help:"File to write; it must not be there yet." required:"" type:"path"`
}

// Run writes what is sealed for the recipient whom an admin has named: who runs
// the machine cannot read it.
func (c accountExportMakeCmd) Run(w *world) error {
	id, err := account.ParseID(c.Account)
	if err != nil {
		return usage("ACCT: this is no account's id")
	}
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	if err := c.act(w, "account.export", id.String(), nil); err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := h.writeWhole(w, admit.To(id), f)
	if err != nil {
		return errors.Join(plainly(err), os.Remove(c.Out))
	}
	var rows int64
	for _, n := range m.Rows {
		rows += n
	}
	_, err = fmt.Fprintf(w.out, "%s: %s, %d rows of %d tables, as of %s\n", c.Out, id, rows, len(m.Rows), m.At.Format(time.RFC3339))
	return err
}

func (h *house) writeWhole(w *world, s account.Scope, f *os.File) (carry.Manifest, error) {
	var e *files.Export
	err := h.db.Write(w.ctx, s, func(tx *store.Tx) (err error) {
		e, err = carry.TakeAccountExport(tx, commandLine, time.Now())
		return err
	})
	if err != nil {
		return carry.Manifest{}, err
	}
	shown := time.Now()
	m, err := h.newWholes().Write(w.ctx, s, carry.NewWhole{Actor: e.By, Purpose: vault.Purpose(e.Purpose), Recipient: e.Recipient}, f, func(done, total int64) error {
		if time.Since(shown) > time.Second {
			shown = time.Now()
			fmt.Fprintf(w.err, "%d of %d rows\n", done, total)
		}
		return nil
	})
	return m, errors.Join(err, f.Sync())
}

// archive is a file with an account, and how it is read.
type archive struct {
	File     string   `arg:"" help:"The archive." type:"existingfile"`
	Keys     string   `help:"The keys, as /.well-known/catchment-record-keys.json gave them where it was made." required:"" type:"existingfile"`
	OpenWith []string `name:"open-with" help:"age identity file that opens a sealed archive." type:"existingfile" placeholder:"FILE"`
}

func (a archive) open(read func(r io.Reader, by []age.Identity) error) error {
	var by []age.Identity
	for _, name := range a.OpenWith {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		more, err := age.ParseIdentities(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s is not an age identity file", name) // age quotes the line
		}
		by = append(by, more...)
	}
	f, err := os.Open(a.File)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f, by)
}

func (a archive) verify() (v carry.Verified, err error) {
	keys, err := readKeys(a.Keys)
	if err != nil {
		return v, err
	}
	err = a.open(func(r io.Reader, by []age.Identity) error {
		t, done, err := carry.OpenWhole(r, by...)
		if err != nil {
			return err
		}
		defer done()
		v, err = carry.VerifyWhole(t, keys)
		return err
	})
	if err == nil && len(v.Record.Faults) > 0 {
		err = fmt.Errorf("the record in it is not whole: %s", v.Record.Faults[0])
	}
	return v, err
}

type accountExportVerifyCmd struct {
	archive `embed:""`
}

// Run exits with 0 only when every file is what a published key has signed.
func (c accountExportVerifyCmd) Run(w *world) error {
	v, err := c.verify()
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "valid: %s, %q, as of %s: %d files, each as it was signed; the record up to entry %d is whole\n", v.Account, v.Name, v.At.Format(time.RFC3339), len(v.Files), v.Record.Size)
	if v.Damaged > 0 {
		fmt.Fprintf(w.out, "%d values did not open where it was made, and stand as nothing\n", v.Damaged)
	}
	return nil
}

type accountImportCmd struct {
	config  `embed:""`
	archive `embed:""`
}

// Run makes the account of an archive, with its ids. A running server serves it
// from the moment that all of it is there.
func (c accountImportCmd) Run(w *world) error {
	v, err := c.verify()
	if err != nil {
		return err
	}
	id, err := account.ParseID(v.Account)
	if err != nil {
		return err
	}
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	lock, err := tryLock(filepath.Join(c.Data, "import.lock"))
	if err != nil {
		return errors.New("another import runs on this data folder")
	}
	defer lock.Close()
	gone, err := ledger.Open(ledger.Options{Path: c.ledgerFile()})
	if err != nil {
		return err
	}
	defer gone.Close()
	if gone.Account(id) {
		return fmt.Errorf("%s was ended here for good, as the deletion ledger says: import it elsewhere", id)
	}
	if err := c.act(w, "account.import", id.String(), map[string]any{"made_at": v.At}); err != nil {
		return err
	}
	began := time.Now()
	in, link := h.incoming(w.ctx, v, gone)
	err = c.open(func(r io.Reader, by []age.Identity) error {
		t, done, err := carry.OpenWhole(r, by...)
		if err != nil {
			return err
		}
		defer done()
		return in.Take(w.ctx, admit.To(id), v, t)
	})
	if err != nil {
		return plainly(err)
	}
	fmt.Fprintf(w.out, "%s, %q, is here as it was at %s (%.1f s)\n", id, v.Name, v.At.Format(time.RFC3339), time.Since(began).Seconds())
	if *link != "" {
		fmt.Fprintf(w.out, "link  %s   (an admin's, good once)\n", *link)
	}
	fmt.Fprintln(w.out, "Sessions, passwords, second factors, secret API keys, single sign-on and devices did not come along: docs/export.md")
	return nil
}

// incoming is what takes an account in; link is the first admin's, once it is done.
func (h *house) incoming(ctx context.Context, v carry.Verified, gone *ledger.Ledger) (in *carry.Incoming, link *string) {
	link = new(string)
	id, _ := account.ParseID(v.Account)
	erased := map[lead.PersonID]bool{}
	for _, e := range gone.Entries() {
		if e.Account == id && !e.Person.IsZero() {
			erased[e.Person] = true
		}
	}
	_, schema, _ := store.Versions(ctx, h.c.storeOptions())
	publisher := publish.New(publish.Options{DB: h.db, Jobs: h.jobs, Log: h.log})
	return &carry.Incoming{DB: h.db, NewKeys: h.ring.NewAccountLike, Schema: schema, Now: time.Now, Contents: h.filing, Gone: func(p lead.PersonID) bool { return erased[p] },
		Finish: func(tx *store.Tx, users []carry.Login) error {
			*link = ""
			for _, left := range []bool{false, true} { // who has left may have the address of somebody who has not
				for _, u := range users {
					if left != (members.State(u.State) == members.Deactivated) {
						continue
					}
					err := h.directory.LetIn(tx, u.User, u.Email, u.Phone)
					if p, taken := problem.Of(err); err != nil && !(left && taken && p.Status == http.StatusConflict) {
						return err
					}
				}
			}
			for _, u := range users {
				if u.Role == account.Admin && members.State(u.State) != members.Deactivated && *link == "" {
					var err error
					if *link, _, err = h.directory.NewLink(tx, u.User); err != nil {
						return err
					}
				}
			}
			err := audit.Write(tx, time.Now(), audit.Entry{Actor: commandLine, Action: "account.imported", About: id.String(), Detail: map[string]any{"made_at": v.At}})
			return errors.Join(err, publisher.Changed(tx))
		}}, link
}
