package desk_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func ids(a answer) (out []string) {
	for _, x := range a.items() {
		out = append(out, x["id"].(string))
	}
	return out
}

func TestTheListsToWorkOff(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		a, b, k := c.arrive(sam.id), c.arrive(sam.id), c.arrive(kim.id)
		lists := func(v *visitor, query string) string {
			t.Helper()
			return strings.Join(ids(v.get("/v1/leads?"+query).want(t, 200)), " ")
		}
		want := func(v *visitor, query string, leads ...arrived) {
			t.Helper()
			var all []string
			for _, l := range leads {
				all = append(all, l.lead.String())
			}
			if got := lists(v, query); got != strings.Join(all, " ") {
				t.Errorf("%s: %s, want %v", query, got, all)
			}
		}
		for _, l := range []string{"no-next-action", "new-without-contact"} {
			want(boss, "list="+l, a, b, k)
			want(sam, "list="+l, a, b)
			want(boss, "list="+l+"&owner="+kim.id.String(), k)
			want(sam, "list="+l+"&owner="+kim.id.String())
		}
		sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer",
			"next": map[string]any{"at": time.Now().Add(-time.Minute)}}).want(t, 201)
		want(sam, "list=missed", a)
		want(sam, "list=overdue", a)
		want(boss, "list=overdue", a)
		want(sam, "list=no-next-action", b)
		want(sam, "list=new-without-contact", a, b)
		sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "whatsapp", "disposition": "sent"}).want(t, 201)
		want(sam, "list=missed", a) // a message reaches nobody yet
		want(sam, "list=overdue")   // it was the follow-up
		sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "spoke"}).want(t, 201)
		want(boss, "list=missed")
		want(sam, "list=new-without-contact", b)
		sam.post("/v1/leads/"+b.lead.String()+"/stage", map[string]any{"category": "dropped", "reason": "too-expensive"}).want(t, 200)
		want(boss, "list=new-without-contact", k)
		if got := boss.get("/v1/leads?list=missed&category=new"); got.status != 422 || !strings.Contains(got.text, "not_with_filters") {
			t.Error(got.text)
		}
		// Page by page it is the same list.
		var paged []string
		for cursor, n := "", 0; n < 5; n++ {
			page := boss.get("/v1/leads?list=no-next-action&limit=1"+cursor).want(t, 200)
			paged = append(paged, ids(page)...)
			next, _ := page.body["next_cursor"].(string)
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
		}
		if got := strings.Join(paged, " "); got != lists(boss, "list=no-next-action") {
			t.Errorf("paged: %s", got)
		}
	})
}

func TestVisitsAndBookings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		a, b := c.arrive(sam.id), c.arrive(kim.id)
		at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		plan := map[string]any{"at": at, "place": "14 Canary Road"}
		kim.post("/v1/leads/"+a.lead.String()+"/visits", plan).want(t, 404)
		made := sam.post("/v1/leads/"+a.lead.String()+"/visits", plan).want(t, 201)
		if strings.Contains(made.text, "Canary") {
			t.Error("the answer to a change has something personal in it")
		}
		l := sam.get("/v1/leads/"+a.lead.String()).want(t, 200)
		if l.body["next_what"] != "visit" || l.body["next_at"] != at.Format(time.RFC3339) {
			t.Errorf("the follow-up is %v %v", l.body["next_what"], l.body["next_at"])
		}
		before := c.openings()
		if got := sam.get("/v1/visits?state=planned").want(t, 200); len(got.items()) != 1 || got.items()[0]["place"] != "14 Canary Road" {
			t.Error(got.text)
		}
		if n := c.openings(); n != before+1 {
			t.Errorf("%d openings on the record, want one more than %d", n, before)
		}
		if got := kim.get("/v1/visits").want(t, 200); len(got.items()) != 0 {
			t.Error(got.text)
		}
		id := made.body["id"].(string)
		kim.post("/v1/visits/"+id, map[string]any{"state": "done"}).want(t, 404)
		sam.post("/v1/visits/"+id, map[string]any{"state": "no-show"}).want(t, 200)
		if got := boss.get("/v1/leads/"+a.lead.String()+"/visits").want(t, 200); got.items()[0]["state"] != "no-show" {
			t.Error(got.text)
		}

		book := func(v *visitor, at arrived, body string) answer {
			return v.post("/v1/leads/"+at.lead.String()+"/bookings", body)
		}
		for _, bad := range []string{`{"value_minor":1,"currency":"XQQ"}`, `{"value_minor":1,"currency":"gbp"}`,
			`{"value_minor":1,"currency":"GBP","unit":"the flat of Asha, please"}`, `{"value_minor":-1,"currency":"GBP"}`} {
			book(sam, a, bad).want(t, 422)
		}
		book(kim, a, `{"value_minor":1,"currency":"GBP"}`).want(t, 404)
		sale := book(sam, a, `{"value_minor":25000000,"currency":"GBP","unit":"A-1203","stage":{"category":"won"}}`).want(t, 201)
		if got := sam.get("/v1/leads/"+a.lead.String()).want(t, 200); got.body["closed_at"] == nil {
			t.Error("the booking did not close the lead")
		}
		if got := book(kim, b, `{"value_minor":1,"currency":"GBP","unit":"A-1203"}`).want(t, 409); got.code() != "unit_booked" {
			t.Error(got.text)
		}
		path := "/v1/bookings/" + sale.body["id"].(string) + "/cancel"
		sam.post(path, map[string]any{"reason": "loan refused"}).want(t, 200)
		sam.post(path, map[string]any{"reason": "loan refused"}).want(t, 409)
		book(kim, b, `{"value_minor":1,"currency":"GBP","unit":"A-1203"}`).want(t, 201)
		if got := boss.get("/v1/bookings").want(t, 200); len(got.items()) != 2 || got.items()[1]["reason"] != "loan-refused" {
			t.Error(got.text)
		}
		if got := sam.get("/v1/bookings").want(t, 200); len(got.items()) != 1 || got.items()[0]["lead_id"] != a.lead.String() {
			t.Errorf("not the bookings of one's own leads: %s", got.text)
		}
	})
}

