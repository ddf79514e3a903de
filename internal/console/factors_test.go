package console_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/console"
	"catchment/internal/signin/signintest"
	"catchment/internal/store/storetest"
	"catchment/internal/web"
)

func TestAnAdminResetsSecondFactors(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		ravi := c.user(account.Manager)
		enrol := func(v *visitor) {
			p, err := h.dir.Authenticate(t.Context(), v.token)
			h.ok(err)
			e, err := h.door.OfferTOTP(t.Context(), p)
			h.ok(err)
			in, err := h.door.ConfirmTOTP(t.Context(), p, signintest.Code(t, e.Secret, time.Now()))
			h.ok(err)
			v.token = in.Token
		}
		path := "/v1/users/" + ravi.id + "/factors"
		if got := c.admin.ask("DELETE", path, nil).want(t, 409); got.code() != "no_second_factor" {
			t.Errorf("%s", got.text)
		}
		enrol(ravi)
		ravi.ask("DELETE", path, nil).want(t, 403)
		c.admin.ask("DELETE", path, nil).want(t, 200)
		ravi.get("/v1/projects").want(t, 401)
		if got := c.admin.ask("DELETE", "/v1/users/"+c.admin.id+"/factors", nil).want(t, 409); got.code() != "own_factors" {
			t.Errorf("%s", got.text)
		}
	})
}

// A dangerous act is open for ten minutes after the second factor, to who has
// one; to a key it is always.
func TestStepUp(t *testing.T) {
	db := storetest.SQLite(t)
	c := open(t, db).company()
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	api := web.New(web.Options{DB: db, Auth: c.dir, Version: "test", Now: clock})
	console.New(console.Parts{API: api, DB: db, Directory: c.dir, Signin: c.door.Signin, Routing: c.router, Events: c.events})
	server := httptest.NewServer(web.Wrap(api.Mux(), slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	c.url = server.URL
	newKey := map[string]any{"kind": "secret", "name": "CRM", "role": "auditor"}

	ahead.Store(int64(account.StepUp))
	c.admin.post("/v1/keys", newKey).want(t, 403) // a code was shown, and ten minutes ago
	p, err := c.dir.Authenticate(t.Context(), c.admin.token)
	c.ok(err)
	p = c.door.Raise(p).Principal
	e, err := c.door.OfferTOTP(t.Context(), p)
	c.ok(err)
	in, err := c.door.ConfirmTOTP(t.Context(), p, signintest.Code(t, e.Secret, time.Now()))
	c.ok(err)
	c.admin.token = in.Token
	ahead.Store(int64(account.StepUp - time.Minute))
	c.admin.post("/v1/keys", newKey).want(t, 201)
	ahead.Store(int64(account.StepUp + time.Minute))
	c.admin.get("/v1/keys").want(t, 200)
	for _, act := range []struct{ method, path string }{
		{"POST", "/v1/keys"}, {"POST", "/v1/users"}, {"PATCH", "/v1/users/" + c.admin.id}, {"POST", "/v1/users/" + c.admin.id + "/link"},
		{"DELETE", "/v1/users/" + c.admin.id + "/link"}, {"DELETE", "/v1/users/" + c.admin.id + "/factors"}, {"PUT", "/v1/account/sign-in"}, {"PUT", "/v1/account/devices"}, {"PUT", "/v1/account/sso"}, {"DELETE", "/v1/account/sso"},
		{"PUT", "/v1/account/networks"}, {"PATCH", "/v1/keys/key_01h455vb4pex5vsknk084sn02q"},
		{"POST", "/v1/keys/key_01h455vb4pex5vsknk084sn02q/rotate"}, {"POST", "/v1/exports"}, {"GET", "/v1/exports/exp_01h455vb4pex5vsknk084sn02q/file"},
		{"GET", "/v1/subject-requests/req_01h455vb4pex5vsknk084sn02q/data"}, {"POST", "/v1/subject-requests/req_01h455vb4pex5vsknk084sn02q/fulfil"},
		{"POST", "/v1/roles"}, {"PUT", "/v1/roles/role_01h455vb4pex5vsknk084sn02q"}, {"DELETE", "/v1/roles/role_01h455vb4pex5vsknk084sn02q"}, {"POST", "/v1/grants"}, {"POST", "/v1/account/end"},
		{"PUT", "/v1/retention"}, {"PUT", "/v1/account/masking"}, {"POST", "/v1/account/archives"}, {"POST", "/v1/webhooks"}, {"PUT", "/v1/webhooks/whk_01h455vb4pex5vsknk084sn02q"}, {"DELETE", "/v1/webhooks/whk_01h455vb4pex5vsknk084sn02q"},
		{"POST", "/v1/webhooks/whk_01h455vb4pex5vsknk084sn02q/rotate"}, {"GET", "/v1/account/archives/exp_01h455vb4pex5vsknk084sn02q/file"},
	} {
		if got := c.admin.ask(act.method, act.path, nil).want(t, 403); got.code() != "step_up_required" {
			t.Errorf("%s %s: %s", act.method, act.path, got.text)
		}
	}
	text, err := api.Document()
	c.ok(err)
	if n := strings.Count(string(text), `"x-step-up": true`); n != 30 {
		t.Errorf("the document names %d such routes", n)
	}
	c.key(account.Admin).post("/v1/keys", newKey).want(t, 201)
}
