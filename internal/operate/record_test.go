package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/record"
	"catchment/internal/web/webtest"
)

// operator makes another one, who is signed in.
func (p *platform) operator(email string) string {
	p.Helper()
	_, err := p.door.CreateOperator(p.Context(), "Otto Example", email, signintest.Password)
	p.ok(err)
	return p.door.SignIn(email).Token
}

func (p *platform) signOff(token, id, note string, status int) webtest.Reply {
	p.Helper()
	r := webtest.Ask(p, token, "POST", p.url+"/v1/platform/record/"+id+"/sign-off", map[string]any{"note": note})
	r.Want(p, status)
	return r
}

// write puts an entry on the record as the command line or a part would.
func (p *platform) write(at time.Time, e audit.Entry) {
	p.Helper()
	p.ok(p.db.Directory(p.Context(), func(d *store.Dir) error { return audit.WritePlatform(d, at, e) }))
}

func entries(page map[string]any) (out []map[string]any) {
	for _, x := range page["items"].([]any) {
		out = append(out, x.(map[string]any))
	}
	return out
}

// What operators and the command line did waits for another operator; the
// sign-off stands on the record, and does not wait itself.
func TestRecordIsReviewed(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		now := time.Now().UTC().Truncate(time.Second)
		p.write(now.Add(-48*time.Hour), audit.Entry{Actor: "command:root@db1", Action: "account.create", About: account.NewID().String()})
		p.write(now.Add(-47*time.Hour), audit.Entry{Actor: "system:signin", Action: "sign-in.refused", Detail: map[string]any{"count": 3}})
		read := func(query string) map[string]any { t.Helper(); return p.get("/v1/platform/record"+query, p.token, 200) }
		waiting := read("?unsigned=true")
		list := entries(waiting)
		if len(list) != 2 || waiting["unsigned"] != 2.0 || list[0]["action"] != "session.begin" || list[1]["actor"] != "command:root@db1" || list[1]["review"] != true {
			t.Fatalf("%v", waiting)
		}
		for query, want := range map[string]int{"?action=account.create": 1, "?actor=" + url.QueryEscape("command:root@db1"): 1, "?actor=nobody": 0,
			"?to=" + now.Add(-24*time.Hour).Format(time.RFC3339): 2, "?from=" + now.Add(-24*time.Hour).Format(time.RFC3339) + "&action=account.create": 0,
			"?from=" + now.Add(-48*time.Hour).Format(time.RFC3339) + "&to=" + now.Add(-47*time.Hour).Format(time.RFC3339): 1, "?action=sign-in.refused&unsigned=true": 0} {
			if got := entries(read(query)); len(got) != want {
				t.Errorf("%s: %d entries, want %d", query, len(got), want)
			}
		}
		for seen, cursor, n := 0, "", 0; ; n++ {
			page := read("?limit=1&unsigned=true" + cursor)
			seen += len(entries(page))
			next, more := page["next_cursor"].(string)
			if cursor = "&cursor=" + next; !more || n > 5 {
				if seen != 2 || n != 1 {
					t.Errorf("%d entries on %d pages", seen, n+1)
				}
				break
			}
		}

		created, mine := list[1]["id"].(string), list[0]["id"].(string)
		if got := p.signOff(p.token, mine, "", 409); got.Code() != "own_act" {
			t.Error(got.Text)
		}
		refusal := entries(read("?action=sign-in.refused"))[0]["id"].(string)
		if got := p.signOff(p.token, refusal, "", 409); got.Code() != "no_review" {
			t.Error(got.Text)
		}
		p.signOff(p.token, audit.NewID().String(), "", 404)
		p.signOff(p.token, "rec_x", "", 404)
		p.signOff(p.token, created, strings.Repeat("x", 501), 422)
		got := p.signOff(p.token, created, " Asked for in ticket 4711. ", 200)
		signed, _ := got.Body["signed_off"].(map[string]any)
		if me := list[0]["actor"]; signed["by"] != me || signed["note"] != "Asked for in ticket 4711." {
			t.Error(got.Text)
		}
		if got := p.signOff(p.token, created, "again", 409); got.Code() != "signed_off" {
			t.Error(got.Text)
		}
		own := entries(read("?action=record.signed-off"))
		if len(own) != 1 || own[0]["about"] != created || own[0]["actor"] != list[0]["actor"] || own[0]["review"] != false {
			t.Errorf("%v", own)
		}
		otto := p.operator("otto@example.com")
		if got := p.signOff(otto, own[0]["id"].(string), "", 409); got.Code() != "no_review" {
			t.Error(got.Text)
		}
		p.signOff(otto, mine, "", 200)
		left := read("?unsigned=true")
		if rest := entries(left); left["unsigned"] != 1.0 || len(rest) != 1 || rest[0]["action"] != "session.begin" || rest[0]["actor"] == list[0]["actor"] {
			t.Errorf("%v", left)
		}
		for _, path := range []string{"/v1/platform/record", "/v1/platform/record?from=yesterday"} {
			p.get(path, p.company("First "+path).Token, 403)
		}
		p.get("/v1/platform/record?from=yesterday", p.token, 422)
	})
}

