// Package record is the SQL of the record of what was done (table
// audit_event). It can add and read, and neither change nor remove: on
// PostgreSQL the program's role has no right to.
package record

import (
	"math"
	"time"

	"catchment/internal/ident"
	"catchment/internal/store"
)

// ID identifies an entry.
type ID = ident.ID[entryKind]

type entryKind struct{}

// Prefix implements ident.Kind.
func (entryKind) Prefix() string { return "rec" }

// NewID returns a fresh one.
func NewID() ID { return ident.New[entryKind]() }

// ParseID reads one.
func ParseID(s string) (ID, error) { return ident.Parse[entryKind](s) }

// Row is an entry.
type Row struct {
	ID                            ID
	At                            time.Time
	Actor, Action, Purpose, About string
	Detail                        string // JSON, "" when there is nothing to add
}

var (
	add = store.Register("record.add", `INSERT INTO audit_event (account_id, event_id, at, actor, action, purpose, about, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	list = store.Register("record.list", `SELECT event_id, at, actor, action, purpose, about, detail FROM audit_event
		WHERE account_id = $1 AND (at, event_id) < ($2, $3) AND ($4 = '' OR actor = $4) AND ($5 = '' OR action = $5) AND ($6 = '' OR about = $6)
		ORDER BY at DESC, event_id DESC LIMIT $7`)
)

// Add writes an entry.
func Add(tx *store.Tx, r Row) error {
	return tx.Must(add, r.ID, r.At.UnixMicro(), r.Actor, r.Action, r.Purpose, r.About, r.Detail)
}

// List reads entries, newest first, that are older than before (nil: all) and
// have the actor, action and about of like where those are not empty.
func List(tx *store.Tx, like Row, before *Row, limit int) (out []Row, err error) {
	at, id := int64(math.MaxInt64), NewID()
	if before != nil {
		at, id = before.At.UnixMicro(), before.ID
	}
	rows, err := tx.Query(list, at, id, like.Actor, like.Action, like.About, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var r Row
		if err := scan(&r.ID, store.Time(&r.At), &r.Actor, &r.Action, &r.Purpose, &r.About, &r.Detail); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	})
	return out, err
}
