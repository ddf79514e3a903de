package operate_test

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/privacy"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/alarms"
	"catchment/internal/store/grants"
	"catchment/internal/web/webtest"
)

var loseJob = store.Register("operatetest.job.lose", `DELETE FROM job WHERE account_id = $1 AND kind = 'break-glass'`)

// word is a text of an answer.
func word(r webtest.Reply, name string) string { s, _ := r.Body[name].(string); return s }

// post asks for a change and fails unless the answer has the status.
func (p *platform) post(path, token string, body any, status int) webtest.Reply {
	p.Helper()
	r := webtest.Ask(p, token, "POST", p.url+path, body)
	r.Want(p, status)
	return r
}

func (p *platform) settle() {
	p.Helper()
	_, err := p.runner.Drain(p.Context(), time.Now().Add(time.Second))
	p.ok(err)
}

// emergency is what an account sees of it.
func (p *platform) emergency(in signin.SignedIn) (g []grants.Grant, waiting []alarm.Alarm, made []audit.Record) {
	p.Helper()
	p.ok(p.db.Read(p.Context(), in.Scope, func(tx *store.Tx) (err error) {
		if g, err = grants.List(tx, "", time.Now(), time.Time{}, account.GrantID{}, 10); err != nil {
			return err
		}
		if waiting, err = alarms.Page(tx, false, time.Time{}, alarm.Alarm{}.ID, 10); err != nil {
			return err
		}
		made, err = audit.List(tx, audit.Filter{Action: "grant.made"}, audit.Place{}, 10)
		return err
	}))
	return g, waiting, made
}

// An operator asks, two others approve, and only then a lead of that one account
// opens, for who asked alone; the account has it on its record and as an alarm.
// The controls are the same acts one approval short, by the asker, by support,
// twice by one, and after the end.
func TestBreakGlass(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		in, other := p.company("First"), p.company("Second")
		mine, theirs := p.lead(in, "Ada Canary", "+442079460101"), p.lead(other, "Bob Canary", "+442079460102")
		acct := in.Scope.Account().String()
		body := map[string]any{"kind": "break-glass", "account_id": acct, "leads": []string{mine.String()}, "fields": []string{"phone"}, "minutes": 15, "purpose": "Ticket 4711"}
		const path = "/v1/operator/approvals"
		otto := p.operator("otto@example.com")
		if r := p.post(path, p.token, body, 409); word(r, "code") != "too_few_operators" {
			t.Error(r.Text)
		}
		oona := p.operator("oona@example.com")
		_, support := p.staff(account.Support, "sam@example.com")
		p.post(path, support, body, 403)
		for name, wrong := range map[string]any{"minutes": 61, "fields": []string{"trace"}, "leads": []string{theirs.String()}, "account_id": account.NewID().String(), "purpose": " "} {
			bad := map[string]any{}
			for k, v := range body {
				bad[k] = v
			}
			bad[name] = wrong
			if r := p.post(path, p.token, bad, 422); !strings.Contains(r.Text, name) {
				t.Errorf("%s: %s", name, r.Text)
			}
		}
		asked := p.post(path, p.token, body, 201)
		one := path + "/" + word(asked, "id")
		p.documented("approval", asked.Body)
		p.settle()
		if g, waiting, _ := p.emergency(in); len(g)+len(waiting) != 0 {
			t.Errorf("before anybody approved: %v %v", g, waiting)
		}
		if r := p.post(one+"/approve", p.token, nil, 409); word(r, "code") != "own_request" {
			t.Error(r.Text)
		}
		p.post(one+"/approve", support, nil, 403)
		p.post(one+"/approve", otto, nil, 200)
		if r := p.post(one+"/approve", otto, nil, 409); word(r, "code") != "approved_already" {
			t.Error(r.Text)
		}
		p.settle()
		if g, waiting, _ := p.emergency(in); len(g)+len(waiting) != 0 {
			t.Errorf("one approval short: %v %v", g, waiting)
		}
		if r := p.post(one+"/approve", oona, nil, 200); word(r, "state") != "approved" {
			t.Error(r.Text)
		}
		p.settle()
		g, waiting, made := p.emergency(in)
		if len(g) != 1 || g[0].Kind != grants.BreakGlass || g[0].Until.Sub(g[0].From) != 15*time.Minute || g[0].Leads != 1 {
			t.Fatalf("the grant: %+v", g)
		}
		if len(waiting) != 1 || waiting[0].Kind != string(alarm.Broken) || waiting[0].Detail["grant"] != g[0].ID.String() || !waiting[0].EndedAt.IsZero() {
			t.Errorf("the alarm: %+v", waiting)
		}
		if len(made) != 1 || !strings.Contains(string(made[0].Detail), "approved_by") {
			t.Errorf("the account's record: %+v", made)
		}
		if g, waiting, _ := p.emergency(other); len(g)+len(waiting) != 0 {
			t.Errorf("another account: %v %v", g, waiting)
		}
		leads := "/v1/operator/grants/" + g[0].ID.String() + "/leads/"
		if got := p.ask(leads+mine.String(), p.token, "ticket 4711", 200); !strings.Contains(got, "+442079460101") || strings.Contains(got, "Ada") {
			t.Error(got)
		}
		for _, who := range []string{otto, oona, support} {
			p.ask(leads+mine.String(), who, "ticket 4711", 404)
		}
		p.ask(leads+theirs.String(), p.token, "ticket 4711", 404)
		if got := p.opened(in, g[0].ID.String()); len(got) != 1 {
			t.Errorf("openings on the account's record: %+v", got)
		}
		if got := p.post(one+"/close", oona, nil, 200); word(got, "state") != "ended" {
			t.Error(got.Text)
		}
		p.ask(leads+mine.String(), p.token, "ticket 4711", 403)
		p.settle()
		if g, waiting, _ := p.emergency(in); g[0].DestroyedAt.IsZero() || waiting[0].EndedAt.IsZero() {
			t.Errorf("after the end: %+v %+v", g, waiting)
		}
		if r := p.post(one+"/close", oona, nil, 409); word(r, "code") != "request_over" {
			t.Error(r.Text)
		}
		for _, action := range []string{"approval.asked", "approval.approved", "approval.open", "approval.closed"} {
			if got := entries(p.get("/v1/platform/record?action="+action, p.token, 200)); len(got) == 0 {
				t.Errorf("%s is not on the platform's record", action)
			}
		}
	})
}

