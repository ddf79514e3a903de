package followup

import (
	"errors"
	"strings"
	"time"

	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"

	"golang.org/x/text/currency"
)

// MaxValue bounds a booking, in minor units: what a JSON number carries exactly.
const MaxValue = 1 << 53

// Deal is a booking as it is reported. The zero BookedAt means now. Move, when
// not nil, closes the lead in the same transaction.
type Deal struct {
	Unit     string
	Value    int64
	Currency string
	BookedAt time.Time
	Move     *Move
}

func (d *Deal) check(l leads.Lead, now time.Time) (faults []problem.Field) {
	fault := func(field, code, detail string) {
		faults = append(faults, problem.Field{Field: field, Code: code, Detail: detail})
	}
	if d.Value < 0 || d.Value > MaxValue {
		fault("value_minor", "out_of_range", "Send minor units (cents, paise) between 0 and 2^53.")
	}
	if _, err := currency.ParseISO(d.Currency); err != nil || d.Currency != strings.ToUpper(d.Currency) {
		fault("currency", "unknown_currency", "Send a currency of ISO 4217, such as GBP or INR.")
	}
	if d.Unit = strings.TrimSpace(d.Unit); !unitReference(d.Unit) {
		fault("unit", "bad_unit", "A unit is a reference: up to 40 letters, digits, spaces and - _ . / #. Keep sentences in a note.")
	}
	var f *problem.Field
	if d.BookedAt, f = begun(d.BookedAt, l.CreatedAt, now); f != nil {
		f.Field = "booked_at"
		faults = append(faults, *f)
	}
	return faults
}

// unitReference reports whether s is one: it stands in clear, so it has no
// room for a sentence or an address.
func unitReference(s string) bool {
	if len(s) > 40 {
		return false
	}
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(" -_./#", c):
		default:
			return false
		}
	}
	return true
}

// Book keeps a booking: the sale is that of the lead's owner. A unit of a
// project is booked once; of two at the same time one gets 409 unit_booked. With
// somebody who was erased there is no deal: 409 person_erased.
func (f *Followup) Book(tx *store.Tx, w Worker, id lead.ID, d Deal, now time.Time) (leads.Booking, error) {
	l, alive, err := f.loadAlive(tx, w, id)
	if err != nil {
		return leads.Booking{}, err
	}
	if !alive {
		return leads.Booking{}, erased()
	}
	if faults := d.check(l, now); len(faults) > 0 {
		return leads.Booking{}, problem.Invalid(faults...)
	}
	b := leads.Booking{ID: lead.NewBookingID(), Lead: l.ID, Project: l.Project, User: l.Owner, Unit: d.Unit, Value: d.Value, Currency: d.Currency,
		BookedAt: store.Clock(d.BookedAt), By: w.Actor, CreatedAt: now}
	ok, err := leads.AddBooking(tx, b)
	if err != nil {
		return b, err
	}
	if !ok {
		return b, problem.Conflict("unit_booked", "This unit of the project is booked already. Cancel that booking first.")
	}
	if err := leads.Bump(tx, &l); err != nil {
		return b, err
	}
	f.emit(tx, events.BookingMade, l, w, now, bookingData(b))
	if d.Move == nil {
		return b, nil
	}
	return b, f.move(tx, w, &l, *d.Move, "stage.", now)
}

func bookingData(b leads.Booking) map[string]any {
	data := map[string]any{"booking_id": b.ID.String(), "value_minor": b.Value, "currency": b.Currency}
	if !b.User.IsZero() {
		data["seller_id"] = b.User.String()
	}
	return data
}

// CancelBooking takes a booking back and frees its unit. The lead's stage stays
// until somebody moves it.
func (f *Followup) CancelBooking(tx *store.Tx, w Worker, id lead.BookingID, reason string, now time.Time) (leads.Booking, error) {
	b, err := leads.BookingByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return b, problem.NotFound()
	}
	if err != nil {
		return b, err
	}
	l, err := f.load(tx, w, b.Lead)
	if err != nil {
		return leads.Booking{}, err
	}
	reason, ok := Reason(reason)
	if !ok || reason == "" {
		return b, problem.InvalidField("reason", "bad_reason", "A reason is a code: up to 40 letters and hyphens. Keep sentences in a note.")
	}
	if ok, err = leads.CancelBooking(tx, id, now, reason); err != nil {
		return b, err
	}
	if !ok {
		return b, problem.Conflict("already_cancelled", "This booking was cancelled before.")
	}
	b.CancelledAt, b.Reason = now, reason
	data := bookingData(b)
	data["reason"] = reason
	f.emit(tx, events.BookingCancelled, l, w, now, data)
	return b, nil
}
