package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ListStmt is a statement that is run for a list of values of any length.
type ListStmt struct {
	few, many *Stmt // of fixed lengths, each prepared once
	name      string
	text      string
	first     int   // the list's parameter
	arrays    bool  // a SELECT: PostgreSQL takes the list as an array
	onePG     *Stmt // of any other
}

const (
	listFew  = 4
	listMany = 64 // see liteChunk: longer lists cost the square of their length
)

// List registers a statement with IN (LIST) in its text, once; the values of
// the list follow the other parameters and are ids, []byte, string or int64.
// A statement of fixed length is filled up with NULL, which IN never finds.
//
//	List("people.names", `SELECT name FROM person WHERE account_id = $1 AND person_id IN (LIST)`)
//
// PostgreSQL gets = in place of IN: a SELECT as a search for each value of an
// array (so it may have no ORDER BY), any other as a statement for each value,
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
	l := &ListStmt{few: in(listFew), many: in(listMany), name: name, text: text, first: first}
	if l.arrays = strings.HasPrefix(strings.TrimSpace(text), "SELECT"); !l.arrays {
		l.onePG = Register(name+".one", strings.ReplaceAll(text, "IN (LIST)", "= $"+strconv.Itoa(first)))
	}
	registry.Lock()
	defer registry.Unlock()
	registry.lists = append(registry.lists, l)
	return l
}

// array is the text for PostgreSQL with the list as one parameter of the type.
// OFFSET 0 keeps the planner from joining the list with all of the account's
// rows: it searches once for each value.
func (l *ListStmt) array(of string) string {
	return fmt.Sprintf("SELECT x.* FROM unnest($%d::%s[]) AS list (one) CROSS JOIN LATERAL (%s OFFSET 0) AS x",
		l.first, of, strings.ReplaceAll(l.text, "IN (LIST)", "= list.one"))
}

// each gives f one statement with its arguments after the other.
func (l *ListStmt) each(tx *Tx, args, list []any, f func(*Stmt, []any) error) error {
	for len(list) > 0 {
		st, size := l.many, listMany
		if len(list) <= listFew {
			st, size = l.few, listFew
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

// query is QueryList for a SELECT on PostgreSQL: one statement for all.
func (l *ListStmt) query(tx *Tx, s *pgSession, args, list []any, f func(scan func(...any) error) error) error {
	kind, values, err := pgArray(list)
	if err != nil || kind == "" {
		return l.wrap(err)
	}
	if len(args) != l.first-2 {
		return l.wrap(fmt.Errorf("takes %d values beside its list, got %d", l.first-2, len(args)))
	}
	if err := tx.admit(tx.own); err != nil {
		return err
	}
	all := append(pgArgs(append([]any{tx.Account()}, args...)), values)
	rows, err := s.c.Query(tx.ctx, l.array(kind), all...)
	if err != nil {
		return l.wrap(err)
	}
	return Each(rows, nil, f)
}

func (l *ListStmt) wrap(err error) error { return l.many.wrap(err) }

// pgArray makes an array of values, which are all of one kind; kind is "" when
// there are none. Absent ids are left out: they are NULL, which nothing equals.
func pgArray(list []any) (kind string, array any, err error) {
	values := slices.DeleteFunc(pgArgs(list), func(v any) bool { return v == nil })
	if len(values) == 0 {
		return "", nil, nil
	}
	switch values[0].(type) {
	case [16]byte:
		array, err = allOf[[16]byte](values)
		return "uuid", array, err
	case []byte:
		array, err = allOf[[]byte](values)
		return "bytea", array, err
	case string:
		array, err = allOf[string](values)
		return "text", array, err
	case int64:
		array, err = allOf[int64](values)
		return "bigint", array, err
	}
	return "", nil, fmt.Errorf("a list cannot have %T", values[0])
}

func allOf[T any](values []any) ([]T, error) {
	out := make([]T, len(values))
	for i, v := range values {
		t, ok := v.(T)
		if !ok {
			return nil, fmt.Errorf("a list of %T has %T", values[0], v)
		}
		out[i] = t
	}
	return out, nil
}

// QueryList runs a List's query and calls f with the Scan of each row, in no
// order. args are $2, $3, … and the list follows them.
func (tx *Tx) QueryList(l *ListStmt, args, list []any, f func(scan func(...any) error) error) error {
	if s, pg := tx.s.(*pgSession); pg && l.arrays {
		return l.query(tx, s, args, list, f)
	}
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

// send runs all statements in one round trip, and counts the rows changed.
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
