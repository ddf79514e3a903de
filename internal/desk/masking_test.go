package desk_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
)

const (
	maskedPhone = "+44 •• •••• ••23"
	maskedEmail = "a•••@example.com"
)

// mask has the account mask what is on offer, or not.
func (c *company) mask(on bool) {
	c.Helper()
	c.write(func(tx *store.Tx) error { return people.SetMasksOnOffer(tx, on) })
}

// everything is all that the visitor is answered about a lead on every route
// that opens something, and a purpose.
func (v *visitor) everything(a arrived) (text string) {
	v.Helper()
	for _, path := range []string{"/v1/leads/LEAD", "/v1/leads/LEAD/enquiries?include=message", "/v1/leads/LEAD/notes", "/v1/leads/LEAD/history?include=person",
		"/v1/leads/LEAD/visits", "/v1/enquiries/ENQ?include=person&include=message", "/v1/enquiries/ENQ/submissions?include=body",
		"/v1/leads?include=person", "/v1/enquiries?include=person&include=message", "/v1/persons/PERSON", "/v1/leads/LEAD/offers", "/v1/offers"} {
		path = strings.NewReplacer("LEAD", a.lead.String(), "ENQ", a.enquiry.String(), "PERSON", a.person.String()).Replace(path)
		text += v.get(path, "Catchment-Purpose", "contact").text
	}
	return text + v.post("/v1/leads/search?include=person", map[string]any{"text": canaryPhone}, "Catchment-Purpose", "contact").text
}

// Where the account says so, whoever has a lead only on offer learns who it is,
// and how to reach them once they have accepted; by no route before.
func TestANumberIsMaskedUntilTheOfferIsAccepted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.patient()
		boss, lead := c.user(account.Manager), c.teamLead()
		sales := c.user(account.Salesperson)
		own := c.user(c.ownRole(rights.Definition{account.ReadLeads: rights.Mine, account.OpenPersons: rights.Mine, account.AnswerOffers: rights.All}))
		sales.presence(account.Available)
		a, offer := sales.offered()
		c.indexed(a.person, canaryPhone)
		boss.post("/v1/leads/"+a.lead.String()+"/notes", map[string]any{"text": "Calls back from " + canaryPhone}).want(t, 201)
		boss.correct(a.person, map[string]any{"phone": "+442079460124"}).want(t, 200)
		boss.correct(a.person, map[string]any{"phone": canaryPhone}).want(t, 200)
		secrets := []string{canaryPhone, "442079460124", "asha@", canaryMessage, "Example Ltd"}
		shown := func(v *visitor) (all []string) {
			text := v.everything(a)
			for _, s := range secrets {
				if strings.Contains(text, s) {
					all = append(all, s)
				}
			}
			return all
		}

		if got := shown(sales); len(got) != len(secrets) {
			t.Errorf("control: without masking a lead on offer shows %q", got)
		}
		c.mask(true)
		if got := shown(sales); len(got) != 0 {
			t.Errorf("masked, and it shows %q", got)
		}
		got := sales.get("/v1/leads/"+a.lead.String()).want(t, 200)
		p := got.body["person"].(map[string]any)
		if p["name"] != canaryName || p["phone"] != maskedPhone || p["email"] != maskedEmail {
			t.Errorf("on offer: %v", p)
		}
		if m, _ := json.Marshal(p["masked"]); string(m) != `["phone","email"]` {
			t.Errorf("it says that %s are masked", m)
		}
		for who, v := range map[string]*visitor{"a manager": boss, "who leads the team": lead} {
			if got := shown(v); len(got) != len(secrets) {
				t.Errorf("%s is shown %q", who, got)
			}
		}
		if got := own.everything(a); strings.Contains(got, canaryName) {
			t.Error("somebody who is not offered it sees the name")
		}

		sales.post(offer+"/accept", nil).want(t, 200)
		if got := shown(sales); len(got) != len(secrets) {
			t.Errorf("after it was accepted: %q", got)
		}
		if p := sales.get("/v1/leads/"+a.lead.String()).want(t, 200).body["person"].(map[string]any); p["masked"] != nil || p["phone"] != canaryPhone {
			t.Errorf("after it was accepted: %v", p)
		}
	})
}

// An own role of the same reach is masked, too; and an offer that is gone shows
// nothing at all.
func TestAnOwnRoleIsMaskedToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.patient()
		c.mask(true)
		own := c.user(c.ownRole(rights.Definition{account.ReadLeads: rights.Mine, account.OpenPersons: rights.Mine, account.AnswerOffers: rights.All}))
		c.write(func(tx *store.Tx) error {
			c.ok(c.router.SetShifts(tx, own.id, routing.AlwaysOn(), "test", time.Now()))
			return c.router.SetMember(tx, c.pool, own.id, true, "test", time.Now())
		})
		own.presence(account.Available)
		a, offer := own.offered()
		if text := own.everything(a); !strings.Contains(text, canaryName) || !strings.Contains(text, maskedPhone) || strings.Contains(text, canaryPhone) {
			t.Errorf("on offer: %s", text)
		}
		own.post(offer+"/decline", nil).want(t, 200)
		if text := own.everything(a); strings.Contains(text, canaryName) || strings.Contains(text, "••") {
			t.Errorf("declined: %s", text)
		}
	})
}
