package routing

import (
	"errors"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

// Foreseen is what a round of this moment would decide about a lead.
type Foreseen struct {
	Explained           // without a round and an offer, which are not made
	Again     time.Time // when a shift, the routing hours or a limit of time next change it; zero: not by themselves
	Pool      bool      // the project has a pool; without one its leads wait for it
}

// Foresee decides about one lead as if it waited alone now, and keeps nothing:
// no offer is made and nobody's turn passes. Test leads, which are never
// offered, are decided as if they were none. store.ErrNone: no such lead.
func (r *Router) Foresee(tx *store.Tx, id lead.ID) (Foreseen, error) {
	l, err := leads.LeadByID(tx, id)
	if err != nil {
		return Foreseen{}, err
	}
	now := r.clock()
	out := Foreseen{Explained: Explained{At: now, WaitingAt: later(l.WaitingAt, l.CreatedAt)}}
	pool, err := offers.PoolOf(tx, l.Project)
	if errors.Is(err, store.ErrNone) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Pool = true
	in := Round{At: now.UnixMicro(), Pool: settings(pool)}
	if out.Again, err = r.roster(tx, &in); err != nil {
		return out, err
	}
	plan, err := r.plan(tx, pool, &in)
	if err != nil {
		return out, err
	}
	out.Again = sooner(out.Again, plan.next)
	page := []leads.RouteWaiting{{Lead: id, Person: l.Person, WaitingAt: out.WaitingAt.UnixMicro(), OffersMade: 1}} // looks for earlier offers
	if err := r.fill(tx, plan, pool, &in, page); err != nil {
		return out, err
	}
	d := r.decide(in).Decisions[0]
	if d.Chosen != Nobody {
		out.User = in.Candidates[d.Chosen].User
	}
	if in.Plan != nil {
		out.Policy, out.Rule = in.Plan.ID, in.Plan.Policy.Rules[d.Rule].Name
	}
	for i, c := range in.Candidates {
		out.Candidates = append(out.Candidates, Why{c, Reason(d.Reasons[i])})
	}
	return out, nil
}
