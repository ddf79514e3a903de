package store_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// A reading within a reading is refused in tests, because as many at once as
// there are connections would wait for each other; a reading of the directory,
// which is how keys are loaded, and a reading within a writing are not.
func TestAReadingWithinAReadingIsRefused(t *testing.T) {
	for name, o := range map[string]func(testing.TB) store.Options{"sqlite": storetest.SQLiteOptions, "postgres": storetest.PostgresOptions} {
		t.Run(name, func(t *testing.T) { refusesNesting(t, o(t)) })
	}
}

func refusesNesting(t *testing.T, o store.Options) {
	o.Strict = true
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, ctx := storetest.Account(), t.Context()
	nothing := func(*store.Tx) error { return nil }
	within := func(begin func() error) error {
		return db.Read(ctx, s, func(*store.Tx) error { return begin() })
	}
	for name, err := range map[string]error{
		"a reading": within(func() error { return db.Read(ctx, s, nothing) }),
		"a writing": within(func() error { return db.Write(ctx, s, nothing) }),
	} {
		if err == nil || !strings.Contains(err.Error(), "within one that reads") {
			t.Errorf("%s within a reading: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"the directory within a reading": within(func() error { return db.ReadDirectory(ctx, func(*store.Dir) error { return nil }) }),
		"a reading within a writing":     db.Write(ctx, s, func(*store.Tx) error { return db.Read(ctx, s, nothing) }),
		"a reading after a reading":      db.Read(ctx, s, nothing),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// More readings at once than there are connections can each load something of
// the directory in their middle.
func TestManyReadingsLoadFromTheDirectory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const at = 4 // SQLite's readers
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		s := storetest.Account()
		var begun, ended sync.WaitGroup
		begun.Add(at)
		errs := make(chan error, at)
		for range at {
			ended.Go(func() {
				errs <- db.Read(ctx, s, func(*store.Tx) error {
					begun.Done()
					begun.Wait() // all connections are taken
					return db.ReadDirectory(ctx, func(*store.Dir) error { return nil })
				})
			})
		}
		ended.Wait()
		for range at {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
