package directory

import (
	"catchment/internal/limits"
	"catchment/internal/store"
	"catchment/internal/store/setup"
)

// SetLimits has the account's own limits count, at every door as soon as its
// entry of the snapshot is published.
func (d *Directory) SetLimits(tx *store.Tx, own limits.Own) error {
	if err := setup.SetLimits(tx, own, d.now()); err != nil {
		return err
	}
	return d.o.Changed(tx)
}
