package store_test

import (
	"testing"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

var (
	findNotes = store.List("test.list.find", `SELECT note_id FROM note WHERE account_id = $1 AND by_actor = $2 AND note_id IN (LIST)`)
	dropNotes = store.List("test.list.drop", `DELETE FROM note WHERE account_id = $1 AND note_id IN (LIST)`)
)

// Lists of every length around the prepared ones, on each engine's own path.
func TestLists(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		var rows [][]any
		var ids []any
		for range 200 {
			n := note("x")
			rows, ids = append(rows, n), append(ids, n[0])
		}
		err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Bulk(addNote, rows); return err })
		if err != nil {
			t.Fatal(err)
		}
		find := func(s2 []any, actor string) int {
			found := map[lead.NoteID]int{}
			err := db.Read(t.Context(), s, func(tx *store.Tx) error {
				return tx.QueryList(findNotes, []any{actor}, s2, func(scan func(...any) error) error {
					var id lead.NoteID
					err := scan(&id)
					found[id]++
					return err
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			for id, n := range found {
				if n != 1 {
					t.Errorf("%v came %d times", id, n)
				}
			}
			return len(found)
		}
		for _, n := range []int{0, 1, 3, 4, 5, 63, 64, 65, 69, 128, 200} {
			if got := find(ids[:n:n], "user"); got != n {
				t.Errorf("%d of %d found", got, n)
			}
		}
		if find(ids, "nobody") != 0 || find([]any{lead.NewNoteID()}, "user") != 0 {
			t.Error("found what is not there")
		}
		err = db.Write(t.Context(), storetest.Account(), func(tx *store.Tx) error {
			if n, err := tx.ExecList(dropNotes, nil, ids); n != 0 || err != nil {
				t.Errorf("another account dropped %d, %v", n, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Write(t.Context(), s, func(tx *store.Tx) error {
			n, err := tx.ExecList(dropNotes, nil, append(ids[:70:70], lead.NewNoteID()))
			if n != 70 {
				t.Errorf("dropped %d", n)
			}
			if err != nil {
				return err
			}
			n, err = tx.ExecEach(setNote, [][]any{{ids[70], "a", "user"}, {ids[71], "a", "somebody"}, {ids[72], "a", "user"}})
			if n != 2 {
				t.Errorf("changed %d", n)
			}
			return err
		})
		if err != nil || find(ids, "user") != 128 || find(ids, "a") != 2 {
			t.Errorf("%v, %d left", err, find(ids, "user"))
		}
	})
}
