package routing

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Transfer gives the lead to another owner, whoever has or is offered it now;
// an open offer is lost. actor is who says so, reason a code that may be empty.
// Giving it to its owner changes nothing. 404: no such lead; 409 lead_closed.
func (r *Router) Transfer(tx *store.Tx, id lead.ID, to account.UserID, reason, actor string, now time.Time) (leads.Route, error) {
	if err := checkReason(reason); err != nil {
		return leads.Route{}, err
	}
	was, err := find(tx, id)
	if err != nil || was.Owner == to && was.State == lead.Owned {
		return was, err
	}
	if !was.ClosedAt.IsZero() {
		return was, problem.Conflict("lead_closed", "This lead is closed; a new enquiry makes a new one.")
	}
	p, err := offers.PresenceOf(tx, to)
	if errors.Is(err, store.ErrNone) || err == nil && p.State != "active" {
		return was, problem.InvalidField("user_id", "unknown_user", "Give the id of an active user of this account.")
	}
	if err != nil {
		return was, err
	}
	now = store.Clock(now)
	if ok, err := leads.RouteMove(tx, was, to); err != nil || !ok {
		return was, lost(err)
	}
	if err := r.lose(tx, was, "transferred", now); err != nil {
		return was, err
	}
	if !was.Owner.IsZero() { // who has room for another
		if err := r.freed(tx, was.Owner, now); err != nil {
			return was, err
		}
	}
	if err := leads.RouteAssign(tx, leads.Assignment{Lead: id, User: to, From: now, Reason: "transferred", By: actor}); err != nil {
		return was, err
	}
	if err := leads.MoveVisits(tx, id, was.Owner, to, now); err != nil {
		return was, err
	}
	if err := r.moved(tx, was, to, now); err != nil {
		return was, err
	}
	data := map[string]any{"by": actor}
	if !was.Owner.IsZero() {
		data["from"] = was.Owner
	}
	if reason != "" {
		data["reason"] = reason
	}
	e := ofLead(events.LeadTransferred, was, now)
	e.User, e.Data = to, data
	r.events.Emit(tx, e)
	if err := r.clearedOf(tx, was, now); err != nil {
		return was, err
	}
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "lead.transferred", About: id.String(),
		Detail: map[string]any{"to": to, "from": was.Owner, "reason": reason}}); err != nil {
		return was, err
	}
	return find(tx, id)
}

// moved ends the clocks of a lead that a human gave to somebody. Those of the
// new owner begin if nobody has tried it yet: who takes over what a colleague
// worked on goes on with it.
func (r *Router) moved(tx *store.Tx, was leads.Route, to account.UserID, now time.Time) error {
	l, err := leads.LeadByID(tx, was.Lead)
	if err != nil {
		return err
	}
	if l.AttemptedAt.IsZero() && !l.Test && !l.History {
		return r.took(tx, was.Lead, was.Project, to, now)
	}
	return offers.EndClocks(tx, was.Lead, now)
}

// Claim gives a waiting lead to a member of its pool who takes it unasked; the
// first one wins. Claiming again gives the same answer. 404: no such lead in
// the user's pools; 409 lead_taken: it does not wait any more.
func (r *Router) Claim(tx *store.Tx, id lead.ID, user account.UserID, now time.Time) (leads.Route, error) {
	was, err := find(tx, id)
	if err != nil {
		return was, err
	}
	member, err := offers.IsMember(tx, user, was.Project)
	if err != nil {
		return was, err
	}
	if !member || was.Test {
		return leads.Route{}, problem.NotFound()
	}
	if was.State == lead.Owned && was.Owner == user {
		return was, nil
	}
	if was.State != lead.Waiting || !was.ClosedAt.IsZero() {
		return was, problem.Conflict("lead_taken", "This lead does not wait any more.")
	}
	now = store.Clock(now)
	if ok, err := leads.RouteClaim(tx, id, user, now); err != nil || !ok {
		return was, lost(err)
	}
	if err := leads.RouteAssign(tx, leads.Assignment{Lead: id, User: user, From: now, Reason: "claimed", By: user.String()}); err != nil {
		return was, err
	}
	if err := r.took(tx, id, was.Project, user, now); err != nil {
		return was, err
	}
	e := ofLead(events.LeadAssigned, was, now)
	e.User, e.Data = user, map[string]any{"claimed": true}
	r.events.Emit(tx, e)
	if err := r.clearedOf(tx, was, now); err != nil {
		return was, err
	}
	if err := audit.Write(tx, now, audit.Entry{Actor: user.String(), Action: "lead.claimed", About: id.String()}); err != nil {
		return was, err
	}
	return find(tx, id)
}

// Withdraw takes a closed lead that nobody owns out of routing; an open offer
// is lost. It does nothing to any other lead.
func (r *Router) Withdraw(tx *store.Tx, id lead.ID, now time.Time) error {
	was, err := leads.RouteOf(tx, id)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil || was.ClosedAt.IsZero() || was.State == lead.Unrouted {
		return err
	}
	now = store.Clock(now)
	if err := offers.EndClocks(tx, id, now); err != nil {
		return err
	}
	if was.State == lead.Owned { // its owner may have room for another
		return r.freed(tx, was.Owner, now)
	}
	if ok, err := leads.RouteWithdraw(tx, was); err != nil || !ok {
		return lost(err)
	}
	if err := r.lose(tx, was, "closed", now); err != nil {
		return err
	}
	return r.clearedOf(tx, was, now)
}

// withdraw is the job that whoever closes a lead adds.
func (r *Router) withdraw(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParseID(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job withdraw: %w", err)
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if err := r.Withdraw(tx, id, r.clock()); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

// lose ends the offers that were open when the lead went another way.
func (r *Router) lose(tx *store.Tx, was leads.Route, why string, now time.Time) error {
	if was.Offer.IsZero() {
		return nil
	}
	all, err := offers.OfLead(tx, was.Lead)
	if err != nil {
		return err
	}
	return r.loseAll(tx, slices.DeleteFunc(all, func(o offers.Offer) bool { return !o.Open }), why, now)
}

func find(tx *store.Tx, id lead.ID) (leads.Route, error) {
	was, err := leads.RouteOf(tx, id)
	if errors.Is(err, store.ErrNone) {
		return was, problem.NotFound()
	}
	return was, err
}

func ofLead(k events.Kind, l leads.Route, at time.Time) events.Event {
	return events.Event{Kind: k, At: at, Lead: l.Lead, Project: l.Project, Source: l.Source, Test: l.Test}
}
