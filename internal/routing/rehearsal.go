package routing

import (
	"cmp"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store/offers"
)

// rehearsal is a back-test on its way.
type rehearsal struct {
	id     account.PolicyID
	pool   account.PoolID
	policy *compiled
	zone   *time.Location
	sticky bool // a rule asks who owned the person's last lead
	asks   bool // a rule asks for a lead's attributes

	rounds []Round // of the page at hand, with what they did not save
	facts  map[lead.ID]offers.LeadFacts
	owners map[lead.ID]account.UserID

	carried map[account.UserID]Candidate // as the policy would have left them
	left    line                         // who was offered and would still wait
	shares  map[account.UserID]*TestShare
	fates   map[lead.ID]fate
	out     Backtest
}

// fate is what came of a lead, in reality and by the policy. Times are
// microseconds from waiting to the first offer; none: not offered yet.
type fate struct {
	offered [2]int64
	shut    [2]bool // waited after hours
	matched bool    // is counted with its rule
	ahead   bool    // the policy would have offered it earlier than it was
	unknown bool
}

const (
	was, would = 0, 1
	none       = -1
)

func (t *rehearsal) start(pool account.PoolID, c *compiled, zone *time.Location) {
	t.pool, t.policy, t.zone = pool, c, zone
	t.sticky = slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Sticky })
	t.asks = slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.When != "" || len(r.Needs) > 0 })
	t.carried, t.shares, t.fates = map[account.UserID]Candidate{}, map[account.UserID]*TestShare{}, map[lead.ID]fate{}
	t.left.in = map[lead.ID]bool{}
	for _, r := range c.Rules {
		if !c.plain() {
			t.out.Rules = append(t.out.Rules, TestRule{Name: r.Name})
		}
	}
}

// round decides one saved round both ways and compares.
func (t *rehearsal) round(in Round) {
	did := Decide(in)
	other, place := t.again(in)
	now := Decide(other)
	for _, c := range now.Candidates {
		t.carried[c.User] = c
	}
	given := make([]Decision, len(in.Leads)) // by the policy; Nobody also of what it gave before
	for i := range given {
		given[i].Chosen = Nobody
	}
	var on, fresh []Waiting // who waits on, and who begins to
	for k, d := range now.Decisions {
		t.gave(would, other, k, d)
		if place[k] >= 0 {
			given[place[k]] = d
		}
		switch {
		case d.Chosen != Nobody:
		case place[k] == none:
			on = append(on, other.Leads[k])
		case did.Decisions[place[k]].Chosen != Nobody:
			fresh = append(fresh, other.Leads[k])
		}
	}
	t.left.keep(on)
	for _, l := range fresh {
		t.left.add(l)
	}
	t.out.Rounds++
	for i, d := range did.Decisions {
		t.gave(was, in, i, d)
		t.compare(in, i, d, given[i])
	}
}

// gave counts a decision of one side.
func (t *rehearsal) gave(side int, in Round, i int, d Decision) {
	l := in.Leads[i]
	f := t.fate(l.Lead)
	if in.Plan != nil && in.Plan.Closed {
		f.shut[side] = true
	}
	if d.Chosen != Nobody && f.offered[side] == none {
		f.offered[side] = in.At - l.WaitingAt
	}
	users := d.all(in.Candidates)
	if side == would && len(t.out.Rules) > 0 {
		if !f.matched {
			f.matched = true
			t.out.Rules[l.Rule].Matched++
		}
		t.out.Rules[d.Rule].Offers += len(users)
	}
	t.fates[l.Lead] = f
	for _, u := range users {
		if side == was {
			t.share(u).Was++
		} else {
			t.share(u).Would++
		}
	}
}

func (t *rehearsal) fate(id lead.ID) fate {
	f, ok := t.fates[id]
	if !ok {
		f.offered = [2]int64{none, none}
	}
	return f
}

// compare notes whether the saved decision would have been another. From then
// on a lead that it leaves waiting, and the policy gives, is ahead.
func (t *rehearsal) compare(in Round, i int, did, now Decision) {
	t.out.Decisions++
	f := t.fates[in.Leads[i].Lead]
	f.ahead = now.Chosen != Nobody && did.Chosen == Nobody || f.ahead && did.Chosen == Nobody
	t.fates[in.Leads[i].Lead] = f
	a, b := did.all(in.Candidates), now.all(in.Candidates)
	if slices.Equal(a, b) {
		return
	}
	if t.out.Changed++; t.out.Changed > maxChanges {
		return
	}
	c := TestChange{Lead: in.Leads[i].Lead, At: time.UnixMicro(in.At).UTC(), Was: a, Would: b}
	if !t.policy.plain() && len(b) > 0 {
		c.Rule = t.policy.Rules[now.Rule].Name
	}
	t.out.Changes = append(t.out.Changes, c)
}

// all are the users who were offered the lead, in order.
func (d Decision) all(people []Candidate) []account.UserID {
	if d.Chosen == Nobody {
		return nil
	}
	out := []account.UserID{people[d.Chosen].User}
	for _, i := range d.Also {
		out = append(out, people[i].User)
	}
	return out
}

func (t *rehearsal) share(u account.UserID) *TestShare {
	s := t.shares[u]
	if s == nil {
		s = &TestShare{User: u}
		t.shares[u] = s
	}
	return s
}

