package console_test

import (
	"os"
	"strings"
	"testing"

	"catchment/internal/account"

	"github.com/oauth2-proxy/mockoidc"
)

func TestSSOSettings(t *testing.T) {
	text, err := os.ReadFile("../../docs/signin.md")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		idp, err := mockoidc.Run()
		h.ok(err)
		t.Cleanup(func() { _ = idp.Shutdown() })
		set := map[string]any{"issuer": idp.Issuer(), "client_id": idp.ClientID, "client_secret": idp.ClientSecret, "domains": []string{"Example.com", "example.com"}, "new_role": "salesperson"}
		c.admin.get("/v1/account/sso").want(t, 404)
		c.user(account.Manager).ask("PUT", "/v1/account/sso", set).want(t, 403)
		got := c.admin.ask("PUT", "/v1/account/sso", set).want(t, 200)
		again := c.admin.get("/v1/account/sso").want(t, 200)
		for _, a := range []answer{got, again} {
			if strings.Contains(a.text, idp.ClientSecret) || a.body["issuer"] != idp.Issuer() || len(a.body["domains"].([]any)) != 1 || !strings.HasSuffix(a.str("callback_url"), "/v1/sessions/sso/callback") {
				t.Errorf("%s", a.text)
			}
		}
		sameFields(t, text, "sso-provider", again.body)
		state := func(a answer) any { return a.body["records"].([]any)[0].(map[string]any)["state"] }
		record := again.body["records"].([]any)[0].(map[string]any)["txt"].(string)
		if a := c.admin.ask("POST", "/v1/account/sso/check", nil).want(t, 200); state(a) != "unverified" {
			t.Errorf("%s", a.text)
		}
		h.door.Names.Set("example.com", record)
		if a := c.admin.ask("POST", "/v1/account/sso/check", nil).want(t, 200); state(a) != "verified" || state(c.admin.get("/v1/account/sso").want(t, 200)) != "verified" {
			t.Errorf("%s", a.text)
		}
		c.user(account.Manager).ask("POST", "/v1/account/sso/check", nil).want(t, 403)
		other.admin.ask("POST", "/v1/account/sso/check", nil).want(t, 404)
		other.admin.get("/v1/account/sso").want(t, 404)
		other.admin.ask("DELETE", "/v1/account/sso", nil).want(t, 404)
		set["new_role"] = "admin"
		c.admin.ask("PUT", "/v1/account/sso", set).want(t, 422)
		c.admin.ask("DELETE", "/v1/account/sso", nil).want(t, 200)
		c.admin.get("/v1/account/sso").want(t, 404)
	})
}
