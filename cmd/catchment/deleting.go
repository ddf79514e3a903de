package main

import (
	"context"
	"path/filepath"
	"time"

	"catchment/internal/ledger"
	"catchment/internal/store"
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
	return h.ledger.Start(ctx)
}

// replayLedger destroys again what an older database brought back.
func (h *house) replayLedger(ctx context.Context) error {
	n, err := h.privacy.Replay(ctx)
	if n > 0 {
		h.log.Warn("this database had persons who were erased: an older one; they are gone again", "persons", n)
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
