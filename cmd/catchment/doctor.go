package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/concern"
	"catchment/internal/directory"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/leads"

	"golang.org/x/sys/unix"
)

type doctorCmd struct {
	config `embed:""`
}

// doctor collects findings. It changes nothing but a missing schema, and what
// any opening of a journal mends in it.
type doctor struct {
	w    *world
	c    config
	h    *house
	fail bool
}

// Run looks at everything and fails when something needs a hand.
func (c doctorCmd) Run(w *world) error {
	d := &doctor{w: w, c: c.config}
	d.folder()
	d.disk()
	d.connections()
	if d.database() {
		defer d.h.closeOffline()
		d.deadLetters()
		d.keys()
		d.locks()
		d.services()
		d.domains()
		d.hooks()
		d.unsigned()
		d.reports()
	}
	d.journal()
	d.backups()
	d.bucket()
	d.files()
	d.log()
	d.messages()
	if d.fail {
		return errFailed
	}
	return nil
}

func (d *doctor) ok(format string, a ...any) {
	fmt.Fprintf(d.w.out, "  ok    "+format+"\n", a...)
}
func (d *doctor) warn(format string, a ...any) {
	fmt.Fprintf(d.w.out, "  look  "+format+"\n", a...)
}
func (d *doctor) bad(format string, a ...any) {
	d.fail = true
	fmt.Fprintf(d.w.out, "  BAD   "+format+"\n", a...)
}

func (d *doctor) folder() {
	info, err := os.Stat(d.c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		d.warn("data folder %s is not there yet; the first start makes it", d.c.Data)
		return
	}
	if err != nil {
		d.bad("data folder: %v", err)
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		d.bad("data folder %s can be read by others: chmod 700 %s", d.c.Data, d.c.Data)
		return
	}
	d.ok("data folder %s is its owner's alone", d.c.Data)
	if sealed, err := d.c.startsSealed(); err == nil && sealed {
		d.waits()
	} else if d.c.PassphraseFile == "" && d.c.Identity == "" && d.c.kms() == "" {
		d.warn("the key that opens everything lies beside the data (%s): keep a copy elsewhere, and for protection against a stolen disk move it away (--identity) or use --passphrase-file", filepath.Join(d.c.Data, "identity.txt"))
	}
}

// waits tells what a start does until somebody gives the passphrase.
func (d *doctor) waits() {
	if _, err := keyring.OpenOwnDoor(d.c.Data); err != nil {
		d.warn("the keyring is under a passphrase: a start takes no leads before catchment keys unlock; catchment keys passphrase leaves the keys of a door, which take them (%v)", err)
		return
	}
	d.ok("the keyring is under a passphrase: a start takes leads, and opens nothing before catchment keys unlock")
}

func (d *doctor) disk() {
	var s unix.Statfs_t
	if err := unix.Statfs(d.c.Data, &s); err != nil {
		return
	}
	free, total := int64(s.Bavail)*s.Bsize, int64(s.Blocks)*s.Bsize
	mark := d.c.Watermark << 20
	if mark == 0 {
		mark = journal.Watermark(total)
	}
	switch {
	case free < mark:
		d.bad("only %d MiB of %d free, fewer than %d: no more leads are taken; make room", free>>20, total>>20, mark>>20)
		return
	case free < 4*mark:
		d.warn("only %d MiB of %d free: at %d no more leads are taken; make room", free>>20, total>>20, mark>>20)
		return
	}
	d.ok("disk: %d MiB free", free>>20)
}

func (d *doctor) database() bool {
	if d.c.DatabaseURL == "" && !exists(d.c.storeOptions().Path) {
		d.warn("no database yet; the first start makes it")
		return false
	}
	ctx, cancel := context.WithTimeout(d.w.ctx, 10*time.Second)
	defer cancel()
	have, want, err := store.Versions(ctx, d.c.storeOptions())
	if err != nil {
		d.bad("database: %v (is it running, and is --database-url right?)", err)
		return false
	}
	if have != want {
		d.warn("database: schema version %d, this program has %d; the next start (or catchment migrate) brings it there", have, want)
	}
	if d.h, err = offline(d.w.ctx, d.w, d.c); err != nil { // a passphrase may be asked for, and takes its time
		d.bad("keys and database do not open: %v", err)
		return false
	}
	accounts, broken := 0, 0
	err = d.h.eachAccount(d.w.ctx, func(id account.ID) error {
		accounts++
		if _, err := d.h.accounts.Get(d.w.ctx, id); err != nil {
			broken++
			d.bad("account %s: its keys do not open with this keyring: %v", id, err)
		}
		return nil
	})
	if err != nil {
		d.bad("accounts: %v", err)
	} else if broken == 0 {
		d.ok("database (%s) answers; the keys of %d accounts open", d.h.db.Engine(), accounts)
	}
	return true
}

