package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/approvals"
	"catchment/internal/store/grants"
	"catchment/internal/store/setup"
)

// EmergencyJob makes the grant of an emergency that enough operators have
// approved, on the account's side, which has its keys. Its key is the request's
// id.
const EmergencyJob jobs.Kind = "break-glass"

// Bounds of an emergency.
const (
	LongestEmergency = 60 // minutes
	ApproveWithin    = 4 * time.Hour
)

// Emergency is how operators open leads that no account granted: one asks,
// others approve, and the account sees it at once. It holds no account's keys;
// the account's side makes the grant, once it is approved.
type Emergency struct {
	db     *store.DB
	jobs   *jobs.List
	events *events.Log
	needed int
	now    func() time.Time
}

// NewEmergency returns it; needed is how many operators approve, besides the one
// who asks. now is time.Now when nil.
func NewEmergency(db *store.DB, list *jobs.List, log *events.Log, needed int, now func() time.Time) *Emergency {
	if now == nil {
		now = time.Now
	}
	return &Emergency{db: db, jobs: list, events: log, needed: needed, now: func() time.Time { return store.Clock(now()) }}
}

// Ask keeps a request for others to approve. 422: the scope is no grant's, or
// the account has no such leads; 409 too_few_operators: nobody could approve it.
func (e *Emergency) Ask(ctx context.Context, by account.UserID, of account.ID, scope approvals.Scope, minutes int64, purpose string) (approvals.Request, error) {
	now := e.now()
	r := approvals.Request{ID: approvals.NewID(), Kind: approvals.BreakGlass, By: by, Purpose: purpose, Target: of, Scope: scope, Minutes: minutes, Needed: int64(e.needed), AskedAt: now, LapsesAt: now.Add(ApproveWithin)}
	if minutes < 1 || minutes > LongestEmergency {
		return r, problem.InvalidField("minutes", "too_long", "An emergency lasts an hour at most.")
	}
	n := grantOf(r, now)
	if strings.TrimSpace(purpose) == "" {
		return r, problem.InvalidField("purpose", "required", "Say why; the account reads it.")
	}
	if err := n.check(now); err != nil {
		return r, err
	}
	r.Purpose, r.Scope.Fields = n.Reason, n.Fields
	err := e.db.Read(ctx, admit.To(of), func(tx *store.Tx) error {
		if _, err := setup.GetAccount(tx); errors.Is(err, store.ErrNone) {
			return problem.InvalidField("account_id", "unknown_account", "There is no such account.")
		} else if err != nil {
			return err
		}
		_, err := n.leads(tx)
		return err
	})
	if err != nil {
		return r, err
	}
	return r, e.db.Directory(ctx, func(d *store.Dir) error {
		able, err := access.Approvers(d)
		if err != nil {
			return err
		}
		if able = slices.DeleteFunc(able, func(s access.Supporter) bool { return s.ID == by }); len(able) < e.needed {
			return problem.Conflict("too_few_operators", "There are not enough other operators to approve it. Make one: catchment operator create.")
		}
		if err := approvals.Add(d, r); err != nil {
			return err
		}
		return noted(d, now, by.String(), "approval.asked", r, map[string]any{"kind": r.Kind, "account": of, "minutes": minutes, "needed": r.Needed, "purpose": r.Purpose, "fields": r.Scope.Fields})
	})
}

func noted(d *store.Dir, at time.Time, by, action string, r approvals.Request, detail map[string]any) error {
	return audit.WritePlatform(d, at, audit.Entry{Actor: by, Action: action, About: r.ID.String(), Detail: detail})
}

// grantOf is the grant that a request is for. It has the request's id, so that
// there is one, however often the job runs.
func grantOf(r approvals.Request, now time.Time) NewGrant {
	n := NewGrant{ID: account.GrantIDFrom(r.ID.UUID()), Kind: grants.BreakGlass, To: r.By, Leads: slices.Clone(r.Scope.Leads), Project: r.Scope.Project, Fields: slices.Clone(r.Scope.Fields),
		Until: now.Add(time.Duration(r.Minutes) * time.Minute), Reason: r.Purpose, By: r.By.String()}
	for _, a := range r.Approvals {
		n.Approved = append(n.Approved, a.By.String())
	}
	return n
}

