package offers

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

var offerAllOpen = store.Register("offers.offer_all_open", offerSelect+` WHERE o.account_id = $1 AND o.open AND o.expires_at > $2
	AND (CAST($4 AS uuid) IS NULL OR o.user_id = $4 OR `+store.InTeam("l.project_id", "$4")+`) ORDER BY o.made_at DESC, o.offer_id LIMIT $3`)

// AllOpen lists up to limit of the account's offers that can be accepted at
// the given time, newest first; unless teamsOf is zero, of the projects whose
// team the user is in, and the user's own.
func AllOpen(tx *store.Tx, at time.Time, limit int, teamsOf account.UserID) ([]Offer, error) {
	rows, err := tx.Query(offerAllOpen, store.Micro(at), limit, teamsOf)
	return scanOffers(rows, err)
}
