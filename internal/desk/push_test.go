package desk_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/notify/notifytest"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
)

const contact = "mailto:leads@example.com"

// pushTo subscribes a visitor's session at a service.
func (v *visitor) pushTo(s *notifytest.Service, path string, alarms bool) {
	v.Helper()
	key, err := base64.RawURLEncoding.DecodeString(v.get("/v1/push/key").want(v, 200).body["key"].(string))
	v.ok(err)
	s.Key.Store(&key)
	body := map[string]any{"subscription": s.Subscribe(path), "alarms": alarms}
	for _, x := range differences("push-request", examples(v.T)["push-request"], body) {
		v.Errorf("docs/api.md and what is sent: %s", x)
	}
	got := v.ask(http.MethodPut, "/v1/me/push", body).want(v, 200)
	if got.body["subscribed"] != true || strings.Contains(got.text, "auth") {
		v.Errorf("%s", got.text)
	}
}

func TestAnOfferIsPushed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := notifytest.Start(t, contact, nil)
		c := openTo(t, db, s).company()
		sam, mia := c.user(account.Salesperson), c.user(account.Salesperson)
		sam.pushTo(s, "/sam", false)
		mia.pushTo(s, "/mia", false)
		a := c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := s.Next("offer")
		o := sam.get("/v1/offers/"+p.ID).want(t, 200)
		if p.Path != "/sam" || p.Version != 1 || o.body["lead_id"] != a.lead.String() || p.Head.Get("Urgency") != "high" || len(p.Head.Get("Topic")) != 22 {
			t.Errorf("%+v", p)
		}
		for _, x := range differences("push", examples(t)["push"], p.Fields) {
			t.Errorf("docs/api.md and the server: %s", x)
		}
		if strings.Contains(string(p.Raw), p.ID) {
			t.Error("the push service can read the push")
		}
		within(t, 5*time.Second, "the offer is pushed", func() bool { return sam.get("/v1/offers/" + p.ID).body["state"] == "pushed" })
		nobody := &visitor{company: c}
		if got := nobody.post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200); got.body["open"] != true || got.body["expires_at"] != o.body["expires_at"] {
			t.Errorf("%s", got.text)
		}
		if got := sam.get("/v1/offers/" + p.ID); got.body["state"] != "acked" {
			t.Errorf("%s", got.text)
		}
		last := len(p.Ack) - 5
		for _, bad := range []string{"", "psa_", p.Ack[:last], p.Ack[:last] + "AAAAA", "psa_" + strings.Repeat("A", len(p.Ack)-4)} {
			nobody.post("/v1/push/acks", map[string]any{"ack": bad}).want(t, 404)
		}
		sam.ask(http.MethodDelete, "/v1/me/push", nil).want(t, 200)
		nobody.post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 404)
		if got := sam.get("/v1/me/push").want(t, 200); got.body["subscribed"] != false {
			t.Errorf("%s", got.text)
		}
	})
}

// A device that acknowledges pushes is one that answers, for routing; it does
// not keep its session alive.
func TestAnAcknowledgedPushCountsAsReachable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := notifytest.Start(t, contact, nil)
		c := openTo(t, db, s).company()
		sam := c.user(account.Salesperson)
		sam.pushTo(s, "/sam", false)
		c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := s.Next("offer")
		seen := func() (at int64) {
			c.write(func(tx *store.Tx) error {
				all, err := offers.LastSeen(tx, []account.UserID{sam.id})
				at = all[sam.id]
				return err
			})
			return at
		}
		before := seen()
		(&visitor{company: c}).post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200)
		if after := seen(); after <= before || before == 0 {
			t.Errorf("seen at %d, then at %d", before, after)
		}
	})
}

