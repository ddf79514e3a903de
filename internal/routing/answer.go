package routing

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

// Accept makes the user the lead's owner, if the offer is the user's and still
// open. Accepting again gives the same answer. 404: no such offer of this
// user; 409 offer_expired, offer_declined, offer_lost: too late.
//
// The fence is the lead's own row: its open offer is there, or one of several
// that were made at once, and only the statement that finds it wins.
func (r *Router) Accept(tx *store.Tx, id lead.OfferID, user account.UserID, now time.Time) (offers.Offer, error) {
	o, err := own(tx, id, user)
	if err != nil || o.State == lead.OfferAccepted {
		return o, err
	}
	if err := answerable(o, now); err != nil {
		return offers.Offer{}, err
	}
	now = store.Clock(now)
	fence, others, err := together(tx, o)
	if err != nil {
		return offers.Offer{}, err
	}
	won, err := leads.RouteWin(tx, o.Lead, fence.Offer, user, now)
	if err != nil || !won {
		return offers.Offer{}, lost(err) // resolved meanwhile: read again
	}
	if o, err = r.resolve(tx, o, lead.OfferAccepted, now, ""); err != nil {
		return offers.Offer{}, err
	}
	if err := r.loseAll(tx, others, "accepted", now); err != nil {
		return offers.Offer{}, err
	}
	if err := leads.RouteAssign(tx, leads.Assignment{Lead: o.Lead, User: user, From: now, Reason: "accepted", By: user.String()}); err != nil {
		return offers.Offer{}, err
	}
	if err := r.took(tx, o.Lead, o.Project, user, now); err != nil {
		return offers.Offer{}, err
	}
	r.events.Emit(tx, ofOffer(events.OfferAccepted, o, now), ofOffer(events.LeadAssigned, o, now))
	return o, audit.Write(tx, now, audit.Entry{Actor: user.String(), Action: "lead.accepted", About: o.Lead.String(),
		Detail: map[string]any{"offer_id": o.ID}})
}

// code is what a reason may be: a word for programs, never free text about a
// person.
var code = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

func checkReason(reason string) error {
	if reason != "" && !code.MatchString(reason) {
		return problem.InvalidField("reason", "not_a_code", "Send a short code such as \"too-busy\": a-z, 0-9, - and _, up to 40.")
	}
	return nil
}

// Decline gives the lead back; this person is not offered it again. Declining
// again gives the same answer. The reason is a code and may be empty.
func (r *Router) Decline(tx *store.Tx, id lead.OfferID, user account.UserID, reason string, now time.Time) (offers.Offer, error) {
	if err := checkReason(reason); err != nil {
		return offers.Offer{}, err
	}
	o, err := own(tx, id, user)
	if err != nil || o.State == lead.OfferDeclined {
		return o, err
	}
	if err := answerable(o, now); err != nil {
		return offers.Offer{}, err
	}
	now = store.Clock(now)
	back, err := giveBack(tx, o)
	if err != nil || !back {
		return offers.Offer{}, lost(err)
	}
	if o, err = r.resolve(tx, o, lead.OfferDeclined, now, reason); err != nil {
		return offers.Offer{}, err
	}
	e := ofOffer(events.OfferDeclined, o, now)
	if reason != "" {
		e.Data = map[string]any{"reason": reason}
	}
	r.events.Emit(tx, e)
	return o, nil
}

