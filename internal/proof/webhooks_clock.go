package proof

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// later has the deliverer live so much later: every time that is written about
// webhooks, what they wait for and what happened is moved into the past, in one
// transaction. A proof cannot wait for ninety hours.
func (h *hooking) later(ctx context.Context, d time.Duration) error {
	db, err := h.i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	h.moved += d
	for range 20 {
		if err = allEarlier(ctx, db, d); err == nil || !strings.Contains(err.Error(), "40P01") { // the deliverer was quicker
			return err
		}
	}
	return err
}

func allEarlier(ctx context.Context, db *sql.DB, d time.Duration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, t := range []struct {
		name    string
		columns []string
	}{
		{"webhook_delivery", []string{"happened_at", "tried_at", "next_at"}},
		{"event_batch", []string{"emitted_at"}},
		{"webhook", []string{"state_at", "earlier_until", "created_at", "changed_at", "leased_until", "rest_until", "next_at", "failing_since"}},
	} {
		var sets []string
		for _, c := range t.columns {
			sets = append(sets, c+` = CASE WHEN `+c+` > 0 THEN `+c+` - $1 ELSE `+c+` END`)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE `+t.name+` SET `+strings.Join(sets, ", "), d.Microseconds()); err != nil { //nolint:gosec // names of our own
			return err
		}
	}
	if err := eventsEarlier(ctx, tx, d); err != nil {
		return err
	}
	return tx.Commit()
}

// eventsEarlier moves the times within the events themselves.
func eventsEarlier(ctx context.Context, tx *sql.Tx, d time.Duration) error {
	rows, err := tx.QueryContext(ctx, `SELECT batch_id, events FROM event_batch`)
	if err != nil {
		return err
	}
	defer rows.Close()
	type batch struct {
		id     any // bytes, or a UUID's text, as the engine has it
		events string
	}
	var all []batch
	for rows.Next() {
		var b batch
		if err := rows.Scan(&b.id, &b.events); err != nil {
			return err
		}
		all = append(all, b)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	changed := int64(0)
	for _, b := range all {
		moved, err := earlier(b.events, d)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE event_batch SET events = $1 WHERE batch_id = $2`, moved, b.id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		changed += n // one that was forgotten meanwhile is none
	}
	if changed == 0 && len(all) > 0 {
		return fmt.Errorf("none of %d batches of events was moved", len(all))
	}
	return nil
}

// earlier is a batch of events that happened so much earlier.
func earlier(text string, d time.Duration) (string, error) {
	in := json.NewDecoder(strings.NewReader(text))
	in.UseNumber()
	var all []map[string]any
	if err := in.Decode(&all); err != nil {
		return "", err
	}
	for _, e := range all {
		s, _ := e["at"].(string)
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return "", err
		}
		e["at"] = at.Add(-d)
	}
	out, err := json.Marshal(all)
	return string(out), err
}
