package desk_test

import (
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

// The first list is the most pressing that has a lead of whoever asks, said by
// its name, and with persons it is one opening.
func TestTheFirstListHasALead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam, mia := c.user(account.Manager), c.user(account.Salesperson), c.user(account.Salesperson)
		plan := func(who *visitor, a arrived, in time.Duration) {
			who.post("/v1/leads/"+a.lead.String()+"/next-action", map[string]any{"at": time.Now().Add(in), "what": "call"}).want(t, 200)
		}
		const path = "/v1/leads?include=person&list=first"
		first := func(path, list string, want ...arrived) {
			t.Helper()
			before := c.openings()
			got := sam.get(path).want(t, 200)
			var named []string
			for _, a := range want {
				named = append(named, a.lead.String())
			}
			if said, _ := got.reply.Body["list"].(string); said != list || !slices.Equal(ids(got), named) {
				t.Errorf("the first list is %q with %v, want %q with %v", said, ids(got), list, named)
			}
			if n := c.openings() - before; n != min(1, len(want)) {
				t.Errorf("%q is %d openings", list, n)
			}
		}
		hers := c.arrive(mia.id)
		plan(mia, hers, -time.Minute) // is nobody else's
		first(path, "")
		idle := c.arrive(sam.id)
		boss.post("/v1/leads/"+idle.lead.String()+"/stage", map[string]any{"category": "follow-up"}).want(t, 200)
		first(path, "no-next-action", idle)
		fresh, older := c.arrive(sam.id), c.arrive(sam.id)
		first(path, "new-without-contact", fresh, older)
		plan(sam, older, -time.Minute)
		first(path, "overdue", older)
		if got := boss.get("/v1/leads?list=first&owner="+mia.id.String()).want(t, 200); !slices.Equal(ids(got), []string{hers.lead.String()}) {
			t.Errorf("a manager finds %v first of Mia's", ids(got))
		}

		plan(sam, fresh, -time.Minute)
		page := sam.get("/v1/leads?list=first&limit=1").want(t, 200)
		next, _ := page.reply.Body["next_cursor"].(string)
		if got := sam.get("/v1/leads?list=first&cursor=" + next); got.status != 422 || !strings.Contains(got.text, "not_with_first") {
			t.Errorf("a second page of the first list: %d %s", got.status, got.text)
		}
		if got := sam.get("/v1/leads?list=overdue&cursor="+next).want(t, 200); !slices.Equal(ids(got), []string{fresh.lead.String()}) {
			t.Errorf("the second page of the list that it is: %v", ids(got))
		}
	})
}
