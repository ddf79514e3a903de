package routing

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

// GiveBack takes an owned lead from its owner and has it routed again, like
// one that waits. actor is who says so, reason a code that may be empty. 404: no
// such lead; 409 lead_closed, not_owned.
func (r *Router) GiveBack(tx *store.Tx, id lead.ID, reason, actor string, now time.Time) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	was, err := find(tx, id)
	if err != nil {
		return err
	}
	switch {
	case !was.ClosedAt.IsZero():
		return problem.Conflict("lead_closed", "This lead is closed; a new enquiry makes a new one.")
	case was.State != lead.Owned || was.Test:
		return problem.Conflict("not_owned", "Nobody owns this lead.")
	}
	return r.giveBack(tx, was, reason, actor, store.Clock(now))
}

// giveBack has an owned lead wait again; its former owner may have room for
// another.
func (r *Router) giveBack(tx *store.Tx, was leads.Route, reason, actor string, now time.Time) error {
	if ok, err := leads.RouteGiveBack(tx, was, store.Micro(now)); err != nil || !ok {
		return lost(err)
	}
	if err := leads.MoveVisits(tx, was.Lead, was.Owner, account.UserID{}, now); err != nil {
		return err
	}
	if err := offers.EndClocks(tx, was.Lead, now); err != nil {
		return err
	}
	e := ofLead(events.LeadWaiting, was, now)
	e.Data = map[string]any{"from": was.Owner, "by": actor}
	if reason != "" {
		e.Data["reason"] = reason
	}
	r.events.Emit(tx, e)
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "lead.given_back", About: was.Lead.String(),
		Detail: map[string]any{"from": was.Owner, "reason": reason}}); err != nil {
		return err
	}
	return r.freed(tx, was.Owner, now, was.Project)
}

// HandOver gives open leads of somebody who leaves to a user, or back to
// routing when to is zero, most of them at once and the oldest first. more:
// they own others.
func (r *Router) HandOver(tx *store.Tx, from, to account.UserID, reason, actor string, now time.Time, most int) (moved int, more bool, err error) {
	all, err := leads.OpenOf(tx, from, most+1)
	if err != nil {
		return 0, false, err
	}
	moved, more = min(len(all), most), len(all) > most
	for _, id := range all[:moved] {
		if to.IsZero() {
			err = r.GiveBack(tx, id, reason, actor, now)
		} else {
			_, err = r.Transfer(tx, id, to, reason, actor, now)
		}
		if err != nil {
			return 0, false, err
		}
	}
	return moved, more, nil
}
