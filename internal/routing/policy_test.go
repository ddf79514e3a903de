package routing_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
)

// naive decides a round slowly, by other means than Decide: lists that are
// filtered and sorted, and no state but the people. It gives the users who are
// offered each lead.
func naive(in routing.Round) [][]account.UserID {
	people := slices.Clone(in.Candidates)
	turn := in.At
	for _, p := range people {
		turn = max(turn, p.LastOfferAt)
	}
	var out [][]account.UserID
	for _, l := range in.Leads {
		var got []account.UserID
		for _, i := range naiveOne(in, people, l) {
			turn++
			people[i].LastOfferAt = turn
			people[i].OffersMade++
			people[i].OpenOffers++
			got = append(got, people[i].User)
		}
		out = append(out, got)
	}
	return out
}

func naiveFree(in routing.Round, c routing.Candidate, l routing.Waiting) bool {
	free := c.Active && c.OnShift && c.Presence == account.Available && c.OpenOffers < in.Pool.OffersAtOnce
	for _, t := range l.Tried {
		if t.User == c.User && (t.State == lead.OfferDeclined || t.At >= c.Since) {
			free = false
		}
	}
	if in.Plan == nil {
		return free
	}
	p := in.Plan.Policy
	if in.Plan.Closed || p.CapacityOpen > 0 && c.OpenLeads+c.OpenOffers+1 > p.CapacityOpen || p.CapacityDay > 0 && c.TakenToday+c.OpenOffers+1 > p.CapacityDay {
		return false
	}
	if p.CoolDownSeconds > 0 && c.LastAcceptAt != 0 && in.At-c.LastAcceptAt < p.CoolDownSeconds*1_000_000 {
		return false
	}
	return free && (p.ReachableSeconds == 0 || in.At-c.SeenAt <= p.ReachableSeconds*1_000_000)
}

func naiveOne(in routing.Round, people []routing.Candidate, l routing.Waiting) []int {
	rules := []routing.Rule{{Method: routing.RoundRobin}}
	at := 0
	if in.Plan != nil {
		rules, at = in.Plan.Policy.Rules, l.Rule
	}
	if rules[at].Sticky {
		for i, c := range people {
			if c.User == l.Sticky && naiveFree(in, c, l) {
				return []int{i}
			}
		}
	}
	for {
		var able []int
		weight := map[int]int64{}
		for i, c := range people {
			w, member := int64(1), len(rules[at].Members) == 0
			for _, m := range rules[at].Members {
				if m.User == c.User {
					w, member = m.Weight, true
				}
			}
			fits := true
			for _, n := range rules[at].Needs {
				if n == "language:*" {
					if l.Attributes == nil || l.Attributes.Language == "" {
						continue
					}
					n = "language:" + l.Attributes.Language
				}
				fits = fits && slices.Contains(c.Tags, n)
			}
			if member && w > 0 && fits && naiveFree(in, c, l) {
				able, weight[i] = append(able, i), w
			}
		}
		if len(able) > 0 {
			return naivePick(rules[at].Method, people, able, weight)
		}
		later := slices.IndexFunc(rules, func(r routing.Rule) bool { return r.Name == rules[at].Fallback })
		if rules[at].Fallback == "" || later <= at {
			return nil
		}
		at = later
	}
}

func naivePick(m routing.Method, people []routing.Candidate, able []int, weight map[int]int64) []int {
	if m == routing.Weighted {
		var sum, given int64
		for _, i := range able {
			sum += weight[i]
		}
		for _, i := range able {
			people[i].Credit += 1_000_000 * weight[i] / sum
			given += 1_000_000 * weight[i] / sum
		}
		for k := range 1_000_000 - given {
			people[able[k]].Credit++ // fewer are left over than there are people
		}
	}
	sort.SliceStable(able, func(a, b int) bool {
		x, y := people[able[a]], people[able[b]]
		if m == routing.Weighted && x.Credit != y.Credit {
			return x.Credit > y.Credit
		}
		if u, v := x.OpenLeads+x.OpenOffers, y.OpenLeads+y.OpenOffers; m == routing.LeastOpen && u != v {
			return u < v
		}
		if x.LastOfferAt != y.LastOfferAt {
			return x.LastOfferAt < y.LastOfferAt
		}
		if x.OffersMade != y.OffersMade {
			return x.OffersMade < y.OffersMade
		}
		i, j := x.User.UUID(), y.User.UUID()
		return bytes.Compare(i[:], j[:]) < 0
	})
	if m == routing.Weighted {
		people[able[0]].Credit -= 1_000_000
	}
	if m == routing.FirstToClaim {
		return able
	}
	return able[:1]
}

