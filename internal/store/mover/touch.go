package mover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"catchment/internal/store"

	"github.com/jackc/pgx/v5"
)

// group is a unit's rows that must be looked at, by their places' bytes.
type group struct {
	unit
	places map[string][]any
}

type groups map[string]*group

func (g groups) of(u unit) *group {
	id := u.Name + "\x00" + string(u.mark())
	if g[id] == nil {
		g[id] = &group{u, map[string][]any{}}
	}
	return g[id]
}

// owe notes rows that the target could not take yet.
func (m *Mover) owe(u unit, places ...[]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owed == nil {
		m.owed = groups{}
	}
	g := m.owed.of(u)
	for _, p := range places {
		g.places[string(placeBytes(p))] = p
	}
}

// sort puts changes to what is owed, by unit.
func (m *Mover) sort(list []store.Change) (groups, error) {
	out := m.owed
	if out == nil {
		out = groups{}
	}
	m.owed = nil
	for _, c := range list {
		t := m.byName[c.Table]
		if t == nil || len(c.Key) != t.keyWidth {
			return nil, fmt.Errorf("mover: a change of %q with a key of %d", c.Table, len(c.Key))
		}
		u, place := unit{table: t}, c.Key
		if !t.Directory {
			account, ok := c.Key[0].([]byte)
			if !ok || len(account) != 16 {
				return nil, fmt.Errorf("mover: a change of %q without an account", c.Table)
			}
			u.account, place = account, place[t.keyWidth-len(t.key):]
		}
		for i, v := range place {
			var err error
			if place[i], err = t.classes[t.key[i]].same(v); err != nil {
				return nil, fmt.Errorf("mover: a change of %q: %w", c.Table, err)
			}
		}
		out.of(u).places[string(placeBytes(place))] = place
	}
	return out, nil
}

// Round is what a Touch did.
type Round struct {
	Rows    int // that were looked at
	Written int
	Owed    int // that wait for another row to give up a unique value
	Took    time.Duration
}

// Touch brings the target up to date in the rows that changed since a Pass,
// and in those that Pass could not write. Each is written and read back in one
// transaction that also corrects its page's count and checksum. It must be told
// of every change since the Pass began, in any order, as often as one likes.
func (m *Mover) Touch(ctx context.Context, list []store.Change) (r Round, err error) {
	began := time.Now()
	if err := m.load(ctx); err != nil {
		return r, err
	}
	all, err := m.sort(list)
	if err != nil {
		return r, err
	}
	m.written.Store(0)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *group)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for g := range todo {
				if err := m.touch(ctx, g); err != nil {
					cancel(fmt.Errorf("%s: %w", g.Name, err))
				}
			}
		})
	}
	largest := slices.SortedFunc(maps.Values(all), func(a, b *group) int { return len(b.places) - len(a.places) })
	for id := range all {
		if m.known[id] == nil {
			m.known[id] = &notes{}
		}
	}
	for _, g := range largest {
		r.Rows += len(g.places)
		if ctx.Err() == nil {
			todo <- g
		}
	}
	close(todo)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	for _, g := range m.owed {
		r.Owed += len(g.places)
	}
	r.Written, r.Took = int(m.written.Load()), time.Since(began)
	return r, nil
}

// Rows of a unit that are brought up to date in one transaction.
const touchRows = 4000

// touch does so for a group. What meets a unique value that another row still
// has is tried once more with the group's others that did; what then still
// does is owed.
func (m *Mover) touch(ctx context.Context, g *group) error {
	var late [][]any
	for part := range slices.Chunk(slices.Sorted(maps.Keys(g.places)), touchRows) {
		places := make([][]any, len(part))
		for i, k := range part {
			places[i] = g.places[k]
		}
		switch err := m.bring(ctx, g.unit, places); {
		case taken(err):
			late = append(late, places...)
		case err != nil:
			return err
		}
	}
	if len(late) == 0 {
		return nil
	}
	err := m.bring(ctx, g.unit, late)
	if taken(err) {
		m.owe(g.unit, late...)
		return nil
	}
	return err
}

