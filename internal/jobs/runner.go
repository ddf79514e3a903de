package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/account/admit"
	"catchment/internal/store"
	"catchment/internal/store/work"
)

// RunnerOptions say how jobs are run; the zero value is useful.
type RunnerOptions struct {
	Workers int           // jobs at a time, default 4
	Poll    time.Duration // how often the runner looks unasked, default 1 s
	// Alone says that no other runner can be at work on this database for as
	// long as this one is: then a lease found at Start is of a process that was
	// killed, and its job runs at once instead of when the lease ends.
	Alone bool
}

const (
	lease       = 30 * time.Second // after which a job of a worker that vanished runs elsewhere
	firstPause  = 250 * time.Millisecond
	longPause   = time.Minute
	errorLength = 500 // letters of an error that are kept
)

// Handler does a job. It settles it (Done, Later) in its own transaction; if
// it returns nil without having done so, the runner takes the job off the
// list. An error has it run again after a pause; its text is kept with the
// job, so it must not contain a person's data.
type Handler func(ctx context.Context, j Job) error

// Runner runs due jobs of all accounts. Several runners, also on several
// nodes, share the list: the same job is never run by two at once.
type Runner struct {
	db       *store.DB
	waker    Waker
	log      *slog.Logger
	o        RunnerOptions
	handlers map[Kind]Handler

	poke    chan struct{} // something may be due
	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	stops   sync.Once
	running sync.WaitGroup
	unwake  func()

	mu     sync.Mutex
	flight map[jobID]bool // handed to a worker

	lease time.Duration // the constant, but in tests

	ran, failed atomic.Int64
}

type jobID struct {
	account   [16]byte
	kind, key string
}

func idOf(r work.Job) jobID { return jobID{r.Account.UUID(), r.Kind, r.Key} }

// NewRunner returns a runner that does nothing before Start.
func NewRunner(db *store.DB, l *List, log *slog.Logger, o RunnerOptions) *Runner {
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Runner{db: db, waker: l.w, log: log, o: o, handlers: map[Kind]Handler{}, poke: make(chan struct{}, 1),
		ctx: ctx, cancel: cancel, unwake: func() {}, flight: map[jobID]bool{}, lease: lease}
}

// Handle names the handler of a kind. All are named before Start.
func (r *Runner) Handle(k Kind, f func(ctx context.Context, j Job) error) {
	if r.handlers[k] != nil {
		panic("jobs: two handlers for " + string(k))
	}
	r.handlers[k] = f
}

// Start begins to run jobs. After Stop it does nothing.
func (r *Runner) Start() {
	r.starts.Do(func() {
		if r.ctx.Err() != nil {
			return
		}
		stop, err := r.waker.OnWake(subject, r.wake)
		if err != nil {
			r.log.Warn("jobs: nobody wakes the runner; it looks now and then", "every", r.o.Poll, "error", err)
		} else {
			r.unwake = stop
		}
		r.running.Go(r.dispatch)
	})
}

// Stop cancels what runs, gives its jobs back and returns when all is quiet.
func (r *Runner) Stop() {
	r.stops.Do(func() {
		r.cancel()
		r.starts.Do(func() {}) // a Start that comes later finds it done
		r.unwake()
	})
	r.running.Wait()
}

// Stats counts, since Start, the jobs that ran and those of them that failed.
func (r *Runner) Stats() (ran, failed int64) { return r.ran.Load(), r.failed.Load() }

// Overdue counts the jobs of all accounts that could run now, and says since
// when the oldest of them could.
func (r *Runner) Overdue(ctx context.Context) (n int, oldest time.Time, err error) {
	err = r.db.ReadDirectory(ctx, func(d *store.Dir) error {
		n, oldest, err = work.Overdue(d, time.Now())
		return err
	})
	return n, oldest, err
}

func (r *Runner) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// dispatch hands due jobs to workers and sleeps until the next one is due.
func (r *Runner) dispatch() {
	if r.o.Alone {
		r.inherit()
	}
	slots := make(chan struct{}, r.o.Workers)
	for r.ctx.Err() == nil {
		jobs, next, err := r.due(r.ctx, time.Now(), 2*r.o.Workers)
		if err != nil && r.ctx.Err() == nil {
			r.log.Warn("jobs: cannot look for due jobs", "error", err)
		}
		begun := 0
		for _, j := range jobs {
			if !r.take(j) {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-r.ctx.Done():
				return
			}
			begun++
			r.running.Go(func() {
				defer func() {
					r.giveBack(j)
					<-slots
					r.wake() // it may be due again, or somebody waits for the slot
				}()
				r.work(j)
			})
		}
		if begun == 0 || err != nil {
			r.sleep(next)
		}
	}
}

// inherit makes the jobs due that a former life had in hand. Should it fail,
// their leases end by themselves.
func (r *Runner) inherit() {
	var n int64
	err := r.db.Directory(r.ctx, func(d *store.Dir) (err error) {
		n, err = work.Unlease(d, time.Now())
		return err
	})
	if err != nil && r.ctx.Err() == nil {
		r.log.Warn("jobs: cannot take over what was in hand when the program ended", "error", err)
	}
	if err == nil && n > 0 {
		r.log.Info("jobs: took over what was in hand when the program ended", "jobs", n)
	}
}

// sleep lasts until something is added, the next job is due, or the poll.
func (r *Runner) sleep(next time.Time) {
	d := r.o.Poll
	if !next.IsZero() {
		d = min(d, max(time.Until(next), 0))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.poke:
	case <-r.ctx.Done():
	}
}

