package mover

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

var (
	touchLead = store.Register("touchtest.lead", `UPDATE lead SET version = lead.version + 1, closed_at = 5 WHERE account_id = $1 AND lead_id IN (
		SELECT l.lead_id FROM lead l WHERE l.account_id = $1 AND l.lead_id > $2 ORDER BY l.lead_id LIMIT 7)`)
	touchJob  = store.Register("touchtest.job", `DELETE FROM job WHERE account_id = $1 AND key > $2`)
	touchKey  = store.Register("touchtest.person", `DELETE FROM person_key WHERE account_id = $1 AND person_id > $2`)
	touchOpen = store.Register("touchtest.open", `UPDATE lead SET closed_at = $3 WHERE account_id = $1 AND lead_id = $2`)

	touchAdd = map[string]*store.Stmt{} // made by the first test that needs them
)

// followed is a source whose rows are changed through the store, which tells a
// log of it.
type followed struct {
	*source
	db     *store.DB
	follow *store.Following
	tail   *Tail
}

func (s *source) follow(t *testing.T) *followed {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: s.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	path := filepath.Join(t.TempDir(), "log")
	log, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &followed{source: s, db: db}
	if f.follow, err = db.Follow(t.Context(), log.Add); err != nil {
		t.Fatal(err)
	}
	if f.tail, err = OpenTail(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close(); f.tail.Close() })
	return f
}

