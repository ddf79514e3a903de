// Package storetest opens the real database for tests: SQLite in a temporary
// file, and PostgreSQL in a scratch cluster shared by the tests of a package.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/store"
	"catchment/internal/store/scratch"
)

// Main is a package's TestMain: it stops the cluster that its tests started.
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// MainStrict is Main for a package in which nobody may begin a transaction while
// they read (store.Options.Strict): its tests fail when somebody does.
func MainStrict(m *testing.M) {
	strict = true
	Main(m)
}

var strict bool

// Stop stops the cluster that the package's tests started, for a TestMain that
// has more to do than Main.
func Stop() {
	if cluster.c != nil {
		cluster.c.Stop()
	}
}

// Each runs f on both engines, each with an empty, migrated database. Where
// PostgreSQL is not installed its half fails, unless the tests run with -short.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// SQLite opens an empty, migrated database in a temporary file.
func SQLite(t testing.TB) *store.DB { return open(t, SQLiteOptions(t)) }

// Postgres opens an empty, migrated database in the scratch cluster.
func Postgres(t testing.TB) *store.DB { return open(t, PostgresOptions(t)) }

// SQLiteOptions is for tests that open the database themselves. It is migrated.
func SQLiteOptions(t testing.TB) store.Options {
	t.Helper()
	o := store.Options{Path: filepath.Join(t.TempDir(), "test.db")}
	if _, _, err := store.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// PostgresOptions is the same in the scratch cluster.
func PostgresOptions(t testing.TB) store.Options { t.Helper(); return postgres(t, template) }

// EmptyPostgres is a database of the scratch cluster that is not migrated.
func EmptyPostgres(t testing.TB) store.Options { t.Helper(); return postgres(t, "") }

func postgres(t testing.TB, template string) store.Options {
	t.Helper()
	c, err := start()
	if err != nil {
		if testing.Short() {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), counter.Add(1))
	if err := c.Create(context.Background(), name, template); err != nil {
		t.Fatal(err)
	}
	return store.Options{URL: c.URL(name)}
}

func open(t testing.TB, o store.Options) *store.DB {
	t.Helper()
	o.Strict = strict
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Account admits the test to a new account id. It makes no row.
func Account() account.Scope { return admit.To(account.NewID()) }

var counter atomic.Int64

const template = "catchment_template"

var cluster struct {
	once sync.Once
	c    *scratch.Cluster
	err  error
}

func start() (*scratch.Cluster, error) {
	cluster.once.Do(func() {
		if cluster.c, cluster.err = scratch.Start(false); cluster.err != nil {
			return
		}
		if cluster.err = cluster.c.Create(context.Background(), template, ""); cluster.err != nil {
			return
		}
		_, _, cluster.err = store.Migrate(context.Background(), store.Options{URL: cluster.c.URL(template)})
	})
	return cluster.c, cluster.err
}
