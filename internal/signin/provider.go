package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/outward"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"github.com/coreos/go-oidc/v3/oidc"
)

// SSO says how single sign-on works here. The zero SSO offers none.
type SSO struct {
	Accounts  *keyring.Accounts // under whose keysets clients' secrets are sealed
	PublicURL string            // where browsers reach these doors, without a slash at the end
	Names     *net.Resolver     // looks up domains and providers; nil: the system's
	Inside    []netip.Prefix    // private addresses that providers may have, also without TLS
}

// Provider is an account's identity provider, for OpenID Connect.
type Provider struct {
	Issuer     string
	ClientID   string
	Secret     vault.Personal // empty: as before. It is never given back
	Domains    []string       // of the e-mail addresses that may come
	Compulsory bool           // all but admins come in this way alone
	NewRole    account.Role   // what somebody unknown becomes; "": only who was invited comes in
	ChangedAt  time.Time
}

const mostDomains = 50

// domainName is a host's name of two labels or more, in lower case.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)

// signatures are those that a provider alone can make: neither none, nor HMAC,
// whose key the client has too.
var signatures = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// providers asks providers what they offer, and remembers it for a while.
type providers struct {
	client *http.Client
	slots  chan struct{} // how many ask at once: a slow provider must not fill the house
	mu     sync.Mutex
	known  map[string]known
}

type known struct {
	*oidc.Provider
	until time.Time
}

const (
	knownFor      = 10 * time.Minute
	mostProviders = 1000
	mostAsking    = 32
)

func newProviders(o SSO) *providers {
	client := outward.New(outward.Options{Inside: o.Inside, Resolver: o.Names, Time: 8 * time.Second})
	return &providers{client: client, slots: make(chan struct{}, mostAsking), known: map[string]known{}}
}

// enter takes a place among those who ask a provider. leave gives it back.
func (p *providers) enter() (leave func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	default:
		return nil, problem.Busy("sign_in_busy", 5*time.Second, "Too many wait for identity providers.")
	}
}

// discover reads the issuer's document (OpenID Connect Discovery 1.0, section 4).
func (s *Signin) discover(ctx context.Context, issuer string, fresh bool) (*oidc.Provider, error) {
	p, now := s.providers, s.now()
	p.mu.Lock()
	k, ok := p.known[issuer]
	p.mu.Unlock()
	if ok && !fresh && now.Before(k.until) {
		return k.Provider, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), issuer)
	if err != nil {
		return nil, err
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := found.Claims(&doc); err != nil {
		return nil, err
	}
	for _, u := range []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, doc.JWKS} {
		if !s.mayVisit(u) {
			return nil, errors.New("signin: the provider names an address that is not https")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= mostProviders {
		p.known = map[string]known{}
	}
	p.known[issuer] = known{found, now.Add(knownFor)}
	return found, nil
}

func (s *Signin) mayVisit(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && len(s.o.SSO.Inside) > 0)
}

// ReadProvider reads the account's, without the secret; store.ErrNone.
func (s *Signin) ReadProvider(tx *store.Tx) (Provider, error) {
	p, err := access.GetProvider(tx)
	return Provider{Issuer: p.Issuer, ClientID: p.ClientID, Domains: p.Domains, Compulsory: p.Compulsory, NewRole: p.NewRole, ChangedAt: p.ChangedAt}, err
}

// check asks for what a provider needs.
func (s *Signin) check(p *Provider) error {
	if s.o.SSO.Accounts == nil || s.o.SSO.PublicURL == "" {
		return problem.Conflict("no_sso", "Single sign-on is not set up on this platform.")
	}
	u, err := url.Parse(p.Issuer)
	if err != nil || !s.mayVisit(p.Issuer) || u.RawQuery != "" || u.Fragment != "" || len(p.Issuer) > 500 {
		return problem.InvalidField("issuer", "bad_issuer", "Send the issuer as the provider names it: https://, without query or fragment.")
	}
	if p.ClientID == "" || len(p.ClientID) > 500 {
		return problem.InvalidField("client_id", "required", "The provider gives one when Catchment is entered there.")
	}
	for i, d := range p.Domains {
		if p.Domains[i] = strings.ToLower(strings.TrimSpace(d)); !domainName.MatchString(p.Domains[i]) || len(d) > 253 {
			return problem.InvalidField("domains", "bad_domain", "Send what stands after the @, such as example.com.")
		}
	}
	slices.Sort(p.Domains)
	if p.Domains = slices.Compact(p.Domains); len(p.Domains) == 0 || len(p.Domains) > mostDomains {
		return problem.InvalidField("domains", "required", "Send one domain of your people's addresses or more, %d at most.", mostDomains)
	}
	_, own := account.ParseRoleID(string(p.NewRole))
	if p.NewRole != "" && own != nil && (p.NewRole == account.Admin || !slices.Contains(account.AccountRoles(), p.NewRole)) {
		return errNewRole()
	}
	return nil
}

func errNewRole() error {
	return problem.InvalidField("new_role", "not_in_list", "Use salesperson, manager, marketer, auditor, or an own role that may no more than a manager; empty: only who was invited comes in.")
}

