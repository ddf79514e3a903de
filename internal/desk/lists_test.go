package desk_test

import (
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

// again has the lead's person enquire once more.
func (c *company) again(a arrived) arrived {
	c.Helper()
	c.write(func(tx *store.Tx) error {
		n, err := leads.ReEnquire(tx, []*leads.ReEnquiry{{Lead: a.lead, Count: 1, At: store.Clock(time.Now())}})
		if err == nil && n != 1 {
			c.Error("the lead is not there")
		}
		return err
	})
	return a
}

// back has the person of a closed lead come back: a new lead, of nobody.
func (c *company) back(a arrived) arrived {
	c.Helper()
	now := store.Clock(time.Now())
	l := leads.Lead{ID: lead.NewID(), Person: a.person, Project: c.project, Source: c.source, Stage: c.stages["new"], Category: lead.New,
		RouteState: lead.Waiting, WaitingAt: now, Enquiries: 1, CreatedAt: now, EnquiredAt: now, Previous: a.lead}
	c.write(func(tx *store.Tx) error { _, err := leads.AddLeads(tx, []*leads.Lead{&l}); return err })
	return arrived{l.ID, a.enquiry, a.person}
}

// Each list has a lead of every kind that it is for, and none of the kinds
// that come close to it.
func TestEachListHasWhatItIsFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		own := func() arrived { return c.arrive(sam.id) }
		nobodys := func() arrived { return c.arrive(account.UserID{}) }
		tries := func(a arrived, dispositions ...string) arrived {
			for _, d := range dispositions {
				channel := "call"
				if d == "sent" {
					channel = "sms"
				}
				sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": channel, "disposition": d}).want(t, 201)
			}
			return a
		}
		begins := func(a arrived) arrived {
			sam.post("/v1/leads/"+a.lead.String()+"/attempts/begin", map[string]any{"channel": "call"}).want(t, 201)
			return a
		}
		moves := func(a arrived, stage map[string]any) arrived {
			boss.post("/v1/leads/"+a.lead.String()+"/stage", stage).want(t, 200)
			return a
		}
		plans := func(a arrived, in time.Duration) arrived {
			sam.post("/v1/leads/"+a.lead.String()+"/next-action", map[string]any{"at": time.Now().Add(in), "what": "call"}).want(t, 200)
			return a
		}
		dropped, onward := map[string]any{"category": "dropped", "reason": "too-expensive"}, map[string]any{"category": "follow-up"}
		late, early, gone := plans(own(), -time.Minute), plans(own(), 48*time.Hour), moves(plans(own(), -time.Minute), dropped)
		missed, reached, written := tries(own(), "no-answer"), tries(own(), "busy", "spoke"), tries(own(), "sent")
		wrong, missedAgain := tries(own(), "wrong-number"), tries(own(), "spoke", "unreachable", "sent")
		onceMore, onceMoreNobodys, returned := c.again(tries(own(), "no-answer")), c.again(nobodys()), c.back(gone)
		answered, answering, overAgain := tries(c.again(own()), "sent"), begins(c.again(tries(own(), "sent"))), moves(c.again(own()), dropped)
		waiting, fresh, grown := nobodys(), own(), moves(own(), onward)

		yes := map[string][]arrived{
			"overdue":             {late},
			"no-next-action":      {missed, reached, written, wrong, missedAgain, onceMore, answered, answering, fresh, grown},
			"missed":              {missed, missedAgain, onceMore},
			"re-engaged":          {onceMore, onceMoreNobodys, returned},
			"new-without-contact": {late, early, missed, written, wrong, onceMore, answered, answering, fresh},
		}
		all := []arrived{late, early, gone, missed, reached, written, wrong, missedAgain, onceMore, onceMoreNobodys, returned, answered, answering,
			overAgain, waiting, fresh, grown}
		for list, want := range yes {
			got, mine := ids(boss.get("/v1/leads?limit=100&list="+list).want(t, 200)), ids(sam.get("/v1/leads?limit=100&list="+list).want(t, 200))
			for i, a := range all {
				id := a.lead.String()
				should := slices.Contains(want, a)
				if slices.Contains(got, id) != should {
					t.Errorf("%s: lead %d is in it: %v, want %v", list, i, !should, should)
				}
				if should = should && a != onceMoreNobodys && a != returned; slices.Contains(mine, id) != should {
					t.Errorf("%s of Sam: lead %d is in it: %v, want %v", list, i, !should, should)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s has %d leads, want %d", list, len(got), len(want))
			}
		}
	})
}
