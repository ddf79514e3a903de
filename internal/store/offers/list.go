package offers

import (
	"time"

	"catchment/internal/store"
)

var offerAllOpen = store.Register("offers.offer_all_open", offerSelect+` WHERE o.account_id = $1 AND o.open AND o.expires_at > $2
	ORDER BY o.made_at DESC, o.offer_id LIMIT $3`)

// AllOpen lists up to limit of the account's offers that can be accepted at
// the given time, newest first.
func AllOpen(tx *store.Tx, at time.Time, limit int) ([]Offer, error) {
	rows, err := tx.Query(offerAllOpen, store.Micro(at), limit)
	return scanOffers(rows, err)
}
