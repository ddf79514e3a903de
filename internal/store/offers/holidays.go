package offers

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Holiday is a stretch of days off: of one user, or of the whole account.
type Holiday struct {
	ID     account.HolidayID
	User   account.UserID // zero: everybody
	Name   string
	Off    Off
	By     string
	MadeAt time.Time
}

// Off is a stretch of days, YYYY-MM-DD; both are off.
type Off struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

const holidayColumns = `holiday_id, user_id, name, from_day, until_day, made_by, made_at`

var (
	holidayAdd = store.Register("offers.holiday_add", `INSERT INTO holiday (account_id, `+holidayColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	holidayGet = store.Register("offers.holiday_get", `SELECT `+holidayColumns+` FROM holiday WHERE account_id = $1 AND holiday_id = $2`)
	holidayCut = store.Register("offers.holiday_drop", `DELETE FROM holiday WHERE account_id = $1 AND holiday_id = $2`)
	holidaysOf = store.Register("offers.holidays_of", `SELECT `+holidayColumns+` FROM holiday
		WHERE account_id = $1 AND user_id = $2 ORDER BY from_day DESC, holiday_id DESC`)
	holidaysAll = store.Register("offers.holidays_all", `SELECT `+holidayColumns+` FROM holiday
		WHERE account_id = $1 AND user_id IS NULL ORDER BY from_day DESC, holiday_id DESC`)
	holidaysNear = store.Register("offers.holidays_near", `SELECT user_id, from_day, until_day FROM holiday
		WHERE account_id = $1 AND until_day >= $2 AND from_day <= $3 ORDER BY from_day, holiday_id`)
)

func scanHoliday(scan func(...any) error) (h Holiday, err error) {
	err = scan(&h.ID, &h.User, &h.Name, &h.Off.From, &h.Off.Until, &h.By, store.Time(&h.MadeAt))
	return h, err
}

// AddHoliday stores days off.
func AddHoliday(tx *store.Tx, h Holiday) error {
	return tx.Must(holidayAdd, h.ID, h.User, h.Name, h.Off.From, h.Off.Until, h.By, store.Micro(h.MadeAt))
}

// GetHoliday reads days off; store.ErrNone when there are none of the id.
func GetHoliday(tx *store.Tx, id account.HolidayID) (Holiday, error) {
	return scanHoliday(tx.Row(holidayGet, id).Scan)
}

// DropHoliday takes days off away; false: there are none of the id.
func DropHoliday(tx *store.Tx, id account.HolidayID) (bool, error) {
	n, err := tx.Exec(holidayCut, id)
	return n == 1, err
}

// HolidaysOf lists the days off of a user, those of the zero one being the
// account's; the latest first.
func HolidaysOf(tx *store.Tx, u account.UserID) (out []Holiday, err error) {
	var rows store.Rows
	if u.IsZero() {
		rows, err = tx.Query(holidaysAll)
	} else {
		rows, err = tx.Query(holidaysOf, u)
	}
	err = store.Each(rows, err, func(scan func(...any) error) error {
		h, err := scanHoliday(scan)
		out = append(out, h)
		return err
	})
	return out, err
}

// DaysOff gives the days off that touch the days from one to another: the
// account's under the zero user, and each user's own.
func DaysOff(tx *store.Tx, from, until string) (map[account.UserID][]Off, error) {
	out := map[account.UserID][]Off{}
	rows, err := tx.Query(holidaysNear, from, until)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u account.UserID
		var o Off
		if err := scan(&u, &o.From, &o.Until); err != nil {
			return err
		}
		out[u] = append(out[u], o)
		return nil
	})
	return out, err
}
