package signin

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/submission"
	"catchment/internal/vault"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// SSOLife is how long a flow through a provider takes at most.
const SSOLife = 10 * time.Minute

const (
	// SSOPrefix begins the secret of a flow through a provider.
	SSOPrefix   = "sfl_"
	statePrefix = "sst_"
	callback    = "/v1/sessions/sso/callback"
	keepSSO     = 24 * time.Hour
)

// PublicURL is where browsers reach these doors; "": unknown.
func (s *Signin) PublicURL() string { return s.o.SSO.PublicURL }

// CallbackURL is what an account enters at its provider.
func (s *Signin) CallbackURL() string { return s.o.SSO.PublicURL + callback }

// SSOFlow is a sign-in that goes through the account's provider. The browser
// that goes there has to hold the secret, in a cookie: see Returned.
type SSOFlow struct {
	Secret    string
	Authorize string // where the browser goes
	ExpiresAt time.Time
}

// BeginSSO begins a sign-in through the provider of the account, or else of
// the one that has shown the address's domain to be its own. The answer depends
// on the domain alone, and not on whether somebody has the address.
func (s *Signin) BeginSSO(ctx context.Context, c Client, in account.ID, email string) (SSOFlow, error) {
	if err := s.limits.network(c, s.now(), "sso", networkAsks, networkSpan); err != nil {
		return SSOFlow{}, err
	}
	if in.IsZero() {
		var err error
		if in, err = s.accountOf(ctx, email); err != nil {
			return SSOFlow{}, err
		}
	}
	scope := admit.To(in)
	var p access.Provider
	err := s.o.DB.Read(ctx, scope, func(tx *store.Tx) (err error) {
		p, err = access.GetProvider(tx)
		return err
	})
	if errors.Is(err, store.ErrNone) || err == nil && s.o.SSO.Accounts == nil {
		return SSOFlow{}, errNoSSO()
	}
	if err != nil {
		return SSOFlow{}, err
	}
	leave, err := s.providers.enter()
	if err != nil {
		return SSOFlow{}, err
	}
	defer leave()
	found, err := s.discover(ctx, p.Issuer, false)
	if err != nil {
		return SSOFlow{}, s.away(in, err)
	}
	now := s.now()
	secret, hash := directory.NewToken(SSOPrefix)
	state, stateHash := directory.NewToken(statePrefix)
	f := access.SSOFlow{Account: in, ID: access.NewFlowID(), Secret: hash, CreatedAt: now, ExpiresAt: now.Add(SSOLife)}
	if err := s.o.DB.Write(ctx, scope, func(tx *store.Tx) error { return access.AddSSOFlow(tx, f, stateHash) }); err != nil {
		return SSOFlow{}, err
	}
	to := s.client(p, found, "").AuthCodeURL(state, oidc.Nonce(s.nonce(f.ID)), oauth2.S256ChallengeOption(s.verifier(f.ID)))
	return SSOFlow{secret, to, f.ExpiresAt}, nil
}

func errNoSSO() error {
	return problem.Conflict("no_sso", "There is no single sign-on for this account or address. Sign in another way, or ask your admin.")
}

// away answers for a provider that cannot be asked.
func (s *Signin) away(in account.ID, err error) error {
	s.note(in, "sso.refused", "", "provider-away")
	return problem.Busy("provider_away", 10*time.Second, "The company's identity provider does not answer as it should. Try again soon.").Because(err)
}

// accountOf finds whose provider an address belongs to: who has shown the
// address's domain to be their own.
func (s *Signin) accountOf(ctx context.Context, email string) (id account.ID, err error) {
	_, domain, ok := strings.Cut(emailOf(email), "@")
	if !ok {
		return id, problem.InvalidField("email", "bad_email", "Send your e-mail address, or account with its id.")
	}
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		id, err = access.ByDomain(dir, domain)
		return err
	})
	if err == nil && id.IsZero() {
		err = errNoSSO()
	}
	return id, err
}

