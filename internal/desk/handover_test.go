package desk_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
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
		if got := boss.post(leaver, map[string]any{"to": kim.id.String(), "reason": "left"}).want(t, 200); got.body["moved"] != 1.0 || got.body["left"] != 0.0 {
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

// owns gives somebody so many leads at once.
func (c *company) owns(v *visitor, n int) {
	c.Helper()
	now := store.Clock(time.Now())
	all := make([]*leads.Lead, n)
	for i := range all {
		all[i] = &leads.Lead{ID: lead.NewID(), Person: lead.NewPersonID(), Project: c.project, Source: c.source, Stage: c.stages["new"], Category: lead.New,
			RouteState: lead.Owned, Owner: v.id, Enquiries: 1, CreatedAt: now, EnquiredAt: now}
	}
	c.write(func(tx *store.Tx) error {
		if _, err := leads.AddLeads(tx, all); err != nil {
			return err
		}
		for _, l := range all {
			if err := leads.RouteAssign(tx, leads.Assignment{Lead: l.ID, User: v.id, From: now, Reason: "accepted", By: v.id.String()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// open counts the open leads that somebody owns.
func (c *company) open(v *visitor) (n int) {
	c.Helper()
	c.write(func(tx *store.Tx) (err error) { n, err = leads.CountOpenOf(tx, v.id); return err })
	return n
}

// More leads than one transaction bears go over by themselves, to whoever was
// named last; how far it is can be read. When that one leaves meanwhile, the
// rest goes back to routing: none waits for somebody who is not there.
func TestAHandOverGoesOnUntilNoneIsLeft(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim, lee := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Salesperson)
		c.runner.Stop() // from here on jobs run when the test says so
		c.runner = jobs.NewRunner(db, c.list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
		c.router.Register(c.runner)
		c.owns(sam, 602)
		path := "/v1/users/" + sam.id.String() + "/handover"
		progress := func() answer { return boss.get(path).want(t, 200) }
		sam.get(path).want(t, 403)
		boss.get("/v1/users/"+account.NewUserID().String()+"/handover").want(t, 404)
		if got := progress(); got.body["state"] != "idle" || got.body["left"] != 602.0 || got.body["since"] != nil || got.body["to"] != nil {
			t.Error(got.text)
		}
		if got := boss.post(path, map[string]any{"to": kim.id.String(), "reason": "left"}).want(t, 200); got.body["moved"] != 200.0 || got.body["left"] != 402.0 {
			t.Error(got.text)
		}
		if got := progress(); got.body["state"] != "running" || got.body["left"] != 402.0 || got.body["to"] != kim.id.String() || got.body["reason"] != "left" ||
			got.body["by"] != boss.id.String() || got.body["since"] == nil {
			t.Error(got.text)
		}
		boss.post(path, map[string]any{"to": lee.id.String(), "reason": "left"}).want(t, 200) // after all
		if got := progress(); got.body["left"] != 202.0 || got.body["to"] != lee.id.String() {
			t.Error(got.text)
		}
		c.write(func(tx *store.Tx) error {
			_, err := c.dir.UpdateMember(tx, lee.id, directory.MemberChange{State: new(members.Deactivated)})
			return err
		})
		c.pass(time.Second) // a step
		if got := progress(); got.body["state"] != "running" || got.body["left"] != 2.0 {
			t.Error(got.text)
		}
		c.pass(time.Second) // and the last
		if got := progress(); got.body["state"] != "idle" || got.body["left"] != 0.0 {
			t.Error(got.text)
		}
		if k, l := c.open(kim), c.open(lee); k != 200 || l != 200 {
			t.Errorf("Kim has %d, Lee %d, want 200 each", k, l)
		}
		if got := boss.get("/v1/leads?state=waiting&limit=500").want(t, 200); len(got.items()) != 202 {
			t.Errorf("%d wait, want 202", len(got.items()))
		}
	})
}
