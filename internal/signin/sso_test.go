package signin_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/vault"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
)

// colleague is somebody at the provider, with whatever their token says.
type colleague struct {
	sub  string
	says map[string]any // nil takes a claim away
}

func (c *colleague) ID() string                        { return c.sub }
func (c *colleague) Userinfo([]string) ([]byte, error) { return []byte(`{}`), nil }

func (c *colleague) Claims(_ []string, base *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	text, err := json.Marshal(base)
	if err != nil {
		return nil, err
	}
	out := jwt.MapClaims{}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	out["email_verified"] = true
	maps.Copy(out, c.says)
	for k, v := range c.says {
		if v == nil {
			delete(out, k)
		}
	}
	return out, nil
}

// somebody is a colleague of that address, verified.
func somebody(sub, email string, says ...any) *colleague {
	c := &colleague{sub: sub, says: map[string]any{"email": email}}
	for i := 0; i < len(says); i += 2 {
		c.says[says[i].(string)] = says[i+1]
	}
	return c
}

// company with a provider of its own.
type joined struct {
	*house
	scope account.Scope
	admin signin.SignedIn
	idp   *mockoidc.MockOIDC
	set   signin.Provider
	forge func(claims jwt.MapClaims) string // signs the provider's tokens in its place; nil: nobody does
}

// forging puts forged tokens into the provider's answers.
func (j *joined) forging(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if j.forge == nil || r.URL.Path != mockoidc.TokenEndpoint {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var answer map[string]any
		said := jwt.MapClaims{}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer["id_token"] == nil {
			w.WriteHeader(rec.Code) // the provider refuses
			_, _ = w.Write(rec.Body.Bytes())
			return
		}
		if _, _, err := jwt.NewParser().ParseUnverified(answer["id_token"].(string), said); err != nil {
			j.Error(err)
		}
		answer["id_token"] = j.forge(said)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}

func (h *house) joined(change func(*signin.Provider)) *joined {
	h.Helper()
	idp, err := mockoidc.NewServer(nil)
	if err != nil {
		h.Fatal(err)
	}
	j := &joined{house: h, idp: idp}
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	if err := errors.Join(idp.AddMiddleware(j.forging), idp.Start(at, nil)); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = idp.Shutdown() })
	j.scope, j.admin = h.company("priya@example.com")
	j.set = signin.Provider{Issuer: idp.Issuer(), ClientID: idp.ClientID, Secret: vault.Hide(idp.ClientSecret), Domains: []string{"Example.com"}}
	if change != nil {
		change(&j.set)
	}
	if _, err := h.door.SetProvider(h.Context(), j.admin.Principal, j.set); err != nil {
		h.Fatal(err)
	}
	return j
}

func (j *joined) begin() signin.SSOFlow {
	j.Helper()
	f, err := j.door.BeginSSO(j.Context(), here, j.scope.Account(), "")
	if err != nil {
		j.Fatal(err)
	}
	return f
}

// visit goes to the provider as the browser does, and gives what it brings back.
func (j *joined) visit(f signin.SSOFlow, who *colleague) signin.Back {
	j.Helper()
	j.idp.QueueUser(who)
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get(f.Authorize)
	if err != nil {
		j.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		j.Fatalf("%d: %v", resp.StatusCode, err)
	}
	if got := to.Scheme + "://" + to.Host + to.Path; got != "https://leads.example.com/v1/sessions/sso/callback" {
		j.Fatalf("back to %s", got)
	}
	return signin.Back{State: to.Query().Get("state"), Code: to.Query().Get("code"), Cookie: f.Secret}
}

// come goes the whole way.
func (j *joined) come(who *colleague) (signin.SignedIn, error) {
	j.Helper()
	f := j.begin()
	if err := j.door.Returned(j.Context(), here, j.visit(f, who)); err != nil {
		if _, late := j.door.BySSO(j.Context(), here, f.Secret); late == nil {
			j.Error("a refused sign-in gave a session")
		}
		return signin.SignedIn{}, err
	}
	return j.door.BySSO(j.Context(), here, f.Secret)
}

func (j *joined) in(who *colleague) signin.SignedIn {
	j.Helper()
	in, err := j.come(who)
	if err != nil {
		j.Fatal(err)
	}
	return in
}

