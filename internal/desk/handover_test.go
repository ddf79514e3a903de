package desk_test

import (
	"testing"

	"catchment/internal/account"
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
