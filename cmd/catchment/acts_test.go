package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"catchment/internal/audit"
	"catchment/internal/store"
	"catchment/internal/store/storetest"

	"github.com/alecthomas/kong"
)

// verbsTried says of every verb how a test runs it on an installation, with
// what it leaves on the platform's record. ACCOUNT and the like stand for what
// is there. A verb that is not here is a fault.
var verbsTried = map[string]struct {
	args   []string
	action string // "": it changes nothing
	not    string // why it is not run
}{
	"serve":                      {not: "it is the server: what it does for others they record"},
	"demo":                       {not: "it makes an installation of its own"},
	"prove":                      {not: "it makes installations of its own"},
	"version":                    {},
	"hash-passwords":             {not: "a server starts it, and it reads no installation"},
	"account create":             {args: []string{"--data", "DATA", "--name", "Second", "--admin-email", "ben@example.com"}, action: "account.create"},
	"account list":               {args: []string{"--data", "DATA"}},
	"account recover":            {args: []string{"--data", "DATA", "--account", "ACCOUNT", "--email", "ada@example.com"}, action: "user.recover"},
	"keys door":                  {args: []string{"--data", "DATA", "--out", "FRESH"}, action: "keys.door"},
	"keys revoke":                {args: []string{"--data", "DATA", "key_01h455vb4pex5vsknk084sn02q"}, action: "key.revoked"},
	"keys status":                {args: []string{"--data", "DATA"}},
	"keys rotate":                {args: []string{"--data", "DATA", "account"}, action: "keys.rotate"},
	"keys rewrap":                {args: []string{"--data", "DATA"}, action: "keys.rewrap"},
	"keys expire":                {args: []string{"--data", "DATA"}, action: "keys.expire"},
	"keys recovery":              {args: []string{"--data", "DATA", "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"}, action: "keys.recovery"},
	"keys recover":               {args: []string{"--data", "DATA", "--recovery", "DATA/identity.txt"}, action: "keys.recover"},
	"keys lock":                  {args: []string{"--data", "DATA"}, action: "keys.lock"},
	"keys passphrase":            {not: "it asks, see TestASealedStart"},
	"keys unlock":                {not: "it asks, see TestASealedStart"},
	"account end":                {args: []string{"--data", "DATA", "ACCOUNT", "--now"}, action: "account.end.now"},
	"account export make":        {args: []string{"--data", "DATA", "ACCOUNT", "--out", "FRESH"}, action: "account.export"},
	"account export verify":      {not: "it reads a file, and no installation"},
	"account import":             {not: "it takes an archive: TestAnAccountMovesAsItIs"},
	"account certificate show":   {not: "it reads"},
	"account certificate verify": {not: "it reads a file, and no installation"},
	"receipt verify":             {not: "it reads a receipt, and no installation"},
	"audit verify":               {not: "it reads a file, and no installation"},
	"audit export":               {args: []string{"--data", "DATA", "--account", "ACCOUNT", "--out", "FRESH"}, action: "record.export"},
	"operator create":            {args: []string{"--data", "DATA", "--name", "Olga Example", "--email", "olga@example.com"}, action: "operator.create"},
	"operator recover":           {args: []string{"--data", "DATA", "--email", "otto@example.com"}, action: "operator.recover"},
	"deadletter list":            {args: []string{"--data", "DATA", "--account", "ACCOUNT"}},
	"deadletter replay":          {args: []string{"--data", "DATA", "--account", "ACCOUNT", "dead_01h455vb4pex5vsknk084sn02q"}, action: "dead-letter.replay"},
	"backup":                     {args: []string{"--data", "DATA", "--backup-to", "FRESH"}, action: "installation.backup"},
	"restore":                    {not: "it fills a new installation: TestARestoredDatabaseHasNobodyWhoWasErased"},
	"drill":                      {not: "it changes a scratch database alone: the same test"},
	"doctor":                     {args: []string{"--data", "DATA"}},
	"migrate":                    {args: []string{"--data", "NEW"}, action: actMigrate},
	"move":                       {args: []string{"--data", "DATA", "--to", "POSTGRES", "--copy"}, action: actMove},
}

