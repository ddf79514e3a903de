package directory

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/rights"
)

// Principal is who asks: a user in a session, a secret key, or an operator of
// the platform, who has no Scope.
type Principal struct {
	Scope    account.Scope
	Actor    string         // the id of the user, key or operator, for the record
	User     account.UserID // zero for a key
	Key      account.KeyID  // zero for a session
	Role     account.Role
	Rights   rights.Rights       // of the role, when it was looked up
	Teams    []account.ProjectID // whose team the user is in; known only when some right goes as far as these
	Session  account.SessionID   // zero for a key
	Shown    account.Shown       // what the session has shown; a key shows nothing
	Second   bool                // the user has a second factor, which a session has to show
	Must     bool                // the user has to show a second factor, set up or not: by their rights, or by the account's rule
	Operator bool
	Expires  time.Time // of the session or key at the latest; zero: never

	from *[]caller.Networks // the caller is in each of these; nil: anywhere
}