// because checks that the sign-in is refused with this reason on the record.
func (j *joined) because(why string, who *colleague) {
	j.Helper()
	_, err := j.come(who)
	j.refused(err, 403, "sso_refused")
	if got := j.counts(&j.scope, "sso.refused"); got[why] == 0 {
		j.Errorf("want %s on the record, have %v", why, got)
	}
}

func TestSSOLetsInWhomTheProviderNames(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		f := j.begin()
		asked, _ := url.Parse(f.Authorize)
		if q := asked.Query(); q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("response_type") != "code" {
			h.Errorf("asked %v", q)
		}
		_, err := h.door.BySSO(h.Context(), here, f.Secret)
		h.refused(err, 409, "sso_pending")
		back := j.visit(f, somebody("s1", "PRIYA@example.com"))
		if err := h.door.Returned(h.Context(), here, back); err != nil {
			h.Fatal(err)
		}
		in, err := h.door.BySSO(h.Context(), here, f.Secret)
		if err != nil || in.User != j.admin.User || in.Shown.Level() != 1 || !h.authenticates(h.dir, in.Token) {
			h.Fatalf("%v, %v, level %d", err, in.User, in.Shown.Level())
		}
		_, err = h.door.BySSO(h.Context(), here, f.Secret) // once
		h.refused(err, 401, "unauthenticated")
		h.refused(h.door.Returned(h.Context(), here, back), 401, "unauthenticated") // the code, too
		if got := h.counts(&j.scope, "sso.refused"); got["over"] != 1 {
			h.Errorf("a replay is not on the record: %v", got)
		}
		if got := h.counts(&j.scope, "sso.changed"); got[""] != 1 {
			h.Errorf("the setting is not on the record: %v", got)
		}
		if again := j.in(somebody("s1", "PRIYA@example.com")); again.User != j.admin.User {
			h.Errorf("came in as %v", again.User)
		}
	})
}

func TestSSOByAddressAndWithTwoFactors(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		j.show()
		for _, email := range []string{"anybody@example.com", "priya@example.com"} { // known or not: the same
			if _, err := h.door.BeginSSO(h.Context(), here, account.ID{}, email); err != nil {
				h.Errorf("%s: %v", email, err)
			}
		}
		_, err := h.door.BeginSSO(h.Context(), here, account.ID{}, "priya@example.net")
		h.refused(err, 409, "no_sso")
		now := h.clock.Now()
		in := j.in(somebody("s1", "priya@example.com", "amr", []string{"pwd", "mfa"}, "auth_time", now.Unix()-60))
		if at := in.Shown.At(account.SSOSecond); in.Shown.Level() != 2 || at.Unix() != now.Unix()-60 {
			h.Errorf("level %d, shown %v", in.Shown.Level(), at)
		}
		in = j.in(somebody("s1", "priya@example.com", "amr", "mfa")) // does not say when
		if at := in.Shown.At(account.SSOSecond); in.Shown.Level() != 2 || now.Sub(at) < 50*time.Minute {
			h.Errorf("level %d, shown %v", in.Shown.Level(), at)
		}
		other, _ := h.company("olga@example.org")
		_, err = h.door.BeginSSO(h.Context(), here, other.Account(), "")
		h.refused(err, 409, "no_sso")
	})
}

// Somebody begins, and has another person go through the provider for them.
func TestSSOSessionIsForTheBrowserThatBegan(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		mine, theirs := j.begin(), j.begin()
		back := j.visit(mine, somebody("s1", "priya@example.com"))
		for _, cookie := range []string{"", theirs.Secret, "sfl_"} {
			b := back
			b.Cookie = cookie
			h.refused(h.door.Returned(h.Context(), here, b), 401, "unauthenticated")
		}
		_, err := h.door.BySSO(h.Context(), here, mine.Secret)
		h.refused(err, 409, "sso_pending")
		if got := h.counts(&j.scope, "sso.refused"); got["another-browser"] != 3 {
			h.Errorf("on the record: %v", got)
		}
		if err := h.door.Returned(h.Context(), here, back); err != nil { // the control
			h.Error(err)
		}
	})
}

