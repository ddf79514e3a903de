// Package store is the only way to SQL: one engine (SQLite in a file, or
// PostgreSQL), transactions that are retried whole, and statements that are
// registered once and bound to an account by the handle they run on.
//
// A Tx belongs to one account. Its statements get that account's id as $1
// from the handle, never from the caller; PostgreSQL checks again by row-level
// security, and a guard test runs every registered statement through SQLite's
// planner and refuses one that reaches a table other than by account_id.
//
// The tables themselves belong to the packages below store (store/people,
// store/leads, …), each table to one of them.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
)

// Engine names the SQL engine.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Options says where the database is: Path for SQLite, or URL (and, for
// migrations by another role, OwnerURL) for PostgreSQL.
type Options struct {
	Path     string // SQLite's file
	URL      string // postgres://…
	OwnerURL string // who may change the schema; URL when empty
	Readers  int    // SQLite's read connections, default 4
	Conns    int    // PostgreSQL's connections, default 16
	Beside   bool   // a server may have SQLite's file: its log is left to it
	Strict   bool   // of tests: who reads and begins another transaction within is refused, see nesting
	Log      *slog.Logger
}

func (o Options) engine() Engine {
	if o.URL != "" {
		return Postgres
	}
	return SQLite
}

func (o Options) ownerURL() string {
	if o.OwnerURL != "" {
		return o.OwnerURL
	}
	return o.URL
}

func (o Options) check() error {
	if o.URL == "" {
		if o.Path == "" {
			return errors.New("store: neither a file nor a database-url is given")
		}
		return nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return errors.New("store: database-url must begin with postgres:// (leave it empty for SQLite)")
	}
	return nil
}

// Errors that callers tell apart.
var (
	// ErrNone says that a statement which must find a row found none.
	ErrNone = errors.New("store: no such row")
	// ErrAgain, returned (or wrapped) by a transaction's function, has the
	// whole transaction run again: somebody else won a race.
	ErrAgain = errors.New("store: run the transaction again")
	// ErrAway says that the database cannot be reached. Nothing was stored,
	// unless the connection was lost during the commit itself.
	ErrAway = errors.New("store: the database is away")
)

// backend is an engine. begin gives a session in a transaction.
type backend interface {
	begin(ctx context.Context, mode mode) (session, error)
	engine() Engine
	ping(ctx context.Context) error
	close()
}

type mode struct {
	readOnly  bool
	directory bool // the directory's role
}

// session is one transaction on one connection.
type session interface {
	admit(ctx context.Context, s account.Scope) error // the account whose rows may be seen
	exec(ctx context.Context, st *Stmt, args []any) (int64, error)
	query(ctx context.Context, st *Stmt, args []any) (Rows, error)
	bulk(ctx context.Context, st *Stmt, rows [][]any) (int64, error)
	commit(ctx context.Context) error
	rollback()
	again(err error) bool // may a retry help?
	away(err error) bool  // is the database unreachable?
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	b      backend
	log    *slog.Logger
	shared sync.Map
	nests  *nesting // nil unless Strict
}

