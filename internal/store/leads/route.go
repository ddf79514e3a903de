package leads

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// This file has the columns of a lead's way to a salesperson (route_state,
// owner_id, offer_id, waiting_at, queued_at, decided, offers_made, offered_at,
// accepted_at) and the table assignment. Package routing alone writes them,
// after intake made the row.
//
// offer_id is the fence: a lead is won, or given back, only by the statement
// that finds its own offer there.

// Route is how a lead stands.
type Route struct {
	Lead      lead.ID
	Project   account.ProjectID
	Source    account.SourceID
	Test      bool
	State     lead.RouteState
	Owner     account.UserID // zero: nobody
	Offer     lead.OfferID   // zero: none open
	WaitingAt time.Time      // zero: it does not wait
	QueuedAt  time.Time      // zero: not in the named queue
	CreatedAt time.Time
	ClosedAt  time.Time // zero: open
	Version   int64
}

var routeGet = store.Register("leads.route_get", `SELECT lead_id, project_id, source_id, test, route_state, owner_id, offer_id,
	waiting_at, queued_at, created_at, closed_at, version FROM lead WHERE account_id = $1 AND lead_id = $2`)

// RouteOf reads how a lead stands; store.ErrNone when there is no such lead.
func RouteOf(tx *store.Tx, id lead.ID) (r Route, err error) {
	err = tx.Row(routeGet, id).Scan(&r.Lead, &r.Project, &r.Source, &r.Test, &r.State, &r.Owner, &r.Offer,
		store.Time(&r.WaitingAt), store.Time(&r.QueuedAt), store.Time(&r.CreatedAt), store.Time(&r.ClosedAt), &r.Version)
	return r, err
}

// Waiting leads ---------------------------------------------------------------

// RouteWaiting is a lead that waits. Times are microseconds.
type RouteWaiting struct {
	Lead       lead.ID
	Source     account.SourceID
	WaitingAt  int64
	QueuedAt   int64 // 0: not queued
	Decided    bool
	OffersMade int64
	Person     lead.PersonID
}

// RouteFrom is where a page begins: after this time and lead. The zero value
// is the beginning.
type RouteFrom struct {
	At   int64
	Lead lead.ID
}

var (
	routeWaiting = store.Register("leads.route_waiting", `SELECT lead_id, source_id, waiting_at, COALESCE(queued_at, 0), decided, offers_made, person_id FROM lead
		WHERE account_id = $1 AND project_id = $2 AND decided = $3 AND waiting_at IS NOT NULL AND COALESCE(closed_at, 0) = 0 AND (waiting_at, lead_id) > ($4, $5)
		ORDER BY waiting_at, lead_id LIMIT $6`)
	routeUnqueued = store.Register("leads.route_unqueued", `SELECT lead_id, source_id, waiting_at, 0, decided, offers_made, person_id FROM lead
		WHERE account_id = $1 AND project_id = $2 AND decided = $3 AND waiting_at IS NOT NULL AND COALESCE(closed_at, 0) = 0 AND queued_at IS NULL
		ORDER BY waiting_at, lead_id LIMIT $4`)
	routeQueuedAny = store.Register("leads.route_queued_any", `SELECT lead_id FROM lead
		WHERE account_id = $1 AND project_id = $2 AND decided = $3 AND waiting_at IS NOT NULL AND queued_at IS NOT NULL
		ORDER BY waiting_at, lead_id LIMIT 1`)
	routeAny = store.Register("leads.route_waiting_any", `SELECT lead_id FROM lead
		WHERE account_id = $1 AND project_id = $2 AND waiting_at IS NOT NULL LIMIT 1`)
	routeQueue = store.List("leads.route_queue", `UPDATE lead SET queued_at = $2, version = version + 1
		WHERE account_id = $1 AND route_state = 'waiting' AND COALESCE(queued_at, 0) = 0 AND lead_id IN (LIST)`)
)

// RouteWaitingPage lists a project's waiting leads, oldest first: those of
// which the ledger already says why they wait (decided), or the others.
func RouteWaitingPage(tx *store.Tx, p account.ProjectID, decided bool, from RouteFrom, limit int) ([]RouteWaiting, error) {
	if from.Lead.IsZero() {
		from.At = -1 // before every time, so that the missing id does not matter
	}
	rows, err := tx.Query(routeWaiting, p, decided, from.At, from.Lead, limit)
	return scanWaiting(rows, err)
}

