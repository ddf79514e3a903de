package store_test

import (
	"database/sql"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// A new SQLite file's planner looks into the index of two columns instead of
// reading an account by the primary key.
func TestNewFileUsesItsIndexes(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+storetest.SQLiteOptions(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string]string{
		`SELECT state FROM offer WHERE account_id = ?1 AND lead_id = ?2`:                                                                                            "offer_lead",
		`SELECT state FROM offer WHERE account_id = ?1 AND lead_id IN (?2` + strings.Repeat(", ?", 63) + `)`:                                                        "offer_lead",
		`SELECT state FROM offer WHERE account_id = ?1 AND round_id = ?2 AND open`:                                                                                  "offer_round",
		`SELECT next_what FROM lead WHERE account_id = ?1 AND owner_id = ?2 ORDER BY created_at DESC, lead_id DESC`:                                                 "lead_owner",
		`SELECT next_what FROM lead WHERE account_id = ?1 ORDER BY created_at DESC, lead_id DESC LIMIT 50`:                                                          "lead_list",
		`SELECT next_what FROM lead WHERE account_id = ?1 AND project_id = ?2 AND (created_at, lead_id) < (?3, ?4) ORDER BY created_at DESC, lead_id DESC LIMIT 50`: "lead_project",
		`SELECT next_what FROM lead WHERE account_id = ?1 AND lead_id = ?2 AND closed_at IS NULL AND waiting_at > 0`:                                                "PRIMARY KEY (account_id=? AND lead_id=?)",
		`SELECT text FROM note WHERE account_id = ?1 AND lead_id = ?2 ORDER BY created_at`:                                                                          "note_lead",
		`SELECT evidence FROM attempt WHERE account_id = ?1 AND lead_id = ?2 ORDER BY started_at`:                                                                   "attempt_lead",
		`SELECT custom FROM enquiry WHERE account_id = ?1 AND lead_id = ?2`:                                                                                         "enquiry_lead",
		`SELECT person_id FROM person_index WHERE account_id = ?1 AND field = ?2 AND mac IN (?3, ?4, ?5, ?6, ?7, ?8)`:                                               "(account_id=? AND field=? AND mac=?)",
		`SELECT count(*) FROM offer WHERE account_id = ?1 AND user_id = ?2 AND open`:                                                                                "offer_open",
		`SELECT next_what FROM lead WHERE account_id = ?1 AND person_id = ?2 AND project_id = ?3 ORDER BY created_at`:                                               "lead_person",
		`SELECT next_what FROM lead WHERE account_id = ?1 AND closed_at IS NULL AND NOT test AND (enquiries > 1 OR previous_id IS NOT NULL) AND enquired_at > COALESCE(tried_at, attempted_at, 0) AND (enquired_at, lead_id) > (?2, ?3) ORDER BY enquired_at, lead_id LIMIT 50`: "lead_again",
		`SELECT state FROM quarantine WHERE account_id = ?1 AND reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules IN ('[1]', '[2]') ORDER BY received_at, enquiry_id LIMIT 20`:                                                                          "quarantine_unasked",
		`SELECT state FROM quarantine WHERE account_id = ?1 AND reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules NOT IN ('[1]', '[2]') ORDER BY received_at, enquiry_id LIMIT 20`:                                                                      "quarantine_inspect",
		`SELECT key FROM job WHERE run_at <= ?1 ORDER BY run_at LIMIT 8`:                                                "job_due",
		`SELECT user_id, presence, from_at, until_at FROM presence_span WHERE account_id = ?1 AND until_at IS NULL`:     "presence_open",
		`SELECT detail FROM audit_event WHERE account_id = ?1 AND (at, event_id) < (?2, ?3) ORDER BY at DESC LIMIT 100`: "audit_list",
	} {
		args := make([]any, strings.Count(query, "?"))
		rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var plan []string
		for rows.Next() {
			var n int
			var line string
			if err := rows.Scan(&n, &n, &n, &line); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
		}
		rows.Close()
		if got := strings.Join(plan, "; "); !strings.Contains(got, want) {
			t.Errorf("%s\n\tplan: %s\n\twant: %s", query, got, want)
		}
	}
}

var explainNote = store.Register("test.explain", `EXPLAIN SELECT text FROM note WHERE account_id = $1 AND note_id = $2`)

// A plan is kept while its table grows. Of a table that was analysed with a
// handful of rows PostgreSQL would plan to read the whole.
func TestPostgresSearchesSmallTables(t *testing.T) {
	o := storetest.PostgresOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := storetest.Account()
	addNotes(t, db, s, 2)
	raw, err := sql.Open("pgx", o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), "ANALYZE note"); err != nil {
		t.Fatal(err)
	}
	plan := ""
	err = db.Read(t.Context(), s, func(tx *store.Tx) error {
		rows, err := tx.Query(explainNote, lead.NewNoteID())
		return store.Each(rows, err, func(scan func(...any) error) error {
			var line string
			err := scan(&line)
			plan += line + "\n"
			return err
		})
	})
	if err != nil || !strings.Contains(plan, "Index Scan") || strings.Contains(plan, "Seq Scan") {
		t.Errorf("%v\n%s", err, plan)
	}
}

func addNotes(t *testing.T, db *store.DB, s account.Scope, n int) {
	t.Helper()
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = note("sealed")
	}
	if err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Bulk(addNote, rows); return err }); err != nil {
		t.Fatal(err)
	}
}

func TestAnalyzeCountsWhatHasGrown(t *testing.T) {
	o := storetest.PostgresOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := storetest.Account()
	for _, step := range []struct{ add, counted int }{
		{2, 0},     // too small to know anything
		{3000, 1},  // about 400 KiB
		{100, 0},   // nothing new
		{10000, 1}, // more than fourfold
	} {
		addNotes(t, db, s, step.add)
		if n, err := store.Analyze(t.Context(), o); err != nil || n != step.counted {
			t.Errorf("after %d more: %d tables counted (%v), want %d", step.add, n, err, step.counted)
		}
	}
}
