package desk_test

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

func TestTheCourseOfALead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sales, boss := c.user(account.Salesperson), c.user(account.Manager)
		a := c.arrive(account.UserID{})
		sales.presence(account.Available)
		var offer map[string]any
		within(t, 5*time.Second, "an offer", func() bool {
			for _, o := range sales.get("/v1/offers").want(t, 200).items() {
				offer = o
			}
			return offer != nil
		})
		if offer["lead_id"] != a.lead.String() || offer["user_id"] != sales.id.String() {
			t.Fatalf("%v", offer)
		}
		path := "/v1/offers/" + offer["id"].(string)
		if got := boss.get("/v1/offers?all=true").want(t, 200).items(); len(got) != 1 || got[0]["id"] != offer["id"] {
			t.Errorf("all open offers: %v", got)
		}
		sales.get("/v1/offers?all=true").want(t, 403)
		boss.post(path+"/accept", nil).want(t, 404)
		if got := sales.post(path+"/ack", nil).want(t, 200); got.body["state"] != "acked" {
			t.Errorf("%s", got.text)
		}
		if got := sales.post(path+"/seen", nil).want(t, 200); got.body["state"] != "seen" {
			t.Errorf("%s", got.text)
		}
		if got := sales.get("/v1/leads/"+a.lead.String()).want(t, 200); !strings.Contains(got.text, canaryName) || got.body["state"] != "offered" {
			t.Errorf("on open offer, so readable: %s", got.text)
		}
		first := sales.post(path+"/accept", nil, "Idempotency-Key", "k1").want(t, 200)
		if again := sales.post(path+"/accept", nil, "Idempotency-Key", "k1").want(t, 200); again.text != first.text {
			t.Errorf("a repeat answers\n%s, first\n%s", again.text, first.text)
		}
		sales.post(path+"/accept", nil).want(t, 200)
		if got := sales.post(path+"/decline", nil).want(t, 409); got.code() != "offer_accepted" {
			t.Errorf("%s", got.text)
		}
		made := sales.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "spoke", "talk_ms": 1000,
			"note": canaryMessage, "next": map[string]any{"at": time.Now().Add(time.Hour)}, "stage": map[string]any{"stage": "contacted"}},
			"Idempotency-Key", "k2").want(t, 201)
		if strings.Contains(made.text, "Canary") || strings.Contains(made.text, canaryMessage) {
			t.Errorf("an answer that is kept holds a person: %s", made.text)
		}
		if again := sales.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "sms", "disposition": "sent"}, "Idempotency-Key", "k2"); again.status != 409 {
			t.Errorf("another body under the key: %d", again.status)
		}
		if got := sales.get("/v1/leads/"+a.lead.String()+"/attempts").want(t, 200).items(); len(got) != 1 || got[0]["reached"] != true {
			t.Errorf("%v", got)
		}
		if got := sales.get("/v1/leads/"+a.lead.String()+"/notes").want(t, 200).items(); len(got) != 1 || got[0]["text"] != canaryMessage {
			t.Errorf("%v", got)
		}
		sales.post("/v1/leads/"+a.lead.String()+"/notes", map[string]any{"text": "second"}).want(t, 201)
		sales.post("/v1/leads/"+a.lead.String()+"/next-action", map[string]any{"at": nil}).want(t, 200)
		if got := sales.post("/v1/leads/"+a.lead.String()+"/stage", map[string]any{"category": "dropped"}).want(t, 422); got.code() != "invalid reason required" {
			t.Errorf("%s", got.text)
		}
		closed := sales.post("/v1/leads/"+a.lead.String()+"/stage", map[string]any{"category": "won"}).want(t, 200)
		if closed.body["closed_at"] == nil || closed.body["clocks"].(map[string]any)["speed_to_lead_ms"] == nil {
			t.Errorf("%s", closed.text)
		}
		h := boss.get("/v1/leads/"+a.lead.String()+"/history").want(t, 200)
		if len(h.body["stages"].([]any)) != 2 || len(h.body["owners"].([]any)) != 1 {
			t.Errorf("%s", h.text)
		}
		dec := boss.get("/v1/leads/"+a.lead.String()+"/decisions").want(t, 200).items()
		if len(dec) == 0 || dec[0]["user_id"] != sales.id.String() || dec[0]["candidates"].([]any)[0].(map[string]any)["reason"] != "chosen" {
			t.Errorf("%v", dec)
		}
		if got := boss.get("/v1/leads/"+a.lead.String()+"/offers").want(t, 200).items(); len(got) != 1 || got[0]["state"] != "accepted" {
			t.Errorf("%v", got)
		}
	})
}

func TestSalespeopleSeeTheirOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c, other := d.company(), d.company()
		sam, kim, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		stranger := other.user(account.Admin)
		mine, theirs := c.arrive(sam.id), c.arrive(kim.id)
		if got := sam.get("/v1/leads?include=person").want(t, 200); len(got.items()) != 1 || got.items()[0]["id"] != mine.lead.String() {
			t.Errorf("%s", got.text)
		}
		for _, q := range []string{"?owner=" + kim.id.String(), "?person=" + theirs.person.String()} {
			if got := sam.get("/v1/leads"+q).want(t, 200).items(); len(got) != 0 {
				t.Errorf("%s: %v", q, got)
			}
		}
		if got := boss.get("/v1/leads").want(t, 200).items(); len(got) != 2 {
			t.Errorf("the manager sees %d leads", len(got))
		}
		if got := boss.get("/v1/leads?owner="+kim.id.String()).want(t, 200).items(); len(got) != 1 || got[0]["id"] != theirs.lead.String() {
			t.Errorf("%v", got)
		}
		if got := kim.get("/v1/leads?owner=me").want(t, 200).items(); len(got) != 1 {
			t.Errorf("%v", got)
		}
		if got := c.key(account.Manager).get("/v1/leads?owner=me").want(t, 422); got.code() != "invalid owner not_a_user" {
			t.Errorf("a key that asks for its own leads gets %s", got.text)
		}
		if got := stranger.get("/v1/leads").want(t, 200).items(); len(got) != 0 {
			t.Errorf("another account sees %v", got)
		}
		if got := sam.get("/v1/enquiries").want(t, 200); len(got.items()) != 1 || got.items()[0]["id"] != mine.enquiry.String() {
			t.Errorf("not the enquiries of one's own leads: %s", got.text)
		}
		sam.get("/v1/persons/"+mine.person.String()).want(t, 200)
		sam.get("/v1/enquiries/"+mine.enquiry.String()).want(t, 200)
		if got := sam.get("/v1/enquiries/"+theirs.enquiry.String()).want(t, 404); got.code() != "enquiry_not_yet_known" {
			t.Errorf("%s", got.text)
		}
		sam.post("/v1/leads/"+mine.lead.String()+"/transfer", map[string]any{"to": kim.id.String()}).want(t, 403)
	})
}

// Every route answers for another's id as for one that never was, to the byte
// but for the request's own id.
func TestWhatIsNotYoursIsNotThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c, other := d.company(), d.company()
		boss, sam := c.user(account.Admin), c.user(account.Salesperson)
		kim := c.user(account.Salesperson)
		foreign, colleague := other.arrive(other.user(account.Salesperson).id), c.arrive(kim.id)
		never := arrived{lead.NewID(), lead.NewEnquiryID(), lead.NewPersonID()}
		attempt := map[string]any{"channel": "call", "disposition": "spoke"}
		for _, r := range []struct {
			method, path string
			body         any
			sales        bool // for a colleague's lead, too
		}{
			{"GET", "/v1/leads/LEAD", nil, true},
			{"GET", "/v1/leads/LEAD/enquiries", nil, true},
			{"GET", "/v1/leads/LEAD/offers", nil, true},
			{"GET", "/v1/leads/LEAD/attempts", nil, true},
			{"GET", "/v1/leads/LEAD/notes", nil, true},
			{"GET", "/v1/leads/LEAD/decisions", nil, true},
			{"GET", "/v1/leads/LEAD/next-offer", nil, true},
			{"GET", "/v1/leads/LEAD/history", nil, true},
			{"GET", "/v1/enquiries/ENQUIRY", nil, true},
			{"GET", "/v1/persons/PERSON", nil, true},
			{"POST", "/v1/leads/LEAD/attempts", attempt, true},
			{"POST", "/v1/leads/LEAD/notes", map[string]any{"text": "a"}, true},
			{"POST", "/v1/leads/LEAD/stage", map[string]any{"category": "won"}, true},
			{"POST", "/v1/leads/LEAD/next-action", map[string]any{"at": nil}, true},
			{"POST", "/v1/leads/LEAD/claim", nil, false},
			{"POST", "/v1/leads/LEAD/transfer", map[string]any{"to": kim.id.String()}, false},
			{"POST", "/v1/persons/PERSON/merge", map[string]any{"other": colleague.person.String()}, false},
			{"GET", "/v1/offers/" + lead.NewOfferID().String(), nil, false},
			{"POST", "/v1/merges/" + lead.NewMergeID().String() + "/undo", nil, false},
		} {
			ask := func(v *visitor, a arrived) answer {
				p := strings.NewReplacer("LEAD", a.lead.String(), "ENQUIRY", a.enquiry.String(), "PERSON", a.person.String()).Replace(r.path)
				return v.ask(r.method, p, r.body)
			}
			same := func(what string, got, want answer) {
				if got.status != 404 || anonymous(got) != anonymous(want) {
					t.Errorf("%s %s, %s: %d %s\nwant %s", r.method, r.path, what, got.status, got.text, want.text)
				}
			}
			want := ask(boss, never)
			same("never was", want, want)
			same("another account's", ask(boss, foreign), want)
			garbage := boss.ask(r.method, strings.NewReplacer("LEAD", "x", "ENQUIRY", "%00", "PERSON", "prsn_").Replace(r.path), r.body)
			same("garbage", garbage, want)
			if r.sales {
				same("a colleague's", ask(sam, colleague), ask(sam, never))
			}
		}
	})
}

