package setup

import (
	"errors"
	"time"

	"catchment/internal/limits"
	"catchment/internal/store"
)

var (
	getLimits = store.Register("setup.limits", `SELECT holder_rate, account_rate, lead_rate FROM account_limit WHERE account_id = $1`)
	setLimits = store.Register("setup.limits.set", `INSERT INTO account_limit (account_id, holder_rate, account_rate, lead_rate, changed_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account_id) DO UPDATE SET holder_rate = excluded.holder_rate, account_rate = excluded.account_rate, lead_rate = excluded.lead_rate,
			changed_at = excluded.changed_at`)
)

// Limits reads what an operator let the account have (table account_limit);
// the zero Own when nobody has said anything.
func Limits(tx *store.Tx) (o limits.Own, err error) {
	err = tx.Row(getLimits).Scan(&o.Holder, &o.Account, &o.Leads)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return o, err
}

// SetLimits stores it.
func SetLimits(tx *store.Tx, o limits.Own, at time.Time) error {
	return tx.Must(setLimits, o.Holder, o.Account, o.Leads, at.UnixMicro())
}
