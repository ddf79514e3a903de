package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the schema to this program's version and returns the version
// before and after. Several instances may call it at once: one migrates.
// On PostgreSQL it needs a role that may create tables and roles.
func Migrate(ctx context.Context, o Options) (from, to int64, err error) {
	p, db, err := provider(o)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	if from, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("store: read schema version: %w", err)
	}
	if _, err = p.Up(ctx); err != nil {
		return from, 0, fmt.Errorf("store: migrate: %w", err)
	}
	to, err = p.GetDBVersion(ctx)
	return from, to, err
}

// MigrateTo brings an empty database's schema to an earlier version of this
// program, for a dump of that time.
func MigrateTo(ctx context.Context, o Options, version int64) error {
	p, db, err := provider(o)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err = p.UpTo(ctx, version); err != nil {
		return fmt.Errorf("store: migrate to %d: %w", version, err)
	}
	return nil
}

// Versions returns the version of the database and the one this program has.
func Versions(ctx context.Context, o Options) (have, want int64, err error) {
	p, db, err := provider(o)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	if have, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, err
	}
	for _, s := range p.ListSources() {
		want = max(want, s.Version)
	}
	return have, want, nil
}

func provider(o Options) (*goose.Provider, *sql.DB, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	migrations, err := load(o.engine())
	if err != nil {
		return nil, nil, err
	}
	opts := []goose.ProviderOption{goose.WithGoMigrations(migrations...), goose.WithDisableGlobalRegistry(true)}
	if o.engine() == SQLite {
		db, err := sql.Open("sqlite", sqliteDSN(o.Path, false))
		if err != nil {
			return nil, nil, err
		}
		db.SetMaxOpenConns(1)
		p, err := goose.NewProvider(database.DialectSQLite3, db, nil, opts...)
		return p, db, err
	}
	db, err := sql.Open("pgx", o.ownerURL())
	if err != nil {
		return nil, nil, fmt.Errorf("store: database-url: %w", err)
	}
	locker, err := lock.NewPostgresTableLocker()
	if err != nil {
		return nil, nil, err
	}
	p, err := goose.NewProvider(database.DialectPostgres, db, nil, append(opts, goose.WithLocker(locker))...)
	return p, db, err
}

func load(e Engine) ([]*goose.Migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []*goose.Migration
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		version, err := strconv.ParseInt(path.Base(name)[:4], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("store: migration %s: name must begin with four digits", name)
		}
		var more []string
		if version == erasedSince && e == Postgres {
			for _, t := range olderInsertOnly {
				more = append(more, letErase(t)...)
			}
		}
		run := func(ctx context.Context, tx *sql.Tx) error { return apply(ctx, tx, e, string(text), more...) }
		out = append(out, goose.NewGoMigration(version, &goose.GoFunc{RunTx: run}, nil))
	}
	return out, nil
}

func apply(ctx context.Context, tx *sql.Tx, e Engine, text string, more ...string) error {
	statements := strings.Split(dialect(e, text), ";\n")
	if e == Postgres {
		statements = append(append(statements, protect(text)...), more...)
	}
	for _, s := range statements {
		if strings.TrimSpace(s) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%w, in: %.200s", err, s)
		}
	}
	if e == SQLite {
		return foretell(ctx, tx)
	}
	return nil
}

var (
	comment      = regexp.MustCompile(`(?m)--.*$`)
	typeWords    = regexp.MustCompile(`\b(ID|BYTES|INT|BOOL|TEXT)\b`)
	endWord      = regexp.MustCompile(`(?m)^END;`)
	tableDropped = regexp.MustCompile(`(?m)^DROP TABLE (\w+);`)
	tableName    = regexp.MustCompile(`(?m)^CREATE TABLE (\w+) \(`)
)

// dialect writes the engine's types for ID, BYTES, INT and BOOL. TEXT gets the
// C collation on PostgreSQL, so that both engines compare bytes.
func dialect(e Engine, text string) string {
	types := map[string]string{"ID": "BLOB", "BYTES": "BLOB", "INT": "INTEGER", "BOOL": "INTEGER", "TEXT": "TEXT"}
	end := ") STRICT, WITHOUT ROWID;"
	if e == Postgres {
		types = map[string]string{"ID": "uuid", "BYTES": "bytea", "INT": "bigint", "BOOL": "boolean", "TEXT": `text COLLATE "C"`}
		end = ");"
	}
	text = comment.ReplaceAllString(text, "")
	text = endWord.ReplaceAllString(text, end)
	return typeWords.ReplaceAllStringFunc(text, func(w string) string { return types[w] })
}

// The cross-account tables, which only the directory's role reads as a whole.
// The application's role sees its account's rows of them, as of all others.
const (
	appRole       = "catchment_app"
	directoryRole = "catchment_directory"
	// eraserRole deletes what nobody else can, an account's record at its end. The
	// login that owns the schema has it, no connection of the program's.
	eraserRole = "catchment_eraser"
)

// directoryTables are visible across accounts to the directory's role.
var directoryTables = map[string]bool{
	"account": true, "account_keyset": true, "operator": true, "credential": true, "session": true,
	"api_key": true, "key_generation": true, "one_time_link": true, "journal_cursor": true, "job": true, "event_batch": true, "event_head": true, "event_cursor": true,
	"project": true, "source": true, // read only, for the doors' snapshot
	"code_flow": true, "code_sent": true, "platform_event": true, "second_factor": true, "recovery_code": true,
	"sso_domain": true, "sso_flow": true, "platform_sign_off": true,
	"passkey": true, "passkey_flow": true, "device": true,
	"approval_request": true, "approval": true, "concern": true, "concern_key": true, "concern_word": true,
	"access_grant":  true, // whose it is, found by whom it was given to
	"account_end":   true,
	"webhook":       true,                     // whose has something to be told
	"audit_waiting": true, "audit_head": true, // whose record has entries to place, to sign and to export
}

