package events_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/eventlog"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type bench struct {
	*testing.T
	db    *store.DB
	waker *jobstest.Waker
	log   *events.Log
	feed  *events.Feed
	seq   *events.Sequencer
}

var quiet = slog.New(slog.DiscardHandler)

func each(t *testing.T, f func(b *bench)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &jobstest.Waker{}
		b := &bench{t, db, w, events.NewLog(w), events.NewFeed(db, w, quiet), events.NewSequencer(db, w, quiet)}
		t.Cleanup(b.seq.Stop)
		f(b)
	})
}

func (b *bench) emit(s account.Scope, evs ...events.Event) {
	b.Helper()
	err := b.db.Write(context.Background(), s, func(tx *store.Tx) error { b.log.Emit(tx, evs...); return nil })
	if err != nil {
		b.Error(err)
	}
}

func (b *bench) place() {
	b.Helper()
	if _, err := b.seq.PlaceOnce(b.Context()); err != nil {
		b.Error(err)
	}
}

func (b *bench) read(s account.Scope, from int64, limit int) ([]events.Positioned, int64, bool) {
	b.Helper()
	evs, next, reset, err := b.feed.Read(context.Background(), s, from, limit)
	if err != nil {
		b.Fatal(err)
	}
	return evs, next, reset
}

func numbered(n int) events.Event {
	return events.Event{Kind: events.LeadCreated, Data: map[string]any{"n": float64(n)}}
}

func TestAnEventComesBackWhole(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		want := events.Event{Kind: events.OfferMade, At: store.Clock(time.Now()), Lead: lead.NewID(), Enquiry: lead.NewEnquiryID(), Offer: lead.NewOfferID(),
			User: account.NewUserID(), Project: account.NewProjectID(), Source: account.NewSourceID(), Test: true, Data: map[string]any{"a": "b"}}
		b.emit(s, want, events.Event{Kind: events.LeadWaiting})
		if evs, next, reset := b.read(s, 1, 10); len(evs) != 0 || next != 1 || reset {
			b.Errorf("it has a position before it is placed: %v %d %v", evs, next, reset)
		}
		b.place()
		evs, next, reset := b.read(s, 1, 10)
		if len(evs) != 2 || next != 3 || reset || evs[0].Position != 1 || evs[1].Position != 2 {
			b.Fatalf("%v %d %v", evs, next, reset)
		}
		got := evs[0].Event
		if got.Data["a"] != "b" {
			b.Errorf("%v", got.Data)
		}
		got.Data, want.Data = nil, nil
		if got.Kind != want.Kind || !got.At.Equal(want.At) || got.Lead != want.Lead || got.Offer != want.Offer || got.User != want.User || !got.Test {
			b.Errorf("%+v", got)
		}
		if evs[1].At.IsZero() || !evs[1].Lead.IsZero() {
			b.Errorf("%+v", evs[1])
		}
		if evs, next, reset := b.read(storetest.Account(), 1, 10); len(evs) != 0 || next != 1 || reset {
			b.Error("another account reads it")
		}
	})
}

func TestRolledBackEventsNeverWere(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		runs := 0
		err := b.db.Write(t.Context(), s, func(tx *store.Tx) error {
			b.log.Emit(tx, numbered(1))
			if runs++; runs < 3 {
				return store.ErrAgain
			}
			return nil
		})
		boom := errors.New("boom")
		err2 := b.db.Write(t.Context(), s, func(tx *store.Tx) error { b.log.Emit(tx, numbered(2)); return boom })
		b.place()
		if evs, _, _ := b.read(s, 1, 10); err != nil || !errors.Is(err2, boom) || len(evs) != 1 || evs[0].Data["n"] != 1.0 {
			b.Errorf("%v, %v, %v", err, err2, evs)
		}
	})
}

// Whatever the sizes of transactions and pages, reading from next to next
// gives each event once, in order.
func TestPages(t *testing.T) {
	each(t, func(b *bench) {
		rapid.Check(b.T, func(t *rapid.T) {
			s := storetest.Account()
			total := 0
			for range rapid.IntRange(1, 6).Draw(t, "transactions") {
				var evs []events.Event
				for range rapid.IntRange(0, 5).Draw(t, "events") {
					evs = append(evs, numbered(total))
					total++
				}
				b.emit(s, evs...)
				if rapid.Bool().Draw(t, "place") {
					b.place()
				}
			}
			b.place()
			limit := rapid.IntRange(1, 7).Draw(t, "limit")
			from, seen := int64(1), 0
			for {
				evs, next, reset := b.read(s, from, limit)
				if reset || len(evs) > limit {
					t.Fatalf("%d events, reset %v", len(evs), reset)
				}
				for _, e := range evs {
					if e.Position != int64(seen+1) || e.Data["n"] != float64(seen) {
						t.Fatalf("at %d: position %d, %v", seen, e.Position, e.Data)
					}
					seen++
				}
				if len(evs) == 0 {
					break
				}
				from = next
			}
			if seen != total {
				t.Fatalf("%d of %d", seen, total)
			}
		})
	})
}

// A page looks at the transactions that it can hold, not at all that follow:
// each may be a thousand events long.
func TestAPageLooksNoFurther(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		for n := range 4 {
			b.emit(s, numbered(2*n), numbered(2*n+1))
		}
		b.place()
		for until, want := range map[int64]int{2: 1, 3: 1, 4: 2, 9: 4} {
			looked := 0
			err := b.db.Read(b.Context(), s, func(tx *store.Tx) error {
				looked = 0
				return eventlog.From(tx, 1, until, 256, func(eventlog.Batch) (bool, error) { looked++; return true, nil })
			})
			if err != nil || looked != want {
				b.Errorf("until %d: %d transactions, want %d, %v", until, looked, want, err)
			}
		}
	})
}

