package insight

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/counts"
)

// FiguresFollower is the name under which figures follow the events.
//
// An event only says which lead to look at: what the lead adds to the figures
// is read off its rows, and the difference to what it added before goes into
// the sums. Reading an event twice, or late, therefore changes nothing, and an
// account can be counted anew at any time, while all goes on.
const FiguresFollower = "figures"

const (
	figuresPage = 10_000 // events looked at in one transaction: the more, the oftener they name the same lead
	anew        = 10_000 // leads counted anew in one transaction
)

// CatchFigures brings the figures of every account up to date.
func (in *Insight) CatchFigures(ctx context.Context) error { return in.catch(ctx, in.figures) }

// takeFigures reads what the leads are now. Whoever changes one after that
// emits an event that is still to come, so it need not be read by the
// transaction that writes.
func (in *Insight) takeFigures(ctx context.Context, s account.Scope, evs []events.Positioned) (func(*store.Tx) error, error) {
	var facts []counts.Facts
	err := in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		facts, err = counts.FactsOf(tx, named(evs))
		return err
	})
	return func(tx *store.Tx) error { return bringUp(tx, facts, evs) }, err
}

// bringUp counts leads as they stand now, and the presences of the events.
func bringUp(tx *store.Tx, facts []counts.Facts, evs []events.Positioned) error {
	if err := counts.Account(tx, facts); err != nil {
		return err
	}
	change := counts.Figures{}
	for _, e := range evs {
		if e.Kind != events.PresenceChanged {
			continue
		}
		p, _ := e.Data["presence"].(string)
		if err := declare(tx, change, counts.Span{User: e.User, Presence: account.Presence(p), From: e.At}); err != nil {
			return err
		}
	}
	return counts.Change(tx, change)
}

func declare(tx *store.Tx, change counts.Figures, s counts.Span) error {
	if !s.Presence.Valid() || s.User.IsZero() {
		return nil
	}
	ended, err := counts.Declare(tx, s)
	if err == nil && !ended.From.IsZero() {
		change.AddSpan(ended, 1)
	}
	return err
}

// named lists the leads that the events are about, each once and in order:
// neighbours lie on the same page of a table.
func named(evs []events.Positioned) []lead.ID {
	seen := map[lead.ID]bool{}
	for _, e := range evs {
		if !e.Lead.IsZero() && !e.Test {
			seen[e.Lead] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b lead.ID) int { return bytes.Compare(a.Bytes(), b.Bytes()) })
}

// RebuildFigures forgets the figures of an account and counts them anew from
// its tables.
func (in *Insight) RebuildFigures(ctx context.Context, s account.Scope) error {
	err := in.db.Write(ctx, s, func(tx *store.Tx) error { return counts.NotWhole(tx, FiguresFollower) })
	if err != nil {
		return err
	}
	return in.again(ctx, in.figures, s)
}

// figuresAnew looks at all leads, some at a time, and has the follower go on
// from what was the head before. It may be stopped and run again, and what
// happens meanwhile is not lost: its events are followed afterwards.
func (in *Insight) figuresAnew(ctx context.Context, s account.Scope, from int64) error {
	head, err := in.beginAnew(ctx, s, from)
	if err != nil {
		return err
	}
	for at, more := (counts.Place{}), true; more; {
		err := in.db.Write(ctx, s, func(tx *store.Tx) error {
			if err := move(tx, FiguresFollower, from, from); err != nil {
				return err
			}
			facts, to, err := counts.FactsAfter(tx, at, anew)
			if err != nil {
				return err
			}
			tx.AfterCommit(func() { at, more = to, len(facts) == anew })
			return counts.Account(tx, facts)
		})
		if err != nil {
			return err
		}
	}
	return in.db.Write(ctx, s, func(tx *store.Tx) error {
		if err := move(tx, FiguresFollower, from, head); err != nil {
			return err
		}
		if err := counts.SetWhole(tx, FiguresFollower); err != nil {
			return err
		}
		return presences(tx)
	})
}

// beginAnew forgets what is kept unless it is whole: then only the difference
// to what the tables say is written.
func (in *Insight) beginAnew(ctx context.Context, s account.Scope, from int64) (head int64, err error) {
	err = in.db.Write(ctx, s, func(tx *store.Tx) error {
		if err := move(tx, FiguresFollower, from, from); err != nil {
			return err
		}
		if head, err = events.Head(tx); err != nil {
			return err
		}
		whole, err := counts.Whole(tx, FiguresFollower)
		if err != nil || whole {
			return err
		}
		return counts.Forget(tx)
	})
	return head, err
}

// presences begins with what everybody declares now, if events of it are gone.
func presences(tx *store.Tx) error {
	now, err := counts.Declared(tx)
	if err != nil {
		return err
	}
	change := counts.Figures{}
	for _, s := range now {
		if err := declare(tx, change, s); err != nil {
			return err
		}
	}
	return counts.Change(tx, change)
}

// FiguresDifference compares the figures with what the tables give, at one
// moment: what is too much (or, negative, missing) in each cell that differs,
// when the leads are left out that events name which were not followed yet.
func (in *Insight) FiguresDifference(ctx context.Context, s account.Scope) (diff counts.Figures, err error) {
	err = in.db.Read(ctx, s, func(tx *store.Tx) error {
		waiting, err := unfollowed(tx)
		if err != nil {
			return err
		}
		if diff, err = counts.Kept(tx); err != nil {
			return err
		}
		return counts.TakeRecounted(tx, diff, waiting)
	})
	if err == nil {
		diff.Less()
	}
	return diff, err
}

// unfollowed are the leads of events that the figures do not hold yet.
func unfollowed(tx *store.Tx) ([]lead.ID, error) {
	head, err := events.Head(tx)
	if err != nil {
		return nil, err
	}
	var evs []events.Positioned
	err = unread(tx, FiguresFollower, head, func(e events.Event) { evs = append(evs, events.Positioned{Event: e}) })
	if err != nil {
		return nil, err
	}
	pending, err := events.Pending(tx)
	for _, e := range pending {
		evs = append(evs, events.Positioned{Event: e})
	}
	return named(evs), err
}
