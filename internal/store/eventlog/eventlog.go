// Package eventlog is the SQL of emitted events (tables event_batch,
// event_head and event_cursor).
package eventlog

import (
	"database/sql"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/store"
)

// BatchID identifies what one transaction emitted for one account.
type BatchID = ident.ID[batchKind]

type batchKind struct{}

// Prefix implements ident.Kind.
func (batchKind) Prefix() string { return "evb" }

var (
	add = store.Register("eventlog.add", `INSERT INTO event_batch (account_id, batch_id, emitted_at, count, events)
		VALUES ($1, $2, $3, $4, $5)`)
	around = store.Register("eventlog.around", `SELECT first_position, count, events FROM event_batch
		WHERE account_id = $1 AND first_position IS NOT NULL AND first_position <= $2 ORDER BY first_position DESC LIMIT 1`)
	after = store.Register("eventlog.after", `SELECT first_position, count, events FROM event_batch
		WHERE account_id = $1 AND first_position IS NOT NULL AND first_position > $2 AND first_position < $3 ORDER BY first_position LIMIT $4`)
	headOf = store.Register("eventlog.head", `SELECT next_position FROM event_head WHERE account_id = $1`)
	oldest = store.Register("eventlog.oldest", `SELECT first_position, count, emitted_at FROM event_batch
		WHERE account_id = $1 AND first_position IS NOT NULL ORDER BY first_position LIMIT $2`)
	trim = store.Register("eventlog.trim", `DELETE FROM event_batch
		WHERE account_id = $1 AND first_position IS NOT NULL AND first_position < $2`)
	cursorOf  = store.Register("eventlog.cursor", `SELECT position FROM event_cursor WHERE account_id = $1 AND follower = $2`)
	newCursor = store.Register("eventlog.cursor.new", `INSERT INTO event_cursor (account_id, follower, position)
		VALUES ($1, $2, $3) ON CONFLICT (account_id, follower) DO NOTHING`)
	moveCursor = store.Register("eventlog.cursor.move", `UPDATE event_cursor SET position = $4
		WHERE account_id = $1 AND follower = $2 AND position = $3`)
	dropCursor = store.Register("eventlog.cursor.drop", `DELETE FROM event_cursor WHERE account_id = $1 AND follower = $2`)
	firstSince = store.Register("eventlog.since", `SELECT COALESCE(min(first_position), 0) FROM event_batch
		WHERE account_id = $1 AND first_position IS NOT NULL AND emitted_at >= $2`)
	slowest = store.Register("eventlog.slowest", `SELECT min(position) FROM event_cursor WHERE account_id = $1`)

	unplaced = store.Unbound("eventlog.unplaced", `SELECT account_id, batch_id, count FROM event_batch
		WHERE first_position IS NULL ORDER BY account_id, emitted_at, batch_id LIMIT $1`)
	anyHead  = store.Unbound("eventlog.head.any", `SELECT next_position FROM event_head WHERE account_id = $1`)
	newHead  = store.Unbound("eventlog.head.new", `INSERT INTO event_head (account_id, next_position) VALUES ($1, $2) ON CONFLICT (account_id) DO NOTHING`)
	moveHead = store.Unbound("eventlog.head.move", `UPDATE event_head SET next_position = $3 WHERE account_id = $1 AND next_position = $2`)
	place    = store.Unbound("eventlog.place", `UPDATE event_batch SET first_position = $3
		WHERE account_id = $1 AND batch_id = $2 AND first_position IS NULL`)
	accounts = store.Unbound("eventlog.accounts", `SELECT account_id FROM event_head WHERE (account_id > $1 OR $1 IS NULL) ORDER BY account_id LIMIT $2`)
)

// Add writes what a transaction emitted: a JSON list of count events.
func Add(tx *store.Tx, at time.Time, count int, events string) error {
	return tx.Must(add, ident.New[batchKind](), at.UnixMicro(), count, events)
}

// Batch is one row that has its positions: First, First+1, …
type Batch struct {
	First  int64
	Count  int64
	Events string
}

// From reads placed batches in their order, from the one that holds the
// position to the last one that begins before until, until f returns false or
// limit batches were read.
func From(tx *store.Tx, position, until int64, limit int, f func(Batch) (more bool, err error)) error {
	more := true
	each := func(scan func(...any) error) error {
		var b Batch
		if !more {
			return nil
		}
		err := scan(&b.First, &b.Count, &b.Events)
		if err == nil && b.First+b.Count > position {
			more, err = f(b)
		}
		return err
	}
	rows, err := tx.Query(around, position)
	if err := store.Each(rows, err, each); err != nil || !more {
		return err
	}
	rows, err = tx.Query(after, position, until, limit)
	return store.Each(rows, err, each)
}

