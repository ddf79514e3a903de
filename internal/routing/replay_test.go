package routing_test

import (
	"flag"
	"reflect"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
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
		w.replays()
		w.unchanged(id, begin)
		rotation := one(routing.Rule{Method: routing.RoundRobin})
		w.recounts(rotation, w.draft(rotation), id, begin)
		w.leave()
	})
}

func (w *world) engine() string { return string(w.db.Engine()) }

// replays: every saved round gives the same again; a changed reason is noticed.
func (w *world) replays() {
	w.Helper()
	tally, t := propertytest.NewTally(), w.fataler.(*testing.T)
	w.verifyAll()
	tally.Case()
	tally.Add("decisions", *decisionsFlag)
	tally.Add("rounds", len(w.rounds()))
	tally.Report(t, propertytest.Replays, w.engine(), !t.Failed())
	control, noticed := propertytest.NewTally(), 0
	for _, id := range w.rounds()[:20] {
		control.Case()
		_, seen := w.spoiled(id, func(tx *store.Tx) (bool, error) {
			ds, err := offers.DecisionsIn(tx, id)
			if err != nil {
				return false, err
			}
			ds[0].Reasons[0] ^= 1
			return true, tx.Must(spoilReasons, ds[0].Lead, id, ds[0].N, ds[0].Reasons)
		})
		if seen {
			noticed++
		}
	}
	control.Control(t, propertytest.Replays, w.engine(), "one reason of a round is another", noticed, 20)
}

// unchanged: the published policy would have decided what was decided; with
// one weight changed it would not.
func (w *world) unchanged(id account.PolicyID, begin time.Time) {
	w.Helper()
	tally, t := propertytest.NewTally(), w.fataler.(*testing.T)
	b := w.backtest(id, begin)
	if b.Changed != 0 || b.Decisions < *decisionsFlag || b.Cut || !reflect.DeepEqual(b.Was, b.Would) {
		t.Errorf("the published policy changes %d of %d decisions", b.Changed, b.Decisions)
	}
	tally.Case()
	tally.Add("decisions", b.Decisions)
	tally.Add("rounds", b.Rounds)
	tally.Add("changed", b.Changed)
	tally.Report(t, propertytest.Unchanged, w.engine(), b.Changed == 0)
	var p routing.Policy
	w.read(func(tx *store.Tx) error {
		v, err := w.router.GetPolicy(tx, id)
		p = v.Rules
		return err
	})
	p.Rules[0].Members = slices.Clone(p.Rules[0].Members)
	p.Rules[0].Members[0].Weight++
	control, noticed := propertytest.NewTally(), 0
	if w.backtest(w.draft(p), begin).Changed > 0 {
		noticed = 1
	}
	control.Case()
	control.Control(t, propertytest.Unchanged, w.engine(), "one weight is another", noticed, 1)
}

// recounts: a changed policy gives what the slow recount gives, and not what
// the recount of another policy gives.
func (w *world) recounts(p routing.Policy, id, published account.PolicyID, begin time.Time) {
	w.Helper()
	tally, t := propertytest.NewTally(), w.fataler.(*testing.T)
	b := w.backtest(id, begin)
	changed := w.sameAsRecount(b, p)
	tally.Case()
	tally.Add("decisions", b.Decisions)
	tally.Add("changed", b.Changed)
	tally.Add("changed by the recount", changed)
	tally.Report(t, propertytest.Recounted, w.engine(), b.Changed == changed && changed > 0)
	var other routing.Policy
	w.read(func(tx *store.Tx) error {
		v, err := w.router.GetPolicy(tx, published)
		other = v.Rules
		return err
	})
	control, noticed := propertytest.NewTally(), 0
	if w.recount(other).changed != b.Changed {
		noticed = 1
	}
	control.Case()
	control.Control(t, propertytest.Recounted, w.engine(), "the recount of another policy", noticed, 1)
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
