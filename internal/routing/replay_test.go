package routing_test

import (
	"flag"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/routing"
	"catchment/internal/store"
)

var decisionsFlag = flag.Int("decisions", 3000, "saved decisions to replay and to back-test; `make policies` has 100,000")

// So many saved decisions replay to the same; the back-test of the published
// policy over them changes nothing, and of a changed one gives what the slow
// recount gives.
func TestManyDecisions(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 20, routing.PoolChange{OffersAtOnce: num(100_000), AcceptSeconds: num(3600)}, routing.Policy{})
		begin, members := w.now(), []routing.Share(nil)
		for i, u := range w.users {
			members = append(members, routing.Share{User: u, Weight: int64(1 + i%4)})
		}
		id := w.draft(one(routing.Rule{Method: routing.Weighted, Members: members}))
		w.publish(id)
		w.waves(*decisionsFlag)
		began := time.Now()
		w.verifyAll()
		replayed := time.Since(began)
		began = time.Now()
		b := w.backtest(id, begin)
		tested := time.Since(began)
		if b.Changed != 0 || b.Decisions < *decisionsFlag || b.Cut {
			t.Errorf("the published policy changes %d of %d decisions", b.Changed, b.Decisions)
		}
		other := one(routing.Rule{Method: routing.RoundRobin})
		o := w.backtest(w.draft(other), begin)
		changed := w.sameAsRecount(o, other)
		t.Logf("%d decisions in %d rounds: replayed the same in %v; back-test of the published policy changes %d, in %v; of plain rotation %d, the recount says %d",
			b.Decisions, b.Rounds, replayed.Round(time.Millisecond), b.Changed, tested.Round(time.Millisecond), o.Changed, changed)
		w.leave()
	})
}

// waves has so many leads arrive in rounds of every size, and each time
// somebody else is away.
func (w *world) waves(leads int) {
	w.Helper()
	sizes := []int{1, 2, 5, 17, 250}
	for n, k := 0, 0; n < leads; k++ {
		u, size := w.users[k%len(w.users)], min(sizes[k%len(sizes)], leads-n)
		w.presence(u, account.Away)
		w.arrive(size)
		w.settle()
		w.presence(u, account.Available)
		w.pass(time.Second)
		n += size
	}
}

var (
	addPersons = store.Register("routing_test.persons", `INSERT INTO person (account_id, person_id, test, country, created_at)
		SELECT $1, person_id, false, CASE WHEN created_at / 1000000 % 3 = 0 THEN 'GB' ELSE 'IN' END, created_at FROM lead WHERE account_id = $1`)
	addEnquiries = store.Register("routing_test.enquiries", `INSERT INTO enquiry (account_id, enquiry_id, lead_id, person_id, project_id, source_id, state, test,
		re_enquiry, conflict, flags, attribution, custom, received_at, created_at)
		SELECT $1, lead_id, lead_id, person_id, project_id, source_id, 'attached', false, false, false, '[]', '{}', '{}', created_at, created_at FROM lead
		WHERE account_id = $1`)
)

// Rounds of the plain rotation saved nothing of their leads: the back-test of
// a policy with conditions reads it from the enquiries, quickly.
func TestBacktestOfWhatWasNotSaved(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 20, routing.PoolChange{OffersAtOnce: num(100_000), AcceptSeconds: num(3600)}, routing.Policy{})
		begin := w.now()
		w.waves(*decisionsFlag)
		rules := []routing.Rule{{Name: "Home", When: "country == 'GB'", Method: routing.RoundRobin, Members: []routing.Share{{User: w.users[0], Weight: 1}}},
			{Name: "Rest", Method: routing.RoundRobin, Members: []routing.Share{{User: w.users[1], Weight: 1}, {User: w.users[2], Weight: 1}}}}
		id := w.draft(routing.Policy{Rules: rules})
		if b := w.backtest(id, begin); b.Unknown != *decisionsFlag {
			t.Errorf("control: no enquiry is there, and of %d leads %d are unknown", *decisionsFlag, b.Unknown)
		}
		home := 0
		w.write(func(tx *store.Tx) error {
			if _, err := tx.Exec(addPersons); err != nil {
				return err
			}
			_, err := tx.Exec(addEnquiries)
			return err
		})
		for _, l := range w.leads() {
			if l.CreatedAt.Unix()%3 == 0 {
				home++
			}
		}
		began := time.Now()
		b := w.backtest(id, begin)
		took := time.Since(began)
		got := 0
		for _, s := range b.Shares {
			if s.User == w.users[0] {
				got = s.Would
			}
		}
		if len(b.Rules) != 2 || b.Rules[0].Matched != home || b.Rules[0].Offers != got || b.Rules[1].Matched != *decisionsFlag-home {
			t.Errorf("by rules: %+v, of the first are %d", b.Rules, home)
		}
		if b.Unknown != 0 || b.Changed == 0 || got == 0 || got != home-b.Would.Starved || b.Would.Starved > 250 {
			t.Errorf("%d leads of the first rule, of %d; %d unknown, %d starve", got, home, b.Unknown, b.Would.Starved)
		}
		t.Logf("%d decisions in %d rounds whose leads' attributes were not saved: back-test in %v", b.Decisions, b.Rounds, took.Round(time.Millisecond))
		w.leave()
	})
}
