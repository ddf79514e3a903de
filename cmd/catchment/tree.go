package main

import (
	"net/http"

	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/receipt"
)

// recordKeysPath is where the keys are that sign accounts' records.
const recordKeysPath = "/.well-known/catchment-record-keys.json"

// newTree makes the part that gives entries of the record their places and
// signs checkpoints.
func (h *house) newTree() *audit.Sequencer {
	keys := h.recordKeyList()
	return audit.NewSequencer(audit.SequencerOptions{DB: h.db, Key: h.ring.RecordKey(), Log: h.log,
		Own: func(note string) (checkpoint.Checkpoint, error) { return checkpoint.Open(note, keys) }})
}

func (h *house) recordKeyList() (out receipt.Keys) {
	for _, k := range h.ring.RecordPublicKeys() {
		out = append(out, receipt.Key{ID: k.KeyID, PublicKey: k.Key, NotBefore: k.NotBefore})
	}
	return out
}

func (h *house) recordKeys(w http.ResponseWriter, _ *http.Request) {
	text, err := receipt.MarshalKeys(h.recordKeyList())
	if err != nil {
		h.log.Error("the record's keys cannot be shown", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}
