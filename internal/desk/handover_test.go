package desk_test

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestHandovers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		a, b, d := c.arrive(sam.id), c.arrive(sam.id), c.arrive(sam.id)
		owner := func(l arrived) any { return boss.get("/v1/leads/"+l.lead.String()).want(t, 200).body["owner_id"] }

		// From pre-sales to sales: with a stage and a note.
		path := "/v1/leads/" + a.lead.String() + "/handover"
		body := map[string]any{"to": kim.id.String(), "reason": "ready for sales", "note": "Wants two rooms.", "stage": map[string]any{"category": "follow-up"}}
		kim.post(path, body).want(t, 404)
		sam.post(path, map[string]any{}).want(t, 422)
		got := sam.post(path, body).want(t, 200)
		if got.body["owner_id"] != kim.id.String() || got.body["stage"].(map[string]any)["category"] != "follow-up" {
			t.Error(got.text)
		}
		if n := kim.get("/v1/leads/"+a.lead.String()+"/notes").want(t, 200); len(n.items()) != 1 {
			t.Error(n.text)
		}
		sam.post(path, body).want(t, 404) // it is not Sam's any more

		// Back to routing: it waits, and whoever is there may get it.
		sam.post("/v1/leads/"+b.lead.String()+"/handover", map[string]any{"pool": true}).want(t, 200)
		if l := boss.get("/v1/leads/"+b.lead.String()).want(t, 200); l.body["state"] != "waiting" || l.body["owner_id"] != nil {
			t.Error(l.text)
		}
		h := boss.get("/v1/leads/"+b.lead.String()+"/history").want(t, 200).body["owners"].([]any)
		if len(h) != 1 || h[0].(map[string]any)["until"] == nil {
			t.Errorf("%v", h)
		}

		// Somebody leaves.
		leaver := "/v1/users/" + sam.id.String() + "/handover"
		sam.post(leaver, map[string]any{"to": kim.id.String()}).want(t, 403)
		boss.post(leaver, map[string]any{"to": sam.id.String()}).want(t, 422)
		boss.post("/v1/users/"+account.NewUserID().String()+"/handover", map[string]any{"pool": true}).want(t, 404)
		if got := boss.post(leaver, map[string]any{"to": kim.id.String(), "reason": "left"}).want(t, 200); got.body["moved"] != 1.0 || got.body["more"] != false {
			t.Error(got.text)
		}
		if owner(d) != kim.id.String() {
			t.Errorf("%v", owner(d))
		}
		if got := boss.post(leaver, map[string]any{"pool": true}).want(t, 200); got.body["moved"] != 0.0 {
			t.Error(got.text)
		}
	})
}

// Somebody leaves with work in hand: follow-up, site visit and the clock of
// what was never tried go to who takes over, at once or by way of routing.
func TestWhatALeaverLeaves(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.governed(routing.ServiceLevel{Clock: routing.AcceptToAttempt, Seconds: 300, Then: routing.Alert})
		boss, sam, kim, lee := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Salesperson)
		sam.presence(account.Available)
		given, pooled := sam.takes(), sam.takes()
		at := time.Now().Add(time.Hour)
		for _, a := range []arrived{given, pooled} {
			path := "/v1/leads/" + a.lead.String() + "/visits"
			sam.post(path, map[string]any{"at": at, "place": "Show flat"}).want(t, 201)
			sam.post(path, map[string]any{"at": at.Add(time.Hour), "user": lee.id.String()}).want(t, 201)
			done := sam.post(path, map[string]any{"at": at.Add(2 * time.Hour)}).want(t, 201).body["id"].(string)
			sam.post("/v1/visits/"+done, map[string]any{"state": "cancelled"}).want(t, 200)
		}
		sam.presence(account.Away)
		visits := func(v *visitor) (out string) {
			for _, x := range v.get("/v1/visits?user=me").want(t, 200).items() {
				out += x["state"].(string) + " "
			}
			return strings.TrimSpace(out)
		}
		boss.post("/v1/leads/"+given.lead.String()+"/handover", map[string]any{"to": kim.id.String(), "reason": "left-the-company"}).want(t, 200)
		if got := visits(kim); got != "planned" {
			t.Errorf("Kim receives %q", got)
		}
		if l := kim.get("/v1/leads/"+given.lead.String()).want(t, 200); l.body["next_what"] != "visit" || l.body["next_at"] == nil {
			t.Error(l.text)
		}
		boss.post("/v1/users/"+sam.id.String()+"/handover", map[string]any{"pool": true, "reason": "left-the-company"}).want(t, 200)
		if got := visits(sam); got != "cancelled cancelled" { // what is over stays as it was
			t.Errorf("Sam still receives %q", got)
		}
		kim.post("/v1/leads/"+pooled.lead.String()+"/claim", nil).want(t, 200)
		if got := visits(kim); got != "planned planned" {
			t.Errorf("Kim receives %q", got)
		}
		if got := visits(lee); got != "planned planned" { // a host of their own
			t.Errorf("Lee receives %q", got)
		}
		c.pass(301 * time.Second)
		c.write(func(tx *store.Tx) error {
			why := 0
			for _, action := range []string{"lead.transferred", "lead.given_back"} {
				list, err := audit.List(tx, audit.Filter{Action: action}, audit.Place{}, 10)
				if err != nil {
					return err
				}
				for _, e := range list {
					why += strings.Count(string(e.Detail), "left-the-company")
				}
			}
			if why != 2 {
				t.Errorf("%d entries on the record say why, want 2", why)
			}
			return nil
		})
		if got := c.alarmed(); len(got) != 2 {
			t.Errorf("alarms: %v", got)
		}
		for _, a := range []arrived{given, pooled} {
			if got := kim.get("/v1/leads/"+a.lead.String()).want(t, 200); got.body["owner_id"] != kim.id.String() {
				t.Error(got.text)
			}
		}
		for _, x := range c.alarms() {
			if x.User != kim.id {
				t.Errorf("the alarm is about %s, want Kim", x.User)
			}
		}
	})
}
