package store

import "catchment/internal/account"

// End says what became of a transaction.
type End int

// The ends. Unknown: the commit failed, and may have been made all the same.
const (
	RolledBack End = iota
	Committed
	Unknown
)

// AtEnd has f run once when the transaction is over, however it ends; a run
// that is tried again has its own.
func (tx *Tx) AtEnd(f func(End)) { tx.ended = append(tx.ended, f) }

// Shared returns what make made for this key and the open database: what a
// keep remembers from one transaction to the next. It must be safe for
// concurrent use.
func (tx *Tx) Shared(key any, make func() any) any {
	if v, ok := tx.db.shared.Load(key); ok {
		return v
	}
	v, _ := tx.db.shared.LoadOrStore(key, make())
	return v
}

// Keep returns what make made for this key, the account and the transaction:
// where a keep gathers what it writes at the end (events).
func (tx *Tx) Keep(key any, make func() any) any {
	type perAccount struct {
		key any
		id  account.ID
	}
	k := perAccount{key, tx.Account()}
	if tx.kept == nil {
		tx.kept = map[any]any{}
	}
	if _, ok := tx.kept[k]; !ok {
		tx.kept[k] = make()
	}
	return tx.kept[k]
}
