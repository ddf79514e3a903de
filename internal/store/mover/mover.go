// Package mover carries a whole database from SQLite to PostgreSQL while the
// source is in use. Callers may rely on this: the source is only read; what
// was copied is read back from the target before it is taken as copied; a pass
// that was cut off goes on where it stopped; and a pass over a source that
// nobody writes to leaves the target equal to it, row by row, or fails.
//
// A pass goes through each table by its key, in pages of a thousand rows, and
// keeps in the target, in the transaction that writes a page, where the page
// ends and the checksum of its rows. The next pass reads only the source: a
// page with the same checksum stands, another is replaced. So the first pass
// takes long and runs beside a working server, and the last, for which work
// pauses, writes only what has changed since. It still reads all of the source;
// where SQLite tells which rows it changes (store.DB.Follow), rounds of Touch
// take the place of further passes and look at those rows alone.
//
// Dump and Fill carry the tables of either engine out into a stream and back:
// backups.
package mover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/store"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Mover is between one source and one target. Its methods are called one
// after the other.
type Mover struct {
	src      *sql.DB
	owner    *pgxpool.Pool // who may change the schema
	app, dir *pgxpool.Pool
	tables   []*table
	byName   map[string]*table

	mu    sync.Mutex
	owed  groups   // rows that the target could not take yet
	known allNotes // the pages in the target; nil until a Touch needs them

	frozen   pgx.Tx // see Freeze
	snapshot string // its name, from which every transaction then reads

	// Reached by the running pass, for Progress.
	seen, written, pages atomic.Int64
	total                int64
}

const workers = 3

// ErrOther says that the target holds something else than this source's copy.
var ErrOther = errors.New("mover: the target holds accounts that are not this source's copy: give an empty database")

// Open reads both schemas. The source must have this program's; the target is
// brought to it. It gives ErrOther when the target is neither empty nor a copy
// of this source.
func Open(ctx context.Context, path string, to store.Options) (m *Mover, err error) {
	if err := fits(ctx, "source", store.Options{Path: path}, func(have, want int64) bool { return have == want }); err != nil {
		return nil, err
	}
	if err := fits(ctx, "target", to, func(have, want int64) bool { return have <= want }); err != nil {
		return nil, err
	}
	if _, _, err := store.Migrate(ctx, to); err != nil {
		return nil, err
	}
	m = &Mover{byName: map[string]*table{}}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	if m.src, err = store.OpenFile(path); err != nil {
		return nil, err
	}
	owner := to.OwnerURL
	if owner == "" {
		owner = to.URL
	}
	if m.owner, err = pgxpool.New(ctx, owner); err != nil {
		return nil, err
	}
	if m.app, m.dir, err = store.Pools(ctx, to, workers+1); err != nil {
		return nil, err
	}
	for _, t := range store.Tables() {
		known, err := m.scan(ctx, t)
		if err != nil {
			return nil, err
		}
		m.tables = append(m.tables, known)
		m.byName[t.Name] = known
	}
	return m, m.claim(ctx)
}

// fits refuses a database whose schema is not as good wants it.
func fits(ctx context.Context, which string, o store.Options, good func(have, want int64) bool) error {
	have, want, err := store.Versions(ctx, o)
	if err != nil {
		return fmt.Errorf("mover: the %s cannot be read: %w", which, err)
	}
	way := "run catchment migrate first"
	if have > want {
		way = "use the newer program that made it"
	}
	if !good(have, want) {
		return fmt.Errorf("mover: the %s's schema is version %d, this program's %d: %s", which, have, want, way)
	}
	return nil
}

// Close ends the connections.
func (m *Mover) Close() {
	if m.frozen != nil {
		_ = m.frozen.Rollback(context.Background()) // it only read
	}
	if m.src != nil {
		m.src.Close()
	}
	for _, p := range []*pgxpool.Pool{m.owner, m.app, m.dir} {
		if p != nil {
			p.Close()
		}
	}
}

