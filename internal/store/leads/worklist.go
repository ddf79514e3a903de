package leads

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// The lists that a team works off. Each is one index, in the order of its own
// time, what waits longest first; of one salesperson the planner may read the
// index of the leads that they have open. Closed leads and test leads are in
// none. The conditions stand as the indexes have them: only then do the
// planners take them.

// WorkList names a list.
type WorkList string

// The lists.
const (
	Overdue       WorkList = "overdue"             // the follow-up is past due
	DueToday      WorkList = "due-today"           // it is still to come today
	NoNextAction  WorkList = "no-next-action"      // owned, and nothing is planned
	Missed        WorkList = "missed"              // the latest try did not reach the person
	ReEngaged     WorkList = "re-engaged"          // they enquired again, and nobody tried since; also with no owner
	NewNoContact  WorkList = "new-without-contact" // owned, still new, never reached
	openLead               = `closed_at IS NULL AND NOT test`
	openOwned              = `owner_id IS NOT NULL AND ` + openLead
	workListOwner          = ` AND owner_id = $5`
)

// Pressing has the lists as somebody works them off in a day.
var Pressing = []WorkList{Overdue, DueToday, NewNoContact, Missed, ReEngaged, NoNextAction}

// workTime is the time that a list is ordered by.
var workTime = map[WorkList]struct{ column, where string }{
	Overdue:      {"next_at", `next_at IS NOT NULL AND NOT test AND next_at < $6`},
	DueToday:     {"next_at", `next_at IS NOT NULL AND NOT test AND next_at >= $7 AND next_at < $6`},
	NoNextAction: {"created_at", openOwned + ` AND next_at IS NULL`},
	Missed:       {"missed_at", openOwned + ` AND missed_at IS NOT NULL`},
	ReEngaged:    {"enquired_at", openLead + ` AND (enquiries > 1 OR previous_id IS NOT NULL) AND enquired_at > COALESCE(tried_at, attempted_at, 0)`},
	NewNoContact: {"created_at", openOwned + ` AND contacted_at IS NULL AND category = 'new'`},
}

// workStmts are a list's statements: of everybody, of one owner, and of one
// user's teams.
type workStmts struct{ all, own, teams *store.Stmt }

var workLists = func() map[WorkList]workStmts {
	out := map[WorkList]workStmts{}
	for name, l := range workTime {
		make := func(kind, where, owner string) *store.Stmt {
			return store.Register("leads.list."+string(name)+kind, `SELECT `+leadColumns+` FROM lead WHERE account_id = $1 AND `+where+owner+
				` AND (`+l.column+`, lead_id) > ($2, $3) ORDER BY `+l.column+`, lead_id LIMIT $4`)
		}
		out[name] = workStmts{make("", bounds(l.where, 5), ""), make(".own", bounds(l.where, 6), workListOwner),
			make(".teams", bounds(l.where, 6), ` AND `+ofTeams("lead.", "$5"))}
	}
	return out
}()

// bounds numbers the list's own parameters from n on; $6 and $7 stand for the
// end and the beginning of its span.
func bounds(where string, n int) string {
	out := []byte{}
	for i := 0; i < len(where); i++ {
		if where[i] == '$' {
			out = append(out, '$', where[i+1]-'6'+byte('0'+n))
			i++
			continue
		}
		out = append(out, where[i])
	}
	return string(out)
}

// Valid reports whether w is one of the lists.
func (w WorkList) Valid() bool { _, ok := workLists[w]; return ok }

// TimeOf is the time that the list is ordered by; leads in no list are ordered
// by when they were made.
func (w WorkList) TimeOf(l Lead) time.Time {
	switch workTime[w].column {
	case "next_at":
		return l.NextAt
	case "missed_at":
		return l.MissedAt
	case "enquired_at":
		return l.EnquiredAt
	}
	return l.CreatedAt
}

// Whose says whose leads to list: one owner's, those of one user's teams, or,
// when both are zero, everybody's. An owner goes before teams.
type Whose struct{ Owner, TeamsOf account.UserID }

// ListWork returns up to limit leads of the list, those that wait longest
// first, after the given place; whose says of whom. from and to
// bound the day of DueToday, to is now for Overdue; the others need neither.
func ListWork(tx *store.Tx, w WorkList, whose Whose, from, to, after time.Time, id lead.ID, limit int) (out []Lead, err error) {
	at := after.UnixMicro()
	if after.IsZero() {
		at, id = -endOfTime, lead.NewID()
	}
	args := []any{at, id, limit}
	st := workLists[w].all
	switch {
	case !whose.Owner.IsZero():
		st, args = workLists[w].own, append(args, whose.Owner)
	case !whose.TeamsOf.IsZero():
		st, args = workLists[w].teams, append(args, whose.TeamsOf)
	}
	switch w {
	case Overdue:
		args = append(args, store.Micro(to))
	case DueToday:
		args = append(args, store.Micro(to), store.Micro(from))
	}
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		l, err := scanLead(scan)
		out = append(out, l)
		return err
	})
	return out, err
}