// List reads up to limit requests that come after the place, newest first.
func (e *Emergency) List(ctx context.Context, at time.Time, after approvals.ID, limit int) (out []approvals.Request, err error) {
	err = e.db.ReadDirectory(ctx, func(d *store.Dir) error {
		out, err = approvals.List(d, at, after, limit)
		return err
	})
	return out, err
}

// Approve notes one operator's approval; with the last one that is needed the
// account's side makes the grant. 404: there is none; 409 own_request,
// approved_already, not_waiting; 403 no_approver.
func (e *Emergency) Approve(ctx context.Context, id approvals.ID, by account.UserID) (r approvals.Request, err error) {
	now := e.now()
	err = e.db.Directory(ctx, func(d *store.Dir) error {
		if r, err = approvals.Get(d, id); errors.Is(err, store.ErrNone) {
			return problem.NotFound()
		} else if err != nil {
			return err
		}
		who, err := access.Operator(d, by)
		switch {
		case err != nil:
			return err
		case !who.Approves:
			return problem.Forbidden("no_approver", "You approve nothing on this platform.")
		case r.By == by:
			return problem.Conflict("own_request", "Somebody else approves what you ask for.")
		}
		ok, err := approvals.Approve(d, id, by, now)
		if err != nil {
			return err
		}
		if !ok {
			return problem.Conflict("approved_already", "You have approved this already.")
		}
		if r.StateAt(now) != approvals.Asked {
			return problem.Conflict("not_waiting", "This request does not wait for an approval any more.")
		}
		r.Approvals = append(r.Approvals, approvals.Approval{By: by, At: now})
		return noted(d, now, by.String(), "approval.approved", r, map[string]any{"account": r.Target, "approvals": len(r.Approvals), "needed": r.Needed})
	})
	if err == nil && r.StateAt(now) == approvals.Approved {
		err = e.begin(ctx, r)
	}
	return r, err
}

func (e *Emergency) begin(ctx context.Context, r approvals.Request) error {
	return e.db.Write(ctx, admit.To(r.Target), func(tx *store.Tx) error { return e.jobs.Add(tx, EmergencyJob, r.ID.String(), e.now()) })
}

// Resume begins what was approved just before the program was stopped.
func (e *Emergency) Resume(ctx context.Context) error {
	var left []approvals.Request
	err := e.db.ReadDirectory(ctx, func(d *store.Dir) error {
		ids, err := approvals.Waiting(d, e.now().Add(-24*time.Hour))
		for _, id := range ids {
			if err != nil {
				return err
			}
			var r approvals.Request
			r, err = approvals.Get(d, id)
			left = append(left, r)
		}
		return err
	})
	for _, r := range left {
		if err == nil {
			err = e.begin(ctx, r)
		}
	}
	return err
}

