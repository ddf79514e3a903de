package offers

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Clock is a row of service_clock: a service-level clock of a lead that runs,
// or that ran out. Package routing alone writes them.
type Clock struct {
	ID        lead.AlarmID
	Lead      lead.ID
	Project   account.ProjectID
	Policy    account.PolicyID // the version under which it began
	Level     int              // its place among that version's clocks
	Name      string
	User      account.UserID // who was to act; zero: whoever was offered the lead
	Alert     bool
	BeganAt   time.Time
	DueAt     time.Time
	FiredAt   time.Time // zero: it runs
	Taken     bool      // the lead was taken from User
	EndedAt   time.Time // zero: what it waits for has not come
	ClearedAt time.Time
	ClearedBy string
}

const clockColumns = `alarm_id, lead_id, project_id, policy_id, level, clock, user_id, alert, began_at, due_at, fired_at, taken, ended_at, cleared_at, cleared_by`

var clockOf = ` AND (CAST($5 AS uuid) IS NULL OR EXISTS (SELECT 1 FROM lead l WHERE l.account_id = $1 AND l.lead_id = service_clock.lead_id
		AND (l.owner_id = $5 OR $6 AND ` + store.InTeam("l.project_id", "$5") + `)))`

var (
	clockBegin = store.Bulk("offers.clock_begin", `INSERT INTO service_clock (account_id, alarm_id, lead_id, project_id, policy_id, level, clock, user_id, alert, began_at, due_at, cleared_by) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')`, `ON CONFLICT DO NOTHING`)
	clockEndAll = store.Register("offers.clock_end_all", `UPDATE service_clock SET ended_at = $3
		WHERE account_id = $1 AND lead_id = $2 AND ended_at IS NULL`)
	clockEnd = store.Register("offers.clock_end", `UPDATE service_clock SET ended_at = $4
		WHERE account_id = $1 AND lead_id = $2 AND clock = $3 AND ended_at IS NULL AND began_at <= $4`)
	clockDue = store.Register("offers.clock_due", `SELECT `+clockColumns+` FROM service_clock
		WHERE account_id = $1 AND project_id = $2 AND fired_at IS NULL AND due_at <= $3 ORDER BY due_at, alarm_id LIMIT $4`)
	clockNext = store.Register("offers.clock_next", `SELECT due_at FROM service_clock
		WHERE account_id = $1 AND project_id = $2 AND fired_at IS NULL ORDER BY due_at, alarm_id LIMIT 1`)
	clockFire = store.Register("offers.clock_fire", `UPDATE service_clock SET fired_at = $3, user_id = $4, taken = $5
		WHERE account_id = $1 AND alarm_id = $2 AND fired_at IS NULL AND ended_at IS NULL`)
	clockPutOff = store.Register("offers.clock_put_off", `UPDATE service_clock SET due_at = $3
		WHERE account_id = $1 AND alarm_id = $2 AND fired_at IS NULL`)
	clockDrop  = store.Register("offers.clock_drop", `DELETE FROM service_clock WHERE account_id = $1 AND alarm_id = $2 AND fired_at IS NULL`)
	clockGet   = store.Register("offers.clock_get", `SELECT `+clockColumns+` FROM service_clock WHERE account_id = $1 AND alarm_id = $2`)
	clockClear = store.Register("offers.clock_clear", `UPDATE service_clock SET cleared_at = $3, cleared_by = $4
		WHERE account_id = $1 AND alarm_id = $2 AND fired_at IS NOT NULL AND alert AND cleared_at IS NULL`)
	clockTaken  = store.List("offers.clock_taken", `SELECT lead_id, user_id FROM service_clock WHERE account_id = $1 AND taken AND lead_id IN (LIST)`)
	clockRaised = store.Register("offers.clock_raised", `SELECT `+clockColumns+` FROM service_clock
		WHERE account_id = $1 AND fired_at IS NOT NULL AND alert AND cleared_at IS NULL AND (fired_at, alarm_id) < ($2, $3)`+clockOf+`
		ORDER BY fired_at DESC, alarm_id DESC LIMIT $4`)
	clockCleared = store.Register("offers.clock_cleared", `SELECT `+clockColumns+` FROM service_clock
		WHERE account_id = $1 AND fired_at IS NOT NULL AND alert AND cleared_at IS NOT NULL AND (fired_at, alarm_id) < ($2, $3)`+clockOf+`
		ORDER BY fired_at DESC, alarm_id DESC LIMIT $4`)
)

