package desk_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestFactors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		mia, key := c.user(account.Manager), c.key(account.Manager)
		if got := mia.get("/v1/me/factors").want(t, 200); got.body["level"] != 1.0 || got.body["totp_since"] != nil || len(got.body["needs"].([]any)) != 0 {
			t.Errorf("%s", got.text)
		}
		key.get("/v1/me/factors").want(t, 409)
		seed := mia.post("/v1/me/totp", nil).want(t, 201)
		secret := seed.body["secret"].(string)
		mia.post("/v1/me/totp/confirm", map[string]any{"code": "12345"}).want(t, 422)
		before := time.Now().Add(-30 * time.Second)
		got := mia.post("/v1/me/totp/confirm", map[string]any{"code": signintest.Code(t, secret, before)}).want(t, 200)
		if got.body["level"] != 2.0 || len(got.body["recovery_codes"].([]any)) != 10 {
			t.Errorf("%s", got.text)
		}
		mia.get("/v1/me").want(t, 401)
		mia.token = got.body["token"].(string)
		mia.get("/v1/leads").want(t, 200)
		codes := mia.post("/v1/me/recovery-codes", nil).want(t, 201).body["recovery_codes"].([]any)

		in := (&visitor{company: c}).post("/v1/sessions", map[string]any{"email": mia.email, "password": password}).want(t, 201)
		if in.body["level"] != 1.0 || len(in.body["needs"].([]any)) != 2 {
			t.Errorf("%s", in.text)
		}
		weak := &visitor{company: c, id: mia.id, token: in.body["token"].(string)}
		weak.get("/v1/me").want(t, 200) // session:own
		for _, path := range []string{"/v1/leads", "/v1/events", "/v1/me/sessions"} {
			if got := weak.get(path).want(t, 403); got.code() != "second_factor_required" {
				t.Errorf("%s", got.text)
			}
		}
		if got := weak.post("/v1/sessions/current/codes", nil).want(t, 409); got.code() != "no_phone" {
			t.Errorf("%s", got.text)
		}
		weak.post("/v1/sessions/current/factors", map[string]any{"flow": "cfl_x", "code": "123456"}).want(t, 401)
		weak.post("/v1/sessions/current/factors", map[string]any{"flow": "cfl_x", "code": "123456", "totp": "123456"}).want(t, 422)
		weak.post("/v1/sessions/current/factors", map[string]any{}).want(t, 422)
		weak.post("/v1/sessions/current/factors", map[string]any{"totp": "123456", "recovery": "x"}).want(t, 422)
		boss, other, own := c.user(account.Admin).listen("", ""), c.user(account.Manager).listen("", ""), mia.listen("", "")
		got = weak.post("/v1/sessions/current/factors", map[string]any{"recovery": codes[0]}).want(t, 200)
		if e := last(boss.next(events.RecoveryUsed)); !strings.Contains(e.data, mia.id.String()) || !strings.Contains(e.data, `"left":9`) {
			t.Errorf("%+v", e)
		}
		own.next(events.RecoveryUsed)
		a := c.arrive(mia.id)
		mia.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer"}).want(t, 201)
		if seen := kindsOf(other.next(events.AttemptMade)); slices.Contains(seen, string(events.RecoveryUsed)) {
			t.Errorf("another manager is told: %v", seen)
		}
		weak.get("/v1/leads").want(t, 401) // its token ended
		weak.token = got.body["token"].(string)
		weak.get("/v1/leads").want(t, 200)
		for _, d := range differences("factors", signInExamples(t)["factors"], weak.get("/v1/me/factors").want(t, 200).body) {
			t.Errorf("docs/signin.md and the server: %s", d)
		}
		got = weak.ask(http.MethodDelete, "/v1/me/totp", nil).want(t, 200)
		weak.token = got.body["token"].(string)
		weak.ask(http.MethodDelete, "/v1/me/totp", nil).want(t, 404)
	})
}
