package desk_test

import (
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// An attempt from its first moment, over the API: the lead's clocks say how
// well they are known.
func TestBegunAttempts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, kim := c.user(account.Salesperson), c.user(account.Salesperson)
		crm, sellerKey := c.key(account.Manager), c.key(account.Salesperson)
		a, b := c.arrive(sam.id), c.arrive(sam.id)
		path := "/v1/leads/" + a.lead.String() + "/attempts"
		clocks := func(l arrived) (map[string]any, map[string]any) {
			got := sam.get("/v1/leads/"+l.lead.String()).want(t, 200).body["clocks"].(map[string]any)
			return got, got["evidence"].(map[string]any)
		}
		if c, how := clocks(a); c["speed_to_lead_ms"] != nil || how["speed_to_lead"] != "not_measured" || how["talk"] != "not_measured" || how["time_to_offer"] != "not_measured" {
			t.Errorf("%v", c)
		}
		kim.post(path+"/begin", map[string]any{"channel": "call"}).want(t, 404)
		sellerKey.post(path+"/begin", map[string]any{"channel": "call"}).want(t, 404)
		if got := sam.post(path+"/begin", map[string]any{"channel": "call", "evidence": "measured"}).want(t, 422); got.code() != "invalid evidence not_measured" {
			t.Error(got.code())
		}
		begun := sam.post(path+"/begin", map[string]any{"channel": "call"}).want(t, 201)
		if c, how := clocks(a); c["speed_to_lead_ms"] == nil || how["speed_to_lead"] != "seen" || how["time_to_contact"] != "not_measured" {
			t.Errorf("%v", c)
		}
		if got := sam.get(path).want(t, 200); len(got.items()) != 0 {
			t.Errorf("an attempt without a result is among the attempts: %s", got.text)
		}
		at := "/v1/attempts/" + begun.body["id"].(string)
		kim.post(at+"/end", map[string]any{}).want(t, 404)
		sam.post(at+"/end", map[string]any{}).want(t, 200)
		done := sam.post(at+"/result", map[string]any{"disposition": "spoke", "note": "Two rooms.", "stage": map[string]any{"category": "follow-up"}}).want(t, 201)
		if x := done.body["attempt"].(map[string]any); x["evidence"] != "seen" || x["wrap_up_ms"] == nil || x["talk_ms"] != nil || x["ended_at"] == nil || done.body["note_id"] == nil {
			t.Error(done.text)
		}
		sam.post(at+"/result", map[string]any{"disposition": "spoke"}).want(t, 404)
		if c, how := clocks(a); c["wrap_up_ms"] == nil || how["wrap_up"] != "seen" || how["time_to_contact"] != "seen" || c["talk_ms"] != nil {
			t.Errorf("%v", c)
		}
		if got := sam.get(path).want(t, 200); len(got.items()) != 1 || got.items()[0]["id"] != begun.body["id"] {
			t.Error(got.text)
		}

		// A provider's key; what is told afterwards is said.
		path = "/v1/leads/" + b.lead.String() + "/attempts"
		begun = crm.post(path+"/begin", map[string]any{"channel": "call", "evidence": "measured"}).want(t, 201)
		at = "/v1/attempts/" + begun.body["id"].(string)
		crm.post(at+"/end", map[string]any{"talk_ms": 0}).want(t, 200)
		sam.post(at+"/result", map[string]any{"disposition": "spoke", "talk_ms": 5}).want(t, 422)
		sam.post(at+"/result", map[string]any{"disposition": "spoke"}).want(t, 201)
		if c, how := clocks(b); c["talk_ms"] != 0.0 || how["talk"] != "measured" || how["speed_to_lead"] != "measured" {
			t.Errorf("%v", c)
		}
		sam.post(path, map[string]any{"channel": "call", "disposition": "spoke", "evidence": "seen"}).want(t, 422)
		sam.post(path, map[string]any{"channel": "call", "disposition": "spoke", "evidence": "measured"}).want(t, 422)
		crm.post(path, map[string]any{"channel": "call", "disposition": "spoke", "evidence": "measured"}).want(t, 201)
		if got := sam.post(path, map[string]any{"channel": "call", "disposition": "spoke", "talk_ms": 7}).want(t, 201); got.body["attempt"].(map[string]any)["evidence"] != "said" {
			t.Error(got.text)
		}
		if c, how := clocks(b); c["talk_ms"] != 7.0 || how["talk"] != "said" {
			t.Errorf("%v", c)
		}
	})
}