// claim makes the mover's own tables in the target, or finds them there from
// an earlier pass over the same source.
func (m *Mover) claim(ctx context.Context) error {
	mark, err := m.fingerprint(ctx)
	if err != nil {
		return err
	}
	_, err = m.owner.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS catchment_move;
		CREATE TABLE IF NOT EXISTS catchment_move.source (mark bytea PRIMARY KEY, begun_at timestamptz NOT NULL DEFAULT now());
		CREATE TABLE IF NOT EXISTS catchment_move.page (tbl text NOT NULL, account bytea NOT NULL, last bytea NOT NULL,
			n bigint NOT NULL, sum bytea NOT NULL, PRIMARY KEY (tbl, account, last))`)
	if err != nil {
		return fmt.Errorf("mover: its own tables in the target: %w", err)
	}
	for _, role := range store.Roles() {
		_, err := m.owner.Exec(ctx, `GRANT USAGE ON SCHEMA catchment_move TO `+role+`; GRANT SELECT, INSERT, UPDATE, DELETE ON catchment_move.page TO `+role)
		if err != nil {
			return fmt.Errorf("mover: rights in the target: %w", err)
		}
	}
	var old []byte
	err = m.owner.QueryRow(ctx, `SELECT mark FROM catchment_move.source`).Scan(&old)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	case !bytes.Equal(old, mark):
		return ErrOther
	default:
		return nil
	}
	var accounts int
	if err := m.dir.QueryRow(ctx, `SELECT count(*) FROM account`).Scan(&accounts); err != nil {
		return err
	}
	if accounts > 0 {
		return ErrOther
	}
	_, err = m.owner.Exec(ctx, `INSERT INTO catchment_move.source (mark) VALUES ($1)`, mark)
	return err
}

// fingerprint tells sources apart by their first account's keys.
func (m *Mover) fingerprint(ctx context.Context) ([]byte, error) {
	var id, wrapped []byte
	err := m.src.QueryRowContext(ctx, `SELECT account_id, wrapped FROM account_keyset ORDER BY account_id, version LIMIT 1`).Scan(&id, &wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errors.New("mover: the source has no account yet: there is nothing to move, start with --database-url")
	}
	if err != nil {
		return nil, fmt.Errorf("mover: read the source: %w", err)
	}
	sum := sha256.Sum256(append(id, wrapped...))
	return sum[:], nil
}

// Line is what a pass found in one table.
type Line struct {
	Table          string
	Source, Target Counted
}

// Equal says that both sides have the same rows.
func (l Line) Equal() bool { return l.Source == l.Target }

// Report is what a pass or a recount found, a line a table.
type Report struct {
	Lines   []Line
	Pages   int64 // looked at
	Written int64 // rows written
	Took    time.Duration
}

// Equal says that all tables are.
func (r Report) Equal() bool { return len(r.Differ()) == 0 }

// Differ names the tables that are not the same.
func (r Report) Differ() (out []string) {
	for _, l := range r.Lines {
		if !l.Equal() {
			out = append(out, l.Table)
		}
	}
	return out
}

// Rows is how many the source has.
func (r Report) Rows() (n int64) {
	for _, l := range r.Lines {
		n += l.Source.Rows
	}
	return n
}

// Progress is how far the running pass is. Total is 0 before Measure.
type Progress struct{ Seen, Written, Total int64 }

// Progress may be called while a pass runs.
func (m *Mover) Progress() Progress { return Progress{m.seen.Load(), m.written.Load(), m.total} }

// Measure counts the source's rows, to tell how much remains.
func (m *Mover) Measure(ctx context.Context) error {
	m.total = 0
	for _, t := range m.tables {
		if err := m.src.QueryRowContext(ctx, `SELECT count(*) FROM `+t.Name).Scan(&t.total); err != nil {
			return err
		}
		m.total += t.total
	}
	return nil
}

// Pass copies what the target does not have yet. While the source is in use
// the two are near each other after it, and Equal says nothing; when nobody
// writes to the source they are equal after it.
func (m *Mover) Pass(ctx context.Context) (Report, error) {
	m.seen.Store(0)
	m.written.Store(0)
	m.pages.Store(0)
	m.owed, m.known = nil, nil
	return m.each(ctx, m.pass)
}

// each runs f for every unit, a few at once, the tables with the most rows
// first.
func (m *Mover) each(ctx context.Context, f func(context.Context, unit) (Counted, Counted, error)) (Report, error) {
	began := time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lines := map[string]*Line{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	todo := make(chan unit)
	for range workers {
		wg.Go(func() {
			for u := range todo {
				here, there, err := f(ctx, u)
				if err != nil {
					cancel(fmt.Errorf("%s: %w", u.Name, err))
				}
				mu.Lock()
				lines[u.Name].Source.add(here)
				lines[u.Name].Target.add(there)
				mu.Unlock()
			}
		})
	}
	order := slices.Clone(m.tables)
	slices.SortStableFunc(order, func(a, b *table) int { return int(min(max(b.total-a.total, -1), 1)) })
	for _, t := range order {
		mu.Lock()
		lines[t.Name] = &Line{Table: t.Name}
		mu.Unlock()
		units, err := m.units(ctx, t)
		if err != nil {
			cancel(err)
		}
		for _, u := range units {
			if ctx.Err() == nil {
				todo <- u
			}
		}
	}
	close(todo)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Report{}, err
	}
	r := Report{Pages: m.pages.Load(), Written: m.written.Load(), Took: time.Since(began)}
	for _, t := range m.tables {
		r.Lines = append(r.Lines, *lines[t.Name])
	}
	return r, nil
}

// in runs f in a transaction of the unit's role.
func (m *Mover) in(ctx context.Context, u unit, f func(pgx.Tx) error) error {
	pool := m.app
	if u.Directory {
		pool = m.dir
	}
	var how pgx.TxOptions
	if m.snapshot != "" {
		how = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	}
	return pgx.BeginTxFunc(ctx, pool, how, func(tx pgx.Tx) error {
		if m.snapshot != "" {
			if _, err := tx.Exec(ctx, `SET TRANSACTION SNAPSHOT '`+m.snapshot+`'`); err != nil {
				return err
			}
		}
		if u.account != nil {
			id := [16]byte(u.account)
			if _, err := tx.Exec(ctx, `SELECT set_config('app.account', ($1::uuid)::text, true)`, id); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

// page is a stretch of a unit's rows that was copied: after the page before it
// and up to its last.
type page struct {
	last []byte
	Counted
}

func (m *Mover) copied(ctx context.Context, u unit) (out []page, err error) {
	rows, err := m.owner.Query(ctx, `SELECT last, n, sum FROM catchment_move.page WHERE tbl = $1 AND account = $2 ORDER BY last`, u.Name, u.mark())
	if err != nil {
		return nil, err
	}
	var p page
	var sum []byte
	_, err = pgx.ForEachRow(rows, []any{&p.last, &p.Rows, &sum}, func() error {
		out = append(out, page{bytes.Clone(p.last), Counted{p.Rows, sumOf(sum)}})
		return nil
	})
	return out, err
}

func (u unit) mark() []byte {
	if u.account == nil {
		return []byte{}
	}
	return u.account
}

// pass brings a unit up to date. What meets a unique value that another row
// still has (a person's closed lead, and the new one) waits until the rest of
// the unit is done; what then still does is owed: it waits for the next pass or
// Touch, and is left out of the target's count.
func (m *Mover) pass(ctx context.Context, u unit) (here, there Counted, err error) {
	known, err := m.copied(ctx, u)
	if err != nil {
		return here, there, err
	}
	var late []change
	step := func(c change) error {
		n := count(c.rows)
		m.pages.Add(1)
		m.seen.Add(n.Rows)
		here.add(n)
		if !c.copied || n != c.noted {
			switch err := m.replace(ctx, u, c); {
			case taken(err):
				late = append(late, c)
				return nil
			case err != nil:
				return err
			}
		}
		there.add(n) // as it was read back when it was written
		return nil
	}
	at := change{}
	for _, p := range known {
		c := change{after: at.to, afterBytes: at.toBytes, toBytes: p.last, copied: true, noted: p.Counted}
		if c.to, err = keyOf(p.last); err != nil {
			return here, there, err
		}
		if c.rows, err = m.read(ctx, u, c.after, c.to); err != nil {
			return here, there, err
		}
		if err := step(c); err != nil {
			return here, there, err
		}
		at = c
	}
	for {
		rows, err := m.read(ctx, u, at.to, nil)
		if err != nil {
			return here, there, err
		}
		if len(rows) == 0 {
			return here, there, m.late(ctx, u, late, &there)
		}
		last := rows[len(rows)-1]
		c := change{after: at.to, afterBytes: at.toBytes, to: u.place(last), toBytes: u.placeBytes(last), rows: rows}
		if err := step(c); err != nil {
			return here, there, err
		}
		at = c
	}
}

// Done takes away the rights that passes needed; what they noted stays for a
// recount.
func (m *Mover) Done(ctx context.Context) error {
	for _, role := range store.Roles() {
		if _, err := m.owner.Exec(ctx, `REVOKE ALL ON catchment_move.page FROM `+role+`; REVOKE ALL ON SCHEMA catchment_move FROM `+role); err != nil {
			return fmt.Errorf("mover: rights in the target: %w", err)
		}
	}
	return nil
}

// Analyze has the target count its larger tables, so that it plans for them.
func (m *Mover) Analyze(ctx context.Context) error {
	for _, t := range m.tables {
		if t.total < 1000 {
			continue // what is known of a few rows makes worse plans than nothing
		}
		if _, err := m.owner.Exec(ctx, `ANALYZE `+t.Name); err != nil {
			return fmt.Errorf("mover: analyze %s: %w", t.Name, err)
		}
	}
	return nil
}
