package console_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/whole"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// left counts what is left of a person in a place of docs/privacy.md, by one of
// its tables.
var left = map[string]*store.Stmt{
	"person":       store.Register("consoletest.left.person", `SELECT count(*) FROM person WHERE account_id = $1 AND (name IS NOT NULL OR phone IS NOT NULL OR email IS NOT NULL)`),
	"person_past":  store.Register("consoletest.left.past", `SELECT count(*) FROM person_past WHERE account_id = $1`),
	"person_index": store.Register("consoletest.left.index", `SELECT count(*) FROM person_index WHERE account_id = $1`),
	"person_key":   store.Register("consoletest.left.key", `SELECT count(*) FROM person_key WHERE account_id = $1`),
	"enquiry":      store.Register("consoletest.left.enquiry", `SELECT count(*) FROM enquiry WHERE account_id = $1 AND message IS NOT NULL`),
	"submission":   store.Register("consoletest.left.submission", `SELECT count(*) FROM submission WHERE account_id = $1`),
	"withheld":     store.Register("consoletest.left.withheld", `SELECT count(*) FROM withheld WHERE account_id = $1`),
	"note":         store.Register("consoletest.left.note", `SELECT count(*) FROM note WHERE account_id = $1`),
	"site_visit":   store.Register("consoletest.left.visit", `SELECT count(*) FROM site_visit WHERE account_id = $1 AND place IS NOT NULL`),
	"lead_file":    store.Register("consoletest.left.file", `SELECT count(*) FROM lead_file WHERE account_id = $1`),
	"suppression":  store.Register("consoletest.left.suppression", `SELECT count(*) FROM suppression WHERE account_id = $1 AND evidence IS NOT NULL`),
	"dead_letter":  store.Register("consoletest.left.dead", `SELECT count(*) FROM dead_letter WHERE account_id = $1`),
	"export":       store.Register("consoletest.left.export", `SELECT count(*) FROM export WHERE account_id = $1 AND wrapped IS NOT NULL`),
	"burst":        store.Register("consoletest.left.burst", `SELECT count(*) FROM burst WHERE account_id = $1`),
	"grant_key":    store.Register("consoletest.left.grant", `SELECT count(*) FROM grant_key WHERE account_id = $1`),
}

var (
	putBurst    = store.Register("consoletest.burst", `INSERT INTO burst (account_id, span_at, kind, source_id, mac, n) VALUES ($1, 1, 'person', $2, $3, 1)`)
	putGrantKey = store.Register("consoletest.grantkey", `INSERT INTO grant_key (account_id, grant_id, person_id, wrapped) VALUES ($1, $2, $3, $4)`)
)

// in the copy, by a table of the place.
var copied = map[string]string{
	"person": "Canary Person", "person_past": "Canary Past", "merge": "Canary Merged", "enquiry": "canary message", "submission": "canary raw", "withheld": "Canary Withheld",
	"note": "canary note", "site_visit": "canary place", "lead_file": "canary file", "suppression": "canary evidence", "dead_letter": "canary dead", "lead": "CANARY-UNIT", "subject_request": `"kind":"access"`,
}

// place is a row of the table in docs/privacy.md.
type place struct {
	name          string
	tables        []string
	copied, after string
}

