package privacy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

// Clock is how long an account has for an answer: a month by Article 12(3) of
// the GDPR, counted as thirty days so that no month is too short.
const Clock = 30 * 24 * time.Hour

// Warning is how long before the end of the clock the account is told of a
// request that nobody has answered.
const Warning = 7 * 24 * time.Hour

// ClockJob tells the account of a request's clock; its key is the request's id.
const ClockJob jobs.Kind = "request-clock"

// Ask writes down what a person asked for. received is when they did, now or
// up to a year before.
func (p *Privacy) Ask(tx *store.Tx, kind people.RequestKind, of lead.PersonID, received time.Time, actor string, now time.Time) (people.Request, error) {
	if !kind.Valid() {
		return people.Request{}, problem.InvalidField("kind", "unknown_kind", "Send access, rectify, erase, restrict or unrestrict.")
	}
	if received.IsZero() {
		received = now
	}
	if received.After(now.Add(time.Minute)) || received.Before(now.AddDate(-1, 0, 0)) {
		return people.Request{}, problem.InvalidField("received_at", "bad_time", "A request was received at most a year ago, and not in the future.")
	}
	if _, err := people.Hold(tx, of); err != nil {
		return people.Request{}, err
	}
	who, err := people.One(tx, of)
	if errors.Is(err, store.ErrNone) {
		return people.Request{}, problem.InvalidField("person_id", "unknown_person", "No person of this account has this id.")
	}
	if err != nil {
		return people.Request{}, err
	}
	if !who.ErasedAt.IsZero() {
		return people.Request{}, problem.Conflict("person_erased", "This person was erased; there is nothing more that could be asked of.")
	}
	r := people.Request{ID: lead.NewRequestID(), Kind: kind, Person: of, State: people.RequestOpen, ReceivedAt: store.Clock(received),
		DueAt: store.Clock(received.Add(Clock)), By: actor, CreatedAt: now}
	if err := people.AddRequest(tx, r); err != nil {
		return r, err
	}
	if err := p.o.Jobs.Add(tx, ClockJob, r.ID.String(), r.DueAt.Add(-Warning)); err != nil {
		return r, err
	}
	return r, p.record(tx, r, "subject_request.received", actor, now)
}

// Refuse ends a request unfulfilled. reason is a code, such as not-identified;
// the law wants the person told why.
func (p *Privacy) Refuse(tx *store.Tx, id lead.RequestID, reason, actor string, now time.Time) (people.Request, error) {
	if !code.MatchString(reason) {
		return people.Request{}, problem.InvalidField("reason", "bad_reason", "A reason is a code: up to 40 letters and hyphens.")
	}
	r, err := p.open(tx, id)
	if err != nil {
		return r, err
	}
	r.Reason = reason
	return p.finish(tx, r, people.RequestRefused, "subject_request.refused", actor, now)
}

var code = regexp.MustCompile(`^[a-z][a-z-]{0,39}$`)

// Fulfil does what the request asks for: it erases, restricts or unrestricts.
// For access and rectify it notes that they were done, by Data and Rectify.
func (p *Privacy) Fulfil(tx *store.Tx, id lead.RequestID, actor string, now time.Time) (people.Request, error) {
	r, err := p.open(tx, id)
	if err != nil {
		return r, err
	}
	switch r.Kind {
	case people.AskErase:
		r.State, r.DoneBy = people.RequestRunning, actor
		if err := people.MoveRequest(tx, r, people.RequestOpen); err != nil {
			return r, err
		}
		if err := p.o.Jobs.Add(tx, EraseJob, r.Person.String(), now); err != nil {
			return r, err
		}
		return r, p.record(tx, r, "subject_request.running", actor, now)
	case people.AskRestrict:
		err = p.restrict(tx, r.Person, actor, now)
	case people.AskUnrestrict:
		err = p.unrestrict(tx, r.Person, actor, now)
	}
	if err != nil {
		return r, err
	}
	return p.finish(tx, r, people.RequestDone, "subject_request.done", actor, now)
}

// restricted is the reason of a suppression that a restriction is.
const restricted = "restricted"

// restrict keeps the person's data and has nobody contact them: a suppression,
// which counts everywhere already.
func (p *Privacy) restrict(tx *store.Tx, id lead.PersonID, actor string, now time.Time) error {
	if _, err := people.Hold(tx, id); err != nil {
		return err
	}
	ok, err := people.Suppress(tx, people.Suppression{ID: lead.NewSuppressionID(), Person: id, Reason: restricted, By: actor, From: now})
	if err != nil || !ok { // they must not be contacted already
		return err
	}
	p.o.Events.Emit(tx, events.Event{Kind: events.PersonSuppressed, At: now, Data: map[string]any{"person_id": id.String(), "reason": restricted}})
	return nil
}

