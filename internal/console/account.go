package console

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/keys"
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
	Keys   []AccountKey      `json:"keys" nullable:"false" doc:"What seals and finds the account's people, and its client secret at an identity provider, with dates; no key. Secret keys of the API are at GET /v1/keys."`
}

// AccountKey says how old one of the account's own is.
type AccountKey struct {
	Kind   string    `json:"kind" enum:"account,index,provider" doc:"account: wraps persons' keys, and is what doors seal to; index: finds persons; provider: the client secret of company sign-in."`
	MadeAt time.Time `json:"made_at" doc:"Of provider: when its settings were last changed."`
	DueAt  time.Time `json:"due_at" doc:"When another should take its place; the server does so for account by itself (docs/keys.md)."`
	Late   bool      `json:"late"`
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
	if err != nil {
		return nil, err
	}
	locks, err := accountKeys(tx, a.CreatedAt, time.Now())
	return &AccountInfo{ID: a.ID.String(), Name: a.Name, DefaultRegion: a.DefaultRegion, CreatedAt: a.CreatedAt, Limits: web.LimitsOf(c.Limits, own), Keys: locks}, err
}

// accountKeys dates the account's own: the newest generation, the index keys,
// which were made with the account, and the provider's secret if it has one.
func accountKeys(tx *store.Tx, began, now time.Time) ([]AccountKey, error) {
	set, err := keys.Get(tx)
	if err != nil {
		return nil, err
	}
	dated := func(kind keyring.Kind, made time.Time) AccountKey {
		due := made.Add(keyring.LifeOf(kind).Due)
		return AccountKey{Kind: string(kind), MadeAt: made, DueAt: due, Late: now.After(due)}
	}
	out := []AccountKey{dated(keyring.AccountKind, set.CreatedAt), dated(keyring.IndexKind, began)}
	p, err := access.GetProvider(tx)
	if errors.Is(err, store.ErrNone) {
		return out, nil
	}
	return append(out, dated(keyring.ProviderKind, p.ChangedAt)), err
}