// drawPolicyRound makes a policy, a roster and leads by chance.
func drawPolicyRound(r *rand.Rand) routing.Round {
	in := routing.Round{At: 1e12, Pool: routing.Settings{OffersAtOnce: 1 + r.Int64N(12)}}
	for range r.IntN(10) {
		c := routing.Candidate{User: account.NewUserID(), Active: r.IntN(8) > 0, OnShift: r.IntN(5) > 0, Presence: account.Available, Since: r.Int64N(1e12),
			LastOfferAt: r.Int64N(5), OffersMade: r.Int64N(5), OpenOffers: r.Int64N(3), Credit: r.Int64N(2_000_001) - 1_000_000,
			OpenLeads: r.Int64N(6), TakenToday: r.Int64N(6), LastAcceptAt: 1e12 - r.Int64N(200e6), SeenAt: 1e12 - r.Int64N(400e6)}
		if r.IntN(5) == 0 {
			c.Presence = account.Away
		}
		if r.IntN(2) == 0 {
			c.Tags = []string{"language:hi", "vip"}[:1+r.IntN(2)]
		}
		in.Candidates = append(in.Candidates, c)
	}
	p := routing.Policy{CapacityOpen: r.Int64N(2) * r.Int64N(9), CapacityDay: r.Int64N(2) * r.Int64N(9), CoolDownSeconds: r.Int64N(2) * r.Int64N(200),
		ReachableSeconds: r.Int64N(2) * (120 + r.Int64N(280))}
	n := 1 + r.IntN(4)
	for i := range n {
		rule := routing.Rule{Name: fmt.Sprint("rule ", i), Sticky: r.IntN(3) == 0,
			Method: []routing.Method{routing.RoundRobin, routing.Weighted, routing.LeastOpen, routing.FirstToClaim}[r.IntN(4)]}
		if i < n-1 {
			rule.When = "value > 1.0"
			if r.IntN(2) == 0 {
				rule.Fallback = fmt.Sprint("rule ", i+1+r.IntN(n-1-i))
			}
		}
		if r.IntN(3) == 0 {
			rule.Needs = [][]string{{"vip"}, {"language:*"}, {"language:*", "vip"}}[r.IntN(3)]
		}
		for _, c := range in.Candidates {
			if r.IntN(2) == 0 {
				rule.Members = append(rule.Members, routing.Share{User: c.User, Weight: r.Int64N(5)})
			}
		}
		if !slices.ContainsFunc(rule.Members, func(s routing.Share) bool { return s.Weight > 0 }) {
			rule.Members = nil
		}
		p.Rules = append(p.Rules, rule)
	}
	in.Plan = &routing.Plan{ID: account.NewPolicyID(), Policy: p, Closed: r.IntN(30) == 0}
	for range r.IntN(20) {
		l := routing.Waiting{Lead: lead.NewID(), WaitingAt: int64(len(in.Leads)), Rule: r.IntN(n), Attributes: &routing.Attributes{}}
		if r.IntN(2) == 0 {
			l.Attributes.Language = []string{"hi", "ta"}[r.IntN(2)]
		}
		if len(in.Candidates) > 0 {
			l.Sticky = in.Candidates[r.IntN(len(in.Candidates))].User
			for range r.IntN(3) {
				l.Tried = append(l.Tried, routing.Tried{User: in.Candidates[r.IntN(len(in.Candidates))].User, At: r.Int64N(1e12),
					State: []lead.OfferState{lead.OfferExpired, lead.OfferDeclined}[r.IntN(2)]})
			}
		}
		in.Leads = append(in.Leads, l)
	}
	return in
}

func given(in routing.Round, out routing.Outcome) [][]account.UserID {
	all := make([][]account.UserID, len(out.Decisions))
	for i, d := range out.Decisions {
		if d.Chosen == routing.Nobody {
			continue
		}
		all[i] = append(all[i], in.Candidates[d.Chosen].User)
		for _, k := range d.Also {
			all[i] = append(all[i], in.Candidates[k].User)
		}
	}
	return all
}

func sameGiven(a, b [][]account.UserID) bool {
	return slices.EqualFunc(a, b, func(x, y []account.UserID) bool {
		less := func(u, v account.UserID) int { return strings.Compare(u.String(), v.String()) }
		if len(x) > 0 && len(y) > 0 && x[0] != y[0] {
			return false
		}
		return slices.Equal(slices.SortedFunc(slices.Values(x), less), slices.SortedFunc(slices.Values(y), less))
	})
}

