package routing

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
)

// PoolChange is what a manager may set. A nil field keeps what is there, or
// takes the default of a new pool.
type PoolChange struct {
	Name          *string
	AcceptSeconds *int64  // how long an offer stands: 5 s to an hour; 45
	OffersAtOnce  *int64  // open offers of one salesperson: 1 to 100,000; 1
	QueueName     *string // where leads stand that nobody takes; "Unanswered"
	AlarmSeconds  *int64  // waiting longer raises the alarm: 10 s to a week; 300
}

func (c PoolChange) apply(p *offers.Pool) error {
	var faults []problem.Field
	text := func(field string, from *string, to *string) {
		if from == nil {
			return
		}
		*to = strings.TrimSpace(*from)
		if n := utf8.RuneCountInString(*to); n < 1 || n > 80 || !utf8.ValidString(*to) {
			faults = append(faults, problem.Field{Field: field, Code: "length", Detail: "Give 1 to 80 characters."})
		}
	}
	number := func(field string, from *int64, to *int64, least, most int64, detail string) {
		if from == nil {
			return
		}
		if *to = *from; *to < least || *to > most {
			faults = append(faults, problem.Field{Field: field, Code: "out_of_range", Detail: detail})
		}
	}
	text("name", c.Name, &p.Name)
	text("queue_name", c.QueueName, &p.QueueName)
	number("accept_seconds", c.AcceptSeconds, &p.AcceptSeconds, 5, 3600, "Give 5 to 3600 seconds.")
	number("offers_at_once", c.OffersAtOnce, &p.OffersAtOnce, 1, 100_000, "Give 1 to 100000.")
	number("alarm_seconds", c.AlarmSeconds, &p.AlarmSeconds, 10, 7*86400, "Give 10 to 604800 seconds.")
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return nil
}

// CreatePool makes the project's pool; 409 pool_exists when it has one. The
// caller has checked that the project is there.
func (r *Router) CreatePool(tx *store.Tx, project account.ProjectID, c PoolChange, actor string, now time.Time) (offers.Pool, error) {
	now = store.Clock(now)
	p := offers.Pool{ID: account.NewPoolID(), Project: project, Name: "Sales", AcceptSeconds: 45, OffersAtOnce: 1,
		QueueName: "Unanswered", AlarmSeconds: 300, Version: 1, CreatedAt: now}
	if err := c.apply(&p); err != nil {
		return p, err
	}
	ok, err := offers.AddPool(tx, p)
	if err != nil {
		return p, err
	}
	if !ok {
		return p, problem.Conflict("pool_exists", "The project has a pool; change that one.")
	}
	return p, r.changed(tx, p, "pool.created", actor, now, nil)
}

// UpdatePool changes a pool; 404 when there is none.
func (r *Router) UpdatePool(tx *store.Tx, id account.PoolID, c PoolChange, actor string, now time.Time) (offers.Pool, error) {
	p, err := r.pool(tx, id)
	if err != nil {
		return p, err
	}
	was := p
	if err := c.apply(&p); err != nil {
		return p, err
	}
	ok, err := offers.SetPool(tx, p)
	if err != nil || !ok {
		return p, lost(err)
	}
	p.Version++
	if err := (edit{actor, now}).keepPool(tx, was, p); err != nil {
		return p, err
	}
	return p, r.changed(tx, p, "pool.changed", actor, store.Clock(now), nil)
}

// pool reads a pool that is about to be changed, after the rounds in progress.
func (r *Router) pool(tx *store.Tx, id account.PoolID) (offers.Pool, error) {
	if err := offers.Turn(tx); err != nil {
		return offers.Pool{}, err
	}
	p, err := offers.GetPool(tx, id)
	if errors.Is(err, store.ErrNone) {
		err = problem.NotFound()
	}
	return p, err
}

// SetMember puts a user into the pool, or out of it. Offers that are open
// stand until they are answered or end.
func (r *Router) SetMember(tx *store.Tx, id account.PoolID, user account.UserID, in bool, actor string, now time.Time) error {
	p, err := r.pool(tx, id)
	if err != nil {
		return err
	}
	if _, err := offers.PresenceOf(tx, user); err != nil {
		if errors.Is(err, store.ErrNone) {
			return problem.InvalidField("user_id", "unknown_user", "Give the id of a user of this account.")
		}
		return err
	}
	was, err := memberOf(tx, id, user)
	if err != nil {
		return err
	}
	if err := offers.SetMember(tx, id, user, in); err != nil {
		return err
	}
	if err := (edit{actor, now}).keepIf(tx, p, "pool.members", user, was.Active, in); err != nil {
		return err
	}
	return r.changed(tx, p, "pool.member", actor, store.Clock(now), map[string]any{"user_id": user, "in": in})
}

