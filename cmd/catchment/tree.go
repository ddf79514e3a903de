package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/receipt"
)

// recordKeysPath is where the keys are that sign accounts' records.
const recordKeysPath = "/.well-known/catchment-record-keys.json"

// checkpointFolder has the newest checkpoint of each account's record.
const checkpointFolder = "checkpoints"

// newTree makes the part that gives entries of the record their places and
// signs checkpoints.
func (h *house) newTree() *audit.Sequencer {
	return audit.NewSequencer(audit.SequencerOptions{DB: h.db, Key: h.recordKey, Log: h.log,
		Own: h.ownCheckpoint(),
		Export: func(_ context.Context, c checkpoint.Checkpoint, note string) error {
			if err := keepCheckpoint(filepath.Join(h.c.Data, checkpointFolder), c, note, h.recordKeyList()); err != nil {
				return err
			}
			if h.outside != nil {
				h.outside.add(c, note)
			}
			return nil
		}})
}

// ownCheckpoint reads one that this installation signed.
func (h *house) ownCheckpoint() func(note string) (checkpoint.Checkpoint, error) {
	return func(note string) (checkpoint.Checkpoint, error) { return checkpoint.Open(note, h.recordKeyList()) }
}

// errCut says that the database has less of a record than was signed.
var errCut = errors.New("THE RECORD IS SHORTER THAN WHAT WAS SIGNED, or is another one: entries were taken away, or an older database was restored; the file with the longer checkpoint is kept, move it away when you know why")

// keepCheckpoint keeps an account's newest checkpoint in a file, where SQL does
// not reach. It never replaces one of more entries, or of another tree.
func keepCheckpoint(folder string, c checkpoint.Checkpoint, note string, keys receipt.Keys) error {
	name := c.Account + ".txt"
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err == nil {
		kept, err := checkpoint.Open(string(text), keys)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if kept.Size > c.Size || kept.Size == c.Size && kept.Root != c.Root {
			return fmt.Errorf("%s: %w", name, errCut)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return leave(folder, name, []byte(note))
}

// recordKey is what signs accounts' records now.
func (h *house) recordKey() checkpoint.Key { return h.ring.RecordKey() }

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