// checkPolicyRound says what is wrong with an outcome; "" when nothing is.
func checkPolicyRound(in routing.Round, out routing.Outcome) string {
	p := in.Plan.Policy
	for i, c := range out.Candidates {
		made := c.OffersMade - in.Candidates[i].OffersMade
		if made > 0 && (c.OpenOffers > in.Pool.OffersAtOnce || p.CapacityOpen > 0 && c.OpenLeads+c.OpenOffers > p.CapacityOpen ||
			p.CapacityDay > 0 && c.TakenToday+c.OpenOffers > p.CapacityDay) {
			return "a capacity is exceeded"
		}
	}
	if !sameGiven(given(in, out), naive(in)) {
		return fmt.Sprintf("the slow decision is another: %v, %v", given(in, out), naive(in))
	}
	for i, d := range out.Decisions {
		for k, b := range d.Reasons {
			chosen := k == d.Chosen || slices.Contains(d.Also, k)
			if (routing.Reason(b) == routing.Chosen) != chosen || routing.Reason(b).String() == "unknown" {
				return fmt.Sprintf("lead %d: a reason is %q", i, b)
			}
		}
	}
	return ""
}

// Ten thousand random policies, rosters and backlogs: capacity is never
// exceeded, the decision is that of a slow one made by other means (which
// covers sticky owners, fallbacks, tags, weights and methods), each reason is
// known, and what is saved replays to the same. The controls are wrong
// deciders that must be noticed.
func TestPropertyPolicies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	cases, decisions, several := 10_000, 0, 0
	if testing.Short() {
		cases = 1000
	}
	wrong := map[string]func(routing.Round) routing.Round{
		"capacity is ignored": func(in routing.Round) routing.Round {
			return changed(in, func(p *routing.Policy) { p.CapacityOpen, p.CapacityDay = 0, 0 })
		},
		"weights are ignored": func(in routing.Round) routing.Round {
			return changed(in, func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Members = nil }) })
		},
		"sticky owners are ignored": func(in routing.Round) routing.Round {
			return changed(in, func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Sticky = false }) })
		},
		"fallbacks are ignored": func(in routing.Round) routing.Round {
			return changed(in, func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Fallback = "" }) })
		},
		"tags are ignored": func(in routing.Round) routing.Round {
			return changed(in, func(p *routing.Policy) { eachRule(p, func(r *routing.Rule) { r.Needs = nil }) })
		},
		"the newest lead goes first": func(in routing.Round) routing.Round {
			in.Leads = slices.Clone(in.Leads)
			slices.Reverse(in.Leads)
			return in
		},
	}
	noticed := map[string]int{}
	for i := range cases {
		in := drawPolicyRound(r)
		if err := in.Plan.Policy.Check(); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		out := routing.Decide(in)
		if fault := checkPolicyRound(in, out); fault != "" {
			t.Fatalf("case %d: %s", i, fault)
		}
		packed, err := routing.Pack(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, again, err := routing.Replay(packed); err != nil || !reflect.DeepEqual(again, out) {
			t.Fatalf("case %d: replayed to another: %v", i, err)
		}
		decisions += len(out.Decisions)
		for _, d := range out.Decisions {
			several += len(d.Also)
		}
		for name, spoil := range wrong {
			if bad := routing.Decide(spoil(in)); checkPolicyRound(in, bad) != "" {
				noticed[name]++
			}
		}
	}
	for name := range wrong {
		if noticed[name] == 0 {
			t.Errorf("control: %s, and nothing was noticed", name)
		}
	}
	t.Logf("%d policies, %d decisions, %d offered to several; controls noticed: %v", cases, decisions, several, noticed)
}

func changed(in routing.Round, f func(*routing.Policy)) routing.Round {
	plan := *in.Plan
	plan.Policy.Rules = slices.Clone(plan.Policy.Rules)
	f(&plan.Policy)
	in.Plan = &plan
	return in
}

func eachRule(p *routing.Policy, f func(*routing.Rule)) {
	for i := range p.Rules {
		f(&p.Rules[i])
	}
}

// backlog drains sixty leads of two rules while everybody answers, and gives
// the property that was violated, or "".
func backlog(seed uint64, decide func(routing.Round) routing.Outcome) string {
	methods := []routing.Method{routing.RoundRobin, routing.Weighted, routing.LeastOpen, routing.FirstToClaim}
	r := rand.New(rand.NewPCG(seed, 9))
	people := make([]routing.Candidate, 1+r.IntN(5))
	for i := range people {
		people[i] = person(nil)
	}
	p := routing.Policy{Rules: []routing.Rule{
		{Name: "a", When: "value > 1.0", Members: []routing.Share{{User: people[0].User, Weight: 1}}, Method: methods[r.IntN(4)]},
		{Name: "b", Method: methods[r.IntN(4)]}}}
	var waiting []routing.Waiting
	for k := range 60 {
		waiting = append(waiting, routing.Waiting{Lead: lead.NewID(), WaitingAt: int64(k), Rule: r.IntN(2)})
	}
	last := map[int]int64{0: -1, 1: -1}
	for step := 0; len(waiting) > 0; step++ {
		if step > 200 {
			return propertytest.Starving
		}
		out := decide(routing.Round{At: int64(step) * 1000, Pool: routing.Settings{OffersAtOnce: 1}, Candidates: people, Plan: &routing.Plan{Policy: p}, Leads: waiting})
		var left []routing.Waiting
		for i, d := range out.Decisions {
			if d.Chosen == routing.Nobody {
				left = append(left, waiting[i])
				continue
			}
			if waiting[i].WaitingAt < last[waiting[i].Rule] {
				return propertytest.Oldest
			}
			last[waiting[i].Rule] = waiting[i].WaitingAt
		}
		waiting, people = left, out.Candidates
		for i := range people { // everybody answers
			people[i].OpenOffers = 0
		}
	}
	return ""
}

