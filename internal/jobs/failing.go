package jobs

import (
	"context"

	"catchment/internal/store"
	"catchment/internal/store/work"
)

// Failing counts the jobs of all accounts that did not succeed so far and are
// tried again.
func (r *Runner) Failing(ctx context.Context) (n int64, err error) {
	err = r.db.ReadDirectory(ctx, func(d *store.Dir) error {
		n, err = work.Failing(d)
		return err
	})
	return n, err
}
