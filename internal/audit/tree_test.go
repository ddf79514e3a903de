package audit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
	"catchment/internal/store"
	"catchment/internal/store/record"
	"catchment/internal/store/storetest"
)

var (
	key  = checkpointtest.Own()
	keys = key.Published(time.Unix(1_700_000_000, 0))
)

func sequencer(db *store.DB, export func(context.Context, checkpoint.Checkpoint, string) error) *audit.Sequencer {
	return audit.NewSequencer(audit.SequencerOptions{DB: db, Key: func() checkpoint.Key { return key }, Export: export, Log: slog.New(slog.DiscardHandler),
		Own: func(note string) (checkpoint.Checkpoint, error) { return checkpoint.Open(note, keys) }})
}

func write(t *testing.T, db *store.DB, s account.Scope, e ...audit.Entry) {
	t.Helper()
	err := db.Write(context.Background(), s, func(tx *store.Tx) error {
		for _, e := range e {
			if err := audit.Write(tx, time.Now(), e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// tree reads an account's leaves and its newest checkpoint.
func tree(t *testing.T, db *store.DB, s account.Scope) (leaves []record.Leaf, last record.Checkpoint) {
	t.Helper()
	err := db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
		if leaves, err = record.Leaves(tx, 0, 1<<40); err != nil {
			return err
		}
		list, err := record.Checkpoints(tx, 1<<40, 1)
		if len(list) == 1 {
			last = list[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaves, last
}

// Writers at once, of which some give up, and two sequencers: every committed
// entry has one place, each chain is without a gap and in its order, and the
// signed root is that of the entries.
func TestEveryEntryHasItsPlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		const writers, times = 6, 15
		one, two := sequencer(db, nil), sequencer(db, nil)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range times {
					about := fmt.Sprintf("lead_%d_%d", w, n)
					err := db.Write(context.Background(), s, func(tx *store.Tx) error {
						for _, action := range []string{"first", "second"}[:1+n%2] {
							if err := audit.Write(tx, time.Now(), audit.Entry{Actor: "user_a", Action: action, About: about}); err != nil {
								return err
							}
						}
						if n%5 == 4 {
							return errGivenUp
						}
						return nil
					})
					if err != nil && !errors.Is(err, errGivenUp) {
						t.Error(err)
					}
				}
			})
		}
		for _, q := range []*audit.Sequencer{one, two} {
			wg.Go(func() {
				for range 20 {
					if err := q.Settle(context.Background(), s); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := one.Settle(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		leaves, last := tree(t, db, s)
		if want := writers * (6*1 + 6*2); len(leaves) != want { // three of the fifteen are given up
			t.Errorf("%d entries have places, want %d", len(leaves), want)
		}
		checkChains(t, leaves)
		checkRoot(t, s, leaves, last)
	})
}

var errGivenUp = errors.New("given up")

func checkChains(t *testing.T, leaves []record.Leaf) {
	t.Helper()
	last := map[record.WriterID]record.Leaf{}
	for _, l := range leaves {
		before, ok := last[l.Row.Writer]
		if !ok && (l.Row.N != 1 || l.Row.Prev != nil) || ok && (l.Row.N != before.Row.N+1 || string(l.Row.Prev) != string(before.Hash)) {
			t.Errorf("position %d: %s %d does not follow %d", l.Position, l.Row.Writer, l.Row.N, before.Position)
		}
		last[l.Row.Writer] = l
	}
}

func checkRoot(t *testing.T, s account.Scope, leaves []record.Leaf, last record.Checkpoint) {
	t.Helper()
	tr, _ := checkpoint.NewTree(0, nil)
	for _, l := range leaves {
		if err := tr.Append(checkpoint.Hash(l.Hash)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := tr.Root()
	c, openErr := checkpoint.Open(last.Note, keys)
	if err != nil || openErr != nil || c.Root != root || c.Size != uint64(len(leaves)) || c.Account != s.Account().String() {
		t.Errorf("checkpoint %+v, %v, %v; root %v of %d", c, err, openErr, root, len(leaves))
	}
}

// A checkpoint is signed only where something changed, exported, and tried
// again when that failed.
func TestCheckpointsAreExported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		var sent []string
		fail := true
		q := sequencer(db, func(_ context.Context, c checkpoint.Checkpoint, note string) error {
			if c.Account != s.Account().String() {
				return nil
			}
			if fail {
				return errors.New("the bucket is away")
			}
			sent = append(sent, note)
			return nil
		})
		now := time.Now()
		pass := func(after time.Duration, wrong bool) {
			t.Helper()
			if err := q.Pass(t.Context(), now.Add(after)); (err != nil) != wrong {
				t.Fatalf("after %v: %v", after, err)
			}
		}
		write(t, db, s, audit.Entry{Actor: "user_a", Action: "one"})
		pass(0, false)
		if leaves, last := tree(t, db, s); len(leaves) != 1 || last.Note != "" {
			t.Fatalf("%d places, checkpoint %q", len(leaves), last.Note)
		}
		pass(10*time.Second, false)
		leaves, last := tree(t, db, s)
		checkRoot(t, s, leaves, last)
		pass(71*time.Second, true)
		fail = false
		pass(72*time.Second, false)
		if len(sent) != 0 {
			t.Error("it was tried again at once")
		}
		pass(140*time.Second, false)
		pass(300*time.Second, false)
		if len(sent) != 1 || sent[0] != last.Note {
			t.Errorf("exported: %q, want %q once", sent, last.Note)
		}
		if _, again := tree(t, db, s); again.Note != last.Note {
			t.Error("it was signed again, and nothing had changed")
		}
	})
}

var (
	cutLeaf  = store.Register("test.audit.cut", `DELETE FROM audit_leaf WHERE account_id = $1 AND position = $2`)
	headBack = store.Register("test.audit.back", `UPDATE audit_head SET size = $2, peaks = $3 WHERE account_id = $1`)
	noNotes  = store.Register("test.audit.notes", `DELETE FROM audit_checkpoint WHERE account_id = $1`)
)

// What does not continue the last checkpoint is not signed, also when the
// database has forgotten that checkpoint.
func TestABrokenTreeIsNotSigned(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, q := storetest.Account(), sequencer(db, nil)
	write(t, db, s, audit.Entry{Actor: "user_a", Action: "one"}, audit.Entry{Actor: "user_a", Action: "two"})
	if err := q.Settle(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	change := func(st *store.Stmt, args ...any) {
		t.Helper()
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Exec(st, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	leaves, _ := tree(t, db, s)
	change(cutLeaf, 1)
	change(headBack, 1, leaves[0].Hash)
	change(noNotes)
	write(t, db, s, audit.Entry{Actor: "user_a", Action: "three"})
	if err := q.Settle(t.Context(), s); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("it was signed: %v", err)
	}
	if err := sequencer(db, nil).Settle(t.Context(), s); err != nil { // the control: who remembers nothing signs
		t.Errorf("a new process: %v", err)
	}
}