// emailOf is the address as it is found by; "" for none.
func emailOf(text string) string {
	normal, ok := submission.Email(text)
	if !ok {
		return ""
	}
	return strings.ToLower(normal)
}

func (s *Signin) client(p access.Provider, found *oidc.Provider, secret string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: secret, Endpoint: found.Endpoint(), RedirectURL: s.CallbackURL(),
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// nonce and verifier are made of the flow's id under a key of the keyring, so
// that no table has them.
func (s *Signin) nonce(id access.FlowID) string { return s.made("sso-nonce", id) }

func (s *Signin) verifier(id access.FlowID) string { return s.made("sso-verifier", id) }

func (s *Signin) made(kind string, id access.FlowID) string {
	mac := s.o.Keys.FlowMAC(startOf(id), kind, id.String())
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

// Back is what a browser brings from the provider.
type Back struct {
	State  string
	Code   string
	Error  string // of the provider, instead of a code
	Issuer string // RFC 9207; "": not said
	Cookie string // the flow's secret, which the browser that began holds
}

// errBack is the one answer to a return that is not taken before it is known
// whose it is.
func errBack() error {
	return problem.Unauthenticated("This sign-in is over, or was begun in another browser. Begin again.")
}

// Returned takes the browser's return from the provider. It proves who came;
// the session is fetched with the flow's secret (BySSO). A return without the
// cookie of the browser that began is refused: otherwise somebody could begin,
// have another person go through the provider, and fetch their session.
func (s *Signin) Returned(ctx context.Context, c Client, b Back) error {
	if err := s.limits.network(c, s.now(), "sso-back", networkAsks, networkSpan); err != nil {
		return err
	}
	f, err := s.flowOf(ctx, b)
	if err != nil {
		return err
	}
	err = s.prove(ctx, f, b)
	if err == nil {
		return nil
	}
	var no refusal
	why := "unfinished"
	if errors.As(err, &no) {
		why = no.why
		err = no.answer
	}
	s.note(f.Account, "sso.refused", no.user, why)
	end := s.o.DB.Write(ctx, admit.To(f.Account), func(tx *store.Tx) error {
		_, err := access.EndSSO(tx, f.ID, s.now())
		return err
	})
	return errors.Join(err, end)
}

// refusal is why somebody does not come in: for the record, and for them.
type refusal struct {
	why, user string
	answer    error
}

// Error implements error.
func (r refusal) Error() string { return "signin: " + r.why }

func refuse(why, detail string) error {
	return refusal{why: why, answer: problem.Forbidden("sso_refused", "%s", detail)}
}

// flowOf finds the flow of a return and uses the return up.
func (s *Signin) flowOf(ctx context.Context, b Back) (f access.SSOFlow, err error) {
	hash, ok := directory.TokenHash(b.State, statePrefix)
	if !ok {
		s.note(account.ID{}, "sso.refused", "", "state")
		return f, errBack()
	}
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		f, err = access.SSOFlowByState(dir, hash)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		s.note(account.ID{}, "sso.refused", "", "state")
		return f, errBack()
	}
	if err != nil {
		return f, err
	}
	held, ok := directory.TokenHash(b.Cookie, SSOPrefix)
	if !ok || !hmac.Equal(held[:], f.Secret[:]) {
		s.note(f.Account, "sso.refused", "", "another-browser")
		return f, errBack()
	}
	now, first := s.now(), false
	if now.Before(f.ExpiresAt) {
		err = s.o.DB.Write(ctx, admit.To(f.Account), func(tx *store.Tx) error {
			first, err = access.ReturnSSO(tx, f.ID, now)
			return err
		})
	}
	if err == nil && !first {
		s.note(f.Account, "sso.refused", "", "over")
		err = errBack()
	}
	return f, err
}

// prove asks the provider who came, and notes it.
func (s *Signin) prove(ctx context.Context, f access.SSOFlow, b Back) error {
	scope := admit.To(f.Account)
	var p access.Provider
	err := s.o.DB.Read(ctx, scope, func(tx *store.Tx) (err error) {
		p, err = access.GetProvider(tx)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return refuse("no-provider", "Single sign-on was ended for this account.")
	}
	if err != nil {
		return err
	}
	if b.Error != "" || b.Code == "" {
		return refuse("provider-refused", "The identity provider did not let you in.")
	}
	if b.Issuer != "" && b.Issuer != p.Issuer {
		return refuse("another-issuer", "Another identity provider answered.")
	}
	t, said, err := s.exchange(ctx, scope, p, f, b.Code)
	if err != nil {
		return err
	}
	return s.o.DB.Write(ctx, scope, func(tx *store.Tx) error { return s.meet(tx, p, f, t, said) })
}

// exchange trades the code for a token, and checks the token (OpenID Connect
// Core 1.0, section 3.1.3.7).
func (s *Signin) exchange(ctx context.Context, scope account.Scope, p access.Provider, f access.SSOFlow, code string) (*oidc.IDToken, *claims, error) {
	secret, err := s.clientSecret(ctx, scope, p)
	if err != nil {
		return nil, nil, err
	}
	leave, err := s.providers.enter()
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	found, err := s.discover(ctx, p.Issuer, false)
	if err != nil {
		return nil, nil, refusal{why: "provider-away", answer: problem.Busy("provider_away", 10*time.Second, "The identity provider does not answer as it should. Begin again.").Because(err)}
	}
	ctx = oidc.ClientContext(ctx, s.providers.client)
	answer, err := s.client(p, found, secret).Exchange(ctx, code, oauth2.VerifierOption(s.verifier(f.ID)))
	if err != nil {
		return nil, nil, refuse("code", "The identity provider did not take its own code. Begin again.")
	}
	raw, _ := answer.Extra("id_token").(string)
	t, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: signatures, Now: s.now}).Verify(ctx, raw)
	if err != nil {
		return nil, nil, refuse("token", "The identity provider's token is not valid here. Tell your admin.")
	}
	said := &claims{}
	if err := t.Claims(said); err != nil {
		return nil, nil, refuse("token", "The identity provider's token cannot be read. Tell your admin.")
	}
	if !hmac.Equal([]byte(said.Nonce), []byte(s.nonce(f.ID))) {
		return nil, nil, refuse("nonce", "The identity provider's token is for another sign-in. Begin again.")
	}
	if t.Subject == "" || said.Party != "" && said.Party != p.ClientID || len(t.Audience) > 1 && said.Party == "" {
		return nil, nil, refuse("token", "The identity provider's token is for somebody else. Tell your admin.")
	}
	return t, said, nil
}