// own reads the user's offer; another's is not there.
func own(tx *store.Tx, id lead.OfferID, user account.UserID) (offers.Offer, error) {
	o, err := offers.Get(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && o.User != user {
		return offers.Offer{}, problem.NotFound()
	}
	return o, err
}

// together reads the lead's fence and the other offers that were made at once
// with this open one. store.ErrAgain: it was resolved meanwhile.
func together(tx *store.Tx, o offers.Offer) (leads.Route, []offers.Offer, error) {
	fence, err := leads.RouteOf(tx, o.Lead)
	if err != nil {
		return fence, nil, err
	}
	all, err := offers.OfLead(tx, o.Lead)
	if err != nil {
		return fence, nil, err
	}
	in := false
	all = slices.DeleteFunc(all, func(x offers.Offer) bool {
		in = in || x.ID == fence.Offer && x.Round == o.Round
		return !x.Open || x.ID == o.ID || x.Round != o.Round
	})
	if !in {
		return fence, nil, store.ErrAgain
	}
	return fence, all, nil
}

// giveBack has the lead wait again, unless others were offered it at the same
// time: then one of their offers is the fence. False: somebody was first.
func giveBack(tx *store.Tx, o offers.Offer) (bool, error) {
	fence, others, err := together(tx, o)
	if err != nil {
		return false, err
	}
	if len(others) == 0 {
		return leads.RouteReturn(tx, o.Lead, o.ID)
	}
	return leads.RouteFence(tx, fence, others[0].ID)
}

// loseAll ends offers whose lead somebody else got.
func (r *Router) loseAll(tx *store.Tx, all []offers.Offer, why string, now time.Time) error {
	slices.SortFunc(all, func(a, b offers.Offer) int { return strings.Compare(a.User.String(), b.User.String()) })
	for _, o := range all {
		o, err := r.resolve(tx, o, lead.OfferLost, now, why)
		if err != nil {
			return err
		}
		r.events.Emit(tx, ofOffer(events.OfferLost, o, now))
	}
	return nil
}

// answerable says why an offer can no longer be answered.
func answerable(o offers.Offer, now time.Time) error {
	switch {
	case o.State == lead.OfferAccepted:
		return problem.Conflict("offer_accepted", "This offer was accepted before.")
	case o.State == lead.OfferDeclined:
		return problem.Conflict("offer_declined", "This offer was declined before.")
	case o.State == lead.OfferExpired, o.Open && !now.Before(o.ExpiresAt):
		return problem.Conflict("offer_expired", "The time to accept is over; the lead goes to the next person.")
	case !o.Open:
		return problem.Conflict("offer_lost", "The lead has gone to somebody else.")
	}
	return nil
}

// resolve ends an open offer and counts its person free. The caller has moved
// the lead's fence already, so nobody else resolves it.
func (r *Router) resolve(tx *store.Tx, o offers.Offer, s lead.OfferState, now time.Time, reason string) (offers.Offer, error) {
	ok, err := offers.Resolve(tx, o.ID, s, now, reason)
	if err != nil || !ok {
		return o, lost(err)
	}
	if err := offers.FreeMember(tx, o.Pool, o.User, s != lead.OfferLost); err != nil {
		return o, err
	}
	o.State, o.Open, o.ResolvedAt, o.Reason = s, false, now, reason
	return o, r.freed(tx, o.User, now, o.Project)
}

// freed asks for a round in every pool of a person who can take more, and in
// the given projects, always in the order of their ids, so that two
// transactions do not wait for each other.
func (r *Router) freed(tx *store.Tx, user account.UserID, now time.Time, also ...account.ProjectID) error {
	projects, err := offers.ProjectsOf(tx, user)
	if err != nil {
		return err
	}
	return r.wantedAll(tx, append(projects, also...), now)
}

func (r *Router) wantedAll(tx *store.Tx, projects []account.ProjectID, now time.Time) error {
	keys := make([]string, len(projects))
	for i, p := range projects {
		keys[i] = p.String()
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		if err := r.jobs.Add(tx, KindRoute, k, now); err != nil {
			return err
		}
	}
	return nil
}

func ofOffer(k events.Kind, o offers.Offer, at time.Time) events.Event {
	return events.Event{Kind: k, At: at, Lead: o.Lead, Offer: o.ID, User: o.User, Project: o.Project, Source: o.Source}
}

// Pushed, Acked and Seen note how far an open offer got on its way to the
// person's eyes. They never go back, and say nothing about an offer that is
// not open any more.
func (r *Router) Pushed(tx *store.Tx, id lead.OfferID, user account.UserID) error {
	return r.mark(tx, id, user, lead.OfferPushed, time.Time{})
}

// Acked notes that a device of the person has the offer.
func (r *Router) Acked(tx *store.Tx, id lead.OfferID, user account.UserID) error {
	return r.mark(tx, id, user, lead.OfferAcked, time.Time{})
}

// Seen notes that the person looked at the offer.
func (r *Router) Seen(tx *store.Tx, id lead.OfferID, user account.UserID, now time.Time) error {
	return r.mark(tx, id, user, lead.OfferSeen, now)
}

func (r *Router) mark(tx *store.Tx, id lead.OfferID, user account.UserID, to lead.OfferState, now time.Time) error {
	o, err := own(tx, id, user)
	if err != nil || !o.State.MayBecome(to) {
		return err
	}
	ok, err := offers.Mark(tx, id, o.State, to)
	if err != nil || !ok {
		return lost(err)
	}
	if to == lead.OfferSeen {
		r.events.Emit(tx, ofOffer(events.OfferSeen, o, store.Clock(now)))
	}
	return nil
}

// expire is the job of a round: its offers that nobody answered in time end,
// and their leads wait again.
func (r *Router) expire(ctx context.Context, j jobs.Job) error {
	round, err := parseRound(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job expire: %w", err)
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if err := r.end(tx, round, r.clock()); err != nil {
			return err
		}
		next, err := offers.NextDue(tx, round)
		return goOn(tx, j, next, err)
	})
}

