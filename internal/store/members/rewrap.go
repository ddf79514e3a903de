package members

import (
	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

var (
	staleKeys = store.Register("members.keys.stale", `SELECT user_id, wrapped FROM member_key
		WHERE account_id = $1 AND user_id > $2 AND keyset_version < $3 ORDER BY user_id LIMIT $4`)
	rewrapKey = store.Register("members.key.rewrap", `UPDATE member_key SET wrapped = $3, keyset_version = $4
		WHERE account_id = $1 AND user_id = $2 AND wrapped = $5`)
	generations = store.Register("members.keys.generations", `SELECT keyset_version, count(*) FROM member_key WHERE account_id = $1 GROUP BY keyset_version`)
)

// StaleKeys reads up to limit wrapped keys of older generations than this one,
// by id, after the given subject.
func StaleKeys(tx *store.Tx, generation uint32, after vault.Subject, limit int) (out []vault.Wrapped, err error) {
	rows, err := tx.Query(staleKeys, account.UserIDFrom(after), int64(generation), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.UserID
		var w vault.Wrapped
		err := scan(&id, &w.Key)
		w.Subject = vault.Subject(id.UUID())
		out = append(out, w)
		return err
	})
	return out, err
}

// Rewrap puts a key that was wrapped anew into the place of the old form. A
// user who is gone meanwhile stays gone.
func Rewrap(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error {
	_, err := tx.Exec(rewrapKey, account.UserIDFrom(old.Subject), wrapped, int64(generation), old.Key)
	return err
}

// KeyGenerations counts the wrapped keys of each generation.
func KeyGenerations(tx *store.Tx, into map[uint32]int64) error {
	rows, err := tx.Query(generations)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var g, n int64
		err := scan(&g, &n)
		into[uint32(g)] += n
		return err
	})
}