// meet finds the user whom the token names, or makes one, and notes it.
func (s *Signin) meet(tx *store.Tx, p access.Provider, f access.SSOFlow, t *oidc.IDToken, said *claims) error {
	if now, err := access.GetProvider(tx); err != nil || now.Issuer != p.Issuer || now.ClientID != p.ClientID {
		return errors.Join(err, refuse("no-provider", "Single sign-on was changed in the meantime. Begin again."))
	}
	email := emailOf(said.Email)
	_, domain, _ := strings.Cut(email, "@")
	if !bool(said.Verified) || email == "" {
		return refuse("unverified-email", "The identity provider has not verified your e-mail address.")
	}
	if !slices.Contains(p.Domains, domain) {
		return refuse("other-domain", "Your e-mail address is not of a domain of this account.")
	}
	user, err := s.bound(tx, p, t, email, said)
	if err != nil {
		return err
	}
	m, err := members.Get(tx, user)
	if err != nil {
		return err
	}
	if m.State == members.Deactivated {
		return refusal{"deactivated", user.String(), problem.Forbidden("sso_refused", "You do not work in this account any more.")}
	}
	if err := members.Welcome(tx, user); err != nil { // the provider has shown whose address it is
		return err
	}
	ok, err := access.NameSSO(tx, f.ID, user, said.second(), said.asked(s.now()))
	if err == nil && !ok {
		err = refuse("over", "This sign-in is over. Begin again.")
	}
	return err
}

