package store

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Stmt is a registered statement.
type Stmt struct {
	name    string
	text    string // with $1, $2, …
	params  int
	unbound bool

	row     string // Bulk: the text of one row's values
	tail    string // Bulk: what follows the rows
	bulkRow []int  // Bulk: the parameters of a row, in the order of the text

	texts sync.Map // Bulk: size → text, made once; see many

	lite     string // text with ?, for SQLite
	liteArgs []int  // which argument each ? takes
}

var registry struct {
	sync.Mutex
	all   map[string]*Stmt
	lists []*ListStmt
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// A SELECT may end in FOR KEY SHARE OF p (what stands here stays until this
// transaction ends) or FOR UPDATE OF p (nobody else holds it or writes it until
// then), p being the table's short name. SQLite is not told: whoever writes there
// is alone.
var holding = regexp.MustCompile(` FOR (KEY SHARE|UPDATE) OF [a-z]+$`)

// Register makes a statement of an account: $1 is the account's id, given by
// the handle. The name ("people.find") shows in errors and must be unique.
// Statements are package variables, so that the guard test sees them all.
func Register(name, text string) *Stmt { return register(&Stmt{name: name, text: text}) }

// Unbound makes a statement of the directory, for any account. The guard test
// lists each of them by name.
func Unbound(name, text string) *Stmt {
	return register(&Stmt{name: name, text: text, unbound: true})
}

// Bulk makes an insert of many rows: head up to VALUES, one row's values, and
// a tail such as ON CONFLICT DO NOTHING. The first value of a row is $1.
//
//	Bulk("people.add", `INSERT INTO person (account_id, person_id) VALUES`, `($1, $2)`, `ON CONFLICT DO NOTHING`)
func Bulk(name, head, row, tail string) *Stmt {
	st := &Stmt{name: name, text: head + " " + row + " " + tail, row: row, tail: tail}
	for _, m := range parameter.FindAllStringSubmatch(row, -1) {
		n, _ := strconv.Atoi(m[1])
		st.bulkRow = append(st.bulkRow, n-1)
	}
	if parameter.MatchString(head) || parameter.MatchString(tail) {
		panic("store: " + name + ": only the row of a Bulk has parameters")
	}
	return register(st)
}

func register(st *Stmt) *Stmt {
	for _, m := range parameter.FindAllStringSubmatch(st.text, -1) {
		n, _ := strconv.Atoi(m[1])
		st.params = max(st.params, n)
		st.liteArgs = append(st.liteArgs, n-1)
	}
	st.lite = parameter.ReplaceAllString(holding.ReplaceAllString(st.text, ""), "?")
	if !st.unbound && !slices.Contains(st.liteArgs, 0) {
		panic("store: " + st.name + " has no $1: it is not bound to an account")
	}
	registry.Lock()
	defer registry.Unlock()
	if registry.all == nil {
		registry.all = map[string]*Stmt{}
	}
	if registry.all[st.name] != nil {
		panic("store: statement " + st.name + " is registered twice")
	}
	registry.all[st.name] = st
	return st
}

// many is the text of a Bulk with n rows, and which value each parameter of a
// row takes. lite writes ? instead of $1.
func (st *Stmt) many(n int, lite bool) string {
	type size struct {
		n    int
		lite bool
	}
	if text, ok := st.texts.Load(size{n, lite}); ok {
		return text.(string)
	}
	text := st.write(n, lite)
	st.texts.Store(size{n, lite}, text)
	return text
}

func (st *Stmt) write(n int, lite bool) string {
	head := strings.TrimSuffix(st.text, st.row+" "+st.tail)
	var b strings.Builder
	b.WriteString(head)
	next := 0
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(parameter.ReplaceAllStringFunc(st.row, func(string) string {
			next++
			if lite {
				return "?"
			}
			return "$" + strconv.Itoa(next)
		}))
	}
	b.WriteByte(' ')
	b.WriteString(st.tail)
	return b.String()
}

// chunks cuts n rows into the few sizes that are prepared: powers of two up
// to most.
func chunks(n, most int, f func(from, to int) error) error {
	for from := 0; from < n; {
		size := most
		for size > n-from {
			size /= 2
		}
		if err := f(from, from+size); err != nil {
			return err
		}
		from += size
	}
	return nil
}

func (st *Stmt) takesUnbound(args []any) error {
	if !st.unbound {
		return fmt.Errorf("store: %s belongs to an account", st.name)
	}
	if len(args) != st.params {
		return fmt.Errorf("store: %s takes %d values, got %d", st.name, st.params, len(args))
	}
	return nil
}

// wrap names the statement; its arguments never appear.
func (st *Stmt) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", st.name, err)
}

// Micro is how a time stands in a column: microseconds since 1970, UTC; nil
// (NULL) for the zero time.
func Micro(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// Time scans a column of microseconds into t; NULL and 0 give the zero time.
func Time(t *time.Time) any { return instant{t} }

type instant struct{ t *time.Time }

// Scan implements sql.Scanner.
func (i instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*i.t = time.Time{}
	case int64:
		*i.t = time.Time{}
		if v != 0 {
			*i.t = time.UnixMicro(v).UTC()
		}
	default:
		return fmt.Errorf("store: a time is stored as int64, not %T", src)
	}
	return nil
}

// Clock cuts a time to what a column keeps, so that a value before storing
// equals the one read back.
func Clock(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Registered describes a statement to the guard test.
type Registered struct {
	Name, Text string // the text as SQLite has it, with $1, $2, …
	Unbound    bool   // runs for any account: the directory's
	Bulk       bool
}

// Statements lists every registered statement, for the guard test.
func Statements() []Registered {
	registry.Lock()
	defer registry.Unlock()
	var out []Registered
	for _, st := range registry.all {
		out = append(out, Registered{st.name, holding.ReplaceAllString(st.text, ""), st.unbound, st.row != ""})
	}
	slices.SortFunc(out, func(a, b Registered) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Lists gives the texts that PostgreSQL gets of every List's SELECT when the
// values are of the kind (uuid, bytea, text, bigint), for the guard test.
func Lists(kind string) []Registered {
	registry.Lock()
	defer registry.Unlock()
	var out []Registered
	for _, l := range registry.lists {
		if l.arrays {
			out = append(out, Registered{Name: l.name, Text: l.array(kind)})
		}
	}
	return out
}
