package routing

import (
	"context"
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
)

// Backtest is what a policy would have decided in the rounds that were saved.
// Each round is decided again with what it saw: who was present and free, and
// which leads waited. Credit and places in the rotation are carried from round
// to round; open offers and presence are as they really were, because nobody
// knows who would have answered. Nothing personal is read.
type Backtest struct {
	From, Until time.Time
	Rounds      int
	Decisions   int
	Changed     int         // decisions that would have been another
	Shares      []TestShare // by user id
	Was, Would  TestSide
	Unknown     int  // leads whose attributes are not known any more
	NotSaved    bool // the policy asks what older rounds did not save: capacity, cool-down or reachability
	Cut         bool // there are more rounds than were read
}

// TestShare is how many offers one person got and would have got.
type TestShare struct {
	User       account.UserID
	Was, Would int
}

// TestSide is one side of the comparison.
type TestSide struct {
	Offered     int             // leads that somebody was offered
	Starved     int             // leads that nobody was offered
	AfterHours  int             // leads that waited because the routing hours were closed
	TimeToOffer []time.Duration // of each lead that was offered, sorted: from waiting to its first offer
}

// Percentile gives the time within which this part of the offered leads had
// their first offer (nearest rank); 0 when there are none.
func (s TestSide) Percentile(p float64) time.Duration {
	if len(s.TimeToOffer) == 0 {
		return 0
	}
	i := int(p*float64(len(s.TimeToOffer))+0.999999) - 1
	return s.TimeToOffer[min(max(i, 0), len(s.TimeToOffer)-1)]
}

const (
	maxTestRounds = 100_000
	testPage      = 200
)

// Backtest decides the rounds of the last days again by a policy, drafted or
// published. It reads them in pages, each in a transaction of its own, so a
// long one keeps nobody waiting. 404: no such policy.
func (r *Router) Backtest(ctx context.Context, scope account.Scope, id account.PolicyID, from, until time.Time) (Backtest, error) {
	t := &rehearsal{id: id, from: from, until: until}
	err := r.db.Read(ctx, scope, func(tx *store.Tx) error { return r.prepare(tx, t) })
	if err != nil {
		return Backtest{}, err
	}
	at, last, read := from, lead.RoundID{}, 0
	for {
		var page []offers.Round
		err := r.db.Read(ctx, scope, func(tx *store.Tx) (err error) {
			if page, err = offers.RoundsAfter(tx, t.pool, at, last, until, testPage); err != nil {
				return err
			}
			return r.rehearse(tx, t, page)
		})
		if err != nil {
			return Backtest{}, err
		}
		if read += len(page); len(page) < testPage {
			return t.result(), nil
		}
		if read >= maxTestRounds {
			out := t.result()
			out.Cut = true
			return out, nil
		}
		at, last = page[len(page)-1].At, page[len(page)-1].ID
	}
}

func (r *Router) prepare(tx *store.Tx, t *rehearsal) error {
	v, err := r.GetPolicy(tx, t.id)
	if err != nil {
		return err
	}
	pool, err := offers.PoolOf(tx, v.Project)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	project, err := setup.GetProject(tx, v.Project)
	if err != nil {
		return err
	}
	c, err := compilePolicy(v.Rules)
	if err != nil {
		return err
	}
	t.start(pool.ID, c, r.zone(project.TimeZone))
	return nil
}

// rehearse reads what the page's rounds did not save of their leads, and
// decides them again.
func (r *Router) rehearse(tx *store.Tx, t *rehearsal, page []offers.Round) error {
	rounds := make([]Round, len(page))
	var missing []lead.ID
	for i, saved := range page {
		in, err := Unpack(saved.Input)
		if err != nil {
			return err
		}
		rounds[i] = in
		for _, l := range in.Leads {
			if l.Attributes == nil || t.sticky && !in.savedOwners() {
				missing = append(missing, l.Lead)
			}
		}
	}
	if !t.policy.plain() && len(missing) > 0 {
		facts, err := offers.FactsOf(tx, missing)
		if err != nil {
			return err
		}
		t.facts = facts
		if t.sticky {
			if t.owners, err = offers.OwnersBefore(tx, missing); err != nil {
				return err
			}
		}
	}
	for _, in := range rounds {
		t.round(in)
	}
	return nil
}

// savedOwners reports whether the round's leads carry who owned the person's
// last lead: they do when a rule asked for it.
func (in Round) savedOwners() bool {
	return in.Plan != nil && slices.ContainsFunc(in.Plan.Policy.Rules, func(r Rule) bool { return r.Sticky })
}

