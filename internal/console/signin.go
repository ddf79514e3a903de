package console

import (
	"context"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/web"
)

// SignInRule is how the account's users sign in.
type SignInRule struct {
	NoPassword    []string `json:"no_password" nullable:"false" maxItems:"60" doc:"Who signs in by a code to the phone or a passkey, and not by password: salesperson, manager, or an own role that may no more than a manager." example:"[\"salesperson\"]"`
	SecondFactor  []string `json:"second_factor" nullable:"false" maxItems:"60" doc:"Roles, built-in or own, whose sessions do nothing before a second factor, set up or not."`
	CodeCountries []string `json:"code_countries" nullable:"false" maxItems:"300" doc:"ISO 3166: where codes go. Empty: to the account's default region." example:"[\"GB\",\"IE\"]"`
}

type signInRuleIn struct{ Body SignInRule }

// UserSessionPath is the input of a route about one session of a user.
type UserSessionPath struct {
	UserPath
	Session string `path:"session_id" doc:"The session's id." example:"sess_01h455vb4pex5vsknk084sn02q"`
}

// Gone says that sessions are over.
type Gone struct {
	Ended bool `json:"ended"`
}

func (c *Console) signInRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account/sign-in", Name: "get-sign-in", Tag: "people", Permission: account.ManagePeople,
		Summary: "How the account's users sign in"}, c.getRule)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/account/sign-in", Name: "put-sign-in", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Say how the account's users sign in", Detail: "Sessions that are there go on; those of who must show a second factor do nothing else until it is shown. 409 no_codes: the platform sends no codes."}, c.putRule)
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/users/{id}/sessions", Name: "list-user-sessions", Tag: "people", Opens: true, Permission: account.ManagePeople,
		Summary: "Where a user is signed in", Detail: "Newest first, whole. Devices and networks are opened for the purpose, on the record; without one they are null."}, c.userSessions)
	web.Meet(c.API, web.Op{Method: "DELETE", Path: "/v1/users/{id}/sessions/{session_id}", Name: "end-user-session", Tag: "people", Permission: account.ManagePeople,
		Summary: "Sign a user out in one place"}, c.endUserSession)
	web.Meet(c.API, web.Op{Method: "DELETE", Path: "/v1/users/{id}/sessions", Name: "end-user-sessions", Tag: "people", Permission: account.ManagePeople,
		Summary: "Sign a user out everywhere", Detail: "The session that asks goes on."}, c.endUserSessions)
}

func (c *Console) getRule(_ *web.Visit, tx *store.Tx, _ *struct{}) (*SignInRule, error) {
	r, err := c.Signin.GetRule(tx)
	return ruleView(r), err
}

func ruleView(r signin.Rule) *SignInRule {
	out := &SignInRule{NoPassword: []string{}, SecondFactor: []string{}, CodeCountries: append([]string{}, r.Countries...)}
	for _, role := range r.NoPassword {
		out.NoPassword = append(out.NoPassword, string(role))
	}
	for _, role := range r.Second {
		out.SecondFactor = append(out.SecondFactor, string(role))
	}
	return out
}

func (c *Console) putRule(v *web.Visit, tx *store.Tx, in *signInRuleIn) (*SignInRule, error) {
	var r signin.Rule
	for _, role := range in.Body.NoPassword {
		if !slices.Contains(r.NoPassword, account.Role(role)) {
			r.NoPassword = append(r.NoPassword, account.Role(role))
		}
	}
	for _, role := range in.Body.SecondFactor {
		if !slices.Contains(r.Second, account.Role(role)) {
			r.Second = append(r.Second, account.Role(role))
		}
	}
	for _, country := range in.Body.CodeCountries {
		if country = strings.ToUpper(strings.TrimSpace(country)); !slices.Contains(r.Countries, country) {
			r.Countries = append(r.Countries, country)
		}
	}
	was, err := c.Signin.GetRule(tx)
	if err != nil {
		return nil, err
	}
	if err := c.Signin.SetRule(tx, r); err != nil {
		return nil, err
	}
	out := ruleView(r)
	if err := keep(tx, v, v.Scope.Account().String(), "sign_in.", ruleView(was), out); err != nil {
		return nil, err
	}
	return out, c.changed(tx, v, "sign-in", "sign-in.changed", v.Scope.Account().String(), out)
}

// known finds the user of the path; 404 for another account's.
func (c *Console) known(ctx context.Context, v *web.Visit, p UserPath) (m *members.Member, err error) {
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		m, err = p.member(tx)
		return err
	})
	return m, err
}

func (c *Console) userSessions(ctx context.Context, v *web.Visit, in *UserPath) (*web.List[signin.Session], error) {
	m, err := c.known(ctx, v, *in)
	if err != nil {
		return nil, err
	}
	list, err := c.Signin.Sessions(ctx, v.Principal, m.ID, v.Purpose)
	return &web.List[signin.Session]{Items: list}, err
}

func (c *Console) endUserSession(ctx context.Context, v *web.Visit, in *UserSessionPath) (*Gone, error) {
	id, err := web.PathID(in.Session, account.ParseSessionID)
	if err != nil {
		return nil, err
	}
	m, err := c.known(ctx, v, in.UserPath)
	if err != nil {
		return nil, err
	}
	return &Gone{true}, c.Signin.EndSession(ctx, v.Principal, m.ID, id)
}

func (c *Console) endUserSessions(ctx context.Context, v *web.Visit, in *UserPath) (*Gone, error) {
	m, err := c.known(ctx, v, *in)
	if err != nil {
		return nil, err
	}
	return &Gone{true}, c.Signin.EndSessions(ctx, v.Principal, m.ID)
}
