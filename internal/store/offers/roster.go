package offers

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Member is a pool's member as a round sees it. Times are microseconds.
type Member struct {
	User        account.UserID
	Active      bool   // in the pool
	State       string // of the user: invited, active, deactivated
	Presence    account.Presence
	PresenceAt  int64
	Zone        string
	LastOfferAt int64
	OffersMade  int64 // in this pool
	OpenOffers  int64 // in every pool
	Credit      int64 // of this pool
	Misses      int64 // offers missed one after the other, in this pool
	Tags        []string
	Shifts      []Shift
	Off         []Off // the account's and the member's own; filled in by routing
}

// Shift is a weekly stretch of work: minutes of a day in the member's zone.
type Shift struct {
	Weekday int `json:"weekday"` // 0 Sunday … 6 Saturday
	Start   int `json:"start_minute"`
	End     int `json:"end_minute"` // after Start, at most 1440
}

var (
	roster = store.Register("offers.roster", `SELECT pm.user_id, pm.active, m.state, m.presence, m.presence_at, m.time_zone,
		pm.last_offer_at, pm.offers_made,
		(SELECT CAST(sum(x.open_offers) AS bigint) FROM pool_member x WHERE x.account_id = $1 AND x.user_id = pm.user_id), pm.credit, pm.misses, pm.tags
		FROM pool_member pm JOIN member m ON m.account_id = $1 AND m.user_id = pm.user_id
		WHERE pm.account_id = $1 AND pm.pool_id = $2 ORDER BY pm.user_id`)
	rosterShifts = store.Register("offers.roster_shifts", `SELECT s.user_id, s.weekday, s.start_minute, s.end_minute
		FROM pool_member pm JOIN shift s ON s.account_id = $1 AND s.user_id = pm.user_id
		WHERE pm.account_id = $1 AND pm.pool_id = $2 ORDER BY s.user_id, s.weekday, s.start_minute`)
	shiftList = store.Register("offers.shift_list", `SELECT weekday, start_minute, end_minute FROM shift
		WHERE account_id = $1 AND user_id = $2 ORDER BY weekday, start_minute`)
	shiftClear = store.Register("offers.shift_clear", `DELETE FROM shift WHERE account_id = $1 AND user_id = $2`)
	shiftAdd   = store.Bulk("offers.shift_add", `INSERT INTO shift (account_id, user_id, weekday, start_minute, end_minute) VALUES`,
		`($1, $2, $3, $4, $5)`, ``)
	presenceGet = store.Register("offers.presence_get", `SELECT state, presence, presence_at, time_zone FROM member
		WHERE account_id = $1 AND user_id = $2`)
	presenceSet = store.Register("offers.presence_set", `UPDATE member SET presence = $3, presence_at = $4
		WHERE account_id = $1 AND user_id = $2 AND presence <> $3`)
)

// Roster lists a pool's members by user id, with their shifts.
func Roster(tx *store.Tx, p account.PoolID) (out []Member, err error) {
	place := map[account.UserID]int{}
	rows, err := tx.Query(roster, p)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var m Member
		var tags string
		if err := scan(&m.User, &m.Active, &m.State, &m.Presence, &m.PresenceAt, &m.Zone, &m.LastOfferAt, &m.OffersMade, &m.OpenOffers,
			&m.Credit, &m.Misses, &tags); err != nil {
			return err
		}
		if tags != "[]" {
			if err := json.Unmarshal([]byte(tags), &m.Tags); err != nil {
				return fmt.Errorf("offers: tags of a member: %w", err)
			}
		}
		place[m.User] = len(out)
		out = append(out, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(rosterShifts, p)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u account.UserID
		var s Shift
		if err := scan(&u, &s.Weekday, &s.Start, &s.End); err != nil {
			return err
		}
		if i, ok := place[u]; ok {
			out[i].Shifts = append(out[i].Shifts, s)
		}
		return nil
	})
	return out, err
}

// Shifts lists a user's shifts by weekday and time.
func Shifts(tx *store.Tx, u account.UserID) (out []Shift, err error) {
	rows, err := tx.Query(shiftList, u)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Shift
		err := scan(&s.Weekday, &s.Start, &s.End)
		out = append(out, s)
		return err
	})
	return out, err
}

// SetShifts replaces a user's shifts.
func SetShifts(tx *store.Tx, u account.UserID, shifts []Shift) error {
	if _, err := tx.Exec(shiftClear, u); err != nil {
		return err
	}
	rows := make([][]any, len(shifts))
	for i, s := range shifts {
		rows[i] = []any{u, s.Weekday, s.Start, s.End}
	}
	_, err := tx.Bulk(shiftAdd, rows)
	return err
}

// Presence is what a user declared, and whether the user may work.
type Presence struct {
	State    string // of the user: invited, active, deactivated
	Declared account.Presence
	Since    time.Time
	Zone     string
}

// PresenceOf reads it; store.ErrNone when there is no such user.
func PresenceOf(tx *store.Tx, u account.UserID) (p Presence, err error) {
	err = tx.Row(presenceGet, u).Scan(&p.State, &p.Declared, store.Time(&p.Since), &p.Zone)
	return p, err
}

// SetPresence declares a presence. False: it was declared before, and its
// beginning stays.
func SetPresence(tx *store.Tx, u account.UserID, p account.Presence, at time.Time) (bool, error) {
	n, err := tx.Exec(presenceSet, u, p, store.Micro(at))
	return n == 1, err
}