// bring makes the target's rows at these places, which are in order, those of
// the source.
func (m *Mover) bring(ctx context.Context, u unit, places [][]any) error {
	here, err := m.readAt(ctx, u, places)
	if err != nil {
		return err
	}
	old := m.known.of(u)
	next := &notes{slices.Clone(old.pages), Counted{}}
	n := 0
	err = m.in(ctx, u, func(tx pgx.Tx) error {
		there, err := u.fetchAt(ctx, tx, places)
		if err != nil {
			return err
		}
		gone, fresh := u.differ(there, here)
		if n = len(gone) + len(fresh); n == 0 {
			return nil
		}
		if err := u.removeOnly(ctx, tx, gone); err != nil {
			return err
		}
		if err := u.insertAll(ctx, tx, fresh); err != nil {
			return err
		}
		if there, err = u.fetchAt(ctx, tx, places); err != nil {
			return err
		}
		if want, got := count(here), count(there); want != got {
			return readsBack(got, want)
		}
		return next.change(ctx, tx, u, gone, fresh)
	})
	if err != nil || n == 0 {
		return err
	}
	m.written.Add(int64(n))
	m.mu.Lock()
	defer m.mu.Unlock()
	old.pages = next.pages
	old.sum.add(next.sum)
	return nil
}

// readAt gives the source's rows at these places.
func (m *Mover) readAt(ctx context.Context, u unit, places [][]any) (out [][]any, err error) {
	where, _ := u.at(places[0], func(int) string { return "?" })
	st, err := m.src.PrepareContext(ctx, "SELECT "+strings.Join(u.columns, ", ")+" FROM "+u.Name+" WHERE "+where)
	if err != nil {
		return nil, fmt.Errorf("mover: read %s: %w", u.Name, err)
	}
	defer st.Close()
	for _, p := range places {
		_, args := u.at(p, func(int) string { return "?" })
		for i := range args {
			args[i] = lite(args[i])
		}
		rows, err := st.QueryContext(ctx, args...)
		if err != nil {
			return nil, fmt.Errorf("mover: read %s: %w", u.Name, err)
		}
		if rows.Next() {
			row, _, err := u.liteRow(rows)
			if err != nil {
				rows.Close()
				return nil, err
			}
			out = append(out, row)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fetchAt gives the target's. LIMIT keeps the planner at one search in the
// key for each place, whatever it believes of the table.
func (u unit) fetchAt(ctx context.Context, tx pgx.Tx, places [][]any) (out [][]any, err error) {
	for part := range slices.Chunk(places, pageRows) {
		var names, marks, conds []string
		var args []any
		if u.account != nil {
			args = append(args, classID.post(u.account))
			conds = append(conds, "account_id = $1")
		}
		for i, k := range u.key {
			args = append(args, u.classes[k].column(part, i))
			marks = append(marks, fmt.Sprintf("$%d::%s[]", len(args), u.classes[k]))
			names = append(names, fmt.Sprintf("k%d", i))
			conds = append(conds, fmt.Sprintf("%s = place.k%d", u.columns[k], i))
		}
		columns := strings.Join(u.columns, ", ")
		text := "SELECT r.* FROM unnest(" + strings.Join(marks, ", ") + ") AS place (" + strings.Join(names, ", ") + ") CROSS JOIN LATERAL (SELECT " +
			columns + " FROM " + u.Name + " WHERE " + strings.Join(conds, " AND ") + " LIMIT 1) AS r"
		if err := u.rows(ctx, tx, text, args, func(row []any) { out = append(out, row) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// notes are a unit's pages in the target, in the order of their ends, and what
// they hold together.
type notes struct {
	pages []page
	sum   Counted
}

type allNotes map[string]*notes

func (a allNotes) of(u unit) *notes { return a[u.Name+"\x00"+string(u.mark())] }

// load reads what passes noted, once after each.
func (m *Mover) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known != nil {
		return nil
	}
	known := allNotes{}
	rows, err := m.owner.Query(ctx, `SELECT tbl, account, last, n, sum FROM catchment_move.page ORDER BY tbl, account, last`)
	if err != nil {
		return err
	}
	var name string
	var account, sum []byte
	var p page
	_, err = pgx.ForEachRow(rows, []any{&name, &account, &p.last, &p.Rows, &sum}, func() error {
		id := name + "\x00" + string(account)
		if known[id] == nil {
			known[id] = &notes{}
		}
		c := Counted{p.Rows, sumOf(sum)}
		known[id].pages = append(known[id].pages, page{bytes.Clone(p.last), c})
		known[id].sum.add(c)
		return nil
	})
	m.known = known
	return err
}

// change corrects the pages for rows that went and came, here and in the
// target. Rows past the last page begin new ones. sum becomes the difference.
func (n *notes) change(ctx context.Context, tx pgx.Tx, u unit, gone, fresh [][]any) error {
	slices.SortFunc(fresh, func(a, b []any) int { return bytes.Compare(u.placeBytes(a), u.placeBytes(b)) })
	var scratch []byte
	changed := map[int]bool{}
	before := len(n.pages)
	for i, row := range append(slices.Clone(gone), fresh...) {
		at := n.pageOf(u.placeBytes(row))
		if at >= before && i < len(gone) {
			return errors.New("mover: the target had a row past the last page")
		}
		if at >= before && (at == len(n.pages) || n.pages[at].Rows >= pageRows) { // only a row that came is past the end
			n.pages, at = append(n.pages, page{}), len(n.pages)
		}
		p := &n.pages[at]
		if at >= before {
			p.last = u.placeBytes(row) // the rows come in order
		}
		var one Counted
		scratch = one.Sum.add(row, scratch)
		one.Rows = 1
		if i < len(gone) {
			one = one.negative()
		}
		p.add(one)
		n.sum.add(one)
		changed[at] = true
	}
	var b pgx.Batch
	for at := range changed {
		p := n.pages[at]
		if at < before {
			b.Queue(`UPDATE catchment_move.page SET n = $4, sum = $5 WHERE tbl = $1 AND account = $2 AND last = $3`, u.Name, u.mark(), p.last, p.Rows, p.Sum.bytes())
			continue
		}
		b.Queue(`INSERT INTO catchment_move.page (tbl, account, last, n, sum) VALUES ($1, $2, $3, $4, $5)`, u.Name, u.mark(), p.last, p.Rows, p.Sum.bytes())
	}
	return tx.SendBatch(ctx, &b).Close()
}

// pageOf is the page that a place belongs to: the first that does not end
// before it. Past the end it is the last new page, or none yet.
func (n *notes) pageOf(place []byte) int {
	at, _ := slices.BinarySearchFunc(n.pages, place, func(p page, place []byte) int { return bytes.Compare(p.last, place) })
	return at
}

// Settled is where the copy stands by its notes: each table's rows are counted
// in the source anew; checksums are those of the rows as they were read back
// when they were written. It means something while nobody writes to the source
// and after a Touch that owes nothing.
func (m *Mover) Settled(ctx context.Context) (r Report, err error) {
	began := time.Now()
	if err := m.load(ctx); err != nil {
		return r, err
	}
	sums := map[string]Counted{}
	for id, n := range m.known {
		name, _, _ := strings.Cut(id, "\x00")
		c := sums[name]
		c.add(n.sum)
		sums[name] = c
	}
	r.Lines = make([]Line, len(m.tables))
	errs := make([]error, len(m.tables))
	todo := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range todo {
				name := m.tables[i].Name
				l := Line{Table: name, Source: sums[name], Target: sums[name]}
				errs[i] = m.src.QueryRowContext(ctx, `SELECT count(*) FROM `+name).Scan(&l.Source.Rows)
				r.Lines[i] = l
			}
		})
	}
	for i := range m.tables {
		todo <- i
	}
	close(todo)
	wg.Wait()
	r.Took = time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return r, fmt.Errorf("mover: count the source: %w", err)
	}
	return r, nil
}
