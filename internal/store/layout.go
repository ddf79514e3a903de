package store

import (
	"context"
	"database/sql"
	"maps"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
)

// What follows is for store/mover alone, which carries every table from one
// engine to the other and therefore does not go by registered statements.

// Table is one of the schema's tables.
type Table struct {
	Name       string
	Directory  bool // the directory's role sees it across accounts; else it is the application's, by account
	InsertOnly bool
}

// Tables lists the schema's tables by name.
func Tables() []Table {
	var out []Table
	for _, name := range slices.Sorted(maps.Keys(tables())) {
		out = append(out, Table{name, directoryTables[name], insertOnly[name]})
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
