// Package answers keeps what was answered under an Idempotency-Key, so that a
// repeated request gets the same answer. It writes the table answered.
package answers

import (
	"time"

	"catchment/internal/store"
)

var (
	find = store.Register("answers.find", `SELECT request_hash, status, answer FROM answered
		WHERE account_id = $1 AND principal = $2 AND key = $3`)
	add = store.Register("answers.add", `INSERT INTO answered (account_id, principal, key, request_hash, status, answer, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)
	forget = store.Register("answers.forget", `DELETE FROM answered WHERE account_id = $1 AND created_at < $2`)
)

// Answer is what was answered to a request.
type Answer struct {
	RequestHash []byte
	Status      int
	Body        []byte // JSON, nothing personal
}

// Find returns the answer given under the key; store.ErrNone when there is none.
func Find(tx *store.Tx, principal, key string) (Answer, error) {
	var a Answer
	err := tx.Row(find, principal, key).Scan(&a.RequestHash, &a.Status, &a.Body)
	return a, err
}

// Add keeps the answer. When another request with the key was faster, the
// transaction is to run again and will find that one's answer.
func Add(tx *store.Tx, principal, key string, a Answer, at time.Time) error {
	n, err := tx.Exec(add, principal, key, a.RequestHash, a.Status, a.Body, store.Micro(at))
	if err == nil && n == 0 {
		return store.ErrAgain
	}
	return err
}

// Forget drops what is older than the given time.
func Forget(tx *store.Tx, before time.Time) (int64, error) {
	return tx.Exec(forget, store.Micro(before))
}
