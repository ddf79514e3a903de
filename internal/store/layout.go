package store

import (
	"context"
	"database/sql"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// What follows is for those who go over every table: store/mover, which carries
// them from one engine to the other and does not go by registered statements,
// and store/ending, which makes a statement of each.

// Table is one of the schema's tables.
type Table struct {
	Name       string
	Directory  bool // the directory's role sees it across accounts; else it is the application's, by account
	InsertOnly bool
	Account    bool     // its rows are of accounts
	Key        []string // the columns of its primary key
	Columns    []Column // in the order in which migrations made them
}

// Column is one of a table's; Kind is a word of the migrations: ID, BYTES, INT,
// BOOL or TEXT.
type Column struct{ Name, Kind string }

// Tables lists the schema's tables by name.
func Tables() []Table {
	var out []Table
	keys, columns := primaryKeys(), columnsOf()
	for _, name := range slices.Sorted(maps.Keys(tables())) {
		out = append(out, Table{name, directoryTables[name], insertOnly[name], !unbound[name], keys[name], columns[name]})
	}
	return out
}

var (
	tableText = regexp.MustCompile(`(?ms)^CREATE TABLE (\w+) \((.*?)^END;`)
	keyOfMany = regexp.MustCompile(`(?m)^\s*PRIMARY KEY \(([^)]*)\)`)
	keyOfOne  = regexp.MustCompile(`(?m)^\s*(\w+) .*\bPRIMARY KEY\b`)
)

// primaryKeys reads the columns of each table's primary key from the
// migrations; a table that is made anew has those of the last time.
func primaryKeys() map[string][]string {
	out := map[string][]string{}
	for _, text := range migrationTexts() {
		for _, t := range tableText.FindAllStringSubmatch(comment.ReplaceAllString(text, ""), -1) {
			if m := keyOfMany.FindStringSubmatch(t[2]); m != nil {
				out[t[1]] = strings.Split(strings.ReplaceAll(m[1], " ", ""), ",")
			} else if m := keyOfOne.FindStringSubmatch(t[2]); m != nil {
				out[t[1]] = []string{m[1]}
			}
		}
	}
	return out
}

var (
	columnMade  = regexp.MustCompile(`(?m)^\s+(\w+) (ID|BYTES|INT|BOOL|TEXT)\b`)
	columnAdded = regexp.MustCompile(`(?m)^ALTER TABLE (\w+) ADD COLUMN (\w+) (ID|BYTES|INT|BOOL|TEXT)\b`)
)

// columnsOf reads each table's columns from the migrations.
func columnsOf() map[string][]Column {
	out := map[string][]Column{}
	for _, text := range migrationTexts() {
		text = comment.ReplaceAllString(text, "")
		for _, t := range tableText.FindAllStringSubmatch(text, -1) {
			out[t[1]] = nil // one that is made anew has those of the last time
			for _, c := range columnMade.FindAllStringSubmatch(t[2], -1) {
				out[t[1]] = append(out[t[1]], Column{c[1], c[2]})
			}
		}
		for _, c := range columnAdded.FindAllStringSubmatch(text, -1) {
			out[c[1]] = append(out[c[1]], Column{c[2], c[3]})
		}
	}
	return out
}

// Roles are those that row-level security knows; they own nothing.
func Roles() []string { return []string{appRole, directoryRole} }

// OpenFile opens a SQLite file for reading alone: a running server's, too.
func OpenFile(path string) (*sql.DB, error) {
	v := url.Values{"mode": {"ro"}}
	for _, p := range []string{"busy_timeout(10000)", "query_only(ON)", "cache_size(-32768)", "temp_store(MEMORY)"} {
		v.Add("_pragma", p)
	}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+v.Encode())
}

// OpenForFill opens a SQLite file that a dump is written into: one connection.
func OpenForFill(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, false))
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// Pools are a PostgreSQL's connections under the application's and the
// directory's role.
func Pools(ctx context.Context, o Options, conns int) (app, dir *pgxpool.Pool, err error) {
	if app, err = pgPool(ctx, o.URL, appRole, conns); err != nil {
		return nil, nil, err
	}
	if dir, err = pgPool(ctx, o.URL, directoryRole, conns); err != nil {
		app.Close()
		return nil, nil, err
	}
	return app, dir, nil
}
