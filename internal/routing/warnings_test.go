package routing_test

import (
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/policies"
)

// Each thing that a manager may not have meant is said, and nothing is said of
// the same policy without it.
func TestWarnings(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 2, routing.PoolChange{}, routing.Policy{})
		early := w.hire("UTC", []offers.Shift{{Weekday: 1, Start: 300, End: 480}})
		a, b := w.users[0], w.users[1]
		w.tag(a, "language:hi")
		of := func(users ...account.UserID) (out []routing.Share) {
			for _, u := range users {
				out = append(out, routing.Share{User: u, Weight: 1})
			}
			return out
		}
		last := routing.Rule{Name: "Last", Method: routing.RoundRobin}
		rules := func(first ...routing.Rule) routing.Policy {
			for i := range first {
				first[i].Method = routing.Weighted
			}
			return routing.Policy{Rules: append(first, last)}
		}
		office := func(p routing.Policy) routing.Policy {
			p.Hours = []routing.OpenHours{{Weekday: 1, Start: 540, End: 1080}}
			return p
		}
		holidays := func(days ...string) routing.Policy {
			p := rules()
			p.Holidays = days
			return p
		}
		for _, c := range []struct {
			name       string
			bad        routing.Policy
			want       string
			good       routing.Policy
			gone, here account.UserID // out of the pool before
		}{
			{name: "behind a rule that takes all", bad: rules(routing.Rule{Name: "All"}), want: `"Last" takes no lead`,
				good: rules(routing.Rule{Name: "All", Members: of(a), Fallback: "Last"})},
			{name: "the same condition twice", bad: rules(routing.Rule{Name: "One", When: "value > 1.0"}, routing.Rule{Name: "Two", When: "value > 1.0"}),
				want: `"Two" takes no lead`, good: rules(routing.Rule{Name: "One", When: "value > 1.0"}, routing.Rule{Name: "Two", When: "value > 2.0"})},
			{name: "no such source", bad: rules(routing.Rule{Name: "One", When: "value > 1.0 && source == 'wbe'"}), want: `no source "wbe"`,
				good: rules(routing.Rule{Name: "One", When: "value > 1.0 && source == 'web'"})},
			{name: "another project", bad: rules(routing.Rule{Name: "One", When: "'q' == project"}), want: `project is "p"`,
				good: rules(routing.Rule{Name: "One", When: "project == 'p' || project == 'q'"})},
			{name: "a country in small letters", bad: rules(routing.Rule{Name: "One", When: "country == 'gb'"}), want: "two capital letters",
				good: rules(routing.Rule{Name: "One", When: "country == 'GB'"})},
			{name: "no such hour", bad: rules(routing.Rule{Name: "One", When: "hour == 24"}), want: "hour is never 24",
				good: rules(routing.Rule{Name: "One", When: "hour == 23"})},
			{name: "nobody has the skill", bad: rules(routing.Rule{Name: "One", When: "value > 1.0", Needs: []string{"language:hi"}, Members: of(b)}),
				want: "asks for language:hi", good: rules(routing.Rule{Name: "One", When: "value > 1.0", Needs: []string{"language:hi"}, Members: of(a)})},
			{name: "nobody has any of a kind", bad: rules(routing.Rule{Name: "One", When: "value > 1.0", Needs: []string{"area:*"}}),
				want: "asks for area:*", good: rules(routing.Rule{Name: "One", When: "value > 1.0", Needs: []string{"language:*"}})},
			{name: "never on shift while open", bad: office(rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(early)})),
				want: "shifts are in the routing hours", good: office(rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(early, a)}))},
			{name: "a fallback to the same people", bad: rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(a, b), Fallback: "Two"},
				routing.Rule{Name: "Two", When: "value > 2.0", Members: of(b)}), want: "where nobody else is",
				good: rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(a, b), Fallback: "Last"},
					routing.Rule{Name: "Two", When: "value > 2.0", Members: of(b)})},
			{name: "holidays that are over", bad: holidays("2026-01-01"), want: "holidays are over", good: holidays("2026-01-01", "2026-12-25")},
			{name: "a rule whose people have left", bad: rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(b)}),
				good: rules(routing.Rule{Name: "One", When: "value > 1.0", Members: of(a)}), want: "has nobody who is active", gone: b},
			{name: "an empty pool", bad: rules(), want: "Nobody in the pool is active", gone: a, here: a, good: rules()},
		} {
			if !c.gone.IsZero() {
				w.member(c.gone, false)
			}
			if c.here == c.gone && !c.gone.IsZero() { // all of them
				w.member(b, false)
				w.member(early, false)
			}
			if got := w.warnings(c.bad); len(got) != 1 || !strings.Contains(got[0].Text, c.want) || got[0].Code == "" || strings.HasPrefix(got[0].Text, "Rule ") != (got[0].Rule != "") {
				t.Errorf("%s: %+v", c.name, got)
			}
			if c.here == c.gone && !c.gone.IsZero() {
				w.member(c.here, true)
			}
			if got := w.warnings(c.good); len(got) != 0 {
				t.Errorf("%s: without it: %+v", c.name, got)
			}
		}
	})
}

func (w *world) warnings(p routing.Policy) (out []routing.Warning) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) {
		out, err = w.router.Warnings(tx, routing.Version{Policy: policies.Policy{Project: w.project}, Rules: p}, w.now())
		return err
	})
	return out
}
