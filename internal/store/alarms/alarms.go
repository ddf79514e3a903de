// Package alarms is the SQL of alarms that are about no lead (table
// account_alarm). Package alarm alone writes them.
package alarms

import (
	"encoding/json"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Alarm is a row of account_alarm.
type Alarm struct {
	ID        lead.AlarmID
	Kind      string
	About     string            // an id or a domain; "": the account
	Project   account.ProjectID // zero: of none
	Source    account.SourceID  // zero: of none
	Detail    map[string]any    // counts and words of the program, nothing personal
	Times     int               // how often it was raised while it waited for a look
	RaisedAt  time.Time         // first
	AgainAt   time.Time         // and last
	EndedAt   time.Time         // zero: it is still so
	ClearedAt time.Time         // zero: nobody has looked
	ClearedBy string
}

const columns = `alarm_id, kind, about, project_id, source_id, detail, times, raised_at, again_at, ended_at, cleared_at, cleared_by`

var (
	add = store.Register("alarms.add", `INSERT INTO account_alarm (account_id, alarm_id, kind, about, project_id, source_id, detail, times, raised_at, again_at, cleared_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, '') ON CONFLICT DO NOTHING`)
	again = store.Register("alarms.again", `UPDATE account_alarm SET detail = $4, times = times + 1, again_at = $5
		WHERE account_id = $1 AND kind = $2 AND about = $3 AND ended_at IS NULL AND cleared_at IS NULL RETURNING alarm_id`)
	end = store.Register("alarms.end", `UPDATE account_alarm SET ended_at = $4
		WHERE account_id = $1 AND kind = $2 AND about = $3 AND ended_at IS NULL AND cleared_at IS NULL RETURNING alarm_id`)
	get   = store.Register("alarms.get", `SELECT `+columns+` FROM account_alarm WHERE account_id = $1 AND alarm_id = $2`)
	empty = store.Register("alarms.clear", `UPDATE account_alarm SET cleared_at = $3, cleared_by = $4
		WHERE account_id = $1 AND alarm_id = $2 AND cleared_at IS NULL`)
	raised = store.Register("alarms.raised", `SELECT `+columns+` FROM account_alarm
		WHERE account_id = $1 AND cleared_at IS NULL AND (raised_at, alarm_id) < ($2, $3) ORDER BY raised_at DESC, alarm_id DESC LIMIT $4`)
	cleared = store.Register("alarms.cleared", `SELECT `+columns+` FROM account_alarm
		WHERE account_id = $1 AND cleared_at IS NOT NULL AND (raised_at, alarm_id) < ($2, $3) ORDER BY raised_at DESC, alarm_id DESC LIMIT $4`)
)

// Add adds a new one. False: one of the kind about the same waits already.
func Add(tx *store.Tx, a Alarm) (bool, error) {
	detail, err := json.Marshal(a.Detail)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(add, a.ID, a.Kind, a.About, a.Project, a.Source, string(detail), store.Micro(a.RaisedAt))
	return n == 1, err
}

// Again notes that what waits was raised once more; store.ErrNone: none waits.
func Again(tx *store.Tx, a Alarm) (id lead.AlarmID, err error) {
	detail, err := json.Marshal(a.Detail)
	if err != nil {
		return id, err
	}
	return id, tx.Row(again, a.Kind, a.About, string(detail), store.Micro(a.AgainAt)).Scan(&id)
}

// End notes that what was wrong is right again; store.ErrNone: none waits.
func End(tx *store.Tx, kind, about string, at time.Time) (id lead.AlarmID, err error) {
	return id, tx.Row(end, kind, about, store.Micro(at)).Scan(&id)
}

// Get reads one; store.ErrNone when there is none.
func Get(tx *store.Tx, id lead.AlarmID) (Alarm, error) { return scan(tx.Row(get, id).Scan) }

// Clear notes that somebody has seen it. False: somebody had.
func Clear(tx *store.Tx, id lead.AlarmID, at time.Time, by string) (bool, error) {
	n, err := tx.Exec(empty, id, store.Micro(at), by)
	return n == 1, err
}

// Page lists those that wait for a look, or those that had one, the newest
// first, after the given place; the zero time begins the list.
func Page(tx *store.Tx, seen bool, at time.Time, after lead.AlarmID, limit int) (out []Alarm, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = 1<<62, lead.NewAlarmID() // the time alone decides
	}
	st := raised
	if seen {
		st = cleared
	}
	rows, err := tx.Query(st, from, after, limit)
	err = store.Each(rows, err, func(from func(...any) error) error {
		a, err := scan(from)
		out = append(out, a)
		return err
	})
	return out, err
}

func scan(from func(...any) error) (a Alarm, err error) {
	var detail string
	err = from(&a.ID, &a.Kind, &a.About, &a.Project, &a.Source, &detail, &a.Times, store.Time(&a.RaisedAt), store.Time(&a.AgainAt),
		store.Time(&a.EndedAt), store.Time(&a.ClearedAt), &a.ClearedBy)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(detail), &a.Detail)
}
