package locksmith_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/locksmith"
	"catchment/internal/store"
	"catchment/internal/store/keys"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// house is an account with persons whose names are sealed.
type house struct {
	t        *testing.T
	db       *store.DB
	ring     *keyring.Keyring
	accounts *keyring.Accounts
	scope    account.Scope
	clock    time.Time
	clear    bool // the journal holds nothing old
	asked    int  // for the doors' snapshot
	names    map[lead.PersonID]vault.Sealed
}

func newHouse(t *testing.T, db *store.DB, persons int) *house {
	t.Helper()
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, ring: ring, clock: time.Now(), names: map[lead.PersonID]vault.Sealed{}}
	h.accounts = keyring.NewAccounts(ring, func(ctx context.Context, id account.ID) ([]byte, error) { return directory.LoadKeyset(ctx, db, id) })
	h.scope = h.found()
	h.add(h.scope, persons)
	return h
}

func (h *house) found() account.Scope {
	h.t.Helper()
	id := account.NewID()
	wrapped, k, err := h.ring.NewAccount(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	s := admit.To(id)
	h.write(s, func(tx *store.Tx) error { return keys.Add(tx, k.Version(), wrapped, h.clock) })
	return s
}

func (h *house) write(s account.Scope, f func(*store.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(h.t.Context(), s, f); err != nil {
		h.t.Fatal(err)
	}
}

// add puts persons in, sealed under whatever the cache has.
func (h *house) add(s account.Scope, n int) {
	h.t.Helper()
	k, err := h.accounts.Get(h.t.Context(), s.Account())
	if err != nil {
		h.t.Fatal(err)
	}
	h.addUnder(s, k, n)
}

func (h *house) addUnder(s account.Scope, k *keyring.AccountKeys, n int) {
	h.t.Helper()
	var all []people.New
	for range n {
		p := people.New{ID: lead.NewPersonID(), CreatedAt: h.clock, KeysetVersion: int64(k.Version())}
		wrapped, key := k.NewSubjectKey(vault.Subject(p.ID.UUID()))
		sealed := key.Seal(people.Place(p.ID, vault.Name), vault.Hide("Ada Example"))
		p.WrappedKey, p.Name = wrapped, sealed.Data
		h.names[p.ID] = sealed
		all = append(all, p)
	}
	h.write(s, func(tx *store.Tx) error { return people.Add(tx, all) })
}

func (h *house) smith() *locksmith.Locksmith {
	return locksmith.New(locksmith.Options{DB: h.db, Ring: h.ring, Now: func() time.Time { return h.clock },
		Changed:    func(*store.Tx) error { h.asked++; return nil },
		BoxesClear: func(context.Context, time.Time) (bool, error) { return h.clear, nil }})
}

// opens counts the names that open with what the tables have now.
func (h *house) opens() (n int) {
	h.t.Helper()
	fresh := keyring.NewAccounts(h.ring, func(ctx context.Context, id account.ID) ([]byte, error) { return directory.LoadKeyset(ctx, h.db, id) })
	o := &keyring.Opener{Accounts: fresh, Record: func(context.Context, keyring.Opening) error { return nil }, Keys: func(ctx context.Context, s account.Scope, subjects []vault.Subject) (out map[vault.Subject][]byte, err error) {
		err = h.db.Read(ctx, s, func(tx *store.Tx) error { out, err = people.Keys(tx, subjects); return err })
		return out, err
	}}
	var all []vault.Sealed
	for _, s := range h.names {
		all = append(all, s)
	}
	got, err := o.Open(h.t.Context(), h.scope, "user_test", vault.ForOversight, all...)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range got.States {
		if s == keyring.Clear {
			n++
		}
	}
	return n
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const actor = "system:test"

// Two pages and a bit are wrapped anew; a start with the old keyset in its
// cache reads on; only then does the old generation go, and all still opens.
func TestRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 1100)
		old := must(h.accounts.Get(t.Context(), h.scope.Account()))(t)
		other := h.found()
		l := h.smith()
		if g := must(l.Rotate(t.Context(), h.scope, actor))(t); g != 2 || h.asked != 1 {
			t.Fatalf("generation %d, the doors were told %d times", g, h.asked)
		}
		h.addUnder(h.scope, old, 3) // a process that does not know yet
		told := 0
		p := must(l.Rewrap(t.Context(), h.scope, actor, func(locksmith.Progress) { told++ }))(t)
		if p.Keys != 1103 || p.Bad != 0 || told < 3 || p.Bytes != 1103*65 {
			t.Errorf("%+v, told %d times", p, told)
		}
		if again := must(l.Rewrap(t.Context(), h.scope, actor, nil))(t); again.Keys != 0 {
			t.Errorf("a second time wraps %d", again.Keys)
		}
		for id := range h.names { // the old keyset meets a key of the new generation
			h.write(h.scope, func(tx *store.Tx) error {
				wrapped, err := people.Keys(tx, []vault.Subject{vault.Subject(id.UUID())})
				if err == nil {
					_, err = old.OpenSubjectKey(vault.Subject(id.UUID()), wrapped[vault.Subject(id.UUID())])
				}
				return err
			})
			break
		}
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Wraps)+len(out.Boxes) != 0 || len(out.Kept) != 2 {
			t.Errorf("at once: %+v", out)
		}
		h.clock = h.clock.Add(locksmith.LeastSettled + time.Second)
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Wraps) != 1 || len(out.Boxes) != 0 {
			t.Errorf("settled: %+v", out)
		}
		h.clear = true
		h.write(h.scope, func(tx *store.Tx) error { return keys.Published(tx, 2, h.clock) })
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Boxes) != 1 {
			t.Errorf("the journal is empty: %+v", out)
		}
		s := must(l.Status(t.Context(), h.scope))(t)
		if len(s.Generations) != 1 || s.Generations[0].Keys != 1103 || s.Generations[0].Due.IsZero() {
			t.Errorf("%+v", s)
		}
		if n := h.opens(); n != len(h.names) {
			t.Errorf("%d of %d open", n, len(h.names))
		}
		if s := must(l.Status(t.Context(), other))(t); len(s.Generations) != 1 || s.Generations[0].Number != 1 {
			t.Errorf("another account was touched: %+v", s)
		}
		h.wantRecord("keys.rotated", "keys.rewrapped", "keys.destroyed", "keys.destroyed")
	})
}