// bound is the user of the token's subject. The first time it is found by the
// address; from then on the address does not count, so that who is given
// somebody's old address does not become them.
func (s *Signin) bound(tx *store.Tx, p access.Provider, t *oidc.IDToken, email string, said *claims) (account.UserID, error) {
	subject := s.o.Keys.TokenMAC("sso-subject", t.Issuer+"\n"+t.Subject)
	user, err := access.Bond(tx, subject)
	if err != nil || !user.IsZero() {
		return user, err
	}
	if user, err = access.UserByLogin(tx, s.o.Keys.LoginIndex(email)); err != nil {
		return user, err
	}
	if user.IsZero() {
		if p.NewRole == "" {
			return user, refuse("not-invited", "Nobody has invited this e-mail address. Ask your admin.")
		}
		if user, err = s.newcomer(tx, p.NewRole, email, said.Name); err != nil {
			return user, err
		}
	}
	now := s.now()
	ok, err := access.AddBond(tx, subject, user, now)
	if err == nil && !ok {
		err = refusal{"bound-to-another", user.String(), problem.Forbidden("sso_refused", "This e-mail address belongs to another person of your identity provider. Tell your admin.")}
	}
	if err != nil {
		return user, err
	}
	return user, audit.Write(tx, now, audit.Entry{Actor: "system:signin", Action: "sso.bound", About: user.String()})
}

// newcomer makes a user whom nobody has invited, as the provider's admin wants.
func (s *Signin) newcomer(tx *store.Tx, role account.Role, email, name string) (id account.UserID, err error) {
	if name = strings.Join(strings.Fields(name), " "); name == "" {
		name = "New colleague"
	}
	if r := []rune(name); len(r) > 120 {
		name = string(r[:120])
	}
	m, _, err := s.o.Directory.CreateMember(tx, directory.NewMember{Name: name, Role: role, Email: vault.Hide(email)})
	if err != nil {
		return id, err
	}
	now := s.now()
	if err := access.EndLinks(tx, m.ID, now); err != nil { // nobody has it, and nobody needs it
		return id, err
	}
	if s.o.Events != nil {
		s.o.Events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, User: m.ID, Data: map[string]any{"what": "user", "id": m.ID.String()}})
	}
	return m.ID, audit.Write(tx, now, audit.Entry{Actor: "system:signin", Action: "user.created", About: m.ID.String(), Detail: map[string]any{"role": role, "by": "sso"}})
}

// BySSO begins the session of a flow whose browser has come back, once. 409
// sso_pending: it has not yet.
func (s *Signin) BySSO(ctx context.Context, c Client, secret string) (in SignedIn, err error) {
	over := problem.Unauthenticated("This sign-in was refused, is over, or never was. Begin again.")
	hash, ok := directory.TokenHash(secret, SSOPrefix)
	if !ok {
		return in, over
	}
	var f access.SSOFlow
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		f, err = access.SSOFlowBy(dir, hash)
		return err
	})
	now := s.now()
	switch {
	case errors.Is(err, store.ErrNone):
		return in, over
	case err != nil:
		return in, err
	case !f.EndedAt.IsZero() || !now.Before(f.ExpiresAt):
		return in, over
	case f.User.IsZero():
		return in, problem.Conflict("sso_pending", "The browser has not come back from the identity provider yet.")
	}
	err = s.o.DB.Write(ctx, admit.To(f.Account), func(tx *store.Tx) error {
		ok, err := access.EndSSO(tx, f.ID, now)
		if err == nil && !ok {
			err = over
		}
		if err != nil {
			return err
		}
		shown := account.Shown{}.With(account.SSO, f.ShownAt)
		if f.Second {
			shown = shown.With(account.SSOSecond, f.ShownAt)
		}
		if in, err = s.o.Directory.Begin(tx, f.User, shown, c.noted()); err != nil {
			return err
		}
		return audit.Write(tx, now, begun(in))
	})
	s.noteElsewhere(f.Account, f.User, err)
	if errors.Is(err, store.ErrNone) { // deactivated a moment ago
		err = over
	}
	return in, err
}