// anonymous is an answer without what differs in each request.
func anonymous(a answer) string {
	id, _ := a.body["request_id"].(string)
	return strings.ReplaceAll(a.text, id, "") + a.head.Get("Retry-After") + a.head.Get("Content-Type")
}

func TestPersonsLeaveOnTheRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, boss, key := c.user(account.Salesperson), c.user(account.Manager), c.key(account.Admin)
		var ids []arrived
		for range 5 {
			ids = append(ids, c.arrive(sam.id))
		}
		one := "/v1/leads/" + ids[0].lead.String()
		for _, r := range []struct {
			who     *visitor
			path    string
			purpose string
			entries int
			shows   string // "" nothing personal
		}{
			{boss, "/v1/leads", "", 0, ""},
			{boss, "/v1/leads?include=person", "", 1, canaryPhone},
			{sam, "/v1/leads?include=person", "", 1, canaryName},
			{sam, one, "", 1, canaryName},
			{key, one, "", 0, ""},
			{key, "/v1/leads?include=person", "", 0, ""},
			{key, one, "invoice check", 1, canaryPhone},
			{boss, "/v1/enquiries", "", 0, ""},
			{boss, "/v1/enquiries?include=person,message", "", 1, canaryMessage},
			{boss, "/v1/enquiries/" + ids[1].enquiry.String() + "?include=message", "", 1, "Example Ltd"},
			{key, "/v1/enquiries/" + ids[1].enquiry.String() + "?include=message,person", "", 0, ""},
			{boss, one + "/enquiries?include=message", "", 1, canaryMessage},
			{boss, "/v1/persons/" + ids[0].person.String(), "", 1, canaryName},
			{key, "/v1/persons/" + ids[0].person.String(), "", 0, ""},
			{boss, one + "/notes", "", 0, ""},
		} {
			before := c.openings()
			got := r.who.get(r.path, "Catchment-Purpose", r.purpose).want(t, 200)
			if n := c.openings() - before; n != r.entries {
				t.Errorf("%s: %d entries on the record, want %d", r.path, n, r.entries)
			}
			personal := strings.Contains(got.text, "Canary") || strings.Contains(stamps.ReplaceAllString(got.text, ""), "7946") || strings.Contains(got.text, canaryMessage) || strings.Contains(got.text, "Example Ltd")
			if personal != (r.shows != "") || !strings.Contains(got.text, r.shows) {
				t.Errorf("%s for %q: %s", r.path, r.purpose, got.text)
			}
		}
		key.get(one, "Catchment-Purpose", "a<b").want(t, 422)
	})
}

func TestPagesGoOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		var all []string
		var last arrived
		for range 7 {
			a := c.arrive(sam.id)
			last = a
			all = append([]string{a.lead.String()}, all...)
		}
		walk := func(path, key string) (got []string) {
			for cursor := ""; ; {
				page := boss.get(path+"limit=3"+cursor).want(t, 200)
				for _, i := range page.items() {
					got = append(got, i[key].(string))
				}
				next, ok := page.body["next_cursor"].(string)
				if !ok {
					return got
				}
				cursor = "&cursor=" + next
			}
		}
		if got := walk("/v1/leads?", "id"); strings.Join(got, " ") != strings.Join(all, " ") {
			t.Errorf("got %v\nwant %v", got, all)
		}
		if got := walk("/v1/enquiries?", "lead_id"); strings.Join(got, " ") != strings.Join(all, " ") {
			t.Errorf("got %v\nwant %v", got, all)
		}
		lead := "/v1/leads/" + all[0]
		newest := c.enquireAgain(last, 5)
		if got := walk(lead+"/enquiries?", "id"); len(got) != 6 || strings.Join(got[:5], " ") != strings.Join(newest, " ") {
			t.Errorf("enquiries %v\nwant first %v", got, newest)
		}
		for range 5 {
			sam.post(lead+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer"}).want(t, 201)
			sam.post(lead+"/notes", map[string]any{"text": "note"}).want(t, 201)
		}
		for _, sub := range []string{"/attempts?", "/notes?"} {
			got := walk(lead+sub, "id")
			seen := map[string]bool{}
			for _, id := range got {
				seen[id] = true
			}
			if len(got) != 5 || len(seen) != 5 {
				t.Errorf("%s: %v", sub, got)
			}
		}
	})
}