// readPlaces reads the table, and names every table of the database that the
// section knows.
func readPlaces(t *testing.T) (rows []place, known map[string]int) {
	page, err := os.ReadFile("../../docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "### Where somebody can be\n")
	if !ok {
		t.Fatal("the page has no such section")
	}
	names, known := regexp.MustCompile("`([a-z_]+)`"), map[string]int{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		if len(cells) != 5 || strings.HasPrefix(line, "| place") {
			if !strings.HasPrefix(line, "|") {
				for _, m := range names.FindAllStringSubmatch(line, -1) {
					known[m[1]]++
				}
			}
			continue
		}
		p := place{name: strings.TrimPrefix(cells[0], "| "), copied: cells[2], after: strings.TrimSuffix(strings.TrimSpace(cells[4]), " |")}
		for _, m := range names.FindAllStringSubmatch(cells[1], -1) {
			p.tables = append(p.tables, m[1])
			known[m[1]]++
		}
		rows = append(rows, p)
	}
	return rows, known
}

// Every table of the schema is in one place of the page.
func TestEveryTableHasItsPlace(t *testing.T) {
	_, known := readPlaces(t)
	for _, table := range whole.Tables() {
		if known[table.Name] != 1 {
			t.Errorf("docs/privacy.md has the table %s %d times: what becomes of a person in it?", table.Name, known[table.Name])
		}
	}
}

// human leaves something in every place, under two persons who are merged.
func (c *company) human(s shop) (lead.PersonID, lead.ID) {
	c.Helper()
	keys, err := c.ring.Accounts.Get(c.Context(), c.scope.Account())
	c.ok(err)
	p, l := c.somebody(s, "Canary Past", "canary note")
	other, _ := c.somebody(s, "Canary Merged", "another note")
	now, project, source := store.Clock(time.Now()), must(account.ParseProjectID(s.project)), must(account.ParseSourceID(s.source))
	e, held, sub, visit, mark, file := lead.NewEnquiryID(), lead.NewEnquiryID(), lead.NewSubmissionID(), lead.NewVisitID(), lead.NewSuppressionID(), lead.NewFileID()
	phone := people.Key{Field: vault.ByPhone, MAC: keys.Index(vault.ByPhone, false, "+442079460171")}
	var was people.Person
	var wrapped map[vault.Subject][]byte
	c.read(func(tx *store.Tx) (err error) {
		was, err = people.One(tx, p)
		c.ok(err)
		wrapped, err = people.Keys(tx, []vault.Subject{vault.Subject(p.UUID())})
		return err
	})
	key, err := keys.OpenSubjectKey(vault.Subject(p.UUID()), wrapped[vault.Subject(p.UUID())])
	c.ok(err)
	seal := func(at vault.Binding, text string) vault.Sealed { return key.Seal(at, vault.Hide(text)) }
	c.write(func(tx *store.Tx) error {
		c.ok(people.Correct(tx, people.Past{Person: p, Field: vault.Name, Was: was.Name, By: c.admin.id, At: now}, seal(people.Place(p, vault.Name), "Canary Person").Data, ""))
		_, err := people.AddIndex(tx, []people.Entry{{Key: phone, Person: p}})
		c.ok(err)
		_, err = leads.AddEnquiries(tx, []*leads.Enquiry{
			{ID: e, Lead: l, Person: p, Project: project, Source: source, State: lead.Attached, Message: seal(leads.EnquiryPlace(e, vault.Message), "canary message"), ReceivedAt: now, CreatedAt: now},
			{ID: held, Person: p, Project: project, Source: source, State: lead.Quarantined, ReceivedAt: now, CreatedAt: now}})
		c.ok(err)
		_, err = leads.AddSubmissions(tx, []*leads.Submission{{ID: sub, Enquiry: e, Person: p, Format: "json", Raw: seal(leads.SubmissionPlace(sub, vault.Raw), "canary raw"), Stream: "s", Seq: 1, ReceivedAt: now}})
		c.ok(err)
		c.ok(people.Withhold(tx, []people.Withheld{{Person: p, Enquiry: held, Field: vault.Email, Value: seal(people.Place(p, vault.Email), "Canary Withheld").Data}}))
		c.ok(leads.AddVisit(tx, leads.Visit{ID: visit, Lead: l, Project: project, Person: p, State: lead.VisitPlanned, At: now, Place: seal(leads.VisitPlace(visit), "canary place"), By: c.admin.id, CreatedAt: now, ChangedAt: now}))
		c.ok(leads.AddFile(tx, leads.File{ID: file, Lead: l, Person: p, By: c.admin.id, State: leads.FileKept, Name: seal(leads.FilePlace(file, vault.FileName), "canary file"),
			Key: seal(leads.FilePlace(file, vault.Content), "key"), Kind: "text/plain", Size: 1, CreatedAt: now}))
		_, err = people.Suppress(tx, people.Suppression{ID: mark, Person: p, Reason: "asked-not-to", Evidence: seal(people.ProofPlace(mark), "canary evidence"), By: c.admin.id, From: now})
		c.ok(err)
		_, err = leads.AddBooking(tx, leads.Booking{ID: lead.NewBookingID(), Lead: l, Project: project, Unit: "CANARY-UNIT", Value: 1, Currency: "GBP", BookedAt: now, By: c.admin.id, CreatedAt: now})
		c.ok(err)
		c.ok(carry.AddExport(tx, &carry.Export{ID: lead.NewExportID(), By: c.admin.id, Purpose: "p", KeysetVersion: 1, Wrapped: []byte{1}, CreatedAt: now}))
		c.ok(tx.Must(putBurst, source, phone.MAC[:]))
		c.ok(tx.Must(putGrantKey, account.NewGrantID(), p, []byte{1}))
		_, err = people.SetMerged(tx, people.Merge{ID: lead.NewMergeID(), Kept: p, Merged: other, At: now, By: c.admin.id})
		return err
	})
	c.dies(keys, source, project, `{"person":{"phone":"020 7946 0171"},"message":"canary dead"}`)
	return p, l
}

// dies adds a dead letter as intake sets one aside.
func (c *company) dies(keys *keyring.AccountKeys, source account.SourceID, project account.ProjectID, body string) {
	c.Helper()
	head := submission.Header{Account: c.scope.Account(), Enquiry: lead.NewEnquiryID(), Source: source, Project: project, ReceivedAt: store.Clock(time.Now()), Format: submission.AsJSON,
		BodyMAC: submission.MACBody(keys.CaptureIDKey(), []byte(body))}
	sealer := keyring.NewSealer(func(account.ID) (vault.DropBox, bool) { return keys.DropBox(), true })
	defer sealer.Close()
	aad := head.Append(nil)
	box, data, err := sealer.Seal(c.scope.Account(), submission.AppendPayload(nil, [16]byte{1}, []byte(body), "192.0.2.1", "", "", ""), aad)
	c.ok(err)
	c.write(func(tx *store.Tx) error {
		_, err := leads.AddDead(tx, leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: head.Enquiry, Stream: "test", Seq: uint64(time.Now().UnixNano()), Reason: "unknown_source", Entry: append(aad, data...), Box: box,
			ReceivedAt: head.ReceivedAt, ChangedAt: head.ReceivedAt})
		return err
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Row after row of docs/privacy.md: what is of a person is in the copy, and gone
// after an erasure; what is somebody else's is neither.
func TestEverythingOfAPersonIsFound(t *testing.T) {
	rows, _ := readPlaces(t)
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		p, _ := c.human(s)
		keys := must(c.ring.Accounts.Get(t.Context(), c.scope.Account()))
		stranger := `{"person":{"phone":"020 7946 0172"},"message":"somebody else"}`
		c.dies(keys, must(account.ParseSourceID(s.source)), must(account.ParseProjectID(s.project)), stranger)
		path := "/v1/subject-requests/" + c.admin.post("/v1/subject-requests", map[string]any{"kind": "access", "person_id": p.String()}).want(t, 201).str("id")

		h.behind = problem.Busy("journal_behind", time.Second, "Not yet.")
		if got := c.admin.get(path+"/data", "Catchment-Purpose", "subject-access"); got.status != 503 || got.code() != "journal_behind" {
			t.Errorf("while leads that were accepted are not in the database: %d %s", got.status, got.code())
		}
		h.behind = nil
		data := c.admin.get(path+"/data", "Catchment-Purpose", "subject-access").want(t, 200).text
		if strings.Contains(data, "somebody else") {
			t.Error("the copy has somebody else's dead letter")
		}
		opened := c.admin.get("/v1/openings?purpose=subject-access").want(t, 200).text
		if !strings.Contains(opened, `"raw"`) || len(c.admin.get("/v1/record?action=dead_letter.searched").want(t, 200).list("items")) == 0 {
			t.Errorf("the record: %s", opened)
		}
		count := func(table string) (n int) {
			c.read(func(tx *store.Tx) error { return tx.Row(left[table]).Scan(&n) })
			return n
		}
		before := map[string]int{}
		for table := range left {
			before[table] = count(table)
		}
		erase := c.admin.post("/v1/subject-requests", map[string]any{"kind": "erase", "person_id": p.String()}).want(t, 201).str("id")
		c.admin.post("/v1/subject-requests/"+erase+"/fulfil", nil).want(t, 200)
		h.settle()
		for _, r := range rows {
			r.check(t, data, before, count)
		}
	})
}

// check is one row.
func (r place) check(t *testing.T, data string, before map[string]int, count func(string) int) {
	t.Helper()
	var shown, counted bool
	for _, table := range r.tables {
		if text := copied[table]; text != "" {
			shown = true
			if !strings.Contains(data, text) {
				t.Errorf("%s: %q is not in the copy", r.name, text)
			}
		}
		if left[table] == nil {
			continue
		}
		counted = true
		want := 0
		if table == "dead_letter" {
			want = 1 // somebody else's
		}
		if n := count(table); n != want || before[table] <= want {
			t.Errorf("%s: %d of %d are left in %s", r.name, n, before[table], table)
		}
	}
	if inCopy := r.copied == "yes" || strings.HasPrefix(r.copied, "all") || strings.HasPrefix(r.copied, "their names"); inCopy != shown {
		t.Errorf("%s: the page says %q of the copy, and the test looks for it: %v", r.name, r.copied, shown)
	}
	ends := len(r.tables) > 0 && regexp.MustCompile(`^(place |evidence )?emptied$|^removed$|destroyed$`).MatchString(r.after)
	if ends != counted {
		t.Errorf("%s: the page says %q of an erasure, and the test counts: %v", r.name, r.after, counted)
	}
}
