package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// Shifts are a user's weekly hours.
type Shifts struct {
	UserID   string  `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	TimeZone string  `json:"time_zone" doc:"The user's; the minutes are its wall clock's." example:"Europe/London"`
	OnShift  bool    `json:"on_shift" doc:"Now; not on a day off."`
	Shifts   []Shift `json:"shifts" nullable:"false" doc:"By weekday and time. Without any the user gets no offers."`
}

// Shift is a weekly stretch of work.
type Shift struct {
	Weekday     int `json:"weekday" minimum:"0" maximum:"6" doc:"0 is Sunday." example:"1"`
	StartMinute int `json:"start_minute" minimum:"0" maximum:"1439" doc:"Of the day." example:"540"`
	EndMinute   int `json:"end_minute" minimum:"1" maximum:"1440" doc:"Later than start_minute. A night shift is two: until 1440 and from 0." example:"1080"`
}

type putShiftsIn struct {
	UserPath
	Body struct {
		Shifts []Shift `json:"shifts" maxItems:"21" nullable:"false" doc:"All of them: they replace what was there."`
	}
}

func (c *Console) shiftRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/users/{id}/shifts", Name: "get-shifts", Tag: "people", Permission: account.ReadSetup,
		Summary: "A user's weekly hours"}, c.getShifts)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/users/{id}/shifts", Name: "put-shifts", Tag: "people", Permission: account.ManageRouting,
		Summary: "Set a user's weekly hours", Detail: "Outside them the user gets no offers. Open offers stand."}, c.putShifts)
}

func (c *Console) getShifts(v *web.Visit, tx *store.Tx, in *UserPath) (*Shifts, error) {
	m, err := in.member(tx)
	if err != nil {
		return nil, err
	}
	return c.shiftsOf(tx, m, v.At)
}

func (c *Console) putShifts(v *web.Visit, tx *store.Tx, in *putShiftsIn) (*Shifts, error) {
	m, err := in.member(tx)
	if err != nil {
		return nil, err
	}
	list := make([]offers.Shift, len(in.Body.Shifts))
	for i, s := range in.Body.Shifts {
		list[i] = offers.Shift{Weekday: s.Weekday, Start: s.StartMinute, End: s.EndMinute}
	}
	if err := c.Routing.SetShifts(tx, m.ID, list, v.Actor, v.At); err != nil {
		return nil, err
	}
	return c.shiftsOf(tx, m, v.At)
}

func (c *Console) shiftsOf(tx *store.Tx, m *members.Member, now time.Time) (*Shifts, error) {
	list, err := offers.Shifts(tx, m.ID)
	if err != nil {
		return nil, err
	}
	h, err := c.Routing.HoursOf(tx, m.ID, list, m.TimeZone, now)
	if err != nil {
		return nil, err
	}
	out := &Shifts{UserID: m.ID.String(), TimeZone: m.TimeZone, OnShift: h.On, Shifts: make([]Shift, len(list))}
	for i, s := range list {
		out.Shifts[i] = Shift{s.Weekday, s.Start, s.End}
	}
	return out, nil
}