// BeginClocks lets clocks run. One that is open already for the same lead,
// name and level goes on as it is.
func BeginClocks(tx *store.Tx, all []Clock) error {
	rows := make([][]any, len(all))
	for i, c := range all {
		rows[i] = []any{c.ID, c.Lead, c.Project, c.Policy, c.Level, c.Name, c.User, c.Alert, store.Micro(c.BeganAt), store.Micro(c.DueAt)}
	}
	_, err := tx.Bulk(clockBegin, rows)
	return err
}

// EndClocks ends all clocks of a lead: it went another way.
func EndClocks(tx *store.Tx, id lead.ID, at time.Time) error {
	_, err := tx.Exec(clockEndAll, id, store.Micro(at))
	return err
}

// EndClock ends the lead's clocks of one name that began by then: what they
// wait for has come.
func EndClock(tx *store.Tx, id lead.ID, name string, at time.Time) error {
	_, err := tx.Exec(clockEnd, id, name, store.Micro(at))
	return err
}

// DueClocks lists a project's clocks that have not fired and are due, ended
// ones too, what is due longest first.
func DueClocks(tx *store.Tx, p account.ProjectID, at time.Time, limit int) ([]Clock, error) {
	rows, err := tx.Query(clockDue, p, store.Micro(at), limit)
	return scanClocks(rows, err)
}

// NextClock is when the project's next clock is due; store.ErrNone when none runs.
func NextClock(tx *store.Tx, p account.ProjectID) (at time.Time, err error) {
	err = tx.Row(clockNext, p).Scan(store.Time(&at))
	return at, err
}

// FireClock notes that the clock ran out, whom it was about, and whether the
// lead was taken from them. False: it fired before, or has ended.
func FireClock(tx *store.Tx, id lead.AlarmID, at time.Time, user account.UserID, taken bool) (bool, error) {
	n, err := tx.Exec(clockFire, id, store.Micro(at), user, taken)
	return n == 1, err
}

// PutOffClock makes a clock that has not fired due at another time.
func PutOffClock(tx *store.Tx, id lead.AlarmID, due time.Time) error {
	_, err := tx.Exec(clockPutOff, id, store.Micro(due))
	return err
}

// DropClock forgets a clock that has not fired and has nothing to wait for.
func DropClock(tx *store.Tx, id lead.AlarmID) error {
	_, err := tx.Exec(clockDrop, id)
	return err
}

// GetClock reads one; store.ErrNone when there is none.
func GetClock(tx *store.Tx, id lead.AlarmID) (Clock, error) {
	return scanClock(tx.Row(clockGet, id).Scan)
}

// ClearClock notes that somebody has seen the alarm. False: it is not raised.
func ClearClock(tx *store.Tx, id lead.AlarmID, at time.Time, by string) (bool, error) {
	n, err := tx.Exec(clockClear, id, store.Micro(at), by)
	return n == 1, err
}

// TakenOf calls f with each user from whom one of the leads was taken.
func TakenOf(tx *store.Tx, ids []lead.ID, f func(lead.ID, account.UserID)) error {
	return tx.QueryList(clockTaken, nil, leadList(ids), func(scan func(...any) error) error {
		var id lead.ID
		var u account.UserID
		err := scan(&id, &u)
		f(id, u)
		return err
	})
}

// AlarmsPage lists alarms that wait for a look, or those that had one, the
// newest first, after the given place; the zero time begins the list. Unless the
// user is zero, of leads that the user owns and, with teams, of the projects
// whose team the user is in.
func AlarmsPage(tx *store.Tx, cleared bool, user account.UserID, teams bool, at time.Time, after lead.AlarmID, limit int) ([]Clock, error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = 1<<62, lead.NewAlarmID() // the time alone decides
	}
	st := clockRaised
	if cleared {
		st = clockCleared
	}
	rows, err := tx.Query(st, from, after, limit, user, teams)
	return scanClocks(rows, err)
}

func scanClock(scan func(...any) error) (c Clock, err error) {
	err = scan(&c.ID, &c.Lead, &c.Project, &c.Policy, &c.Level, &c.Name, &c.User, &c.Alert, store.Time(&c.BeganAt), store.Time(&c.DueAt),
		store.Time(&c.FiredAt), &c.Taken, store.Time(&c.EndedAt), store.Time(&c.ClearedAt), &c.ClearedBy)
	return c, err
}

func scanClocks(rows store.Rows, err error) (out []Clock, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		c, err := scanClock(scan)
		out = append(out, c)
		return err
	})
	return out, err
}