func TestSSORefusesTokens(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		const priya = "priya@example.com"
		past := h.clock.Now().Add(-time.Hour).Unix()
		j.because("token", somebody("s1", priya, "aud", "another-client"))
		j.because("token", somebody("s1", priya, "aud", []string{j.idp.ClientID, "another-client"}))
		j.because("token", somebody("s1", priya, "azp", "another-client"))
		j.because("token", somebody("s1", priya, "exp", past))
		j.because("token", somebody("s1", priya, "iss", "https://login.example.net"))
		j.because("nonce", somebody("s1", priya, "nonce", "another"))
		j.because("nonce", somebody("s1", priya, "nonce", nil))
		j.because("unverified-email", somebody("s1", priya, "email_verified", false))
		j.because("unverified-email", somebody("s1", priya, "email_verified", nil))
		j.because("unverified-email", somebody("s1", priya, "email", nil))
		j.because("other-domain", somebody("s1", "priya@example.net"))
		j.because("other-domain", somebody("s1", "priya@mail.example.com"))
		j.because("not-invited", somebody("s2", "nobody@example.com"))
		j.in(somebody("s1", priya)) // the control

		// Another key of the same name, as a thief's would be.
		was := j.idp.Keypair
		fake, err := mockoidc.RandomKeypair(2048)
		if err != nil {
			h.Fatal(err)
		}
		fake.Kid = was.Kid
		f := j.begin()
		back := j.visit(f, somebody("s1", priya))
		j.idp.Keypair = &mockoidc.Keypair{PrivateKey: fake.PrivateKey, PublicKey: was.PublicKey, Kid: was.Kid}
		h.refused(h.door.Returned(h.Context(), here, back), 403, "sso_refused")
		// A new key of a new name is the provider's right.
		fresh, err := mockoidc.RandomKeypair(2048)
		if err != nil {
			h.Fatal(err)
		}
		j.idp.Keypair = fresh
		j.in(somebody("s1", priya))
	})
}

// Signatures that anybody can make, or whoever knows what the client knows.
func TestSSORefusesWeakSignatures(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		priya := somebody("s1", "priya@example.com")
		for _, sign := range []struct {
			how jwt.SigningMethod
			key any
		}{{jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType}, {jwt.SigningMethodHS256, []byte(j.idp.ClientSecret)}, {jwt.SigningMethodRS256, j.idp.Keypair.PrivateKey}} {
			j.forge = func(said jwt.MapClaims) string {
				t := jwt.NewWithClaims(sign.how, said)
				t.Header["kid"] = j.idp.Keypair.Kid
				text, err := t.SignedString(sign.key)
				if err != nil {
					h.Error(err)
				}
				return text
			}
			if sign.how == jwt.SigningMethodRS256 { // the control: the provider's own way
				j.in(priya)
				continue
			}
			j.because("token", priya)
		}
	})
}

func TestSSORefusesFlows(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		priya := somebody("s1", "priya@example.com")
		f := j.begin()
		back := j.visit(f, priya)
		for change, b := range map[string]signin.Back{
			"state":  {State: "sst_" + strings.Repeat("A", 43), Code: back.Code, Cookie: back.Cookie},
			"form":   {State: "x", Code: back.Code, Cookie: back.Cookie},
			"secret": {State: f.Secret, Code: back.Code, Cookie: back.Cookie},
		} {
			if err := h.door.Returned(h.Context(), here, b); err == nil {
				h.Errorf("another %s was taken", change)
			}
		}
		// Another's code: it was not made for this flow's verifier.
		other := j.begin()
		b := j.visit(other, priya)
		b.Code = back.Code
		h.refused(h.door.Returned(h.Context(), here, b), 403, "sso_refused")
		// The answer of another provider, and a refusal.
		for _, change := range []func(*signin.Back){func(b *signin.Back) { b.Issuer = "https://login.example.net" }, func(b *signin.Back) { b.Error = "access_denied" }} {
			b := j.visit(j.begin(), priya)
			change(&b)
			h.refused(h.door.Returned(h.Context(), here, b), 403, "sso_refused")
		}
		// Too late, to come back and to fetch.
		f = j.begin()
		back = j.visit(f, priya)
		h.clock.Pass(signin.SSOLife)
		h.refused(h.door.Returned(h.Context(), here, back), 401, "unauthenticated")
		_, err := h.door.BySSO(h.Context(), here, f.Secret)
		h.refused(err, 401, "unauthenticated")
	})
}

