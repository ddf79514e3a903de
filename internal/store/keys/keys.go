// Package keys is the SQL of wrapped account keysets (table account_keyset).
package keys

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

var (
	add = store.Register("keys.add", `INSERT INTO account_keyset (account_id, version, wrapped, created_at) VALUES ($1, $2, $3, $4)`)

	newest = store.Unbound("keys.newest", `SELECT wrapped FROM account_keyset WHERE account_id = $1 ORDER BY version DESC LIMIT 1`)
)

// Add stores a keyset of the account: its first, or the one of a rotation.
func Add(tx *store.Tx, version uint32, wrapped []byte, at time.Time) error {
	return tx.Must(add, int64(version), wrapped, at.UnixMicro())
}

// Newest returns the newest wrapped keyset of the account, or store.ErrNone.
func Newest(d *store.Dir, id account.ID) (wrapped []byte, err error) {
	err = d.Row(newest, id).Scan(&wrapped)
	return wrapped, err
}