// SetLead has a user lead the pool's team, or not any more.
func (r *Router) SetLead(tx *store.Tx, id account.PoolID, user account.UserID, leads bool, actor string, now time.Time) error {
	p, err := r.pool(tx, id)
	if err != nil {
		return err
	}
	was, err := offers.Leads(tx, id)
	if err != nil {
		return err
	}
	if err := offers.SetLead(tx, id, user, leads); err != nil {
		return err
	}
	if err := (edit{actor, now}).keepIf(tx, p, "pool.leads", user, slices.Contains(was, user), leads); err != nil {
		return err
	}
	return r.changed(tx, p, "pool.lead", actor, store.Clock(now), map[string]any{"user_id": user, "leads": leads})
}

func (r *Router) changed(tx *store.Tx, p offers.Pool, action, actor string, now time.Time, detail map[string]any) error {
	r.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, Project: p.Project, Data: map[string]any{"what": "pool"}})
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: action, About: p.ID.String(), Detail: detail}); err != nil {
		return err
	}
	if err := r.jobs.Add(tx, KindAlarm, p.Project.String(), now); err != nil {
		return err // its time may be another now
	}
	return r.Wanted(tx, p.Project, now)
}

// maxShifts is plenty: three a day.
const maxShifts = 21

// SetShifts replaces a user's weekly shifts, in the user's own zone. They must
// not overlap; a night shift is two, until 24:00 and from 00:00. Nobody
// without shifts gets offers.
func (r *Router) SetShifts(tx *store.Tx, user account.UserID, shifts []offers.Shift, actor string, now time.Time) error {
	if err := checkShifts(shifts); err != nil {
		return err
	}
	if _, err := offers.PresenceOf(tx, user); err != nil {
		if errors.Is(err, store.ErrNone) {
			return problem.NotFound()
		}
		return err
	}
	now = store.Clock(now)
	was, err := offers.Shifts(tx, user)
	if err != nil {
		return err
	}
	if err := offers.SetShifts(tx, user, shifts); err != nil {
		return err
	}
	is, err := offers.Shifts(tx, user) // in their order
	if err != nil {
		return err
	}
	if err := (edit{actor, now}).keep(tx, user.String(), "shifts", was, is); err != nil {
		return err
	}
	r.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, User: user, Data: map[string]any{"what": "shifts"}})
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "shifts.changed", About: user.String(),
		Detail: map[string]any{"shifts": len(shifts)}}); err != nil {
		return err
	}
	return r.freed(tx, user, now)
}

func checkShifts(shifts []offers.Shift) error {
	if len(shifts) > maxShifts {
		return problem.InvalidField("shifts", "too_many", "Give at most %d shifts a week.", maxShifts)
	}
	sorted := slices.Clone(shifts)
	slices.SortFunc(sorted, func(a, b offers.Shift) int { return (a.Weekday-b.Weekday)*1440 + a.Start - b.Start })
	for i, s := range sorted {
		if s.Weekday < 0 || s.Weekday > 6 || s.Start < 0 || s.End > 1440 || s.Start >= s.End {
			return problem.InvalidField("shifts", "out_of_range", "Give weekday 0 (Sunday) to 6, start_minute 0 to 1439 and a later end_minute up to 1440.")
		}
		if i > 0 && sorted[i-1].Weekday == s.Weekday && sorted[i-1].End > s.Start {
			return problem.InvalidField("shifts", "overlap", "Two shifts of one day must not overlap.")
		}
	}
	return nil
}

// AlwaysOn are shifts round the clock: the demo's.
func AlwaysOn() []offers.Shift {
	out := make([]offers.Shift, 7)
	for d := range out {
		out[d] = offers.Shift{Weekday: d, Start: 0, End: 1440}
	}
	return out
}

// Presence declares what the user does now. Declaring the same again keeps
// its beginning. 404: no such user.
func (r *Router) Presence(tx *store.Tx, user account.UserID, p account.Presence, now time.Time) (offers.Presence, error) {
	if !p.Valid() {
		return offers.Presence{}, problem.InvalidField("presence", "unknown_presence", "Give available, engaged, away or logged-off.")
	}
	was, err := offers.PresenceOf(tx, user)
	if errors.Is(err, store.ErrNone) {
		return was, problem.NotFound()
	}
	if err != nil {
		return was, err
	}
	now = store.Clock(now)
	changed, err := offers.SetPresence(tx, user, p, now)
	if err != nil || !changed {
		return was, err
	}
	was.Declared, was.Since = p, now
	r.events.Emit(tx, events.Event{Kind: events.PresenceChanged, At: now, User: user, Data: map[string]any{"presence": p}})
	if p != account.Available {
		return was, nil
	}
	return was, r.freed(tx, user, now)
}
