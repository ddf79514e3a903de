package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Scrub has what was deleted vanish from the engine's files. SQLite writes over
// deleted rows at once (secure_delete), but its log has the pages from before:
// it is emptied. PostgreSQL keeps deleted rows within its pages: the tables of
// keys are written anew, which locks each for as long as that takes; its own
// log keeps them until its segments are used again. ErrBusy: a long reader held
// SQLite's log open; try again later.
func Scrub(ctx context.Context, db *DB, o Options) error {
	if b, ok := db.b.(*liteBackend); ok {
		return b.emptyLog(ctx)
	}
	pg, err := sql.Open("pgx", o.ownerURL())
	if err != nil {
		return fmt.Errorf("store: scrub: %w", err)
	}
	defer pg.Close()
	c, err := pg.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: scrub: %w", err)
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SET lock_timeout = '5s'"); err != nil {
		return fmt.Errorf("store: scrub: %w", err)
	}
	for _, t := range KeyTables() {
		if _, err := c.ExecContext(ctx, "VACUUM (FULL) "+t); err != nil {
			return fmt.Errorf("store: scrub %s: %w", t, err)
		}
	}
	return nil
}

// KeyTables lists the tables whose rows, once deleted, make others unreadable.
func KeyTables() []string {
	return []string{"account_keyset", "person_key", "member_key", "grant_key", "concern_key"}
}

// ErrBusy says that something else has to end first.
var ErrBusy = errors.New("store: busy")

func (b *liteBackend) emptyLog(ctx context.Context) error {
	return b.alone(ctx, func(c *liteConn) error {
		if b.ship != nil {
			return b.ship.moved(ctx, c, "TRUNCATE")
		}
		_, err := c.checkpoint(ctx, "TRUNCATE")
		return err
	})
}
