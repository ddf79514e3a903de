package leads

import (
	"database/sql"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Trying is a row of attempt_open: an attempt that was begun and has no result
// yet. A user has one at a time for a lead.
type Trying struct {
	ID        lead.AttemptID
	Lead      lead.ID
	User      account.UserID // zero: a key began it
	Channel   lead.Channel
	Evidence  lead.Evidence // seen, measured
	StartedAt time.Time
	EndedAt   time.Time       // zero: it goes on
	Talk      sql.Null[int64] // milliseconds
}

const tryingColumns = `attempt_id, lead_id, user_id, channel, evidence, started_at, ended_at, talk_ms`

var (
	tryingAdd = store.Register("leads.trying.add", `INSERT INTO attempt_open (account_id, `+tryingColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL) ON CONFLICT DO NOTHING`)
	tryingGet = store.Register("leads.trying.get", `SELECT `+tryingColumns+` FROM attempt_open WHERE account_id = $1 AND attempt_id = $2`)
	tryingOf  = store.Register("leads.trying.of", `SELECT `+tryingColumns+` FROM attempt_open WHERE account_id = $1 AND lead_id = $2 AND user_id = $3`)
	tryingEnd = store.Register("leads.trying.end", `UPDATE attempt_open SET ended_at = $3, talk_ms = $4
		WHERE account_id = $1 AND attempt_id = $2 AND ended_at IS NULL`)
	tryingDrop = store.Register("leads.trying.drop", `DELETE FROM attempt_open WHERE account_id = $1 AND attempt_id = $2`)
)

// BeginTrying keeps an attempt that has just begun and sets the lead's firsts.
// l is the lead as it was read; store.ErrAgain when it has changed since, or
// when the user has one going on.
func BeginTrying(tx *store.Tx, l *Lead, t Trying) error {
	err := fenced(tx.Exec(tryingAdd, t.ID, l.ID, nobody(t.User), string(t.Channel), string(t.Evidence), store.Micro(t.StartedAt)))
	if err != nil {
		return err
	}
	l.tried(Attempt{Evidence: t.Evidence, StartedAt: t.StartedAt})
	return l.saveTried(tx)
}

// TryingByID reads one; store.ErrNone when there is none, or it has its result.
func TryingByID(tx *store.Tx, id lead.AttemptID) (Trying, error) {
	return scanTrying(tx.Row(tryingGet, id).Scan)
}

// TryingOf reads the user's open attempt at the lead; store.ErrNone: there is none.
func TryingOf(tx *store.Tx, id lead.ID, u account.UserID) (Trying, error) {
	return scanTrying(tx.Row(tryingOf, id, nobody(u)).Scan)
}

// EndTrying notes when the attempt ended and how long they talked;
// store.ErrAgain when it has ended before.
func EndTrying(tx *store.Tx, t Trying) error {
	return fenced(tx.Exec(tryingEnd, t.ID, store.Micro(t.EndedAt), orNull(t.Talk)))
}

// DropTrying takes it away: it has its result, or never will. store.ErrAgain:
// somebody else did.
func DropTrying(tx *store.Tx, id lead.AttemptID) error { return fenced(tx.Exec(tryingDrop, id)) }

func scanTrying(scan func(...any) error) (t Trying, err error) {
	err = scan(&t.ID, &t.Lead, &t.User, &t.Channel, &t.Evidence, store.Time(&t.StartedAt), store.Time(&t.EndedAt), &t.Talk)
	return t, err
}
