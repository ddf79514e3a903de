package followup

import (
	"time"

	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
)

// bound settles when something happened that a device tells later: not in the
// future, and not before the lead was the worker's. Zero: it is told at once.
func bound(tx *store.Tx, w Worker, l leads.Lead, now time.Time) (time.Time, error) {
	if w.Said.IsZero() {
		return w.Said, nil
	}
	since := l.CreatedAt
	if !w.User.IsZero() && l.Owner == w.User {
		_, from, err := leads.OwnedSince(tx, l.ID)
		if err != nil {
			return w.Said, err
		}
		since = from
	}
	return store.Clock(within(w.Said, since, now)), nil
}

func within(at, from, until time.Time) time.Time {
	if at.Before(from) {
		at = from
	}
	if at.After(until) {
		at = until
	}
	return at
}

// when is the moment of what the worker tells.
func (w Worker) when(now time.Time) time.Time {
	if w.Said.IsZero() {
		return now
	}
	return w.Said
}

// settle moves the times of an attempt that is told later to possible ones.
func (t *Try) settle(w Worker, l leads.Lead, now time.Time) {
	if w.Said.IsZero() {
		return
	}
	if t.StartedAt.IsZero() {
		t.StartedAt = w.Said
	}
	t.StartedAt = within(t.StartedAt, l.CreatedAt, now)
	if !t.EndedAt.IsZero() {
		t.EndedAt = within(t.EndedAt, t.StartedAt, now)
	}
}

// passedOn is what a device gets that tells of a lead which was its user's.
func passedOn(tx *store.Tx, w Worker, l leads.Lead) error {
	if w.Said.IsZero() || w.User.IsZero() {
		return problem.NotFound()
	}
	left, err := leads.LeftAt(tx, l.ID, w.User)
	if err != nil {
		return err
	}
	if left.IsZero() {
		return problem.NotFound()
	}
	return problem.Conflict("lead_passed_on", "This lead is not yours any more since %s. Nothing was kept: show what was to be sent, so that it can be told to whoever has the lead now.", left.UTC().Format(time.RFC3339))
}

// superseded says that somebody decided otherwise after the device did.
func superseded(what string) error {
	return problem.Conflict("superseded", "The lead's %s was changed after this happened. Nothing was changed: show the lead as it is.", what)
}

func isSuperseded(err error) bool {
	p, ok := problem.Of(err)
	return ok && p.Code == "superseded"
}