// Head is the position that the account's next event will get.
func Head(tx *store.Tx) (next int64, err error) {
	err = tx.Row(headOf).Scan(&next)
	if errors.Is(err, store.ErrNone) {
		return 1, nil
	}
	return next, err
}

// Cursor is the position that the follower reads next; 1 when it is new.
func Cursor(tx *store.Tx, follower string) (next int64, err error) {
	err = tx.Row(cursorOf, follower).Scan(&next)
	if errors.Is(err, store.ErrNone) {
		return 1, nil
	}
	return next, err
}

// MoveCursor moves it from one position to another, in the transaction that
// holds what was made of the events between. ErrAgain: somebody else moved it.
func MoveCursor(tx *store.Tx, follower string, from, to int64) error {
	n, err := tx.Exec(moveCursor, follower, from, to)
	if err != nil || n == 1 {
		return err
	}
	if from == 1 {
		if n, err = tx.Exec(newCursor, follower, to); err != nil || n == 1 {
			return err
		}
	}
	return store.ErrAgain
}

// DropCursor forgets a follower: what it has not read is not kept for it.
func DropCursor(tx *store.Tx, follower string) error {
	_, err := tx.Exec(dropCursor, follower)
	return err
}

// Since is the position of the first event that is kept and was emitted since
// then; 0 when there is none.
func Since(tx *store.Tx, since time.Time) (position int64, err error) {
	err = tx.Row(firstSince, since.UnixMicro()).Scan(&position)
	return position, err
}

// Trimmable looks at the oldest batches, up to limit of them, and returns the
// position before which all are older than the time and read by every
// follower with a cursor; 0 when there is none.
func Trimmable(tx *store.Tx, olderThan time.Time, limit int) (before int64, err error) {
	least := sql.Null[int64]{}
	if err := tx.Row(slowest).Scan(&least); err != nil {
		return 0, err
	}
	open := true
	rows, err := tx.Query(oldest, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var first, count int64
		var at time.Time
		if err := scan(&first, &count, store.Time(&at)); err != nil {
			return err
		}
		open = open && at.Before(olderThan) && (!least.Valid || first+count <= least.V)
		if open {
			before = first + count
		}
		return nil
	})
	return before, err
}

// Trim deletes the batches before the position.
func Trim(tx *store.Tx, before int64) error {
	_, err := tx.Exec(trim, before)
	return err
}

// Unplaced is a batch that has no positions yet.
type Unplaced struct {
	Account account.ID
	ID      BatchID
	Count   int64
}

// ListUnplaced lists committed batches without positions, by account and in
// the order in which they were emitted.
func ListUnplaced(d *store.Dir, limit int) (out []Unplaced, err error) {
	rows, err := d.Query(unplaced, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u Unplaced
		if err := scan(&u.Account, &u.ID, &u.Count); err != nil {
			return err
		}
		out = append(out, u)
		return nil
	})
	return out, err
}

// Place gives the batches of one account their positions. ErrAgain: another
// node was quicker.
func Place(d *store.Dir, batches []Unplaced) error {
	id := batches[0].Account
	first, err := takeHead(d, id)
	if err != nil {
		return err
	}
	next := first
	for _, b := range batches {
		n, err := d.Exec(place, b.Account, b.ID, next)
		if err != nil {
			return err
		}
		if n != 1 {
			return store.ErrAgain
		}
		next += b.Count
	}
	n, err := d.Exec(moveHead, id, first, next)
	if err == nil && n != 1 {
		err = store.ErrAgain
	}
	return err
}

// takeHead locks the account's head against other nodes, until the commit.
func takeHead(d *store.Dir, id account.ID) (next int64, err error) {
	err = d.Row(anyHead, id).Scan(&next)
	if errors.Is(err, store.ErrNone) {
		next = 1
		_, err = d.Exec(newHead, id, next)
	}
	if err != nil {
		return 0, err
	}
	n, err := d.Exec(moveHead, id, next, next)
	if err == nil && n != 1 {
		err = store.ErrAgain
	}
	return next, err
}

// Accounts lists accounts that have emitted, after the given one.
func Accounts(d *store.Dir, after account.ID, limit int) (out []account.ID, err error) {
	rows, err := d.Query(accounts, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}
