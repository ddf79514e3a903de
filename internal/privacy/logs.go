package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/logbook"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/approvals"
)

// LongestLook is how much of the log one request may be for.
const LongestLook = 7 * 24 * time.Hour

// AskLogs keeps a request to read the program's log. There is nothing personal
// in it, so no account has a say: whom a line names is said by id, and that it was
// read stands on the platform's record. 422: the times do not fit; 409
// too_few_operators.
func (a *Approvals) AskLogs(ctx context.Context, by account.UserID, of account.ID, scope approvals.Log, minutes int64, purpose string) (approvals.Request, error) {
	r, err := a.request(approvals.Logs, by, minutes, purpose)
	switch {
	case err != nil:
		return r, err
	case scope.From.IsZero() || scope.From.After(r.AskedAt):
		return r, problem.InvalidField("from", "bad_time", "Say from when on; there is nothing of the future yet.")
	case !scope.Until.After(scope.From):
		return r, problem.InvalidField("to", "bad_time", "The end comes after the beginning.")
	case scope.Until.Sub(scope.From) > LongestLook:
		return r, problem.InvalidField("to", "too_long", "One request is for a week of the log at most.")
	}
	r.Target, r.Scope.Log = of, &scope
	return r, a.ask(ctx, r, map[string]any{"from": scope.From, "to": scope.Until})
}

// openLogs begins what was approved, in the transaction of the last approval:
// it needs nothing of any account.
func openLogs(d *store.Dir, r *approvals.Request, now time.Time) error {
	r.OpenedAt, r.EndsAt = now, now.Add(time.Duration(r.Minutes)*time.Minute)
	ok, err := approvals.Begin(d, r.ID, r.OpenedAt, r.EndsAt)
	if err != nil {
		return err
	}
	if !ok {
		return problem.Conflict("not_waiting", "This request does not wait for an approval any more.")
	}
	return noted(d, now, Actor, "approval.open", *r, about(*r, map[string]any{"until": r.EndsAt}))
}

// endLogs notes the end of what ended by itself.
func (a *Approvals) endLogs(ctx context.Context) error {
	return a.db.Directory(ctx, func(d *store.Dir) error {
		now := a.now()
		ids, err := approvals.Over(d, approvals.Logs, now)
		for _, id := range ids {
			if err != nil {
				return err
			}
			var r approvals.Request
			if r, err = approvals.Get(d, id); err != nil {
				return err
			}
			if _, err = approvals.End(d, id, Actor, r.EndsAt); err == nil {
				err = noted(d, now, Actor, "approval.closed", r, about(r, map[string]any{"by": Actor}))
			}
		}
		return err
	})
}

// Logs lets an operator read of the log what others have approved.
type Logs struct {
	a    *Approvals
	book *logbook.Reader
}

// NewLogs returns it. Nobody else has the reader.
func NewLogs(a *Approvals, book *logbook.Reader) *Logs { return &Logs{a, book} }

// Page reads up to limit lines, newest first, of what the request is for and of
// want, whose empty fields choose all. The page stands on the platform's record
// before it is given. next is nil when there is no more. 404: there is none, it
// is of another kind or another's; 403 not_open: it was not approved, or is over.
func (l *Logs) Page(ctx context.Context, by account.UserID, id approvals.ID, want logbook.Want, after logbook.Place, limit int) (lines []logbook.Line, next *logbook.Place, err error) {
	var r approvals.Request
	err = l.a.db.ReadDirectory(ctx, func(d *store.Dir) error {
		r, err = l.mine(d, by, id)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	want, some := narrowed(r, want)
	if some {
		if lines, next, err = l.book.Page(ctx, want, after, limit); err != nil {
			return nil, nil, err
		}
	}
	err = l.a.db.Directory(ctx, func(d *store.Dir) error {
		if _, err := l.mine(d, by, id); err != nil { // it may have ended meanwhile
			return err
		}
		err := noted(d, l.a.now(), by.String(), audit.LogRead, r, about(r, map[string]any{"from": want.From, "to": want.Until, "lines": len(lines)}))
		if err != nil {
			return fmt.Errorf("%w: %w", audit.ErrUnwritten, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return lines, next, nil
}

// mine is a request that is open for who asked.
func (l *Logs) mine(d *store.Dir, by account.UserID, id approvals.ID) (approvals.Request, error) {
	r, err := approvals.Get(d, id)
	switch {
	case errors.Is(err, store.ErrNone), err == nil && (r.Kind != approvals.Logs || r.By != by || r.Scope.Log == nil):
		return r, problem.NotFound()
	case err == nil && r.StateAt(l.a.now()) != approvals.Open:
		return r, problem.Forbidden("not_open", "The log is read while a request for it is open: others approve it, and it ends by itself.")
	}
	return r, err
}

// narrowed is what is wanted of what the request is for; false: nothing can be.
func narrowed(r approvals.Request, w logbook.Want) (logbook.Want, bool) {
	s := *r.Scope.Log
	if w.From.Before(s.From) {
		w.From = s.From
	}
	if w.Until.IsZero() || w.Until.After(s.Until) {
		w.Until = s.Until
	}
	var least slog.Level
	_ = least.UnmarshalText([]byte(s.Level)) // it was checked when it was asked for; none is INFO
	w.Level = max(w.Level, least)
	fits := true
	for _, f := range []struct {
		is   *string
		must string
	}{{&w.Part, s.Part}, {&w.Account, r.Target.String()}, {&w.Request, s.Request}} {
		fits = fits && (f.must == "" || *f.is == "" || *f.is == f.must)
		if f.must != "" {
			*f.is = f.must
		}
	}
	return w, fits
}
