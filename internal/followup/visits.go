package followup

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

// MaxPlace is the longest place of a visit, in bytes.
const MaxPlace = 300

// Plan is a site visit to plan. The zero User stands for the lead's owner.
type Plan struct {
	At    time.Time
	Place vault.Personal
	User  account.UserID
}

// PlanVisit plans a site visit. It also becomes the lead's next follow-up,
// unless an earlier one is set, or of what a device tells later, one that was
// set since.
func (f *Followup) PlanVisit(tx *store.Tx, w Worker, id lead.ID, p Plan, now time.Time) (leads.Visit, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return leads.Visit{}, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return leads.Visit{}, err
	}
	if !l.ClosedAt.IsZero() {
		return leads.Visit{}, problem.Conflict("lead_closed", "This lead is closed. Move it to an open stage first.")
	}
	n := Next{At: p.At, What: Visit}
	if p.At.IsZero() {
		return leads.Visit{}, problem.InvalidField("at", "required", "Send when the visit is to be.")
	}
	if faults := n.check("", w.when(now)); len(faults) > 0 {
		return leads.Visit{}, problem.Invalid(faults...)
	}
	v := leads.Visit{ID: lead.NewVisitID(), Lead: l.ID, Project: l.Project, Person: l.Person, User: l.Owner, State: lead.VisitPlanned,
		At: store.Clock(p.At), By: w.Actor, CreatedAt: w.when(now), ChangedAt: w.when(now)}
	if err := f.host(tx, &v, p.User); err != nil {
		return v, err
	}
	if err := f.place(tx, &v, p.Place); err != nil {
		return v, err
	}
	if err := leads.AddVisit(tx, v); err != nil {
		return v, err
	}
	f.emit(tx, events.VisitPlanned, l, w, now, visitData(v))
	if l.NextAt.IsZero() || l.NextAt.After(v.At) {
		if err := f.next(tx, w, &l, n, now); !isSuperseded(err) {
			return v, err
		}
	}
	return v, leads.Bump(tx, &l) // two at a time: the later one sees what the first set
}

// host settles who receives the visitor.
func (f *Followup) host(tx *store.Tx, v *leads.Visit, user account.UserID) error {
	if user.IsZero() {
		return nil
	}
	_, err := members.Get(tx, user)
	if errors.Is(err, store.ErrNone) {
		return problem.InvalidField("user", "unknown_user", "Give the id of a user of this account.")
	}
	v.User = user
	return err
}

func (f *Followup) place(tx *store.Tx, v *leads.Visit, text vault.Personal) error {
	if text.Empty() {
		return nil
	}
	key, err := f.personKey(tx, v.Person)
	if err != nil {
		return err
	}
	v.Place = key.Seal(leads.VisitPlace(v.ID), text)
	return nil
}

func visitData(v leads.Visit) map[string]any {
	data := map[string]any{"visit_id": v.ID.String(), "at": v.At.UTC().Format(time.RFC3339Nano)}
	if !v.User.IsZero() {
		data["host_id"] = v.User.String()
	}
	return data
}

// Outcome changes a visit: zero values leave things as they are.
type Outcome struct {
	State lead.VisitState
	At    time.Time
	Place vault.Personal
	User  account.UserID
}

// ChangeVisit says how a visit went, or when and where it is instead. What was
// said wrongly can be said again; every word emits its event. Of what devices
// tell later the last to happen counts: 409 superseded.
func (f *Followup) ChangeVisit(tx *store.Tx, w Worker, id lead.VisitID, o Outcome, now time.Time) (leads.Visit, error) {
	v, err := leads.VisitByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return v, problem.NotFound()
	}
	if err != nil {
		return v, err
	}
	l, err := f.load(tx, w, v.Lead)
	if err != nil {
		return leads.Visit{}, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return leads.Visit{}, err
	}
	if !w.Said.IsZero() && v.ChangedAt.After(w.Said) {
		return leads.Visit{}, superseded("visit")
	}
	was := v.State
	if err := f.outcome(tx, &v, o, w.when(now)); err != nil {
		return v, err
	}
	if err := leads.ChangeVisit(tx, was, v); err != nil {
		return v, err
	}
	if err := leads.Bump(tx, &l); err != nil {
		return v, err
	}
	kind := map[lead.VisitState]events.Kind{lead.VisitPlanned: events.VisitPlanned, lead.VisitDone: events.VisitDone,
		lead.VisitNoShow: events.VisitNoShow, lead.VisitCancelled: events.VisitCancelled}[v.State]
	if v.State != was || !o.At.IsZero() {
		f.emit(tx, kind, l, w, now, visitData(v))
	}
	if v.State == was || v.State == lead.VisitPlanned || l.NextWhat != string(Visit) || !fulfils(l, now) {
		return v, nil
	}
	if err := f.next(tx, w, &l, Next{}, now); !isSuperseded(err) {
		return v, err
	}
	return v, nil
}

func (f *Followup) outcome(tx *store.Tx, v *leads.Visit, o Outcome, now time.Time) error {
	if o.State != "" && !o.State.Valid() {
		return problem.InvalidField("state", "not_in_list", "Send planned, done, no-show or cancelled.")
	}
	if o.State != "" {
		v.State = o.State
	}
	if !o.At.IsZero() {
		if faults := (&Next{At: o.At}).check("", now); v.State == lead.VisitPlanned && len(faults) > 0 {
			return problem.Invalid(faults...)
		}
		v.At = store.Clock(o.At)
	}
	if v.State == lead.VisitDone && v.At.After(now.Add(24*time.Hour)) {
		return problem.Conflict("visit_not_yet", "This visit is more than a day ahead. Send when it was with at, or plan another.")
	}
	v.ChangedAt = now
	if err := f.host(tx, v, o.User); err != nil {
		return err
	}
	return f.place(tx, v, o.Place)
}