// The promise: emitters that commit at any time, two sequencers, and a
// follower that reads all the while, which skips nothing and sees nothing
// twice; each emitter's events come in its order.
func TestFollowersSkipNothing(t *testing.T) {
	each(t, func(b *bench) {
		const emitters, each = 6, 20
		second := events.NewSequencer(b.db, b.waker, quiet)
		b.Cleanup(second.Stop)
		b.seq.Start()
		second.Start()
		s, other := storetest.Account(), storetest.Account()
		var wg sync.WaitGroup
		for e := range emitters {
			wg.Go(func() {
				for i := range each {
					err := b.db.Write(context.Background(), s, func(tx *store.Tx) error {
						b.log.Emit(tx, events.Event{Kind: events.LeadCreated, Data: map[string]any{"e": e, "i": i}})
						tx.BeforeCommit(func() error { // written, but late to commit
							if b.db.Engine() == store.Postgres {
								time.Sleep(rand.N(10 * time.Millisecond))
							}
							return nil
						})
						return nil
					})
					if err != nil {
						b.Error(err)
					}
					if i%5 == 0 {
						b.emit(other, numbered(i))
					}
				}
			})
		}
		wake, stop := b.feed.Watch(s)
		defer stop()
		next, seen, last := int64(1), 0, map[float64]float64{}
		deadline := time.After(30 * time.Second)
		for seen < emitters*each {
			evs, n, reset := b.read(s, next, 7)
			if reset {
				b.Fatal("reset")
			}
			for _, ev := range evs {
				if ev.Position != next {
					b.Fatalf("position %d after %d", ev.Position, next-1)
				}
				next++
				seen++
				e, i := ev.Data["e"].(float64), ev.Data["i"].(float64)
				if prev, ok := last[e]; ok && i != prev+1 || !ok && i != 0 {
					b.Fatalf("emitter %v: %v after %v", e, i, prev)
				}
				last[e] = i
			}
			if n != next {
				b.Fatalf("next is %d after %d", n, next-1)
			}
			if len(evs) > 0 {
				continue
			}
			select {
			case <-wake:
			case <-deadline:
				b.Fatalf("%d of %d came", seen, emitters*each)
			}
		}
		wg.Wait()
	})
}

func TestAFollowerIsWokenSoon(t *testing.T) {
	each(t, func(b *bench) {
		b.seq.Start()
		s := storetest.Account()
		wake, stop := b.feed.Watch(s)
		b.emit(s, numbered(0)) // the first one opens connections
		<-wake
		begin := time.Now()
		b.emit(s, numbered(1))
		<-wake
		late := time.Since(begin)
		b.Logf("emit to wake: %v", late)
		if late > 500*time.Millisecond {
			b.Errorf("woken after %v", late)
		}
		if evs, _, _ := b.read(s, 2, 10); len(evs) != 1 {
			b.Errorf("%v", evs)
		}
		stop()
		stop()
	})
}

func TestWhatIsOldIsDeletedOnceItWasRead(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		for i := range 4 {
			b.emit(s, numbered(i), numbered(i))
			b.place()
		}
		move := func(from, to int64) error {
			return b.db.Write(t.Context(), s, func(tx *store.Tx) error { return events.MoveCursor(tx, "insight", from, to) })
		}
		if err := move(1, 4); err != nil { // it has read 1 to 3
			b.Fatal(err)
		}
		trim := func(at time.Time) {
			if err := b.seq.Trim(t.Context(), at); err != nil {
				b.Fatal(err)
			}
		}
		trim(time.Now().Add(23 * time.Hour))
		if evs, _, reset := b.read(s, 1, 10); len(evs) != 8 || reset {
			b.Errorf("young events were deleted: %d, %v", len(evs), reset)
		}
		trim(time.Now().Add(25 * time.Hour))
		if _, next, reset := b.read(s, 2, 10); !reset || next != 9 {
			b.Errorf("deleted events: reset %v, next %d", reset, next)
		}
		if evs, _, reset := b.read(s, 4, 10); len(evs) != 5 || reset {
			b.Errorf("what the follower has not read was deleted: %d left, reset %v", len(evs), reset)
		}
		if err := move(4, 9); err != nil {
			b.Fatal(err)
		}
		trim(time.Now().Add(25 * time.Hour))
		if evs, next, reset := b.read(s, 4, 10); len(evs) != 0 || !reset || next != 9 {
			b.Errorf("%d, %v, %d", len(evs), reset, next)
		}
		if evs, next, reset := b.read(s, 9, 10); len(evs) != 0 || reset || next != 9 {
			b.Errorf("who has read all is reset: %v %v", reset, next)
		}
		if _, next, reset := b.read(s, 50, 10); !reset || next != 9 {
			b.Errorf("a position of the future: reset %v, next %d", reset, next)
		}
		b.emit(s, numbered(9))
		b.place()
		if evs, _, reset := b.read(s, 9, 10); len(evs) != 1 || reset || evs[0].Position != 9 {
			b.Errorf("%v %v", evs, reset)
		}
	})
}

func TestACursorMovesOnce(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		moved := 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				tries := 0
				err := b.db.Write(context.Background(), s, func(tx *store.Tx) error {
					if tries++; tries > 1 {
						return errors.New("somebody else moved it")
					}
					return events.MoveCursor(tx, "insight", 1, 5)
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					moved++
				}
			})
		}
		wg.Wait()
		var at int64
		err := b.db.Read(t.Context(), s, func(tx *store.Tx) (err error) { at, err = events.Cursor(tx, "insight"); return err })
		if err != nil || moved != 1 || at != 5 {
			b.Errorf("moved %d times, at %d, %v", moved, at, err)
		}
	})
}
