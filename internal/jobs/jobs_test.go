package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type bench struct {
	*testing.T
	db    *store.DB
	waker *jobstest.Waker
	list  *jobs.List
}

func each(t *testing.T, f func(b *bench)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &jobstest.Waker{}
		f(&bench{t, db, w, jobs.NewList(w)})
	})
}

func (b *bench) runner(o jobs.RunnerOptions) *jobs.Runner {
	r := jobs.NewRunner(b.db, b.list, slog.New(slog.DiscardHandler), o)
	b.Cleanup(r.Stop)
	return r
}

func (b *bench) add(s account.Scope, kind jobs.Kind, key string, at time.Time) {
	b.Helper()
	err := b.db.Write(context.Background(), s, func(tx *store.Tx) error { return b.list.Add(tx, kind, key, at) })
	if err != nil {
		b.Error(err)
	}
}

func (b *bench) failed(s account.Scope) (out []jobs.Failure) {
	b.Helper()
	err := b.db.Read(context.Background(), s, func(tx *store.Tx) (err error) {
		out, err = jobs.Failed(tx, "", "", 10)
		return err
	})
	if err != nil {
		b.Error(err)
	}
	return out
}

// done is a handler that settles and counts.
func (b *bench) done(n *atomic.Int64, signal chan<- jobs.Job) jobs.Handler {
	return func(ctx context.Context, j jobs.Job) error {
		err := b.db.Write(ctx, j.Scope, j.Done)
		n.Add(1)
		if signal != nil {
			signal <- j
		}
		return err
	}
}

func (b *bench) overdue(r *jobs.Runner) int {
	n, _, err := r.Overdue(context.Background())
	if err != nil {
		b.Error(err)
	}
	return n
}

func TestRunsAtItsTime(t *testing.T) {
	each(t, func(b *bench) {
		got := make(chan jobs.Job, 4)
		var n atomic.Int64
		r := b.runner(jobs.RunnerOptions{Poll: time.Hour}) // only wakes and timers
		r.Handle("k", b.done(&n, got))
		r.Start()
		s := storetest.Account()
		for _, wait := range []time.Duration{0, 200 * time.Millisecond} {
			begin := time.Now()
			b.add(s, "k", "a", begin.Add(wait))
			j := <-got
			late := time.Since(begin) - wait
			if j.Scope != s || j.Key != "a" || j.Tries != 1 || late < 0 || late > 500*time.Millisecond {
				b.Errorf("%+v, %v late", j, late)
			}
			b.Logf("%v late", late)
		}
	})
}

func TestAskedTwiceIsAskedOnce(t *testing.T) {
	each(t, func(b *bench) {
		var n atomic.Int64
		r := b.runner(jobs.RunnerOptions{})
		r.Handle("k", b.done(&n, nil))
		s, now := storetest.Account(), time.Now()
		for range 5 {
			b.add(s, "k", "a", now)
		}
		b.add(s, "k", "b", now)
		b.add(storetest.Account(), "k", "a", now)
		b.add(s, "k", "late", now.Add(time.Hour))
		ran, err := r.Drain(t.Context(), now.Add(time.Second))
		if err != nil || ran != 3 || n.Load() != 3 {
			b.Fatalf("%d ran, %v", ran, err)
		}
		b.add(s, "k", "late", now) // the earlier of both times
		if ran, err := r.Drain(t.Context(), now.Add(time.Second)); ran != 1 || err != nil {
			b.Fatalf("%d ran, %v", ran, err)
		}
		if ran, err := r.Drain(t.Context(), now.Add(2*time.Hour)); ran != 0 || err != nil {
			b.Fatalf("%d ran after all were done, %v", ran, err)
		}
	})
}

