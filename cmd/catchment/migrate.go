package main

import (
	"fmt"

	"catchment/internal/store"
)

type migrateCmd struct {
	config `embed:""`
	Check  bool `help:"Change nothing; fail when the schema is not this version's."`
}

// Run brings the schema to this program's version.
func (c migrateCmd) Run(w *world) error {
	if err := c.checkWires(); err != nil {
		return err
	}
	if err := c.prepareFolder(); err != nil {
		return err
	}
	if c.Check {
		have, want, err := store.Versions(w.ctx, c.storeOptions())
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "schema version %d, this program has %d\n", have, want)
		if have != want {
			return errFailed
		}
		return nil
	}
	from, to, err := store.Migrate(w.ctx, c.storeOptions())
	if err != nil {
		return err
	}
	if from == to {
		fmt.Fprintf(w.out, "schema is at version %d already\n", to)
		return nil
	}
	if err := c.act(w, actMigrate, "", map[string]any{"from": from, "to": to}); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "schema brought from version %d to %d\n", from, to)
	return nil
}
