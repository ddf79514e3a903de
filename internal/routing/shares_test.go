package routing_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
)

// comings runs leads through a weighted rule while people come and go, and
// gives what each got and should have got: of every lead, the share of their
// weight among those present.
func comings(seed uint64, leads int, decide func(routing.Round) routing.Outcome, look func(n int, got []int, fair []float64)) {
	r := rand.New(rand.NewPCG(seed, 7))
	n := 2 + r.IntN(8)
	people, weights, members := make([]routing.Candidate, n), make([]int64, n), []routing.Share(nil)
	for i := range people {
		people[i] = person(nil)
		weights[i] = 1 + r.Int64N(9)
		members = append(members, routing.Share{User: people[i].User, Weight: weights[i]})
	}
	plan := &routing.Plan{Policy: routing.Policy{Rules: []routing.Rule{{Name: "all", Method: routing.Weighted, Members: members}}}}
	got, fair := make([]int, n), make([]float64, n)
	for k := range leads {
		if k%20 == 0 { // somebody comes or goes
			i := r.IntN(n)
			people[i].OnShift = !people[i].OnShift
		}
		var sum int64
		for i, p := range people {
			if p.OnShift {
				sum += weights[i]
			}
		}
		out := decide(routing.Round{At: int64(k) * 1000, Pool: routing.Settings{OffersAtOnce: 1}, Candidates: people, Plan: plan, Leads: []routing.Waiting{{Lead: lead.NewID()}}})
		if who := out.Decisions[0].Chosen; who != routing.Nobody {
			got[who]++
			out.Candidates[who].OpenOffers = 0
		}
		for i, p := range people {
			if p.OnShift {
				fair[i] += float64(weights[i]) / float64(sum)
			}
		}
		people = out.Candidates
		look(k+1, got, fair)
	}
}

// Shares converge to the weights within 2 % of the leads with people coming
// and going, from the two hundredth lead on and at every lead after it; and
// absence is neutral: nobody is ever more than a few leads ahead or behind,
// however long they were away. Control: plain rotation does not.
func TestPropertyShares(t *testing.T) {
	worst := func(decide func(routing.Round) routing.Outcome) (share, ahead float64) {
		for seed := range uint64(40) {
			comings(seed, 2000, decide, func(n int, got []int, fair []float64) {
				for i := range got {
					off := max(float64(got[i])-fair[i], fair[i]-float64(got[i]))
					ahead = max(ahead, off)
					if n >= 200 {
						share = max(share, off/float64(n))
					}
				}
			})
		}
		return share, ahead
	}
	share, ahead := worst(routing.Decide)
	if share > 0.02 || ahead > 5 {
		t.Errorf("shares are off by up to %.2f %%, somebody by %.1f leads", share*100, ahead)
	}
	bad, _ := worst(func(in routing.Round) routing.Outcome {
		return routing.Decide(changed(in, func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Method = routing.RoundRobin }) }))
	})
	if bad <= 0.02 {
		t.Error("control: rotation instead of weights, and nothing was noticed")
	}
	tally := propertytest.NewTally()
	for range 40 {
		tally.Case()
	}
	tally.Add("leads", 80_000)
	tally.Report(t, propertytest.Shares, "pure", share <= 0.02)
	tally.Report(t, propertytest.Neutral, "pure", ahead <= 5)
	t.Logf("40 rosters of 2,000 leads: shares off by at most %.2f %%, anybody by at most %.2f leads; control off by %.1f %%", share*100, ahead, bad*100)
}

// sharing runs waves of leads through a weighted rule of the database while
// people come and go: the farthest that anybody's share was from the weights,
// from the two hundredth lead on, and by how many leads anybody was off.
func sharing(t fataler, db *store.DB, waves int, decide func(routing.Round) routing.Outcome) (share, ahead float64) {
	const size = 10
	w := governed(t, db, 5, routing.PoolChange{OffersAtOnce: num(100_000), AcceptSeconds: num(3600)}, routing.Policy{})
	r, weights, got, fair := rand.New(rand.NewPCG(5, 6)), map[account.UserID]int64{}, map[account.UserID]int{}, map[account.UserID]float64{}
	var members []routing.Share
	here := map[account.UserID]bool{}
	for i, u := range w.users {
		weights[u], here[u] = int64(1+2*i), true
		members = append(members, routing.Share{User: u, Weight: weights[u]})
	}
	w.publish(w.draft(one(routing.Rule{Method: routing.Weighted, Members: members})))
	w.router.Sabotage(decide)
	for k := range waves {
		if u := w.users[1+r.IntN(4)]; k%4 == 0 {
			here[u] = !here[u]
			w.presence(u, map[bool]account.Presence{true: account.Available, false: account.Away}[here[u]])
		}
		var sum int64
		for u, on := range here {
			if on {
				sum += weights[u]
			}
		}
		for _, id := range w.arrive(size) {
			w.settle()
			for _, o := range w.offersTo(id) {
				got[o]++
			}
		}
		for u, on := range here {
			if on {
				fair[u] += float64(size*weights[u]) / float64(sum)
			}
			off := max(float64(got[u])-fair[u], fair[u]-float64(got[u]))
			if ahead = max(ahead, off); k*size >= 200 {
				share = max(share, off/float64((k+1)*size))
			}
		}
		w.pass(time.Second)
	}
	w.leave()
	return share, ahead
}

// offersTo are the users who are offered the lead.
func (w *world) offersTo(id lead.ID) (out []account.UserID) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		all, err := w.router.OffersOf(tx, id)
		for _, o := range all {
			out = append(out, o.User)
		}
		return err
	})
	return out
}

// paysAbsence gives the absent their share as well.
func paysAbsence(in routing.Round) routing.Outcome {
	out := routing.Decide(in)
	for i, c := range in.Candidates {
		if c.Presence != account.Available {
			out.Candidates[i].Credit += 200_000 * int64(len(in.Leads))
		}
	}
	return out
}

// By the database, too, shares are within 2 % of the weights and nobody gets
// more than five leads ahead or behind, with people coming and going. Plain
// rotation is noticed, and so is a balance that grows while its owner is away.
func TestPropertySharesKept(t *testing.T) {
	waves := 20 + propertytest.Checks(t, 20, 20)
	each(t, func(t *testing.T, db *store.DB) {
		engine := string(db.Engine())
		tally := propertytest.NewTally()
		share, ahead := sharing(t, db, waves, routing.Decide)
		tally.Case()
		tally.Add("leads", 10*waves)
		tally.Add("ppm off the weights at most", int(share*1e6))
		tally.Add("thousandths of a lead off at most", int(ahead*1e3))
		if share > 0.02 || ahead > 5 {
			t.Errorf("shares are off by up to %.2f %%, somebody by %.1f leads", share*100, ahead)
		}
		tally.Report(t, propertytest.Shares, engine, share <= 0.02, "leads", "ppm off the weights at most")
		tally.Report(t, propertytest.Neutral, engine, ahead <= 5, "leads", "thousandths of a lead off at most")
		bad := func(property, name string, decide func(routing.Round) routing.Outcome, unseen func(share, ahead float64) bool) {
			control, noticed := propertytest.NewTally(), 1
			control.Case()
			if unseen(sharing(t, db, waves, decide)) {
				noticed = 0
			}
			control.Control(t, property, engine, name, noticed, 1)
		}
		bad(propertytest.Shares, "rotation instead of weights", byPolicy(func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Method = routing.RoundRobin }) }),
			func(share, _ float64) bool { return share <= 0.02 })
		bad(propertytest.Neutral, "who is away is paid", paysAbsence, func(_, ahead float64) bool { return ahead <= 5 })
	})
}
