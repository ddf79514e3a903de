package routing

import (
	"time"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
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
	now = store.Clock(now)
	if ok, err := leads.RouteGiveBack(tx, was, store.Micro(now)); err != nil || !ok {
		return lost(err)
	}
	e := ofLead(events.LeadWaiting, was, now)
	e.Data = map[string]any{"from": was.Owner, "by": actor}
	r.events.Emit(tx, e)
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "lead.given_back", About: id.String(),
		Detail: map[string]any{"from": was.Owner, "reason": reason}}); err != nil {
		return err
	}
	return r.Wanted(tx, was.Project, now)
}
