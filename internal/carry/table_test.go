package carry

import (
	"bytes"
	"encoding/csv"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	files "catchment/internal/store/carry"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
)

func TestColumnsGoByMappingThenByTheirNames(t *testing.T) {
	head := []string{"Tel.", "E-mail", "Budget", "Created at", "First name", "_hp", "", "Owner", "test"}
	got := columns(head, map[string]string{"Tel.": "person.phone"}, nil, History)
	want := []string{"person.phone", "person.email", "custom.Budget", "created_at", "person.first_name", "custom.hp", "-", "owner", "custom.test"}
	if !slices.Equal(got, want) {
		t.Errorf("history: %q, want %q", got, want)
	}
	got = columns(head, nil, map[string]string{"Budget": "custom.budget_eur"}, Live)
	if got[2] != "custom.budget_eur" || got[3] != "custom.Created at" || got[7] != "custom.Owner" {
		t.Errorf("live: %q", got)
	}
}

func TestMappingRefusesWhatIsNoWord(t *testing.T) {
	for word, ok := range map[string]bool{"person.phone": true, "custom.x": true, "-": true, "key": true, "project": true, "owner": false, "test": false, "nowhere": false} {
		if err := checkMapping(map[string]string{"a": word}, Live); (err == nil) != ok {
			t.Errorf("live %q: %v", word, err)
		}
	}
	if err := checkMapping(map[string]string{"a": "owner"}, History); err != nil {
		t.Errorf("history owner: %v", err)
	}
}

func somePlan(mode string, head ...string) *plan {
	stage := setup.Stage{ID: lead.NewStageID(), Slug: "won", Category: lead.Won}
	first := setup.Stage{ID: lead.NewStageID(), Slug: "new", Category: lead.New}
	return &plan{m: &files.Import{Mode: mode, FileMAC: []byte{1, 2, 3}}, columns: columns(head, nil, nil, mode), source: setup.SourceFacts{Project: account.NewProjectID()},
		projects: map[string]account.ProjectID{}, stages: map[string]setup.Stage{"won": stage, "new": first}, first: first,
		users: map[string]account.UserID{}, key: []byte("key"), now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
}

func nobody(string) (account.UserID, error) { return account.UserID{}, nil }

func TestReadRow(t *testing.T) {
	p := somePlan(History, "name", "email", "stage", "created_at", "owner", "note", "key")
	for _, c := range []struct {
		row         []string
		field, code string
	}{
		{[]string{"Ada", "ada@example.com", "won", "2024-02-03", "", "a note", ""}, "", ""},
		{[]string{"Ada", "ada@example.com"}, "", ""}, // short rows are as good as empty ends
		{[]string{"Ada", "", "won", "", "", "", ""}, "person", "contact_missing"},
		{[]string{"Ada", "ada@example.com", "nowhere", "", "", "", ""}, "stage", "unknown_stage"},
		{[]string{"Ada", "ada@example.com", "", "03/02/2024", "", "", ""}, "created_at", "bad_time"},
		{[]string{"Ada", "ada@example.com", "", "2031-01-01", "", "", ""}, "created_at", "bad_time"},
		{[]string{"Ada", "ada@example.com", "", "", "who@example.com", "", ""}, "owner", "unknown_user"},
		{[]string{"1", "2", "3", "4", "5", "6", "7", "8"}, "", "too_many_columns"},
	} {
		e, err := p.read(1, c.row, nobody)
		if err != nil {
			t.Fatal(err)
		}
		var field, code string
		if e.fault != nil {
			field, code = e.fault.Field, e.fault.Code
		}
		if field != c.field || code != c.code {
			t.Errorf("%q: %q %q, want %q %q", c.row, field, code, c.field, c.code)
		}
	}
}

// A row is known again by its file and number, or by its key.
func TestRowsIDs(t *testing.T) {
	p := somePlan(Live, "email", "key")
	id := func(n int64, row ...string) lead.EnquiryID {
		e, err := p.read(n, row, nobody)
		if err != nil || e.fault != nil {
			t.Fatal(err, e.fault)
		}
		return e.id
	}
	if once, again := id(1, "a@example.com"), id(1, "a@example.com"); once != again || id(1, "a@example.com") == id(2, "a@example.com") {
		t.Error("a row's number does not tell it")
	}
	if id(1, "a@example.com", "k") != id(2, "b@example.com", "k") || id(1, "a@example.com", "k") == id(1, "a@example.com", "other") {
		t.Error("a row's key does not tell it")
	}
	before := id(1, "a@example.com")
	p.m.FileMAC = []byte{9}
	if id(1, "a@example.com") == before {
		t.Error("another file has the same rows")
	}
}

func TestInert(t *testing.T) {
	for in, want := range map[string]string{"": "", "Ada": "Ada", "=1+1": "'=1+1", "+44": "'+44", "-1": "'-1", "@x": "'@x", " =x": "' =x", "a=b": "a=b", "\tx": "'\tx"} {
		if got := Inert(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSeparator(t *testing.T) {
	for in, want := range map[string]rune{"a,b\n": ',', "a;b;c,d\n": ';', "a\tb\n": '\t', "a\nb;c": ','} {
		if got := separator([]byte(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// Whatever a row holds, it is refused by name or its body is a form that says
// the same again, and no value stands in the fault.
func FuzzRow(f *testing.F) {
	f.Add("name,email,budget\n", "Ada,ada@example.com,3\n")
	f.Add("Tel.;Created at;Owner\n", "'+442079460123;2024-01-01;x\n")
	f.Fuzz(func(t *testing.T, head, line string) {
		read := func(s string) []string {
			r := csv.NewReader(bytes.NewReader([]byte(s)))
			r.LazyQuotes, r.FieldsPerRecord = true, -1
			row, _ := r.Read()
			for i := range row {
				row[i] = submission.UTF8(row[i])
			}
			return row
		}
		p := somePlan(History, read(head)...)
		e, err := p.read(1, read(line), nobody)
		if err != nil {
			t.Fatal(err)
		}
		if e.fault != nil {
			if e.fault.Code == "" {
				t.Error("refused without a reason")
			}
			return
		}
		if _, err := submission.Decode(submission.AsForm, formType, e.body, nil); err != nil {
			t.Errorf("%q does not decode: %v", e.body, err)
		}
		if _, err := url.ParseQuery(string(e.body)); err != nil || strings.Contains(string(e.body), "\n") {
			t.Errorf("%q is no form: %v", e.body, err)
		}
	})
}