// A backlog with several rules drains oldest first, and nobody starves: while
// people answer, every lead is offered, and among leads of one rule none is
// overtaken by a younger one. Controls: the newest first, and one that is
// passed over until no other is left, and then still.
func TestPropertyBacklog(t *testing.T) {
	tally := propertytest.NewTally()
	for seed := range uint64(200) {
		if fault := backlog(seed, routing.Decide); fault != "" {
			t.Fatalf("seed %d: %s", seed, fault)
		}
		tally.Case()
		tally.Add("leads", 60)
	}
	tally.Report(t, propertytest.Oldest, "pure", !t.Failed())
	tally.Report(t, propertytest.Starving, "pure", !t.Failed())
	lastNever := func(in routing.Round) routing.Outcome {
		in.Leads = in.Leads[:len(in.Leads)-1]
		out := routing.Decide(in)
		out.Decisions = append(out.Decisions, routing.Decision{Chosen: routing.Nobody})
		return out
	}
	for property, decide := range map[string]func(routing.Round) routing.Outcome{propertytest.Oldest: newestFirst, propertytest.Starving: lastNever} {
		control, noticed := propertytest.NewTally(), 0
		for seed := range uint64(200) {
			control.Case()
			if backlog(seed, decide) == property {
				noticed++
			}
		}
		name := map[string]string{propertytest.Oldest: "the newest lead goes first", propertytest.Starving: "the youngest is passed over for good"}[property]
		control.Control(t, property, "pure", "backlog: "+name, noticed, 200)
	}
}

// Errors of conditions name their place; what costs too much does not hold.
func TestConditions(t *testing.T) {
	rule := func(when string) routing.Policy {
		return routing.Policy{Rules: []routing.Rule{{Name: "a", When: when, Method: routing.RoundRobin}, {Name: "b", Method: routing.RoundRobin}}}
	}
	for when, want := range map[string]string{
		"country == 'GB' && value >= 500.0 && hour < 18 && 'vip' in tags": "",
		"value >= 500":           "",
		"country = 'GB'":         "line 1, column 9",
		"true &&\n phone == '1'": "line 2, column 2", // personal data is no variable
		"value + 1.0":            "line 1, column 1",
	} {
		err := rule(when).Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(fmt.Sprintf("%+v", problemFields(err)), want)) {
			t.Errorf("%q: %v %+v", when, err, problemFields(err))
		}
	}
	loop := routing.Policy{Rules: []routing.Rule{{Name: "a", Method: routing.RoundRobin, Fallback: "a"}}}
	if loop.Check() == nil {
		t.Error("a rule falls back to itself")
	}
}

func TestWords(t *testing.T) {
	u := account.NewUserID()
	p := routing.Policy{CapacityOpen: 1, Hours: []routing.OpenHours{{Weekday: 1, Start: 540, End: 1080}}, Rules: []routing.Rule{
		{Name: "Big", When: "value > 9.0", Method: routing.Weighted, Sticky: true, Members: []routing.Share{{User: u, Weight: 3}}, Fallback: "Rest"},
		{Name: "Rest", Method: routing.RoundRobin}}}
	want := []string{
		`1. Big: when value > 9.0, the lead goes to who owned the person's last lead if they are free, else to Ravi Example (weight 3), by weight among those present; when none of them can take it, rule "Rest" is tried.`,
		`2. Rest: every other lead goes to everybody in the pool, in turn.`,
		`Leads are offered only in the routing hours, in the project's time zone: Monday 09:00 to 18:00.`,
		`Nobody has more than 1 open lead.`,
		`What nobody can take waits, oldest first, and ends in the pool's named queue with an alarm.`}
	if got := p.Words(map[account.UserID]string{u: "Ravi Example"}); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func problemFields(err error) any {
	if p, ok := problemOf(err); ok {
		return p.Errors
	}
	return nil
}
