package events

import (
	"context"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/store"
	"catchment/internal/store/eventlog"
)

// Behind admits a follower of all accounts to those of them, up to limit, that
// have positions which it has not read, by id after the given one (zero: from
// the first).
func (f *Feed) Behind(ctx context.Context, follower string, after account.ID, limit int) (out []account.Scope, err error) {
	err = f.db.ReadDirectory(ctx, func(d *store.Dir) error {
		ids, err := eventlog.Behind(d, follower, after, limit)
		out = make([]account.Scope, len(ids))
		for i, id := range ids {
			out[i] = admit.To(id)
		}
		return err
	})
	return out, err
}

// Health is how the log stands, over all accounts.
type Health struct {
	Unplaced int64     // committed transactions whose events have no positions yet
	Oldest   time.Time // of those; zero: there are none
	Behind   int64     // events that the follower has not read
}

// Health reads it for one follower.
func (f *Feed) Health(ctx context.Context, follower string) (h Health, err error) {
	err = f.db.ReadDirectory(ctx, func(d *store.Dir) error {
		got, err := eventlog.HealthOf(d, follower)
		h = Health{Unplaced: got.Unplaced, Behind: got.Behind}
		if got.Oldest != 0 {
			h.Oldest = time.UnixMicro(got.Oldest).UTC()
		}
		return err
	})
	return h, err
}

// Head is the position that the account's next event will get, as the
// transaction sees it.
func Head(tx *store.Tx) (int64, error) { return eventlog.Head(tx) }

// Pending lists, in no order, what is committed and has no positions yet, as
// the transaction sees it: what a follower will read from Head on.
func Pending(tx *store.Tx) (out []Event, err error) {
	err = eventlog.Pending(tx, func(text string) error {
		list, err := unpack(text)
		if err != nil {
			return fmt.Errorf("events: pending: %w", err)
		}
		out = append(out, list...)
		return nil
	})
	return out, err
}
