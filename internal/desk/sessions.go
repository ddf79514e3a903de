package desk

import (
	"context"
	"net/http"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/sift"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/vault"
	"catchment/internal/web"
)

const tagSession = "session"

// NewSession is the answer to a sign-in. The token is nowhere else.
type NewSession struct {
	Token       string    `json:"token" doc:"Send it as Authorization: Bearer." example:"cst_…"`
	ExpiresAt   time.Time `json:"expires_at" doc:"At the latest; 12 hours without a request end it, too."`
	UserID      string    `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Name        string    `json:"name"`
	AccountID   *string   `json:"account_id" doc:"null for an operator of the platform."`
	AccountName *string   `json:"account_name"`
	Role        string    `json:"role" doc:"salesperson, manager, marketer, admin, auditor or operator, or the id of one of the account's own roles." example:"salesperson"`
	Level       int       `json:"level" doc:"1: one factor was shown. 2: two, or a passkey."`
	Needs       []string  `json:"needs" doc:"Which of the user's other factors raise the level; empty when nothing more is asked for, or there are none."`
	Limited     bool      `json:"limited" doc:"Nothing but session:own is open before one of needs was shown, or one of offers set up."`
	Offers      []string  `json:"offers" doc:"What the user could set up: passkey when they have none; when nothing can be shown and something must be, totp too."`
}

// RenewedSession has the new token of a session whose rights or credentials
// changed. The old one is worth nothing any more.
type RenewedSession struct {
	Token     string    `json:"token" doc:"Send this one from now on." example:"cst_…"`
	ExpiresAt time.Time `json:"expires_at" doc:"As before."`
	Level     int       `json:"level"`
}

// Me is who one is. It holds no personal data.
type Me struct {
	UserID        *string    `json:"user_id" doc:"null for a key."`
	KeyID         *string    `json:"key_id" doc:"null for a session."`
	Name          string     `json:"name"`
	AccountID     *string    `json:"account_id" doc:"null for an operator of the platform."`
	AccountName   *string    `json:"account_name"`
	Role          string     `json:"role"`
	Presence      *string    `json:"presence" enum:"available,engaged,away,logged-off" doc:"null for who is no user of an account."`
	PresenceSince *time.Time `json:"presence_since"`
	ExpiresAt     *time.Time `json:"expires_at" doc:"When this session or key ends at the latest; null: never."`

	EventsFrom *int64 `json:"events_from" doc:"Where the live stream goes on from this answer (GET /v1/events?from=…): of what is read after it nothing is missed. null for who may not follow events."`

	Rights map[string]string `json:"rights" nullable:"false" doc:"What you may, by permission, and how far: mine, teams or all. What is left out you may not." example:"{\"leads:read\":\"mine\",\"session:own\":\"all\"}"`
}

// PresenceState is what a salesperson declares.
type PresenceState struct {
	State string    `json:"state" enum:"available,engaged,away,logged-off"`
	Since time.Time `json:"since"`
}

// Ended says that a session is over.
type Ended struct {
	Ended bool `json:"ended"`
}

type signInIn struct {
	Body struct {
		Email    string         `json:"email,omitempty" maxLength:"320" doc:"With password." example:"priya@example.com"`
		Password string         `json:"password,omitempty" maxLength:"256"`
		Flow     string         `json:"flow,omitempty" maxLength:"100" doc:"Of POST /v1/sessions/codes, with code; of POST /v1/sessions/passkeys, with passkey; of POST /v1/sessions/sso, alone." example:"cfl_…"`
		Code     string         `json:"code,omitempty" maxLength:"20" doc:"The six digits of the message." example:"123456"`
		Passkey  map[string]any `json:"passkey,omitempty" doc:"What navigator.credentials.get gave, by its toJSON()."`
		Account  string         `json:"account,omitempty" doc:"The account's id, when one address or phone signs in to several."`
	}
}

type codeIn struct {
	Body struct {
		Phone string `json:"phone" minLength:"1" maxLength:"40" doc:"The registered phone, with + and its country code." example:"+442079460123"`
	}
}

// CodeFlow is a code on its way to a phone, if the number is registered.
type CodeFlow struct {
	Flow      string    `json:"flow" doc:"Keep it, and send it with the code: the code is worth nothing without it." example:"cfl_…"`
	ExpiresAt time.Time `json:"expires_at" doc:"Of the code: five minutes, five tries."`
	AgainAt   time.Time `json:"again_at" doc:"When another can be asked for; this one ends then."`
}

type redeemIn struct {
	Body struct {
		Token    string `json:"token" maxLength:"100" doc:"Of the one-time link."`
		Password string `json:"password" maxLength:"256" doc:"The new password, 10 characters or more."`
	}
}

type presenceIn struct {
	Body struct {
		State string `json:"state" enum:"available,engaged,away,logged-off"`
	}
}

type passwordIn struct {
	Body struct {
		Password    string `json:"password" maxLength:"256" doc:"The present one."`
		NewPassword string `json:"new_password" maxLength:"256"`
	}
}

func (d *Desk) sessionRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/sessions", Name: "sign-in", Tag: tagSession, Permission: account.Public, Status: http.StatusCreated, MaxBody: 8 << 10,
		Summary: "Sign in, with e-mail and password, a code, a passkey, or after single sign-on",
		Detail:  "Send email and password, or flow and code, or flow and passkey, or the flow of a single sign-on alone (409 sso_pending: the browser has not come back yet). What is unknown and what is wrong answer the same, in the same time. A phone of several accounts gets 409 choose_account with choices: send the same with account. 403 code_required: the account has its people sign in by code or passkey."}, d.signIn)
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/sessions/codes", Name: "ask-code", Tag: tagSession, Permission: account.Public, Status: http.StatusAccepted, MaxBody: 4 << 10,
		Summary: "Have a one-time code sent to a phone", Detail: "For salespeople and managers. The answer is the same for a number that is not registered, and for one whose country the account does not send to. 429 code_asked_already says when to ask again."}, d.askCode)
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/links/redeem", Name: "redeem-link", Tag: tagSession, Permission: account.Public, Status: http.StatusCreated, MaxBody: 4 << 10,
		Summary: "Choose a password with a one-time link, and sign in", Detail: "A link works once, within 72 hours."}, d.redeem)
	web.Meet(d.API, web.Op{Method: http.MethodDelete, Path: "/v1/sessions/current", Name: "sign-out", Tag: tagSession, Permission: account.UseOwnSession,
		Summary: "End this session"}, d.signOut)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/me/sessions", Name: "list-own-sessions", Tag: tagSession, Permission: account.UseOwnSession, Opens: true,
		Summary: "Where you are signed in", Detail: "Newest first, whole. Devices and networks are opened, on the record."}, d.ownSessions)
	web.Meet(d.API, web.Op{Method: http.MethodDelete, Path: "/v1/me/sessions/{id}", Name: "end-own-session", Tag: tagSession, Permission: account.UseOwnSession,
		Summary: "Sign out elsewhere"}, d.endOwnSession)
	web.Meet(d.API, web.Op{Method: http.MethodDelete, Path: "/v1/me/sessions", Name: "end-own-sessions", Tag: tagSession, Permission: account.UseOwnSession,
		Summary: "Sign out everywhere else", Detail: "This session goes on."}, d.endOwnSessions)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/me", Name: "get-me", Tag: tagSession, Permission: account.UseOwnSession,
		Summary: "Who you are"}, d.me)
	web.Do(d.API, web.Op{Method: http.MethodPut, Path: "/v1/me/presence", Name: "set-presence", Tag: tagSession, Permission: account.AnswerOffers,
		Summary: "Say whether you take leads now", Detail: "Only who is available, and on shift, is offered leads."}, d.setPresence)
	web.Meet(d.API, web.Op{Method: http.MethodPut, Path: "/v1/me/password", Name: "change-password", Tag: tagSession, Permission: account.UseOwnSession, MaxBody: 4 << 10,
		Summary: "Change your password", Detail: "Your other sessions end, and this one gets the token of the answer."}, d.changePassword)
}

func (d *Desk) signIn(ctx context.Context, v *web.Visit, in *signInIn) (*NewSession, error) {
	acct, err := sift.ID("account", in.Body.Account, account.ParseID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	if b.Passkey != nil {
		if b.Code != "" || b.Email != "" || b.Password != "" || b.Account != "" {
			return nil, problem.InvalidField("passkey", "not_here", "Send flow and passkey, and nothing else.")
		}
		s, err := d.Signin.ByPasskey(ctx, client(v), b.Flow, answerText(b.Passkey))
		return d.newSession(ctx, s, err)
	}
	if strings.HasPrefix(b.Flow, signin.SSOPrefix) && b.Code == "" && b.Email == "" && b.Password == "" {
		s, err := d.Signin.BySSO(ctx, client(v), b.Flow)
		return d.newSession(ctx, s, err)
	}
	if b.Flow != "" || b.Code != "" {
		if b.Email != "" || b.Password != "" {
			return nil, problem.InvalidField("flow", "not_here", "Send flow and code, or email and password, and not both.")
		}
		s, err := d.Signin.ByCode(ctx, client(v), b.Flow, b.Code, acct)
		return d.newSession(ctx, s, err)
	}
	var missing []problem.Field
	for _, f := range []struct{ name, value string }{{"email", b.Email}, {"password", b.Password}} {
		if f.value == "" {
			missing = append(missing, problem.Field{Field: f.name, Code: "required", Detail: "Send email and password, or flow and code."})
		}
	}
	if len(missing) > 0 {
		return nil, problem.Invalid(missing...)
	}
	s, err := d.Signin.ByPassword(ctx, client(v), b.Email, b.Password, acct)
	return d.newSession(ctx, s, err)
}

// client is from where the visitor comes.
func client(v *web.Visit) signin.Client { return signin.Client{Address: v.Address, Agent: v.Agent} }

func (d *Desk) redeem(ctx context.Context, v *web.Visit, in *redeemIn) (*NewSession, error) {
	s, err := d.Signin.Redeem(ctx, client(v), in.Body.Token, in.Body.Password)
	return d.newSession(ctx, s, err)
}

func (d *Desk) askCode(ctx context.Context, v *web.Visit, in *codeIn) (*CodeFlow, error) {
	f, err := d.Signin.AskCode(ctx, client(v), in.Body.Phone)
	if err != nil {
		return nil, err
	}
	return &CodeFlow{f.Secret, f.ExpiresAt, f.AgainAt}, nil
}

func (d *Desk) newSession(ctx context.Context, s signin.SignedIn, err error) (*NewSession, error) {
	if err != nil {
		return nil, err
	}
	a, err := d.Signin.Asked(ctx, s.Principal)
	if err != nil {
		return nil, err
	}
	me, err := d.Directory.Me(ctx, s.Principal)
	return &NewSession{Token: s.Token, ExpiresAt: s.Expires, UserID: s.User.String(), Name: s.Name,
		AccountID: web.OrNull(s.Scope.Account().String()), AccountName: web.OrNull(me.AccountName), Role: string(s.Role),
		Level: s.Shown.Level(), Needs: texts(a.Needs), Limited: a.Limited, Offers: texts(a.Offers)}, err
}

func (d *Desk) signOut(ctx context.Context, v *web.Visit, _ *struct{}) (*Ended, error) {
	if v.Session.IsZero() {
		return nil, problem.Conflict("no_session", "A key has no session. An admin revokes it.")
	}
	return &Ended{true}, d.Signin.SignOut(ctx, v.Principal)
}

// SessionPath is the input of a route about one session.
type SessionPath struct {
	ID string `path:"id" doc:"The session's id." example:"sess_01h455vb4pex5vsknk084sn02q"`
}

// errNoUser is for keys, which are signed in nowhere.
func errNoUser() error {
	return problem.Conflict("no_session", "A key has no sessions. Sign in as a user.")
}

func (d *Desk) ownSessions(ctx context.Context, v *web.Visit, _ *struct{}) (*web.List[signin.Session], error) {
	if v.User.IsZero() {
		return nil, errNoUser()
	}
	list, err := d.Signin.Sessions(ctx, v.Principal, v.User, vault.ForOwnUse)
	return &web.List[signin.Session]{Items: list}, err
}

func (d *Desk) endOwnSession(ctx context.Context, v *web.Visit, in *SessionPath) (*Ended, error) {
	id, err := web.PathID(in.ID, account.ParseSessionID)
	if err != nil {
		return nil, err
	}
	if v.User.IsZero() {
		return nil, errNoUser()
	}
	return &Ended{true}, d.Signin.EndSession(ctx, v.Principal, v.User, id)
}

func (d *Desk) endOwnSessions(ctx context.Context, v *web.Visit, _ *struct{}) (*Ended, error) {
	if v.User.IsZero() {
		return nil, errNoUser()
	}
	return &Ended{true}, d.Signin.EndSessions(ctx, v.Principal, v.User)
}

func (d *Desk) me(ctx context.Context, v *web.Visit, _ *struct{}) (*Me, error) {
	from, err := d.eventsFrom(ctx, v) // before anything else is read
	if err != nil {
		return nil, err
	}
	self, err := d.Directory.Me(ctx, v.Principal)
	if err != nil {
		return nil, err
	}
	me := &Me{EventsFrom: from, UserID: web.OrNull(v.User.String()), KeyID: web.OrNull(v.Key.String()), Name: self.Name, AccountID: web.OrNull(self.Account.String()),
		AccountName: web.OrNull(self.AccountName), Role: string(v.Role), ExpiresAt: web.TimeOrNull(v.Expires), Rights: map[string]string{}}
	for _, p := range rights.Permissions() {
		if v.May(p.Permission) {
			me.Rights[string(p.Permission)] = v.Reach(p.Permission).String()
		}
	}
	if v.User.IsZero() || !v.Scope.Valid() {
		return me, nil
	}
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		p, err := offers.PresenceOf(tx, v.User)
		me.Presence, me.PresenceSince = web.OrNull(string(p.Declared)), web.TimeOrNull(p.Since)
		return err
	})
	return me, err
}

// eventsFrom is where a stream of the visitor's begins now; nil for who has none.
func (d *Desk) eventsFrom(ctx context.Context, v *web.Visit) (*int64, error) {
	if !v.Scope.Valid() || !v.May(account.FollowEvents) {
		return nil, nil
	}
	head, err := d.Feed.Head(ctx, v.Scope)
	return &head, err
}

func (d *Desk) setPresence(v *web.Visit, tx *store.Tx, in *presenceIn) (*PresenceState, error) {
	if v.User.IsZero() {
		return nil, problem.Forbidden("not_a_user", "A key is nowhere. Sign in as the user.")
	}
	p, err := d.Routing.Presence(tx, v.User, account.Presence(in.Body.State), v.At)
	return &PresenceState{string(p.Declared), p.Since}, err
}

func (d *Desk) changePassword(ctx context.Context, v *web.Visit, in *passwordIn) (*RenewedSession, error) {
	return renewed(d.Signin.ChangePassword(ctx, v.Principal, in.Body.Password, in.Body.NewPassword))
}
