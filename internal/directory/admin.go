package directory

import (
	"errors"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// leadership is how well an account is led: by the best of its active people. More is
// better.
type leadership int

const (
	ledByNobody  leadership = iota
	ledUnreached            // somebody manages people, and has no way to sign in
	ledUnreachedAdmin
	ledByManager // somebody manages people and can sign in, and may less than an admin
	ledByAdmin
)

// KeepLed makes a change that could leave the account without anybody who
// manages its people and can sign in, and refuses one that leaves it led less
// well than before: 409 last_admin. One such change of an account comes after
// the other: two admins do not demote each other at once.
func (d *Directory) KeepLed(tx *store.Tx, change func() error) error {
	if err := d.lock(tx); err != nil {
		return none(err)
	}
	was, err := ledBy(tx)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	is, err := ledBy(tx)
	if err != nil || is >= was {
		return err
	}
	return problem.Conflict("last_admin", "The account would have no admin left who can sign in. First make somebody else admin who has a password or a passkey, or choose one yourself.")
}

// ledBy judges who there is. An invited admin has never come in, and does not
// count; a phone does not bring in who manages people.
func ledBy(tx *store.Tx) (best leadership, err error) {
	p, err := access.GetProvider(tx)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return ledByNobody, err
	}
	all, err := access.Roles(tx)
	if err != nil {
		return ledByNobody, err
	}
	if best, err = ledByRole(tx, account.Admin, true, true); err != nil || best == ledByAdmin {
		return best, err
	}
	for _, r := range all {
		of := rights.Own(r.Grants)
		if !of.May(account.ManagePeople) {
			continue
		}
		// Compulsory single sign-on is for all but the built-in admins.
		by, err := ledByRole(tx, account.Role(r.ID.String()), of.Cover(rights.Of(account.Admin)), !p.Compulsory)
		if err != nil {
			return best, err
		}
		best = max(best, by)
	}
	return best, nil
}

func ledByRole(tx *store.Tx, r account.Role, admin, alone bool) (leadership, error) {
	active, able, err := access.Able(tx, r, alone)
	switch {
	case err != nil || active == 0:
		return ledByNobody, err
	case able > 0 && admin:
		return ledByAdmin, nil
	case able > 0:
		return ledByManager, nil
	case admin:
		return ledUnreachedAdmin, nil
	}
	return ledUnreached, nil
}
