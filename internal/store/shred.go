package store

import (
	"context"
	"fmt"
	"strings"

	"catchment/internal/account"

	"github.com/jackc/pgx/v5"
)

// removeRows go in one transaction.
const removeRows = 2000

// RemoveText deletes up to removeRows of an account's rows of the table; $1 is
// the account. A table whose key does not begin with the account has few rows
// of one, and loses all of them at once.
func (t Table) RemoveText() string {
	text := "DELETE FROM " + t.Name + " WHERE account_id = $1"
	if len(t.Key) < 2 || t.Key[0] != "account_id" {
		return text
	}
	rest := strings.Join(t.Key[1:], ", ")
	return fmt.Sprintf("%s AND (%s) IN (SELECT %s FROM %s WHERE account_id = $1 LIMIT %d)", text, rest, rest, t.Name, removeRows)
}

// RemoveKept deletes an account's rows of the tables whose rows otherwise stay,
// as the eraser, by the login that owns the schema. It may run again. On SQLite,
// which knows no roles, it does nothing.
func RemoveKept(ctx context.Context, o Options, id account.ID) error {
	if o.engine() == SQLite {
		return nil
	}
	c, err := pgx.Connect(ctx, o.ownerURL())
	if err != nil {
		return fmt.Errorf("store: remove the record: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	for _, t := range Tables() {
		for more := t.Account && t.InsertOnly; more; {
			n, err := removeKept(ctx, c, t, id)
			if err != nil {
				return fmt.Errorf("store: remove the record, %s: %w", t.Name, err)
			}
			more = n > 0
		}
	}
	return nil
}

func removeKept(ctx context.Context, c *pgx.Conn, t Table, id account.ID) (n int64, err error) {
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+eraserRole); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT set_config('app.account', $1, true)", id.UUID().String()); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, t.RemoveText(), id.UUID())
		n = tag.RowsAffected()
		return err
	})
	return n, err
}
