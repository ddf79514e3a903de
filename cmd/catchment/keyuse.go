package main

import (
	"context"
	"slices"
	"time"

	"catchment/internal/snapshot"
	"catchment/internal/store/access"
)

// Doors have no SQL: which keys they let in they tell those who have it, now
// or never. A word that is lost is told again in the next minute of use.
const (
	tellUses  = 10 * time.Second
	usesWord  = "keys-used"
	mostUses  = 1000 // in one message
	noteUses  = 5 * time.Second
	hashBytes = len(snapshot.Hash{})
)

// keepTellingUses has others know which keys this door let in.
func (h *house) keepTellingUses(run context.Context) {
	tick := time.NewTicker(tellUses)
	defer tick.Stop()
	for {
		h.tellUses()
		select {
		case <-run.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *house) tellUses() {
	for some := range slices.Chunk(h.capture.Used(), mostUses) {
		if err := h.journal.Tell(usesWord, appendUses(nil, some)); err != nil {
			h.log.Debug("which keys were used cannot be told", "error", err)
		}
	}
}

// hearUses notes in SQL what the doors tell.
func (h *house) hearUses(run context.Context) {
	stop, err := h.journal.Hear(usesWord, func(message []byte) {
		hashes, ok := parseUses(message)
		if !ok {
			return // of a newer program
		}
		ctx, cancel := context.WithTimeout(run, noteUses)
		defer cancel()
		if err := h.directory.SeeKeys(ctx, hashes); err != nil {
			h.log.Debug("which keys were used cannot be noted", "error", err)
		}
	})
	if err != nil {
		h.log.Warn("when keys hand in leads is not noted", "error", err)
		return
	}
	<-run.Done()
	stop()
}

// appendUses writes one hash after the other.
func appendUses(b []byte, hashes []snapshot.Hash) []byte {
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

func parseUses(b []byte) (out []access.Hash, ok bool) {
	if len(b)%hashBytes != 0 || len(b) > mostUses*hashBytes {
		return nil, false
	}
	for one := range slices.Chunk(b, hashBytes) {
		out = append(out, access.Hash(one))
	}
	return out, true
}
