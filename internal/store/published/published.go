// Package published numbers what is published of an account. It writes the
// table published.
package published

import (
	"time"

	"catchment/internal/store"
)

// The number follows the clock, so that it also grows after an older database
// was restored; where the clock went back it grows by one.
var next = store.Register("published.next", `INSERT INTO published (account_id, name, version) VALUES ($1, $2, $3)
	ON CONFLICT (account_id, name) DO UPDATE SET version =
		CASE WHEN published.version < excluded.version THEN excluded.version ELSE published.version + 1 END
	RETURNING version`)

// Next gives a version above all that were given before. It comes first in
// its transaction: it holds the row, so that whoever gets the higher version
// also reads the newer state.
func Next(tx *store.Tx, name string, now time.Time) (version int64, err error) {
	err = tx.Row(next, name, store.Micro(now)).Scan(&version)
	return version, err
}
