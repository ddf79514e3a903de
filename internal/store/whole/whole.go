// Package whole is the SQL of everything that an account has: what each table
// is to an export of the account, and its rows page by page, out and in.
package whole

import (
	"fmt"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Table is one that has rows of accounts, and what it is to an export.
type Table struct {
	store.Table
	Left   string   // why it is left out; "": it is carried
	Sealed []Sealed // its columns of ciphertext: in clear in an export, sealed anew by an import
	Held   bool     // what makes an account be served: an import writes it last, at once
	HeldIf func(row Row) bool
	Empty  []string // columns that are carried without their values: keys that end with their place
	Keep   func(row Row) bool

	first, next, add, count *store.Stmt
	columns                 []store.Column // without account_id
	key                     []int          // of the key without account_id, places in columns
}

// Row is a row by its columns' names: nil, int64, bool, string or []byte.
type Row map[string]any

// Sealed is a column of ciphertext and what it is bound to.
type Sealed struct {
	Column string
	Table  string      // of the binding
	Row    string      // the column of the row's id
	Field  vault.Field // "": the column field says it
	Whose  string      // the column of the id under whose key it is
}

// Columns are the table's, without account_id.
func (t *Table) Columns() []store.Column { return t.columns }

// Tables lists all that have rows of accounts, in the order in which an import
// takes them: keys hang on persons and members.
func Tables() []*Table { return tables }

var tables = makeTables()

func makeTables() (out []*Table) {
	for _, of := range store.Tables() {
		if !of.Account {
			continue
		}
		t := &Table{Table: of}
		if f, ok := fates[of.Name]; ok {
			f(t)
		} else {
			t.Left = "?" // a test fails: nobody said what it is
		}
		if t.Left == "" {
			t.statements()
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b *Table) int { return rank(a.Name) - rank(b.Name) })
	return out
}

func rank(name string) int {
	if i := slices.Index([]string{"account", "member", "person"}, name); i >= 0 {
		return i - 3
	}
	return 0
}

func (t *Table) statements() {
	var names, marks, key []string
	for _, c := range t.Table.Columns {
		if c.Name == "account_id" {
			continue
		}
		t.columns = append(t.columns, c)
		names, marks = append(names, c.Name), append(marks, fmt.Sprintf("$%d", len(names)+2))
	}
	for _, k := range t.Key {
		if k != "account_id" {
			key = append(key, k)
			t.key = append(t.key, slices.Index(names, k))
		}
	}
	text := "SELECT " + strings.Join(names, ", ") + " FROM " + t.Name + " WHERE account_id = $1"
	end := ""
	if len(key) > 0 {
		end = fmt.Sprintf(" ORDER BY %s LIMIT %d", strings.Join(key, ", "), PageRows)
		places := make([]string, len(key))
		for i := range key {
			places[i] = fmt.Sprintf("$%d", i+2)
		}
		t.next = store.Register("whole.next."+t.Name, text+fmt.Sprintf(" AND (%s) > (%s)", strings.Join(key, ", "), strings.Join(places, ", "))+end)
	}
	t.first = store.Register("whole.first."+t.Name, text+end)
	t.count = store.Register("whole.count."+t.Name, "SELECT count(*) FROM "+t.Name+" WHERE account_id = $1")
	again := ""
	if t.InsertOnly { // what an import that was stopped wrote cannot be taken away again, and is the same
		again = "ON CONFLICT DO NOTHING"
	}
	t.add = store.Bulk("whole.add."+t.Name, "INSERT INTO "+t.Name+" (account_id, "+strings.Join(names, ", ")+") VALUES", "($1, "+strings.Join(marks, ", ")+")", again)
}

// PageRows is how many rows a page has.
const PageRows = 500

// Count counts the table's rows.
func Count(tx *store.Tx, t *Table) (n int64, err error) {
	err = tx.Row(t.count).Scan(&n)
	return n, err
}

// Place is where a page ends; nil before the first one.
type Place []any

// Page reads the rows after the place; next is nil after the last page. Within
// one reading transaction all pages of all tables are of one instant.
func Page(tx *store.Tx, t *Table, after Place) (out []Row, next Place, err error) {
	st := t.first
	if after != nil {
		st = t.next
	}
	rows, err := tx.Query(st, after...)
	n := 0
	var last []any
	err = store.Each(rows, err, func(scan func(...any) error) error {
		values, dest := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := scan(dest...); err != nil {
			return err
		}
		row := Row{}
		for i, c := range t.columns {
			v, err := value(c.Kind, values[i])
			if err != nil {
				return fmt.Errorf("%s.%s: %w", t.Name, c.Name, err)
			}
			values[i], row[c.Name] = v, v
		}
		n, last = n+1, values
		if t.Keep == nil || t.Keep(row) {
			for _, c := range t.Empty {
				row[c] = nil
			}
			out = append(out, row)
		}
		return nil
	})
	if err != nil || n < PageRows || len(t.key) == 0 {
		return out, nil, err
	}
	for _, k := range t.key {
		next = append(next, bindable(t.columns[k].Kind, last[k]))
	}
	return out, next, nil
}

// value brings what either engine gives to one form.
func value(kind string, v any) (any, error) {
	switch x := v.(type) {
	case nil, string:
		return x, nil
	case []byte:
		return append([]byte{}, x...), nil
	case [16]byte:
		return x[:], nil
	case bool:
		return x, nil
	case int64:
		if kind == "BOOL" {
			return x != 0, nil
		}
		return x, nil
	}
	return nil, fmt.Errorf("a %T", v)
}

// bindable is the value as both engines take it.
func bindable(kind string, v any) any {
	b, ok := v.([]byte)
	if kind == "ID" && ok && len(b) == 16 {
		return account.UserIDFrom([16]byte(b)) // any id: what counts are its bytes
	}
	return v
}

// Add writes rows, whose values are of the columns' kinds.
func Add(tx *store.Tx, t *Table, rows []Row) error {
	values := make([][]any, len(rows))
	for i, r := range rows {
		for _, c := range t.columns {
			values[i] = append(values[i], bindable(c.Kind, r[c.Name]))
		}
	}
	_, err := tx.Bulk(t.add, values)
	return err
}

// Key is a person's or member's wrapped key.
type Key struct {
	Whose   [16]byte
	Wrapped []byte
}

var addKeys = map[string]*store.Stmt{
	"person": store.Bulk("whole.keys.person", `INSERT INTO person_key (account_id, person_id, keyset_version, wrapped) VALUES`, `($1, $2, $3, $4)`, ``),
	"member": store.Bulk("whole.keys.member", `INSERT INTO member_key (account_id, user_id, keyset_version, wrapped) VALUES`, `($1, $2, $3, $4)`, ``),
}

// AddKeys writes the keys of persons or members, as the table says.
func AddKeys(tx *store.Tx, table string, version uint32, made []Key) error {
	rows := make([][]any, len(made))
	for i, k := range made {
		rows[i] = []any{account.UserIDFrom(k.Whose), int64(version), k.Wrapped} // any id: what counts are its bytes
	}
	_, err := tx.Bulk(addKeys[table], rows)
	return err
}
