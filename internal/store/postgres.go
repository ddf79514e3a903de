package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"catchment/internal/account"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgBackend has a pool for each of the two roles. Neither owns a table, so
// row-level security holds for both.
type pgBackend struct {
	app, dir *pgxpool.Pool
}

func openPostgres(ctx context.Context, o Options) (*pgBackend, error) {
	conns := o.Conns
	if conns <= 0 {
		conns = 16
	}
	app, err := pgPool(ctx, o.URL, appRole, conns)
	if err != nil {
		return nil, err
	}
	dir, err := pgPool(ctx, o.URL, directoryRole, max(2, conns/4))
	if err != nil {
		app.Close()
		return nil, err
	}
	return &pgBackend{app, dir}, nil
}

// pgPlanner: every statement is a search in an index (the guard test sees to
// it). A plan that was made while a table was small is kept while the table
// grows, and for a small one the planner prefers to read it whole: in a new
// house looking up persons became a hundred times as dear within 10,000 leads.
// The price set on reading whole would set off the just-in-time compiler.
const pgPlanner = "SET enable_seqscan = off; SET jit = off"

func pgPool(ctx context.Context, url, role string, conns int) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: database-url: %w", err)
	}
	c.MaxConns = int32(conns)
	c.ConnConfig.ConnectTimeout = 3 * time.Second
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET ROLE "+role+"; "+pgPlanner)
		return err
	}
	return pgxpool.NewWithConfig(ctx, c)
}

func (b *pgBackend) engine() Engine { return Postgres }

func (b *pgBackend) ping(ctx context.Context) error {
	if err := b.app.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return nil
}

func (b *pgBackend) close() {
	b.app.Close()
	b.dir.Close()
}

func (b *pgBackend) begin(ctx context.Context, m mode) (session, error) {
	pool := b.app
	if m.directory {
		pool = b.dir
	}
	c, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	s := &pgSession{c: c, begin: "BEGIN"}
	if m.readOnly {
		s.begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if m.directory {
		if err := s.start(ctx, ""); err != nil {
			s.rollback()
			return nil, fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
	return s, nil
}

// pgSession begins with its first account, so that BEGIN and the setting make
// one round trip.
type pgSession struct {
	c     *pgxpool.Conn
	begin string
	begun bool
}

func (s *pgSession) start(ctx context.Context, more string) error {
	text := more
	if !s.begun {
		text = s.begin + ";" + more
	}
	_, err := s.c.Exec(ctx, text)
	s.begun = s.begun || err == nil
	return err
}

// admit names the account to row-level security, for this transaction only.
// The id is a UUID's own text, so it can stand in the statement.
func (s *pgSession) admit(ctx context.Context, sc account.Scope) error {
	return s.start(ctx, "SELECT set_config('app.account', '"+sc.Account().UUID().String()+"', true)")
}

// pgArgs gives pgx what it knows: a UUID's 16 bytes instead of our types.
func pgArgs(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = pgArg(a)
	}
	return out
}

func pgArg(a any) any {
	id, ok := a.(interface {
		UUID() uuid.UUID
		IsZero() bool
	})
	if !ok {
		return a
	}
	if id.IsZero() {
		return nil
	}
	return [16]byte(id.UUID())
}

func (s *pgSession) exec(ctx context.Context, st *Stmt, args []any) (int64, error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	tag, err := s.c.Exec(ctx, st.text, pgArgs(args)...)
	return tag.RowsAffected(), err
}

func (s *pgSession) query(ctx context.Context, st *Stmt, args []any) (Rows, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := s.c.Query(ctx, st.text, pgArgs(args)...)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// ready begins a transaction that has no account yet (WriteMany's cursor).
func (s *pgSession) ready(ctx context.Context) error {
	if s.begun {
		return nil
	}
	return s.start(ctx, "")
}

const pgChunk = 64

func (s *pgSession) bulk(ctx context.Context, st *Stmt, rows [][]any) (int64, error) {
	var b pgx.Batch
	st.queue(&b, rows)
	return s.send(ctx, &b)
}

// queue adds a Bulk's statements to a batch.
func (st *Stmt) queue(b *pgx.Batch, rows [][]any) {
	_ = chunks(len(rows), pgChunk, func(from, to int) error {
		args := make([]any, 0, (to-from)*len(st.bulkRow))
		for _, r := range rows[from:to] {
			for _, n := range st.bulkRow {
				args = append(args, pgArg(r[n]))
			}
		}
		b.Queue(st.many(to-from, false), args...)
		return nil
	})
}

func (s *pgSession) commit(ctx context.Context) error {
	if !s.begun {
		s.c.Release()
		s.c = nil
		return nil
	}
	tag, err := s.c.Exec(context.WithoutCancel(ctx), "COMMIT")
	if err != nil {
		return err
	}
	if tag.String() == "ROLLBACK" { // PostgreSQL's answer to COMMIT after a failed statement
		return errors.New("store: the transaction had failed before its commit")
	}
	s.c.Release()
	s.c = nil
	return nil
}

func (s *pgSession) rollback() {
	if s.c == nil {
		return
	}
	if s.begun {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = s.c.Exec(ctx, "ROLLBACK") // on failure the pool drops the connection
	}
	s.c.Release()
	s.c = nil
}

func (s *pgSession) again(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "40001" || e.Code == "40P01" // serialization failure, deadlock
}

func (s *pgSession) away(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code[:2] {
		case "08", "53", "57", "58": // connection, resources, operator's intervention, system
			return true
		}
		return false
	}
	var n net.Error
	var c *pgconn.ConnectError
	return errors.As(err, &n) || errors.As(err, &c) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		like(err, "conn closed", "connection reset", "broken pipe")
}
