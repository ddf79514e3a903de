package routing_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
)

// chosen are the candidates who were given each lead, by the decisions alone.
func chosen(ds []routing.Decision) [][]int {
	out := make([][]int, len(ds))
	for i, d := range ds {
		if d.Chosen != routing.Nobody {
			out[i] = append([]int{d.Chosen}, d.Also...)
		}
	}
	return out
}

// checkPromises looks at who was given the leads of a round, lead by lead, by
// other means than Decide.
func checkPromises(t fataler, tally *propertytest.Tally, in routing.Round, given [][]int) {
	people, p := slices.Clone(in.Candidates), in.Plan.Policy
	type class struct {
		rule     int
		language string
	}
	waits := map[class]bool{} // an older lead of the kind that nobody had before got nobody
	for i, l := range in.Leads {
		if i > 0 && in.Leads[i-1].WaitingAt > l.WaitingAt {
			t.Errorf("%s: an older lead comes after a younger one", propertytest.Oldest)
		}
		owner := slices.IndexFunc(people, func(c routing.Candidate) bool { return c.User == l.Sticky })
		sticks := p.Rules[l.Rule].Sticky && owner >= 0 && naiveFree(in, people[owner], l)
		if sticks {
			if tally.Add("sticky owners free", 1); !slices.Equal(given[i], []int{owner}) {
				t.Errorf("%s: the owner is free, given was %v", propertytest.Sticky, given[i])
			}
		} else {
			checkChain(t, tally, in, people, l, given[i])
		}
		kind := class{rule: l.Rule}
		if l.Attributes != nil {
			kind.language = l.Attributes.Language
		}
		if len(l.Tried) == 0 && !sticks {
			if len(given[i]) > 0 && waits[kind] {
				t.Errorf("%s: a younger lead of the same rule was given, an older one was not", propertytest.Oldest)
			}
			waits[kind] = waits[kind] || len(given[i]) == 0
		}
		for _, k := range given[i] {
			c := &people[k]
			if c.OpenOffers++; c.OpenOffers > in.Pool.OffersAtOnce || p.CapacityOpen > 0 && c.OpenLeads+c.OpenOffers > p.CapacityOpen ||
				p.CapacityDay > 0 && c.TakenToday+c.OpenOffers > p.CapacityDay {
				t.Errorf("%s: %d open leads, %d offers, %d today", propertytest.Capacity, c.OpenLeads, c.OpenOffers, c.TakenToday)
			}
			tally.Add("offers", 1)
		}
	}
}

// checkChain: the lead goes to somebody of the first rule of its chain that
// has anybody who can take it; to nobody only when none has.
func checkChain(t fataler, tally *propertytest.Tally, in routing.Round, people []routing.Candidate, l routing.Waiting, given []int) {
	rules := in.Plan.Policy.Rules
	for at, steps := l.Rule, 0; ; steps++ {
		alone := in // the rule by itself, on people that it may change
		plan := *in.Plan
		plan.Policy.Rules = []routing.Rule{rules[at]}
		plan.Policy.Rules[0].Sticky, plan.Policy.Rules[0].Fallback, plan.Policy.Rules[0].Method = false, "", routing.FirstToClaim
		alone.Plan = &plan
		only := l
		only.Rule = 0
		if able := naiveOne(alone, slices.Clone(people), only); len(able) > 0 {
			if len(given) == 0 || slices.ContainsFunc(given, func(k int) bool { return !slices.Contains(able, k) }) {
				t.Errorf("%s: rule %d has %v who can, given was %v", propertytest.Fallback, at, able, given)
			}
			if steps > 0 {
				tally.Add("given by a fallback", 1)
			}
			return
		}
		to := slices.IndexFunc(rules, func(r routing.Rule) bool { return r.Name == rules[at].Fallback })
		if rules[at].Fallback == "" || steps > len(rules) {
			if len(given) > 0 || steps > len(rules) {
				t.Errorf("%s: nobody of the chain can, given was %v after %d steps", propertytest.Fallback, given, steps)
			}
			tally.Add("chains with nobody", 1)
			return
		}
		at = to
	}
}

// breach is a Decide that breaks one promise.
type breach struct {
	name, property string
	decide         func(routing.Round) routing.Outcome
}

// byPolicy leaves rounds without a plan alone: what is broken is a policy.
func byPolicy(f func(*routing.Policy)) func(routing.Round) routing.Outcome {
	return func(in routing.Round) routing.Outcome {
		if in.Plan != nil {
			in = changed(in, f)
		}
		return routing.Decide(in)
	}
}

func breaches() []breach {
	return []breach{
		{"limits of capacity are ignored", propertytest.Capacity, byPolicy(func(p *routing.Policy) { p.CapacityOpen, p.CapacityDay = 0, 0 })},
		{"sticky owners are ignored", propertytest.Sticky, byPolicy(func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Sticky = false }) })},
		{"fallbacks are ignored", propertytest.Fallback, byPolicy(func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Fallback = "" }) })},
		{"the newest lead goes first", propertytest.Oldest, newestFirst},
		{"some leads are passed over for good", propertytest.Starving, passesOver},
	}
}

