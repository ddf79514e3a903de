package routing_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
)

// emitted lists the events of these kinds.
func (w *world) emitted(kinds ...events.Kind) (out []events.Event) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(allEvents)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var text string
			if err := scan(&text); err != nil {
				return err
			}
			var evs []events.Event
			err := json.Unmarshal([]byte(text), &evs)
			out = append(out, slices.DeleteFunc(evs, func(e events.Event) bool { return !slices.Contains(kinds, e.Kind) })...)
			return err
		})
	})
	return out
}

// A chain of fallbacks ends: with nobody on it who can take the lead, it waits,
// and stands in the pool's named queue with its alarm as soon as it is overdue,
// not before. With somebody at the chain's end it goes there at once, and no
// alarm is raised.
func TestFallbackEndsInTheQueue(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for _, somebody := range []bool{false, true} {
			name := "Night desk"
			w := governed(t, db, 3, routing.PoolChange{AlarmSeconds: num(60), AcceptSeconds: num(300), QueueName: &name}, routing.Policy{})
			a, b, c := w.users[0], w.users[1], w.users[2]
			of := func(u account.UserID) []routing.Share { return []routing.Share{{User: u, Weight: 1}} }
			w.publish(w.draft(routing.Policy{Rules: []routing.Rule{
				{Name: "First", When: "value >= 0.0", Method: routing.RoundRobin, Members: of(a), Fallback: "Second"},
				{Name: "Second", When: "value > 1.0", Method: routing.Weighted, Members: of(b), Fallback: "Last"},
				{Name: "Last", Method: routing.LeastOpen, Members: of(c), Needs: []string{"vip"}}}}))
			w.presence(a, account.Away)
			w.presence(b, account.Engaged)
			if somebody {
				w.tag(c, "vip")
			}
			id := w.arrive(1)[0]
			w.settle()
			why := w.why(id)
			if by, want := w.by(id), map[bool]string{true: "Last", false: "First"}[somebody]; by != want {
				t.Errorf("the ledger names rule %q", by)
			}
			if why[a] != routing.IsAway || why[b] != routing.IsEngaged {
				t.Errorf("%s, %s", why[a], why[b])
			}
			if somebody {
				if why[c] != routing.Chosen || len(w.offersOf(c)) != 1 {
					t.Errorf("at the end of the chain: %s", why[c])
				}
			} else if why[c] != routing.LacksTag {
				t.Errorf("at the end of the chain: %s", why[c])
			}
			w.pass(59 * time.Second)
			w.settle()
			if got := w.emitted(events.LeadQueued, events.AlarmRaised); len(got) != 0 || !w.route(id).QueuedAt.IsZero() {
				t.Errorf("a second too early: %v", got)
			}
			w.pass(time.Second)
			w.settle()
			got := w.emitted(events.LeadQueued, events.AlarmRaised)
			if somebody {
				if len(got) != 0 {
					t.Errorf("somebody is offered the lead: %v", got)
				}
				continue
			}
			if len(got) != 2 || got[0].Lead != id || got[1].Data["queue"] != name || w.route(id).QueuedAt.IsZero() || w.route(id).State != lead.Waiting {
				t.Errorf("overdue: %v", got)
			}
			w.verifyAll()
		}
	})
}

// by is the rule that the ledger names in the lead's last decision.
func (w *world) by(id lead.ID) (rule string) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		ds, err := w.router.Explain(tx, id, 100)
		rule = ds[len(ds)-1].Rule
		return err
	})
	return rule
}

// Who is silent so often, one time after the other, is set away: not a time
// sooner, not when an answer lies between, and never without the rule. Who
// comes back begins anew.
func TestSilentPersonIsSetAway(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		presence := func(w *world) (p account.Presence) {
			w.read(func(tx *store.Tx) error {
				m, err := w.router.Roster(tx, w.pool, w.now())
				p = m[0].Presence
				return err
			})
			return p
		}
		misses := func(w *world) {
			w.arrive(1)
			w.settle()
			w.pass(16 * time.Second)
			w.settle()
		}
		answers := func(w *world) {
			w.arrive(1)
			w.settle()
			if err := w.decline(w.offersOf(w.users[0])[0].ID, w.users[0]); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		returns := func(w *world) { w.presence(w.users[0], account.Available); w.settle() }
		for _, c := range []struct {
			name  string
			after int64
			does  []func(*world)
			want  account.Presence
		}{
			{"one miss of two", 2, []func(*world){misses}, account.Available},
			{"two of two", 2, []func(*world){misses, misses}, account.Away},
			{"an answer between", 2, []func(*world){misses, answers, misses}, account.Available},
			{"without the rule", 0, []func(*world){misses, misses, misses}, account.Available},
			{"back, and one miss", 2, []func(*world){misses, misses, returns, misses}, account.Available},
			{"back, and two", 2, []func(*world){misses, misses, returns, misses, misses}, account.Away},
		} {
			p := one(routing.Rule{Method: routing.LeastOpen})
			p.AwayAfter = c.after
			w := governed(t, db, 1, routing.PoolChange{AcceptSeconds: num(15)}, p)
			for _, f := range c.does {
				f(w)
			}
			if got := presence(w); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
			id := w.arrive(1)[0]
			w.settle()
			if why := w.why(id)[w.users[0]]; (why == routing.IsAway) != (c.want == account.Away) {
				t.Errorf("%s: the ledger says %s", c.name, why)
			}
		}
	})
}

// First to claim asks everybody who can take the lead, and the ledger says so
// of each; a rotation asks one, and says of the others that their turn is later.
func TestReasonsOfMethods(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for method, asked := range map[routing.Method]int{routing.FirstToClaim: 2, routing.RoundRobin: 1, routing.Weighted: 1, routing.LeastOpen: 1} {
			p := one(routing.Rule{Method: method, Sticky: true})
			w := governed(t, db, 3, routing.PoolChange{}, p)
			w.presence(w.users[2], account.Away)
			id := w.arrive(1)[0]
			w.settle()
			got := map[routing.Reason]int{}
			for _, r := range w.why(id) {
				got[r]++
			}
			if got[routing.Chosen] != asked || got[routing.LaterInTurn] != 2-asked || got[routing.IsAway] != 1 {
				t.Errorf("%s: %v", method, got)
			}
		}
	})
}
