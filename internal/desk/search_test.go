package desk_test

import (
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// A number is found in whichever way it is written, as far as one reads.
func TestFindLeadsByNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c, foreign := d.company(), d.company()
		sam, kim, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		key, stranger := c.key(account.Manager), foreign.user(account.Admin)
		a, b, other := c.arrive(sam.id), c.arrive(kim.id), c.arrive(sam.id)
		const number = "+442079460700"
		c.indexed(a.person, number)
		find := func(v *visitor, text string, more ...string) []map[string]any {
			t.Helper()
			return v.post("/v1/leads/search?include=person", map[string]any{"text": text}, more...).want(t, 200).items()
		}
		for _, text := range []string{number, "020 7946 0700", "(020) 7946-0700", " +44 20 7946 0700 "} {
			if got := find(sam, text); len(got) != 1 || got[0]["id"] != a.lead.String() || got[0]["person"] == nil {
				t.Errorf("%q: %v", text, got)
			}
		}
		for _, text := range []string{"0700", "+442079460701", "Asha", "a@b", "%", "@"} {
			if got := find(boss, text); len(got) != 0 {
				t.Errorf("%q: %v", text, got)
			}
		}
		if got := find(kim, number); len(got) != 0 {
			t.Errorf("a colleague finds it: %v", got)
		}
		if got := find(stranger, number); len(got) != 0 {
			t.Errorf("another account finds it: %v", got)
		}
		if got := find(key, number); len(got) != 1 || got[0]["person"] != nil {
			t.Errorf("a key without a purpose: %v", got)
		}
		before := c.openings()
		find(boss, number)
		if c.openings() != before+1 {
			t.Errorf("%d entries on the record", c.openings()-before)
		}

		// Kim's person was corrected to the same number, and Sam's other is merged with the first.
		kim.correct(b.person, map[string]any{"phone": number}).want(t, 200)
		boss.post("/v1/persons/"+a.person.String()+"/merge", map[string]any{"other": other.person.String()}).want(t, 201)
		if got := find(boss, number); len(got) != 3 {
			t.Errorf("%v", got)
		}
		if got := find(kim, number); len(got) != 1 || got[0]["id"] != b.lead.String() {
			t.Errorf("%v", got)
		}
		seen := map[any]bool{}
		for next := ""; ; {
			page := boss.post("/v1/leads/search?limit=1"+next, map[string]any{"text": number}).want(t, 200)
			for _, l := range page.items() {
				seen[l["id"]] = true
			}
			if page.body["next_cursor"] == nil {
				break
			}
			next = "&cursor=" + page.body["next_cursor"].(string)
		}
		if len(seen) != 3 {
			t.Errorf("by pages: %v", seen)
		}
	})
}