func (h *house) wantRecord(actions ...string) {
	h.t.Helper()
	n := 0
	h.write(h.scope, func(tx *store.Tx) error {
		all, err := audit.List(tx, audit.Filter{Actor: actor}, audit.Place{}, 100)
		n = len(all)
		return err
	})
	if n != len(actions) {
		h.t.Errorf("%d entries on the record, want %d", n, len(actions))
	}
}

// A rotation that stops in the middle goes on; what was done is not done again.
func TestAStoppedRewrapGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 1200)
		l := h.smith()
		must(l.Rotate(t.Context(), h.scope, actor))(t)
		ctx, stop := context.WithCancel(t.Context())
		p, err := l.Rewrap(ctx, h.scope, actor, func(locksmith.Progress) { stop() })
		if err == nil || p.Keys != 500 {
			t.Fatalf("%+v, %v", p, err)
		}
		if n := h.opens(); n != 1200 {
			t.Errorf("in the middle %d of 1200 open", n)
		}
		if p := must(l.Rewrap(t.Context(), h.scope, actor, nil))(t); p.Keys != 700 {
			t.Errorf("the rest: %+v", p)
		}
	})
}

// The control: a generation that is destroyed although a page was skipped
// leaves persons who do not open, and the search sees it. Expire refuses it.
func TestASkippedPageIsNoticed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 600)
		l := h.smith()
		must(l.Rotate(t.Context(), h.scope, actor))(t)
		ctx, stop := context.WithCancel(t.Context())
		_, _ = l.Rewrap(ctx, h.scope, actor, func(locksmith.Progress) { stop() })
		h.clock = h.clock.Add(2 * locksmith.Settled)
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Wraps) != 0 || len(out.Kept) == 0 {
			t.Fatalf("100 keys were thrown away: %+v", out)
		}
		k := must(keyring.NewAccounts(h.ring, func(ctx context.Context, id account.ID) ([]byte, error) { return directory.LoadKeyset(ctx, db, id) }).Get(t.Context(), h.scope.Account()))(t)
		wrapped, _, err := h.ring.Shed(t.Context(), k, []uint32{1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.write(h.scope, func(tx *store.Tx) error {
			set, err := keys.Get(tx)
			if err == nil {
				_, err = keys.Replace(tx, set.Version, set.Wrapped, wrapped)
			}
			return err
		})
		if n := h.opens(); n != 500 {
			t.Errorf("%d open; the 100 of the skipped page should not", n)
		}
	})
}

func TestTheRootIsRotated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 10)
		before := h.ring.Root()
		if _, err := h.ring.RotateRoot(); err != nil {
			t.Fatal(err)
		}
		l := h.smith()
		if changed, n, err := l.RewrapRoot(t.Context(), h.scope, actor); err != nil || !changed || n == 0 {
			t.Fatal(changed, n, err)
		}
		if changed, _, err := l.RewrapRoot(t.Context(), h.scope, actor); err != nil || changed {
			t.Fatal("twice", err)
		}
		if err := h.ring.DropRoots(before); err != nil {
			t.Fatal(err)
		}
		if n := h.opens(); n != 10 {
			t.Errorf("%d of 10 open under the new root alone", n)
		}
		if err := h.ring.DropRoots(h.ring.Root()); err == nil {
			t.Error("the root that wraps was destroyed")
		}
	})
}

// A dead letter that is sealed to an old drop box holds its key.
func TestADeadLetterHoldsItsBox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 1)
		l := h.smith()
		d := leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: lead.NewEnquiryID(), Stream: "s", Seq: 1, Reason: "body_unreadable",
			Entry: []byte{1}, Box: []byte{1, 0, 0, 0, 1, 9, 9}, ReceivedAt: h.clock, ChangedAt: h.clock}
		h.write(h.scope, func(tx *store.Tx) error { _, err := leads.AddDead(tx, d); return err })
		must(l.Rotate(t.Context(), h.scope, actor))(t)
		h.write(h.scope, func(tx *store.Tx) error { return keys.Published(tx, 2, h.clock) })
		h.clear = true
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Boxes) != 0 {
			t.Fatalf("%+v", out)
		}
		h.write(h.scope, func(tx *store.Tx) error {
			_, err := leads.SetDead(tx, d.ID, leads.DeadReplayed, d.Reason, h.clock)
			return err
		})
		if out := must(l.Expire(t.Context(), h.scope, actor, 0))(t); len(out.Boxes) != 1 {
			t.Errorf("replayed: %+v", out)
		}
	})
}

// Two who rotate at once: one makes the generation, the other is told.
func TestTwoRotations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, 1)
		l := h.smith()
		errs := make(chan error, 4)
		for range cap(errs) {
			go func() { _, err := l.Rotate(context.Background(), h.scope, actor); errs <- err }()
		}
		good := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				good++
			} else if !errors.Is(err, locksmith.ErrRaced) {
				t.Error(err)
			}
		}
		s := must(l.Status(t.Context(), h.scope))(t)
		if good == 0 || len(s.Generations) != good+1 {
			t.Errorf("%d rotations made %d generations", good, len(s.Generations))
		}
	})
}
