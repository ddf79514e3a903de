// Package admit makes a Scope. Importing it is a permission: archtest lists
// who may. Whoever calls To has just checked a credential (directory), a
// source's key (capture), or took the account from a row that an admitted
// caller wrote (jobs, intake).
package admit

import (
	"catchment/internal/account"
	"catchment/internal/account/internal/scope"
)

// To admits the caller to the account. It panics on the zero id, which can
// only be a fault of the program.
func To(id account.ID) account.Scope {
	if id.IsZero() {
		panic("admit: no account")
	}
	return scope.New(id)
}
