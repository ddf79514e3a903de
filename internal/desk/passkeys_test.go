package desk_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/storetest"
)

func TestPasskeys(t *testing.T) {
	documented := signInExamples(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, key := c.user(account.Salesperson), c.key(account.Manager)
		same := func(name string, got any) {
			t.Helper()
			for _, d := range differences(name, documented[name], got) {
				t.Errorf("docs/signin.md and the server: %s", d)
			}
		}
		object := func(text []byte) (out map[string]any) {
			c.ok(json.Unmarshal(text, &out))
			return out
		}
		d := signintest.NewDevice(t, signintest.PublicURL)
		offer := sam.post("/v1/me/passkeys", nil).want(t, 201).body
		same("passkey-making", offer)
		add := map[string]any{"flow": offer["flow"], "name": "My phone", "passkey": object(d.Make(offer["options"].(map[string]any)))}
		sam.post("/v1/me/passkeys/confirm", map[string]any{"flow": "pfl_x", "passkey": map[string]any{}}).want(t, 422)
		added := sam.post("/v1/me/passkeys/confirm", add).want(t, 201).body
		same("passkey-added", added)
		sam.get("/v1/me").want(t, 401)
		sam.token = added["token"].(string)
		sam.post("/v1/me/passkeys/confirm", add).want(t, 422) // once
		key.get("/v1/me/passkeys").want(t, 409)

		nobody := &visitor{company: c}
		ask := nobody.post("/v1/sessions/passkeys", nil).want(t, 201).body
		same("passkey-showing", ask)
		show := map[string]any{"flow": ask["flow"], "passkey": object(d.Show(ask["options"].(map[string]any)))}
		nobody.post("/v1/sessions", map[string]any{"flow": ask["flow"], "passkey": map[string]any{}}).want(t, 401)
		nobody.post("/v1/sessions", map[string]any{"flow": ask["flow"], "passkey": show["passkey"], "code": "123456"}).want(t, 422)
		in := nobody.post("/v1/sessions", show).want(t, 201).body
		if same("session", in); in["level"] != 2.0 || in["limited"] != false || len(in["offers"].([]any)) != 0 {
			t.Errorf("%v", in)
		}
		nobody.post("/v1/sessions", show).want(t, 401)

		weak := &visitor{company: c, token: nobody.post("/v1/sessions", map[string]any{"email": sam.email, "password": password}).want(t, 201).body["token"].(string)}
		if got := weak.get("/v1/me/factors").want(t, 200); got.body["limited"] != true || got.body["needs"].([]any)[0] != "passkey" || got.body["passkeys"] != 1.0 {
			t.Errorf("%s", got.text)
		}
		weak.get("/v1/me/passkeys").want(t, 403) // their names are personal
		ask = weak.post("/v1/sessions/current/passkeys", nil).want(t, 201).body
		show = map[string]any{"flow": ask["flow"], "passkey": object(d.Show(ask["options"].(map[string]any)))}
		weak.token = weak.post("/v1/sessions/current/factors", show).want(t, 200).body["token"].(string)

		mine := weak.get("/v1/me/passkeys").want(t, 200).items()
		same("passkey", mine[0])
		path := "/v1/me/passkeys/" + mine[0]["id"].(string)
		weak.ask(http.MethodPatch, path, map[string]any{"name": "The blue one"}).want(t, 200)
		if name := weak.get("/v1/me/passkeys").items()[0]["name"]; name != "The blue one" {
			t.Error(name)
		}
		other := c.user(account.Salesperson)
		other.ask(http.MethodPatch, path, map[string]any{"name": "Mine"}).want(t, 404)
		other.ask(http.MethodDelete, path, nil).want(t, 404)
		weak.token = weak.ask(http.MethodDelete, path, nil).want(t, 200).body["token"].(string)
		weak.ask(http.MethodDelete, path, nil).want(t, 404)
	})
}

// Over the API, an only admin keeps the passkey by which alone they come in,
// though a phone would do as a second factor.
func TestTheLastAdminKeepsTheirPasskey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		ana := c.user(account.Admin)
		d := signintest.NewDevice(t, signintest.PublicURL)
		var made json.RawMessage
		for n := range 2 { // of two, one may go
			offer := ana.post("/v1/me/passkeys", nil).want(t, 201).body
			if n == 1 {
				d = signintest.NewDevice(t, signintest.PublicURL)
			}
			made = d.Make(offer["options"].(map[string]any))
			ana.token = ana.post("/v1/me/passkeys/confirm", map[string]any{"flow": offer["flow"], "name": "Mine", "passkey": made}).want(t, 201).body["token"].(string)
		}
		c.write(func(tx *store.Tx) error { // nobody has a password
			all, err := c.dir.Members(tx)
			for _, m := range all {
				if err == nil {
					err = access.SetPassword(tx, m.ID, "", time.Now())
				}
			}
			return err
		})
		both := ana.get("/v1/me/passkeys").want(t, 200).items()
		ana.token = ana.ask(http.MethodDelete, "/v1/me/passkeys/"+both[0]["id"].(string), nil).want(t, 200).body["token"].(string)
		last := "/v1/me/passkeys/" + both[1]["id"].(string)
		if got := ana.ask(http.MethodDelete, last, nil).want(t, 409); got.body["code"] != "last_admin" {
			t.Error(got.text)
		}
		if left := ana.get("/v1/me/passkeys").want(t, 200).items(); len(left) != 1 {
			t.Errorf("%d passkeys are left, want 1", len(left))
		}
	})
}
