package leads

import (
	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

var (
	ownedOpen = store.Register("leads.handover.open", `SELECT lead_id FROM lead
		WHERE account_id = $1 AND owner_id = $2 AND closed_at IS NULL AND NOT test ORDER BY created_at, lead_id LIMIT $3`)
	countOpen = store.Register("leads.handover.count", `SELECT count(*) FROM lead
		WHERE account_id = $1 AND owner_id = $2 AND closed_at IS NULL AND NOT test`)
	routeGiveBack = store.Register("leads.route_give_back", `UPDATE lead SET route_state = 'waiting', owner_id = NULL, offer_id = NULL,
		waiting_at = created_at, queued_at = NULL, decided = false, version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND version = $3 AND route_state = 'owned' AND COALESCE(closed_at, 0) = 0`)
	assignmentEnd = store.Register("leads.assignment_end", `UPDATE assignment SET until_at = $3
		WHERE account_id = $1 AND lead_id = $2 AND until_at IS NULL`)
)

// OpenOf lists up to limit open leads that the user owns, the oldest first.
func OpenOf(tx *store.Tx, owner account.UserID, limit int) (out []lead.ID, err error) {
	rows, err := tx.Query(ownedOpen, owner, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id lead.ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// CountOpenOf counts the open leads that the user owns.
func CountOpenOf(tx *store.Tx, owner account.UserID) (n int, err error) {
	err = tx.Row(countOpen, owner).Scan(&n)
	return n, err
}

// RouteGiveBack has an owned lead wait again, since its first enquiry, so that
// its age stays honest; its owner's interval ends at the given time (Micro).
// False: it is not as it was read.
func RouteGiveBack(tx *store.Tx, r Route, at any) (bool, error) {
	n, err := tx.Exec(routeGiveBack, r.Lead, r.Version)
	if err != nil || n != 1 {
		return false, err
	}
	_, err = tx.Exec(assignmentEnd, r.Lead, at)
	return true, err
}
