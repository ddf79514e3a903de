package mover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"catchment/internal/store"

	"github.com/jackc/pgx/v5"
)

// table is what a copy knows of one.
type table struct {
	store.Table
	columns []string
	classes []class
	key     []int // columns that order the rows of a unit

	keyWidth int   // columns of the primary key
	total    int64 // rows at the start, for telling how much remains
}

// unit is a part of a table that is copied by itself: one account's rows, or
// a table of the directory as a whole.
type unit struct {
	*table
	account []byte // nil: the whole table
}

// scan reads a table's columns from the source and their kinds from the target.
func (m *Mover) scan(ctx context.Context, t store.Table) (*table, error) {
	out := &table{Table: t}
	rows, err := m.src.QueryContext(ctx, `SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`, t.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	places := map[int]int{}
	for rows.Next() {
		var name string
		var pk int
		if err := rows.Scan(&name, &pk); err != nil {
			return nil, err
		}
		if pk > 0 {
			places[pk] = len(out.columns)
		}
		out.columns = append(out.columns, name)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := 1; i <= len(places); i++ {
		out.key = append(out.key, places[i])
	}
	out.keyWidth = len(out.key)
	if !t.Directory && len(out.key) > 1 {
		out.key = out.key[1:] // account_id is the unit's
	}
	if len(out.key) == 0 {
		return nil, fmt.Errorf("mover: %s has no key in the source", t.Name)
	}
	return out, m.classesOf(ctx, out)
}

func (m *Mover) classesOf(ctx context.Context, t *table) error {
	known := map[string]class{}
	rows, err := m.owner.Query(ctx, `SELECT column_name, udt_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1`, t.Name)
	if err != nil {
		return err
	}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error { known[name] = class(kind); return nil }); err != nil {
		return err
	}
	if len(known) != len(t.columns) {
		return fmt.Errorf("mover: %s has %d columns here and %d there", t.Name, len(t.columns), len(known))
	}
	for _, c := range t.columns {
		switch known[c] {
		case classID, classBytes, classInt, classBool, classText:
			t.classes = append(t.classes, known[c])
		default:
			return fmt.Errorf("mover: %s.%s is %q in the target", t.Name, c, known[c])
		}
	}
	return nil
}

// accounts lists those that have rows in the table, by leaps in its key.
func (m *Mover) accounts(ctx context.Context, t *table) (out [][]byte, err error) {
	text := `SELECT account_id FROM ` + t.Name + ` WHERE account_id > ? ORDER BY account_id LIMIT 1`
	for last := []byte{}; ; {
		var next []byte
		err := m.src.QueryRowContext(ctx, text, last).Scan(&next)
		if errors.Is(err, sql.ErrNoRows) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out, last = append(out, next), next
	}
}

// units lists a table's parts: those that the source has, and those that only
// the target has by now.
func (m *Mover) units(ctx context.Context, t *table) (out []unit, err error) {
	if t.Directory {
		return []unit{{table: t}}, nil
	}
	list, err := m.accounts(ctx, t)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, a := range list {
		seen[string(a)] = true
	}
	rows, err := m.owner.Query(ctx, `SELECT DISTINCT account FROM catchment_move.page WHERE tbl = $1`, t.Name)
	if err != nil {
		return nil, err
	}
	var a []byte
	if _, err := pgx.ForEachRow(rows, []any{&a}, func() error {
		if !seen[string(a)] {
			list = append(list, append([]byte{}, a...))
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, a := range list {
		out = append(out, unit{t, a})
	}
	return out, nil
}

// within is the condition for the unit's rows after one place and up to
// another, nil being the beginning or the end. mark writes the nth parameter.
func (u unit) within(after, to []any, mark func(n int) string) (text string, args []any) {
	var parts []string
	add := func(v any) string {
		args = append(args, v)
		return mark(len(args))
	}
	if u.account != nil {
		parts = append(parts, "account_id = "+add(u.account))
	}
	var names []string
	for _, k := range u.key {
		names = append(names, u.columns[k])
	}
	for _, side := range []struct {
		op  string
		key []any
	}{{">", after}, {"<=", to}} {
		if side.key == nil {
			continue
		}
		var marks []string
		for _, v := range side.key {
			marks = append(marks, add(v))
		}
		parts = append(parts, "("+strings.Join(names, ", ")+") "+side.op+" ("+strings.Join(marks, ", ")+")")
	}
	if len(parts) == 0 {
		return "true", nil
	}
	return strings.Join(parts, " AND "), args
}

// at is the condition for the row at a place.
func (u unit) at(place []any, mark func(n int) string) (text string, args []any) {
	var parts []string
	if u.account != nil {
		args = append(args, u.account)
		parts = append(parts, "account_id = "+mark(1))
	}
	for i, k := range u.key {
		args = append(args, place[i])
		parts = append(parts, u.columns[k]+" = "+mark(len(args)))
	}
	return strings.Join(parts, " AND "), args
}

func (u unit) order() string {
	var names []string
	for _, k := range u.key {
		names = append(names, u.columns[k])
	}
	return strings.Join(names, ", ")
}

// place is the key of a row.
func (u unit) place(row []any) (out []any) {
	for _, k := range u.key {
		out = append(out, row[k])
	}
	return out
}

func (u unit) placeBytes(row []any) []byte { return placeBytes(u.place(row)) }

func placeBytes(place []any) (b []byte) {
	for _, v := range place {
		b = appendKey(b, v)
	}
	return b
}

// A page has at most so many rows, and stops growing at so many bytes.
const (
	pageRows  = 1000
	pageBytes = 2 << 20
)

// read gives the source's rows after one place and up to another. Without an
// end it stops at a page.
func (m *Mover) read(ctx context.Context, u unit, after, to []any) (out [][]any, err error) {
	where, args := u.within(after, to, func(int) string { return "?" })
	for i := range args {
		args[i] = lite(args[i])
	}
	text := "SELECT " + strings.Join(u.columns, ", ") + " FROM " + u.Name + " WHERE " + where + " ORDER BY " + u.order()
	if to == nil {
		text += fmt.Sprintf(" LIMIT %d", pageRows)
	}
	rows, err := m.src.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("mover: read %s: %w", u.Name, err)
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		row, n, err := u.liteRow(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
		if size += n; to == nil && size > pageBytes {
			break
		}
	}
	return out, rows.Err()
}

func (u unit) liteRow(rows *sql.Rows) (row []any, size int, err error) {
	row = make([]any, len(u.columns))
	dest := make([]any, len(row))
	for i := range row {
		dest[i] = &row[i]
	}
	if err := rows.Scan(dest...); err != nil {
		return nil, 0, err
	}
	for i, v := range row {
		if row[i], err = u.classes[i].same(v); err != nil {
			return nil, 0, fmt.Errorf("mover: %s.%s: %w", u.Name, u.columns[i], err)
		}
		size += 8
		switch x := v.(type) {
		case []byte:
			size += len(x)
		case string:
			size += len(x)
		}
	}
	return row, size, nil
}

// counted counts the target's rows after one place and up to another.
func (u unit) counted(ctx context.Context, tx pgx.Tx, after, to []any) (c Counted, err error) {
	var scratch []byte
	err = u.stream(ctx, tx, after, to, func(row []any) {
		c.Rows++
		scratch = c.Sum.add(row, scratch)
	})
	return c, err
}

// fetch gives them.
func (u unit) fetch(ctx context.Context, tx pgx.Tx, after, to []any) (out [][]any, err error) {
	err = u.stream(ctx, tx, after, to, func(row []any) { out = append(out, row) })
	return out, err
}

func (u unit) stream(ctx context.Context, tx pgx.Tx, after, to []any, each func(row []any)) error {
	where, args := u.within(after, to, dollar)
	u.postArgs(args)
	return u.rows(ctx, tx, "SELECT "+strings.Join(u.columns, ", ")+" FROM "+u.Name+" WHERE "+where, args, each)
}

// rows gives the target's rows that a statement finds.
func (u unit) rows(ctx context.Context, tx pgx.Tx, text string, args []any, each func(row []any)) error {
	rows, err := tx.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range row {
			if row[i], err = u.classes[i].same(v); err != nil {
				return fmt.Errorf("mover: %s.%s in the target: %w", u.Name, u.columns[i], err)
			}
		}
		each(row)
	}
	return rows.Err()
}

func dollar(n int) string { return fmt.Sprintf("$%d", n) }

// postArgs gives a condition's values their types, in the order of within.
func (u unit) postArgs(args []any) {
	n := 0
	if u.account != nil && len(args) > 0 {
		args[0] = classID.post(args[0])
		n = 1
	}
	for i := n; i < len(args); i++ {
		args[i] = u.classes[u.key[(i-n)%len(u.key)]].post(args[i])
	}
}

// insertAll writes rows, a page a statement.
func (u unit) insertAll(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	for part := range slices.Chunk(rows, pageRows) {
		if err := u.insert(ctx, tx, part); err != nil {
			return err
		}
	}
	return nil
}

// insert writes rows in one statement.
func (u unit) insert(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	var marks []string
	var args []any
	for i, c := range u.classes {
		marks = append(marks, fmt.Sprintf("$%d::%s[]", i+1, c))
		args = append(args, c.column(rows, i))
	}
	text := "INSERT INTO " + u.Name + " (" + strings.Join(u.columns, ", ") + ") SELECT * FROM unnest(" + strings.Join(marks, ", ") + ")"
	if u.InsertOnly {
		text += " ON CONFLICT DO NOTHING" // what is there cannot be replaced; that it is the same, the checksum says
	}
	_, err := tx.Exec(ctx, text, args...)
	return err
}

// remove deletes the target's rows after one place and up to another.
func (u unit) remove(ctx context.Context, tx pgx.Tx, after, to []any) error {
	if u.InsertOnly {
		return nil
	}
	where, args := u.within(after, to, dollar)
	u.postArgs(args)
	_, err := tx.Exec(ctx, "DELETE FROM "+u.Name+" WHERE "+where, args...)
	return err
}

// removeOnly deletes these rows of the target.
func (u unit) removeOnly(ctx context.Context, tx pgx.Tx, rows [][]any) error {
	if u.InsertOnly || len(rows) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, r := range rows {
		where, args := u.at(u.place(r), dollar)
		u.postArgs(args)
		b.Queue("DELETE FROM "+u.Name+" WHERE "+where, args...)
	}
	return tx.SendBatch(ctx, &b).Close()
}
