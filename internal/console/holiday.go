package console

import (
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// Holiday is a stretch of days off: of the account, or of one user.
type Holiday struct {
	ID     string  `json:"id" example:"hol_01h455vb4pex5vsknk084sn02q"`
	UserID *string `json:"user_id" doc:"null: everybody's."`
	Name   string  `json:"name" example:"Easter Monday"`
	From   string  `json:"from" format:"date" doc:"The first day off." example:"2026-04-06"`
	Until  string  `json:"until" format:"date" doc:"The last day off." example:"2026-04-06"`
}

// OfYear is a page of days off.
type OfYear struct {
	web.Page
	Year int `query:"year" minimum:"1970" maximum:"9999" doc:"Only those with a day in it." example:"2026"`
}

type userHolidaysIn struct {
	UserPath
	OfYear
}

type holidayBody struct {
	Name  string `json:"name" minLength:"1" maxLength:"80" doc:"Who may see the set-up sees it." example:"Easter Monday"`
	From  string `json:"from" maxLength:"10" doc:"YYYY-MM-DD." example:"2026-04-06"`
	Until string `json:"until,omitempty" maxLength:"10" doc:"YYYY-MM-DD, a year at most. Left out: one day." example:"2026-04-06"`
}

type newHolidayIn struct{ Body holidayBody }

type newUserHolidayIn struct {
	UserPath
	Body holidayBody
}

// HolidayPath is the input of a route about days off.
type HolidayPath struct {
	ID string `path:"id" doc:"The id of days off." example:"hol_01h455vb4pex5vsknk084sn02q"`
}

func (c *Console) holidayRoutes() {
	const words = "On a day off nobody whom it is about is offered leads, by the wall clock of each one's time zone; open offers and leads stay. "
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/holidays", Name: "list-holidays", Tag: "routing", Permission: account.ReadSetup,
		Summary: "The account's days off, the latest first"}, listHolidays)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/holidays", Name: "create-holiday", Tag: "routing", Permission: account.ManageRouting, Status: 201,
		Summary: "Give the account a day off, or several", Detail: words + "Clocks of a policy that count routing hours leave it out, by the project's zone; one that runs already is put off."}, c.newHoliday)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/holidays/{id}", Name: "delete-holiday", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Take days off away", Detail: "The account's, or a user's."}, c.dropHoliday)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/users/{id}/holidays", Name: "list-user-holidays", Tag: "people", Permission: account.ReadSetup,
		Summary: "A user's days off, the latest first"}, listUserHolidays)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/users/{id}/holidays", Name: "create-user-holiday", Tag: "people", Permission: account.ManageRouting, Status: 201,
		Summary: "Give a user a day off, or several", Detail: words}, c.newUserHoliday)
}

func listHolidays(_ *web.Visit, tx *store.Tx, in *OfYear) (*web.List[Holiday], error) {
	return in.list(tx, account.UserID{})
}

func listUserHolidays(_ *web.Visit, tx *store.Tx, in *userHolidaysIn) (*web.List[Holiday], error) {
	m, err := in.member(tx)
	if err != nil {
		return nil, err
	}
	return in.list(tx, m.ID)
}

func (in OfYear) list(tx *store.Tx, of account.UserID) (*web.List[Holiday], error) {
	all, err := offers.HolidaysOf(tx, of)
	if err != nil {
		return nil, err
	}
	if in.Year != 0 {
		first, last := fmt.Sprintf("%d-01-01", in.Year), fmt.Sprintf("%d-12-31", in.Year)
		all = slices.DeleteFunc(all, func(h offers.Holiday) bool { return h.Off.Until < first || last < h.Off.From })
	}
	return window(in.Page, all, func(h offers.Holiday) web.Place {
		day, _ := time.Parse(time.DateOnly, h.Off.From) // it was checked when it came
		return web.Place{At: day, ID: h.ID.UUID()}
	}, holidayView)
}

func holidayView(h offers.Holiday) Holiday {
	return Holiday{ID: h.ID.String(), UserID: web.OrNull(h.User.String()), Name: h.Name, From: h.Off.From, Until: h.Off.Until}
}

func (c *Console) newHoliday(v *web.Visit, tx *store.Tx, in *newHolidayIn) (*Holiday, error) {
	return c.addHoliday(v, tx, account.UserID{}, in.Body)
}

func (c *Console) newUserHoliday(v *web.Visit, tx *store.Tx, in *newUserHolidayIn) (*Holiday, error) {
	m, err := in.member(tx)
	if err != nil {
		return nil, err
	}
	return c.addHoliday(v, tx, m.ID, in.Body)
}

func (c *Console) addHoliday(v *web.Visit, tx *store.Tx, of account.UserID, b holidayBody) (*Holiday, error) {
	if b.Until == "" {
		b.Until = b.From
	}
	h, err := c.Routing.AddHoliday(tx, offers.Holiday{User: of, Name: b.Name, Off: offers.Off{From: b.From, Until: b.Until}}, v.Actor, v.At)
	if err != nil {
		return nil, err
	}
	out := holidayView(h)
	return &out, nil
}

func (c *Console) dropHoliday(v *web.Visit, tx *store.Tx, in *HolidayPath) (*Holiday, error) {
	id, err := web.PathID(in.ID, account.ParseHolidayID)
	if err != nil {
		return nil, err
	}
	h, err := offers.GetHoliday(tx, id)
	if err != nil {
		return nil, err
	}
	out := holidayView(h)
	return &out, c.Routing.DropHoliday(tx, id, v.Actor, v.At)
}
