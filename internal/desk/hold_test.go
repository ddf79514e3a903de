package desk_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// The course of a suppression over the API: the waiting lead leaves routing,
// says why, and is offered once the mark is ended.
func TestASuppressedLeadIsNotOffered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		a := c.arrive(account.UserID{})
		path, person := "/v1/leads/"+a.lead.String(), "/v1/persons/"+a.person.String()
		state := func(want string) func() bool {
			return func() bool { return boss.get(path).want(t, 200).body["state"] == want }
		}
		boss.post(person+"/suppress", map[string]any{"reason": "asked-not-to"}).want(t, 201)
		sam.presence(account.Available)
		within(t, 20*time.Second, "the lead leaves routing", state("unrouted"))
		got := boss.get(path+"/decisions").want(t, 200).items()[0]
		if why := got["candidates"].([]any)[0].(map[string]any); got["user_id"] != nil || why["reason"] != "suppressed" || why["words"] != "The person must not be contacted" {
			t.Errorf("%v", got)
		}
		foreseen := func() (any, any) {
			got := boss.get(path+"/next-offer").want(t, 200).body
			return got["user_id"], got["candidates"].([]any)[0].(map[string]any)["reason"]
		}
		if user, why := foreseen(); user != nil || why != "suppressed" {
			t.Errorf("foreseen: %v %v", user, why)
		}
		sam.post(path+"/claim", nil).want(t, 409)
		boss.post(person+"/unsuppress", map[string]any{"reason": "asked-to-call"}).want(t, 200)
		within(t, 20*time.Second, "it is offered", state("offered"))
		if user, why := foreseen(); user != nil || why != "already_offered" {
			t.Errorf("foreseen: %v %v", user, why)
		}

		// A manager may give it to somebody all the same; links stay off.
		b := c.arrive(account.UserID{})
		boss.post("/v1/persons/"+b.person.String()+"/suppress", map[string]any{"reason": "asked-not-to"}).want(t, 201)
		if got := boss.post("/v1/leads/"+b.lead.String()+"/transfer", map[string]any{"to": sam.id.String()}).want(t, 200); got.body["state"] != "owned" || got.body["contactable"] != false {
			t.Error(got.text)
		}
	})
}