// keys tells of those that end soon or have just ended, and of secret ones
// without an end, which an older version made.
func (d *doctor) keys() {
	now, said := time.Now(), false
	err := d.h.eachAccount(d.w.ctx, func(id account.ID) error {
		return d.h.db.Read(d.w.ctx, admit.To(id), func(tx *store.Tx) error {
			all, err := access.Keys(tx)
			for _, k := range all {
				switch {
				case directory.EndsSoon(k, now):
					d.warn("key %s of %s ends on %s: rotate it (POST /v1/keys/{id}/rotate)", k.ID, id, k.ExpiresAt.Format(time.DateOnly))
				case k.Kind == directory.SecretKey && k.RevokedAt.IsZero() && k.ExpiresAt.IsZero():
					d.warn("key %s of %s never ends: rotate it, and it gets an end", k.ID, id)
				default:
					continue
				}
				said = true
			}
			return err
		})
	})
	if err != nil {
		d.bad("keys: %v", err)
	} else if !said {
		d.ok("no key ends within two weeks")
	}
}

// locks tells of the keys that seal: what is overdue, and whether a lost root is
// lost for good.
func (d *doctor) locks() {
	now, said := time.Now(), false
	for _, k := range d.h.held() {
		switch due, refused := k.Late(now); {
		case refused:
			d.bad("%s key %s ended on %s: %s; %s", k.Kind, k.ID, k.Ends.Format(time.DateOnly), ended(k.Kind), instead(k.Kind))
		case undated(k):
			d.warn("%s: nobody can tell how old %s is: give it in a file, which has a date", k.Kind, k.ID)
		case due:
			d.warn("%s key %s was due on %s: %s", k.Kind, k.ID, k.Due.Format(time.DateOnly), instead(k.Kind))
		default:
			continue
		}
		said = true
	}
	err := d.h.eachAccount(d.w.ctx, func(id account.ID) error {
		a, err := d.h.smith().Status(d.w.ctx, admit.To(id))
		if err != nil {
			return err
		}
		if newest := a.Generations[len(a.Generations)-1]; now.After(newest.Due) {
			d.warn("generation %d of %s was due on %s: a running server rotates it within the hour, or catchment keys rotate account --account %s", newest.Number, id, newest.Due.Format(time.DateOnly), id)
			said = true
		}
		if due := indexDue(a); !due.IsZero() && now.After(due) {
			d.warn("the index of %s was due on %s: %s", id, due.Format(time.DateOnly), instead(keyring.IndexKind))
			said = true
		}
		return nil
	})
	if err != nil {
		d.bad("keys of accounts: %v", err)
	} else if !said {
		d.ok("no key or secret is overdue")
	}
	if len(d.h.ring.Recovery()) == 0 {
		d.warn("no recovery: when identity, passphrase or key service are lost, every lead is lost; catchment keys recovery age1…")
	}
}

// domains tells of those of single sign-on whose record is gone.
func (d *doctor) domains() {
	said := false
	err := d.h.eachAccount(d.w.ctx, func(id account.ID) error {
		return d.h.db.Read(d.w.ctx, admit.To(id), func(tx *store.Tx) error {
			all, err := access.Domains(tx)
			for _, x := range all {
				if x.MissingSince.IsZero() {
					continue
				}
				d.warn("domain %s of %s has no verification record since %s: put it back within a week of that (GET /v1/account/sso), or its people are not found by e-mail",
					x.Name, id, x.MissingSince.Format(time.DateOnly))
				said = true
			}
			return err
		})
	})
	if err != nil {
		d.bad("domains: %v", err)
	} else if !said {
		d.ok("no verified domain has lost its record")
	}
}

