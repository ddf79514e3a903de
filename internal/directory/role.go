package directory

import (
	"errors"

	"catchment/internal/account"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// isOwn reports whether the role is one that an account made for itself.
func isOwn(r account.Role) bool {
	_, err := account.ParseRoleID(string(r))
	return err == nil
}

// RightsOf returns what a role of the account may: one that is built in, or its
// own. A role that there is not may nothing.
func RightsOf(tx *store.Tx, r account.Role) (rights.Rights, error) {
	id, err := account.ParseRoleID(string(r))
	if err != nil {
		return rights.Of(r), nil
	}
	own, err := access.Role(tx, id)
	if errors.Is(err, store.ErrNone) {
		return rights.Rights{}, nil
	}
	return rights.Own(own.Grants), err
}
