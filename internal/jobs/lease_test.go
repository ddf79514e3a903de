package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// What a killed process had in hand runs at once where nobody else can have
// it; else its lease is left alone, because it may be of a runner that lives.
func TestTheJobsOfAFormerLife(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, alone := range []bool{false, true} { // the first is the control of the second
			list := NewList(&jobstest.Waker{})
			s := storetest.Account()
			add := func(key string) {
				t.Helper()
				if err := db.Write(t.Context(), s, func(tx *store.Tx) error { return list.Add(tx, "k", key, time.Now()) }); err != nil {
					t.Fatal(err)
				}
			}
			ran := make(chan string, 4)
			runner := func() *Runner {
				r := NewRunner(db, list, slog.New(slog.DiscardHandler), RunnerOptions{Poll: 20 * time.Millisecond, Workers: 1, Alone: alone})
				r.lease = time.Hour // no wait ends it
				r.Handle("k", func(ctx context.Context, j Job) error {
					err := db.Write(ctx, j.Scope, j.Done)
					ran <- j.Key
					return err
				})
				return r
			}
			add("in hand")
			former := runner()
			due, _, err := former.due(t.Context(), time.Now(), 10)
			if err != nil || len(due) != 1 {
				t.Fatalf("%d jobs are due: %v", len(due), err)
			}
			held, ok := former.claim(due[0], time.Now)
			if !ok { // and here it is killed
				t.Fatal("not claimed")
			}
			add("new")
			r := runner()
			r.Start()
			got := []string{<-ran}
			if alone {
				got = append(got, <-ran)
			}
			r.Stop()
			slices.Sort(got)
			if want := map[bool]string{false: "[new]", true: "[in hand new]"}[alone]; fmt.Sprint(got) != want || len(ran) != 0 {
				t.Errorf("alone %v: %v ran, want %s", alone, got, want)
			}
			// Who still had it would be refused; who has it by right settles it.
			err = db.Write(t.Context(), s, held.Done)
			if errors.Is(err, ErrLost) != alone || !alone && err != nil {
				t.Errorf("alone %v: %v", alone, err)
			}
		}
	})
}

// What is asked for between the look and the claim is done by that claim: of a
// job that every transaction asks for, no claim would ever come in time. The
// control is what is asked for after it, which has the job run once more.
func TestAskedForBeforeItIsClaimed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, late := range []bool{false, true} {
			list := NewList(&jobstest.Waker{})
			s := storetest.Account()
			add := func() {
				t.Helper()
				if err := db.Write(t.Context(), s, func(tx *store.Tx) error { return list.Add(tx, "k", "a", time.Now()) }); err != nil {
					t.Fatal(err)
				}
			}
			r := NewRunner(db, list, slog.New(slog.DiscardHandler), RunnerOptions{})
			left := func() int {
				t.Helper()
				due, _, err := r.due(t.Context(), time.Now(), 10)
				if err != nil {
					t.Fatal(err)
				}
				return len(due)
			}
			add()
			due, _, err := r.due(t.Context(), time.Now(), 10)
			if err != nil || len(due) != 1 {
				t.Fatalf("%d jobs are due: %v", len(due), err)
			}
			add()
			j, ok := r.claim(due[0], time.Now)
			if !ok || j.Tries != 1 {
				t.Fatalf("claimed %v, try %d", ok, j.Tries)
			}
			if _, twice := r.claim(due[0], time.Now); twice {
				t.Error("claimed by two")
			}
			want := 0
			if late {
				add()
				want = 1
			}
			if err := db.Write(t.Context(), s, j.Done); err != nil || left() != want {
				t.Errorf("late %v: %d jobs are left, want %d; %v", late, left(), want, err)
			}
		}
	})
}
