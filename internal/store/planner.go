package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// foretell writes sqlite_stat1 for indexes of which nothing is known: many
// accounts, and in each fewer rows the more columns of a key are given. Without
// it SQLite takes an account to have ten rows, and prefers reading all of an
// account by the primary key to looking into an index of two columns: 200 µs
// became 20 ms at ten thousand offers.
//
// Nothing is ever counted. A later migration would find a house of two leads as
// often as one of a million, and what ANALYZE knows of two rows is worse than
// what is foretold; of a million it would read every index while the work waits.
// ANALYZE of the schema's own table, which is small, has SQLite make
// sqlite_stat1 at the first migration, and read it anew after each.
func foretell(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `ANALYZE sqlite_schema`); err != nil {
		return err
	}
	indexes, err := listIndexes(ctx, tx)
	if err != nil {
		return err
	}
	for _, x := range indexes {
		_, err := tx.ExecContext(ctx, `INSERT INTO sqlite_stat1 (tbl, idx, stat)
			SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM sqlite_stat1 WHERE tbl = $1 AND idx = $2)`, x.table, x.name, x.stat())
		if err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `ANALYZE sqlite_schema`)
	return err
}

type liteIndex struct {
	table, name string // a primary key without rowid goes by the table's name
	columns     []string
	unique      bool
	partial     bool
}

func listIndexes(ctx context.Context, tx *sql.Tx) (out []liteIndex, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT t.name, l.name, l."unique", l.partial, l.origin, c.name
		FROM sqlite_schema t, pragma_index_list(t.name) l, pragma_index_info(l.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'goose_%' ORDER BY t.name, l.name, c.seqno`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x liteIndex
		var origin, column string
		if err := rows.Scan(&x.table, &x.name, &x.unique, &x.partial, &origin, &column); err != nil {
			return nil, err
		}
		if origin == "pk" {
			x.name = x.table
		}
		if n := len(out); n == 0 || out[n-1].table != x.table || out[n-1].name != x.name {
			out = append(out, x)
		}
		last := &out[len(out)-1]
		last.columns = append(last.columns, column)
	}
	return out, rows.Err()
}

// stat is the number of rows, then how many share the first column, the first
// two, and so on. An index of some rows has a hundredth of an account's: else
// one whose condition fits is no better than the primary key, and the presences
// that last were sought among all there ever were.
func (x liteIndex) stat() string {
	few := []int{100, 10, 5, 4, 3, 2}
	rows, account := 1_000_000, 100_000
	if x.partial {
		rows, account = rows/100, account/100
	}
	if x.columns[0] == "account_id" {
		few = append([]int{account}, few...)
	}
	var b strings.Builder
	b.WriteString(strconv.Itoa(rows))
	for i := range x.columns {
		n := few[min(i, len(few)-1)]
		if x.unique && i == len(x.columns)-1 {
			n = 1
		}
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}