// Of two who sign off at once one does.
func TestSignedOffOnce(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		p.write(time.Now(), audit.Entry{Actor: "command:root@db1", Action: "account.create"})
		id := entries(p.get("/v1/platform/record?action=account.create", p.token, 200))[0]["id"].(string)
		var got [4]webtest.Reply
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				got[i] = webtest.Ask(t, p.token, "POST", p.url+"/v1/platform/record/"+id+"/sign-off", map[string]any{"note": fmt.Sprint(i)})
			})
		}
		all.Wait()
		n := 0
		for _, r := range got {
			if r.Status == http.StatusOK {
				n++
			}
		}
		if own := entries(p.get("/v1/platform/record?action=record.signed-off", p.token, 200)); n != 1 || len(own) != 1 {
			t.Errorf("%d signed it off, the record has %d", n, len(own))
		}
	})
}

// The whole of an operator's session is on the record: begun, refused, ended.
func TestSessionsOfOperators(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		in := p.door.SignIn("olga@example.com")
		if _, err := p.door.ByPassword(t.Context(), signin.Client{}, "olga@example.com", "not the password", account.ID{}); err == nil {
			t.Fatal("a wrong password was taken")
		}
		p.ok(p.door.SignOut(t.Context(), in.Principal))
		p.ok(p.door.Flush(t.Context()))
		var got []string
		for _, e := range entries(p.get("/v1/platform/record", p.token, 200)) {
			if e["about"] == in.Session.String() || e["action"] == "sign-in.refused" && e["about"] == in.User.String() {
				got = append(got, e["action"].(string))
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != "session.begin session.end sign-in.refused" {
			t.Error(got)
		}
	})
}

var (
	rewrite = store.Unbound("test.platform.rewrite", `UPDATE platform_event SET actor = 'nobody'`)
	unwrite = store.Unbound("test.platform.erase", `DELETE FROM platform_sign_off`)
)

// On PostgreSQL nobody in the program can rewrite an entry or take back a
// sign-off. (SQLite has no roles.)
func TestNobodyRewritesIt(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		p.ok(p.db.Directory(t.Context(), func(d *store.Dir) error {
			_, err := record.AddSignOff(d, audit.NewID(), record.SignOff{By: "user_x", At: time.Now()})
			return err
		}))
		if p.db.Engine() != store.Postgres {
			return
		}
		for _, st := range []*store.Stmt{rewrite, unwrite} {
			if p.db.Directory(t.Context(), func(d *store.Dir) error { _, err := d.Exec(st); return err }) == nil {
				t.Error("the record was rewritten")
			}
		}
	})
}

// docs/operating.md shows an entry as the server does.
func TestTheDocumentedEntry(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```json name=platform-entry\n")
	block, _, _ := strings.Cut(rest, "```")
	want := map[string]any{}
	if err := json.Unmarshal([]byte(block), &want); err != nil || !ok {
		t.Fatalf("%v: %s", err, block)
	}
	p := open(t, sqlite(t))
	p.write(time.Now(), audit.Entry{Actor: "command:root@db1", Action: "account.create", About: account.NewID().String(), Detail: map[string]any{"sudo": "ada"}})
	id := entries(p.get("/v1/platform/record?action=account.create", p.token, 200))[0]["id"].(string)
	got := p.signOff(p.token, id, "Asked for.", 200)
	same := func(a, b map[string]any) bool {
		for k := range a {
			if _, ok := b[k]; !ok {
				return false
			}
		}
		return len(a) == len(b)
	}
	signed, _ := want["signed_off"].(map[string]any)
	now, _ := got.Body["signed_off"].(map[string]any)
	if !same(want, got.Body) || !same(signed, now) {
		t.Errorf("docs/operating.md has %v, the server %s", want, got.Text)
	}
}
