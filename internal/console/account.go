package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// AccountInfo is the account of the visitor.
type AccountInfo struct {
	ID            string    `json:"id" example:"acct_01h455vb4pex5vsknk084sn02q"`
	Name          string    `json:"name" example:"Harbour Homes"`
	DefaultRegion string    `json:"default_region" doc:"ISO 3166: for phone numbers without a country code." example:"GB"`
	CreatedAt     time.Time `json:"created_at"`

	Limits web.AccountLimits `json:"limits" doc:"docs/limits.md. The platform's, or what its operator has set for this account."`
}

func (c *Console) accountRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account", Name: "get-account", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "The account that the credential belongs to"}, c.getAccount)
}

func (c *Console) getAccount(_ *web.Visit, tx *store.Tx, _ *struct{}) (*AccountInfo, error) {
	a, err := setup.GetAccount(tx)
	if err != nil {
		return nil, err
	}
	own, err := setup.Limits(tx)
	return &AccountInfo{ID: a.ID.String(), Name: a.Name, DefaultRegion: a.DefaultRegion, CreatedAt: a.CreatedAt, Limits: web.LimitsOf(c.Limits, own)}, err
}