func (p *Privacy) unrestrict(tx *store.Tx, id lead.PersonID, actor string, now time.Time) error {
	was, err := people.SuppressionOf(tx, id)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if was.Reason != restricted {
		return problem.Conflict("suppressed", "This person must not be contacted for another reason. Unsuppress them if that has ended.")
	}
	if _, err := people.Unsuppress(tx, id, now, actor); err != nil {
		return err
	}
	p.o.Events.Emit(tx, events.Event{Kind: events.PersonUnsuppressed, At: now, Data: map[string]any{"person_id": id.String(), "reason": restricted}})
	return p.o.Jobs.Add(tx, kindReturn, id.String(), now)
}

func (p *Privacy) open(tx *store.Tx, id lead.RequestID) (people.Request, error) {
	r, err := people.RequestByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return r, problem.NotFound()
	}
	if err == nil && r.State != people.RequestOpen {
		err = problem.Conflict("request_finished", "This request is %s.", r.State)
	}
	return r, err
}

func (p *Privacy) finish(tx *store.Tx, r people.Request, s people.RequestState, action, actor string, now time.Time) (people.Request, error) {
	was := r.State
	r.State, r.DoneBy, r.FinishedAt = s, actor, now
	if err := people.MoveRequest(tx, r, was); err != nil {
		return r, err
	}
	if err := p.answered(tx, r.ID, now); err != nil {
		return r, err
	}
	return r, p.record(tx, r, action, actor, now)
}

// clock tells the account, when a week is left and when none is, of a request
// that has no answer. One whose erasure runs has none yet.
func (p *Privacy) clock(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParseRequestID(j.Key)
	if err != nil {
		return fmt.Errorf("privacy: job request-clock: %w", err)
	}
	return p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		r, err := people.RequestByID(tx, id)
		if errors.Is(err, store.ErrNone) || err == nil && !r.FinishedAt.IsZero() {
			return j.Done(tx)
		}
		if err != nil {
			return err
		}
		now := p.now()
		switch {
		case now.Before(r.DueAt.Add(-Warning)):
			return j.Later(tx, r.DueAt.Add(-Warning))
		case now.Before(r.DueAt):
			if err := p.remind(tx, alarm.Due, alarm.Soon, r, now); err != nil {
				return err
			}
			return j.Later(tx, r.DueAt)
		}
		if err := p.bell().End(tx, alarm.Due, r.ID.String(), now); err != nil {
			return err
		}
		if err := p.remind(tx, alarm.Late, alarm.Over, r, now); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

func (p *Privacy) remind(tx *store.Tx, kind alarm.Kind, word alarm.Word, r people.Request, now time.Time) error {
	a := alarm.Alarm{About: r.ID.String(), Detail: map[string]any{"request": r.ID.String(), "asked": string(r.Kind), "due_at": r.DueAt.UTC()}}
	if err := p.bell().Raise(tx, kind, a, now); err != nil {
		return err
	}
	return p.bell().Mail(tx, kind, r.ID.String(), word, now)
}

// answered ends the alarms of the request's clock.
func (p *Privacy) answered(tx *store.Tx, id lead.RequestID, now time.Time) error {
	return errors.Join(p.bell().End(tx, alarm.Due, id.String(), now), p.bell().End(tx, alarm.Late, id.String(), now))
}

func (p *Privacy) record(tx *store.Tx, r people.Request, action, actor string, now time.Time) error {
	return audit.Write(tx, now, audit.Entry{Actor: actor, Action: action, About: r.Person.String(),
		Detail: map[string]any{"request": r.ID.String(), "kind": string(r.Kind), "due_at": r.DueAt, "reason": r.Reason}})
}

// finishErasures notes that the persons' erasures are done, and that what else
// they asked for has nothing left that it could be about.
func (p *Privacy) finishErasures(tx *store.Tx, ids []lead.PersonID, now time.Time) error {
	for _, id := range ids {
		all, err := people.RequestsOf(tx, id)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.State != people.RequestOpen && r.State != people.RequestRunning {
				continue
			}
			was := r.State
			r.State, r.FinishedAt = people.RequestDone, now
			if r.Kind != people.AskErase {
				r.State, r.Reason = people.RequestRefused, Reason
			}
			if err := people.MoveRequest(tx, r, was); err != nil {
				return err
			}
			if err := p.answered(tx, r.ID, now); err != nil {
				return err
			}
		}
	}
	return nil
}
