package web

import "catchment/internal/limits"

// AccountLimits are an account's limits, a second; 0: none.
type AccountLimits struct {
	Holder  int `json:"holder" doc:"Requests a second with one key or of one user; 0: no limit." example:"1000"`
	Account int `json:"account" doc:"Requests a second of the account's keys and users together; 0: no limit." example:"2000"`
	Leads   int `json:"leads" doc:"Leads a second that the account hands in; 0: no limit." example:"10000"`
}

// LimitsOf shows what counts for an account with such limits of its own. They
// are all by the second; ten seconds' worth is let in at once.
func LimitsOf(l *limits.Limits, own limits.Own) AccountLimits {
	r := l.Of(own)
	return AccountLimits{Holder: r.Holder.N, Account: r.Account.N, Leads: r.Leads.N}
}
