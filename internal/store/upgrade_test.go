package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// What later migrations are told of an index stays what was foretold, whatever
// few rows they find; and a new index is foretold too.
func TestLaterMigrationsCountNothing(t *testing.T) {
	o := store.Options{Path: t.TempDir() + "/old.db"}
	db, err := store.OpenAt(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	is := func(table string) bool {
		return slices.ContainsFunc(store.Tables(), func(x store.Table) bool { return x.Name == table })
	}
	before := foretold(t, db)
	zero := make([]byte, 16)
	for n := range 3 {
		if _, err := db.Exec(`INSERT INTO note (account_id, note_id, lead_id, person_id, by_actor, text, created_at) VALUES (?1, ?2, ?1, ?1, '', x'00', 1)`,
			zero, fmt.Appendf(nil, "note-%011d", n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := store.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	after := foretold(t, db)
	for name, stat := range before {
		table, _, _ := strings.Cut(name, ".")
		if is(table) && after[name] != stat {
			t.Errorf("%s was foretold %q, and is now %q", name, stat, after[name])
		}
	}
	if len(after) <= len(before) || after["lead.lead_next"] == "" {
		t.Errorf("%d indexes foretold, then %d", len(before), len(after))
	}
	// The control: ANALYZE would have written what it counts.
	if _, err := db.Exec(`ANALYZE note`); err != nil {
		t.Fatal(err)
	}
	if got := foretold(t, db)["note.note"]; !strings.HasPrefix(got, "3 ") {
		t.Errorf("note is counted as %q", got)
	}
}

func foretold(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.Query(`SELECT tbl || '.' || idx, stat FROM sqlite_stat1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, stat string
		if err := rows.Scan(&name, &stat); err != nil {
			t.Fatal(err)
		}
		out[name] = stat
	}
	return out
}

// A database of version 1 with a row in every table goes to the newest: every
// column that was there has the value that it had.
func TestEveryTableSurvives(t *testing.T) {
	for engine, o := range map[store.Engine]store.Options{store.SQLite: {Path: t.TempDir() + "/old.db"}, store.Postgres: storetest.EmptyPostgres(t)} {
		t.Run(string(engine), func(t *testing.T) {
			db, err := store.OpenAt(t.Context(), o, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			before := map[string]string{}
			columns := columnsOf(t, db, engine)
			for _, name := range slices.Sorted(maps.Keys(columns)) {
				fillOne(t, db, engine, name, columns[name])
				before[name] = rowOf(t, db, name, columns[name])
			}
			if len(before) < 30 {
				t.Fatalf("only %d tables at version 1", len(before))
			}
			if from, to, err := store.Migrate(t.Context(), o); err != nil || from != 1 || to < 5 {
				t.Fatalf("from %d to %d: %v", from, to, err)
			}
			for name, want := range before {
				if got := rowOf(t, db, name, columns[name]); got != want {
					t.Errorf("%s\n\twas %s\n\tis  %s", name, want, got)
				}
			}
			if have, want, err := store.Versions(t.Context(), o); err != nil || have != want {
				t.Errorf("version %d, want %d: %v", have, want, err)
			}
			again, err := store.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			again.Close()
		})
	}
}

// column is a name with the engine's type.
type column struct{ name, kind string }

func columnsOf(t *testing.T, db *sql.DB, e store.Engine) map[string][]column {
	t.Helper()
	text := `SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid`
	if e == store.Postgres {
		text = `SELECT table_name, column_name, udt_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`
	}
	rows, err := db.Query(text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ours := map[string]bool{}
	for _, x := range store.Tables() {
		ours[x.Name] = true
	}
	out := map[string][]column{}
	for rows.Next() {
		var table string
		var c column
		if err := rows.Scan(&table, &c.name, &c.kind); err != nil {
			t.Fatal(err)
		}
		if ours[table] {
			out[table] = append(out[table], c)
		}
	}
	return out
}

func fillOne(t *testing.T, db *sql.DB, e store.Engine, table string, columns []column) {
	t.Helper()
	var names, values []string
	for n, c := range columns {
		v := fmt.Sprint(n + 1)
		switch strings.ToLower(c.kind) {
		case "text":
			v = "'[]'"
		case "blob":
			v = fmt.Sprintf("x'%032x'", n+1)
		case "uuid":
			v = fmt.Sprintf("'%032x'", n+1)
		case "bytea":
			v = fmt.Sprintf(`'\x%032x'`, n+1)
		case "bool":
			v = "true"
		}
		if e == store.SQLite && boolean[c.name] {
			v = "1"
		}
		names, values = append(names, c.name), append(values, v)
	}
	if _, err := db.Exec("INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"); err != nil {
		t.Fatalf("%s: %v", table, err)
	}
}

// boolean are version 1's columns that SQLite keeps as numbers.
var boolean = map[string]bool{"any_origin": true, "active": true, "needs_reason": true, "test": true, "conflict": true, "re_enquiry": true, "decided": true, "reached": true, "open": true}

// rowOf is the table's only row, as text.
func rowOf(t *testing.T, db *sql.DB, table string, columns []column) string {
	t.Helper()
	var names []string
	row, to := make([]any, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		names, to[i] = append(names, c.name), &row[i]
	}
	if err := db.QueryRow("SELECT " + strings.Join(names, ", ") + " FROM " + table).Scan(to...); err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return fmt.Sprintf("%v", row)
}
