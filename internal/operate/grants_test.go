package operate_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/privacy"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// lead puts a person with a lead into the account.
func (p *platform) lead(in signin.SignedIn, name, phone string) lead.ID {
	p.Helper()
	keys, err := p.ring.Accounts.Get(p.Context(), in.Scope.Account())
	p.ok(err)
	who, id, now := lead.NewPersonID(), lead.NewID(), store.Clock(time.Now())
	wrapped, key := keys.NewSubjectKey(vault.Subject(who.UUID()))
	p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error {
		project, err := p.dir.CreateProject(tx, directory.NewProject{Name: "P " + id.String()})
		p.ok(err)
		stages, err := p.dir.Stages(tx)
		p.ok(err)
		p.ok(people.Add(tx, []people.New{{ID: who, Name: key.Seal(people.Place(who, vault.Name), vault.Hide(name)).Data,
			Phone: key.Seal(people.Place(who, vault.Phone), vault.Hide(phone)).Data, CreatedAt: now, KeysetVersion: 1, WrappedKey: wrapped}}))
		_, err = leads.AddLeads(tx, []*leads.Lead{{ID: id, Person: who, Project: project.ID, Source: account.SourceID(project.ID), Stage: stages[0].ID, Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: now, Enquiries: 1, CreatedAt: now, EnquiredAt: now}})
		return err
	}))
	return id
}

// staff makes somebody of the platform who is signed in.
func (p *platform) staff(role account.Role, email string) (account.UserID, string) {
	p.Helper()
	id, err := p.door.CreateStaff(p.Context(), signin.Staff{Name: "Sam Example", Role: role}, email, signintest.Password)
	p.ok(err)
	return id, p.door.SignIn(email).Token
}

// ask is get that looks for nothing personal, with a purpose.
func (p *platform) ask(path, token, purpose string, status int) string {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, p.url+path, nil)
	p.ok(err)
	r.Header.Set("Authorization", "Bearer "+token)
	if purpose != "" {
		r.Header.Set("Catchment-Purpose", purpose)
	}
	resp, err := http.DefaultClient.Do(r)
	p.ok(err)
	defer resp.Body.Close()
	var b strings.Builder
	p.ok(resp.Write(&b))
	if resp.StatusCode != status {
		p.Fatalf("%s: %d, want %d: %s", path, resp.StatusCode, status, b.String())
	}
	return b.String()
}

// Support sees its own grants, opens what they are for with a purpose, and
// nothing else of the platform or of an account; the account has each opening.
func TestSupportReadsByAGrantAlone(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		in := p.company("First")
		mine, other := p.lead(in, "Ada Canary", "+442079460101"), p.lead(in, "Bob Canary", "+442079460102")
		sam, token := p.staff(account.Support, "sam@example.com")
		_, stranger := p.staff(account.Support, "sue@example.com")
		for _, path := range []string{"/v1/operator/accounts", "/v1/operator/health", "/v1/platform/record"} {
			p.get(path, token, 403)
		}
		if got := p.get("/v1/operator/grants", token, 200)["items"].([]any); len(got) != 0 {
			t.Errorf("before anything was granted: %v", got)
		}
		var g grants.Grant
		p.ok(p.db.Write(t.Context(), in.Scope, func(tx *store.Tx) (err error) {
			g, err = p.privacy.Grant(tx, privacy.NewGrant{Kind: grants.ByAccount, To: sam, Leads: []lead.ID{mine}, Fields: []vault.Field{vault.Phone}, Until: time.Now().Add(time.Hour),
				Reason: "Ticket 4711", By: in.User.String()}, store.Clock(time.Now()))
			return err
		}))
		list := p.get("/v1/operator/grants", token, 200)["items"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["id"] != g.ID.String() || list[0].(map[string]any)["state"] != "open" {
			t.Error(list)
		}
		p.documented("grant-to-me", list[0].(map[string]any))
		if got := p.get("/v1/operator/grants", stranger, 200)["items"].([]any); len(got) != 0 {
			t.Errorf("somebody else's grants: %v", got)
		}
		path := "/v1/operator/grants/" + g.ID.String() + "/leads"
		if got := p.get(path, token, 200)["items"].([]any); len(got) != 1 || got[0].(map[string]any)["id"] != mine.String() {
			t.Error(got)
		}
		p.ask(path+"/"+mine.String(), token, "", 422)
		if got := p.ask(path+"/"+mine.String(), token, "ticket 4711", 200); !strings.Contains(got, "+442079460101") || strings.Contains(got, "Ada") {
			t.Errorf("what was granted is not what is opened: %s", got)
		}
		p.ask(path+"/"+other.String(), token, "ticket 4711", 404)
		for _, who := range []string{stranger, p.token} {
			p.ask(path, who, "", 404)
			p.ask(path+"/"+mine.String(), who, "ticket 4711", 404)
		}
		if got := p.opened(in, g.ID.String()); len(got) != 1 || got[0].Actor != sam.String() || got[0].Purpose != "ticket 4711" {
			t.Errorf("on the account's record: %+v", got)
		}
		p.ok(p.db.Write(t.Context(), in.Scope, func(tx *store.Tx) error {
			_, err := p.privacy.Revoke(tx, g.ID, in.User.String(), store.Clock(time.Now()))
			return err
		}))
		if got := p.ask(path+"/"+mine.String(), token, "ticket 4711", 403); !strings.Contains(got, "grant_ended") {
			t.Error(got)
		}
		p.ask(path, token, "", 403)
		if got := p.get("/v1/operator/grants", token, 200)["items"].([]any); got[0].(map[string]any)["state"] != "ended" {
			t.Error(got)
		}
	})
}

// opened lists the openings by a grant on the account's record.
func (p *platform) opened(in signin.SignedIn, grant string) (out []audit.Record) {
	p.Helper()
	p.ok(p.db.Read(p.Context(), in.Scope, func(tx *store.Tx) (err error) {
		out, err = audit.List(tx, audit.Filter{About: grant, Action: privacy.Opened}, audit.Place{}, 10)
		return err
	}))
	return out
}

// documented compares an answer's fields with the example of docs/grants.md.
func (p *platform) documented(name string, got map[string]any) {
	p.Helper()
	p.documentedIn("grants.md", name, got)
}

func (p *platform) documentedIn(page, name string, got map[string]any) {
	p.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	p.ok(err)
	_, rest, ok := strings.Cut(string(text), "```json name="+name+"\n")
	block, _, _ := strings.Cut(rest, "```")
	var want map[string]any
	if !ok || json.Unmarshal([]byte(block), &want) != nil {
		p.Fatalf("docs/%s has no example %s", page, name)
	}
	for field := range want {
		if _, ok := got[field]; !ok {
			p.Errorf("%s: %s is documented and not answered", name, field)
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok {
			p.Errorf("%s: %s is answered and not documented", name, field)
		}
	}
}
