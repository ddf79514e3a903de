// Package audit is the record of who did what to whose data, and why. An
// entry is written in the action's own transaction: no entry, no action. It is
// never changed or removed. It holds ids, names of fields and counts, and
// nothing personal.
//
// Each entry is in a chain of its writer, and within a second in the account's
// tree, of which signed checkpoints go where SQL does not reach: whoever
// changes the record by SQL is found out (docs/audit.md).
package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/record"
	"catchment/internal/vault"
)

// ErrUnwritten says that something could not be put on the record, so it was
// not done.
var ErrUnwritten = errors.New("audit: the record cannot be written")

// Entry is what is to be recorded.
type Entry struct {
	ID      ID            // on the platform's record: written once, however often; zero: a new one
	Actor   string        // a user's, a key's or an operator's id, or "system:" and the part of the program
	Action  string        // "lead.accepted"; see docs/api.md
	Purpose vault.Purpose // of an opening; "" for what opens nothing
	About   string        // the id of the thing, "" when there are several: see Detail
	Things  []string      // ids of others that it is found by: whose data was opened
	Detail  any           // becomes JSON: ids, fields, counts; nil for nothing
}

// ID identifies an entry of the record.
type ID = record.ID

// NewID returns a fresh one, for an entry that may be written twice.
func NewID() ID { return record.NewID() }

// ParseID reads one.
func ParseID(s string) (ID, error) { return record.ParseID(s) }

// Record is an entry as it stands.
type Record struct {
	ID      ID              `json:"id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Purpose vault.Purpose   `json:"purpose,omitempty"`
	About   string          `json:"about,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// Write records the entry in the account of the transaction, at its end.
func Write(tx *store.Tx, at time.Time, e Entry) error {
	row, err := e.row(at)
	if err != nil {
		return err
	}
	gatheredIn(tx).add(tx, row, e.Things)
	return nil
}

func (e Entry) row(at time.Time) (record.Row, error) {
	if e.Actor == "" || e.Action == "" {
		return record.Row{}, errors.New("audit: an entry needs an actor and an action")
	}
	if e.Purpose != "" && !e.Purpose.Valid() {
		return record.Row{}, errors.New("audit: the purpose cannot be put on the record")
	}
	row := record.Row{ID: record.NewID(), At: store.Clock(at), Actor: e.Actor, Action: e.Action, Purpose: string(e.Purpose), About: e.About}
	if !e.ID.IsZero() {
		row.ID = e.ID
	}
	if e.Detail != nil {
		b, err := json.Marshal(e.Detail)
		if err != nil {
			return record.Row{}, fmt.Errorf("audit: %s: %w", e.Action, err)
		}
		row.Detail = string(b)
	}
	return row, nil
}

// Filter chooses entries; empty fields choose all. About is the text of the id
// of a thing that an entry is about, or of a person or user whose data it opened.
type Filter = record.Filter

// Place is where a page of the record ends: the last entry's time and id.
type Place struct {
	At time.Time
	ID ID
}

// List reads up to limit entries, newest first, that come after the place in
// that order; the zero Place begins with the newest.
func List(tx *store.Tx, f Filter, after Place, limit int) ([]Record, error) {
	rows, err := record.List(tx, f, after.before(), limit)
	return records(rows), err
}

// ListAny is List of the entries about any of the things.
func ListAny(tx *store.Tx, f Filter, things []string, after Place, limit int) ([]Record, error) {
	var all []record.Row
	for _, f.About = range things {
		rows, err := record.List(tx, f, after.before(), limit)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b record.Row) int {
		return cmp.Or(b.At.Compare(a.At), bytes.Compare(b.ID.Bytes(), a.ID.Bytes()))
	})
	all = slices.CompactFunc(all, func(a, b record.Row) bool { return a.ID == b.ID })
	return records(all[:min(limit, len(all))]), nil
}

func (p Place) before() *record.Row {
	if p == (Place{}) {
		return nil
	}
	return &record.Row{At: p.At, ID: p.ID}
}

func records(rows []record.Row) []Record {
	out := make([]Record, 0, len(rows))
	for _, r := range rows {
		rec := Record{ID: r.ID, At: r.At, Actor: r.Actor, Action: r.Action, Purpose: vault.Purpose(r.Purpose), About: r.About}
		if r.Detail != "" {
			rec.Detail = json.RawMessage(r.Detail)
		}
		out = append(out, rec)
	}
	return out
}
