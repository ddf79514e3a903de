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
// pauses, writes only what has changed since.
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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Mover is between one source and one target. Its methods are called one
// after the other.
type Mover struct {
	src      *sql.DB
	owner    *pgxpool.Pool // who may change the schema
	app, dir *pgxpool.Pool
	tables   []*table

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
	have, want, err := store.Versions(ctx, store.Options{Path: path})
	if err != nil {
		return nil, err
	}
	if have != want {
		return nil, fmt.Errorf("mover: the source's schema is version %d, this program's %d: run catchment migrate first", have, want)
	}
	if _, _, err := store.Migrate(ctx, to); err != nil {
		return nil, err
	}
	m = &Mover{}
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
	}
	return m, m.claim(ctx)
}

// Close ends the connections.
func (m *Mover) Close() {
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
		_, err := m.owner.Exec(ctx, `GRANT USAGE ON SCHEMA catchment_move TO `+role+`; GRANT SELECT, INSERT, DELETE ON catchment_move.page TO `+role)
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
	return m.each(ctx, m.pass)
}

// Recount reads both sides whole and compares them, without what passes noted.
func (m *Mover) Recount(ctx context.Context) (Report, error) {
	m.seen.Store(0)
	r, err := m.each(ctx, func(ctx context.Context, u unit) (Counted, Counted, error) {
		have, err := m.countSource(ctx, u)
		if err != nil {
			return have, Counted{}, err
		}
		var there Counted
		err = m.in(ctx, u, func(tx pgx.Tx) (err error) {
			there, err = u.counted(ctx, tx, nil, nil)
			return err
		})
		return have, there, err
	})
	if err != nil {
		return r, err
	}
	return r, m.strangers(ctx, &r)
}

// strangers counts what the target has of accounts that the source does not:
// the owner sees it when it may see past row-level security.
func (m *Mover) strangers(ctx context.Context, r *Report) error {
	var all bool
	err := m.owner.QueryRow(ctx, `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&all)
	if err != nil || !all {
		return err
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		var n int64
		if err := m.owner.QueryRow(ctx, `SELECT count(*) FROM `+l.Table).Scan(&n); err != nil {
			return err
		}
		l.Target.Rows = max(l.Target.Rows, n)
	}
	return nil
}

// countSource reads a unit to its end.
func (m *Mover) countSource(ctx context.Context, u unit) (c Counted, err error) {
	for after := []any(nil); ; {
		rows, err := m.read(ctx, u, after, nil)
		if err != nil || len(rows) == 0 {
			return c, err
		}
		c.add(count(rows))
		m.seen.Add(int64(len(rows)))
		after = u.place(rows[len(rows)-1])
	}
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
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
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
// the unit is done; what then still does waits for the next pass, and is left
// out of the target's count.
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

// late writes together what stood in each other's way.
func (m *Mover) late(ctx context.Context, u unit, late []change, there *Counted) error {
	if len(late) == 0 {
		return nil
	}
	if err := m.replace(ctx, u, late...); err != nil {
		if taken(err) {
			return nil
		}
		return err
	}
	for _, c := range late {
		there.add(count(c.rows))
	}
	return nil
}

// taken tells whether another row has a value that must be unique.
func taken(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505"
}

// change is a stretch, from after one place up to another, and the rows that
// the target shall have there.
type change struct {
	after, to           []any
	afterBytes, toBytes []byte
	rows                [][]any
	copied              bool    // before, so that most rows may be there
	noted               Counted // when they were copied
}

// replace makes the target's rows of the stretches the given ones, reads them
// back, and notes the pages, all in one transaction.
func (m *Mover) replace(ctx context.Context, u unit, all ...change) error {
	n := 0
	err := m.in(ctx, u, func(tx pgx.Tx) (err error) {
		if n, err = u.make(ctx, tx, all); err != nil {
			return err
		}
		for _, c := range all {
			if err := u.note(ctx, tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		m.written.Add(int64(n))
	}
	return err
}

// note reads a stretch back and keeps its pages' ends and checksums.
func (u unit) note(ctx context.Context, tx pgx.Tx, c change) error {
	_, err := tx.Exec(ctx, `DELETE FROM catchment_move.page WHERE tbl = $1 AND account = $2 AND last > $3 AND last <= $4`,
		u.Name, u.mark(), orEmpty(c.afterBytes), c.toBytes)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(c.rows, pageRows) {
		n := count(part)
		_, err := tx.Exec(ctx, `INSERT INTO catchment_move.page (tbl, account, last, n, sum) VALUES ($1, $2, $3, $4, $5)`,
			u.Name, u.mark(), u.placeBytes(part[len(part)-1]), n.Rows, n.Sum.bytes())
		if err != nil {
			return err
		}
	}
	back, err := u.counted(ctx, tx, c.after, c.to)
	if want := count(c.rows); err == nil && back != want {
		return fmt.Errorf("mover: what was written reads back otherwise: %d rows %s, not %d rows %s", back.Rows, back.Sum, want.Rows, want.Sum)
	}
	return err
}

// make writes what the target's stretches lack, after all that must go has
// gone. Keys made from hashes spread new rows over all of a table, so that
// nearly every page has one and few have many: of a page that was copied only
// the differing rows are written.
func (u unit) make(ctx context.Context, tx pgx.Tx, all []change) (written int, err error) {
	var come [][]any
	for _, c := range all {
		if !c.copied {
			if err := u.remove(ctx, tx, c.after, c.to); err != nil {
				return 0, err
			}
			come = append(come, c.rows...)
			continue
		}
		there, err := u.fetch(ctx, tx, c.after, c.to)
		if err != nil {
			return 0, err
		}
		gone, fresh := u.differ(there, c.rows)
		if err := u.removeOnly(ctx, tx, gone); err != nil {
			return 0, err
		}
		come, written = append(come, fresh...), written+len(gone)
	}
	return written + len(come), u.insertAll(ctx, tx, come)
}

// differ lists the rows that must go from the target, and those that must come;
// a changed one is in both.
func (u unit) differ(there, here [][]any) (gone, fresh [][]any) {
	old := make(map[string][]any, len(there))
	for _, r := range there {
		old[string(u.placeBytes(r))] = r
	}
	for _, r := range here {
		key := string(u.placeBytes(r))
		was, found := old[key]
		delete(old, key)
		if found && bytes.Equal(appendRow(nil, was), appendRow(nil, r)) {
			continue
		}
		if found {
			gone = append(gone, was)
		}
		fresh = append(fresh, r)
	}
	for _, r := range old {
		gone = append(gone, r)
	}
	return gone, fresh
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
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