// Close withdraws or refuses what is not open yet, and ends what is. 404: there
// is none; 409 request_over: it was over before.
func (e *Emergency) Close(ctx context.Context, id approvals.ID, by account.UserID) (r approvals.Request, err error) {
	now := e.now()
	err = e.db.ReadDirectory(ctx, func(d *store.Dir) error {
		r, err = approvals.Get(d, id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return r, problem.NotFound()
	}
	over := problem.Conflict("request_over", "This request is over already.")
	if err == nil && slices.Contains([]approvals.State{approvals.Ended, approvals.Closed, approvals.Lapsed}, r.StateAt(now)) {
		err = over
	}
	if err == nil && r.StateAt(now) == approvals.Open {
		err = e.db.Write(ctx, admit.To(r.Target), func(tx *store.Tx) error {
			_, err := revoke(tx, e.jobs, e.events, account.GrantIDFrom(r.ID.UUID()), by.String(), now)
			return err
		})
	}
	if err != nil {
		return r, err
	}
	err = e.db.Directory(ctx, func(d *store.Dir) error {
		ok, err := approvals.End(d, id, by.String(), now)
		if err == nil && !ok {
			err = over
		}
		if err != nil {
			return err
		}
		r.ClosedBy, r.ClosedAt = by.String(), now
		return noted(d, now, by.String(), "approval.closed", r, map[string]any{"account": r.Target, "state": r.StateAt(now)})
	})
	return r, err
}

// beginEmergency is the job: the account's keys make the grant, its record has
// it, and an alarm tells its people in the same transaction.
func (p *Privacy) beginEmergency(ctx context.Context, j jobs.Job) error {
	id, err := approvals.ParseID(j.Key)
	if err != nil {
		return fmt.Errorf("privacy: job break-glass: %w", err)
	}
	now := p.now()
	var r approvals.Request
	err = p.o.DB.ReadDirectory(ctx, func(d *store.Dir) error {
		r, err = approvals.Get(d, id)
		return err
	})
	if err != nil || r.Target != j.Scope.Account() {
		return err
	}
	switch r.StateAt(now) {
	case approvals.Approved:
	case approvals.Closed:
		return p.undo(ctx, j.Scope, r, now)
	default:
		return nil
	}
	var g grants.Grant
	err = p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		n := grantOf(r, now)
		if g, err = grants.Get(tx, n.ID); !errors.Is(err, store.ErrNone) {
			return err // made before the program was stopped
		}
		if g, err = p.Grant(tx, n, now); err != nil {
			return err
		}
		return p.bell().Raise(tx, alarm.Broken, alarm.Alarm{About: g.ID.String(), Detail: map[string]any{"grant": g.ID.String(), "reason": g.Reason, "leads": g.Leads}}, now)
	})
	if _, refused := problem.Of(err); refused {
		return p.closeEmergency(ctx, r, Actor, now) // its leads are no more
	}
	if err != nil {
		return err
	}
	begun := true
	err = p.o.DB.Directory(ctx, func(d *store.Dir) error {
		begun, err = approvals.Begin(d, id, g.From, g.Until)
		if err != nil || !begun {
			return err
		}
		return noted(d, now, Actor, "approval.open", r, map[string]any{"account": r.Target, "until": g.Until, "leads": g.Leads})
	})
	if err == nil && !begun {
		err = p.undo(ctx, j.Scope, r, now)
	}
	return err
}

// undo ends the grant of a request that somebody closed while it was made.
func (p *Privacy) undo(ctx context.Context, of account.Scope, r approvals.Request, now time.Time) error {
	err := p.o.DB.Write(ctx, of, func(tx *store.Tx) error {
		_, err := revoke(tx, p.o.Jobs, p.o.Events, account.GrantIDFrom(r.ID.UUID()), Actor, now)
		return err
	})
	if _, none := problem.Of(err); none {
		return nil
	}
	return err
}

func (p *Privacy) bell() alarm.Bell { return alarm.Bell{Events: p.o.Events, Jobs: p.o.Jobs} }

// emergencyOver ends the alarm and the request of an emergency's grant.
func (p *Privacy) emergencyOver(ctx context.Context, of account.Scope, g grants.Grant) error {
	err := p.o.DB.Write(ctx, of, func(tx *store.Tx) error { return p.bell().End(tx, alarm.Broken, g.ID.String(), g.EndedAt) })
	if err != nil {
		return err
	}
	return p.closeEmergency(ctx, approvals.Request{ID: approvals.IDFrom(g.ID.UUID()), Target: of.Account()}, g.EndedBy, g.EndedAt)
}

func (p *Privacy) closeEmergency(ctx context.Context, r approvals.Request, by string, at time.Time) error {
	return p.o.DB.Directory(ctx, func(d *store.Dir) error {
		ok, err := approvals.End(d, r.ID, by, at)
		if err != nil || !ok {
			return err
		}
		return noted(d, at, Actor, "approval.closed", r, map[string]any{"account": r.Target, "by": by})
	})
}