// goOn has the job run again at next, or ends it when nothing is left to wait
// for: store.ErrNone, or no time.
func goOn(tx *store.Tx, j jobs.Job, next time.Time, err error) error {
	if errors.Is(err, store.ErrNone) || err == nil && next.IsZero() {
		return j.Done(tx)
	}
	if err != nil {
		return err
	}
	return j.Later(tx, next)
}

func (r *Router) end(tx *store.Tx, round lead.RoundID, now time.Time) error {
	due, err := offers.Due(tx, round, now)
	if err != nil || len(due) == 0 {
		return err
	}
	n, err := leads.RouteReturnRound(tx, round, now)
	if err != nil || n != leadsIn(due) {
		return lost(err) // one was answered meanwhile
	}
	n, err = offers.Expire(tx, round, now)
	if err != nil || n != int64(len(due)) {
		return lost(err)
	}
	open, missed, askedOnly := map[account.UserID]int64{}, map[account.UserID]int64{}, alone(due)
	for _, o := range due {
		open[o.User]--
		if askedOnly[o.Lead] { // silence of one among many says nothing about them
			missed[o.User]++
		}
		r.events.Emit(tx, ofOffer(events.OfferExpired, o, now))
	}
	counts := make([]offers.Count, 0, len(open))
	for u, n := range open {
		counts = append(counts, offers.Count{User: u, Open: n, Missed: missed[u]})
	}
	if err := offers.CountMembers(tx, due[0].Pool, counts); err != nil {
		return err
	}
	if err := r.setAway(tx, due[0].Pool, missed, now); err != nil {
		return err
	}
	projects, err := offers.ProjectsSharing(tx, due[0].Pool)
	if err != nil {
		return err
	}
	return r.wantedAll(tx, append(projects, due[0].Project), now)
}

// leadsIn counts the leads of offers.
func leadsIn(all []offers.Offer) int64 {
	of := map[lead.ID]bool{}
	for _, o := range all {
		of[o.Lead] = true
	}
	return int64(len(of))
}

// alone says of which leads there is one offer only.
func alone(all []offers.Offer) map[lead.ID]bool {
	out := map[lead.ID]bool{}
	for _, o := range all {
		_, again := out[o.Lead]
		out[o.Lead] = !again
	}
	return out
}

// setAway declares those away who missed as many offers, one after the other,
// as the policy allows. They come back by declaring themselves available, and
// their misses are counted anew.
func (r *Router) setAway(tx *store.Tx, pool account.PoolID, missed map[account.UserID]int64, now time.Time) error {
	p, err := offers.GetPool(tx, pool)
	if err != nil || p.Policy.IsZero() {
		return err
	}
	policy, err := r.policy(tx, p.Policy)
	if err != nil || policy.AwayAfter == 0 {
		return err
	}
	roster, err := offers.Roster(tx, pool)
	if err != nil {
		return err
	}
	for _, m := range roster {
		if missed[m.User] == 0 || m.Misses < policy.AwayAfter || m.Presence != account.Available {
			continue
		}
		changed, err := offers.SetPresence(tx, m.User, account.Away, now)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if err := offers.CountMembers(tx, pool, []offers.Count{{User: m.User, Missed: -m.Misses}}); err != nil {
			return err
		}
		r.events.Emit(tx, events.Event{Kind: events.PresenceChanged, At: now, User: m.User, Data: map[string]any{"presence": account.Away}})
		if err := audit.Write(tx, now, audit.Entry{Actor: systemActor, Action: "presence.set_away", About: m.User.String(),
			Detail: map[string]any{"misses": m.Misses}}); err != nil {
			return err
		}
	}
	return nil
}
