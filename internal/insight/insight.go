// Package insight counts what happened and never sees a person. It follows
// the events of every account and keeps flows by half hour, project, source and
// measure, and figures of leads and work (figures.go), each in one transaction
// with its place among the events: each event counts once, whoever follows and
// whatever stops. Flows are a second behind at most. Test leads are left out.
package insight

import (
	"context"
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
)

// Insight keeps flows and figures. Several may run: each event is counted by one.
type Insight struct {
	db   *store.DB
	feed *events.Feed
	log  *slog.Logger

	flows, figures *follower
	watcher        *Watcher // hears what sources bring; nil: nobody does

	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	running sync.WaitGroup
}

// New returns an Insight that does nothing before Start.
func New(db *store.DB, feed *events.Feed, log *slog.Logger) *Insight {
	ctx, cancel := context.WithCancel(context.Background())
	in := &Insight{db: db, feed: feed, log: log, ctx: ctx, cancel: cancel}
	in.flows = &follower{Follower, page, in.takeFlows, in.flowsAnew}
	in.figures = &follower{FiguresFollower, figuresPage, in.takeFigures, in.figuresAnew}
	return in
}

// Tell has the watcher hear of every enquiry. It comes before Start.
func (in *Insight) Tell(w *Watcher) { in.watcher = w }

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

// Catch brings the flows of every account up to date.
func (in *Insight) Catch(ctx context.Context) error { return in.catch(ctx, in.flows) }

func (in *Insight) takeFlows(_ context.Context, _ account.Scope, evs []events.Positioned) (func(*store.Tx) error, error) {
	c, brought := counts.Counts{}, map[account.SourceID]time.Time{}
	for _, e := range evs {
		fold(c, e.Event, 1)
		if e.Kind == events.EnquiryAttached && !e.Test {
			brought[e.Source] = later(brought[e.Source], e.At)
		}
	}
	return func(tx *store.Tx) error {
		if err := counts.Save(tx, c); err != nil || in.watcher == nil {
			return err
		}
		return in.watcher.heard(tx, brought)
	}, nil
}

// Rebuild counts the flows of an account anew from its tables and puts that in
// the place of what was kept.
func (in *Insight) Rebuild(ctx context.Context, s account.Scope) error {
	return in.again(ctx, in.flows, s)
}

// again has a follower count an account anew.
func (in *Insight) again(ctx context.Context, f *follower, s account.Scope) error {
	var from int64
	err := in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		from, err = events.Cursor(tx, f.name)
		return err
	})
	if err != nil {
		return err
	}
	return f.anew(ctx, s, from)
}

func (in *Insight) flowsAnew(ctx context.Context, s account.Scope, from int64) error {
	var head int64
	var c counts.Counts
	err := in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		c, head, err = recount(tx)
		return err
	})
	if err != nil {
		return err
	}
	return in.db.Write(ctx, s, func(tx *store.Tx) error {
		if err := move(tx, Follower, from, head); err != nil {
			return err
		}
		if err := counts.SetWhole(tx, Follower); err != nil {
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

// Difference compares an account's flows with what the tables hold, at one
// moment and allowing for events that were not counted yet: for each cell that
// differs, how much the flows have too many. It is empty when all is well.
func (in *Insight) Difference(ctx context.Context, s account.Scope) (diff counts.Figures, err error) {
	err = in.db.Read(ctx, s, func(tx *store.Tx) error {
		want, head, err := recount(tx)
		if err != nil {
			return err
		}
		if err := unread(tx, Follower, head, func(e events.Event) { fold(want, e, -1) }); err != nil {
			return err
		}
		if diff, err = counts.KeptFlows(tx); err != nil {
			return err
		}
		diff.TakeCounts(want)
		diff.Less()
		return nil
	})
	return diff, err
}
