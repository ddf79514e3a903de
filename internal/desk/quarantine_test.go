package desk_test

import (
	"net/http"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

// holdBack adds a quarantined enquiry of a new person, as intake writes it.
func (c *company) holdBack() lead.EnquiryID {
	c.Helper()
	a := c.arrive(account.UserID{})
	id := lead.NewEnquiryID()
	now := store.Clock(time.Now())
	c.write(func(tx *store.Tx) error {
		e := leads.Enquiry{ID: id, Person: a.person, Project: c.project, Source: c.source, State: lead.Quarantined, ReceivedAt: now, CreatedAt: now,
			Message: vault.Sealed{}}
		if _, err := leads.AddEnquiries(tx, []*leads.Enquiry{&e}); err != nil {
			return err
		}
		return leads.AddHeld(tx, []leads.Held{{Enquiry: id, Reason: lead.HeldPattern, ReceivedAt: now}})
	})
	return id
}

func TestTheQuarantineIsJudged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c := d.company()
		boss, sam, stranger := c.user(account.Manager), c.user(account.Salesperson), d.company().user(account.Manager)
		a, b := c.holdBack(), c.holdBack()
		sam.get("/v1/quarantine").want(t, 403)
		if got := stranger.get("/v1/quarantine").want(t, 200); len(got.items()) != 0 {
			t.Error(got.text)
		}
		before := c.openings()
		list := boss.get("/v1/quarantine?include=person").want(t, 200)
		if len(list.items()) != 2 || c.openings() != before+1 {
			t.Fatal(list.text)
		}
		for _, x := range list.items() {
			e := x["enquiry"].(map[string]any)
			p, _ := e["person"].(map[string]any)
			if x["reason"] != lead.HeldPattern || e["state"] != "quarantined" || e["lead_id"] != nil || p["name"] != canaryName {
				t.Error(x)
			}
		}
		path := "/v1/quarantine/" + a.String()
		stranger.post(path+"/release", nil).want(t, 404)
		sam.post(path+"/release", nil).want(t, 403)
		if got := boss.post(path+"/release", nil).want(t, 200); got.body["state"] != "released" {
			t.Error(got.text)
		}
		if got := boss.get("/v1/enquiries/"+a.String()).want(t, 200); got.body["state"] != "attached" || got.body["lead_id"] == nil {
			t.Error(got.text)
		}
		if got := boss.post(path+"/keep", nil).want(t, 409); got.code() != "already_released" {
			t.Error(got.text)
		}
		boss.post("/v1/quarantine/"+b.String()+"/keep", nil).want(t, 200)
		if got := boss.get("/v1/quarantine").want(t, 200); len(got.items()) != 0 {
			t.Error(got.text)
		}
		if got := boss.get("/v1/quarantine?state=kept").want(t, 200); len(got.items()) != 1 {
			t.Error(got.text)
		}
	})
}

func TestTheRulesOfTheQuarantine(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	admin, boss := c.user(account.Admin), c.user(account.Manager)
	rules := map[string]any{"domains": []string{"Minutes.Example"}, "patterns": []string{"Cheap Followers"}, "person_an_hour": 5, "address_ten_minutes": 0}
	boss.ask(http.MethodPut, "/v1/quarantine-rules", rules).want(t, 403)
	admin.ask(http.MethodPut, "/v1/quarantine-rules", rules).want(t, 200)
	got := boss.get("/v1/quarantine-rules").want(t, 200)
	if got.body["domains"].([]any)[0] != "minutes.example" || got.body["patterns"].([]any)[0] != "cheap followers" || got.body["person_an_hour"] != 5.0 {
		t.Error(got.text)
	}
	rules["patterns"] = []string{"a"}
	admin.ask(http.MethodPut, "/v1/quarantine-rules", rules).want(t, 422)
}

// The examples of docs/api.md have the fields that the server answers.
func TestTheExamplesOfFollowUp(t *testing.T) {
	want := examples(t)
	c := open(t, storetest.SQLite(t)).company()
	sam := c.user(account.Salesperson)
	a := c.arrive(sam.id)
	at := "/v1/leads/" + a.lead.String()
	sam.post(at+"/visits", map[string]any{"at": time.Now().Add(time.Hour), "place": "Show flat"}).want(t, 201)
	booking := sam.post(at+"/bookings", map[string]any{"value_minor": 1, "currency": "GBP"}).want(t, 201)
	sam.post("/v1/persons/"+a.person.String()+"/suppress", map[string]any{"reason": "asked-not-to", "evidence": "No."}).want(t, 201)
	marks := sam.get("/v1/persons/"+a.person.String()).want(t, 200).body["suppressions"].([]any)
	for name, got := range map[string]any{"visit": sam.get(at+"/visits").want(t, 200).items()[0], "booking": booking.body, "suppression": marks[0]} {
		if want[name] == nil {
			t.Errorf("docs/api.md has no example %s", name)
		}
		for _, d := range differences(name, any(want[name]), got) {
			t.Errorf("docs/api.md and the server: %s", d)
		}
	}
}
