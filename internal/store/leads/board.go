package leads

import (
	"catchment/internal/account"
	"catchment/internal/store"
)

// Owned counts open leads of one project that one person owns.
type Owned struct {
	Project account.ProjectID
	Owner   account.UserID
	N       int64
}

var boardOwned = store.Register("leads.board.owned", `SELECT project_id, owner_id, count(*) FROM lead
	WHERE account_id = $1 AND owner_id IS NOT NULL AND closed_at IS NULL AND NOT test GROUP BY project_id, owner_id`)

// OwnedNow counts the open leads of each project and owner, test leads never.
func OwnedNow(tx *store.Tx) (out []Owned, err error) {
	rows, err := tx.Query(boardOwned)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var o Owned
		err := scan(&o.Project, &o.Owner, &o.N)
		out = append(out, o)
		return err
	})
	return out, err
}