// again is the round as the policy would have seen it, and for each of its
// leads the place in the saved one; none: it was offered in an earlier one.
func (t *rehearsal) again(in Round) (out Round, place []int) {
	out = in
	out.Candidates = slices.Clone(in.Candidates)
	for i := range out.Candidates {
		c := &out.Candidates[i]
		if left, ok := t.carried[c.User]; ok {
			c.Credit, c.LastOfferAt, c.OffersMade = left.Credit, left.LastOfferAt, left.OffersMade
		}
	}
	out.Plan = nil
	if !t.policy.plain() {
		open, _ := t.policy.openAt(time.UnixMicro(in.At).UTC(), t.zone)
		out.Plan = &Plan{ID: t.id, Policy: t.policy.Policy, Closed: !open}
		t.out.NotSaved = t.out.NotSaved || asksMore(t.policy.Policy, in.Plan)
	}
	out.Leads, place = t.waiting(in, newDecider(out).free())
	if out.Plan == nil {
		return out, place
	}
	local := time.UnixMicro(in.At).In(t.zone)
	for i := range out.Leads {
		l := &out.Leads[i]
		if place[i] >= 0 {
			t.complete(l, in)
		}
		l.Rule = t.policy.rule(*l.Attributes, local.Hour(), int(local.Weekday()))
	}
	return out, place
}

// complete fills in what the saved round did not say of its lead.
func (t *rehearsal) complete(l *Waiting, in Round) {
	if l.Attributes == nil {
		l.Attributes = &Attributes{}
		if f, ok := t.facts[l.Lead]; ok {
			*l.Attributes = attributesOf(f)
		} else if t.asks {
			f := t.fate(l.Lead)
			f.unknown = true
			t.fates[l.Lead] = f
		}
	}
	if !in.savedOwners() {
		l.Sticky = t.owners[l.Lead]
	}
}

// waiting lists the leads that the policy would have found: those of the round
// but what it has given before, and of those that still wait about as many as
// can be offered.
func (t *rehearsal) waiting(in Round, free int64) (leads []Waiting, place []int) {
	for _, l := range in.Leads {
		t.left.remove(l.Lead) // it came back by itself
	}
	var older []Waiting
	if free > 0 {
		older = t.left.look(int(min(free+roundSpare, testWindow)))
	}
	for i, l := range in.Leads {
		for len(older) > 0 && older[0].WaitingAt <= l.WaitingAt {
			leads, place, older = append(leads, older[0]), append(place, none), older[1:]
		}
		if !t.fates[l.Lead].ahead {
			leads, place = append(leads, l), append(place, i)
		}
	}
	for _, l := range older {
		leads, place = append(leads, l), append(place, none)
	}
	return leads, place
}

// line is who waits, oldest first. Who looks at a part of it goes on where the
// last look ended, so that leads which nobody can take do not hide the others.
type line struct {
	all      []Waiting
	in       map[lead.ID]bool
	from, to int // the part that is looked at
}

// look gives the next part, of n at most.
func (q *line) look(n int) []Waiting {
	q.to = min(q.from+n, len(q.all))
	return q.all[q.from:q.to]
}

// keep leaves of the part that was looked at only these, and goes on behind it,
// or at the front when that was the end.
func (q *line) keep(on []Waiting) {
	end := q.to == len(q.all)
	if len(on) < q.to-q.from {
		stays := map[lead.ID]bool{}
		for _, l := range on {
			stays[l.Lead] = true
		}
		for _, l := range q.all[q.from:q.to] {
			if !stays[l.Lead] {
				delete(q.in, l.Lead)
			}
		}
		q.all = slices.Replace(q.all, q.from, q.to, on...)
	}
	if q.from += len(on); end {
		q.from = 0
	}
	q.to = q.from
}

func (q *line) add(l Waiting) {
	at, _ := slices.BinarySearchFunc(q.all, l.WaitingAt+1, func(x Waiting, at int64) int { return cmp.Compare(x.WaitingAt, at) })
	q.all = slices.Insert(q.all, at, l)
	if q.in[l.Lead] = true; at < q.from {
		q.from, q.to = q.from+1, q.to+1
	}
}

func (q *line) remove(id lead.ID) {
	if !q.in[id] {
		return
	}
	delete(q.in, id)
	at := slices.IndexFunc(q.all, func(l Waiting) bool { return l.Lead == id })
	q.all = slices.Delete(q.all, at, at+1)
	if at < q.from {
		q.from, q.to = q.from-1, q.to-1
	}
}

// asksMore reports whether a policy asks what a round of that plan did not save.
func asksMore(p Policy, saved *Plan) bool {
	var old Policy
	if saved != nil {
		old = saved.Policy
	}
	least := func(p Policy) bool {
		return p.CapacityOpen > 0 || slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Method == LeastOpen })
	}
	return least(p) && !least(old) || p.CapacityDay > 0 && old.CapacityDay == 0 || p.CoolDownSeconds > 0 && old.CoolDownSeconds == 0 ||
		p.ReachableSeconds > 0 && old.ReachableSeconds == 0
}

func (t *rehearsal) result() Backtest {
	out := t.out
	for _, s := range t.shares {
		out.Shares = append(out.Shares, *s)
	}
	slices.SortFunc(out.Shares, func(a, b TestShare) int {
		x, y := a.User.UUID(), b.User.UUID()
		return slices.Compare(x[:], y[:])
	})
	for _, f := range t.fates {
		if f.unknown {
			out.Unknown++
		}
	}
	out.Was, out.Would = t.side(was), t.side(would)
	return out
}

func (t *rehearsal) side(i int) (s TestSide) {
	var all, over []int64
	for _, f := range t.fates {
		if f.shut[i] {
			s.AfterHours++
		}
		if f.offered[i] == none {
			s.Starved++
			continue
		}
		all = append(all, f.offered[i])
		if f.shut[i] {
			over = append(over, f.offered[i])
		}
	}
	s.Offered, s.ToOffer, s.OverHours = len(all), waitsOf(all), waitsOf(over)
	return s
}
