package desk

import (
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/web"
)

// Booking is a sale: what, and for how much.
type Booking struct {
	ID          string     `json:"id" example:"book_01h455vb4pex5vsknk084sn02q"`
	LeadID      string     `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	UserID      *string    `json:"user_id" doc:"Whose sale it is: the lead's owner when it was booked."`
	Unit        string     `json:"unit" doc:"The account's own reference; empty for none." example:"A-1203"`
	ValueMinor  int64      `json:"value_minor" doc:"In the currency's minor unit." example:"25000000"`
	Currency    string     `json:"currency" doc:"ISO 4217." example:"GBP"`
	BookedAt    time.Time  `json:"booked_at"`
	CancelledAt *time.Time `json:"cancelled_at" doc:"null: it stands."`
	Reason      string     `json:"reason" doc:"The code given when it was cancelled."`
	By          string     `json:"by" doc:"A user's or key's id."`
	CreatedAt   time.Time  `json:"created_at"`
}

func bookingView(b leads.Booking) Booking {
	return Booking{ID: b.ID.String(), LeadID: b.Lead.String(), UserID: web.OrNull(b.User.String()), Unit: b.Unit, ValueMinor: b.Value,
		Currency: b.Currency, BookedAt: b.BookedAt, CancelledAt: web.TimeOrNull(b.CancelledAt), Reason: b.Reason, By: b.By, CreatedAt: b.CreatedAt}
}

type bookIn struct {
	LeadPath
	Body struct {
		Unit       string     `json:"unit,omitempty" maxLength:"40" doc:"What was booked: your own reference. A unit of a project is booked once." example:"A-1203"`
		ValueMinor int64      `json:"value_minor" minimum:"0" maximum:"9007199254740992" doc:"In the currency's minor unit: cents, paise." example:"25000000"`
		Currency   string     `json:"currency" minLength:"3" maxLength:"3" doc:"ISO 4217." example:"GBP"`
		BookedAt   *time.Time `json:"booked_at,omitempty" doc:"Default now."`
		Stage      *StageIn   `json:"stage,omitempty" doc:"The stage to move the lead to, in the same step."`
	}
}

type cancelIn struct {
	ID   string `path:"id" doc:"The booking's id." example:"book_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"80" doc:"A code: letters and hyphens." example:"loan-refused"`
	}
}

// BookingsIn is the input of the list.
type BookingsIn struct{ web.Page }

func (d *Desk) bookingRoutes() {
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/bookings", Name: "list-bookings", Tag: "work", Permission: account.ReadLeads,
		Summary: "Bookings, newest first"}, listBookings)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/bookings", Name: "list-lead-bookings", Tag: "work", Permission: account.ReadLeads,
		Summary: "A lead's bookings, newest first"}, leadBookings)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/leads/{id}/bookings", Name: "add-booking", Tag: "work", Permission: account.WorkLeads, Status: http.StatusCreated,
		Summary: "Book", Detail: "409 unit_booked when the unit of the project is booked already."}, d.book)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/bookings/{id}/cancel", Name: "cancel-booking", Tag: "work", Permission: account.WorkLeads,
		Summary: "Cancel a booking", Detail: "Its unit is free again; the lead's stage stays."}, d.cancelBooking)
}

func listBookings(v *web.Visit, tx *store.Tx, in *BookingsIn) (*web.List[Booking], error) {
	of, ok := whose(v)
	if !ok {
		return &web.List[Booking]{Items: []Booking{}}, nil
	}
	return bookings(tx, in.Page, lead.ID{}, of)
}

func leadBookings(v *web.Visit, tx *store.Tx, in *pagedLead) (*web.List[Booking], error) {
	l, err := leadOf(&in.LeadPath, tx, v)
	if err != nil {
		return nil, err
	}
	return bookings(tx, in.Page, l.ID, leads.Whose{})
}

func bookings(tx *store.Tx, p web.Page, of lead.ID, whose leads.Whose) (*web.List[Booking], error) {
	from, err := p.Start()
	if err != nil {
		return nil, err
	}
	found, err := leads.ListBookings(tx, of, whose, from.At, web.IDAt[lead.BookingID](from), p.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(p, found, func(b leads.Booking) web.Place { return web.Place{At: b.BookedAt, ID: b.ID.UUID()} }, bookingView), nil
}

func (d *Desk) book(v *web.Visit, tx *store.Tx, in *bookIn) (*Booking, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	deal := followup.Deal{Unit: in.Body.Unit, Value: in.Body.ValueMinor, Currency: in.Body.Currency}
	if in.Body.BookedAt != nil {
		deal.BookedAt = *in.Body.BookedAt
	}
	if in.Body.Stage != nil {
		m, err := in.Body.Stage.move(tx, "stage.")
		if err != nil {
			return nil, err
		}
		deal.Move = &m
	}
	b, err := d.Followup.Book(tx, worker(v), id, deal, v.At)
	if err != nil {
		return nil, err
	}
	return new(bookingView(b)), nil
}

func (d *Desk) cancelBooking(v *web.Visit, tx *store.Tx, in *cancelIn) (*Booking, error) {
	id, err := web.PathID(in.ID, lead.ParseBookingID)
	if err != nil {
		return nil, err
	}
	b, err := d.Followup.CancelBooking(tx, worker(v), id, in.Body.Reason, v.At)
	if err != nil {
		return nil, err
	}
	return new(bookingView(b)), nil
}
