package mover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// late writes together what stood in each other's way.
func (m *Mover) late(ctx context.Context, u unit, late []change, there *Counted) error {
	if len(late) == 0 {
		return nil
	}
	if err := m.replace(ctx, u, late...); err != nil {
		if taken(err) {
			return m.oweAll(ctx, u, late)
		}
		return err
	}
	for _, c := range late {
		there.add(count(c.rows))
	}
	return nil
}

// oweAll owes the stretches' rows, those of the source and those of the target.
func (m *Mover) oweAll(ctx context.Context, u unit, late []change) error {
	return m.in(ctx, u, func(tx pgx.Tx) error {
		for _, c := range late {
			there, err := u.fetch(ctx, tx, c.after, c.to)
			if err != nil {
				return err
			}
			for _, row := range append(there, c.rows...) {
				m.owe(u, u.place(row))
			}
		}
		return nil
	})
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
		return readsBack(back, want)
	}
	return err
}

func readsBack(got, want Counted) error {
	return fmt.Errorf("mover: what was written reads back otherwise: %d rows %s, not %d rows %s", got.Rows, got.Sum, want.Rows, want.Sum)
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