func TestASubscriptionIsJudged(t *testing.T) {
	s := notifytest.Start(t, contact, nil)
	elsewhere := notifytest.Start(t, contact, nil)
	c := openTo(t, storetest.SQLite(t), s).company()
	sam := c.user(account.Salesperson)
	good := func(change func(m, keys map[string]any)) map[string]any {
		m := s.Subscribe("/x")
		change(m, m["keys"].(map[string]any))
		return map[string]any{"subscription": m}
	}
	for what, endpoint := range map[string]string{"another host": elsewhere.URL + "/x", "metadata": "http://169.254.169.254/latest", "inside": "https://10.0.0.1/x",
		"no TLS": "http://fcm.googleapis.com/x", "a user": "https://a:b@fcm.googleapis.com/x", "a lookalike": "https://fcm.googleapis.com.example.com/x", "a file": "file:///etc/passwd"} {
		body := good(func(m, _ map[string]any) { m["endpoint"] = endpoint })
		if got := sam.ask(http.MethodPut, "/v1/me/push", body); got.status != 422 {
			t.Errorf("%s: %s", what, got.text)
		}
	}
	for _, key := range []string{"", "AAAA", strings.Repeat("A", 87), "!"} {
		sam.ask(http.MethodPut, "/v1/me/push", good(func(_, k map[string]any) { k["p256dh"] = key })).want(t, 422)
		sam.ask(http.MethodPut, "/v1/me/push", good(func(_, k map[string]any) { k["auth"] = key })).want(t, 422)
	}
	alarms := good(func(map[string]any, map[string]any) {})
	alarms["alarms"] = true
	sam.ask(http.MethodPut, "/v1/me/push", alarms).want(t, 403)
	c.key(account.Manager).ask(http.MethodPut, "/v1/me/push", good(func(map[string]any, map[string]any) {})).want(t, 409)
	sam.ask(http.MethodPut, "/v1/me/push", good(func(map[string]any, map[string]any) {})).want(t, 200)
	if elsewhere.Asked.Load() != 0 {
		t.Error("another host was asked")
	}
}

// Push services that do not answer, are slow, lie or refuse hold up nobody: not
// the offers of those who are there, and not routing.
func TestAPushServiceHoldsUpNobodyElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		release := make(chan struct{})
		slow := notifytest.Start(t, contact, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		t.Cleanup(func() { close(release) })
		inside := notifytest.Start(t, contact, nil)
		lying := notifytest.Start(t, contact, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL+"/secret", http.StatusTemporaryRedirect)
		})
		busy := notifytest.Start(t, contact, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "999999")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		gone, away, good := notifytest.Start(t, contact, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }), notifytest.Start(t, contact, nil), notifytest.Start(t, contact, nil)
		c := openTo(t, db, slow, lying, busy, gone, away, good, inside).company()
		bad := []*notifytest.Service{slow, lying, busy, gone, away}
		var users []*visitor
		for i := range 10 {
			v := c.user(account.Salesperson)
			v.pushTo(bad[i%len(bad)], "/"+v.id.String(), false)
			users = append(users, v)
		}
		away.Server.Close()
		sam := c.user(account.Salesperson)
		sam.pushTo(good, "/sam", false)
		for _, v := range users {
			c.arrive(account.UserID{})
			v.presence(account.Available)
		}
		within(t, 10*time.Second, "all are offered a lead", func() bool {
			for _, v := range users {
				if len(v.get("/v1/offers").items()) != 1 {
					return false
				}
			}
			return slow.Asked.Load() == 2 && lying.Asked.Load() == 2 && busy.Asked.Load() >= 2 && gone.Asked.Load() == 2
		})
		c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := good.Next("offer") // while two pushes hang
		sam.post("/v1/offers/"+p.ID+"/accept", nil).want(t, 200)
		if inside.Asked.Load() != 0 {
			t.Error("a redirect was followed")
		}
		within(t, 5*time.Second, "those that are gone are forgotten", func() (ended bool) {
			ended = true
			for i, v := range users {
				got := v.get("/v1/me/push").want(t, 200).body["subscribed"].(bool)
				if i%len(bad) == 3 && got {
					ended = false
				} else if i%len(bad) != 3 && !got {
					t.Errorf("%d is forgotten, too", i%len(bad))
				}
			}
			return ended
		})
	})
}

func TestAlarmsArePushedToWhoAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := notifytest.Start(t, contact, nil)
		c := openTo(t, db, s).company()
		boss, other, sam := c.user(account.Manager), c.user(account.Manager), c.user(account.Salesperson)
		boss.pushTo(s, "/boss", true)
		other.pushTo(s, "/other", false)
		sam.presence(account.Available)
		stream := boss.listen("", "")
		c.arrive(account.UserID{})
		var e map[string]any
		c.ok(json.Unmarshal([]byte(last(stream.next(events.OfferMade)).data), &e))
		sam.post("/v1/offers/"+e["offer_id"].(string)+"/decline", nil).want(t, 200) // nobody is left: the named queue
		p := s.Next("alarm")
		if p.Path != "/boss" || p.ID != c.project.String() {
			t.Errorf("%+v", p)
		}
		(&visitor{company: c}).post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200)
	})
}

func TestAPushIsTried(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := notifytest.Start(t, contact, nil)
		c := openTo(t, db, s).company()
		sam, mia := c.user(account.Salesperson), c.user(account.Salesperson)
		mia.pushTo(s, "/mia", false)
		if got := sam.post("/v1/me/push/test", nil).want(t, 409); got.body["code"] != "no_pushes" {
			t.Errorf("%s", got.text)
		}
		c.key(account.Manager).post("/v1/me/push/test", nil).want(t, 409)
		sam.pushTo(s, "/sam", false)
		if got := sam.post("/v1/me/push/test", nil).want(t, 200); got.body["subscribed"] != true || got.body["answered_at"] != nil {
			t.Errorf("%s", got.text)
		}
		p := s.Next("test")
		if p.Path != "/sam" {
			t.Errorf("%+v", p)
		}
		if got := (&visitor{company: c}).post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200); got.body["open"] != false || got.body["expires_at"] != nil {
			t.Errorf("%s", got.text)
		}
		if got := sam.get("/v1/me/push").want(t, 200); got.body["answered_at"] == nil {
			t.Errorf("%s", got.text)
		}
		if n := s.Asked.Load(); n != 1 {
			t.Errorf("%d pushes", n)
		}
	})
}

func TestARevokedDeviceIsPushedToWipe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := notifytest.Start(t, contact, nil)
		c := openTo(t, db, s).company()
		sam := c.user(account.Salesperson)
		id := sam.device("").want(t, 200).body["device_id"].(string)
		sam.pushTo(s, "/sam", false)
		moved := sam.again() // the device follows to its next session, and its pushes
		moved.device(id).want(t, 200)
		sam.again().ask(http.MethodDelete, "/v1/me/devices/"+id, nil).want(t, 200)
		if p := s.Next("wipe"); p.Path != "/sam" {
			t.Errorf("%+v", p)
		}
		within(t, 5*time.Second, "the subscription is forgotten", func() (none bool) {
			c.write(func(tx *store.Tx) error {
				list, err := devices.Pushes(tx, sam.id)
				none = len(list) == 0
				return err
			})
			return none
		})
	})
}

// A session that ended gets no offers any more, also when nobody unsubscribed;
// the control is the other user of the same browser.
func TestABrowserHasOneUser(t *testing.T) {
	s := notifytest.Start(t, contact, nil)
	c := openTo(t, storetest.SQLite(t), s).company()
	sam, mia := c.user(account.Salesperson), c.user(account.Salesperson)
	sam.pushTo(s, "/shared", false)
	mia.pushTo(s, "/shared", false)
	if got := sam.get("/v1/me/push").want(t, 200); got.body["subscribed"] != false {
		t.Errorf("%s", got.text)
	}
	mia.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 200)
	c.arrive(account.UserID{})
	mia.presence(account.Available)
	back := mia.again()
	within(t, 5*time.Second, "the offer is made", func() bool { return len(back.get("/v1/offers").items()) == 1 })
	back.pushTo(s, "/shared", false)
	back.post("/v1/offers/"+back.get("/v1/offers").items()[0]["id"].(string)+"/accept", nil).want(t, 200)
	c.arrive(account.UserID{})
	p := s.Next("offer")
	back.get("/v1/offers/"+p.ID).want(t, 200)
	if n := s.Asked.Load(); n != 1 {
		t.Errorf("%d pushes", n)
	}
}
