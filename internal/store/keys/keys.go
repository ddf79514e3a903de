// Package keys is the SQL of wrapped account keysets (table account_keyset), and of
// the small keys that they wrap.
package keys

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

var (
	add     = store.Register("keys.add", `INSERT INTO account_keyset (account_id, version, wrapped, created_at) VALUES ($1, $2, $3, $4)`)
	next    = store.Register("keys.next", `INSERT INTO account_keyset (account_id, version, wrapped, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`)
	get     = store.Register("keys.get", `SELECT version, wrapped, created_at, published_at FROM account_keyset WHERE account_id = $1 ORDER BY version DESC LIMIT 1`)
	replace = store.Register("keys.replace", `UPDATE account_keyset SET wrapped = $3 WHERE account_id = $1 AND version = $2 AND wrapped = $4`)
	older   = store.Register("keys.older", `DELETE FROM account_keyset WHERE account_id = $1 AND version < $2`)
	shown   = store.Register("keys.published", `UPDATE account_keyset SET published_at = $3 WHERE account_id = $1 AND version = $2 AND published_at IS NULL`)

	newest = store.Unbound("keys.newest", `SELECT wrapped FROM account_keyset WHERE account_id = $1 ORDER BY version DESC LIMIT 1`)
)

// Keyset is an account's newest, as it stands.
type Keyset struct {
	Version     uint32
	Wrapped     []byte
	CreatedAt   time.Time // of the version
	PublishedAt time.Time // since when the doors seal to its drop box; zero: not yet, or of an older program
}

// Add stores a new account's keyset.
func Add(tx *store.Tx, version uint32, wrapped []byte, at time.Time) error {
	return tx.Must(add, int64(version), wrapped, at.UnixMicro())
}

// Next stores the keyset of a rotation in the place of the older ones; false
// when somebody else has made the version.
func Next(tx *store.Tx, version uint32, wrapped []byte, at time.Time) (bool, error) {
	n, err := tx.Exec(next, int64(version), wrapped, at.UnixMicro())
	if err != nil || n == 0 {
		return false, err
	}
	return true, dropOlder(tx, version)
}

// Get reads the newest keyset of the account, or store.ErrNone.
func Get(tx *store.Tx) (k Keyset, err error) {
	var version int64
	err = tx.Row(get).Scan(&version, &k.Wrapped, store.Time(&k.CreatedAt), store.Time(&k.PublishedAt))
	k.Version = uint32(version)
	return k, err
}

// Replace puts a keyset of the same version into the place of another; false
// when somebody else was faster. What older versions there are goes: the newest
// one has all that is still used.
func Replace(tx *store.Tx, version uint32, old, wrapped []byte) (bool, error) {
	n, err := tx.Exec(replace, int64(version), wrapped, old)
	if err != nil || n == 0 {
		return false, err
	}
	return true, dropOlder(tx, version)
}

func dropOlder(tx *store.Tx, version uint32) error {
	_, err := tx.Exec(older, int64(version))
	return err
}

// Published notes that the doors have the version's drop box, once.
func Published(tx *store.Tx, version uint32, at time.Time) error {
	_, err := tx.Exec(shown, int64(version), at.UnixMicro())
	return err
}

// Newest returns the newest wrapped keyset of the account, or store.ErrNone.
func Newest(d *store.Dir, id account.ID) (wrapped []byte, err error) {
	err = d.Row(newest, id).Scan(&wrapped)
	return wrapped, err
}
