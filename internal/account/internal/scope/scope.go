// Package scope holds the one type that opens an account's data. Only
// packages under internal/account can import it, and only account/admit does.
package scope

import "catchment/internal/ident"

// Account is the kind of an account's identifier.
type Account struct{}

// Prefix implements ident.Kind.
func (Account) Prefix() string { return "acct" }

// Scope says that its holder was admitted to one account. The zero Scope
// admits to nothing and is refused by the store.
type Scope struct{ id ident.ID[Account] }

// New makes a Scope. Its only caller is account/admit.
func New(id ident.ID[Account]) Scope { return Scope{id} }

// Account returns the account's id; the zero id for the zero Scope.
func (s Scope) Account() ident.ID[Account] { return s.id }

// Valid reports whether the Scope was made by account/admit for an account.
func (s Scope) Valid() bool { return !s.id.IsZero() }
