package routing

import (
	"context"
	"errors"
	"fmt"
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
	"catchment/internal/store/work"
)

// KindHandOver is the job that goes on with a hand-over. Its key is what was
// said: who leaves, to whom (or pool), the reason, and who said so, apart by spaces.
const KindHandOver jobs.Kind = "handover"

// handOverAtOnce bounds one transaction of a hand-over.
const handOverAtOnce = 200

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

// HandOver is what was said about the open leads of somebody who leaves.
type HandOver struct {
	From   account.UserID
	To     account.UserID // zero: back to routing
	Reason string         // a code; may be empty
	By     string         // the actor
}

func (h HandOver) key() string {
	to := "pool"
	if !h.To.IsZero() {
		to = h.To.String()
	}
	return strings.Join([]string{h.From.String(), to, h.Reason, h.By}, " ")
}

func parseHandOver(key string) (h HandOver, err error) {
	part := strings.SplitN(key, " ", 4)
	if len(part) != 4 {
		return h, errors.New("routing: the key of a hand-over has four parts")
	}
	if h.From, err = account.ParseUserID(part[0]); err == nil && part[1] != "pool" {
		h.To, err = account.ParseUserID(part[1])
	}
	h.Reason, h.By = part[2], part[3]
	return h, err
}

// StartHandOver gives the open leads of somebody who leaves to others: the
// oldest in this transaction, and those that are left by jobs, until there is
// none. It takes the place of what was said about them before. A field error
// names user_id.
func (r *Router) StartHandOver(tx *store.Tx, h HandOver, now time.Time) (moved, left int, err error) {
	if err := checkReason(h.Reason); err != nil {
		return 0, 0, err
	}
	if err := r.StopHandOver(tx, h.From); err != nil {
		return 0, 0, err
	}
	if moved, left, err = r.handOver(tx, h, now); err == nil && left > 0 {
		err = r.jobs.Add(tx, KindHandOver, h.key(), now)
	}
	return moved, left, err
}

// StopHandOver ends one that goes on: what has gone over stays there. So when
// somebody comes back.
func (r *Router) StopHandOver(tx *store.Tx, from account.UserID) error {
	return work.Unsay(tx, string(KindHandOver), from.String())
}

// HandingOver is a hand-over that goes on.
type HandingOver struct {
	HandOver
	Since   time.Time
	Failing bool // the last step did not succeed; it is tried again
}

// HandingOver tells how many open leads somebody owns, and what goes on with
// them; nil when nothing does.
func (r *Router) HandingOver(tx *store.Tx, from account.UserID) (left int, on *HandingOver, err error) {
	if left, err = leads.CountOpenOf(tx, from); err != nil {
		return 0, nil, err
	}
	all, err := work.SaidOf(tx, string(KindHandOver), from.String())
	if err != nil || len(all) == 0 {
		return left, nil, err
	}
	h, err := parseHandOver(all[0].Key)
	return left, &HandingOver{HandOver: h, Since: all[0].Since, Failing: all[0].Error != ""}, err
}

// handOver is one step: the oldest leads that one transaction bears.
func (r *Router) handOver(tx *store.Tx, h HandOver, now time.Time) (moved, left int, err error) {
	all, err := leads.OpenOf(tx, h.From, handOverAtOnce)
	if err != nil {
		return 0, 0, err
	}
	for _, id := range all {
		if h.To.IsZero() {
			err = r.GiveBack(tx, id, h.Reason, h.By, now)
		} else {
			_, err = r.Transfer(tx, id, h.To, h.Reason, h.By, now)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	left, err = leads.CountOpenOf(tx, h.From)
	return len(all), left, err
}

// handOverMore is the job: a step, and itself again while leads are left.
func (r *Router) handOverMore(ctx context.Context, j jobs.Job) error {
	h, err := parseHandOver(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job handover: %w", err)
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		h, now := h, r.clock()
		if h.To, err = r.receives(tx, h.To); err != nil {
			return err
		}
		_, left, err := r.handOver(tx, h, now)
		if err != nil {
			return err
		}
		if left > 0 {
			return j.Later(tx, now)
		}
		return j.Done(tx)
	})
}

// receives is who gets the rest: routing, when the one who was to get it has
// left meanwhile. No lead waits for somebody who is not there.
func (r *Router) receives(tx *store.Tx, to account.UserID) (account.UserID, error) {
	if to.IsZero() {
		return to, nil
	}
	p, err := offers.PresenceOf(tx, to)
	if errors.Is(err, store.ErrNone) || err == nil && p.State != "active" {
		return account.UserID{}, nil
	}
	return to, err
}