// SetProvider stores the account's provider, after it was asked what it
// offers. Another issuer forgets who was bound to the one before, and needs a
// secret: the old one is not for it to see.
func (s *Signin) SetProvider(ctx context.Context, by directory.Principal, p Provider) (Provider, error) {
	if err := s.check(&p); err != nil {
		return p, err
	}
	leave, err := s.providers.enter()
	if err != nil {
		return p, err
	}
	defer leave()
	if _, err := s.discover(ctx, p.Issuer, true); err != nil {
		return p, problem.InvalidField("issuer", "provider_unreachable", "The provider's document at /.well-known/openid-configuration could not be read, names another issuer, or stands inside a network.").Because(err)
	}
	err = s.o.DB.Write(ctx, by.Scope, func(tx *store.Tx) error {
		if _, err := account.ParseRoleID(string(p.NewRole)); err == nil {
			if ok, err := modest(tx, p.NewRole); err != nil || !ok {
				return cmp.Or(err, errNewRole())
			}
		}
		was, err := access.GetProvider(tx)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		is := access.Provider{Issuer: p.Issuer, ClientID: p.ClientID, Key: was.Key, Secret: was.Secret, Domains: p.Domains,
			Compulsory: p.Compulsory, NewRole: p.NewRole, ChangedAt: s.now()}
		if err := s.sealSecret(tx, &is, p.Secret, was.Issuer); err != nil {
			return err
		}
		p.ChangedAt, p.Secret = is.ChangedAt, vault.Personal{}
		if err := s.o.Directory.KeepLed(tx, func() error { return putProvider(tx, is, was.Issuer != is.Issuer) }); err != nil {
			return err
		}
		return audit.Write(tx, is.ChangedAt, audit.Entry{Actor: by.Actor, Action: "sso.changed", Detail: map[string]any{"issuer": is.Issuer, "client_id": is.ClientID,
			"domains": is.Domains, "compulsory": is.Compulsory, "new_role": string(is.NewRole), "earlier_issuer": was.Issuer}})
	})
	return p, err
}

// putProvider stores it; another one forgets who was bound to the one before.
func putProvider(tx *store.Tx, p access.Provider, another bool) error {
	if another {
		if err := access.RemoveBonds(tx); err != nil {
			return err
		}
	}
	return access.SetProvider(tx, p)
}

func (s *Signin) sealSecret(tx *store.Tx, is *access.Provider, secret vault.Personal, earlier string) error {
	if secret.Empty() {
		if len(is.Secret) == 0 || earlier != is.Issuer {
			return problem.InvalidField("client_secret", "required", "A new provider needs its client's secret.")
		}
		return nil
	}
	keys, err := s.o.SSO.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return err
	}
	wrapped, key := keys.NewSubjectKey(vault.Subject(tx.Account().UUID()))
	is.Key, is.Secret = wrapped, key.Seal(access.SecretBinding(tx.Account()), secret).Data
	return nil
}

// RemoveProvider ends single sign-on for the account; store.ErrNone when there
// is none, 409 last_admin when no admin could come in without it.
func (s *Signin) RemoveProvider(tx *store.Tx, actor string) error {
	err := s.o.Directory.KeepLed(tx, func() error {
		was, err := access.RemoveProvider(tx)
		if err == nil && !was {
			err = store.ErrNone
		}
		return err
	})
	if err != nil {
		return err
	}
	return audit.Write(tx, s.now(), audit.Entry{Actor: actor, Action: "sso.removed"})
}

// clientSecret opens it. It is nobody's, so that its use is on the record only
// through the sign-ins it serves.
func (s *Signin) clientSecret(ctx context.Context, scope account.Scope, p access.Provider) (string, error) {
	subject := vault.Subject(scope.Account().UUID())
	o := keyring.Opener{Accounts: s.o.SSO.Accounts, Record: func(context.Context, keyring.Opening) error { return nil },
		Keys: func(context.Context, account.Scope, []vault.Subject) (map[vault.Subject][]byte, error) {
			return map[vault.Subject][]byte{subject: p.Key}, nil
		}}
	opened, err := o.Open(ctx, scope, "system:signin", vault.ForSignIn, p.SealedSecret(scope.Account()))
	if err == nil && opened.States[0] != keyring.Clear {
		err = errors.New("signin: the client's secret does not open")
	}
	if err != nil {
		return "", err
	}
	return reveal.Text(opened.Values[0]), nil
}

// ssoAlone is an error for a role that comes in by the account's provider alone.
// Admins are not among them: a provider that is away or set up wrongly must not
// lock out who can mend it.
func ssoAlone(tx *store.Tx, role account.Role) error {
	p, err := access.GetProvider(tx)
	if errors.Is(err, store.ErrNone) || err == nil && (!p.Compulsory || role == account.Admin) {
		return nil
	}
	if err != nil {
		return err
	}
	return problem.Forbidden("sso_required", "Your company has you sign in through its identity provider: POST /v1/sessions/sso.")
}

// claims are what a token says beside what go-oidc checks.
type claims struct {
	Email    string `json:"email"`
	Verified truth  `json:"email_verified"`
	Name     string `json:"name"`
	Nonce    string `json:"nonce"`
	Party    string `json:"azp"`
	Methods  words  `json:"amr"`
	Class    string `json:"acr"`
	AskedAt  int64  `json:"auth_time"` // seconds since 1970; 0: not said
}

// truth takes true and "true": some providers write the text.
type truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(b []byte) error {
	*t = string(b) == `true` || string(b) == `"true"`
	return nil
}

// words takes a list or one word.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	var all []string
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("signin: amr is no list of words")
	}
	*w = all
	return nil
}

// second reports whether two factors were asked for (RFC 8176, mfa; OpenID
// Connect EAP ACR values 1.0; PAPE).
func (c *claims) second() bool {
	return slices.Contains(c.Methods, "mfa") ||
		slices.Contains([]string{"phr", "phrh", "http://schemas.openid.net/pape/policies/2007/06/multi-factor"}, c.Class)
}

// asked is when the provider asked its user. One that does not say is taken to
// have done so an hour ago: that opens no dangerous act.
func (c *claims) asked(now time.Time) time.Time {
	at := now.Add(-time.Hour)
	if c.AskedAt > 0 {
		at = time.Unix(min(c.AskedAt, now.Unix()), 0)
	}
	return store.Clock(at)
}
