package routing_test

import (
	"log/slog"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
)

// By the real clock and the real runner: offered well within a second, and
// back with the next person soon after the time to accept is over.
func TestByTheClock(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 0, routing.PoolChange{})
		waker := &jobstest.Waker{}
		w.list = jobs.NewList(waker)
		w.router = routing.New(routing.Options{DB: db, Jobs: w.list, Events: events.NewLog(waker)})
		w.runner = jobs.NewRunner(db, w.list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
		w.router.Register(w.runner)
		w.clock.Store(time.Now().UnixMicro())
		for range 2 {
			w.hire("UTC", routing.AlwaysOn())
		}
		w.write(func(tx *store.Tx) error { // shorter than a manager may set it
			p, err := offers.GetPool(tx, w.pool)
			if err != nil {
				return err
			}
			p.AcceptSeconds = 1
			_, err = offers.SetPool(tx, p)
			return err
		})
		w.runner.Start()
		defer w.runner.Stop()
		id := w.arrive(1)[0]
		first := w.await(t, id, account.UserID{}, time.Second)
		second := w.await(t, id, first.User, 2*time.Second)
		if late := second.MadeAt.Sub(first.ExpiresAt); late < 0 || late > time.Second {
			t.Errorf("offered again %v after the time to accept", late)
		}
	})
}

// await waits for an open offer of the lead to somebody else.
func (w *world) await(t *testing.T, id lead.ID, not account.UserID, most time.Duration) offers.Offer {
	t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var all []offers.Offer
		w.read(func(tx *store.Tx) (err error) { all, err = w.router.OffersOf(tx, id); return err })
		for _, o := range all {
			if o.Open && o.User != not {
				return o
			}
		}
	}
	t.Fatalf("no offer within %v", most)
	return offers.Offer{}
}
