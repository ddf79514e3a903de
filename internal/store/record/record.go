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

	Writer WriterID // whose chain it is in; zero: from before there were any
	N      int64    // its place there, from 1
	Prev   []byte   // leaf hash of the one before it; nil: it is the first
	Salt   []byte
}

// WriterID identifies a chain: of one account and one process, and of one
// transaction of that process at a time.
type WriterID = ident.ID[writerKind]

type writerKind struct{}

// Prefix implements ident.Kind.
func (writerKind) Prefix() string { return "wrt" }

// NewWriterID returns a fresh one.
func NewWriterID() WriterID { return ident.New[writerKind]() }

const columns = `e.event_id, e.at, e.actor, e.action, e.purpose, e.about, e.detail`

// within is what all lists ask besides: $2 and $3 are where they begin.
const within = ` AND e.at >= $4 AND ($5 = '' OR e.action = $5) AND ($6 = '' OR e.purpose = $6)
		ORDER BY e.at DESC, e.event_id DESC LIMIT $7`

var (
	add = store.Bulk("record.add", `INSERT INTO audit_event (account_id, event_id, at, actor, action, purpose, about, detail, writer_id, n, prev, salt) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, ``)
	addWaiting = store.Bulk("record.waiting.add", `INSERT INTO audit_waiting (account_id, writer_id, n, count) VALUES`, `($1, $2, $3, $4)`, ``)
	addAbout   = store.Bulk("record.about.add", `INSERT INTO audit_about (account_id, thing, at, event_id) VALUES`, `($1, $2, $3, $4)`, `ON CONFLICT DO NOTHING`)
	list       = store.Register("record.list", `SELECT `+columns+` FROM audit_event e
		WHERE e.account_id = $1 AND (e.at, e.event_id) < ($2, $3)`+within)
	listActor = store.Register("record.list.actor", `SELECT `+columns+` FROM audit_event e
		WHERE e.account_id = $1 AND e.actor = $8 AND (e.at, e.event_id) < ($2, $3)`+within)
	listAbout = store.Register("record.list.about", `SELECT `+columns+` FROM audit_about a
		JOIN audit_event e ON e.account_id = $1 AND e.event_id = a.event_id
		WHERE a.account_id = $1 AND a.thing = $8 AND (a.at, a.event_id) < ($2, $3) AND a.at >= $4
		AND ($5 = '' OR e.action = $5) AND ($6 = '' OR e.purpose = $6) AND ($9 = '' OR e.actor = $9)
		ORDER BY a.at DESC, a.event_id DESC LIMIT $7`)
)

// Add writes entries that follow each other in one writer's chain; things are
// the texts of ids that each is found by. They wait for their places in the tree.
func Add(tx *store.Tx, rows []Row, things [][]string) error {
	var entries, abouts [][]any
	for i, r := range rows {
		entries = append(entries, []any{r.ID, r.At.UnixMicro(), r.Actor, r.Action, r.Purpose, r.About, r.Detail, r.Writer, r.N, null(r.Prev), r.Salt})
		seen := map[string]bool{"": true}
		for _, thing := range append([]string{r.About}, things[i]...) {
			if !seen[thing] {
				seen[thing] = true
				abouts = append(abouts, []any{thing, r.At.UnixMicro(), r.ID})
			}
		}
	}
	waiting := [][]any{{rows[0].Writer, rows[0].N, len(rows)}}
	return tx.BulkAll(store.Insert{Stmt: add, Rows: entries}, store.Insert{Stmt: addAbout, Rows: abouts}, store.Insert{Stmt: addWaiting, Rows: waiting})
}

// null is NULL for what is not there.
func null(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// Filter chooses entries; what is empty chooses all.
type Filter struct {
	Actor, Action, Purpose string
	About                  string    // the text of a thing's id
	From, Until            time.Time // Until is not in it
}

// List reads entries, newest first, that are older than before (nil: all).
func List(tx *store.Tx, f Filter, before *Row, limit int) (out []Row, err error) {
	at, id, from := f.begin(before)
	st, args := list, []any{at, id, from, f.Action, f.Purpose, limit}
	switch {
	case f.About != "":
		st, args = listAbout, append(args, f.About, f.Actor)
	case f.Actor != "":
		st, args = listActor, append(args, f.Actor)
	}
	rows, err := tx.Query(st, args...)
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

// begin is where a list begins, newest first, and the oldest time in it.
func (f Filter) begin(before *Row) (at int64, id ID, from int64) {
	at, id = math.MaxInt64, NewID()
	if !f.From.IsZero() {
		from = f.From.UnixMicro()
	}
	if !f.Until.IsZero() {
		at, id = f.Until.UnixMicro(), ID{} // which is before no entry of that microsecond
	}
	if before != nil && (f.Until.IsZero() || before.At.Before(f.Until)) {
		at, id = before.At.UnixMicro(), before.ID
	}
	return at, id, from
}
