package main

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

// ledgerFile is the deletion ledger's own file. No backup of ours carries it.
func (c config) ledgerFile() string { return filepath.Join(c.Data, "deleted.log") }

// openLedger reads the deletion ledger, here and in the bucket that all nodes
// watch. Nothing is served that it might name.
func (h *house) openLedger(ctx context.Context) error {
	bucket, err := h.journal.Bucket(ctx, "deleted")
	if err != nil {
		return err
	}
	h.ledger, err = ledger.Open(ledger.Options{Path: h.c.ledgerFile(), Bucket: bucket, Seal: h.ring.SealSnapshot, Open: h.ring.OpenSnapshot, Log: h.log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := h.ledger.Start(ctx); err != nil {
		return err
	}
	return h.withdrawGone(ctx)
}

// withdrawGone takes accounts that were ended from the doors' snapshot, which
// may be an older one, before a door opens: SQL may be away.
func (h *house) withdrawGone(ctx context.Context) error {
	for _, e := range h.ledger.Entries() {
		if e.Person.IsZero() && h.snapshot.ByID(e.Account) != nil {
			if err := h.withdraw(ctx, e.Account); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdraw takes an account from the doors' snapshot, and the copy of its
// newest checkpoint.
func (h *house) withdraw(ctx context.Context, id account.ID) error {
	bucket, err := h.journal.Bucket(ctx, "snapshot")
	if err != nil {
		return err
	}
	if err := snapshot.NewWriter(bucket, h.ring.SealSnapshot).Remove(ctx, id); err != nil {
		return err
	}
	err = os.Remove(filepath.Join(h.c.Data, checkpointFolder, id.String()+".txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// endProof is a MAC of the account's id: who was told the address of its
// certificate knows it, and nobody else.
func (h *house) endProof(id account.ID) string {
	sum := h.ring.TokenMAC("certificate", id.String())
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (h *house) ended(id account.ID) (certificate string, ended bool) {
	e, ok := h.ledger.Of(id)
	return string(e.Certificate), ok
}

func (h *house) newPrivacy() *privacy.Privacy {
	o := privacy.Options{DB: h.db, Jobs: h.jobs, Events: h.events, Accounts: h.accounts, Ledger: h.ledger, Grants: h.grants, Scrub: h.scrub,
		Withdraw: h.leave, Key: h.recordKey, JournalSeq: h.journal.LastSeq, Unread: h.unread, Taken: h.taken, Log: h.log}
	if h.db.Engine() == store.Postgres {
		o.RemoveKept = func(ctx context.Context, id account.ID) error { return store.RemoveKept(ctx, h.storeOptions(), id) }
	}
	return privacy.New(o)
}

// unread names the enquiries of dead letters that speak of somebody who is to be
// erased.
func (h *house) unread(ctx context.Context, s account.Scope, about lead.PersonID, entries []people.Entry) (out []lead.EnquiryID, err error) {
	found, _, err := h.intake.Unread(ctx, s, privacy.Actor, "erasure", about.String(), entries)
	for _, u := range found {
		out = append(out, u.Enquiry)
	}
	return out, err
}

// takenWithin is how long a request or a job waits for what the journal has;
// normally that is less than a second.
const takenWithin = 5 * time.Second

// taken returns when intake has taken what the journal has now.
func (h *house) taken(ctx context.Context) error {
	stream, want := h.journal.Stream(), h.journal.LastSeq()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	end := time.NewTimer(takenWithin)
	defer end.Stop()
	for {
		seq, err := h.directory.Cursor(ctx, stream)
		if err != nil || seq >= want {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return problem.Busy("journal_behind", takenWithin, "Leads that were accepted lately are not in the database yet: they may be of this person. Try again in a moment.")
		case <-again.C:
		}
	}
}

// replayLedger destroys again what an older database brought back.
func (h *house) replayLedger(ctx context.Context) error {
	accounts, persons, err := h.privacy.Replay(ctx)
	if accounts+persons > 0 {
		h.log.Warn("this database had what was deleted: an older one, or a deletion goes on; it is gone again", "accounts", accounts, "persons", persons)
	}
	if err == nil {
		h.replayed.Store(true)
	}
	return err
}

// scrubEvery is how soon PostgreSQL's tables of keys are written anew after
// something in them was destroyed. It locks them, so it is not done for each.
const scrubEvery = time.Hour

// scrub has what was destroyed vanish from the engine's files: SQLite's at
// once, PostgreSQL's within scrubEvery.
func (h *house) scrub(ctx context.Context) error {
	if h.db.Engine() == store.SQLite {
		return store.Scrub(ctx, h.db, h.storeOptions())
	}
	h.unscrubbed.Store(true)
	return nil
}

func (h *house) keepScrubbing(run context.Context) {
	tick := time.NewTicker(scrubEvery)
	defer tick.Stop()
	h.unscrubbed.Store(h.db.Engine() == store.Postgres && len(h.ledger.Entries()) > 0) // it may have been killed before
	for {
		if h.unscrubbed.Swap(false) {
			if err := store.Scrub(run, h.db, h.storeOptions()); err != nil && run.Err() == nil {
				h.unscrubbed.Store(true)
				h.log.Warn("destroyed keys are not out of the database's files yet; it is tried again", "error", err)
			}
		}
		select {
		case <-run.Done():
			return
		case <-tick.C:
		}
	}
}