// What is asked for while it runs is not lost, and never runs twice at once.
func TestAskedForWhileItRuns(t *testing.T) {
	each(t, func(b *bench) {
		begun, goOn := make(chan struct{}, 10), make(chan struct{})
		var inside, most atomic.Int64
		handler := func(ctx context.Context, j jobs.Job) error {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			begun <- struct{}{}
			<-goOn
			return b.db.Write(ctx, j.Scope, j.Done)
		}
		for range 2 { // two nodes
			r := b.runner(jobs.RunnerOptions{Poll: 20 * time.Millisecond})
			r.Handle("k", handler)
			r.Start()
		}
		s := storetest.Account()
		b.add(s, "k", "a", time.Now())
		<-begun
		b.add(s, "k", "a", time.Now())
		select {
		case <-begun:
			b.Error("it began again while it ran")
		case <-time.After(150 * time.Millisecond):
		}
		goOn <- struct{}{}
		<-begun
		goOn <- struct{}{}
		if most.Load() != 1 {
			b.Errorf("%d at once", most.Load())
		}
	})
}

// Many workers on several nodes: each job once, none forgotten.
func TestOneLeaseAmongMany(t *testing.T) {
	each(t, func(b *bench) {
		const accounts, each = 4, 25
		var mu sync.Mutex
		runs := map[string]int{}
		all := make(chan struct{}, accounts*each+1)
		for range 3 {
			r := b.runner(jobs.RunnerOptions{Workers: 8, Poll: 20 * time.Millisecond})
			r.Handle("k", func(ctx context.Context, j jobs.Job) error {
				mu.Lock()
				runs[j.Scope.Account().String()+j.Key]++
				mu.Unlock()
				all <- struct{}{}
				return b.db.Write(ctx, j.Scope, j.Done)
			})
			r.Start()
		}
		var adding sync.WaitGroup
		for range accounts {
			s := storetest.Account()
			adding.Go(func() {
				for i := range each {
					b.add(s, "k", fmt.Sprint(i), time.Now())
				}
			})
		}
		adding.Wait()
		for range accounts * each {
			<-all
		}
		select {
		case <-all:
			b.Error("one ran twice")
		case <-time.After(100 * time.Millisecond):
		}
		if len(runs) != accounts*each {
			b.Errorf("%d of %d ran", len(runs), accounts*each)
		}
	})
}

func TestAFailureIsKeptAndTriedAgain(t *testing.T) {
	each(t, func(b *bench) {
		r := b.runner(jobs.RunnerOptions{})
		s, now := storetest.Account(), time.Now()
		tries := 0
		r.Handle("k", func(ctx context.Context, j jobs.Job) error {
			tries++
			if j.Tries != tries {
				b.Errorf("try %d says %d", tries, j.Tries)
			}
			switch tries {
			case 1:
				panic("somebody's name")
			case 2:
				return b.db.Write(ctx, j.Scope, func(tx *store.Tx) error { // settled, but not committed
					if err := j.Done(tx); err != nil {
						return err
					}
					return errors.New("the other side refused")
				})
			}
			return nil // not settled by the handler
		})
		b.add(s, "k", "a", now)
		for i, want := range []string{"panic: string", "the other side refused", ""} {
			ran, err := r.Drain(t.Context(), now.Add(time.Duration(i)*10*time.Second))
			f := b.failed(s)
			if ran != 1 || (err == nil) != (want == "") {
				b.Fatalf("run %d: %d ran, %v", i, ran, err)
			}
			if want == "" && len(f) != 0 || want != "" && (len(f) != 1 || f[0].Error != want || f[0].Tries != i+1 || f[0].Next.IsZero()) {
				b.Fatalf("run %d: %+v", i, f)
			}
		}
		if len(b.failed(storetest.Account())) != 0 {
			b.Error("another account sees it")
		}
	})
}

