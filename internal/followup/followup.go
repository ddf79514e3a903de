// Package followup is what happens to a lead once somebody is accountable for
// it: attempts, notes, stages and next actions. Callers may rely on this: only
// who may work a lead changes it (for everybody else it does not exist), each
// change is fenced by the lead's version, and each emits its event and writes
// its history in the caller's transaction.
package followup

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Emitter takes the events of a transaction; they leave with its commit.
type Emitter interface {
	Emit(tx *store.Tx, evs ...events.Event)
}

// Keys gives an account's keys, which seal notes. keyring.Accounts has them.
type Keys interface {
	Get(ctx context.Context, id account.ID) (*keyring.AccountKeys, error)
	Renew(ctx context.Context, id account.ID) (*keyring.AccountKeys, error)
}

// Followup works leads.
type Followup struct {
	events Emitter
	jobs   *jobs.List
	keys   Keys
}

// kindWithdraw is routing's job that takes a closed lead out of routing; its
// key is the lead's id. Stages meet in jobs, so the name stands in both.
const kindWithdraw jobs.Kind = "withdraw"

// kindReturn is routing's job that has a person's leads offered again that were
// held back because they must not be contacted; its key is the person's id.
const kindReturn jobs.Kind = "return"

// kindAttempted is routing's job that lets service-level clocks know of an
// attempt; its key is the lead's id.
const kindAttempted jobs.Kind = "attempted"

// New returns a Followup.
func New(e Emitter, l *jobs.List, k Keys) *Followup { return &Followup{e, l, k} }

// Done is what an attempt came to.
type Done struct {
	Attempt leads.Attempt
	Note    lead.NoteID // zero without one
	Lead    leads.Lead  // as it is now
}

// Attempt keeps one try, with its note, next follow-up and change of stage, all
// or nothing.
func (f *Followup) Attempt(tx *store.Tx, w Worker, id lead.ID, t Try, now time.Time) (Done, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return Done{}, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return Done{}, err
	}
	t.settle(w, l, now)
	if faults := t.check(w, l, now); len(faults) > 0 {
		return Done{}, problem.Invalid(faults...)
	}
	return f.keep(tx, w, l, t.attempt(w, l, now), t, now)
}

// keep writes an attempt and what it brings along.
func (f *Followup) keep(tx *store.Tx, w Worker, l leads.Lead, a leads.Attempt, t Try, now time.Time) (Done, error) {
	first := l.AttemptedAt.IsZero() || l.AttemptedAt.Equal(a.StartedAt) // it was noted when it began
	firstContact := a.Reached && l.ContactedAt.IsZero()
	if err := leads.WorkAddAttempt(tx, &l, a); err != nil {
		return Done{}, err
	}
	data := map[string]any{"attempt_id": a.ID.String(), "channel": string(a.Channel), "disposition": string(a.Disposition),
		"reached": a.Reached, "first": first, "first_contact": firstContact}
	f.emit(tx, events.AttemptMade, l, w, now, data)
	if err := f.jobs.Add(tx, kindAttempted, l.ID.String(), now); err != nil {
		return Done{}, err
	}
	d := Done{Attempt: a}
	var err error
	if d.Note, err = f.rest(tx, w, &l, t, now); err != nil {
		return Done{}, err
	}
	d.Lead = l
	return d, nil
}

// rest does what an attempt brings along.
func (f *Followup) rest(tx *store.Tx, w Worker, l *leads.Lead, t Try, now time.Time) (note lead.NoteID, err error) {
	if !t.Note.Empty() {
		if note, err = f.note(tx, w, *l, t.Note, now); err != nil {
			return note, err
		}
	}
	next := t.Next
	if next == nil && fulfils(*l, now) {
		next = &Next{}
	}
	if next != nil {
		if err := f.next(tx, w, l, *next, now); err != nil && !isSuperseded(err) {
			return note, err
		}
	}
	if t.Move == nil {
		return note, nil
	}
	if err := f.move(tx, w, l, *t.Move, "stage.", now); !isSuperseded(err) {
		return note, err
	}
	return note, nil // the attempt was made all the same
}

// SetStage moves the lead to another stage. Moving it to the stage it is in
// changes nothing. Closing takes a lead that waits or is on offer out of
// routing. Reopening is refused while the person has another open lead of the
// project, and for a lead that nobody owns: it would be offered to no one.
func (f *Followup) SetStage(tx *store.Tx, w Worker, id lead.ID, m Move, now time.Time) (leads.Lead, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return l, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return l, err
	}
	return l, f.move(tx, w, &l, m, m.In, now)
}

