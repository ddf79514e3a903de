package console_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
)

// inGrantsPage compares an answer's fields with the example of docs/grants.md.
func inGrantsPage(t *testing.T, name string, got map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../docs/grants.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```json name="+name+"\n")
	block, _, _ := strings.Cut(rest, "```")
	var want map[string]any
	if !ok || json.Unmarshal([]byte(block), &want) != nil {
		t.Fatalf("docs/grants.md has no example %s", name)
	}
	for field := range want {
		if _, ok := got[field]; !ok {
			t.Errorf("%s: %s is documented and not answered", name, field)
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok {
			t.Errorf("%s: %s is answered and not documented", name, field)
		}
	}
}

// An admin grants, sees and revokes; a manager does none of it, and another
// account sees nothing.
func TestGrantsOverHTTP(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		s := c.shop()
		_, l := c.somebody(s, "Ada Example", "a note")
		boss, auditor := c.user(account.Manager), c.user(account.Auditor)
		sam, err := h.door.CreateStaff(t.Context(), signin.Staff{Name: "Sam Example", Role: account.Support}, "sam-"+l.String()+"@example.com", signintest.Password)
		h.ok(err)
		people := c.admin.get("/v1/grants/supporters").want(t, 200)
		if !strings.Contains(people.text, sam.String()) || !strings.Contains(people.text, "Sam Example") {
			t.Error(people.text)
		}
		boss.get("/v1/grants/supporters").want(t, 403)
		body := map[string]any{"to": sam.String(), "leads": []string{l.String()}, "fields": []string{"phone", "name"}, "until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "reason": "Ticket 4711"}
		boss.post("/v1/grants", body).want(t, 403)
		stranger.admin.post("/v1/grants", body).want(t, 422)
		wrong := map[string]any{}
		for k, v := range body {
			wrong[k] = v
		}
		wrong["to"] = c.admin.id
		c.admin.post("/v1/grants", wrong).want(t, 422)
		made := c.admin.post("/v1/grants", body).want(t, 201)
		path := "/v1/grants/" + made.str("id")
		if made.str("state") != "open" || made.body["key_destroyed_at"] != nil || made.str("to") != sam.String() {
			t.Error(made.text)
		}
		one := auditor.get(path).want(t, 200)
		inGrantsPage(t, "grant", one.body)
		if !strings.Contains(one.text, l.String()) || len(auditor.get("/v1/grants").want(t, 200).list("items")) != 1 {
			t.Error(one.text)
		}
		for _, visitor := range []*visitor{stranger.admin} {
			visitor.get(path).want(t, 404)
			visitor.post(path+"/revoke", nil).want(t, 404)
			if got := visitor.get("/v1/grants").want(t, 200).list("items"); len(got) != 0 {
				t.Errorf("another account's grants: %v", got)
			}
		}
		boss.post(path+"/revoke", nil).want(t, 403)
		auditor.post(path+"/revoke", nil).want(t, 403)
		if got := c.admin.post(path+"/revoke", nil).want(t, 200); got.str("state") != "ended" {
			t.Error(got.text)
		}
		h.settle()
		if got := c.admin.get(path).want(t, 200); got.body["key_destroyed_at"] == nil {
			t.Error(got.text)
		}
		c.admin.post(path+"/revoke", nil).want(t, 409)
		if got := c.admin.get("/v1/record?about="+made.str("id")).want(t, 200).list("items"); len(got) != 2 {
			t.Errorf("made and revoked are not both on the record: %v", got)
		}
	})
}

// A grant takes the leads that fit a filter now, and the list asks for one
// state. The control is what does not fit.
func TestGrantsByFilterAndState(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s, other := c.shop(), c.shop()
		_, in := c.somebody(s, "Ada Example", "a note")
		c.somebody(other, "Bob Example", "a note")
		sam, err := h.door.CreateStaff(t.Context(), signin.Staff{Name: "Sam Example", Role: account.Support}, "sam-"+in.String()+"@example.com", signintest.Password)
		h.ok(err)
		grant := func(status int, from time.Duration, part map[string]any) answer {
			t.Helper()
			now := time.Now().Add(from)
			body := map[string]any{"to": sam.String(), "fields": []string{"phone"}, "from": now.UTC().Format(time.RFC3339), "until": now.Add(time.Hour).UTC().Format(time.RFC3339), "reason": "Ticket 4712"}
			for k, v := range part {
				body[k] = v
			}
			return c.admin.post("/v1/grants", body).want(t, status)
		}
		now := grant(201, 0, map[string]any{"filter": map[string]any{"project": s.project}})
		if one := c.admin.get("/v1/grants/"+now.str("id")).want(t, 200); !strings.Contains(one.text, in.String()) || one.body["leads"].(float64) != 1 {
			t.Errorf("the filter means one lead: %s", one.text)
		}
		later := grant(201, 24*time.Hour, map[string]any{"filter": map[string]any{"source": other.source}})
		over := grant(201, 0, map[string]any{"leads": []string{in.String()}})
		c.admin.post("/v1/grants/"+over.str("id")+"/revoke", nil).want(t, 200)
		for state, want := range map[string]answer{"open": now, "waiting": later, "ended": over} {
			got := c.admin.get("/v1/grants?state="+state).want(t, 200).list("items")
			if len(got) != 1 || got[0]["id"] != want.str("id") || got[0]["state"] != state {
				t.Errorf("%s: %v", state, got)
			}
		}
		if got := c.admin.get("/v1/grants").want(t, 200).list("items"); len(got) != 3 {
			t.Errorf("all: %v", got)
		}
		grant(422, 0, map[string]any{"filter": map[string]any{"state": "owned"}})
		grant(422, 0, map[string]any{"filter": map[string]any{"source": s.source}, "leads": []string{in.String()}})
		c.admin.get("/v1/grants?state=over").want(t, 422)
	})
}

// The openings are the account's record of who opened what: by whom, of what,
// for which reason.
func TestOpenings(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		s := c.shop()
		p, _ := c.somebody(s, "Ada Example", "a note")
		made := c.admin.post("/v1/subject-requests", map[string]any{"kind": "access", "person_id": p.String()}).want(t, 201)
		c.admin.get("/v1/subject-requests/"+made.str("id")+"/data", "Catchment-Purpose", "subject-access").want(t, 200)
		boss := c.user(account.Manager)
		boss.get("/v1/openings").want(t, 403)
		list := c.admin.get("/v1/openings?purpose=subject-access&actor="+c.admin.id).want(t, 200).list("items")
		if len(list) != 1 {
			t.Fatal(list)
		}
		one := list[0]
		inGrantsPage(t, "opening", one)
		if one["who"] != "user" || one["grant_id"] != nil || one["count"].(float64) < 3 {
			t.Error(one)
		}
		for query, want := range map[string]int{"grant=grant_01h455vb4pex5vsknk084sn02q": 0, "purpose=nothing": 0, "actor=" + boss.id: 0} {
			if got := c.admin.get("/v1/openings?"+query).want(t, 200).list("items"); len(got) != want {
				t.Errorf("%s: %v", query, got)
			}
		}
		c.admin.get("/v1/openings?about=x&grant=y").want(t, 422)
		if got := stranger.admin.get("/v1/openings?purpose=subject-access").want(t, 200).list("items"); len(got) != 0 {
			t.Errorf("another account's openings: %v", got)
		}
	})
}