// enquireAgain gives the lead n more enquiries, and their ids, newest first.
func (c *company) enquireAgain(a arrived, n int) (ids []string) {
	c.Helper()
	var more []*leads.Enquiry
	for k := range n {
		e := leads.Enquiry{ID: lead.NewEnquiryID(), Lead: a.lead, Person: a.person, Project: c.project, Source: c.source, State: lead.Attached, ReEnquiry: true,
			Attribution: "{}", Custom: "{}", ReceivedAt: store.Clock(time.Now()).Add(time.Duration(1+k/2) * time.Minute), CreatedAt: store.Clock(time.Now())}
		more = append(more, &e)
	}
	slices.SortFunc(more, func(x, y *leads.Enquiry) int {
		return cmp.Or(y.ReceivedAt.Compare(x.ReceivedAt), bytes.Compare(y.ID.Bytes(), x.ID.Bytes()))
	})
	for _, e := range more {
		ids = append(ids, e.ID.String())
	}
	c.write(func(tx *store.Tx) error { _, err := leads.AddEnquiries(tx, more); return err })
	return ids
}

func TestMovingALead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		key := c.key(account.Admin)
		a := c.arrive(account.UserID{})
		path := "/v1/leads/" + a.lead.String()
		key.post(path+"/claim", nil).want(t, 403)
		if got := sam.post(path+"/claim", nil).want(t, 200); got.body["owner_id"] != sam.id.String() || got.body["state"] != "owned" {
			t.Fatalf("%s", got.text)
		}
		if got := kim.post(path+"/claim", nil).want(t, 409); got.code() != "lead_taken" {
			t.Errorf("%s", got.text)
		}
		if got := boss.post(path+"/transfer", map[string]any{"to": lead.NewID().String()}).want(t, 422); got.code() != "invalid to unknown_user" {
			t.Errorf("%s", got.text)
		}
		if got := boss.post(path+"/transfer", map[string]any{"to": account.NewUserID().String()}).want(t, 422); got.code() != "invalid to unknown_user" {
			t.Errorf("%s", got.text)
		}
		if got := key.post(path+"/transfer", map[string]any{"to": kim.id.String(), "reason": "Speaks Tamil"}).want(t, 200); got.body["owner_id"] != kim.id.String() {
			t.Errorf("%s", got.text)
		}
		sam.get(path).want(t, 404)
		kim.get(path).want(t, 200)
		boss.post(path+"/transfer", map[string]any{"to": sam.id.String(), "reason": "+44 20 7946 0123"}).want(t, 422)
	})
}

func TestMergeAndUndo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		a, b := c.arrive(sam.id), c.arrive(sam.id)
		sam.post("/v1/persons/"+a.person.String()+"/merge", map[string]any{"other": b.person.String()}).want(t, 403)
		if got := boss.post("/v1/persons/"+a.person.String()+"/merge", map[string]any{"other": a.person.String()}).want(t, 422); got.code() != "invalid other same_person" {
			t.Errorf("%s", got.text)
		}
		m := boss.post("/v1/persons/"+a.person.String()+"/merge", map[string]any{"other": b.person.String()}).want(t, 201)
		if got := boss.get("/v1/persons/"+b.person.String()).want(t, 200); got.body["merged_into"] != a.person.String() {
			t.Errorf("%s", got.text)
		}
		boss.post("/v1/merges/"+m.body["id"].(string)+"/undo", nil).want(t, 200)
		if got := boss.get("/v1/persons/"+b.person.String()).want(t, 200); got.body["merged_into"] != nil {
			t.Errorf("%s", got.text)
		}
		boss.post("/v1/merges/"+m.body["id"].(string)+"/undo", nil).want(t, 409)
	})
}

func TestDeclineAndTheNextPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		people := []*visitor{c.user(account.Salesperson), c.user(account.Salesperson)}
		for _, p := range people {
			p.ask("PUT", "/v1/me/presence", map[string]any{"state": "available"}).want(t, 200)
		}
		a := c.arrive(account.UserID{})
		var first, second int
		within(t, 5*time.Second, "an offer", func() bool {
			for i, p := range people {
				if len(p.get("/v1/offers").items()) == 1 {
					first, second = i, 1-i
					return true
				}
			}
			return false
		})
		path := "/v1/offers/" + people[first].get("/v1/offers").items()[0]["id"].(string)
		people[second].get(path).want(t, 404)
		people[second].post(path+"/accept", nil).want(t, 404)
		people[second].get("/v1/leads/"+a.lead.String()).want(t, 404)
		people[first].post(path+"/decline", map[string]any{"reason": "Call 020 7946 0123"}).want(t, 422)
		if got := people[first].post(path+"/decline", map[string]any{"reason": "Too far away"}).want(t, 200); got.body["state"] != "declined" || got.body["reason"] != "too-far-away" {
			t.Errorf("%s", got.text)
		}
		people[first].get("/v1/leads/"+a.lead.String()).want(t, 404) // not theirs any more
		within(t, 5*time.Second, "an offer to the next person", func() bool { return len(people[second].get("/v1/offers").items()) == 1 })
	})
}

func TestTestLeadsAreLeftOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss := c.user(account.Manager)
		real := c.arrive(account.UserID{})
		now := store.Clock(time.Now())
		test := leads.Lead{ID: lead.NewID(), Person: real.person, Project: account.NewProjectID(), Source: c.source, Test: true, Stage: c.stages["new"],
			Category: lead.New, RouteState: lead.Unrouted, Enquiries: 1, CreatedAt: now, EnquiredAt: now}
		c.write(func(tx *store.Tx) error { _, err := leads.AddLeads(tx, []*leads.Lead{&test}); return err })
		if got := boss.get("/v1/leads").want(t, 200).items(); len(got) != 1 || got[0]["id"] != real.lead.String() {
			t.Errorf("%v", got)
		}
		if got := boss.get("/v1/leads?test=true").want(t, 200).items(); len(got) != 2 {
			t.Errorf("%v", got)
		}
		if got := boss.get("/v1/leads?state=unrouted&test=true").want(t, 200).items(); len(got) != 1 || got[0]["test"] != true {
			t.Errorf("%v", got)
		}
	})
}

var forgetKey = store.Register("test.desk.forget_key", `DELETE FROM person_key WHERE account_id = $1 AND person_id = $2`)

func TestNoRecordNoOpening(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c := d.company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		a := c.arrive(sam.id)
		c.arrive(sam.id)
		sam.post("/v1/leads/"+a.lead.String()+"/notes", map[string]any{"text": canaryMessage}).want(t, 201)
		d.mute.Store(true)
		for _, path := range []string{"/v1/leads?include=person", "/v1/leads/" + a.lead.String(), "/v1/leads/" + a.lead.String() + "/notes",
			"/v1/enquiries?include=message", "/v1/persons/" + a.person.String()} {
			got := boss.get(path).want(t, 503)
			if strings.Contains(got.text, "Canary") || strings.Contains(got.text, canaryMessage) || got.head.Get("Retry-After") == "" {
				t.Errorf("%s: %s", path, got.text)
			}
		}
		boss.get("/v1/leads").want(t, 200) // what opens nothing needs no record
		d.mute.Store(false)
		// A person whose key is gone is shown as erased, and holds back nobody else.
		c.write(func(tx *store.Tx) error { return tx.Must(forgetKey, a.person) })
		for _, l := range boss.get("/v1/leads?include=person").want(t, 200).items() {
			p := l["person"].(map[string]any)
			if gone := l["id"] == a.lead.String(); p["erased"] != gone || (p["name"] == nil) != gone {
				t.Errorf("%v", p)
			}
		}
		if got := boss.get("/v1/leads/"+a.lead.String()+"/notes").want(t, 200).items(); got[0]["text"] != nil {
			t.Errorf("%v", got)
		}
		if got := boss.post("/v1/leads/"+a.lead.String()+"/notes", map[string]any{"text": "a"}).want(t, 409); got.code() != "person_erased" {
			t.Errorf("%s", got.text)
		}
	})
}

// stamps are what may hold any digits by chance: times and ids.
var stamps = regexp.MustCompile(`"[0-9-]{10}T[0-9:.]+Z"|"[a-z]+_[0-9a-z]{26}"`)