// signOffWithin is how soon another operator should have looked at an act.
const signOffWithin = 7 * 24 * time.Hour

// unsigned tells of acts that no other operator has looked at.
func (d *doctor) unsigned() {
	n, err := audit.NewPlatform(d.h.db).Unsigned(d.w.ctx, time.Now().Add(-signOffWithin))
	switch {
	case err != nil:
		d.bad("the platform's record: %v", err)
	case n > 0:
		d.warn("%d acts of operators or at the command line wait for longer than 7 days to be signed off: GET /v1/platform/record?unsigned=true", n)
	default:
		d.ok("no act of an operator waits for longer than 7 days to be signed off")
	}
}

// reports tells of those that nobody has answered in time.
func (d *doctor) reports() {
	n, oldest, err := d.h.newConcerns().Waiting(d.w.ctx)
	switch {
	case err != nil:
		d.bad("reports from outside: %v", err)
	case n > 0 && time.Since(oldest) > concern.AnswerIn:
		d.warn("%d reports from outside wait for an answer, the oldest since %s: answer or close them (console, Reports from outside)", n, oldest.Format(time.DateOnly))
	default:
		d.ok("no report from outside waits for longer than 3 days")
	}
}

func (d *doctor) deadLetters() {
	n := 0
	err := d.h.eachAccount(d.w.ctx, func(id account.ID) error {
		return d.h.db.Read(d.w.ctx, admit.To(id), func(tx *store.Tx) error {
			list, err := leads.ListDead(tx, "open", leads.DeadPage{}, 500)
			n += len(list)
			return err
		})
	})
	switch {
	case err != nil:
		d.bad("dead letters: %v", err)
	case n > 0:
		d.warn("%d dead letters: see catchment deadletter list --account …", n)
	default:
		d.ok("no dead letters")
	}
}

// losses repeats what was found missing at some start, until it was dealt with.
func (d *doctor) losses() {
	text, err := d.c.losses()
	if err != nil {
		d.bad("%v", err)
	}
	for line := range strings.Lines(text) {
		d.bad("journal, at %s", strings.TrimSpace(line))
	}
	if text != "" {
		d.warn("compare the receipts of that time with the leads (GET /v1/enquiries/{id}), then remove %s", filepath.Join(d.c.Data, lossFile))
	}
}

// journal reads every message when no server holds the folder.
func (d *doctor) journal() {
	o := d.c.journalOptions()
	o.Logger, o.Scan = d.c.logger(d.w), true
	if o.Dir != "" && !exists(o.Dir) {
		d.warn("no journal yet")
		return
	}
	j, err := journal.Open(d.w.ctx, o)
	if errors.Is(err, journal.ErrLocked) {
		d.losses()
		d.warn("a server is running on this folder: stop it to have the journal read whole, or see /metrics of its inner address")
		return
	}
	if err != nil {
		d.bad("journal: %v", err)
		return
	}
	defer j.Close(context.WithoutCancel(d.w.ctx))
	if err := d.c.noteLoss(j, time.Now()); err != nil {
		d.bad("%v", err)
	}
	d.losses()
	r, err := j.Verify(d.w.ctx)
	if err != nil {
		d.bad("journal: %v", err)
		return
	}
	if !r.Whole() || j.Stats().WentBack+j.Stats().Gaps > 0 {
		d.bad("journal: %d damaged entries, %d broken links, %d messages missing, %d gone from the end: leads not yet in the database may be lost; restore from a second copy if there is one", r.Damaged, r.Broken, r.Missing, j.Stats().WentBack)
	} else {
		d.ok("journal: %d entries in %d messages, each checksum and link fits", r.Entries, r.Messages)
	}
	if d.h != nil {
		if seq, err := d.h.directory.Cursor(d.w.ctx, j.Stream()); err == nil && seq > j.LastSeq() {
			d.bad("the database has taken messages up to %d and the journal ends at %d: it was replaced by an older one", seq, j.LastSeq())
		}
	}
	if d.c.NATSURL == "" {
		d.warn("the journal has one copy: what a failing disk takes before the database has it is lost; an external NATS cluster with --nats-replicas 3 keeps three")
	}
}
