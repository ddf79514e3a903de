// Package changes is the SQL of what was changed, by whom, from what to what
// (table change), of leads and of the set-up. Callers may rely on this: a value
// that did not change has no row, and what is personal stands sealed.
package changes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"catchment/internal/ident"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// ID identifies a change of one field.
type ID = ident.ID[changeKind]

type changeKind struct{}

// Prefix implements ident.Kind.
func (changeKind) Prefix() string { return "chg" }

// Change is a row of change: one field of one thing.
type Change struct {
	ID    ID
	Thing string // an id's text
	At    time.Time
	By    string // the actor
	Field string
	// Was and Now are JSON; nil is nothing.
	Was, Now json.RawMessage
	// Instead of both, of what is personal: the ciphertext as it stood. Nil is nothing.
	WasSealed, NowSealed []byte
}

// Personal reports whether the values are sealed.
func (c Change) Personal() bool { return c.WasSealed != nil || c.NowSealed != nil }

var (
	add = store.Bulk("changes.add", `INSERT INTO change (account_id, thing, changed_at, change_id, field, by_actor, was, now, was_sealed, now_sealed) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, ``)
	list = store.Register("changes.list", `SELECT change_id, thing, changed_at, field, by_actor, was, now, was_sealed, now_sealed FROM change
		WHERE account_id = $1 AND thing = $2 AND (changed_at, change_id) < ($3, $4) ORDER BY changed_at DESC, change_id DESC LIMIT $5`)
)

// Add keeps the changes of one thing that one actor made at one time; each gets
// its id here.
func Add(tx *store.Tx, thing string, at time.Time, by string, all ...Change) error {
	rows := make([][]any, len(all))
	for i, c := range all {
		rows[i] = []any{thing, store.Micro(at), ident.New[changeKind](), c.Field, by, text(c.Was), text(c.Now), null(c.WasSealed), null(c.NowSealed)}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.Bulk(add, rows)
	return err
}

func text(b json.RawMessage) any {
	if b == nil {
		return nil
	}
	return string(b)
}

func null(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// List gives up to limit changes of the thing, newest first, that come after
// that time and id; the zero time begins the list.
func List(tx *store.Tx, thing string, at time.Time, after ID, limit int) (out []Change, err error) {
	from := int64(math.MaxInt64)
	if !at.IsZero() {
		from = at.UnixMicro()
	}
	rows, err := tx.Query(list, thing, from, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c Change
		var was, now *string
		err := scan(&c.ID, &c.Thing, store.Time(&c.At), &c.Field, &c.By, &was, &now, &c.WasSealed, &c.NowSealed)
		c.Was, c.Now = raw(was), raw(now)
		out = append(out, c)
		return err
	})
	return out, err
}

func raw(s *string) json.RawMessage {
	if s == nil {
		return nil
	}
	return json.RawMessage(*s)
}

// Of is a change of one field to another value, if it is another: both become
// JSON, nil is nothing.
func Of(field string, was, now any) ([]Change, error) {
	a, err := encode(was)
	if err != nil {
		return nil, fmt.Errorf("changes: %s: %w", field, err)
	}
	b, err := encode(now)
	if err != nil {
		return nil, fmt.Errorf("changes: %s: %w", field, err)
	}
	if bytes.Equal(a, b) {
		return nil, nil
	}
	return []Change{{Field: field, Was: a, Now: b}}, nil
}

// Sealed is a change of a personal value that stands as ciphertext. The same
// text is sealed anew each time, so whoever writes it says whether it changed.
func Sealed(f vault.Field, was, now []byte) Change {
	return Change{Field: string(f), WasSealed: was, NowSealed: now}
}

func encode(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" {
		return nil, err
	}
	return b, nil
}

// Between lists the members by which two values differ that are JSON objects,
// by name. prefix goes before the names.
func Between(prefix string, was, now any) (out []Change, err error) {
	a, err := members(was)
	if err != nil {
		return nil, err
	}
	b, err := members(now)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, known := a[name]; !known {
			a[name] = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		more, err := Of(prefix+name, value(a[name]), value(b[name]))
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// value is nil for what is not there: a nil RawMessage would be null.
func value(m json.RawMessage) any {
	if m == nil {
		return nil
	}
	return m
}

func members(v any) (map[string]json.RawMessage, error) {
	b, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	out := map[string]json.RawMessage{}
	if b == nil {
		return out, nil
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("changes: not an object: %w", err)
	}
	return out, nil
}
