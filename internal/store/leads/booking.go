package leads

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Booking is a row of booking: what was sold, and for how much.
type Booking struct {
	ID          lead.BookingID
	Lead        lead.ID
	Project     account.ProjectID
	User        account.UserID // whose sale it is; zero: nobody's
	Unit        string         // the account's own reference; "" for none
	Value       int64          // in minor units of Currency
	Currency    string         // ISO 4217
	BookedAt    time.Time
	CancelledAt time.Time // zero: it stands
	Reason      string    // a code: why it was cancelled
	By          string
	CreatedAt   time.Time
}

const bookingColumns = `booking_id, lead_id, project_id, user_id, unit, value_minor, currency, booked_at, cancelled_at, reason, by_actor, created_at`

const bookingPage = ` AND (booked_at, booking_id) < ($2, $3) ORDER BY booked_at DESC, booking_id DESC LIMIT $4`

var (
	addBooking = store.Register("leads.booking.add", `INSERT INTO booking (account_id, `+bookingColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, '', $10, $11) ON CONFLICT DO NOTHING`)
	getBooking    = store.Register("leads.booking.get", `SELECT `+bookingColumns+` FROM booking WHERE account_id = $1 AND booking_id = $2`)
	cancelBooking = store.Register("leads.booking.cancel", `UPDATE booking SET cancelled_at = $3, reason = $4
		WHERE account_id = $1 AND booking_id = $2 AND COALESCE(cancelled_at, 0) = 0`)
	listBookings  = store.Register("leads.booking.list", `SELECT `+bookingColumns+` FROM booking WHERE account_id = $1`+bookingPage)
	bookingsTeams = store.Register("leads.booking.list_teams", `SELECT `+named("b.", bookingColumns)+` FROM booking b
		JOIN lead l ON l.account_id = $1 AND l.lead_id = b.lead_id WHERE b.account_id = $1 AND `+ofTeams("l.", "$5")+`
		AND (b.booked_at, b.booking_id) < ($2, $3) ORDER BY b.booked_at DESC, b.booking_id DESC LIMIT $4`)
	// Of one owner there are few leads: they are read first, then their bookings.
	bookingsOwn = store.Register("leads.booking.list_own", `SELECT `+named("b.", bookingColumns)+` FROM lead l
		JOIN booking b ON b.account_id = $1 AND b.lead_id = l.lead_id WHERE l.account_id = $1 AND l.owner_id = $5
		AND (b.booked_at, b.booking_id) < ($2, $3) ORDER BY b.booked_at DESC, b.booking_id DESC LIMIT $4`)
	bookingsOfLead = store.Register("leads.booking.list_lead", `SELECT `+bookingColumns+` FROM booking WHERE account_id = $1 AND lead_id = $5`+bookingPage)
)

// AddBooking keeps the booking. False: its unit of the project is booked already.
func AddBooking(tx *store.Tx, b Booking) (bool, error) {
	n, err := tx.Exec(addBooking, b.ID, b.Lead, b.Project, b.User, b.Unit, b.Value, b.Currency, store.Micro(b.BookedAt), b.By, store.Micro(b.CreatedAt))
	return n == 1, err
}

// BookingByID returns the booking, or store.ErrNone.
func BookingByID(tx *store.Tx, id lead.BookingID) (Booking, error) {
	return scanBooking(tx.Row(getBooking, id).Scan)
}

// CancelBooking cancels one that stands. False: it was cancelled before.
func CancelBooking(tx *store.Tx, id lead.BookingID, at time.Time, reason string) (bool, error) {
	n, err := tx.Exec(cancelBooking, id, store.Micro(at), reason)
	return n == 1, err
}

// ListBookings returns up to limit bookings, newest first; of the lead, unless
// it is zero, else of whose leads.
func ListBookings(tx *store.Tx, of lead.ID, whose Whose, after time.Time, id lead.BookingID, limit int) (out []Booking, err error) {
	at, place := workPlace(after, id)
	st, args := listBookings, []any{at, place, limit}
	switch {
	case !of.IsZero():
		st, args = bookingsOfLead, append(args, of)
	case !whose.Owner.IsZero():
		st, args = bookingsOwn, append(args, whose.Owner)
	case !whose.TeamsOf.IsZero():
		st, args = bookingsTeams, append(args, whose.TeamsOf)
	}
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		b, err := scanBooking(scan)
		out = append(out, b)
		return err
	})
	return out, err
}

func scanBooking(scan func(...any) error) (b Booking, err error) {
	err = scan(&b.ID, &b.Lead, &b.Project, &b.User, &b.Unit, &b.Value, &b.Currency, store.Time(&b.BookedAt), store.Time(&b.CancelledAt),
		&b.Reason, &b.By, store.Time(&b.CreatedAt))
	return b, err
}
