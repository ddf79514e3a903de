package jobs

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/jobs/jobstest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// A job that takes longer than a lease keeps it: nobody else begins it.
func TestALongJobKeepsItsLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &jobstest.Waker{}
		list := NewList(w)
		var inside, most, runs atomic.Int64
		done := make(chan error, 4)
		for range 2 {
			r := NewRunner(db, list, slog.New(slog.DiscardHandler), RunnerOptions{Poll: 20 * time.Millisecond})
			r.lease = 300 * time.Millisecond
			r.Handle("k", func(ctx context.Context, j Job) error {
				runs.Add(1)
				most.Store(max(most.Load(), inside.Add(1)))
				defer inside.Add(-1)
				time.Sleep(4 * r.lease)
				err := db.Write(ctx, j.Scope, j.Done)
				done <- err
				return err
			})
			r.Start()
			t.Cleanup(r.Stop)
		}
		s := storetest.Account()
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error { return list.Add(tx, "k", "a", time.Now()) }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || runs.Load() != 1 || most.Load() != 1 {
			t.Errorf("%v, %d runs, %d at once", err, runs.Load(), most.Load())
		}
	})
}
