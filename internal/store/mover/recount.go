package mover

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Freeze keeps the target as it is now for a Recount, which may then take its
// time while others write there. Nothing can be written through the Mover any
// more.
func (m *Mover) Freeze(ctx context.Context) error {
	tx, err := m.owner.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("mover: freeze: %w", err)
	}
	m.frozen = tx
	if err := tx.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&m.snapshot); err != nil {
		return fmt.Errorf("mover: freeze: %w", err)
	}
	return nil
}

// Recount reads both sides whole and compares them, without what passes noted.
func (m *Mover) Recount(ctx context.Context) (Report, error) {
	m.seen.Store(0)
	r, err := m.each(ctx, func(ctx context.Context, u unit) (Counted, Counted, error) {
		have, err := m.countSource(ctx, u)
		if err != nil {
			return have, Counted{}, err
		}
		var there Counted
		err = m.in(ctx, u, func(tx pgx.Tx) (err error) {
			there, err = u.counted(ctx, tx, nil, nil)
			return err
		})
		return have, there, err
	})
	if err != nil {
		return r, err
	}
	return r, m.strangers(ctx, &r)
}

// strangers counts what the target has of accounts that the source does not:
// the owner sees it when it may see past row-level security.
func (m *Mover) strangers(ctx context.Context, r *Report) error {
	var all bool
	owner := m.owner.QueryRow
	if m.frozen != nil {
		owner = m.frozen.QueryRow
	}
	err := owner(ctx, `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&all)
	if err != nil || !all {
		return err
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		var n int64
		if err := owner(ctx, `SELECT count(*) FROM `+l.Table).Scan(&n); err != nil {
			return err
		}
		l.Target.Rows = max(l.Target.Rows, n)
	}
	return nil
}

// countSource reads a unit to its end.
func (m *Mover) countSource(ctx context.Context, u unit) (c Counted, err error) {
	for after := []any(nil); ; {
		rows, err := m.read(ctx, u, after, nil)
		if err != nil || len(rows) == 0 {
			return c, err
		}
		c.add(count(rows))
		m.seen.Add(int64(len(rows)))
		after = u.place(rows[len(rows)-1])
	}
}