func TestSSOWhoIsWho(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(func(p *signin.Provider) { p.NewRole = account.Salesperson })
		sam := j.in(somebody("sam", "sam@example.com", "name", "Sam  Example"))
		if sam.Role != account.Salesperson || sam.Name != "Sam Example" {
			h.Errorf("%s %q", sam.Role, sam.Name)
		}
		// Sam's address at the provider is now Priya's: Sam stays Sam.
		if in := j.in(somebody("sam", "priya@example.com")); in.User != sam.User {
			h.Errorf("came in as %v", in.User)
		}
		// Somebody else got Sam's old address: they do not become Sam.
		j.because("bound-to-another", somebody("eve", "sam@example.com"))
		h.write(j.scope, func(tx *store.Tx) error {
			gone := members.Deactivated
			_, err := h.dir.UpdateMember(tx, sam.User, directory.MemberChange{State: &gone})
			return err
		})
		j.because("deactivated", somebody("sam", "sam@example.com"))
		if h.authenticates(h.dir, sam.Token) {
			h.Error("a deactivated user's session goes on")
		}
	})
}

func TestSSODeactivatedBeforeTheSessionIsFetched(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(func(p *signin.Provider) { p.NewRole = account.Salesperson })
		sam := j.in(somebody("sam", "sam@example.com"))
		f := j.begin()
		if err := h.door.Returned(h.Context(), here, j.visit(f, somebody("sam", "sam@example.com"))); err != nil {
			h.Fatal(err)
		}
		h.write(j.scope, func(tx *store.Tx) error {
			gone := members.Deactivated
			_, err := h.dir.UpdateMember(tx, sam.User, directory.MemberChange{State: &gone})
			return err
		})
		_, err := h.door.BySSO(h.Context(), here, f.Secret)
		h.refused(err, 401, "unauthenticated")
	})
}

func TestCompulsorySSO(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		const phone = "+442079460199"
		_, link := h.user(j.scope, account.Salesperson, phone)
		_, other := h.user(j.scope, account.Marketer, "")
		if _, err := h.door.Redeem(h.Context(), here, link, password); err != nil { // the control
			h.Fatal(err)
		}
		j.set.Compulsory, j.set.Secret = true, vault.Personal{}
		if _, err := h.door.SetProvider(h.Context(), j.admin.Principal, j.set); err != nil {
			h.Fatal(err)
		}
		_, err := h.door.Redeem(h.Context(), here, other, password)
		h.refused(err, 403, "sso_required")
		h.ask(phone)
		h.settle()
		if n := len(h.outbox.Items()); n != 0 {
			h.Errorf("%d codes went out", n)
		}
		if _, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{}); err != nil {
			h.Errorf("the admin is locked out: %v", err)
		}
		j.in(somebody("s1", "priya@example.com")) // the secret stayed
		h.write(j.scope, func(tx *store.Tx) error { return h.door.RemoveProvider(tx, "test") })
		if _, err := h.door.Redeem(h.Context(), here, other, password); err != nil {
			h.Error(err)
		}
		_, err = h.door.BeginSSO(h.Context(), here, j.scope.Account(), "")
		h.refused(err, 409, "no_sso")
	})
}

// An own role that may all that an admin may is no way round either rule: it
// comes in by the provider, and shows a second factor before anything. The
// built-in admin alone is left the password, for when the provider is away.
func TestARoleAsGoodAsAdminIsBound(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		admin, all := rights.Of(account.Admin), rights.Definition{}
		for _, w := range rights.Permissions() {
			all[w.Permission] = admin.Reach(w.Permission)
			if len(all.Check()) > 0 {
				delete(all, w.Permission) // what is everybody's, or no admin's
			}
		}
		if !rights.Own(all).Cover(admin) {
			h.Fatalf("the role may less than an admin: %v", all)
		}
		var r directory.OwnRole
		h.write(j.scope, func(tx *store.Tx) (err error) {
			r, err = h.dir.CreateRole(tx, j.admin.Principal, "Head office", all)
			return err
		})
		role := account.Role(r.ID.String())
		id, link := h.user(j.scope, role, "")
		in, err := h.door.Redeem(h.Context(), here, link, password)
		if err != nil {
			h.Fatal(err)
		}
		if a, err := h.door.Asked(h.Context(), in.Principal); err != nil || !a.Limited {
			h.Errorf("without a second factor it may everything: %+v, %v", a, err)
		}
		var email string
		h.write(j.scope, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, id, memberEmail(&email))
			return err
		})
		come := func() error {
			_, err := h.door.ByPassword(h.Context(), here, email, password, account.ID{})
			return err
		}
		if err := come(); err != nil {
			h.Fatal(err) // the control
		}
		j.set.Compulsory, j.set.Secret = true, vault.Personal{}
		if _, err := h.door.SetProvider(h.Context(), j.admin.Principal, j.set); err != nil {
			h.Fatal(err)
		}
		h.refused(come(), 403, "sso_required")
		if _, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{}); err != nil {
			h.Errorf("the built-in admin is locked out: %v", err)
		}
	})
}

