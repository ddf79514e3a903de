package store

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// Change names a row that a transaction may have added, changed or deleted:
// its table, and its primary key's values in the key's order (int64, string,
// []byte).
type Change struct {
	Table string
	Key   []any
}

// Following is a time in which SQLite tells which rows it changes.
type Following struct {
	b       *liteBackend
	keys    map[string][]int // of each table: where the key's columns stand in a row
	width   map[string]int   // columns that must be read to have them all
	version int64
	sink    func([]Change) error

	// Reached only by who holds the writing connection.
	pending []Change
	failed  error
}

// Follow has sink called with the rows of every transaction of this DB, after
// its commit and before another one begins; it must be quick. What was
// committed before Follow returned is not told. A row may be told that did not
// change. When sink fails nothing more is told, and Stop says so. SQLite only.
//
// It rests on sqlite3_preupdate_hook, which sees rows of tables without rowid
// and those of upserts too; not what REPLACE throws out, which no statement of
// ours uses.
func (db *DB) Follow(ctx context.Context, sink func([]Change) error) (*Following, error) {
	b, ok := db.b.(*liteBackend)
	if !ok {
		return nil, errors.New("store: only SQLite can be followed")
	}
	f := &Following{b: b, sink: sink}
	err := b.alone(ctx, func(c *liteConn) (err error) {
		if c.follower != nil {
			return errors.New("store: it is followed already")
		}
		if f.keys, f.width, err = liteKeys(ctx, c); err != nil {
			return err
		}
		if f.version, err = c.dataVersion(ctx); err != nil {
			return err
		}
		c.follower = f
		return c.hook(f.note)
	})
	if err != nil {
		return nil, fmt.Errorf("store: follow: %w", err)
	}
	return f, nil
}

// Stop ends it. Without an error every change since Follow was told: sink took
// all, and no other connection wrote to the file.
func (f *Following) Stop(ctx context.Context) error {
	err := f.b.alone(ctx, func(c *liteConn) error {
		c.follower = nil
		if err := c.hook(nil); err != nil {
			return err
		}
		if f.failed != nil {
			return f.failed
		}
		now, err := c.dataVersion(ctx)
		if err == nil && now != f.version {
			err = errors.New("another connection wrote to the file")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("store: follow: %w", err)
	}
	return nil
}

// note keeps the keys of the row before and after. An update of a key's column
// would be two rows; none of our statements does that, and both are kept.
func (f *Following) note(d sqlite.SQLitePreUpdateData) {
	key, known := f.keys[d.TableName]
	if !known || f.failed != nil {
		return
	}
	row := make([]any, f.width[d.TableName])
	for _, get := range []func(...any) error{d.Old, d.New} {
		if get(row...) != nil {
			continue // an insert has no old row, a delete no new one
		}
		c := Change{Table: d.TableName, Key: make([]any, len(key))}
		for i, k := range key {
			c.Key[i] = row[k]
		}
		f.pending = append(f.pending, c)
	}
}

// told gives the sink what the transaction that has just ended changed.
func (f *Following) told(committed bool) {
	list := f.pending
	f.pending = nil
	if committed && f.failed == nil && len(list) > 0 {
		f.failed = f.sink(list)
	}
}

// alone runs g with the writing connection, between two transactions.
func (b *liteBackend) alone(ctx context.Context, g func(*liteConn) error) error {
	select {
	case c := <-b.writer:
		defer func() { b.writer <- c }()
		return g(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *liteConn) hook(f sqlite.PreUpdateHookFn) error {
	return c.c.Raw(func(driver any) error {
		h, ok := driver.(sqlite.HookRegisterer)
		if !ok {
			return errors.New("the driver has no hooks")
		}
		h.RegisterPreUpdateHook(f)
		return nil
	})
}

// dataVersion changes when another connection commits, not with this one's own.
func (c *liteConn) dataVersion(ctx context.Context) (n int64, err error) {
	err = c.c.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&n)
	return n, err
}

// liteKeys lists the columns of every primary key, in the key's order.
func liteKeys(ctx context.Context, c *liteConn) (keys map[string][]int, width map[string]int, err error) {
	keys, width = map[string][]int{}, map[string]int{}
	rows, err := c.c.QueryContext(ctx, `SELECT t.name, c.cid FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND c.pk > 0 ORDER BY t.name, c.pk`)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	ours := tables()
	for rows.Next() {
		var name string
		var cid int
		if err := rows.Scan(&name, &cid); err != nil {
			return nil, nil, err
		}
		if ours[name] {
			keys[name] = append(keys[name], cid)
			width[name] = max(width[name], cid+1)
		}
	}
	return keys, width, rows.Err()
}