func (r *Runner) due(ctx context.Context, now time.Time, limit int) (jobs []work.Job, next time.Time, err error) {
	err = r.db.ReadDirectory(ctx, func(d *store.Dir) error {
		jobs, next, err = work.Due(d, now, limit)
		return err
	})
	return jobs, next, err
}

func (r *Runner) take(j work.Job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight[idOf(j)] {
		return false
	}
	r.flight[idOf(j)] = true
	return true
}

func (r *Runner) giveBack(j work.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flight, idOf(j))
}

// work claims the job, runs it and keeps its error.
func (r *Runner) work(row work.Job) {
	j, ok := r.claim(row, time.Now)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var keeping sync.WaitGroup
	keeping.Go(func() { r.keepLease(ctx, cancel, j) })
	err := r.run(ctx, j)
	cancel()
	keeping.Wait()
	if err != nil {
		r.fail(j, err)
	}
}

// claim leases the job. It is not ours when it was claimed or settled since it
// was found; then the next look finds what is due. Having been asked for again
// meanwhile is no obstacle: of a job that every transaction asks for, each claim
// would come too late.
func (r *Runner) claim(found work.Job, now func() time.Time) (Job, bool) {
	found.Lease = rand.Int64N(1<<62) + 1
	row, ok := found, false
	err := r.db.Directory(r.ctx, func(d *store.Dir) error {
		var err error
		row, ok, err = work.Claim(d, found, now(), now().Add(r.lease))
		return err
	})
	if err != nil && r.ctx.Err() == nil {
		r.log.Warn("jobs: cannot claim a job", "kind", row.Kind, "error", err)
		r.rest(firstPause) // the next look finds it again at once
	}
	if err != nil || !ok {
		return Job{}, false
	}
	return Job{Scope: admit.To(row.Account), Kind: Kind(row.Kind), Key: row.Key, Tries: row.Tries + 1,
		row: row, now: now, settled: new(atomic.Bool)}, true
}

// keepLease renews the lease while the job runs, and cancels it when the lease
// was lost: settling it would be refused.
func (r *Runner) keepLease(ctx context.Context, cancel func(), j Job) {
	t := time.NewTicker(r.lease / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		kept := true
		err := r.db.Directory(ctx, func(d *store.Dir) error {
			var err error
			kept, err = work.Renew(d, j.row, time.Now().Add(r.lease))
			return err
		})
		if err == nil && !kept && !j.settled.Load() {
			cancel()
			return
		}
	}
}

// run calls the handler; a panic is an error.
func (r *Runner) run(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("jobs: a handler panicked", "kind", j.Kind, "account", j.Scope.Account(), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %T", p) // the value may be anything, so it is not kept
		}
		r.ran.Add(1)
	}()
	handler := r.handlers[j.Kind]
	if handler == nil {
		return errors.New("this program has no handler for the kind")
	}
	if err := handler(ctx, j); err != nil {
		return err
	}
	if j.settled.Load() {
		return nil
	}
	return r.db.Write(ctx, j.Scope, j.Done)
}

// fail plans the next try. While the database is away it holds the job, up to
// the lease's end; then the lease itself gives the job back.
func (r *Runner) fail(j Job, err error) {
	if j.settled.Load() || errors.Is(err, ErrLost) {
		return
	}
	at, why := time.Now(), ""
	if r.ctx.Err() == nil { // not merely stopped
		r.failed.Add(1)
		at, why = at.Add(pause(j.Tries)), cut(err.Error())
		r.log.Warn("jobs: a job failed", "kind", j.Kind, "account", j.Scope.Account(), "tries", j.Tries, "error", err)
	}
	for give := time.Now().Add(r.lease); time.Now().Before(give); {
		if r.postpone(j, at, why) == nil {
			return
		}
		r.rest(firstPause)
		if r.ctx.Err() != nil {
			return
		}
	}
}

func (r *Runner) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
	}
}

// postpone is done also while the runner stops.
func (r *Runner) postpone(j Job, at time.Time, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 5*time.Second)
	defer cancel()
	return r.db.Directory(ctx, func(d *store.Dir) error { return work.Postpone(d, j.row, at, why) })
}

// pause grows from 250 ms to a minute.
func pause(tries int) time.Duration {
	d := longPause
	if tries <= 9 {
		d = min(firstPause<<max(tries-1, 0), longPause)
	}
	return d
}

// Drain runs, one after the other and as if it were now, all jobs that are
// due, until none is. It is for tests and for commands that run once; jobs
// that fail are planned for later, as always, and their errors are returned.
// A job that asks for itself without end is an error, too.
func (r *Runner) Drain(ctx context.Context, now time.Time) (ran int, err error) {
	clock := func() time.Time { return now }
	times := map[jobID]int{}
	for ctx.Err() == nil {
		jobs, _, dueErr := r.due(ctx, now, 64)
		if dueErr != nil || len(jobs) == 0 {
			return ran, errors.Join(err, dueErr)
		}
		for _, row := range jobs {
			j, ok := r.claim(row, clock)
			if !ok {
				continue
			}
			ran++
			if times[idOf(row)]++; times[idOf(row)] > 1000 {
				return ran, errors.Join(err, fmt.Errorf("jobs: %s asks for itself without end", row.Kind))
			}
			if e := r.run(ctx, j); e != nil {
				err = errors.Join(err, e)
				at := now.Add(pause(j.Tries))
				if e := r.postpone(j, at, cut(e.Error())); e != nil {
					return ran, e
				}
			}
		}
	}
	return ran, errors.Join(err, ctx.Err())
}

// cut shortens an error's text to what is kept.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > errorLength {
		s = string(r[:errorLength])
	}
	if s == "" {
		s = "an error without a text"
	}
	return s
}