func TestProviderIsCheckedBeforeItIsStored(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		away := httptest.NewServer(http.NotFoundHandler())
		away.Close()
		long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			chunk := make([]byte, 64<<10)
			for range 64 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}))
		h.Cleanup(long.Close)
		moved := httptest.NewServer(http.RedirectHandler(j.idp.DiscoveryEndpoint(), http.StatusFound))
		h.Cleanup(moved.Close)
		for field, list := range map[string][]func(*signin.Provider){
			"issuer": {func(p *signin.Provider) { p.Issuer = "login.example.com" }, func(p *signin.Provider) { p.Issuer += "?x" },
				func(p *signin.Provider) { p.Issuer = away.URL }, func(p *signin.Provider) { p.Issuer = long.URL }, func(p *signin.Provider) { p.Issuer = moved.URL },
				func(p *signin.Provider) { p.Issuer += "/" }}, // names another issuer
			"client_id": {func(p *signin.Provider) { p.ClientID = "" }},
			"domains":   {func(p *signin.Provider) { p.Domains = nil }, func(p *signin.Provider) { p.Domains = []string{"com"} }, func(p *signin.Provider) { p.Domains = []string{"a@example.com"} }},
			"new_role":  {func(p *signin.Provider) { p.NewRole = account.Admin }, func(p *signin.Provider) { p.NewRole = account.Operator }},
		} {
			for i, change := range list {
				p := j.set
				p.Domains = []string{"example.com"}
				change(&p)
				_, err := h.door.SetProvider(h.Context(), j.admin.Principal, p)
				if q, ok := problem.Of(err); !ok || q.Status != 422 || q.Errors[0].Field != field {
					h.Errorf("%s %d: %v", field, i, err)
				}
			}
		}
		// Another issuer does not get the secret of the one before.
		other, err := mockoidc.Run()
		if err != nil {
			h.Fatal(err)
		}
		h.Cleanup(func() { _ = other.Shutdown() })
		p := j.set
		p.Issuer, p.Secret = other.Issuer(), vault.Personal{}
		_, err = h.door.SetProvider(h.Context(), j.admin.Principal, p)
		if q, ok := problem.Of(err); !ok || q.Errors[0].Field != "client_secret" {
			h.Errorf("%v", err)
		}
	})
}

// A provider that is away, or leads inside by its name or a redirect.
func TestProvidersInsideAreNotAsked(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		h.inside = nil
		strict := h.desk(h.dir) // the same database; a door that asks public addresses alone
		_, err := strict.SetProvider(h.Context(), j.admin.Principal, j.set)
		h.refused(err, 422, "invalid")
		_, err = strict.BeginSSO(h.Context(), here, j.scope.Account(), "")
		h.refused(err, 503, "provider_away")

		f := j.begin()
		back := j.visit(f, somebody("s1", "priya@example.com"))
		_ = j.idp.Shutdown()
		if err := h.door.Returned(h.Context(), here, back); err == nil {
			h.Error("came in without a provider")
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add(`{"email":"a@example.com","email_verified":"true","amr":["mfa"],"auth_time":1}`)
	f.Add(`{"amr":"mfa","email_verified":1,"auth_time":9223372036854775807}`)
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Unix(1_800_000_000, 0)
		if _, at, ok := signin.ReadClaims(text, now); ok && at.After(now) {
			t.Errorf("asked in the future: %v", at)
		}
	})
}
