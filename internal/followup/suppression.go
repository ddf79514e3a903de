package followup

import (
	"time"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// Suppress marks the person as one who must not be contacted. The caller has
// checked that the worker may know the person. Marking again changes nothing
// and is 409 suppressed.
func (f *Followup) Suppress(tx *store.Tx, w Worker, id lead.PersonID, reason string, evidence vault.Personal, now time.Time) (people.Suppression, error) {
	code, ok := Reason(reason)
	if !ok || code == "" {
		return people.Suppression{}, problem.InvalidField("reason", "bad_reason", "A reason is a code: up to 40 letters and hyphens. Put what was said into evidence.")
	}
	s := people.Suppression{ID: lead.NewSuppressionID(), Person: id, Reason: code, By: w.Actor, From: now}
	if !evidence.Empty() {
		key, err := f.personKey(tx, id)
		if err != nil {
			return s, err
		}
		s.Evidence = key.Seal(people.ProofPlace(s.ID), evidence)
	}
	ok, err := people.Suppress(tx, s)
	if err != nil {
		return s, err
	}
	if !ok {
		return s, problem.Conflict("suppressed", "This person is suppressed already.")
	}
	return s, f.suppressed(tx, w, id, events.PersonSuppressed, "person.suppress", code, now)
}

// Unsuppress ends the mark: the person may be contacted again.
func (f *Followup) Unsuppress(tx *store.Tx, w Worker, id lead.PersonID, reason string, now time.Time) error {
	code, ok := Reason(reason)
	if !ok || code == "" {
		return problem.InvalidField("reason", "bad_reason", "A reason is a code: up to 40 letters and hyphens. Say why the person may be contacted again.")
	}
	ok, err := people.Unsuppress(tx, id, now, w.Actor)
	if err != nil {
		return err
	}
	if !ok {
		return problem.Conflict("not_suppressed", "This person is not suppressed. One who is merged with another carries the mark there.")
	}
	if err := f.jobs.Add(tx, kindReturn, id.String(), now); err != nil {
		return err
	}
	return f.suppressed(tx, w, id, events.PersonUnsuppressed, "person.unsuppress", code, now)
}

// suppressed puts it on the record and tells the followers.
func (f *Followup) suppressed(tx *store.Tx, w Worker, id lead.PersonID, k events.Kind, action, reason string, now time.Time) error {
	err := audit.Write(tx, now, audit.Entry{Actor: w.Actor, Action: action, About: id.String(), Detail: map[string]any{"reason": reason}})
	if err != nil {
		return err
	}
	f.events.Emit(tx, events.Event{Kind: k, At: now, Data: map[string]any{"person_id": id.String(), "reason": reason}})
	return nil
}
