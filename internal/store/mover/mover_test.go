package mover

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// source is a SQLite database whose tables are filled without regard to what
// the rows mean: the mover carries whatever is there.
type source struct {
	path     string
	db       *sql.DB
	accounts [][]byte
	scopes   []account.Scope // theirs
}

func newSource(t *testing.T) *source {
	t.Helper()
	o := storetest.SQLiteOptions(t)
	db, err := sql.Open("sqlite", "file:"+o.Path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &source{path: o.Path, db: db}
	for range 2 {
		scope := storetest.Account()
		a := scope.Account().UUID()
		s.scopes, s.accounts = append(s.scopes, scope), append(s.accounts, a[:])
	}
	for _, a := range s.accounts {
		s.exec(t, `INSERT INTO account_keyset (account_id, version, wrapped, created_at) VALUES (?, 1, ?, 1)`, a, id())
	}
	return s
}

func id() []byte {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return b
}

func (s *source) exec(t *testing.T, text string, args ...any) {
	t.Helper()
	if _, err := s.db.Exec(text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func open(t *testing.T, s *source, o store.Options) *Mover {
	t.Helper()
	m, err := Open(t.Context(), s.path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// fill adds n rows to each table that has room for them (some have one an
// account), with every odd value that its columns take.
func (s *source) fill(t *testing.T, m *Mover, n int) {
	t.Helper()
	tx, err := s.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tab := range m.tables {
		if tab.Name == "account_keyset" {
			continue // has its rows: the oldest of them is what a source is known by
		}
		nullable := s.nullable(t, tx, tab.Name)
		text := "INSERT OR IGNORE INTO " + tab.Name + " VALUES (?" + strings.Repeat(", ?", len(tab.columns)-1) + ")"
		for range n {
			row := make([]any, len(tab.columns))
			for i, c := range tab.columns {
				switch {
				case c == "account_id" && !(tab.Directory && len(tab.key) == 1):
					row[i] = s.accounts[rand.IntN(len(s.accounts))]
				case nullable[c] && rand.IntN(3) == 0:
				default:
					row[i] = lite(random(tab.classes[i]))
				}
			}
			if _, err := tx.Exec(text, row...); err != nil {
				t.Fatalf("%s: %v", tab.Name, err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (s *source) nullable(t *testing.T, tx *sql.Tx, name string) map[string]bool {
	t.Helper()
	rows, err := tx.Query(`SELECT name FROM pragma_table_info(?) WHERE "notnull" = 0 AND pk = 0`, name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			t.Fatal(err)
		}
		out[c] = true
	}
	return out
}

func random(c class) any {
	switch c {
	case classID:
		return id()
	case classBytes:
		return id()[:8+rand.IntN(9)]
	case classInt:
		return rand.Int64() - rand.Int64()
	case classBool:
		return rand.IntN(2) == 0
	}
	return []string{"", "Zoë's ", "żółw\n", "日本", `{"a":"\u0000"}`}[rand.IntN(5)] + string(rune('a'+rand.IntN(26))) + strings.ToUpper(hexOf(id()))
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, x := range b {
		out.WriteByte(digits[x>>4])
		out.WriteByte(digits[x&15])
	}
	return out.String()
}

func pass(t *testing.T, m *Mover) Report {
	t.Helper()
	r, err := m.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func recount(t *testing.T, m *Mover) Report {
	t.Helper()
	r, err := m.Recount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every table arrives, and so does what happened to the source after its rows
// had been copied: rows changed, gone, and added between others.
func TestWholeDatabase(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	s.fill(t, m, 40)
	first := pass(t, m)
	if len(first.Lines) < 30 || first.Rows() < 40*30 || first.Written != first.Rows() {
		t.Fatalf("%d tables, %d rows, %d written", len(first.Lines), first.Rows(), first.Written)
	}
	if r := recount(t, m); !r.Equal() {
		t.Fatalf("after the first pass these differ: %v", r.Differ())
	}
	s.fill(t, m, 15)
	s.exec(t, `UPDATE lead SET version = version + 1 WHERE lead_id IN (SELECT lead_id FROM lead LIMIT 5)`)
	s.exec(t, `DELETE FROM job WHERE (account_id, kind, key) IN (SELECT account_id, kind, key FROM job LIMIT 20)`)
	s.exec(t, `DELETE FROM answered`)
	if r := recount(t, m); r.Equal() || !slices.Contains(r.Differ(), "lead") || !slices.Contains(r.Differ(), "job") {
		t.Errorf("the recount does not see what changed: %v", r.Differ())
	}
	pass(t, m)
	if r := recount(t, m); !r.Equal() {
		t.Errorf("after the second pass these differ: %v", r.Differ())
	}
	if r := pass(t, m); r.Written != 0 || !r.Equal() {
		t.Errorf("a pass over an unchanged source wrote %d rows", r.Written)
	}
	if err := m.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The program takes the copy for its own.
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
}

// The control: one changed byte of one row in the target is found.
func TestOneChangedRowIsFound(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	s.fill(t, m, 60)
	pass(t, m)
	for table, text := range map[string]string{
		"person":      `UPDATE person SET country = country || 'x' WHERE person_id = (SELECT person_id FROM person LIMIT 1)`,
		"person_key":  `UPDATE person_key SET wrapped = set_byte(wrapped, 0, get_byte(wrapped, 0) # 1) WHERE person_id = (SELECT person_id FROM person_key LIMIT 1)`,
		"offer":       `DELETE FROM offer WHERE offer_id = (SELECT offer_id FROM offer LIMIT 1)`,
		"lead":        `UPDATE lead SET next_at = NULL, version = version + 1 WHERE lead_id = (SELECT lead_id FROM lead LIMIT 1)`,
		"audit_event": `UPDATE audit_event SET at = at + 1 WHERE event_id = (SELECT event_id FROM audit_event LIMIT 1)`,
	} {
		if _, err := m.owner.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if got := recount(t, m).Differ(); !slices.Contains(got, table) {
			t.Errorf("a changed row of %s is not found: %v", table, got)
		}
	}
	if got := recount(t, m).Differ(); len(got) != 5 {
		t.Errorf("differ %v", got)
	}
}

// A pass that was cut off goes on where it stopped.
func TestCutOffPassGoesOn(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	s.fill(t, m, 200)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for m.written.Load() < 1500 && ctx.Err() == nil {
		}
		cancel()
	}()
	if _, err := m.Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("cut off: %v", err)
	}
	m.Close()
	again := open(t, s, o)
	r := pass(t, again)
	if r.Written == 0 || r.Written >= r.Rows()-1000 {
		t.Errorf("the second pass wrote %d of %d rows", r.Written, r.Rows())
	}
	if r := recount(t, again); !r.Equal() {
		t.Errorf("these differ: %v", r.Differ())
	}
}

// Another source's copy is left alone.
func TestAnotherTargetIsRefused(t *testing.T) {
	o := storetest.PostgresOptions(t)
	s := newSource(t)
	m := open(t, s, o)
	s.fill(t, m, 3)
	pass(t, m)
	if _, err := Open(t.Context(), newSource(t).path, o); !errors.Is(err, ErrOther) {
		t.Errorf("another source: %v", err)
	}
	used := storetest.PostgresOptions(t)
	conn, err := pgx.Connect(t.Context(), used.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `INSERT INTO account VALUES (gen_random_uuid(), 'Example', 'US', 1)`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), s.path, used); !errors.Is(err, ErrOther) {
		t.Errorf("a target in use: %v", err)
	}
}

// Places compare as bytes as their values do.
func FuzzPlaces(f *testing.F) {
	f.Add([]byte{0}, []byte{0, 0}, int64(-1), int64(1))
	f.Add([]byte{0, 0xff}, []byte{0}, int64(5), int64(5))
	f.Fuzz(func(t *testing.T, a, b []byte, x, y int64) {
		ka, kb := appendKey(appendKey(nil, a), x), appendKey(appendKey(nil, b), y)
		want := slices.Compare(a, b)
		if want == 0 {
			want = int(min(1, max(-1, sign(x, y))))
		}
		if got := slices.Compare(ka, kb); got != want {
			t.Errorf("%x %d and %x %d compare as %d, want %d", a, x, b, y, got, want)
		}
		back, err := keyOf(ka)
		if err != nil || len(back) != 2 || !slices.Equal(back[0].([]byte), a) || back[1].(int64) != x {
			t.Errorf("%v %v", back, err)
		}
		_, _ = keyOf(a) // whatever it is, no panic
	})
}

func sign(x, y int64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (s *source) addLead(t *testing.T, account, lead, person, project []byte, closed any) {
	t.Helper()
	zero := make([]byte, 16)
	s.exec(t, `INSERT INTO lead (account_id, lead_id, person_id, project_id, source_id, test, stage_id, category, reason, route_state,
		decided, offers_made, enquiries, version, created_at, enquired_at, next_what, closed_at)
		VALUES (?, ?, ?, ?, ?, 0, ?, 'new', '', 'owned', 0, 0, 1, 1, 1, 1, '', ?)`, account, lead, person, project, zero, zero, closed)
}

// A value that must be unique may have gone from one row to another, on another
// page, either way round.
func TestUniqueValuesChangeHands(t *testing.T) {
	s, o := newSource(t), storetest.PostgresOptions(t)
	m := open(t, s, o)
	a, person, project := s.accounts[0], id(), id()
	add := func(lead, person []byte, closed any) { s.addLead(t, a, lead, person, project, closed) }
	at := func(b byte) []byte { x := id(); x[0] = b; return x }
	first, late := at(0), at(255)
	add(first, person, 5)
	for range 2*pageRows + 10 {
		add(at(byte(1+rand.IntN(254))), id(), nil)
	}
	add(late, person, nil)
	pass(t, m)
	for _, open := range [][]byte{first, late, first} {
		s.exec(t, `UPDATE lead SET closed_at = 7 WHERE person_id = ?`, person)
		s.exec(t, `UPDATE lead SET closed_at = NULL WHERE lead_id = ?`, open)
		if r := pass(t, m); !r.Equal() || r.Written > 4 {
			t.Errorf("%d written, differ: %v", r.Written, r.Differ())
		}
		if r := recount(t, m); !r.Equal() {
			t.Errorf("differ: %v", r.Differ())
		}
	}
}