func (f *followed) exec(t *testing.T, st *store.Stmt, args ...any) {
	t.Helper()
	for _, scope := range f.scopes {
		if err := f.db.Write(t.Context(), scope, func(tx *store.Tx) error { _, err := tx.Exec(st, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// work adds rows to every table of an account, changes some and takes some away.
func (f *followed) work(t *testing.T, m *Mover, rows int) {
	t.Helper()
	for _, tab := range m.tables {
		if tab.columns[0] != "account_id" || tab.Name == "account_keyset" {
			continue
		}
		if touchAdd[tab.Name] == nil {
			marks := make([]string, len(tab.columns))
			for i := range marks {
				marks[i] = fmt.Sprintf("$%d", i+1)
			}
			touchAdd[tab.Name] = store.Register("touchtest.add."+tab.Name, "INSERT INTO "+tab.Name+" VALUES ("+strings.Join(marks, ", ")+") ON CONFLICT DO NOTHING")
		}
		for range rows {
			row := make([]any, len(tab.columns)-1)
			for i, c := range tab.classes[1:] {
				row[i] = lite(random(c))
			}
			f.exec(t, touchAdd[tab.Name], row...)
		}
	}
	f.exec(t, touchLead, id())
	f.exec(t, touchKey, id())
	f.exec(t, touchJob, "z")
}

func (f *followed) touch(t *testing.T, m *Mover) Round {
	t.Helper()
	list, err := f.tail.Next()
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Touch(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Rounds over what was told bring every table up to date, keep the notes true,
// and leave nothing to a pass.
func TestTouchBringsWhatChanged(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	s.fill(t, m, 60)
	f := s.follow(t)
	pass(t, m)
	for range 3 {
		f.work(t, m, 5)
		if r := f.touch(t, m); r.Rows < 5*len(touchAdd) || r.Written < 5*len(touchAdd) || r.Owed != 0 {
			t.Errorf("%+v", r)
		}
	}
	if r := f.touch(t, m); r.Rows != 0 {
		t.Errorf("nothing has changed: %+v", r)
	}
	if err := f.follow.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	noted, err := m.Settled(t.Context())
	if err != nil || !noted.Equal() {
		t.Errorf("%v, differ %v", err, noted.Differ())
	}
	whole := recount(t, m)
	if !whole.Equal() || !reflect.DeepEqual(whole.Lines, noted.Lines) {
		t.Errorf("differ %v; noted %v, found %v", whole.Differ(), noted.Lines, whole.Lines)
	}
	if r := pass(t, m); r.Written != 0 || !r.Equal() {
		t.Errorf("a pass after it wrote %d rows", r.Written)
	}
}

// The control: a row that changed untold is found, by the count when there is
// one more and by the recount anyway.
func TestSettledFindsWhatWasNotTold(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	s.fill(t, m, 20)
	f := s.follow(t)
	pass(t, m)
	s.exec(t, `UPDATE person SET country = country || 'x' WHERE person_id = (SELECT person_id FROM person LIMIT 1)`)
	s.exec(t, `DELETE FROM offer WHERE offer_id = (SELECT offer_id FROM offer LIMIT 1)`)
	if r := f.touch(t, m); r.Rows != 0 {
		t.Errorf("%+v", r)
	}
	if err := f.follow.Stop(t.Context()); err == nil {
		t.Error("another connection wrote, and the follower does not say so")
	}
	noted, err := m.Settled(t.Context())
	if err != nil || !slices.Equal(noted.Differ(), []string{"offer"}) {
		t.Errorf("%v, differ %v", err, noted.Differ())
	}
	if got := recount(t, m).Differ(); !slices.Equal(got, []string{"offer", "person"}) {
		t.Errorf("differ %v", got)
	}
}

// A unique value that changes hands while the first pass runs is owed, and
// taken by the round that is told of both rows.
func TestTouchTakesWhatPassOwes(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	a, person, project := s.accounts[0], id(), id()
	early, late := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 16)
	s.addLead(t, a, early, person, project, nil)
	pass(t, m)
	f := s.follow(t)
	// As a pass finds it that has read the first row before it was closed.
	s.addLead(t, a, late, person, project, 9)
	pass(t, m)
	u := unit{m.byName["lead"], a}
	rows, err := m.readAt(t.Context(), u, [][]any{{late}})
	if err != nil || len(rows) != 1 {
		t.Fatal(err)
	}
	rows[0][slices.Index(u.columns, "closed_at")] = nil
	var there Counted
	err = m.late(t.Context(), u, []change{{to: []any{late}, toBytes: u.placeBytes(rows[0]), after: []any{early}, afterBytes: placeBytes([]any{early}), rows: rows}}, &there)
	if err != nil || there.Rows != 0 || len(m.owed) != 1 {
		t.Fatalf("%v: %d rows, owed %v", err, there.Rows, m.owed)
	}
	for _, step := range []struct {
		lead   []byte
		closed any
	}{{early, int64(7)}, {late, nil}} {
		if err := f.db.Write(t.Context(), s.scopes[0], func(tx *store.Tx) error { return tx.Must(touchOpen, step.lead, step.closed) }); err != nil {
			t.Fatal(err)
		}
	}
	if r := f.touch(t, m); r.Owed != 0 || r.Written != 4 {
		t.Errorf("%+v", r)
	}
	if r := recount(t, m); !r.Equal() {
		t.Errorf("differ %v", r.Differ())
	}
}

// Whatever was written can be read in pieces of any length, and nothing else.
func FuzzLog(f *testing.F) {
	f.Add("lead", []byte{0, 1}, int64(5), 3, []byte{1, 'x', 0})
	f.Fuzz(func(t *testing.T, table string, key []byte, n int64, cut int, junk []byte) {
		path := filepath.Join(t.TempDir(), "log")
		log, err := CreateLog(path)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		want := []store.Change{{Table: table, Key: []any{key, n}}, {Table: table, Key: []any{n}}}
		if err := log.Add(want); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cut = min(max(cut, 0), len(whole))
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		tail, err := OpenTail(path)
		if err != nil {
			t.Fatal(err)
		}
		defer tail.Close()
		if left, err := tail.Left(); err != nil || left != int64(cut) {
			t.Errorf("%d bytes left, want %d: %v", left, cut, err)
		}
		got, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if left, err := tail.Left(); err != nil || left != 0 {
			t.Errorf("%d bytes left of what was read: %v", left, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		more, err := tail.Next()
		if got = append(got, more...); err != nil || len(got) != 2 || got[0].Table != table || !bytes.Equal(got[0].Key[0].([]byte), key) || got[1].Key[0] != n {
			t.Errorf("%v: %v", err, got)
		}
		_, _, _ = readChange(junk) // whatever it is, no panic
	})
}
