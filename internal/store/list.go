package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ListStmt is a statement that is run for a list of values of any length: in
// a few statements of fixed lengths, each prepared once.
type ListStmt struct {
	few, many     *Stmt
	fewPG, manyPG *Stmt // of a SELECT
	onePG         *Stmt // of any other
}

const (
	listFew  = 4
	listMany = 64 // see liteChunk: longer lists cost the square of their length
)

// List registers a statement with IN (LIST) in its text, once; the values of
// the list follow the other parameters. A statement of fixed length is filled
// up with NULL, which IN never finds.
//
//	List("people.names", `SELECT name FROM person WHERE account_id = $1 AND person_id IN (LIST)`)
//
// PostgreSQL gets = in place of IN: a SELECT for each value, with UNION ALL
// (so a SELECT may have no ORDER BY), any other as a statement for each value,
// all sent at once. Before a table was first analysed its planner takes IN for
// dearer than reading all of the account's rows.
func List(name, text string) *ListStmt {
	first := 1
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		first = max(first, n+1)
	}
	if strings.Count(text, "IN (LIST)") != 1 {
		panic("store: " + name + " has not one IN (LIST)")
	}
	in := func(n int) *Stmt {
		list := make([]string, n)
		for i := range list {
			list[i] = "$" + strconv.Itoa(first+i)
		}
		return Register(fmt.Sprintf("%s.%d", name, n), strings.ReplaceAll(text, "LIST", strings.Join(list, ", ")))
	}
	union := func(n int) *Stmt {
		each := make([]string, n)
		for i := range each {
			each[i] = strings.ReplaceAll(text, "IN (LIST)", "= $"+strconv.Itoa(first+i))
		}
		return Register(fmt.Sprintf("%s.%d.union", name, n), strings.Join(each, " UNION ALL "))
	}
	l := &ListStmt{few: in(listFew), many: in(listMany)}
	if strings.HasPrefix(strings.TrimSpace(text), "SELECT") {
		l.fewPG, l.manyPG = union(listFew), union(listMany)
	} else {
		l.onePG = union(1)
	}
	return l
}

// each gives f one statement with its arguments after the other.
func (l *ListStmt) each(tx *Tx, args, list []any, f func(*Stmt, []any) error) error {
	few, many := l.few, l.many
	if _, pg := tx.s.(*pgSession); pg && l.fewPG != nil {
		few, many = l.fewPG, l.manyPG
	}
	for len(list) > 0 {
		st, size := many, listMany
		if len(list) <= listFew {
			st, size = few, listFew
		}
		n := min(size, len(list))
		all := make([]any, len(args)+size) // the rest stays nil: NULL
		copy(all[copy(all, args):], list[:n])
		if err := f(st, all); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// QueryList runs a List's query and calls f with the Scan of each row. args
// are $2, $3, … and the list follows them.
func (tx *Tx) QueryList(l *ListStmt, args, list []any, f func(scan func(...any) error) error) error {
	return l.each(tx, args, list, func(st *Stmt, all []any) error {
		rows, err := tx.Query(st, all...)
		return Each(rows, err, f)
	})
}

// ExecList runs a List's statement and returns the number of rows changed,
// which is right only if no value is in the list twice.
func (tx *Tx) ExecList(l *ListStmt, args, list []any) (total int64, err error) {
	if _, pg := tx.s.(*pgSession); pg && l.onePG != nil {
		rows := make([][]any, len(list))
		for i, v := range list {
			rows[i] = append(args[:len(args):len(args)], v)
		}
		return tx.ExecEach(l.onePG, rows)
	}
	err = l.each(tx, args, list, func(st *Stmt, all []any) error {
		n, err := tx.Exec(st, all...)
		total += n
		return err
	})
	return total, err
}

// ExecEach runs a statement once for each row of values ($2, $3, …), on
// PostgreSQL in one round trip. It returns the number of rows changed in all.
func (tx *Tx) ExecEach(st *Stmt, rows [][]any) (total int64, err error) {
	s, pg := tx.s.(*pgSession)
	if !pg {
		for _, r := range rows {
			n, err := tx.Exec(st, r...)
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}
	var b pgx.Batch
	for _, r := range rows {
		all, err := tx.bind(st, r)
		if err != nil {
			return 0, err
		}
		b.Queue(st.text, pgArgs(all)...)
	}
	if b.Len() == 0 {
		return 0, nil
	}
	n, err := s.send(tx.ctx, &b)
	return n, st.wrap(err)
}

func (s *pgSession) send(ctx context.Context, b *pgx.Batch) (total int64, err error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	res := s.c.SendBatch(ctx, b)
	defer res.Close()
	for range b.Len() {
		tag, err := res.Exec()
		if err != nil {
			return 0, err
		}
		total += tag.RowsAffected()
	}
	return total, res.Close()
}