// unbound tables have no account_id to check.
var unbound = map[string]bool{"journal_cursor": true, "operator": true, "code_flow": true, "platform_event": true, "platform_sign_off": true, "passkey_flow": true, "approval_request": true, "approval": true, "concern": true, "concern_key": true, "concern_word": true}

// directoryOnly is where the application's role has no business.
var directoryOnly = map[string]bool{"operator": true, "code_flow": true, "platform_event": true, "platform_sign_off": true, "passkey_flow": true, "approval_request": true, "approval": true, "concern": true, "concern_key": true, "concern_word": true}

// insertOnly is what nobody can rewrite.
var insertOnly = map[string]bool{"audit_event": true, "audit_about": true, "audit_leaf": true, "audit_checkpoint": true, "platform_event": true, "platform_sign_off": true, "approval": true}

const mine = `account_id = (SELECT nullif(current_setting('app.account', true), '')::uuid)`

// letErase lets the eraser delete an account's rows of a table whose rows
// otherwise stay.
func letErase(table string) []string {
	return []string{
		fmt.Sprintf(`GRANT SELECT, DELETE ON %s TO %s`, table, eraserRole),
		fmt.Sprintf(`DROP POLICY IF EXISTS erase ON %s`, table),
		fmt.Sprintf(`CREATE POLICY erase ON %s TO %s USING (%s)`, table, eraserRole, mine),
	}
}

// erasedSince is the migration with which there is an eraser: an older
// database's tables get it then.
const erasedSince = 47

var olderInsertOnly = []string{"audit_event", "audit_about", "audit_leaf", "audit_checkpoint"}

// protect gives the roles their rights and forces row-level security.
// A setting that was never made reads as ”, hence nullif; the scalar
// sub-select is evaluated once a statement instead of once a row.
func protect(text string) []string {
	var out []string
	for _, role := range []string{appRole, directoryRole, eraserRole} {
		out = append(out, fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %s NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`, role),
			fmt.Sprintf(`DO $$ BEGIN GRANT %s TO CURRENT_USER; EXCEPTION WHEN OTHERS THEN NULL; END $$`, role),
			fmt.Sprintf(`DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %%I TO %s', current_schema()); END $$`, role))
	}
	for _, m := range tableName.FindAllStringSubmatch(text, -1) {
		t := m[1]
		rights := "SELECT, INSERT, UPDATE, DELETE"
		if insertOnly[t] {
			rights = "SELECT, INSERT"
		}
		if directoryTables[t] {
			out = append(out, fmt.Sprintf(`GRANT %s ON %s TO %s`, rights, t, directoryRole))
		}
		if directoryOnly[t] {
			continue
		}
		out = append(out, fmt.Sprintf(`GRANT %s ON %s TO %s`, rights, t, appRole))
		if unbound[t] {
			continue
		}
		out = append(out,
			fmt.Sprintf(`ALTER TABLE %s ENABLE ROW LEVEL SECURITY`, t),
			fmt.Sprintf(`ALTER TABLE %s FORCE ROW LEVEL SECURITY`, t),
			fmt.Sprintf(`CREATE POLICY account ON %s TO %s USING (%s) WITH CHECK (%s)`, t, appRole, mine, mine))
		if insertOnly[t] {
			out = append(out, letErase(t)...)
		}
		if directoryTables[t] {
			out = append(out, fmt.Sprintf(`CREATE POLICY directory ON %s TO %s USING (true) WITH CHECK (true)`, t, directoryRole))
		}
	}
	return out
}

// Analyze has PostgreSQL count those tables that have grown fourfold since it
// counted them last. Its own housekeeping looks once a minute, and plans made
// for a handful of rows are ruinous for thousands. Small tables are left alone:
// what is known of two rows makes worse plans than nothing at all. SQLite is
// told at migration. It returns how many tables it counted.
func Analyze(ctx context.Context, o Options) (int, error) {
	if o.engine() == SQLite {
		return 0, nil
	}
	db, err := sql.Open("pgx", o.ownerURL())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	names, err := grown(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("store: analyze: %w", err)
	}
	for i, t := range names {
		if _, err := db.ExecContext(ctx, "ANALYZE "+t); err != nil {
			return i, fmt.Errorf("store: analyze %s: %w", t, err)
		}
	}
	return len(names), nil
}

// grown lists our tables of 256 KiB or more, about a thousand leads, whose size
// is at least four times that at the last count.
func grown(ctx context.Context, db *sql.DB) (out []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
		AND pg_relation_size(oid) >= greatest(262144, 4 * relpages::bigint * current_setting('block_size')::bigint) ORDER BY relname`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := tables()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if known[name] {
			out = append(out, name)
		}
	}
	return out, rows.Err()
}

func tables() map[string]bool {
	out := map[string]bool{}
	for _, text := range migrationTexts() {
		for _, m := range tableDropped.FindAllStringSubmatch(text, -1) {
			delete(out, m[1]) // one that is made anew follows
		}
		for _, m := range tableName.FindAllStringSubmatch(text, -1) {
			out[m[1]] = true
		}
	}
	return out
}

// migrationTexts are all migrations, in their order.
func migrationTexts() (out []string) {
	names, _ := fs.Glob(migrationFiles, "migrations/*.sql")
	for _, name := range names {
		text, _ := migrationFiles.ReadFile(name)
		out = append(out, string(text))
	}
	return out
}
