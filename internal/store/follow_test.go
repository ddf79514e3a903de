package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

var (
	followAdd = store.Register("followtest.add", `INSERT INTO shift (account_id, user_id, weekday, start_minute, end_minute) VALUES ($1, $2, $3, 0, 60)
		ON CONFLICT (account_id, user_id, weekday, start_minute) DO UPDATE SET end_minute = shift.end_minute + 1`)
	followChange = store.Register("followtest.change", `UPDATE shift SET end_minute = 90 WHERE account_id = $1 AND user_id = $2 AND weekday < $3`)
	followDrop   = store.Register("followtest.drop", `DELETE FROM shift WHERE account_id = $1 AND user_id = $2`)
)

func TestFollowTellsEveryChangedRow(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, user := storetest.Account(), account.NewUserID()
	run := func(end error, st *store.Stmt, args ...any) {
		t.Helper()
		err := db.Write(t.Context(), s, func(tx *store.Tx) error {
			if _, err := tx.Exec(st, args...); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
	}
	run(nil, followAdd, user, 6) // before: not told
	var told []string
	sink := func(list []store.Change) error {
		for _, c := range list {
			told = append(told, fmt.Sprintf("%s %v", c.Table, c.Key[2:]))
			if id := s.Account().UUID(); !slices.Equal(c.Key[0].([]byte), id[:]) {
				t.Errorf("another account's key %x", c.Key[0])
			}
		}
		return nil
	}
	f, err := db.Follow(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Follow(t.Context(), sink); err == nil {
		t.Error("followed twice")
	}
	expect := func(what string, want ...string) {
		t.Helper()
		slices.Sort(told)
		if told = slices.Compact(told); !slices.Equal(told, want) {
			t.Errorf("%s: told %v, want %v", what, told, want)
		}
		told = nil
	}
	run(nil, followAdd, user, 1)
	expect("an insert", "shift [1 0]")
	run(nil, followAdd, user, 1)
	expect("an upsert of a row that is there", "shift [1 0]")
	run(errors.New("no"), followAdd, user, 2)
	expect("what is rolled back")
	run(nil, followChange, user, 7)
	expect("an update of two", "shift [1 0]", "shift [6 0]")
	run(nil, followDrop, user)
	expect("a deletion of two", "shift [1 0]", "shift [6 0]")
	if err := f.Stop(t.Context()); err != nil {
		t.Errorf("nobody else wrote: %v", err)
	}
	run(nil, followAdd, user, 3)
	expect("after the end")
}

// The controls: Stop says so when something was not told.
func TestFollowKnowsWhatItMissed(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, full := storetest.Account(), errors.New("the disk is full")
	write := func() {
		t.Helper()
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Exec(followAdd, account.NewUserID(), 1); return err }); err != nil {
			t.Fatal(err)
		}
	}
	f, err := db.Follow(t.Context(), func([]store.Change) error { return full })
	if err != nil {
		t.Fatal(err)
	}
	write()
	if err := f.Stop(t.Context()); !errors.Is(err, full) {
		t.Errorf("a sink that failed: %v", err)
	}
	if f, err = db.Follow(t.Context(), func([]store.Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	write()
	other, err := sql.Open("sqlite", "file:"+o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`DELETE FROM shift`); err != nil {
		t.Fatal(err)
	}
	if err := f.Stop(t.Context()); err == nil {
		t.Error("another connection wrote, and nobody says so")
	}
}
