package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/approvals"
	"catchment/internal/store/grants"
	"catchment/internal/store/setup"
)

// EmergencyJob makes the grant of an emergency that enough operators have
// approved, on the account's side, which has its keys. Its key is the request's
// id.
const EmergencyJob jobs.Kind = "break-glass"

// AskEmergency keeps a request to open leads of an account that granted them to
// nobody. Its side makes the grant, once it is approved: Approvals hold no
// account's keys. 422: the scope is no grant's, or the account has no such leads;
// 409 too_few_operators.
func (a *Approvals) AskEmergency(ctx context.Context, by account.UserID, of account.ID, scope approvals.Scope, minutes int64, purpose string) (approvals.Request, error) {
	r, err := a.request(approvals.BreakGlass, by, minutes, purpose)
	if err != nil {
		return r, err
	}
	r.Target, r.Scope = of, scope
	n := grantOf(r, r.AskedAt)
	if err := n.check(r.AskedAt); err != nil {
		return r, err
	}
	r.Purpose, r.Scope.Fields = n.Reason, n.Fields
	err = a.db.Read(ctx, admit.To(of), func(tx *store.Tx) error {
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
	return r, a.ask(ctx, r, map[string]any{"fields": r.Scope.Fields})
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

// beginGrant has the account's side make the grant of what was approved.
func (a *Approvals) beginGrant(ctx context.Context, r approvals.Request) error {
	return a.db.Write(ctx, admit.To(r.Target), func(tx *store.Tx) error { return a.jobs.Add(tx, EmergencyJob, r.ID.String(), a.now()) })
}

// endGrant ends the grant of what is open.
func (a *Approvals) endGrant(ctx context.Context, r approvals.Request, by account.UserID, now time.Time) error {
	return a.db.Write(ctx, admit.To(r.Target), func(tx *store.Tx) error {
		_, err := revoke(tx, a.jobs, a.events, account.GrantIDFrom(r.ID.UUID()), by.String(), now)
		return err
	})
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
		if err := p.bell().Raise(tx, alarm.Broken, alarm.Alarm{About: g.ID.String(), Detail: map[string]any{"grant": g.ID.String(), "reason": g.Reason, "leads": g.Leads}}, now); err != nil {
			return err
		}
		return p.bell().Mail(tx, alarm.Broken, g.ID.String(), alarm.Began, now)
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
