package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var (
	addNote = store.Bulk("test.add", `INSERT INTO note (account_id, note_id, lead_id, person_id, by_actor, text, created_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7)`, `ON CONFLICT DO NOTHING`)
	countNotes = store.Register("test.count", `SELECT count(*) FROM note WHERE account_id = $1`)
	getNote    = store.Register("test.get", `SELECT note_id, lead_id, by_actor, text, created_at FROM note WHERE account_id = $1 AND note_id = $2`)
	setNote    = store.Register("test.set", `UPDATE note SET by_actor = $3 WHERE account_id = $1 AND note_id = $2 AND by_actor = $4`)
	addJob     = store.Register("test.job", `INSERT INTO job (account_id, kind, key, run_at, rev, tries, leased_until, error, created_at)
		VALUES ($1, $2, $3, 0, 1, 0, 0, '', 0) ON CONFLICT (account_id, kind, key) DO UPDATE SET rev = job.rev + 1`)
	allJobs = store.Unbound("test.jobs", `SELECT account_id, rev FROM job WHERE kind = $1`)
	steal   = store.Unbound("test.steal", `SELECT count(*) FROM note`)
)

func note(text string) []any {
	return []any{lead.NewNoteID(), lead.NewID(), lead.NewPersonID(), "user", []byte(text), time.Now().UnixMicro()}
}

func count(t *testing.T, db *store.DB, s account.Scope) (n int64) {
	t.Helper()
	err := db.Read(t.Context(), s, func(tx *store.Tx) error { return tx.Row(countNotes).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBulkAndScan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		var rows [][]any
		for range 201 {
			rows = append(rows, note("sealed"))
		}
		id := rows[7][0].(lead.NoteID)
		want := store.Clock(time.Now())
		rows[7][5] = store.Micro(want)
		err := db.Write(t.Context(), s, func(tx *store.Tx) error {
			n, err := tx.Bulk(addNote, rows)
			if n != 201 {
				t.Errorf("inserted %d", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), s, func(tx *store.Tx) error {
			var got lead.NoteID
			var l lead.ID
			var by string
			var text []byte
			var at time.Time
			if err := tx.Row(getNote, id).Scan(&got, &l, &by, &text, store.Time(&at)); err != nil {
				return err
			}
			if got != id || by != "user" || string(text) != "sealed" || !at.Equal(want) {
				t.Errorf("read %v %v %q %v", got, by, text, at)
			}
			if err := tx.Row(getNote, lead.NewNoteID()).Scan(); !errors.Is(err, store.ErrNone) {
				t.Errorf("a row that is not there: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnAccountSeesOnlyItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := storetest.Account(), storetest.Account()
		err := db.WriteMany(t.Context(), func(m *store.Many) error {
			for i, s := range []account.Scope{a, b, a} {
				tx, err := m.For(s)
				if err != nil {
					return err
				}
				for range i + 1 {
					if _, err := tx.Bulk(addNote, [][]any{note("x")}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if na, nb := count(t, db, a), count(t, db, b); na != 4 || nb != 2 {
			t.Errorf("a sees %d, b sees %d", na, nb)
		}
		if err := db.Write(t.Context(), account.Scope{}, func(*store.Tx) error { return nil }); err == nil {
			t.Error("the zero Scope was admitted")
		}
	})
}

// The directory's role sees jobs of every account, and no lead of any.
func TestTheDirectorySeesNoLead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 2 {
			err := db.Write(t.Context(), storetest.Account(), func(tx *store.Tx) error {
				if _, err := tx.Bulk(addNote, [][]any{note("x")}); err != nil {
					return err
				}
				for range 3 {
					if _, err := tx.Exec(addJob, "k", "1"); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		jobs := 0
		err := db.Directory(t.Context(), func(d *store.Dir) error {
			rows, err := d.Query(allJobs, "k")
			return store.Each(rows, err, func(scan func(...any) error) error {
				jobs++
				var id account.ID
				var rev int64
				err := scan(&id, &rev)
				if rev != 3 || id.IsZero() {
					t.Errorf("job of %v has rev %d", id, rev)
				}
				return err
			})
		})
		if err != nil || jobs != 2 {
			t.Fatalf("%d jobs, %v", jobs, err)
		}
		if db.Engine() != store.Postgres {
			return // SQLite has no roles; the guard test's list of unbound statements stands in
		}
		err = db.Directory(t.Context(), func(d *store.Dir) error {
			var n int64
			return d.Row(steal).Scan(&n)
		})
		if err == nil {
			t.Error("the directory's role read notes")
		}
	})
}

func TestRolledBackWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		boom := errors.New("boom")
		runs, after := 0, 0
		f := func(fail error) error {
			return db.Write(t.Context(), s, func(tx *store.Tx) error {
				runs++
				tx.AfterCommit(func() { after++ })
				if _, err := tx.Bulk(addNote, [][]any{note("x")}); err != nil {
					return err
				}
				if runs < 3 {
					return store.ErrAgain
				}
				return fail
			})
		}
		if err := f(boom); !errors.Is(err, boom) || runs != 3 || after != 0 || count(t, db, s) != 0 {
			t.Fatalf("%v after %d runs, %d hooks, %d rows", err, runs, after, count(t, db, s))
		}
		if err := f(nil); err != nil || after != 1 || count(t, db, s) != 1 {
			t.Fatalf("%v, %d hooks, %d rows", err, after, count(t, db, s))
		}
	})
}

// A compare-and-set has one winner among many.
func TestOneWinner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		n := note("x")
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Bulk(addNote, [][]any{n}); return err }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				err := db.Write(context.Background(), s, func(tx *store.Tx) error { return tx.Must(setNote, n[0], "taken", "user") })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, store.ErrNone) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d winners", won)
		}
	})
}

func TestAwayIsSaid(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), storetest.Account(), func(tx *store.Tx) error { _, err := tx.Exec(addJob, "k", "1"); return err })
	if !errors.Is(err, store.ErrAway) {
		t.Errorf("%v", err)
	}
}

func TestMigrateTwiceAndOptions(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	from, to, err := store.Migrate(t.Context(), o)
	if err != nil || from != to || to == 0 {
		t.Errorf("from %d to %d, %v", from, to, err)
	}
	for _, bad := range []store.Options{{}, {URL: "mysql://x"}} {
		if _, err := store.Open(t.Context(), bad); err == nil {
			t.Errorf("%+v was opened", bad)
		}
	}
}

// A panic gives the connection back: SQLite has only one that writes.
func TestPanicGivesTheConnectionBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		func() {
			defer func() { recover() }()
			_ = db.Write(t.Context(), s, func(tx *store.Tx) error {
				_, _ = tx.Bulk(addNote, [][]any{note("x")})
				panic("x")
			})
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := db.Write(ctx, s, func(tx *store.Tx) error { _, err := tx.Exec(addJob, "k", "1"); return err })
		if err != nil || count(t, db, s) != 0 {
			t.Errorf("%v, %d rows", err, count(t, db, s))
		}
	})
}
