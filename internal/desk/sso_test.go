package desk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"

	"github.com/oauth2-proxy/mockoidc"
)

// A browser goes to the provider and back; its page may fetch the session then.
func TestSSOInABrowser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		idp, err := mockoidc.Run()
		c.ok(err)
		t.Cleanup(func() { _ = idp.Shutdown() })
		boss, mia, nobody := c.user(account.Admin), c.user(account.Manager), &visitor{company: c}
		by, err := c.dir.Authenticate(t.Context(), boss.token)
		c.ok(err)
		_, domain, _ := strings.Cut(mia.email, "@")
		_, err = c.door.SetProvider(t.Context(), by, signin.Provider{Issuer: idp.Issuer(), ClientID: idp.ClientID, Secret: vault.Hide(idp.ClientSecret), Domains: []string{domain}})
		c.ok(err)
		nobody.post("/v1/sessions/sso", map[string]any{"email": mia.email}).want(t, 409) // anybody can enter any domain
		c.door.ShowDomains(by.Scope)
		nobody.post("/v1/sessions/sso", map[string]any{}).want(t, 422)
		nobody.post("/v1/sessions/sso", map[string]any{"email": "mia@elsewhere.example"}).want(t, 409)

		resp, err := http.Post(c.url+"/v1/sessions/sso", "application/json", strings.NewReader(`{"email":"`+mia.email+`"}`))
		c.ok(err)
		var flow map[string]any
		c.ok(json.NewDecoder(resp.Body).Decode(&flow))
		resp.Body.Close()
		for _, d := range differences("sso-flow", signInExamples(t)["sso-flow"], flow) {
			t.Errorf("docs/signin.md and the server: %s", d)
		}
		if len(resp.Cookies()) != 1 {
			t.Fatalf("%d: %v", resp.StatusCode, resp.Cookies())
		}
		cookie := resp.Cookies()[0]
		if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge <= 0 || cookie.Path != "/v1/sessions/sso" || !strings.HasPrefix(signintest.PublicURL, "https://") {
			t.Errorf("%v", cookie)
		}
		idp.QueueUser(&mockoidc.MockUser{Subject: "s1", Email: mia.email, EmailVerified: true})
		browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err = browser.Get(flow["authorize_url"].(string))
		c.ok(err)
		resp.Body.Close()
		back, err := resp.Location()
		c.ok(err)
		back2, err := url.Parse(c.url + back.RequestURI())
		c.ok(err)
		visit := func(with *http.Cookie) (*http.Response, string) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", back2.String(), nil)
			c.ok(err)
			if with != nil {
				r.AddCookie(with)
			}
			resp, err := browser.Do(r)
			c.ok(err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			c.ok(err)
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || resp.Header.Get("Referrer-Policy") != "no-referrer" ||
				!strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(string(text), back.Query().Get("code")) {
				t.Errorf("%v\n%s", resp.Header, text)
			}
			return resp, string(text)
		}
		fetch := map[string]any{"flow": flow["flow"]}
		if resp, _ := visit(nil); resp.StatusCode != 401 { // another's browser
			t.Errorf("without the cookie: %d", resp.StatusCode)
		}
		if got := nobody.post("/v1/sessions", fetch).want(t, 409); got.code() != "sso_pending" {
			t.Errorf("%s", got.text)
		}
		if resp, text := visit(cookie); resp.StatusCode != 200 || !strings.Contains(text, "You are signed in.") || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%d %v\n%s", resp.StatusCode, resp.Cookies(), text)
		}
		got := nobody.post("/v1/sessions", fetch).want(t, 201)
		if got.body["user_id"] != mia.id.String() || got.body["level"] != 1.0 {
			t.Errorf("%s", got.text)
		}
		(&visitor{company: c, token: got.body["token"].(string)}).get("/v1/leads").want(t, 200)
		nobody.post("/v1/sessions", fetch).want(t, 401)
		if resp, _ := visit(cookie); resp.StatusCode != 401 {
			t.Errorf("a second return: %d", resp.StatusCode)
		}
	})
}
