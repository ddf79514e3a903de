// Package insight counts what happened and never sees a person. It follows
// the events of every account and keeps rollups by hour, project, source and
// measure, in one transaction with its place among the events: each event
// counts once, whoever follows and whatever stops. It is a second behind at
// most, and leaves test leads out.
package insight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/store"
	"catchment/internal/store/counts"
)

// Follower is insight's name among the followers of events.
const Follower = "insight"

const (
	every = 400 * time.Millisecond // how often it looks; gathering makes fewer writes
	page  = 2000                   // events counted in one transaction
	many  = 500                    // accounts looked for at a time
)

// errMoved: another node counted these events.
var errMoved = errors.New("insight: somebody else counted these")

// Insight keeps the rollups. Several may run: each event is counted by one.
type Insight struct {
	db   *store.DB
	feed *events.Feed
	log  *slog.Logger

	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	running sync.WaitGroup
}

// New returns an Insight that does nothing before Start.
func New(db *store.DB, feed *events.Feed, log *slog.Logger) *Insight {
	ctx, cancel := context.WithCancel(context.Background())
	return &Insight{db: db, feed: feed, log: log, ctx: ctx, cancel: cancel}
}

// Start begins to count. After Stop it does nothing.
func (in *Insight) Start() {
	in.starts.Do(func() {
		if in.ctx.Err() == nil {
			in.running.Go(in.run)
		}
	})
}

// Stop returns when all is quiet.
func (in *Insight) Stop() {
	in.cancel()
	in.starts.Do(func() {}) // a Start that comes later finds it done
	in.running.Wait()
}

func (in *Insight) run() {
	t := time.NewTicker(every)
	defer t.Stop()
	var rest time.Time // until when the figures leave the machine to the leads
	for {
		if err := in.Catch(in.ctx); err != nil && in.ctx.Err() == nil {
			in.log.Warn("insight: cannot count; it tries again", "error", err)
		}
		if began := time.Now(); began.After(rest) {
			if err := in.CatchFigures(in.ctx); err != nil && in.ctx.Err() == nil {
				in.log.Warn("insight: cannot keep the figures; it tries again", "error", err)
			}
			// A rush of leads has the machine: the figures take a fifth of the
			// time at most, and catch up behind it.
			rest = time.Now().Add(min(4*time.Since(began), 10*time.Second))
		}
		select {
		case <-t.C:
		case <-in.ctx.Done():
			return
		}
	}
}

// Catch counts what has positions and was not counted, in every account. An
// account that fails does not hold back the others.
func (in *Insight) Catch(ctx context.Context) error {
	var faults []error
	var last account.ID
	for {
		scopes, err := in.feed.Behind(ctx, Follower, last, many)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		for _, s := range scopes {
			if err := in.catch(ctx, s); err != nil && !errors.Is(err, errMoved) {
				faults = append(faults, fmt.Errorf("%s: %w", s.Account(), err))
			}
			last = s.Account()
		}
		if len(scopes) < many {
			return errors.Join(faults...)
		}
	}
}

// catch counts what has a position when it begins. What comes meanwhile waits
// for the next look: many small writes would hold up everybody else's.
func (in *Insight) catch(ctx context.Context, s account.Scope) error {
	var until int64
	for {
		next, head, err := in.step(ctx, s)
		if until == 0 {
			until = head
		}
		if err != nil || next >= until {
			return err
		}
	}
}

// step counts a page of an account's events and returns the position to go on
// from, and the one that the next event will get.
func (in *Insight) step(ctx context.Context, s account.Scope) (next, head int64, err error) {
	var from int64
	var evs []events.Positioned
	var reset bool
	// Read and folded before the writing begins: others wait to write.
	err = in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		if from, err = events.Cursor(tx, Follower); err != nil {
			return err
		}
		if head, err = events.Head(tx); err != nil {
			return err
		}
		evs, next, reset, err = events.Read(tx, from, page)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if reset {
		in.log.Warn("insight: events are not kept any more; counting anew from the tables", "account_id", s.Account().String())
		return head, head, in.Rebuild(ctx, s)
	}
	if next == from {
		return head, head, nil
	}
	c := counts.Counts{}
	for _, e := range evs {
		fold(c, e.Event, 1)
	}
	return next, head, in.db.Write(ctx, s, func(tx *store.Tx) error {
		if err := move(tx, from, next); err != nil {
			return err
		}
		return counts.Save(tx, c)
	})
}

// move takes the cursor from one position to the next. It fails for good when
// it is not there any more, so that nothing is counted twice.
func move(tx *store.Tx, from, to int64) error { return moveAs(tx, Follower, from, to) }

// Rebuild counts an account anew from its tables and puts that in the place
// of its rollups. It is for a follower whose events are gone.
func (in *Insight) Rebuild(ctx context.Context, s account.Scope) error {
	var from, head int64
	var c counts.Counts
	err := in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		if from, err = events.Cursor(tx, Follower); err != nil {
			return err
		}
		c, head, err = recount(tx)
		return err
	})
	if err != nil {
		return err
	}
	return in.db.Write(ctx, s, func(tx *store.Tx) error {
		if err := move(tx, from, head); err != nil {
			return err
		}
		return counts.Replace(tx, c)
	})
}

// recount counts the tables as they stand, less what the follower will still
// read from head on: events that are committed and have no positions yet.
func recount(tx *store.Tx) (c counts.Counts, head int64, err error) {
	if c, err = counts.Recount(tx); err != nil {
		return nil, 0, err
	}
	if head, err = events.Head(tx); err != nil {
		return nil, 0, err
	}
	pending, err := events.Pending(tx)
	for _, e := range pending {
		fold(c, e, -1)
	}
	return c, head, err
}

// Difference compares an account's rollups with what the tables hold, at one
// moment and allowing for events that were not counted yet: for each cell that
// differs, how much the rollups have too many. It is empty when all is well.
func (in *Insight) Difference(ctx context.Context, s account.Scope) (counts.Counts, error) {
	var diff counts.Counts
	err := in.db.Read(ctx, s, func(tx *store.Tx) error {
		var err error
		if diff, err = counts.All(tx); err != nil {
			return err
		}
		want, head, err := recount(tx)
		if err != nil {
			return err
		}
		for at, n := range want {
			diff[at] -= n
		}
		return uncounted(tx, diff, head)
	})
	for at, n := range diff {
		if n == 0 {
			delete(diff, at)
		}
	}
	return diff, err
}

// uncounted adds what has positions before head and was not counted yet.
func uncounted(tx *store.Tx, c counts.Counts, head int64) error {
	from, err := events.Cursor(tx, Follower)
	for err == nil && from < head {
		var evs []events.Positioned
		var next int64
		if evs, next, _, err = events.Read(tx, from, page); err != nil || next == from {
			return err
		}
		for _, e := range evs {
			fold(c, e.Event, 1)
		}
		from = next
	}
	return err
}