// rehearsal is a back-test on its way.
type rehearsal struct {
	id          account.PolicyID
	from, until time.Time
	pool        account.PoolID
	policy      *compiled
	zone        *time.Location
	sticky      bool // a rule asks who owned the person's last lead
	facts       map[lead.ID]offers.LeadFacts
	owners      map[lead.ID]account.UserID

	carried    map[account.UserID]Candidate // as the policy would have left them
	shares     map[account.UserID]*TestShare
	out        Backtest
	was, would map[lead.ID]int64 // time to the first offer in microseconds; -1: none yet
	shut       [2]map[lead.ID]bool
	unknown    map[lead.ID]bool
}

func (t *rehearsal) start(pool account.PoolID, c *compiled, zone *time.Location) {
	t.pool, t.policy, t.zone = pool, c, zone
	t.sticky = slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Sticky })
	t.carried, t.shares = map[account.UserID]Candidate{}, map[account.UserID]*TestShare{}
	t.was, t.would = map[lead.ID]int64{}, map[lead.ID]int64{}
	t.shut = [2]map[lead.ID]bool{{}, {}}
	t.unknown = map[lead.ID]bool{}
}

// round decides one saved round both ways and compares.
func (t *rehearsal) round(in Round) {
	did := Decide(in)
	other := t.again(in)
	would := Decide(other)
	for _, c := range would.Candidates {
		t.carried[c.User] = c
	}
	t.out.Rounds++
	for i, l := range in.Leads {
		a, b := did.Decisions[i].all(in.Candidates), would.Decisions[i].all(in.Candidates)
		t.out.Decisions++
		if !slices.Equal(a, b) {
			t.out.Changed++
		}
		for _, u := range a {
			t.share(u).Was++
		}
		for _, u := range b {
			t.share(u).Would++
		}
		note(t.was, l, in.At, len(a) > 0)
		note(t.would, l, in.At, len(b) > 0)
		t.closed(0, in.Plan, l.Lead)
		t.closed(1, other.Plan, l.Lead)
	}
}

func (t *rehearsal) closed(side int, p *Plan, id lead.ID) {
	if p != nil && p.Closed {
		t.shut[side][id] = true
	}
}

// note keeps how long the lead waited for its first offer.
func note(waits map[lead.ID]int64, l Waiting, at int64, offered bool) {
	was, ok := waits[l.Lead]
	switch {
	case offered && (!ok || was < 0):
		waits[l.Lead] = at - l.WaitingAt
	case !ok:
		waits[l.Lead] = -1
	}
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

// again is the round as the policy would have seen it.
func (t *rehearsal) again(in Round) Round {
	out := in
	out.Candidates = slices.Clone(in.Candidates)
	for i := range out.Candidates {
		c := &out.Candidates[i]
		if was, ok := t.carried[c.User]; ok {
			c.Credit, c.LastOfferAt, c.OffersMade = was.Credit, was.LastOfferAt, was.OffersMade
		}
	}
	if t.policy.plain() {
		out.Plan = nil
		return out
	}
	at := time.UnixMicro(in.At)
	open, _ := t.policy.openAt(at.UTC(), t.zone)
	out.Plan = &Plan{ID: t.id, Policy: t.policy.Policy, Closed: !open}
	out.Leads = slices.Clone(in.Leads)
	local := at.In(t.zone)
	for i := range out.Leads {
		l := &out.Leads[i]
		if l.Attributes == nil {
			f, ok := t.facts[l.Lead]
			if a := attributesOf(f); ok {
				l.Attributes = &a
			} else {
				l.Attributes = &Attributes{}
				t.unknown[l.Lead] = true
			}
		}
		if !in.savedOwners() {
			l.Sticky = t.owners[l.Lead]
		}
		l.Rule = t.policy.rule(*l.Attributes, local.Hour(), int(local.Weekday()))
	}
	t.out.NotSaved = t.out.NotSaved || asksMore(t.policy.Policy, in.Plan)
	return out
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
	out.From, out.Until, out.Unknown = t.from, t.until, len(t.unknown)
	for _, s := range t.shares {
		out.Shares = append(out.Shares, *s)
	}
	slices.SortFunc(out.Shares, func(a, b TestShare) int {
		x, y := a.User.UUID(), b.User.UUID()
		return slices.Compare(x[:], y[:])
	})
	out.Was, out.Would = side(t.was, t.shut[0]), side(t.would, t.shut[1])
	return out
}

func side(waits map[lead.ID]int64, shut map[lead.ID]bool) (s TestSide) {
	for _, micros := range waits {
		if micros < 0 {
			s.Starved++
			continue
		}
		s.Offered++
		s.TimeToOffer = append(s.TimeToOffer, time.Duration(micros)*time.Microsecond)
	}
	s.AfterHours = len(shut)
	slices.Sort(s.TimeToOffer)
	return s
}