// Every verb is run. One that changes a row, or should, says so on the
// platform's record: who, what, about what.
func TestEveryVerbIsOnTheRecord(t *testing.T) {
	p, err := kong.New(&verbs{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range p.Model.Leaves(false) {
		name := strings.TrimPrefix(n.FullPath(), "catchment.test ")
		name = strings.TrimPrefix(name, p.Model.Name+" ")
		found[name] = true
		v, ok := verbsTried[name]
		if !ok {
			t.Errorf("%s: say in this test what it leaves on the record", name)
			continue
		}
		if v.not == "" {
			t.Run(name, func(t *testing.T) { tryVerb(t, strings.Fields(name), v.args, v.action) })
		}
	}
	for name := range maps.Keys(verbsTried) {
		if !found[name] {
			t.Errorf("%s is no verb", name)
		}
	}
}

func tryVerb(t *testing.T, name, args []string, action string) {
	dir := filepath.Join(t.TempDir(), "data")
	var out strings.Builder
	if status := run([]string{"account", "create", "--data", dir, "--name", "Example Homes", "--admin-email", "ada@example.com"}, &out, &out); status != 0 {
		t.Fatal(out.String())
	}
	if status := run([]string{"operator", "create", "--data", dir, "--name", "Otto Example", "--email", "otto@example.com"}, io.Discard, &out); status != 0 {
		t.Fatal(out.String())
	}
	args = slices.Clone(args)
	for i, a := range args {
		switch a {
		case "DATA":
			args[i] = dir
		case "ACCOUNT":
			args[i] = idLine.FindStringSubmatch(out.String())[1]
		case "DATA/identity.txt":
			args[i] = filepath.Join(dir, "identity.txt")
		case "FRESH":
			args[i] = filepath.Join(t.TempDir(), "door")
		case "POSTGRES":
			args[i] = storetest.PostgresOptions(t).URL
		case "NEW": // without a schema yet
			dir = t.TempDir()
			args[i] = dir
		}
	}
	before, had := contents(t, dir), commanded(t, dir)
	status := run(append(name, args...), io.Discard, io.Discard)
	after, has := contents(t, dir), commanded(t, dir)
	if action == "" {
		if before != after || len(has) != len(had) {
			t.Errorf("it changes something, and says that it does not (status %d)", status)
		}
		return
	}
	if len(has) != len(had)+1 || has[len(has)-1].Action != action || has[len(has)-1].Actor != commander() {
		t.Errorf("status %d, and on the record are %+v", status, has)
	}
}

// contents is all rows of all tables but the platform's record.
func contents(t *testing.T, dir string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "catchment.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	for _, table := range names(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'platform_event' ORDER BY name`) {
		columns := names(t, db, `SELECT 'quote("' || name || '")' FROM pragma_table_info('`+table+`')`)
		rows := names(t, db, `SELECT `+strings.Join(columns, ` || ',' || `)+` FROM "`+table+`" ORDER BY 1`)
		fmt.Fprintln(&b, table, rows)
	}
	return b.String()
}

func names(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s.String)
	}
	return out
}

