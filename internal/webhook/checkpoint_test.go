package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
	"catchment/internal/locksmith"
	"catchment/internal/store"
)

// Who asks for checkpoints gets the newest one, signed, each time the record
// has grown; who does not name them gets none. One that was not taken is made
// up for by the next.
func TestCheckpoints(t *testing.T) {
	each(t, func(h *house) {
		key := checkpointtest.Own()
		keys := key.Published(time.Unix(1_700_000_000, 0))
		tree := audit.NewSequencer(audit.SequencerOptions{DB: h.db, Key: func() checkpoint.Key { return key }, Log: slog.New(slog.DiscardHandler),
			Own: func(note string) (checkpoint.Checkpoint, error) { return checkpoint.Open(note, keys) }})
		r, all := newReceiver(h.T, "127.0.0.2:0"), newReceiver(h.T, "127.0.0.2:0")
		id, secret := h.hook(h.mine, r.URL, KindCheckpoint)
		h.hook(h.mine, all.URL)
		grow := func() {
			h.Helper()
			h.write(h.mine, func(tx *store.Tx) error {
				return audit.Write(tx, h.now(), audit.Entry{Actor: "system:test", Action: "test.done"})
			})
			h.ok(tree.Pass(context.Background(), h.now()))
			h.later(time.Minute)
			h.ok(tree.Pass(context.Background(), h.now()))
			h.settle()
		}
		size := func(m got) uint64 {
			h.Helper()
			var e struct {
				Data struct {
					Size uint64
					Note string
				}
			}
			h.ok(json.Unmarshal(m.body, &e))
			c, err := checkpoint.Open(e.Data.Note, keys)
			if err != nil || c.Size != e.Data.Size || c.Account != h.mine.Account().String() || !verify(m, secret) {
				h.Errorf("%+v, %v: %s", c, err, m.body)
			}
			return c.Size
		}
		grow()
		first := r.took()
		if len(first) != 1 || first[0].kind != KindCheckpoint {
			h.Fatalf("%d messages", len(first))
		}
		h.settle()
		if len(r.took()) != 1 {
			h.Error("it was told twice")
		}
		r.says(status(500))
		grow()
		missed := len(r.took())
		r.says(nil)
		grow()
		last := r.took()
		if len(last) != missed+1 || size(last[len(last)-1]) != size(first[0])+2 || len(h.deliveries(h.mine, id, true))+len(h.deliveries(h.mine, id, false)) != 0 {
			h.Errorf("%d, then %d messages", missed, len(last))
		}
		if len(all.ids(KindCheckpoint)) != 0 {
			h.Error("who did not ask for checkpoints was told")
		}
	})
}

// An account's keys are rotated and the old ones destroyed: the secrets sign on.
func TestKeysAreRotated(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		_, secret := h.hook(h.mine, r.URL, created)
		smith := locksmith.New(locksmith.Options{DB: h.db, Ring: h.ring.Keyring, Changed: func(*store.Tx) error { return nil }})
		_, err := smith.Rotate(h.Context(), h.mine, "system:test")
		h.ok(err)
		h.ring.Accounts.Forget(h.mine.Account())
		p, err := smith.Rewrap(h.Context(), h.mine, "system:test", nil)
		h.ok(err)
		if p.Keys == 0 || p.Bad != 0 {
			h.Errorf("%+v", p)
		}
		h.happen(h.mine, 1)
		h.settle()
		if all := r.took(); len(all) != 1 || !verify(all[0], secret) {
			h.Errorf("%d messages", len(all))
		}
		if again, err := smith.Rewrap(h.Context(), h.mine, "system:test", nil); err != nil || again.Keys != 0 {
			h.Errorf("the control: %+v, %v", again, err)
		}
	})
}
