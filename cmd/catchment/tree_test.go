package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
)

// The file is replaced by a checkpoint of more entries, and by no other.
func TestTheNewestCheckpointIsKept(t *testing.T) {
	key := checkpointtest.Own()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	keys := key.Published(at)
	folder := filepath.Join(t.TempDir(), "checkpoints")
	keep := func(size uint64, root byte) (string, error) {
		c := checkpoint.Checkpoint{Account: "acct_01h455vb4pex5vsknk084sn02q", Size: size, Root: checkpoint.Hash{root}, At: at}
		note, err := c.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return note, keepCheckpoint(folder, c, note, keys)
	}
	for _, c := range []struct {
		size uint64
		root byte
		cut  bool
	}{{5, 1, false}, {5, 1, false}, {5, 2, true}, {4, 3, true}, {9, 4, false}, {8, 5, true}} {
		note, err := keep(c.size, c.root)
		text, readErr := os.ReadFile(filepath.Join(folder, "acct_01h455vb4pex5vsknk084sn02q.txt"))
		if errors.Is(err, errCut) != c.cut || err != nil && !c.cut || readErr != nil || (string(text) == note) == c.cut {
			t.Errorf("%+v: %v, %v; kept %q", c, err, readErr, text)
		}
	}
}
