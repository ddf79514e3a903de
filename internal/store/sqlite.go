package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"catchment/internal/account"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// liteBackend has one connection that writes and a few that read. Writers
// queue here, in order, instead of in SQLite's busy handler, which is unfair.
//
// The directory reads on connections of its own, as its role does on PostgreSQL:
// an account's keys are loaded in the middle of whatever needs them, and as many
// readings at once as there are connections would each wait for ever for one of
// the others to load its own.
type liteBackend struct {
	db      *sql.DB
	writer  chan *liteConn
	readers chan *liteConn
	dirs    chan *liteConn
	all     []*liteConn
	closing sync.Once
	ship    *Shipping // nil: SQLite moves its log by itself; whoever has the writer may read it
}

type liteConn struct {
	c        *sql.Conn
	prepared map[string]*sql.Stmt
	home     chan *liteConn
	follower *Following // of the writing one, see Follow
}

// sqliteDSN: WAL with FULL means that a commit is on disk when it returns;
// secure_delete overwrites what was deleted. A page in the cache costs twice
// its size, because the driver's allocator knows powers of two only and a page
// has a head: cache_size is half of what a connection takes in the end.
func sqliteDSN(path string, readOnly bool) string {
	v := url.Values{}
	for _, p := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)",
		"foreign_keys(ON)", fmt.Sprintf("wal_autocheckpoint(%d)", shipNormal), "cache_size(-65536)", "temp_store(MEMORY)"} {
		v.Add("_pragma", p)
	}
	if readOnly {
		v.Add("_pragma", "query_only(ON)")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// dirReaders read the directory, a row or a few at a time.
const dirReaders = 2

func openSQLite(ctx context.Context, o Options) (*liteBackend, error) {
	readers := o.Readers
	if readers <= 0 {
		readers = 4
	}
	b := &liteBackend{writer: make(chan *liteConn, 1), readers: make(chan *liteConn, readers), dirs: make(chan *liteConn, dirReaders)}
	var err error
	if b.db, err = sql.Open("sqlite", sqliteDSN(o.Path, false)); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", o.Path, err)
	}
	add := func(home chan *liteConn, readOnly bool) error {
		c, err := b.db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("store: open %s: %w", o.Path, err)
		}
		if readOnly {
			// There are several, and what they miss is mostly in the
			// system's own cache: a small one each costs them little.
			if _, err := c.ExecContext(ctx, "PRAGMA query_only = ON; PRAGMA cache_size = -16384"); err != nil {
				return err
			}
		}
		lc := &liteConn{c: c, prepared: map[string]*sql.Stmt{}, home: home}
		b.all = append(b.all, lc)
		home <- lc
		return nil
	}
	if err = add(b.writer, false); err == nil && o.Beside {
		err = b.all[0].setAutocheckpoint(ctx, 0)
	}
	for range readers {
		if err == nil {
			err = add(b.readers, true)
		}
	}
	for range dirReaders {
		if err == nil {
			err = add(b.dirs, true)
		}
	}
	if err != nil {
		b.db.Close()
		return nil, err
	}
	return b, nil
}

func (b *liteBackend) engine() Engine { return SQLite }

func (b *liteBackend) ping(ctx context.Context) error {
	s, err := b.begin(ctx, mode{readOnly: true})
	if err != nil {
		return err
	}
	defer s.rollback()
	_, err = s.(*liteSession).conn.c.ExecContext(ctx, "SELECT 1")
	return err
}

func (b *liteBackend) close() {
	b.closing.Do(func() {
		for range b.all { // each comes home when its transaction ends
			select {
			case c := <-b.writer:
				c.close()
			case c := <-b.readers:
				c.close()
			case c := <-b.dirs:
				c.close()
			}
		}
		b.db.Close()
	})
}

func (c *liteConn) close() {
	for _, p := range c.prepared {
		p.Close()
	}
	c.c.Close()
}

func (b *liteBackend) begin(ctx context.Context, m mode) (session, error) {
	home, how := b.writer, "BEGIN IMMEDIATE"
	if m.readOnly {
		home, how = b.readers, "BEGIN"
		if m.directory {
			home = b.dirs
		}
	}
	var c *liteConn
	select {
	case c = <-home:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := c.c.ExecContext(ctx, how); err != nil {
		home <- c
		return nil, fmt.Errorf("%w: begin: %w", ErrAway, err)
	}
	return &liteSession{conn: c}, nil
}

type liteSession struct {
	conn *liteConn
	done bool
}

func (*liteSession) admit(context.Context, account.Scope) error { return nil } // every statement is bound

func (s *liteSession) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if p := s.conn.prepared[text]; p != nil {
		return p, nil
	}
	p, err := s.conn.c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.conn.prepared[text] = p
	return p, nil
}

func (st *Stmt) liteBind(args []any) []any {
	out := make([]any, len(st.liteArgs))
	for i, n := range st.liteArgs {
		out[i] = args[n]
	}
	return out
}

func (s *liteSession) exec(ctx context.Context, st *Stmt, args []any) (int64, error) {
	p, err := s.prepare(ctx, st.lite)
	if err != nil {
		return 0, err
	}
	r, err := p.ExecContext(ctx, st.liteBind(args)...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s *liteSession) query(ctx context.Context, st *Stmt, args []any) (Rows, error) {
	p, err := s.prepare(ctx, st.lite)
	if err != nil {
		return nil, err
	}
	rows, err := p.QueryContext(ctx, st.liteBind(args)...)
	if err != nil {
		return nil, err
	}
	return liteRows{rows}, nil
}

// liteChunk: the driver looks for each parameter from the start of the list,
// so long lists cost the square of their length.
const liteChunk = 16

func (s *liteSession) bulk(ctx context.Context, st *Stmt, rows [][]any) (total int64, err error) {
	err = chunks(len(rows), liteChunk, func(from, to int) error {
		p, err := s.prepare(ctx, st.many(to-from, true))
		if err != nil {
			return err
		}
		args := make([]any, 0, (to-from)*len(st.bulkRow))
		for _, r := range rows[from:to] {
			for _, n := range st.bulkRow {
				args = append(args, r[n])
			}
		}
		r, err := p.ExecContext(ctx, args...)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		total += n
		return err
	})
	return total, err
}

func (s *liteSession) commit(ctx context.Context) error {
	// A commit that has begun is finished, whoever has gone away meanwhile.
	if _, err := s.conn.c.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return err
	}
	s.end(true)
	return nil
}

// end gives the connection back.
func (s *liteSession) end(committed bool) {
	s.done = true
	if f := s.conn.follower; f != nil {
		f.told(committed)
	}
	s.conn.home <- s.conn
}

func (s *liteSession) rollback() {
	if s.done {
		return
	}
	_, _ = s.conn.c.ExecContext(context.Background(), "ROLLBACK") // the error was already told
	s.end(false)
}

func (s *liteSession) again(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED
}

func (s *liteSession) away(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

type liteRows struct{ *sql.Rows }

func (r liteRows) Close() { _ = r.Rows.Close() }
