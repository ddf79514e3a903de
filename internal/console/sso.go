package console

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// SSOProvider is the account's identity provider, for OpenID Connect.
type SSOProvider struct {
	Issuer     string    `json:"issuer" example:"https://login.example.com"`
	ClientID   string    `json:"client_id"`
	Domains    []string  `json:"domains" nullable:"false" doc:"Of the e-mail addresses that may come." example:"[\"example.com\"]"`
	Compulsory bool      `json:"compulsory" doc:"All but admins come in this way alone."`
	NewRole    string    `json:"new_role" doc:"What somebody becomes whom nobody has invited; empty: they do not come in." example:"salesperson"`
	Callback   string    `json:"callback_url" doc:"What to enter at the provider."`
	ChangedAt  time.Time `json:"changed_at"`

	Records []DomainRecord `json:"records" nullable:"false" doc:"What shows each domain to be the account's."`
}

// DomainRecord is what a domain's name servers have to say, and whether they do.
type DomainRecord struct {
	Domain       string     `json:"domain" example:"example.com"`
	TXT          string     `json:"txt" doc:"Put a TXT record of this text at the domain itself." example:"catchment-verification=…"`
	State        string     `json:"state" enum:"unverified,verified,missing,taken" doc:"missing: the record was there, and is not any more; the domain counts for a week from missing_since. taken: it is there, and another account has verified the domain."`
	VerifiedAt   *time.Time `json:"verified_at"`
	CheckedAt    *time.Time `json:"checked_at" doc:"When the name servers answered last."`
	MissingSince *time.Time `json:"missing_since"`
}

type ssoProviderIn struct {
	Body struct {
		Issuer     string   `json:"issuer" minLength:"1" maxLength:"500" doc:"As the provider names itself." example:"https://login.example.com"`
		ClientID   string   `json:"client_id" minLength:"1" maxLength:"500"`
		Secret     string   `json:"client_secret,omitempty" maxLength:"1000" doc:"Left out: as before. It is never shown."`
		Domains    []string `json:"domains" nullable:"false" minItems:"1" maxItems:"50" example:"[\"example.com\"]"`
		Compulsory bool     `json:"compulsory,omitempty"`
		NewRole    string   `json:"new_role,omitempty" doc:"salesperson, manager, marketer, auditor, or the id of an own role that may no more than a manager; empty: only who was invited comes in."`
	}
}

func (c *Console) ssoRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account/sso", Name: "get-sso", Tag: "people", Permission: account.ManagePeople,
		Summary: "The account's identity provider"}, c.getSSO)
	web.Meet(c.API, web.Op{Method: "PUT", Path: "/v1/account/sso", Name: "put-sso", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Have people sign in through an identity provider", Detail: "The provider is asked at once. Another issuer than before needs a client_secret, and forgets who came through the earlier one. 409 no_sso: the platform offers none."}, c.putSSO)
	web.Meet(c.API, web.Op{Method: "POST", Path: "/v1/account/sso/check", Name: "check-sso", Tag: "people", Permission: account.ManagePeople,
		Summary: "Look for the records of the domains", Detail: "Now, beside once a day. Name servers that do not answer change nothing. A domain counts for one account."}, c.checkSSO)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/account/sso", Name: "remove-sso", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "End single sign-on", Detail: "Sessions that are there go on. 409 last_admin: no admin has a password or a passkey."}, c.removeSSO)
}

func (c *Console) ssoView(p signin.Provider, domains []signin.Domain) *SSOProvider {
	out := &SSOProvider{Issuer: p.Issuer, ClientID: p.ClientID, Domains: p.Domains, Compulsory: p.Compulsory, NewRole: string(p.NewRole),
		Callback: c.Signin.CallbackURL(), ChangedAt: p.ChangedAt, Records: []DomainRecord{}}
	for _, d := range domains {
		r := DomainRecord{Domain: d.Name, TXT: d.Record, State: "unverified", VerifiedAt: web.TimeOrNull(d.VerifiedAt),
			CheckedAt: web.TimeOrNull(d.CheckedAt), MissingSince: web.TimeOrNull(d.MissingSince)}
		switch {
		case d.Taken:
			r.State = "taken"
		case !d.MissingSince.IsZero():
			r.State = "missing"
		case !d.VerifiedAt.IsZero():
			r.State = "verified"
		}
		out.Records = append(out.Records, r)
	}
	return out
}

func (c *Console) getSSO(_ *web.Visit, tx *store.Tx, _ *struct{}) (*SSOProvider, error) {
	p, err := c.Signin.ReadProvider(tx)
	if err != nil {
		return nil, err
	}
	domains, err := c.Signin.Domains(tx)
	return c.ssoView(p, domains), err
}

func (c *Console) putSSO(ctx context.Context, v *web.Visit, in *ssoProviderIn) (*SSOProvider, error) {
	if err := wholly(v); err != nil {
		return nil, err
	}
	b := in.Body
	p, err := c.Signin.SetProvider(ctx, v.Principal, signin.Provider{Issuer: b.Issuer, ClientID: b.ClientID, Secret: vault.Hide(b.Secret),
		Domains: b.Domains, Compulsory: b.Compulsory, NewRole: account.Role(b.NewRole)})
	if err != nil {
		return nil, err
	}
	var domains []signin.Domain
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) (err error) { domains, err = c.Signin.Domains(tx); return err })
	return c.ssoView(p, domains), err
}

func (c *Console) checkSSO(ctx context.Context, v *web.Visit, _ *struct{}) (*SSOProvider, error) {
	domains, err := c.Signin.CheckDomains(ctx, v.Scope, v.Actor)
	if err != nil {
		return nil, err
	}
	var p signin.Provider
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) (err error) { p, err = c.Signin.ReadProvider(tx); return err })
	return c.ssoView(p, domains), err
}

func (c *Console) removeSSO(v *web.Visit, tx *store.Tx, _ *struct{}) (*Gone, error) {
	if err := wholly(v); err != nil {
		return nil, err
	}
	return &Gone{true}, c.Signin.RemoveProvider(tx, v.Actor)
}

// wholly refuses who may less than an admin: a provider says who somebody is,
// admins too.
func wholly(v *web.Visit) error {
	if v.Rights.Cover(rights.Of(account.Admin)) {
		return nil
	}
	return problem.Forbidden("beyond_own_rights", "A provider lets everybody in, also who may more than you. Ask an admin.")
}
