package insight

import (
	"context"
	"errors"
	"fmt"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/store"
	"catchment/internal/store/counts"
)

const many = 500 // accounts looked for at a time

// errMoved: another node counted these events.
var errMoved = errors.New("insight: somebody else counted these")

// follower keeps something that is made of events, for every account, in one
// transaction with its place among them.
type follower struct {
	name string
	page int // events taken in one transaction

	// take turns events into what is to be written, before the writing begins:
	// others wait to write. write runs with the account's cursor held.
	take func(ctx context.Context, s account.Scope, evs []events.Positioned) (write func(tx *store.Tx) error, err error)

	// anew counts the account from its tables and moves the cursor behind what
	// it counted; from is where the cursor is.
	anew func(ctx context.Context, s account.Scope, from int64) error
}

// catch brings every account up to date. An account that fails does not hold
// back the others.
func (in *Insight) catch(ctx context.Context, f *follower) error {
	var faults []error
	var last account.ID
	for {
		scopes, err := in.feed.Behind(ctx, f.name, last, many)
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		for _, s := range scopes {
			if err := in.catchUp(ctx, f, s); err != nil && !errors.Is(err, errMoved) {
				faults = append(faults, fmt.Errorf("%s: %s: %w", s.Account(), f.name, err))
			}
			last = s.Account()
		}
		if len(scopes) < many {
			return errors.Join(faults...)
		}
	}
}

// catchUp takes what has a position when it begins. What comes meanwhile waits
// for the next look: many small writes would hold up everybody else's.
func (in *Insight) catchUp(ctx context.Context, f *follower, s account.Scope) error {
	for until := int64(0); ; {
		next, head, err := in.step(ctx, f, s)
		if until == 0 {
			until = head
		}
		if err != nil || next >= until {
			return err
		}
	}
}

// step takes a page of an account's events and returns the position to go on
// from, and the one that the next event will get.
func (in *Insight) step(ctx context.Context, f *follower, s account.Scope) (next, head int64, err error) {
	var from int64
	var evs []events.Positioned
	var reset, whole bool
	err = in.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		if from, err = events.Cursor(tx, f.name); err != nil {
			return err
		}
		if head, err = events.Head(tx); err != nil {
			return err
		}
		if whole, err = counts.Whole(tx, f.name); err != nil {
			return err
		}
		evs, next, reset, err = events.Read(tx, from, f.page)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if reset || (from > 1 && !whole) {
		in.log.Info("insight: counting anew from the tables", "follower", f.name, "account_id", s.Account().String())
		return head, head, f.anew(ctx, s, from)
	}
	if next == from {
		return head, head, nil
	}
	write, err := f.take(ctx, s, evs)
	if err != nil {
		return 0, 0, err
	}
	return next, head, in.db.Write(ctx, s, func(tx *store.Tx) error {
		// First, because it holds the cursor: nobody else changes these sums until the commit.
		if err := move(tx, f.name, from, next); err != nil {
			return err
		}
		if !whole {
			if err := counts.SetWhole(tx, f.name); err != nil {
				return err
			}
		}
		return write(tx)
	})
}

// move takes the cursor from one position to the next. It fails for good when
// it is not there any more, so that nothing is counted twice.
func move(tx *store.Tx, follower string, from, to int64) error {
	at, err := events.Cursor(tx, follower)
	if err != nil {
		return err
	}
	if at != from {
		return errMoved
	}
	return events.MoveCursor(tx, follower, from, to)
}

// unread calls f with what has positions before head and was not taken yet.
func unread(tx *store.Tx, follower string, head int64, f func(events.Event)) error {
	from, err := events.Cursor(tx, follower)
	for err == nil && from < head {
		var evs []events.Positioned
		var next int64
		if evs, next, _, err = events.Read(tx, from, page); err != nil || next == from {
			return err
		}
		for _, e := range evs {
			f(e.Event)
		}
		from = next
	}
	return err
}