func newestFirst(in routing.Round) routing.Outcome {
	in.Leads = slices.Clone(in.Leads)
	slices.Reverse(in.Leads)
	out := routing.Decide(in)
	slices.Reverse(out.Decisions)
	return out
}

// passesOver leaves out every lead whose number ends so.
func passesOver(in routing.Round) routing.Outcome {
	out := routing.Decide(in)
	for i, l := range in.Leads {
		if id := l.Lead.UUID(); id[15]%3 > 0 || out.Decisions[i].Chosen == routing.Nobody {
			continue
		}
		rest := in
		rest.Leads = slices.Delete(slices.Clone(in.Leads), i, i+1)
		without := passesOver(rest)
		reasons := bytes.Repeat([]byte{byte(routing.LaterInTurn)}, len(in.Candidates))
		without.Decisions = slices.Insert(without.Decisions, i, routing.Decision{Chosen: routing.Nobody, Reasons: reasons})
		return without
	}
	return out
}

// Ten thousand random policies and rosters keep each promise; breaches of them
// are noticed whenever they change anything (of the order: in some round).
func TestPropertyPromises(t *testing.T) {
	cases := 10_000
	if testing.Short() {
		cases = 1000
	}
	properties := []string{propertytest.Capacity, propertytest.Sticky, propertytest.Fallback, propertytest.Oldest}
	tally, watch := propertytest.NewTally(), &propertytest.Watch{T: t}
	type control struct {
		*propertytest.Tally
		breach
		noticed, harmed int
	}
	var controls []*control
	for _, b := range breaches() {
		if slices.Contains(properties, b.property) {
			controls = append(controls, &control{Tally: propertytest.NewTally(), breach: b})
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range cases {
		in := drawPolicyRound(r)
		out := routing.Decide(in)
		checkPromises(watch, tally, in, chosen(out.Decisions))
		tally.Case()
		for _, c := range controls {
			bad := c.decide(in)
			if !differs(bad, out) {
				continue
			}
			c.Case()
			seen := &propertytest.Watch{}
			checkPromises(seen, nil, in, chosen(bad.Decisions))
			switch {
			case c.property == propertytest.Oldest: // often only others take the leads
				c.harmed = 1
				if seen.Violated(c.property) {
					c.noticed = 1
				}
			case !touched(in, out, bad, c.property):
			default:
				c.harmed++
				if seen.Violated(c.property) {
					c.noticed++
				}
			}
		}
	}
	for _, p := range properties {
		tally.Report(t, p, "pure", !watch.Violated(p), "offers", "sticky owners free", "given by a fallback", "chains with nobody")
	}
	for _, c := range controls {
		c.Control(t, c.property, "pure", c.name, c.noticed, c.harmed)
	}
}

// touched reports whether the first lead that another got, or nobody, is one
// that the promise is about: without stickiness an owner may get the lead all
// the same, and only the balance, so that a later lead goes elsewhere.
func touched(in routing.Round, good, bad routing.Outcome, property string) bool {
	a, b := chosen(good.Decisions), chosen(bad.Decisions)
	for i := range a {
		if slices.Equal(a[i], b[i]) {
			continue
		}
		return property != propertytest.Sticky || len(a[i]) == 1 && in.Candidates[a[i][0]].User == in.Leads[i].Sticky
	}
	return false
}

// storyPolicy is a policy by chance for the people of a world.
func storyPolicy(r *rand.Rand, users []account.UserID) routing.Policy {
	methods := []routing.Method{routing.RoundRobin, routing.Weighted, routing.LeastOpen, routing.FirstToClaim}
	some := func() (out []routing.Share) {
		for _, u := range users {
			if r.IntN(2) == 0 {
				out = append(out, routing.Share{User: u, Weight: 1 + r.Int64N(5)})
			}
		}
		return out
	}
	return routing.Policy{CapacityOpen: r.Int64N(2) * (2 + r.Int64N(3)), CapacityDay: r.Int64N(2) * (3 + r.Int64N(4)), Rules: []routing.Rule{
		{Name: "First", When: "hour < 24", Method: methods[r.IntN(4)], Members: some(), Sticky: r.IntN(4) > 0, Fallback: []string{"", "Second", "Last"}[r.IntN(3)]},
		{Name: "Second", When: "value > 1.0", Method: methods[r.IntN(4)], Members: some(), Fallback: "Last"},
		{Name: "Last", Method: methods[r.IntN(4)]}}}
}

// promises is a story of a policy: leads come, people come and go, answer or
// not; at the end everybody stays until every lead has an owner.
func (w *world) promises(r *rand.Rand) {
	w.Helper()
	for range 14 {
		if r.IntN(3) > 0 {
			w.arrive(1 + r.IntN(4))
		}
		w.presence(w.users[r.IntN(len(w.users))], []account.Presence{account.Available, account.Away, account.Available}[r.IntN(3)])
		w.settle()
		if r.IntN(2) == 0 {
			w.takeAll()
			w.settle()
		}
		if r.IntN(2) == 0 {
			w.closeOne(r)
			w.settle()
		}
		w.pass(time.Duration(5+r.IntN(40)) * time.Second)
		w.settle()
	}
	for day := 0; day < 40 && w.unowned() > 0; day++ {
		w.pass(24 * time.Hour)
		for _, u := range w.users {
			w.presence(u, account.Away)
			w.presence(u, account.Available)
		}
		w.settle()
		for round := 0; round < 10 && w.takeAll() > 0; round++ {
			w.settle()
		}
		for range w.users {
			w.closeOne(r)
		}
		w.settle()
	}
	if n := w.unowned(); n > 0 {
		w.Errorf("%s: after 40 days with everybody there, %d leads have no owner", propertytest.Starving, n)
	}
}

func (w *world) unowned() (n int) {
	w.Helper()
	for _, l := range w.leads() {
		if l.Owner.IsZero() {
			n++
		}
	}
	return n
}

// takeAll has everybody accept what they are offered.
func (w *world) takeAll() (n int) {
	w.Helper()
	for _, u := range w.users {
		for _, o := range w.offersOf(u) {
			if w.accept(o.ID, u) == nil { // else another was first
				n++
			}
		}
	}
	return n
}

// closeOne closes an owned lead; its person then asks again, half the time.
func (w *world) closeOne(r *rand.Rand) {
	w.Helper()
	var owned []lead.ID
	for _, l := range w.leads() {
		if l.State == lead.Owned && l.ClosedAt.IsZero() {
			owned = append(owned, l.Lead)
		}
	}
	if len(owned) == 0 {
		return
	}
	id := owned[r.IntN(len(owned))]
	if r.IntN(2) == 0 && len(w.leads()) < 60 {
		w.again(id)
		return
	}
	w.write(func(tx *store.Tx) error {
		if err := tx.Must(closeLead, id, store.Micro(w.now())); err != nil {
			return err
		}
		return w.list.Add(tx, routing.KindWithdraw, id.String(), w.now())
	})
}

// checkSaved holds every saved round with a policy against the promises, as it
// is read back, and everybody's open leads and offers against the capacity.
func (w *world) checkSaved(p routing.Policy) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		for _, id := range w.rounds() {
			saved, err := offers.GetRound(tx, id)
			if err != nil {
				return err
			}
			in, err := routing.Unpack(saved.Input)
			if err != nil || in.Plan == nil {
				return err
			}
			ds, err := offers.DecisionsIn(tx, id)
			if err != nil {
				return err
			}
			given := make([][]int, len(ds))
			for i, d := range ds {
				for k, reason := range d.Reasons {
					if routing.Reason(reason) == routing.Chosen {
						given[i] = append(given[i], k)
					}
				}
			}
			checkPromises(w, w.tally, in, given)
			w.tally.Add("rounds read back", 1)
		}
		return nil
	})
	open := map[account.UserID]int64{}
	for _, l := range w.leads() {
		if l.State == lead.Owned && l.ClosedAt.IsZero() {
			open[l.Owner]++
		}
	}
	for _, n := range open {
		if p.CapacityOpen > 0 && n > p.CapacityOpen {
			w.Errorf("%s: somebody has %d open leads of %d", propertytest.Capacity, n, p.CapacityOpen)
		}
	}
}

