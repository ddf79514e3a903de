package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

// maxOpen bounds a list of open offers; more than a person can answer.
const maxOpen = 500

// Offers lists what the user can accept now, the one that ends first at the front.
func (r *Router) Offers(tx *store.Tx, user account.UserID, now time.Time) ([]offers.Offer, error) {
	open, err := offers.OpenOf(tx, user, maxOpen)
	return slices.DeleteFunc(open, func(o offers.Offer) bool { return !now.Before(o.ExpiresAt) }), err
}

// OffersOf lists all offers of a lead, the first one first.
func (r *Router) OffersOf(tx *store.Tx, id lead.ID) ([]offers.Offer, error) {
	return offers.OfLead(tx, id)
}

// Explained is a saved decision about a lead, in words.
type Explained struct {
	Round      lead.RoundID
	At         time.Time
	User       account.UserID // zero: nobody
	Offer      lead.OfferID
	WaitingAt  time.Time
	Policy     account.PolicyID // zero: the plain rotation
	Rule       string           // by which it was given, or of which nobody could take it; "": the plain rotation
	Candidates []Why
}

// Why is why one candidate did or did not get the lead.
type Why struct {
	Candidate
	Reason Reason
}

// Explain lists the saved decisions about a lead, at most limit, the first one
// first, each with every candidate's counters at the beginning of its round
// and the reason.
func (r *Router) Explain(tx *store.Tx, id lead.ID, limit int) ([]Explained, error) {
	ds, err := offers.DecisionsOf(tx, id, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Explained, 0, len(ds))
	for _, d := range ds {
		saved, err := offers.GetRound(tx, d.Round)
		if err != nil {
			return nil, err
		}
		in, err := Unpack(saved.Input)
		if err != nil {
			return nil, err
		}
		if d.N >= len(in.Leads) || in.Leads[d.N].Lead != id || len(d.Reasons) != len(in.Candidates) {
			return nil, fmt.Errorf("routing: round %s does not fit its decisions", d.Round)
		}
		e := Explained{Round: d.Round, At: saved.At, User: d.User, Offer: d.Offer, WaitingAt: time.UnixMicro(in.Leads[d.N].WaitingAt).UTC()}
		if in.Plan != nil {
			e.Policy, e.Rule = in.Plan.ID, in.Plan.Policy.Rules[Decide(in).Decisions[d.N].Rule].Name
		}
		for i, c := range in.Candidates {
			e.Candidates = append(e.Candidates, Why{c, Reason(d.Reasons[i])})
		}
		out = append(out, e)
	}
	return out, nil
}

// Verify decides a saved round again and compares: an error names the first
// decision that differs. store.ErrNone: there is no such round.
func (r *Router) Verify(tx *store.Tx, id lead.RoundID) error {
	saved, err := offers.GetRound(tx, id)
	if err != nil {
		return err
	}
	ds, err := offers.DecisionsIn(tx, id)
	if err != nil {
		return err
	}
	in, out, err := Replay(saved.Input)
	if err != nil {
		return err
	}
	if len(ds) != len(out.Decisions) || saved.Decisions != int64(len(ds)) {
		return fmt.Errorf("routing: round %s has %d decisions, %d are saved", id, len(out.Decisions), len(ds))
	}
	for i, d := range ds {
		var chosen account.UserID
		if c := out.Decisions[i].Chosen; c != Nobody {
			chosen = in.Candidates[c].User
		}
		if d.Lead != in.Leads[i].Lead || d.User != chosen || string(d.Reasons) != string(out.Decisions[i].Reasons) || d.Offer.IsZero() != chosen.IsZero() {
			return fmt.Errorf("routing: round %s, decision %d: replaying it gives another answer", id, i)
		}
	}
	return nil
}

// Count is how a project stands.
type Count struct {
	Project account.ProjectID
	Waiting int64
	Queued  int64     // of those, in the named queue
	Oldest  time.Time // of those waiting; zero: none waits
	Offered int64
}

// Board counts the projects in which leads wait or are offered.
func (r *Router) Board(tx *store.Tx) ([]Count, error) {
	waiting, err := leads.RouteBoard(tx)
	if err != nil {
		return nil, err
	}
	offered, err := offers.Board(tx)
	if err != nil {
		return nil, err
	}
	var out []Count
	for _, w := range waiting {
		out = append(out, Count{w.Project, w.Waiting, w.Queued, w.Oldest, offered[w.Project]})
		delete(offered, w.Project)
	}
	for p, n := range offered {
		out = append(out, Count{Project: p, Offered: n})
	}
	slices.SortFunc(out, func(a, b Count) int { return strings.Compare(a.Project.String(), b.Project.String()) })
	return out, nil
}

// Member is one of a pool's people, as a manager sees them now.
type Member struct {
	Candidate
	Hours  Hours
	Shifts []offers.Shift
}

// Roster lists the people of a pool; 404 when there is none.
func (r *Router) Roster(tx *store.Tx, id account.PoolID, now time.Time) ([]Member, error) {
	if _, err := offers.GetPool(tx, id); err != nil {
		if errors.Is(err, store.ErrNone) {
			return nil, problem.NotFound()
		}
		return nil, err
	}
	members, err := r.staff(tx, id, now)
	if err != nil {
		return nil, err
	}
	out := make([]Member, len(members))
	for i, m := range members {
		h := r.hours.of(m.Shifts, m.Off, r.zone(m.Zone), now)
		out[i] = Member{Candidate: candidate(m, h), Hours: h, Shifts: m.Shifts}
	}
	return out, nil
}
