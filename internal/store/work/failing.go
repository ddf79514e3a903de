package work

import "catchment/internal/store"

var failing = store.Unbound("work.failing", `SELECT count(*) FROM job WHERE error <> ''`)

// Failing counts the jobs of all accounts that did not succeed so far.
func Failing(d *store.Dir) (n int64, err error) {
	err = d.Row(failing).Scan(&n)
	return n, err
}