func (f *Followup) move(tx *store.Tx, w Worker, l *leads.Lead, m Move, prefix string, now time.Time) error {
	stages, err := setup.Stages(tx)
	if err != nil {
		return err
	}
	to, fault := m.target(stages, prefix)
	if fault != nil {
		return problem.Invalid(*fault)
	}
	if to.ID == l.Stage {
		return nil
	}
	if !w.Said.IsZero() {
		last, err := leads.StageSetAt(tx, l.ID)
		if err == nil && last.After(w.Said) {
			err = superseded("stage")
		}
		if err != nil {
			return err
		}
	}
	closed, err := f.closing(tx, l, to.Category, now)
	if err != nil {
		return err
	}
	from, was := l.Stage, l.Category
	c := leads.StageChange{Lead: l.ID, At: w.when(now), From: from, To: to.ID, Reason: m.Reason, By: w.Actor}
	if err := leads.WorkSetStage(tx, l, c, to.Category, closed); err != nil {
		return err
	}
	f.emit(tx, events.LeadStageChanged, *l, w, now, map[string]any{"from_stage": from.String(), "to_stage": to.ID.String(),
		"from_category": string(was), "to_category": string(to.Category), "reason": m.Reason})
	if to.Category.Open() {
		return nil
	}
	if l.RouteState != lead.Unrouted { // an owner's too: it makes room under the capacity of a policy
		if err := f.jobs.Add(tx, kindWithdraw, l.ID.String(), now); err != nil {
			return err
		}
	}
	if l.NextAt.IsZero() {
		return nil
	}
	return f.next(tx, w, l, Next{}, now)
}

// closing returns when a lead counts as closed once it is in the category:
// zero for an open one.
func (f *Followup) closing(tx *store.Tx, l *leads.Lead, to lead.Category, now time.Time) (time.Time, error) {
	if !to.Open() {
		if !l.ClosedAt.IsZero() {
			return l.ClosedAt, nil // from one closed stage to another
		}
		return now, nil
	}
	if l.ClosedAt.IsZero() {
		return time.Time{}, nil
	}
	if l.Owner.IsZero() && !l.Test {
		return time.Time{}, problem.Conflict("not_owned", "Nobody owned this lead when it was closed. A new enquiry makes a new lead.")
	}
	other, err := leads.WorkOpenLead(tx, l.Person, l.Project)
	if err == nil && !other.IsZero() {
		err = problem.Conflict("open_lead_exists", "This person has another open lead of the project, %s. Work on that one.", other)
	}
	return time.Time{}, err
}

// NextAction sets when the lead is to be followed up, or takes that away.
func (f *Followup) NextAction(tx *store.Tx, w Worker, id lead.ID, n Next, now time.Time) (leads.Lead, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return l, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return l, err
	}
	if faults := n.check("", w.when(now)); len(faults) > 0 {
		return l, problem.Invalid(faults...)
	}
	if !n.At.IsZero() && !l.ClosedAt.IsZero() {
		return l, problem.Conflict("lead_closed", "This lead is closed. Move it to an open stage first.")
	}
	return l, f.next(tx, w, &l, n, now)
}

func (f *Followup) next(tx *store.Tx, w Worker, l *leads.Lead, n Next, now time.Time) error {
	if l.NextSetAt.After(w.when(now)) && !w.Said.IsZero() {
		return superseded("follow-up")
	}
	was := nextOf(*l)
	if err := leads.WorkSetNext(tx, l, store.Clock(n.At), string(n.What), store.Clock(w.when(now))); err != nil {
		return err
	}
	if err := told(tx, *l, w, now, "next", was, nextOf(*l)); err != nil {
		return err
	}
	data := map[string]any{"what": string(n.What), "next_at": nil}
	if !n.At.IsZero() {
		data["next_at"] = n.At.UTC().Format(time.RFC3339Nano)
	}
	f.emit(tx, events.LeadNextAction, *l, w, now, data)
	return nil
}

// nextOf is the lead's follow-up as its history has it; nil: none.
func nextOf(l leads.Lead) any {
	if l.NextAt.IsZero() {
		return nil
	}
	return map[string]any{"at": l.NextAt.UTC(), "what": l.NextWhat}
}

