package operate

import (
	"context"

	"catchment/internal/account"
	"catchment/internal/limits"
	"catchment/internal/web"
)

// OwnLimits is what one account may have, a second, instead of the platform's.
type OwnLimits struct {
	Holder  *int `json:"holder,omitempty" minimum:"1" maximum:"1000000" doc:"Requests a second with one key or of one user; null: the platform's." example:"100"`
	Account *int `json:"account,omitempty" minimum:"1" maximum:"1000000" doc:"Requests a second of the account; null: the platform's." example:"400"`
	Leads   *int `json:"leads,omitempty" minimum:"1" maximum:"1000000" doc:"Leads a second that it hands in; null: the platform's." example:"50"`
}

// LimitsAnswer is an account's limits: its own, and what counts.
type LimitsAnswer struct {
	Own    OwnLimits         `json:"own" doc:"What an operator has set for this account; what is left out is the platform's."`
	Limits web.AccountLimits `json:"limits" doc:"What counts."`
}

func (p Parts) limitRoutes() {
	const path = "/v1/platform/accounts/{id}/limits"
	web.Meet(p.API, web.Op{Method: "GET", Path: path, Name: "get-account-limits", Tag: "operator", Permission: account.RunPlatform,
		Summary: "An account's limits"}, p.getLimits)
	web.Meet(p.API, web.Op{Method: "PUT", Path: path, Name: "put-account-limits", Tag: "operator", Permission: account.RunPlatform, StepUp: true, MaxBody: 4 << 10,
		Summary: "Set an account's limits", Detail: "They count at every door within five seconds, are on the platform's record and the account's, and the account sees them (GET /v1/account). What is left out or null is the platform's again."}, p.putLimits)
}

type accountPath struct {
	ID string `path:"id" doc:"The account's id." example:"acct_01h455vb4pex5vsknk084sn02q"`
}

type limitsIn struct {
	ID   string `path:"id" doc:"The account's id." example:"acct_01h455vb4pex5vsknk084sn02q"`
	Body OwnLimits
}

func (p Parts) getLimits(ctx context.Context, _ *web.Visit, in *accountPath) (*LimitsAnswer, error) {
	id, err := web.PathID(in.ID, account.ParseID)
	if err != nil {
		return nil, err
	}
	own, err := p.Limits(ctx, id)
	return p.limits(own), err
}

func (p Parts) putLimits(ctx context.Context, v *web.Visit, in *limitsIn) (*LimitsAnswer, error) {
	id, err := web.PathID(in.ID, account.ParseID)
	if err != nil {
		return nil, err
	}
	own := limits.Own{Holder: number(in.Body.Holder), Account: number(in.Body.Account), Leads: number(in.Body.Leads)}
	return p.limits(own), p.SetLimits(ctx, v.Actor, id, own)
}

func (p Parts) limits(own limits.Own) *LimitsAnswer {
	return &LimitsAnswer{Own: OwnLimits{Holder: said(own.Holder), Account: said(own.Account), Leads: said(own.Leads)}, Limits: web.LimitsOf(p.Counts, own)}
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func said(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
