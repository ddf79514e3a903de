package directory

import (
	"context"

	"catchment/internal/store"
	"catchment/internal/store/setup"
)

// Census is an account as the operator sees it.
type Census struct {
	setup.Account
	Users, Projects, Sources int64
}

// Census lists accounts as Accounts does, with the size of their set-up.
func (d *Directory) Census(ctx context.Context, after *setup.Account, limit int) (out []Census, err error) {
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) error {
		all, err := setup.Accounts(dir, after, limit)
		if err != nil {
			return err
		}
		out = make([]Census, len(all))
		for i, a := range all {
			c := Census{Account: a}
			if c.Users, c.Projects, c.Sources, err = setup.Census(dir, a.ID); err != nil {
				return err
			}
			out[i] = c
		}
		return nil
	})
	return out, err
}
