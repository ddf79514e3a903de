package store

import (
	"context"
	"database/sql"
)

// OpenAt brings a database to an older version: what a test begins with.
func OpenAt(ctx context.Context, o Options, version int64) (*sql.DB, error) {
	p, db, err := provider(o)
	if err != nil {
		return nil, err
	}
	_, err = p.UpTo(ctx, version)
	return db, err
}
