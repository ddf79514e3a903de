package insight

import (
	"context"
	"errors"
	"fmt"
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

const anew = 10_000 // leads counted anew in one transaction

// CatchFigures brings the figures of every account up to date.
func (in *Insight) CatchFigures(ctx context.Context) error {
	var faults []error
	var last account.ID
	for {
		scopes, err := in.feed.Behind(ctx, FiguresFollower, last, many)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		for _, s := range scopes {
			if err := in.catchFigures(ctx, s); err != nil && !errors.Is(err, errMoved) {
				faults = append(faults, fmt.Errorf("%s: figures: %w", s.Account(), err))
			}
			last = s.Account()
		}
		if len(scopes) < many {
			return errors.Join(faults...)
		}
	}
}

func (in *Insight) catchFigures(ctx context.Context, s account.Scope) error {
	for until := int64(0); ; {
		next, head, err := in.stepFigures(ctx, s)
		if until == 0 {
			until = head
		}
		if err != nil || next >= until {
			return err
		}
	}
}

func (in *Insight) stepFigures(ctx context.Context, s account.Scope) (next, head int64, err error) {
	var from int64
	var evs []events.Positioned
	var reset bool
	err = in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		if from, err = events.Cursor(tx, FiguresFollower); err != nil {
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
		in.log.Info("insight: counting figures from the tables", "account_id", s.Account().String())
		return head, head, in.RebuildFigures(ctx, s)
	}
	if next == from {
		return head, head, nil
	}
	ids := named(evs)
	return next, head, in.db.Write(ctx, s, func(tx *store.Tx) error {
		// First, because it holds the cursor: nobody else changes figures until the commit.
		if err := moveAs(tx, FiguresFollower, from, next); err != nil {
			return err
		}
		return bringUp(tx, ids, evs)
	})
}

// bringUp counts leads as they stand now, and the presences of the events.
func bringUp(tx *store.Tx, ids []lead.ID, evs []events.Positioned) error {
	facts, err := counts.FactsOf(tx, ids)
	if err != nil {
		return err
	}
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

// named lists the leads that the events are about, each once.
func named(evs []events.Positioned) []lead.ID {
	seen := map[lead.ID]bool{}
	for _, e := range evs {
		if !e.Lead.IsZero() && !e.Test {
			seen[e.Lead] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// RebuildFigures counts an account anew from its tables, some leads at a time,
// and has the follower go on from what was the head before. It may be stopped
// and run again, and what happens meanwhile is not lost: its events are
// followed afterwards.
func (in *Insight) RebuildFigures(ctx context.Context, s account.Scope) error {
	var from, head int64
	err := in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		if from, err = events.Cursor(tx, FiguresFollower); err != nil {
			return err
		}
		head, err = events.Head(tx)
		return err
	})
	if err != nil {
		return err
	}
	for at, more := (counts.Place{}), true; more; {
		err := in.db.Write(ctx, s, func(tx *store.Tx) error {
			if err := moveAs(tx, FiguresFollower, from, from); err != nil {
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
		if err := moveAs(tx, FiguresFollower, from, head); err != nil {
			return err
		}
		return presences(tx)
	})
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

func moveAs(tx *store.Tx, follower string, from, to int64) error {
	at, err := events.Cursor(tx, follower)
	if err != nil {
		return err
	}
	if at != from {
		return errMoved
	}
	return events.MoveCursor(tx, follower, from, to)
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
	var evs []events.Positioned
	head, err := events.Head(tx)
	if err != nil {
		return nil, err
	}
	from, err := events.Cursor(tx, FiguresFollower)
	for err == nil && from < head {
		var some []events.Positioned
		var next int64
		if some, next, _, err = events.Read(tx, from, page); next == from {
			break
		}
		evs, from = append(evs, some...), next
	}
	if err != nil {
		return nil, err
	}
	pending, err := events.Pending(tx)
	for _, e := range pending {
		evs = append(evs, events.Positioned{Event: e})
	}
	return named(evs), err
}
