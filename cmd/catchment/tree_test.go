package main

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/receipt"
)

type signingKey struct{ ed25519.PrivateKey }

func (k signingKey) Public() []byte         { return k.PrivateKey.Public().(ed25519.PublicKey) }
func (k signingKey) Sign(msg []byte) []byte { return ed25519.Sign(k.PrivateKey, msg) }

// The file is replaced by a checkpoint of more entries, and by no other.
func TestTheNewestCheckpointIsKept(t *testing.T) {
	key := signingKey{ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes: test"))}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	keys := receipt.Keys{{ID: "test", PublicKey: key.Public(), NotBefore: at}}
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