// commanded is what was done at the command line, in its order: on the record,
// and what waits for a server to put it there.
func commanded(t *testing.T, dir string) (out []audit.Entry) {
	t.Helper()
	c := config{Data: dir}
	var list []audit.Record
	if have, _, err := store.Versions(t.Context(), c.storeOptions()); err != nil {
		t.Fatal(err)
	} else if have > 0 {
		db, err := store.Open(t.Context(), c.storeOptions())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.ReadDirectory(t.Context(), func(d *store.Dir) (err error) {
			list, err = audit.ListPlatform(d, audit.Filter{}, audit.Place{}, 100)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range slices.Backward(list) {
		if strings.HasPrefix(r.Actor, audit.CommandLine) {
			out = append(out, audit.Entry{Actor: r.Actor, Action: r.Action, About: r.About})
		}
	}
	err := eachLeft(c.acts(), func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, e, err := audit.UnmarshalEntry(text)
		out = append(out, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is left in the folder, because the command has no way to SQL, the server
// that runs there writes down, once.
func TestActsAreTakenUp(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, storetest.PostgresOptions(t))
	s := serve(t, c)
	door := filepath.Join(t.TempDir(), "door")
	if status := run([]string{"keys", "door", "--data", c.Data, "--out", door}, io.Discard, os.Stderr); status != 0 {
		t.Fatalf("keys door: %d", status)
	}
	waitFor(t, "the entry", func() bool { return platformHas(t, s, "keys.door") == 1 })
	waitFor(t, "the end of the file", func() bool {
		left, err := os.ReadDir(c.acts())
		return err == nil && len(left) == 0
	})
	if err := leave(c.acts(), "forged", []byte(`{"actor":"user"}`)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the refusal of what is no entry", func() bool { return exists(filepath.Join(c.acts(), "forged"+refusedFile)) })
	if n := platformHas(t, s, "keys.door"); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// What an operator changes at the door is on the record. A route that is not
// here, or leaves nothing there, is a fault.
func TestEveryActOfAnOperatorIsOnTheRecord(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	shop := openShop(t, c, s)
	op := strongOperator(t, s)
	for _, email := range []string{"otto@example.com", "oona@example.com"} {
		if _, err := s.house.signin.CreateOperator(t.Context(), "Otto Example", email, "a long password of Otto"); err != nil {
			t.Fatal(err)
		}
	}
	otto := s.as(t, equip(t, s, s.as(t, "").want(201, "POST", "/v1/sessions", fields{"email": "otto@example.com", "password": "a long password of Otto"}).text("token")))
	awaitKey(t, s, shop.pub)
	attached(s.as(t, shop.admin), s.as(t, shop.pub).want(202, "POST", "/v1/leads", fields{"source": shop.source, "person": fields{"name": "Asha Example", "phone": "+12025550141"}}).text("id"))
	emergency := fields{"kind": "break-glass", "account_id": shop.account, "project_id": shop.project, "fields": []string{"name"}, "minutes": 5, "purpose": "Ticket 4711"}
	asked := func(by api) string { return by.want(201, "POST", "/v1/operator/approvals", emergency).text("id") }
	reported := func() string {
		s.as(t, "").send("POST", "/report", []byte("kind=other&message=Something"), "Content-Type", "application/x-www-form-urlencoded")
		newest, _ := op.want(200, "GET", "/v1/platform/reports?limit=1", nil).items()[0].(fields)
		return newest["id"].(string)
	}
	one, another := reported(), reported()
	made, _ := op.want(200, "GET", "/v1/platform/record?action=account.create", nil).items()[0].(fields)
	tries := map[string]struct {
		id   string
		body any
	}{
		"put-account-limits": {shop.account, fields{"leads": 500}},
		"sign-off":           {made["id"].(string), fields{"note": "Asked for."}},
		"ask-approval":       {"", emergency},
		"approve":            {asked(otto), nil},
		"close-approval":     {asked(otto), nil},
		"open-concern":       {one, nil},
		"note-concern":       {one, fields{"text": "Rang them."}},
		"answer-concern":     {one, fields{"text": "It is mended."}},
		"close-concern":      {another, nil},
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Name       string `json:"operationId"`
			Permission string `json:"x-permission"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(s.as(t, "").want(200, "GET", "/openapi.json", nil).body, &doc); err != nil {
		t.Fatal(err)
	}
	me := op.want(200, "GET", "/v1/me", nil).text("user_id")
	count := func() int { return len(op.want(200, "GET", "/v1/platform/record?limit=500&actor="+me, nil).items()) }
	seen := 0
	for path, methods := range doc.Paths {
		for method, r := range methods {
			if method == "get" || !strings.HasPrefix(r.Permission, "platform:") {
				continue
			}
			try, ok := tries[r.Name]
			if !ok {
				t.Errorf("%s: say here how it is done", r.Name)
				continue
			}
			seen++
			before := count()
			status := 200
			if r.Name == "ask-approval" {
				status = 201
			}
			op.want(status, strings.ToUpper(method), strings.Replace(path, "{id}", try.id, 1), try.body)
			if count() != before+1 {
				t.Errorf("%s is not on the record", r.Name)
			}
		}
	}
	if seen != len(tries) {
		t.Errorf("%d routes tried of %d", seen, len(tries))
	}
}
