package privacy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/approvals"
)

// Bounds of what is approved, of whichever kind.
const (
	LongestApproval = 60 // minutes
	ApproveWithin   = 4 * time.Hour
)

// Approvals is what operators do only together: one asks, others approve, each
// step is on the platform's record, and what is open ends by itself. What it is
// for, and what opens with the last approval, is its kind's: emergency.go, logs.go.
type Approvals struct {
	db     *store.DB
	jobs   *jobs.List
	events *events.Log
	needed int
	now    func() time.Time
}

// NewApprovals returns them; needed is how many operators approve, besides the
// one who asks. now is time.Now when nil.
func NewApprovals(db *store.DB, list *jobs.List, log *events.Log, needed int, now func() time.Time) *Approvals {
	if now == nil {
		now = time.Now
	}
	return &Approvals{db: db, jobs: list, events: log, needed: needed, now: func() time.Time { return store.Clock(now()) }}
}

// request is one that was not kept yet. 422: too long, or without a purpose.
func (a *Approvals) request(kind approvals.Kind, by account.UserID, minutes int64, purpose string) (approvals.Request, error) {
	now := a.now()
	r := approvals.Request{ID: approvals.NewID(), Kind: kind, By: by, Purpose: strings.TrimSpace(purpose), Minutes: minutes, Needed: int64(a.needed), AskedAt: now, LapsesAt: now.Add(ApproveWithin)}
	if minutes < 1 || minutes > LongestApproval {
		return r, problem.InvalidField("minutes", "too_long", "What operators approve lasts an hour at most.")
	}
	if r.Purpose == "" {
		return r, problem.InvalidField("purpose", "required", "Say why; the others read it, and whose data it is about.")
	}
	return r, nil
}

// ask keeps a request for others to approve, with what the record says of its
// scope. 409 too_few_operators: nobody could approve it.
func (a *Approvals) ask(ctx context.Context, r approvals.Request, scope map[string]any) error {
	return a.db.Directory(ctx, func(d *store.Dir) error {
		able, err := access.Approvers(d)
		if err != nil {
			return err
		}
		if able = slices.DeleteFunc(able, func(s access.Supporter) bool { return s.ID == r.By }); len(able) < a.needed {
			return problem.Conflict("too_few_operators", "There are not enough other operators to approve it. Make one: catchment operator create.")
		}
		if err := approvals.Add(d, r); err != nil {
			return err
		}
		detail := about(r, map[string]any{"minutes": r.Minutes, "needed": r.Needed, "purpose": r.Purpose})
		for name, v := range scope {
			detail[name] = v
		}
		return noted(d, r.AskedAt, r.By.String(), "approval.asked", r, detail)
	})
}

// about adds what a request is about to what is said of it.
func about(r approvals.Request, detail map[string]any) map[string]any {
	detail["kind"] = r.Kind
	if !r.Target.IsZero() {
		detail["account"] = r.Target
	}
	return detail
}

func noted(d *store.Dir, at time.Time, by, action string, r approvals.Request, detail map[string]any) error {
	return audit.WritePlatform(d, at, audit.Entry{Actor: by, Action: action, About: r.ID.String(), Detail: detail})
}

// List reads up to limit requests that come after the place, newest first.
func (a *Approvals) List(ctx context.Context, at time.Time, after approvals.ID, limit int) (out []approvals.Request, err error) {
	err = a.db.ReadDirectory(ctx, func(d *store.Dir) error {
		out, err = approvals.List(d, at, after, limit)
		return err
	})
	return out, err
}

// Approve notes one operator's approval; with the last one that is needed it
// begins. 404: there is none; 409 own_request, approved_already, not_waiting;
// 403 no_approver.
func (a *Approvals) Approve(ctx context.Context, id approvals.ID, by account.UserID) (r approvals.Request, err error) {
	now := a.now()
	err = a.db.Directory(ctx, func(d *store.Dir) error {
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
		if err := noted(d, now, by.String(), "approval.approved", r, about(r, map[string]any{"approvals": len(r.Approvals), "needed": r.Needed})); err != nil {
			return err
		}
		if r.Kind == approvals.Logs && r.StateAt(now) == approvals.Approved {
			return openLogs(d, &r, now)
		}
		return nil
	})
	if err == nil && r.StateAt(now) == approvals.Approved {
		err = a.beginGrant(ctx, r)
	}
	return r, err
}

// Resume begins what was approved just before the program was stopped, as long
// as it has not lapsed, and notes the end of what ended by itself.
func (a *Approvals) Resume(ctx context.Context) error {
	now := a.now()
	var left []approvals.Request
	err := a.db.ReadDirectory(ctx, func(d *store.Dir) error {
		left = nil
		ids, err := approvals.Waiting(d, now.Add(-ApproveWithin))
		for _, id := range ids {
			if err != nil {
				return err
			}
			var r approvals.Request
			if r, err = approvals.Get(d, id); r.StateAt(now) == approvals.Approved {
				left = append(left, r)
			}
		}
		return err
	})
	for _, r := range left {
		if err == nil {
			err = a.beginGrant(ctx, r)
		}
	}
	return errors.Join(err, a.endLogs(ctx))
}

// Close withdraws or refuses what is not open yet, and ends what is. 404: there
// is none; 409 request_over: it was over before.
func (a *Approvals) Close(ctx context.Context, id approvals.ID, by account.UserID) (r approvals.Request, err error) {
	now := a.now()
	err = a.db.ReadDirectory(ctx, func(d *store.Dir) error {
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
	if err == nil && r.Kind == approvals.BreakGlass && r.StateAt(now) == approvals.Open {
		err = a.endGrant(ctx, r, by, now)
	}
	if err != nil {
		return r, err
	}
	err = a.db.Directory(ctx, func(d *store.Dir) error {
		ok, err := approvals.End(d, id, by.String(), now)
		if err == nil && !ok {
			err = over
		}
		if err != nil {
			return err
		}
		r.ClosedBy, r.ClosedAt = by.String(), now
		return noted(d, now, by.String(), "approval.closed", r, about(r, map[string]any{"state": r.StateAt(now)}))
	})
	return r, err
}
