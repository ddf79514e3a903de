package routing

import (
	"slices"
	"strings"

	"catchment/internal/account"
)

// wholeLead is a lead in the units of Candidate.Credit.
const wholeLead = 1_000_000

// kept says what of the policy keeps a present candidate from any lead.
func (p *Plan) kept(c Candidate, at int64) Reason {
	switch {
	case p.Closed:
		return HoursClosed
	case p.Policy.ReachableSeconds > 0 && at-c.SeenAt > p.Policy.ReachableSeconds*1e6:
		return Unreachable
	case p.Policy.CoolDownSeconds > 0 && c.LastAcceptAt > 0 && at < c.LastAcceptAt+p.Policy.CoolDownSeconds*1e6:
		return CoolingDown
	}
	return 0
}

// full says which capacity one more offer would exceed. Open offers count as
// if they were accepted, so that accepting them all exceeds nothing.
func (p *Plan) full(c Candidate) Reason {
	switch {
	case p.Policy.CapacityOpen > 0 && c.OpenLeads+c.OpenOffers >= p.Policy.CapacityOpen:
		return AtCapacity
	case p.Policy.CapacityDay > 0 && c.TakenToday+c.OpenOffers >= p.Policy.CapacityDay:
		return DayFull
	}
	return 0
}

func shares(p Policy) []map[account.UserID]int64 {
	out := make([]map[account.UserID]int64, len(p.Rules))
	for i, r := range p.Rules {
		if len(r.Members) == 0 {
			continue
		}
		out[i] = make(map[account.UserID]int64, len(r.Members))
		for _, m := range r.Members {
			out[i][m.User] = m.Weight
		}
	}
	return out
}

// free is how many more offers all candidates together may get.
func (d *decider) free() (n int64) {
	for i, c := range d.people {
		if d.fixed[i] == 0 && (d.plan == nil || d.plan.full(c) == 0) {
			n += max(d.limit-c.OpenOffers, 0)
		}
	}
	return n
}

// byPolicy tries the lead's rule, then the chain of its fallbacks.
func (d *decider) byPolicy(w Waiting, marked bool, reasons []byte) Decision {
	for i := range reasons {
		reasons[i] = byte(NotInRule)
	}
	policy := &d.plan.Policy
	if w.Rule < 0 || w.Rule >= len(policy.Rules) {
		w.Rule = len(policy.Rules) - 1 // of a round that was changed: the rule that takes every lead
	}
	if policy.Rules[w.Rule].Sticky {
		if i, ok := d.place[w.Sticky]; ok && d.reason(i, marked) == LaterInTurn {
			return d.toOwner(w, i, marked, reasons)
		}
	}
	missed, busy := false, false
	for at := w.Rule; at >= 0; at = policy.next(at) {
		d.tryRule(w, at, marked, reasons)
		if len(d.able) > 0 {
			return d.give(policy.Rules[at], at, reasons)
		}
	}
	for _, r := range reasons {
		missed = missed || Reason(r) == DeclinedBefore || Reason(r) == AlreadyOffered || Reason(r) == WasSilent
		busy = busy || Reason(r) == Busy
	}
	return Decision{Chosen: Nobody, Reasons: reasons, Rule: w.Rule, Exhausted: missed && !busy}
}

// toOwner gives the lead to who owned the person's last one: ahead of every
// method, and without touching the balance of the others.
func (d *decider) toOwner(w Waiting, owner int, marked bool, reasons []byte) Decision {
	d.tryRule(w, w.Rule, marked, reasons)
	reasons[owner] = byte(Chosen)
	d.take(owner)
	return Decision{Chosen: owner, Reasons: reasons, Rule: w.Rule}
}

// tryRule says of each candidate what the rule makes of them, and gathers the
// eligible ones. A reason of an earlier rule of the chain stands where this
// one has no place for somebody.
func (d *decider) tryRule(w Waiting, at int, marked bool, reasons []byte) {
	d.able = d.able[:0]
	rule := &d.plan.Policy.Rules[at]
	for i := range d.people {
		weight, in := int64(1), true
		if d.shares[at] != nil {
			weight, in = d.shares[at][d.people[i].User]
		}
		if !in {
			continue
		}
		r := d.reason(i, marked)
		switch {
		case r != LaterInTurn:
		case weight == 0:
			r = NoWeight
		case !rule.suits(d.people[i].Tags, w.Attributes):
			r = LacksTag
		default:
			d.able = append(d.able, i)
		}
		reasons[i] = byte(r)
	}
}

// suits reports whether the tags are those that the rule asks for.
func (r *Rule) suits(tags []string, a *Attributes) bool {
	for _, need := range r.Needs {
		if name, any := strings.CutSuffix(need, ":*"); any && a != nil {
			of := map[string]string{"language": a.Language, "area": a.Area, "country": a.Country}[name]
			if of == "" {
				continue // the lead asks for none
			}
			need = name + ":" + of
		} else if any {
			continue
		}
		if !slices.Contains(tags, need) {
			return false
		}
	}
	return true
}

// give chooses among the eligible ones by the rule's method.
func (d *decider) give(rule Rule, at int, reasons []byte) Decision {
	out := Decision{Reasons: reasons, Rule: at}
	better := d.before
	switch rule.Method {
	case LeastOpen:
		better = func(i, j int) bool {
			if a, b := d.load(i), d.load(j); a != b {
				return a < b
			}
			return d.before(i, j)
		}
	case Weighted:
		d.grant(at)
		better = func(i, j int) bool {
			if a, b := d.people[i].Credit, d.people[j].Credit; a != b {
				return a > b
			}
			return d.before(i, j)
		}
	}
	out.Chosen = d.able[0]
	for _, i := range d.able[1:] {
		if better(i, out.Chosen) {
			out.Chosen = i
		}
	}
	if rule.Method == Weighted {
		d.people[out.Chosen].Credit -= wholeLead
	}
	if rule.Method == FirstToClaim {
		out.Also = d.inTurn(out.Chosen)
	}
	for _, i := range append([]int{out.Chosen}, out.Also...) {
		reasons[i] = byte(Chosen)
		d.take(i)
	}
	return out
}

// inTurn lists the eligible ones but the first, by the rotation.
func (d *decider) inTurn(first int) []int {
	others := slices.DeleteFunc(slices.Clone(d.able), func(i int) bool { return i == first })
	slices.SortFunc(others, func(i, j int) int {
		if d.before(i, j) {
			return -1
		}
		return 1
	})
	return others
}

func (d *decider) load(i int) int64 { return d.people[i].OpenLeads + d.people[i].OpenOffers }

// grant shares one lead among the eligible ones by weight. Who is not eligible
// gets nothing and owes nothing: absence is neutral. What the division leaves
// over goes to the first ones, so that exactly one lead is shared out.
func (d *decider) grant(at int) {
	var total, given int64
	weight := func(i int) int64 {
		if d.shares[at] == nil {
			return 1
		}
		return d.shares[at][d.people[i].User]
	}
	for _, i := range d.able {
		total += weight(i)
	}
	for _, i := range d.able {
		part := wholeLead * weight(i) / total
		d.people[i].Credit += part
		given += part
	}
	for k := int64(0); given < wholeLead; k++ {
		d.people[d.able[k%int64(len(d.able))]].Credit++
		given++
	}
}