// story runs one with a Decide, and checks what was saved.
func promiseStory(t fataler, db *store.DB, seed uint64, tally *propertytest.Tally, decide func(routing.Round) routing.Outcome) {
	r := rand.New(rand.NewPCG(seed, 11))
	w := governed(t, db, 2+r.IntN(3), routing.PoolChange{OffersAtOnce: num(1 + r.Int64N(3)), AcceptSeconds: num(30)}, routing.Policy{})
	p := storyPolicy(r, w.users)
	w.publish(w.draft(p))
	w.router.Sabotage(decide)
	w.tally = tally
	w.promises(r)
	w.checkSaved(p)
	w.leave()
}

// The same promises through the database: stories of random policies, checked
// on the saved rounds as they are read back; and routers that breach them.
func TestPropertyPolicyStories(t *testing.T) {
	n := propertytest.Checks(t, 3, 10)
	each(t, func(t *testing.T, db *store.DB) {
		engine := string(db.Engine())
		tally, watch := propertytest.NewTally(), &propertytest.Watch{T: t}
		for seed := range uint64(n) {
			promiseStory(watch, db, seed, tally, routing.Decide)
			tally.Case()
		}
		for _, b := range breaches() {
			tally.Report(t, b.property, engine, !watch.Violated(b.property), "offers", "sticky owners free", "given by a fallback", "chains with nobody", "rounds read back")
		}
		for _, b := range breaches() {
			control, noticed := propertytest.NewTally(), 0
			for seed := uint64(100); seed < 130 && noticed == 0; seed++ {
				seen := &propertytest.Watch{}
				promiseStory(seen, db, seed, nil, b.decide)
				control.Case()
				if seen.Violated(b.property) {
					noticed = 1
				}
			}
			control.Control(t, b.property, engine, b.name+" (until noticed)", noticed, 1)
		}
	})
}
