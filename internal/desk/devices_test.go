package desk_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/members"
	"catchment/internal/store/storetest"
)

// again is the same person, signed in anew.
func (v *visitor) again() *visitor {
	v.Helper()
	in := (&visitor{company: v.company}).post("/v1/sessions", map[string]any{"email": v.email, "password": password}).want(v, 201)
	return &visitor{company: v.company, id: v.id, email: v.email, token: in.body["token"].(string)}
}

func (v *visitor) device(id string) answer {
	v.Helper()
	body := map[string]any{}
	if id != "" {
		body["device_id"] = id
	}
	return v.post("/v1/me/device", body)
}

func TestADeviceHasItsShareAndNobodyElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c := d.company()
		sam, mia, other := c.user(account.Salesperson), c.user(account.Salesperson), d.company().user(account.Salesperson)
		before := c.openings()
		first := sam.device("").want(t, 200)
		for _, x := range differences("device-key", signInExamples(t)["device-key"], first.body) {
			t.Errorf("docs/signin.md and the server: %s", x)
		}
		id, share := first.body["device_id"].(string), first.body["share"].(string)
		if raw, err := base64.RawURLEncoding.DecodeString(share); err != nil || len(raw) != 32 || first.body["new"] != true || first.body["offline_ms"] != 12.0*3600*1000 {
			t.Errorf("%s", first.text)
		}
		if first.head.Get("Cache-Control") != "no-store" {
			t.Errorf("may be kept: %q", first.head.Get("Cache-Control"))
		}
		now, until := timeOf(t, first.body["server_time"]), timeOf(t, first.body["lease_until"])
		if until.Sub(now) != 12*time.Hour || time.Since(now).Abs() > time.Minute {
			t.Errorf("now %s, until %s", now, until)
		}
		if got := sam.again().device(id).want(t, 200); got.body["share"] != share || got.body["new"] != false || got.body["device_id"] != id {
			t.Errorf("%s", got.text)
		}
		if n := c.openings(); n != before+2 {
			t.Errorf("%d openings on the record, want %d", n, before+2)
		}
		if got := sam.again().device("").want(t, 200); got.body["share"] == share || got.body["device_id"] == id {
			t.Errorf("a second device has the first one's share")
		}
		mia.device(id).want(t, 404)
		other.device(id).want(t, 404)
		sam.device("dev_x").want(t, 422)
		c.key(account.Salesperson).device("").want(t, 409)

		list := sam.get("/v1/me/devices").want(t, 200)
		if len(list.items()) != 2 {
			t.Fatalf("%s", list.text)
		}
		for _, x := range differences("device", signInExamples(t)["device"], list.items()[1]) {
			t.Errorf("docs/signin.md and the server: %s", x)
		}
		if strings.Contains(list.text, share) {
			t.Error("the list shows a share")
		}
	})
}

// What a session keeps no answer of: a repeat under the same key would find the
// share in the database.
func TestAShareIsNotKeptForARepeat(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	sam := c.user(account.Salesperson)
	one := sam.post("/v1/me/device", map[string]any{}, "Idempotency-Key", "k1").want(t, 200)
	two := sam.post("/v1/me/device", map[string]any{}, "Idempotency-Key", "k1").want(t, 200)
	if one.body["device_id"] == two.body["device_id"] {
		t.Error("the second answer is the first one's")
	}
	if got := sam.get("/v1/me/devices").want(t, 200); len(got.items()) != 1 {
		t.Errorf("a session has %d devices", len(got.items()))
	}
}

func TestARevokedDeviceIsTold(t *testing.T) {
	for name, end := range map[string]func(sam *visitor, admin *visitor, id string){
		"by its holder elsewhere": func(sam, _ *visitor, id string) {
			sam.again().ask(http.MethodDelete, "/v1/me/devices/"+id, nil).want(sam, 200)
		},
		"all other sessions ended": func(sam, _ *visitor, _ string) {
			sam.again().ask(http.MethodDelete, "/v1/me/sessions", nil).want(sam, 200)
		},
		"another role": func(sam, _ *visitor, _ string) {
			sam.write(func(tx *store.Tx) error {
				_, err := sam.dir.UpdateMember(tx, sam.id, directory.MemberChange{Role: new(account.Manager)})
				return err
			})
		},
		"deactivated": func(sam, _ *visitor, _ string) {
			sam.write(func(tx *store.Tx) error {
				_, err := sam.dir.UpdateMember(tx, sam.id, directory.MemberChange{State: new(members.Deactivated)})
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := open(t, db).company()
				sam, boss := c.user(account.Salesperson), c.user(account.Admin)
				first := sam.device("").want(t, 200)
				id := first.body["device_id"].(string)
				stream, all := sam.listen("", ""), boss.listen("", "")
				end(sam, boss, id)
				if told := last(all.next(events.DeviceRevoked)); !strings.Contains(told.data, id) {
					t.Errorf("%s", told.data)
				}
				if told := last(stream.next("end")); told.data != `{"code":"device_revoked"}` {
					t.Errorf("%s", told.data)
				}
				if got := sam.get("/v1/me").want(t, 401); got.code() != "device_revoked" {
					t.Errorf("%s", got.text)
				}
				if got := sam.device(id).want(t, 401); got.code() != "device_revoked" {
					t.Errorf("%s", got.text)
				}
				c.shareGone(t, id)
				if name == "deactivated" {
					return
				}
				back := sam.again()
				if got := back.device(id).want(t, 409); got.code() != "device_revoked" {
					t.Errorf("%s", got.text)
				}
				if got := back.device("").want(t, 200); got.body["share"] == first.body["share"] {
					t.Error("the share came back")
				}
			})
		})
	}
}

// shareGone reads the row past the API.
func (c *company) shareGone(t *testing.T, id string) {
	t.Helper()
	dev, err := account.ParseDeviceID(id)
	c.ok(err)
	c.write(func(tx *store.Tx) error {
		x, err := devices.Get(tx, dev)
		if err == nil && (x.Share != nil || x.Label != nil || x.EndedAt.IsZero()) {
			t.Errorf("%+v", x)
		}
		list, err2 := audit.List(tx, audit.Filter{Action: "device.end"}, audit.Place{}, 10)
		if err2 == nil && len(list) != 1 {
			t.Errorf("%d entries on the record", len(list))
		}
		return err
	})
}

// Controls: signing out, and a new password, leave the share to who signs in
// again, and a device without a share has an ordinary refusal.
func TestWhatDoesNotRevoke(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		first := sam.device("").want(t, 200)
		id := first.body["device_id"].(string)
		sam.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 200)
		if got := sam.get("/v1/me").want(t, 401); got.code() != "unauthenticated" {
			t.Errorf("%s", got.text)
		}
		back, elsewhere := sam.again(), sam.again()
		if got := back.device(id).want(t, 200); got.body["share"] != first.body["share"] {
			t.Errorf("%s", got.text)
		}
		elsewhere.ask(http.MethodPut, "/v1/me/password", map[string]any{"password": password, "new_password": password}).want(t, 200)
		if got := back.get("/v1/me").want(t, 401); got.code() != "unauthenticated" {
			t.Errorf("%s", got.text)
		}
		if got := sam.again().device(id).want(t, 200); got.body["share"] != first.body["share"] {
			t.Errorf("%s", got.text)
		}
	})
}

func timeOf(t *testing.T, v any) (at time.Time) {
	t.Helper()
	text, _ := json.Marshal(v)
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	return at
}
