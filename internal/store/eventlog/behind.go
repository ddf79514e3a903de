package eventlog

import (
	"catchment/internal/account"
	"catchment/internal/store"
)

var (
	behind = store.Unbound("eventlog.behind", `SELECT h.account_id FROM event_head h
		LEFT JOIN event_cursor c ON c.account_id = h.account_id AND c.follower = $1
		WHERE h.next_position > COALESCE(c.position, 1) AND (h.account_id > $2 OR $2 IS NULL) ORDER BY h.account_id LIMIT $3`)
	backlog = store.Unbound("eventlog.backlog", `SELECT COALESCE(CAST(sum(h.next_position - COALESCE(c.position, 1)) AS bigint), 0) FROM event_head h
		LEFT JOIN event_cursor c ON c.account_id = h.account_id AND c.follower = $1`)
	waiting = store.Unbound("eventlog.waiting", `SELECT count(*), min(emitted_at) FROM event_batch WHERE first_position IS NULL`)

	pending = store.Register("eventlog.pending", `SELECT events FROM event_batch WHERE account_id = $1 AND first_position IS NULL`)
)

// Behind lists accounts with positions that the follower has not read, by id
// after the given one (zero: from the first).
func Behind(d *store.Dir, follower string, after account.ID, limit int) (out []account.ID, err error) {
	rows, err := d.Query(behind, follower, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Health says how the log of events stands, over all accounts.
type Health struct {
	Unplaced int64 // transactions whose events have no positions yet
	Oldest   int64 // of those, when it was emitted, in microseconds; 0: none
	Behind   int64 // events that the follower has not read
}

// HealthOf reads it for one follower.
func HealthOf(d *store.Dir, follower string) (h Health, err error) {
	var oldest *int64
	if err := d.Row(waiting).Scan(&h.Unplaced, &oldest); err != nil {
		return h, err
	}
	if oldest != nil {
		h.Oldest = *oldest
	}
	return h, d.Row(backlog, follower).Scan(&h.Behind)
}

// Pending calls f with each list of events of the account that is committed
// and has no positions yet.
func Pending(tx *store.Tx, f func(events string) error) error {
	rows, err := tx.Query(pending)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		return f(text)
	})
}
