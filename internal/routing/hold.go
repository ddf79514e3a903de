package routing

import (
	"context"
	"fmt"

	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
)

// KindReturn is the job that has a person's leads wait again which were held
// back. Its key is the person's id; whoever ends a suppression, or undoes a
// merge with somebody suppressed, adds it.
const KindReturn jobs.Kind = "return"

// Nobody is sent to a person who must not be contacted: the lead leaves
// routing, with the reason in the ledger, and not into the named queue, where
// it would hide those that need somebody. A human may still give it to
// somebody, or end the suppression.

// suppressed marks the leads of the page whose persons must not be contacted.
func (r *Router) suppressed(tx *store.Tx, in *Round, page []leads.RouteWaiting) error {
	if len(page) == 0 {
		return nil
	}
	any, err := people.AnySuppressed(tx)
	if err != nil || !any {
		return err
	}
	ids := make([]lead.PersonID, len(page))
	for i, w := range page {
		ids[i] = w.Person
	}
	marks, err := people.Suppressed(tx, ids)
	for i, w := range page {
		_, in.Leads[i].Suppressed = marks[w.Person]
	}
	return err
}

// hold takes the round's held leads out of routing.
func (r *Router) hold(tx *store.Tx, w writing) error {
	if len(w.held) == 0 {
		return nil
	}
	n, err := leads.RouteHold(tx, w.held)
	if err != nil {
		return err
	}
	if n != int64(len(w.held)) {
		return store.ErrAgain // one was taken meanwhile
	}
	if !w.unqueued {
		return nil
	}
	return r.cleared(tx, w.pool, w.at)
}

// returned is the job after a suppression was ended.
func (r *Router) returned(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParsePersonID(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job return: %w", err)
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if err := r.bringBack(tx, id); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

func (r *Router) bringBack(tx *store.Tx, id lead.PersonID) error {
	all, err := people.Same(tx, id)
	if err != nil {
		return err
	}
	marks, err := people.Suppressed(tx, []lead.PersonID{id})
	if _, still := marks[id]; err != nil || still {
		return err
	}
	briefs, err := leads.LeadsOfPersons(tx, all)
	if err != nil {
		return err
	}
	for _, l := range briefs {
		n, err := leads.RouteBack(tx, []lead.ID{l.ID})
		if err != nil {
			return err
		}
		if n == 0 {
			continue // it was not held
		}
		if err := r.Wanted(tx, l.Project, r.clock()); err != nil {
			return err
		}
	}
	return nil
}