// What is refused never opens; what the account takes back is over for the
// operators, too; what was approved when the program stopped opens after it.
func TestBreakGlassEnds(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		in := p.company("First")
		mine := p.lead(in, "Ada Canary", "+442079460101")
		otto, oona := p.operator("otto@example.com"), p.operator("oona@example.com")
		const path = "/v1/operator/approvals"
		request := func() (id string) {
			return word(p.post(path, p.token, map[string]any{"kind": "break-glass", "account_id": in.Scope.Account().String(), "leads": []string{mine.String()}, "fields": []string{"phone"},
				"minutes": 60, "purpose": "Ticket 4711"}, 201), "id")
		}
		state := func(id string) string {
			for _, r := range p.get(path, p.token, 200)["items"].([]any) {
				if r := r.(map[string]any); r["id"] == id {
					return r["state"].(string)
				}
			}
			return ""
		}
		refused := request()
		p.post(path+"/"+refused+"/approve", otto, nil, 200)
		p.post(path+"/"+refused+"/close", oona, nil, 200)
		if r := p.post(path+"/"+refused+"/approve", oona, nil, 409); word(r, "code") != "not_waiting" {
			t.Error(r.Text)
		}
		closed := request()
		p.post(path+"/"+closed+"/approve", otto, nil, 200)
		p.post(path+"/"+closed+"/approve", oona, nil, 200)
		p.post(path+"/"+closed+"/close", oona, nil, 200) // before the account's side made the grant
		p.settle()
		if g, _, _ := p.emergency(in); len(g) != 0 {
			t.Fatalf("what was refused has a grant: %+v", g)
		}
		taken := request()
		p.post(path+"/"+taken+"/approve", otto, nil, 200)
		p.post(path+"/"+taken+"/approve", oona, nil, 200)
		p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error { return tx.Must(loseJob) })) // stopped before it was added
		p.settle()
		if state(taken) != "approved" {
			t.Errorf("without its job: %s", state(taken))
		}
		resume := func(later time.Duration) {
			t.Helper()
			p.ok(privacy.NewApprovals(p.db, p.list, p.log, 2, func() time.Time { return time.Now().Add(later) }).Resume(p.Context()))
			_, err := p.runner.Drain(p.Context(), time.Now().Add(later+time.Second))
			p.ok(err)
		}
		resume(privacy.ApproveWithin) // it was stopped for too long: nobody waits for it any more
		if g, _, _ := p.emergency(in); len(g) != 0 {
			t.Fatalf("after %s: %+v", privacy.ApproveWithin, g)
		}
		resume(30 * time.Minute)
		g, _, _ := p.emergency(in)
		if len(g) != 1 || state(taken) != "open" {
			t.Fatalf("%+v, %s", g, state(taken))
		}
		p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error {
			_, err := p.privacy.Revoke(tx, g[0].ID, in.User.String(), store.Clock(time.Now()))
			return err
		}))
		p.settle()
		if state(taken) != "ended" || state(refused) != "closed" || state(closed) != "closed" {
			t.Error(state(taken), state(refused), state(closed))
		}
	})
}
