package store

import (
	"fmt"
	"strconv"
	"strings"
)

// ListStmt is a statement with a list of values of any length in it: run in a
// few statements of fixed lengths, so that each is prepared once and one text
// serves both engines.
type ListStmt struct{ few, many *Stmt }

const (
	listFew  = 4
	listMany = 64 // see liteChunk: longer lists cost the square of their length
)

// List registers a statement in whose text the word LIST stands for a list of
// parameters, after the others. A list is filled up by repeating its last
// value, so the statement must not mind a value twice.
//
//	List("people.names", `SELECT name FROM person WHERE account_id = $1 AND person_id IN (LIST)`)
func List(name, text string) *ListStmt {
	first := 1
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		first = max(first, n+1)
	}
	sized := func(n int) *Stmt {
		list := make([]string, n)
		for i := range list {
			list[i] = "$" + strconv.Itoa(first+i)
		}
		return Register(fmt.Sprintf("%s.%d", name, n), strings.ReplaceAll(text, "LIST", strings.Join(list, ", ")))
	}
	return &ListStmt{sized(listFew), sized(listMany)}
}

// each gives f the arguments of one statement after the other.
func (l *ListStmt) each(args, list []any, f func(*Stmt, []any) error) error {
	for len(list) > 0 {
		st, size := l.many, listMany
		if len(list) <= listFew {
			st, size = l.few, listFew
		}
		n := min(size, len(list))
		all := make([]any, 0, len(args)+size)
		all = append(append(all, args...), list[:n]...)
		for range size - n {
			all = append(all, list[n-1])
		}
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
	return l.each(args, list, func(st *Stmt, all []any) error {
		rows, err := tx.Query(st, all...)
		return Each(rows, err, f)
	})
}

// ExecList runs a List's statement and returns the number of rows changed,
// which is right only if no value is in the list twice.
func (tx *Tx) ExecList(l *ListStmt, args, list []any) (total int64, err error) {
	err = l.each(args, list, func(st *Stmt, all []any) error {
		n, err := tx.Exec(st, all...)
		total += n
		return err
	})
	return total, err
}
