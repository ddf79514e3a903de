package people

import (
	"errors"

	"catchment/internal/store"
)

var (
	masks    = store.Register("people.masking", `SELECT on_offer FROM masking WHERE account_id = $1`)
	setMasks = store.Register("people.masking.set", `INSERT INTO masking (account_id, on_offer) VALUES ($1, $2)
		ON CONFLICT (account_id) DO UPDATE SET on_offer = excluded.on_offer`)
)

// MasksOnOffer reports whether the account masks how a person is reached until
// the offer of their lead is accepted.
func MasksOnOffer(tx *store.Tx) (on bool, err error) {
	if err = tx.Row(masks).Scan(&on); errors.Is(err, store.ErrNone) {
		err = nil
	}
	return on, err
}

// SetMasksOnOffer says so.
func SetMasksOnOffer(tx *store.Tx, on bool) error {
	_, err := tx.Exec(setMasks, on)
	return err
}
