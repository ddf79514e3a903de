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
		for n := 0; n < *decisionsFlag; n += 250 {
			u := w.users[n/250%20]
			w.presence(u, account.Away)
			w.arrive(250)
			w.settle()
			w.presence(u, account.Available)
			w.pass(time.Second)
		}
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