// Note keeps a text about the lead, sealed under its person's key.
func (f *Followup) Note(tx *store.Tx, w Worker, id lead.ID, text vault.Personal, now time.Time) (leads.Note, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return leads.Note{}, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return leads.Note{}, err
	}
	note, err := f.note(tx, w, l, text, now)
	return leads.Note{ID: note, Lead: l.ID, Person: l.Person, By: w.Actor, CreatedAt: w.when(now)}, err
}

func (f *Followup) note(tx *store.Tx, w Worker, l leads.Lead, text vault.Personal, now time.Time) (lead.NoteID, error) {
	key, err := f.personKey(tx, l.Person)
	if err != nil {
		return lead.NoteID{}, err
	}
	n := leads.Note{ID: lead.NewNoteID(), Lead: l.ID, Person: l.Person, By: w.Actor, CreatedAt: w.when(now)}
	n.Text = key.Seal(leads.NotePlace(n.ID), text)
	if err := leads.WorkAddNote(tx, n); err != nil {
		return lead.NoteID{}, err
	}
	f.emit(tx, events.NoteAdded, l, w, now, map[string]any{"note_id": n.ID.String()})
	return n.ID, nil
}

// personKey unwraps the person's key. Erasing a person destroyed it, and then
// nothing more can be written about them.
func (f *Followup) personKey(tx *store.Tx, p lead.PersonID) (keyring.SubjectKey, error) {
	subject := vault.Subject(p.UUID())
	wrapped, err := people.Keys(tx, []vault.Subject{subject})
	if err != nil {
		return keyring.SubjectKey{}, err
	}
	if wrapped[subject] == nil {
		return keyring.SubjectKey{}, erased()
	}
	keys, err := f.keys.Get(tx.Context(), tx.Account())
	if err != nil {
		return keyring.SubjectKey{}, err
	}
	key, err := keys.OpenSubjectKey(subject, wrapped[subject])
	if !errors.Is(err, keyring.ErrUnknownKey) {
		return key, err
	}
	if keys, err = f.keys.Renew(tx.Context(), tx.Account()); err != nil {
		return keyring.SubjectKey{}, err
	}
	return keys.OpenSubjectKey(subject, wrapped[subject])
}

func erased() error {
	return problem.Conflict("person_erased", "The person of this lead was erased.")
}

// CheckNote says what is wrong with the text of a note: nil for nothing. The
// fault never repeats the text.
func CheckNote(field, text string) *problem.Field {
	switch {
	case strings.TrimSpace(text) == "":
		return &problem.Field{Field: field, Code: "required", Detail: "Send a text."}
	case len(text) > MaxNote:
		return &problem.Field{Field: field, Code: "too_long", Detail: "A note has up to 8000 bytes."}
	case !utf8.ValidString(text):
		return &problem.Field{Field: field, Code: "bad_utf8", Detail: "Send UTF-8."}
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }):
		return &problem.Field{Field: field, Code: "control_characters", Detail: "Line breaks and tabs are the only control characters taken."}
	}
	return nil
}

// load finds the lead for who may work it; for others it does not exist. Its
// person is held: an erasure that is judging whether anything was done waits for
// what is done here, or this transaction waits for it and sees who is gone.
func (f *Followup) load(tx *store.Tx, w Worker, id lead.ID) (leads.Lead, error) {
	l, _, err := f.loadAlive(tx, w, id)
	return l, err
}

// loadAlive is load, and says whether the person is not erased.
func (f *Followup) loadAlive(tx *store.Tx, w Worker, id lead.ID) (l leads.Lead, alive bool, err error) {
	l, err = leads.LeadByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return leads.Lead{}, false, problem.NotFound()
	}
	if err != nil {
		return l, false, err
	}
	if !w.mayWork(l.Owner, l.Project) {
		return leads.Lead{}, false, passedOn(tx, w, l)
	}
	alive, err = people.Hold(tx, l.Person)
	return l, alive, err
}

func (f *Followup) emit(tx *store.Tx, k events.Kind, l leads.Lead, w Worker, now time.Time, data map[string]any) {
	f.events.Emit(tx, events.Event{Kind: k, At: now, Lead: l.ID, User: w.User, Project: l.Project, Source: l.Source, Test: l.Test, Data: data})
}
