package main

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/receipt"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// While the record takes nothing, nothing is done: each kind of change is 503
// and leaves no row, no person is opened, and a captured lead waits in the
// journal. The same requests go through afterwards, and the record has no gap.
func TestNoRecordNoAction(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		unrecorded(t, store.Options{}, `CREATE TRIGGER refuse BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'refused'); END`, `DROP TRIGGER refuse`)
	})
	t.Run("postgres", func(t *testing.T) {
		unrecorded(t, storetest.PostgresOptions(t), `REVOKE INSERT ON audit_event FROM catchment_app`, `GRANT INSERT ON audit_event TO catchment_app`)
	})
}

func unrecorded(t *testing.T, o store.Options, refuse, allow string) {
	c := settingsFor(t, o)
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	admin, seller := s.as(t, shop.admin), s.as(t, shop.seller)
	var offer, lead string
	for _, who := range []string{"Asha", "Ben"} {
		lead = attached(admin, s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead(who+" Example", fmt.Sprintf("+1202555014%d", len(who)))).text("id"))
	}
	seller.until("the offers", "/v1/offers", func(a answer) bool {
		for _, o := range a.items() {
			if o.(fields)["lead_id"] == lead {
				offer = o.(fields)["id"].(string)
			}
		}
		return offer != "" && len(a.items()) == 2
	})
	db := openRaw(t, s.c)
	execute := func(text string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	sam, helper := supporter(t, s)
	grant := fields{"to": sam, "leads": []string{lead}, "fields": []string{"phone"}, "until": time.Now().Add(time.Hour), "reason": "a test"}
	granted := admin.want(201, "POST", "/v1/grants", grant).text("id")
	writes := []struct {
		who          api
		status       int
		method, path string
		body         any
	}{
		{admin, 201, "POST", "/v1/grants", grant},
		{helper, 200, "GET", "/v1/operator/grants/" + granted + "/leads/" + lead, nil}, // opens its person by the grant
		{admin, 200, "POST", "/v1/grants/" + granted + "/revoke", nil},
		{admin, 201, "POST", "/v1/projects", fields{"name": "Hill"}},
		{admin, 201, "POST", "/v1/sources", fields{"name": "Fair", "project_id": shop.project}},
		{admin, 200, "PUT", "/v1/projects/" + shop.project + "/pool", fields{"offers_at_once": 9, "accept_seconds": 600}},
		{admin, 201, "POST", "/v1/users", fields{"name": "Mona Example", "role": "manager", "email": "mona@example.com"}},
		{admin, 201, "POST", "/v1/keys", fields{"kind": "publishable", "name": "Other page", "any_origin": true}},
		{admin, 200, "GET", "/v1/leads/" + lead, nil}, // opens its person
		{seller, 200, "POST", "/v1/offers/" + offer + "/accept", nil},
		{s.as(t, ""), 201, "POST", "/v1/sessions", fields{"email": "ravi@example.com", "password": "a long password of Ravi"}},
	}
	before := rowsOf(t, db)
	execute(refuse)
	waits := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Cleo Example", "+12025550149")).text("id")
	for _, w := range writes {
		a := w.who.want(503, w.method, w.path, w.body, "Catchment-Purpose", "a test")
		if a.text("code") != "record_away" || a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "Example") {
			t.Errorf("%s %s: %s", w.method, w.path, a.body)
		}
	}
	if after := rowsOf(t, db); after != before {
		t.Errorf("rows changed:\n%s\n%s", before, after)
	}
	if a := admin.send("GET", "/v1/enquiries/"+waits, nil); a.status != 404 {
		t.Errorf("a lead was taken in past the record: %d", a.status)
	}
	execute(allow)
	for _, w := range writes { // the control
		w.who.want(w.status, w.method, w.path, w.body, "Catchment-Purpose", "a test")
	}
	if rowsOf(t, db) == before {
		t.Error("the rows that are compared never change")
	}
	attached(admin, waits)
	checkRecord(t, s, admin)
}

// supporter makes somebody of the platform's support who is signed in.
func supporter(t *testing.T, s *running) (id string, a api) {
	t.Helper()
	const email, password = "samira@example.com", "a long password of Samira"
	made, err := s.house.signin.CreateStaff(t.Context(), signin.Staff{Name: "Samira Example", Role: account.Support}, email, password)
	if err != nil {
		t.Fatal(err)
	}
	in := s.as(t, "").want(201, "POST", "/v1/sessions", fields{"email": email, "password": password})
	return made.String(), s.as(t, equip(t, s, in.text("token")))
}

// checkRecord verifies what the account exports.
func checkRecord(t *testing.T, s *running, admin api) {
	t.Helper()
	keys, err := receipt.ParseKeys(s.as(t, "").want(200, "GET", recordKeysPath, nil).body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := checkpoint.Verify(strings.NewReader(string(admin.want(200, "GET", "/v1/record/export", nil).body)), keys)
	if err != nil || len(r.Faults) > 0 || r.Size == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func openRaw(t *testing.T, c config) *sql.DB {
	t.Helper()
	driver, where := "sqlite", "file:"+filepath.Join(c.Data, "catchment.db")+"?_pragma=busy_timeout(10000)"
	if c.DatabaseURL != "" {
		driver, where = "pgx", c.DatabaseURL
	}
	db, err := sql.Open(driver, where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// rowsOf sums up what people do: the tables that nothing changes by itself.
func rowsOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	var out []string
	for _, table := range []string{"project", "source", "pool", "member", "credential", "one_time_link", "api_key", "lead", "person", "enquiry", "offer", "access_grant", "grant_lead", "grant_key", "audit_event"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			if table == "api_key" { // when it was used is noted by itself
				values = values[:1]
			}
			lines = append(lines, fmt.Sprintf("%v", values))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(lines)
		out = append(out, fmt.Sprintf("%s: %d, %x", table, len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))[:len(table)+16])
	}
	return strings.Join(out, "\n")
}
