package setup

import (
	"catchment/internal/account"
	"catchment/internal/store"
)

var census = store.Unbound("setup.census", `SELECT (SELECT count(*) FROM credential WHERE account_id = $1),
	(SELECT count(*) FROM project WHERE account_id = $1), (SELECT count(*) FROM source WHERE account_id = $1)`)

// Census counts what an account is set up with: for the operator, who sees
// nothing more of it.
func Census(d *store.Dir, id account.ID) (users, projects, sources int64, err error) {
	err = d.Row(census, id).Scan(&users, &projects, &sources)
	return users, projects, sources, err
}