// RouteUnqueuedPage lists the waiting leads outside the named queue, oldest first.
func RouteUnqueuedPage(tx *store.Tx, p account.ProjectID, decided bool, limit int) ([]RouteWaiting, error) {
	rows, err := tx.Query(routeUnqueued, p, decided, limit)
	return scanWaiting(rows, err)
}

func scanWaiting(rows store.Rows, err error) (out []RouteWaiting, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var w RouteWaiting
		if err := scan(&w.Lead, &w.Source, &w.WaitingAt, &w.QueuedAt, &w.Decided, &w.OffersMade, &w.Person); err != nil {
			return err
		}
		out = append(out, w)
		return nil
	})
	return out, err
}

// RouteAnyQueued reports whether a waiting lead of the project stands in the
// named queue.
func RouteAnyQueued(tx *store.Tx, p account.ProjectID) (bool, error) {
	for _, decided := range []bool{true, false} {
		if any, err := found(tx.Row(routeQueuedAny, p, decided)); any || err != nil {
			return any, err
		}
	}
	return false, nil
}

// RouteAnyWaiting reports whether any lead of the project waits.
func RouteAnyWaiting(tx *store.Tx, p account.ProjectID) (bool, error) {
	return found(tx.Row(routeAny, p))
}

func found(row store.Row) (bool, error) {
	var id lead.ID
	err := row.Scan(&id)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

var (
	routeHold = store.List("leads.route_hold", `UPDATE lead SET route_state = 'unrouted', waiting_at = NULL, queued_at = NULL, decided = false, version = version + 1
		WHERE account_id = $1 AND route_state = 'waiting' AND lead_id IN (LIST)`)
	routeBack = store.List("leads.route_back", `UPDATE lead SET route_state = 'waiting', waiting_at = created_at, queued_at = NULL, decided = false, version = version + 1
		WHERE account_id = $1 AND route_state = 'unrouted' AND owner_id IS NULL AND NOT test AND NOT history AND COALESCE(closed_at, 0) = 0 AND lead_id IN (LIST)`)
)

// RouteHold takes waiting leads out of routing whose persons must not be
// contacted, and returns how many still waited.
func RouteHold(tx *store.Tx, ids []lead.ID) (int64, error) {
	return tx.ExecList(routeHold, nil, anys(ids))
}

// RouteBack has those of the leads wait again, since their first enquiry, that
// RouteHold took out; it returns how many.
func RouteBack(tx *store.Tx, ids []lead.ID) (int64, error) {
	return tx.ExecList(routeBack, nil, anys(ids))
}

// RouteQueue puts waiting leads into the named queue. It returns how many were
// not in it before and still wait.
func RouteQueue(tx *store.Tx, ids []lead.ID, at time.Time) (int64, error) {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return tx.ExecList(routeQueue, []any{store.Micro(at)}, list)
}

// Rounds ----------------------------------------------------------------------

// These read the round's rows before anything else: PostgreSQL's
// planner, which knows nothing of a young table, otherwise begins with all
// leads of the account. For the same reason closed_at stands in a COALESCE all
// over this file: the partial index of open leads is no way to a waiting one.
var (
	routeOffer = store.Register("leads.route_offer", `WITH given AS MATERIALIZED (
			SELECT d.lead_id AS given_lead, d.offer_id AS given_offer FROM decision d WHERE d.account_id = $1 AND d.round_id = $2 AND d.user_id IS NOT NULL)
		UPDATE lead SET route_state = 'offered', offer_id = given_offer,
		waiting_at = NULL, queued_at = NULL, offers_made = offers_made + 1, offered_at = COALESCE(offered_at, $3), version = version + 1
		FROM given WHERE lead.account_id = $1 AND lead.lead_id = given_lead AND lead.route_state = 'waiting' AND COALESCE(lead.closed_at, 0) = 0`)
	routeDecided = store.Register("leads.route_decided", `WITH given AS MATERIALIZED (
			SELECT d.lead_id AS given_lead FROM decision d WHERE d.account_id = $1 AND d.round_id = $2 AND d.user_id IS NULL)
		UPDATE lead SET decided = true FROM given
		WHERE lead.account_id = $1 AND lead.lead_id = given_lead AND lead.route_state = 'waiting'`)
	routeReturnRound = store.Register("leads.route_return_round", `WITH given AS MATERIALIZED (
			SELECT o.lead_id AS given_lead, o.offer_id AS given_offer FROM offer o
			WHERE o.account_id = $1 AND o.round_id = $2 AND o.open AND o.expires_at <= $3)
		UPDATE lead SET route_state = 'waiting', offer_id = NULL, waiting_at = created_at, queued_at = NULL, decided = false, version = version + 1
		FROM given WHERE lead.account_id = $1 AND lead.lead_id = given_lead AND lead.offer_id = given_offer AND lead.route_state = 'offered'`)
)

// RouteOffer marks the waiting leads of a round's offers as offered and returns
// their number: fewer than the decisions for somebody means that a lead was taken meanwhile,
// and the round must be decided again.
func RouteOffer(tx *store.Tx, round lead.RoundID, at time.Time) (int64, error) {
	return tx.Exec(routeOffer, round, store.Micro(at))
}

// RouteDecided marks the waiting leads that a round gave to nobody: the ledger
// now says why they wait.
func RouteDecided(tx *store.Tx, round lead.RoundID) error {
	_, err := tx.Exec(routeDecided, round)
	return err
}

// RouteReturnRound gives back the leads of a round's open offers that ended at
// or before the given time, and returns their number. They wait again, with
// their first time, so that their age stays honest.
func RouteReturnRound(tx *store.Tx, round lead.RoundID, at time.Time) (int64, error) {
	return tx.Exec(routeReturnRound, round, store.Micro(at))
}

// One lead --------------------------------------------------------------------

var (
	routeWin = store.Register("leads.route_win", `UPDATE lead SET route_state = 'owned', owner_id = $4, offer_id = NULL,
		accepted_at = COALESCE(accepted_at, $5), version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND offer_id = $3 AND route_state = 'offered'`)
	routeReturn = store.Register("leads.route_return", `UPDATE lead SET route_state = 'waiting', offer_id = NULL,
		waiting_at = created_at, queued_at = NULL, decided = $4, version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND offer_id = $3 AND route_state = 'offered'`)
	routeFence = store.Register("leads.route_fence", `UPDATE lead SET offer_id = $4, version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND version = $3 AND route_state = 'offered'`)
	routeClaim = store.Register("leads.route_claim", `UPDATE lead SET route_state = 'owned', owner_id = $3, waiting_at = NULL, queued_at = NULL,
		accepted_at = COALESCE(accepted_at, $4), version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND route_state = 'waiting' AND COALESCE(closed_at, 0) = 0`)
	routeMove = store.Register("leads.route_move", `UPDATE lead SET route_state = 'owned', owner_id = $4, offer_id = NULL,
		waiting_at = NULL, queued_at = NULL, version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
	routeWithdraw = store.Register("leads.route_withdraw", `UPDATE lead SET route_state = 'unrouted', offer_id = NULL,
		waiting_at = NULL, queued_at = NULL, version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
)

// RouteWin gives the lead to the winner of its open offer. False: the offer is
// not the lead's open one any more.
func RouteWin(tx *store.Tx, id lead.ID, offer lead.OfferID, owner account.UserID, at time.Time) (bool, error) {
	n, err := tx.Exec(routeWin, id, offer, owner, store.Micro(at))
	return n == 1, err
}

// RouteReturn has the lead wait again after its open offer was declined. False:
// the offer is not the lead's open one any more.
func RouteReturn(tx *store.Tx, id lead.ID, offer lead.OfferID) (bool, error) {
	n, err := tx.Exec(routeReturn, id, offer, false)
	return n == 1, err
}

// RouteFence makes another open offer of the lead its fence, if the lead is
// still as it was read (version). False: it is not.
func RouteFence(tx *store.Tx, r Route, offer lead.OfferID) (bool, error) {
	n, err := tx.Exec(routeFence, r.Lead, r.Version, offer)
	return n == 1, err
}

// RouteClaim gives a waiting lead to who took it first. False: it does not wait.
func RouteClaim(tx *store.Tx, id lead.ID, owner account.UserID, at time.Time) (bool, error) {
	n, err := tx.Exec(routeClaim, id, owner, store.Micro(at))
	return n == 1, err
}

// RouteMove gives the lead to a new owner, whatever its state was, if it is
// still as it was read (version). False: it is not.
func RouteMove(tx *store.Tx, r Route, owner account.UserID) (bool, error) {
	n, err := tx.Exec(routeMove, r.Lead, r.Version, owner)
	return n == 1, err
}

// RouteWithdraw takes a lead that nobody owns out of routing, because it was
// closed. False: it is not as it was read (version).
func RouteWithdraw(tx *store.Tx, r Route) (bool, error) {
	n, err := tx.Exec(routeWithdraw, r.Lead, r.Version)
	return n == 1, err
}

// Owners ----------------------------------------------------------------------

// Assignment is an interval in which somebody owned a lead.
type Assignment struct {
	Lead   lead.ID
	User   account.UserID
	From   time.Time
	Until  time.Time // zero: still
	Reason string    // accepted, transferred, claimed
	By     string    // the actor
}

var (
	assignmentClose = store.Register("leads.assignment_close", `UPDATE assignment SET until_at = $3
		WHERE account_id = $1 AND lead_id = $2 AND until_at IS NULL`)
	assignmentLast = store.Register("leads.assignment_last", `SELECT from_at FROM assignment
		WHERE account_id = $1 AND lead_id = $2 ORDER BY from_at DESC LIMIT 1`)
	assignmentAdd = store.Register("leads.assignment_add", `INSERT INTO assignment (account_id, lead_id, from_at, user_id, reason, by_actor)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`)
	assignmentList = store.Register("leads.assignment_list", `SELECT lead_id, user_id, from_at, until_at, reason, by_actor FROM assignment
		WHERE account_id = $1 AND lead_id = $2 ORDER BY from_at`)
)

var assignmentBulk = store.Bulk("leads.assignment_bulk", `INSERT INTO assignment (account_id, lead_id, from_at, user_id, reason, by_actor) VALUES`,
	`($1, $2, $3, $4, $5, $6)`, ``)

// RouteImported begins the first interval of leads of history that had an
// owner already.
func RouteImported(tx *store.Tx, all []Assignment) error {
	rows := make([][]any, len(all))
	for i, a := range all {
		rows[i] = []any{a.Lead, store.Micro(a.From), a.User, a.Reason, a.By}
	}
	_, err := tx.Bulk(assignmentBulk, rows)
	return err
}

// RouteAssign ends the present owner's interval and begins a.User's at a.From,
// or a microsecond after the one before when clocks disagree.
func RouteAssign(tx *store.Tx, a Assignment) error {
	var last time.Time
	if err := tx.Row(assignmentLast, a.Lead).Scan(store.Time(&last)); err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	if !a.From.After(last) {
		a.From = last.Add(time.Microsecond)
	}
	if _, err := tx.Exec(assignmentClose, a.Lead, store.Micro(a.From)); err != nil {
		return err
	}
	n, err := tx.Exec(assignmentAdd, a.Lead, store.Micro(a.From), a.User, a.Reason, a.By)
	if err == nil && n != 1 {
		return store.ErrAgain
	}
	return err
}

// Assignments lists a lead's owners, the first one first.
func Assignments(tx *store.Tx, id lead.ID) (out []Assignment, err error) {
	rows, err := tx.Query(assignmentList, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a Assignment
		if err := scan(&a.Lead, &a.User, store.Time(&a.From), store.Time(&a.Until), &a.Reason, &a.By); err != nil {
			return err
		}
		out = append(out, a)
		return nil
	})
	return out, err
}

// The board -------------------------------------------------------------------

// RouteCount is how many leads of a project wait.
type RouteCount struct {
	Project account.ProjectID
	Waiting int64
	Queued  int64
	Oldest  time.Time // of those waiting
}

var routeBoard = store.Register("leads.route_board", `SELECT project_id, count(*), count(queued_at), min(waiting_at) FROM lead
	WHERE account_id = $1 AND waiting_at IS NOT NULL GROUP BY project_id`)

// RouteBoard counts the waiting leads of every project that has any.
func RouteBoard(tx *store.Tx) (out []RouteCount, err error) {
	rows, err := tx.Query(routeBoard)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c RouteCount
		if err := scan(&c.Project, &c.Waiting, &c.Queued, store.Time(&c.Oldest)); err != nil {
			return err
		}
		out = append(out, c)
		return nil
	})
	return out, err
}
