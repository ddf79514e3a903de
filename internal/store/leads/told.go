package leads

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// What the service-level clocks ask about attempts and owners.
var (
	toldLast  = store.Register("leads.told.last", `SELECT max(created_at) FROM attempt WHERE account_id = $1 AND lead_id = $2`)
	toldFirst = store.Register("leads.told.first", `SELECT min(started_at) FROM attempt WHERE account_id = $1 AND lead_id = $2 AND created_at >= $3`)
	openSince = store.Register("leads.told.open", `SELECT max(started_at) FROM attempt_open WHERE account_id = $1 AND lead_id = $2`)
	ownedFrom = store.Register("leads.told.owner", `SELECT user_id, from_at FROM assignment
		WHERE account_id = $1 AND lead_id = $2 ORDER BY from_at DESC LIMIT 1`)
	leftAt = store.Register("leads.told.left", `SELECT max(until_at) FROM assignment
		WHERE account_id = $1 AND lead_id = $2 AND user_id = $3`)
)

// LastTold is when an attempt at the lead was last reported; zero: never.
func LastTold(tx *store.Tx, id lead.ID) (at time.Time, err error) {
	err = tx.Row(toldLast, id).Scan(store.Time(&at))
	return at, err
}

// FirstToldSince is when the earliest of those attempts began that were
// reported at or after the given time; zero: there is none.
func FirstToldSince(tx *store.Tx, id lead.ID, since time.Time) (at time.Time, err error) {
	err = tx.Row(toldFirst, id, store.Micro(since)).Scan(store.Time(&at))
	return at, err
}

// TryingSince is when the latest attempt began that is going on; zero: none is.
func TryingSince(tx *store.Tx, id lead.ID) (at time.Time, err error) {
	err = tx.Row(openSince, id).Scan(store.Time(&at))
	return at, err
}

// OwnedSince is who owned the lead last, and from when; store.ErrNone: nobody did.
func OwnedSince(tx *store.Tx, id lead.ID) (owner account.UserID, from time.Time, err error) {
	err = tx.Row(ownedFrom, id).Scan(&owner, store.Time(&from))
	return owner, from, err
}

// LeftAt is when a user's last time as the lead's owner ended; zero: there was none.
func LeftAt(tx *store.Tx, id lead.ID, user account.UserID) (at time.Time, err error) {
	err = tx.Row(leftAt, id, user).Scan(store.Time(&at))
	return at, err
}

// StageSetAt is when the lead's stage was changed last; zero: never.
func StageSetAt(tx *store.Tx, id lead.ID) (at time.Time, err error) {
	err = tx.Row(workLastChange, id).Scan(store.Time(&at))
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return at, err
}
