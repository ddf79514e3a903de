package store

import (
	"fmt"

	"catchment/internal/account"

	"github.com/jackc/pgx/v5"
)

// Bulk runs an insert for many rows, each row's values being $2, $3, … in a
// few statements. It returns the number of rows inserted.
func (tx *Tx) Bulk(st *Stmt, rows [][]any) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	if err := tx.admit(tx.own); err != nil {
		return 0, err
	}
	if err := st.own(tx.Account(), rows); err != nil {
		return 0, err
	}
	n, err := tx.s.bulk(tx.ctx, st, rows)
	return n, st.wrap(err)
}

// own puts the account before each row of a Bulk.
func (st *Stmt) own(id account.ID, rows [][]any) error {
	if st.row == "" || st.unbound {
		return fmt.Errorf("store: %s is not registered by Bulk", st.name)
	}
	for i, r := range rows {
		if len(r) != st.params-1 {
			return fmt.Errorf("store: %s takes %d values a row, got %d", st.name, st.params-1, len(r))
		}
		rows[i] = append([]any{id}, r...)
	}
	return nil
}

// Insert is a Bulk with its rows.
type Insert struct {
	Stmt *Stmt
	Rows [][]any
}

// BulkAll is Bulk for several tables, on PostgreSQL in one round trip.
func (tx *Tx) BulkAll(parts ...Insert) error {
	if err := tx.admit(tx.own); err != nil {
		return err
	}
	for _, p := range parts {
		if err := p.Stmt.own(tx.Account(), p.Rows); err != nil {
			return err
		}
	}
	if s, pg := tx.s.(*pgSession); pg {
		var b pgx.Batch
		for _, p := range parts {
			p.Stmt.queue(&b, p.Rows)
		}
		if b.Len() == 0 {
			return nil
		}
		_, err := s.send(tx.ctx, &b)
		return parts[0].Stmt.wrap(err)
	}
	for _, p := range parts {
		if _, err := tx.s.bulk(tx.ctx, p.Stmt, p.Rows); err != nil {
			return p.Stmt.wrap(err)
		}
	}
	return nil
}