// Open connects. It does not change the schema: see Migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var b backend
	var err error
	if o.engine() == SQLite {
		b, err = openSQLite(ctx, o)
	} else {
		b, err = openPostgres(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	db := &DB{b: b, log: o.Log}
	if o.Strict {
		db.nests = &nesting{held: map[string]bool{}}
	}
	return db, nil
}

// Close waits for running transactions and closes the connections.
func (db *DB) Close() { db.b.close() }

// Engine says which engine this is.
func (db *DB) Engine() Engine { return db.b.engine() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.b.ping(ctx) }

// Write runs f in one transaction of the account and commits it. When
// somebody else won a race, f runs again from the start, so it must not keep
// state from an earlier run; AfterCommit functions run once, after the commit.
func (db *DB) Write(ctx context.Context, s account.Scope, f func(*Tx) error) error {
	return db.run(ctx, mode{}, func(b *base) error { return b.as(s, f) })
}

// Read runs f in one read-only transaction: a consistent view.
func (db *DB) Read(ctx context.Context, s account.Scope, f func(*Tx) error) error {
	return db.run(ctx, mode{readOnly: true}, func(b *base) error { return b.as(s, f) })
}

// WriteMany runs f in one transaction that may touch several accounts, one
// after the other: intake's batches.
func (db *DB) WriteMany(ctx context.Context, f func(*Many) error) error {
	return db.run(ctx, mode{}, func(b *base) error { return f(&Many{b}) })
}

// Directory runs f in one transaction of the directory's role, which sees the
// few cross-account tables and no lead. archtest lists who may call it.
func (db *DB) Directory(ctx context.Context, f func(*Dir) error) error {
	return db.run(ctx, mode{directory: true}, func(b *base) error { return f(&Dir{b}) })
}

// ReadDirectory is Directory, read only: it waits for no writer.
func (db *DB) ReadDirectory(ctx context.Context, f func(*Dir) error) error {
	return db.run(ctx, mode{readOnly: true, directory: true}, func(b *base) error { return f(&Dir{b}) })
}

const retries = 12

func (db *DB) run(ctx context.Context, m mode, f func(*base) error) error {
	var err error
	for try := range retries {
		var again bool
		again, err = db.once(ctx, m, f)
		if err == nil || !again || ctx.Err() != nil {
			return err
		}
		pause(ctx, try)
	}
	return fmt.Errorf("store: gave up after %d tries: %w", retries, err)
}

func pause(ctx context.Context, try int) {
	d := time.Millisecond << min(try, 7)
	select {
	case <-time.After(d/2 + rand.N(d)):
	case <-ctx.Done():
	}
}

func (db *DB) once(ctx context.Context, m mode, f func(*base) error) (again bool, err error) {
	done, err := db.nests.begin(m)
	if err != nil {
		return false, err
	}
	defer done()
	s, err := db.b.begin(ctx, m)
	if err != nil {
		return false, err
	}
	b := &base{ctx: ctx, s: s, db: db}
	end := RolledBack
	defer func() {
		s.rollback() // does nothing after a commit; a panic in f gives the connection back too
		for _, g := range b.ended {
			g(end)
		}
	}()
	if err = b.finish(f(b)); err == nil {
		end = Unknown
		if err = s.commit(ctx); err == nil {
			end = Committed
			for _, g := range b.after {
				g()
			}
			return false, nil
		}
	}
	again = errors.Is(err, ErrAgain) || s.again(err)
	if s.away(err) {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return again, err
}

// base is a transaction before it is bound to an account.
type base struct {
	ctx    context.Context // a transaction lives no longer than the call that made it
	s      session
	db     *DB
	scope  account.Scope // last admitted
	before []func() error
	after  []func()
	ended  []func(End)
	kept   map[any]any
}

func (b *base) finish(err error) error {
	if err != nil {
		return err
	}
	for i := 0; i < len(b.before); i++ { // a hook may add another
		if err := b.before[i](); err != nil {
			return err
		}
	}
	return nil
}

func (b *base) as(s account.Scope, f func(*Tx) error) error {
	tx, err := b.tx(s)
	if err != nil {
		return err
	}
	return f(tx)
}

func (b *base) tx(s account.Scope) (*Tx, error) {
	if !s.Valid() {
		return nil, errors.New("store: no account was admitted")
	}
	return &Tx{base: b, own: s}, nil
}

func (b *base) admit(s account.Scope) error {
	if b.scope == s {
		return nil
	}
	if err := b.s.admit(b.ctx, s); err != nil {
		return err
	}
	b.scope = s
	return nil
}

// Many is a transaction over the accounts of a batch.
type Many struct{ b *base }

// For gives the handle of one account within the transaction.
func (m *Many) For(s account.Scope) (*Tx, error) { return m.b.tx(s) }

// Context is the transaction's.
func (m *Many) Context() context.Context { return m.b.ctx }

// Exec runs an Unbound statement; the journal's cursor is the only such one.
func (m *Many) Exec(st *Stmt, args ...any) (int64, error) { return execUnbound(m.b, st, args) }

// AfterCommit has g run once after the commit.
func (m *Many) AfterCommit(g func()) { m.b.after = append(m.b.after, g) }

// Tx is a transaction of one account: the only way to a lead.
type Tx struct {
	*base
	own account.Scope
}

// Scope is the account's handle.
func (tx *Tx) Scope() account.Scope { return tx.own }

// Account is the account's id.
func (tx *Tx) Account() account.ID { return tx.own.Account() }

// Context is the transaction's.
func (tx *Tx) Context() context.Context { return tx.ctx }

// BeforeCommit has f run before the commit, in the transaction.
func (tx *Tx) BeforeCommit(f func() error) { tx.before = append(tx.before, f) }

// AfterCommit has f run once after the commit.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Exec runs a statement; args are $2, $3, … It returns the number of rows
// changed.
func (tx *Tx) Exec(st *Stmt, args ...any) (int64, error) {
	all, err := tx.bind(st, args)
	if err != nil {
		return 0, err
	}
	n, err := tx.s.exec(tx.ctx, st, all)
	return n, st.wrap(err)
}

// Must is Exec for a statement that must change exactly one row: ErrNone when
// it changes none.
func (tx *Tx) Must(st *Stmt, args ...any) error {
	n, err := tx.Exec(st, args...)
	if err == nil && n != 1 {
		return fmt.Errorf("%s: %d rows: %w", st.name, n, ErrNone)
	}
	return err
}

// Query runs a statement that returns rows. The caller closes them; Each does
// it for you.
func (tx *Tx) Query(st *Stmt, args ...any) (Rows, error) {
	all, err := tx.bind(st, args)
	if err != nil {
		return nil, err
	}
	rows, err := tx.s.query(tx.ctx, st, all)
	return rows, st.wrap(err)
}

// Row scans the first row into dest; ErrNone when there is none.
func (tx *Tx) Row(st *Stmt, args ...any) Row {
	rows, err := tx.Query(st, args...)
	return Row{rows, err}
}

func (tx *Tx) bind(st *Stmt, args []any) ([]any, error) {
	if st.unbound {
		return nil, fmt.Errorf("store: %s belongs to the directory", st.name)
	}
	if err := tx.admit(tx.own); err != nil {
		return nil, err
	}
	if len(args) != st.params-1 {
		return nil, fmt.Errorf("store: %s takes %d values, got %d", st.name, st.params-1, len(args))
	}
	return append([]any{tx.Account()}, args...), nil
}

// Dir is a transaction of the directory's role.
type Dir struct{ b *base }

// Context is the transaction's.
func (d *Dir) Context() context.Context { return d.b.ctx }

// AfterCommit has g run once after the commit.
func (d *Dir) AfterCommit(g func()) { d.b.after = append(d.b.after, g) }

// Exec runs an Unbound statement; args are $1, $2, …
func (d *Dir) Exec(st *Stmt, args ...any) (int64, error) { return execUnbound(d.b, st, args) }

// Query runs an Unbound statement that returns rows.
func (d *Dir) Query(st *Stmt, args ...any) (Rows, error) {
	if err := st.takesUnbound(args); err != nil {
		return nil, err
	}
	rows, err := d.b.s.query(d.b.ctx, st, args)
	return rows, st.wrap(err)
}

// Row scans the first row of an Unbound statement.
func (d *Dir) Row(st *Stmt, args ...any) Row {
	rows, err := d.Query(st, args...)
	return Row{rows, err}
}

func execUnbound(b *base, st *Stmt, args []any) (int64, error) {
	if err := st.takesUnbound(args); err != nil {
		return 0, err
	}
	n, err := b.s.exec(b.ctx, st, args)
	return n, st.wrap(err)
}

// Rows is a result being read.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Row is a result of at most one row.
type Row struct {
	rows Rows
	err  error
}

// Scan reads the row and closes the result; ErrNone when there is no row.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNone
	}
	return r.rows.Scan(dest...)
}

// Each reads all rows, calling f with each one's Scan.
func Each(rows Rows, err error, f func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// like tells whether the text of an engine's error has one of the parts.
func like(err error, parts ...string) bool {
	if err == nil {
		return false
	}
	s := err.Error()
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