func TestLater(t *testing.T) {
	each(t, func(b *bench) {
		r := b.runner(jobs.RunnerOptions{})
		s, now := storetest.Account(), time.Now()
		again := false
		r.Handle("k", func(ctx context.Context, j jobs.Job) error {
			if again {
				again = false
				b.add(s, "k", "a", now)
			}
			return b.db.Write(ctx, j.Scope, func(tx *store.Tx) error { return j.Later(tx, now.Add(time.Hour)) })
		})
		r.Handle("other", func(ctx context.Context, j jobs.Job) error {
			err := b.db.Write(ctx, storetest.Account(), j.Done)
			if err == nil {
				b.Error("a job was settled by another account")
			}
			return nil
		})
		b.add(s, "k", "a", now)
		b.add(s, "other", "a", now)
		for _, c := range []struct {
			after time.Duration
			again bool
			want  int
		}{{time.Second, false, 2}, {59 * time.Minute, false, 0}, {61 * time.Minute, true, 2}} {
			again = c.again
			now = now.Add(c.after)
			if ran, err := r.Drain(t.Context(), now); ran != c.want || err != nil {
				b.Fatalf("%v: %d ran, %v", c.after, ran, err)
			}
		}
	})
}

// A worker that vanished leaves its lease; when it comes back late it cannot
// settle what another one has meanwhile.
func TestALostLeaseCannotSettle(t *testing.T) {
	each(t, func(b *bench) {
		r, other := b.runner(jobs.RunnerOptions{}), b.runner(jobs.RunnerOptions{})
		s, now := storetest.Account(), time.Now()
		var late error
		r.Handle("k", func(ctx context.Context, j jobs.Job) error {
			if late != nil {
				return nil
			}
			if n, err := other.Drain(ctx, now.Add(10*time.Second)); n != 0 || err != nil {
				b.Errorf("%d ran under another's lease, %v", n, err)
			}
			if n, err := other.Drain(ctx, now.Add(time.Minute)); n != 1 || err != nil {
				b.Errorf("%d ran after the lease ended, %v", n, err)
			}
			b.add(s, "k", "a", now) // it is there again, but not ours
			late = b.db.Write(ctx, j.Scope, j.Done)
			return late
		})
		other.Handle("k", func(ctx context.Context, j jobs.Job) error { return nil })
		b.add(s, "k", "a", now)
		_, _ = r.Drain(t.Context(), now)
		if !errors.Is(late, jobs.ErrLost) {
			b.Errorf("settled a job of another's: %v", late)
		}
	})
}

func TestStopGivesBackAndLooksUnasked(t *testing.T) {
	each(t, func(b *bench) {
		s := storetest.Account()
		begun := make(chan struct{})
		first := b.runner(jobs.RunnerOptions{})
		first.Handle("k", func(ctx context.Context, j jobs.Job) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		})
		first.Start()
		b.add(s, "k", "a", time.Now())
		<-begun
		first.Stop()
		first.Stop()
		first.Start()
		if n := b.overdue(first); n != 1 || len(b.failed(s)) != 0 {
			b.Fatalf("%d jobs given back, failures %v", n, b.failed(s))
		}
		b.waker.Mute()
		got := make(chan jobs.Job, 1)
		var n atomic.Int64
		second := b.runner(jobs.RunnerOptions{Poll: 30 * time.Millisecond})
		second.Handle("k", b.done(&n, got))
		second.Start()
		<-got
		b.add(s, "k", "b", time.Now()) // nobody is woken
		<-got
		never := b.runner(jobs.RunnerOptions{})
		never.Stop()
		never.Start()
	})
}

func TestAJobThatWasRolledBackWasNotAsked(t *testing.T) {
	each(t, func(b *bench) {
		r := b.runner(jobs.RunnerOptions{})
		boom := errors.New("boom")
		err := b.db.Write(t.Context(), storetest.Account(), func(tx *store.Tx) error {
			return errors.Join(b.list.Add(tx, "k", "a", time.Now()), boom)
		})
		if !errors.Is(err, boom) || b.overdue(r) != 0 {
			b.Errorf("%v, %d jobs", err, b.overdue(r))
		}
	})
}