func TestTagsAndSuppression(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, kim := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		a, b := c.arrive(sam.id), c.arrive(kim.id)
		tags := func(v *visitor, l arrived, list ...string) answer {
			return v.ask(http.MethodPut, "/v1/leads/"+l.lead.String()+"/tags", map[string]any{"tags": append([]string{}, list...)})
		}
		if got := tags(sam, a, "Two rooms", "hot", "hot").want(t, 200); fmt.Sprint(got.body["tags"]) != "[hot two-rooms]" {
			t.Error(got.text)
		}
		tags(kim, a, "cold").want(t, 404)
		tags(sam, a, "+442079460123").want(t, 422)
		tags(kim, b, "hot").want(t, 200)
		if got := boss.get("/v1/leads?tag=hot").want(t, 200); len(got.items()) != 2 {
			t.Error(got.text)
		}
		if got := sam.get("/v1/leads?tag=hot").want(t, 200); len(got.items()) != 1 || got.items()[0]["id"] != a.lead.String() {
			t.Error(got.text)
		}
		tags(sam, a).want(t, 200)
		if got := boss.get("/v1/leads?tag=hot").want(t, 200); len(got.items()) != 1 {
			t.Error(got.text)
		}

		person := "/v1/persons/" + a.person.String()
		mark := map[string]any{"reason": "Asked not to", "evidence": "Take me off your canary list"}
		kim.post(person+"/suppress", mark).want(t, 404)
		if got := sam.post(person+"/suppress", mark).want(t, 201); strings.Contains(got.text, "canary") {
			t.Error("the answer to a change has the evidence in it")
		}
		sam.post(person+"/suppress", mark).want(t, 409)
		l := sam.get("/v1/leads/"+a.lead.String()).want(t, 200)
		p := l.body["person"].(map[string]any)
		if l.body["contactable"] != false || l.body["not_contactable_because"] != "asked-not-to" || p["contactable"] != false {
			t.Error(l.text)
		}
		if got := kim.get("/v1/leads/"+b.lead.String()).want(t, 200); got.body["contactable"] != true {
			t.Error(got.text)
		}
		card := sam.get(person).want(t, 200)
		if s := card.body["suppressions"].([]any); len(s) != 1 || s[0].(map[string]any)["evidence"] != "Take me off your canary list" {
			t.Error(card.text)
		}
		// Who is the same human must not be contacted either.
		merged := boss.post("/v1/persons/"+b.person.String()+"/merge", map[string]any{"other": a.person.String()}).want(t, 201)
		if got := kim.get("/v1/leads/"+b.lead.String()).want(t, 200); got.body["contactable"] != false {
			t.Error(got.text)
		}
		boss.post("/v1/merges/"+merged.body["id"].(string)+"/undo", nil).want(t, 200)
		if got := kim.get("/v1/leads/"+b.lead.String()).want(t, 200); got.body["contactable"] != true {
			t.Error(got.text)
		}
		sam.post(person+"/unsuppress", map[string]any{"reason": "asked-to-call"}).want(t, 403)
		boss.post(person+"/unsuppress", map[string]any{"reason": "asked-to-call"}).want(t, 200)
		if got := sam.get("/v1/leads/"+a.lead.String()).want(t, 200); got.body["contactable"] != true {
			t.Error(got.text)
		}
	})
}
