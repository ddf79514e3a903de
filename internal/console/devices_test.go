package console_test

import (
	"testing"

	"catchment/internal/account"
	"catchment/internal/signin"
)

func TestAnAdminRulesAndRevokesDevices(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		sam, mia := c.user(account.Salesperson), c.user(account.Manager)
		if got := c.admin.get("/v1/account/devices").want(t, 200); got.body["offline_ms"] != 43200000.0 || got.body["level"] != 1.0 {
			t.Errorf("%s", got.text)
		}
		mia.get("/v1/account/devices").want(t, 403)
		rule := map[string]any{"offline_ms": 3600000, "level": 1}
		mia.ask("PUT", "/v1/account/devices", rule).want(t, 403)
		c.admin.ask("PUT", "/v1/account/devices", map[string]any{"offline_ms": 604800001, "level": 1}).want(t, 422)
		c.admin.ask("PUT", "/v1/account/devices", rule).want(t, 200)
		if got := c.admin.get("/v1/account/devices").want(t, 200); got.body["offline_ms"] != 3600000.0 {
			t.Errorf("%s", got.text)
		}

		p, err := h.dir.Authenticate(t.Context(), sam.token)
		h.ok(err)
		d, err := h.door.Release(t.Context(), signin.Client{Agent: "Mozilla/5.0 (iPhone) Safari/1"}, p, account.DeviceID{})
		h.ok(err)
		path := "/v1/users/" + sam.id + "/devices"
		if got := c.admin.get(path, "Catchment-Purpose", "lost phone").want(t, 200); len(got.list("items")) != 1 || got.list("items")[0]["device"] != "Safari on iPhone" {
			t.Errorf("%s", got.text)
		}
		mia.get(path).want(t, 403)
		c.admin.ask("DELETE", "/v1/users/"+mia.id+"/devices/"+d.Device.String(), nil).want(t, 404)
		mia.ask("DELETE", path+"/"+d.Device.String(), nil).want(t, 403)
		c.admin.ask("DELETE", path+"/"+d.Device.String(), nil).want(t, 200)
		if got := sam.get("/v1/projects").want(t, 401); got.code() != "device_revoked" {
			t.Errorf("%s", got.text)
		}
		c.admin.ask("DELETE", path+"/"+d.Device.String(), nil).want(t, 404)
	})
}
