package desk_test

import (
	"net/http"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, key := c.user(account.Salesperson), c.key(account.Admin)
		nobody := &visitor{company: c}
		in := map[string]any{"email": strings.ToUpper(sam.email), "password": password}
		got := nobody.post("/v1/sessions", in).want(t, 201)
		if got.body["user_id"] != sam.id.String() || got.body["role"] != "salesperson" || got.body["account_id"] != c.scope.Account().String() || got.body["expires_at"] == nil {
			t.Fatalf("%s", got.text)
		}
		second := &visitor{company: c, id: sam.id, token: got.body["token"].(string)}
		me := second.get("/v1/me").want(t, 200)
		if me.body["user_id"] != sam.id.String() || me.body["presence"] == nil || me.body["account_name"] != "Example Homes" || strings.Contains(me.text, sam.email) {
			t.Errorf("%s", me.text)
		}
		// What they may is said; a screen shows what is in it.
		may, _ := me.body["rights"].(map[string]any)
		if may["leads:read"] != "mine" || may["offers:answer"] != "all" || may["people:manage"] != nil || may["record:read"] != nil {
			t.Errorf("a salesperson's rights: %v", may)
		}
		if got := key.get("/v1/me").want(t, 200); got.body["user_id"] != nil || got.body["key_id"] == nil || got.body["presence"] != nil {
			t.Errorf("%s", got.text)
		}
		wrong := nobody.post("/v1/sessions", map[string]any{"email": sam.email, "password": "wrong horse battery"}).want(t, 401)
		unknown := nobody.post("/v1/sessions", map[string]any{"email": "nobody@example.com", "password": password}).want(t, 401)
		if anonymous(wrong) != anonymous(unknown) {
			t.Errorf("a wrong password answers\n%s, an unknown address\n%s", wrong.text, unknown.text)
		}
		nobody.post("/v1/sessions", map[string]any{"email": sam.email, "password": password, "account": "acct_x"}).want(t, 422)
		nobody.post("/v1/links/redeem", map[string]any{"token": "x", "password": password}).want(t, 401)

		if got := second.ask(http.MethodPut, "/v1/me/presence", map[string]any{"state": "available"}).want(t, 200); got.body["state"] != "available" {
			t.Errorf("%s", got.text)
		}
		second.ask(http.MethodPut, "/v1/me/presence", map[string]any{"state": "asleep"}).want(t, 422)
		key.ask(http.MethodPut, "/v1/me/presence", map[string]any{"state": "available"}).want(t, 403)

		second.ask(http.MethodPut, "/v1/me/password", map[string]any{"password": "wrong", "new_password": password + "!"}).want(t, 422)
		renewed := second.ask(http.MethodPut, "/v1/me/password", map[string]any{"password": password, "new_password": password + "!"}).want(t, 200)
		second.get("/v1/me").want(t, 401) // its token ended, too
		second.token = renewed.body["token"].(string)
		sam.get("/v1/me").want(t, 401) // the other session ended
		second.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 200)
		second.get("/v1/me").want(t, 401)
		key.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 409)
	})
}
