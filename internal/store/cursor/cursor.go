// Package cursor is the SQL of how far the journal's streams are in the
// database (table journal_cursor).
package cursor

import (
	"errors"
	"time"

	"catchment/internal/store"
)

var (
	save = store.Unbound("cursor.save", `INSERT INTO journal_cursor (stream, seq, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (stream) DO UPDATE SET seq = CASE WHEN excluded.seq > journal_cursor.seq THEN excluded.seq ELSE journal_cursor.seq END,
			updated_at = excluded.updated_at`)
	load = store.Unbound("cursor.load", `SELECT seq FROM journal_cursor WHERE stream = $1`)
)

// Save notes, in the transaction that stores them, that the stream's messages
// up to seq are in the database. It never goes back.
func Save(m *store.Many, stream string, seq uint64, at time.Time) error {
	_, err := m.Exec(save, stream, int64(seq), at.UnixMicro())
	return err
}

// Load returns the last sequence noted; 0 when there is none.
func Load(d *store.Dir, stream string) (seq uint64, err error) {
	var n int64
	err = d.Row(load, stream).Scan(&n)
	if errors.Is(err, store.ErrNone) {
		return 0, nil
	}
	return uint64(n), err
}
