package routing

import (
	"errors"
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

// Days off are of the account or of one user. On them nobody, or that user, is
// on shift, by the wall clock of each one's zone. Clocks that count routing
// hours leave out the account's, by the project's.

const (
	maxHolidays = 400 // of the account, or of one user
	longestOff  = 366 // days
	// A day is a date in some zone: a day off is looked for a little around now.
	offBefore, offAfter = 9 * 24 * time.Hour, 62 * 24 * time.Hour
)

// staff is a pool's roster with everybody's days off.
func (r *Router) staff(tx *store.Tx, id account.PoolID, at time.Time) ([]offers.Member, error) {
	members, err := offers.Roster(tx, id)
	if err != nil {
		return nil, err
	}
	off, err := offers.DaysOff(tx, at.Add(-offBefore).Format(time.DateOnly), at.Add(offAfter).Format(time.DateOnly))
	if err != nil || len(off) == 0 {
		return members, err
	}
	for i, m := range members {
		members[i].Off = append(append([]offers.Off(nil), off[account.UserID{}]...), off[m.User]...)
	}
	return members, nil
}

// HoursOf tells how a user's shifts stand, with the days off.
func (r *Router) HoursOf(tx *store.Tx, user account.UserID, shifts []offers.Shift, zone string, at time.Time) (Hours, error) {
	off, err := offers.DaysOff(tx, at.Add(-offBefore).Format(time.DateOnly), at.Add(offAfter).Format(time.DateOnly))
	return Working(shifts, append(off[account.UserID{}], off[user]...), r.zone(zone), at), err
}

// withHolidays is the policy with the account's days off from a time on among
// its own.
func withHolidays(tx *store.Tx, p Policy, from time.Time) (Policy, error) {
	off, err := offers.DaysOff(tx, from.AddDate(0, 0, -1).Format(time.DateOnly), from.Add(dueHorizon).Format(time.DateOnly))
	days := append([]string(nil), p.Holidays...)
	for _, o := range off[account.UserID{}] {
		day, err := time.Parse(time.DateOnly, o.From)
		if err != nil {
			return p, err
		}
		for text := o.From; text <= o.Until; text = day.Format(time.DateOnly) {
			days = append(days, text)
			day = day.AddDate(0, 0, 1)
		}
	}
	p.Holidays = days
	return p, err
}

// AddHoliday gives the account, or the user, days off. 404: no such user; 409
// too_many_holidays.
func (r *Router) AddHoliday(tx *store.Tx, h offers.Holiday, actor string, now time.Time) (offers.Holiday, error) {
	h.ID, h.By, h.MadeAt, h.Name = account.NewHolidayID(), actor, store.Clock(now), strings.TrimSpace(h.Name)
	if err := checkHoliday(h); err != nil {
		return h, err
	}
	if !h.User.IsZero() {
		if _, err := offers.PresenceOf(tx, h.User); errors.Is(err, store.ErrNone) {
			return h, problem.NotFound()
		} else if err != nil {
			return h, err
		}
	}
	have, err := offers.HolidaysOf(tx, h.User)
	if err != nil {
		return h, err
	}
	if len(have) >= maxHolidays {
		return h, problem.Conflict("too_many_holidays", "There are %d already; take old ones away first.", len(have))
	}
	if err := offers.AddHoliday(tx, h); err != nil {
		return h, err
	}
	return h, r.holidayChanged(tx, h, "holiday.added", actor, now)
}

func checkHoliday(h offers.Holiday) error {
	var faults []problem.Field
	if n := utf8.RuneCountInString(h.Name); n < 1 || n > 80 || !utf8.ValidString(h.Name) {
		faults = append(faults, problem.Field{Field: "name", Code: "length", Detail: "Give 1 to 80 characters."})
	}
	from, err := time.Parse(time.DateOnly, h.Off.From)
	if err != nil {
		faults = append(faults, problem.Field{Field: "from", Code: "date", Detail: "Give a day as YYYY-MM-DD."})
	}
	until, err2 := time.Parse(time.DateOnly, h.Off.Until)
	if err2 != nil {
		faults = append(faults, problem.Field{Field: "until", Code: "date", Detail: "Give a day as YYYY-MM-DD."})
	}
	if days := until.Sub(from) / (24 * time.Hour); err == nil && err2 == nil && (days < 0 || days >= longestOff) {
		faults = append(faults, problem.Field{Field: "until", Code: "out_of_range", Detail: "Give the first day or a later one, a year at most."})
	}
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return nil
}

// DropHoliday takes days off away; 404 when there are none of the id.
func (r *Router) DropHoliday(tx *store.Tx, id account.HolidayID, actor string, now time.Time) error {
	h, err := offers.GetHoliday(tx, id)
	if err != nil {
		return err
	}
	if ok, err := offers.DropHoliday(tx, id); err != nil || !ok {
		return lost(err)
	}
	return r.holidayChanged(tx, h, "holiday.removed", actor, now)
}

// holidayChanged writes it down, and looks at whose leads it touches.
func (r *Router) holidayChanged(tx *store.Tx, h offers.Holiday, action, actor string, now time.Time) error {
	now = store.Clock(now)
	about := tx.Account().String()
	if !h.User.IsZero() {
		about = h.User.String()
	}
	said := map[string]any{"name": h.Name, "from": h.Off.From, "until": h.Off.Until}
	was, is := any(nil), any(said)
	if action == "holiday.removed" {
		was, is = is, was
	}
	if err := (edit{actor, now}).keep(tx, about, "holidays", was, is); err != nil {
		return err
	}
	r.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, User: h.User, Data: map[string]any{"what": "holidays", "id": h.ID.String()}})
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: action, About: about,
		Detail: map[string]any{"holiday_id": h.ID, "from": h.Off.From, "until": h.Off.Until}}); err != nil {
		return err
	}
	if !h.User.IsZero() {
		return r.freed(tx, h.User, now)
	}
	pools, err := offers.Pools(tx)
	if err != nil {
		return err
	}
	var projects []account.ProjectID
	for _, p := range pools {
		projects = append(projects, p.Project)
	}
	return r.wantedAll(tx, projects, now)
}
