package operate_test

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"catchment/internal/logbook"
	"catchment/internal/privacy"
)

// writeLog keeps a few lines, as a server does.
func (p *platform) writeLog(account string) {
	p.Helper()
	book := logbook.New(nil)
	defer book.Close()
	book.Begin(p.logs, p.ring.Keyring.LogRecipient())
	log := slog.New(book.Handler(slog.DiscardHandler))
	log.Info("canary of a start")
	log.Warn("canary of an account", "account_id", account, "request_id", "req_canary", "error", "no answer for ada@example.com")
	log.Error("canary of a fault", "tries", 3)
	p.ok(book.Flush(p.Context()))
}

// An operator asks to read the log, two others approve, and only then it is
// read, by who asked alone, each page on the record, until it ends by itself.
// The controls: no approval, one short, the asker's own, another's reading, an
// approval of another kind, after the hour, and with the record away.
func TestTheLogByApproval(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		in := p.company("First")
		mine := p.lead(in, "Ada Canary", "+442079460101")
		acct := in.Scope.Account().String()
		p.writeLog(acct)
		otto, oona := p.operator("otto@example.com"), p.operator("oona@example.com")
		const path = "/v1/operator/approvals"
		now := time.Now()
		body := func(change map[string]any) map[string]any {
			b := map[string]any{"kind": "logs", "from": now.Add(-time.Hour).Format(time.RFC3339), "to": now.Add(time.Hour).Format(time.RFC3339), "minutes": 30, "purpose": "Ticket 4712"}
			for name, v := range change {
				b[name] = v
			}
			return b
		}
		for name, wrong := range map[string]any{"minutes": 61, "from": "yesterday", "to": now.Add(-2 * time.Hour).Format(time.RFC3339), "level": "debug", "purpose": " ", "account_id": "acct_x"} {
			if r := p.post(path, p.token, body(map[string]any{name: wrong}), 422); !strings.Contains(r.Text, name) {
				t.Errorf("%s: %s", name, r.Text)
			}
		}
		p.post(path, p.token, body(map[string]any{"to": now.AddDate(0, 0, 8).Format(time.RFC3339)}), 422)
		p.post(path, in.Token, body(nil), 403)

		asked := p.post(path, p.token, body(nil), 201)
		p.documented("log-approval", asked.Body)
		one := path + "/" + word(asked, "id")
		lines := one + "/lines"
		p.ask(lines, p.token, "", 403)
		if r := p.post(one+"/approve", p.token, nil, 409); word(r, "code") != "own_request" {
			t.Error(r.Text)
		}
		p.post(one+"/approve", otto, nil, 200)
		p.ask(lines, p.token, "", 403) // one short
		if r := p.post(one+"/approve", oona, nil, 200); word(r, "state") != "open" {
			t.Error(r.Text)
		}
		for _, who := range []string{otto, oona} {
			p.ask(lines, who, "", 404)
		}
		p.ask(lines, in.Token, "", 403)
		page := p.get(lines, p.token, 200)["items"].([]any)
		if len(page) != 3 {
			t.Fatalf("%v", page)
		}
		p.documented("log-line", page[1].(map[string]any))
		if l := page[1].(map[string]any); l["message"] != "canary of an account" || l["account_id"] != acct || l["level"] != "warn" || strings.Contains(l["attrs"].(map[string]any)["error"].(string), "ada@") {
			t.Errorf("%v", l)
		}
		for query, n := range map[string]int{"level=error": 1, "level=warn": 2, "account_id=" + acct: 1, "request=req_canary": 1, "part=intake": 0, "from=" + url.QueryEscape(now.Add(30*time.Minute).Format(time.RFC3339)): 0} {
			if got := p.get(lines+"?"+query, p.token, 200)["items"].([]any); len(got) != n {
				t.Errorf("%s: %v", query, got)
			}
		}
		first := p.get(lines+"?limit=2", p.token, 200)
		rest := p.get(lines+"?limit=2&cursor="+first["next_cursor"].(string), p.token, 200)
		if got := rest["items"].([]any); len(got) != 1 || got[0].(map[string]any)["message"] != "canary of a start" {
			t.Errorf("the second page: %v", got)
		}
		if got := entries(p.get("/v1/platform/record?action=log.read", p.token, 200)); len(got) != 9 {
			t.Errorf("%d pages on the record", len(got))
		}

		narrow := p.post(path, p.token, body(map[string]any{"account_id": acct, "level": "warn"}), 201)
		of := path + "/" + word(narrow, "id")
		p.post(of+"/approve", otto, nil, 200)
		p.post(of+"/approve", oona, nil, 200)
		for query, n := range map[string]int{"": 1, "?level=info": 1, "?account_id=acct_01h455vb4pex5vsknk084sn02q": 0, "?from=2020-01-01T00:00:00Z&to=2030-01-01T00:00:00Z": 1} {
			if got := p.get(of+"/lines"+query, p.token, 200)["items"].([]any); len(got) != n {
				t.Errorf("of one account %q: %v", query, got)
			}
		}

		other := p.post(path, p.token, map[string]any{"kind": "break-glass", "account_id": acct, "leads": []string{mine.String()}, "fields": []string{"phone"}, "minutes": 15, "purpose": "Ticket 4711"}, 201)
		p.post(path+"/"+word(other, "id")+"/approve", otto, nil, 200)
		p.post(path+"/"+word(other, "id")+"/approve", oona, nil, 200)
		p.settle()
		p.ask(path+"/"+word(other, "id")+"/lines", p.token, "", 404) // another kind's opens no log

		p.post(one+"/close", oona, nil, 200)
		p.ask(lines, p.token, "", 403)
		p.later = 31 * time.Minute
		p.ask(of+"/lines", p.token, "", 403) // it ended by itself
		p.ok(privacy.NewApprovals(p.db, p.list, p.log, 2, func() time.Time { return time.Now().Add(p.later) }).Resume(p.Context()))
		closed := entries(p.get("/v1/platform/record?action=approval.closed", p.token, 200))
		if len(closed) != 2 {
			t.Errorf("ends on the record: %v", closed)
		}
		if g, waiting, _ := p.emergency(in); len(g) != 1 || len(waiting) != 1 { // the emergency's alone
			t.Errorf("an account has something of a look at the log: %v %v", g, waiting)
		}
	})
}
