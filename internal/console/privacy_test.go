package console_test

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// somebody adds a person with a lead and a note, as intake and the desk write
// them.
func (c *company) somebody(s shop, name, note string) (lead.PersonID, lead.ID) {
	c.Helper()
	keys, err := c.ring.Accounts.Get(c.Context(), c.scope.Account())
	c.ok(err)
	p := lead.NewPersonID()
	wrapped, key := keys.NewSubjectKey(vault.Subject(p.UUID()))
	project, _ := account.ParseProjectID(s.project)
	source, _ := account.ParseSourceID(s.source)
	l, n, now := lead.NewID(), lead.NewNoteID(), store.Clock(time.Now())
	c.write(func(tx *store.Tx) error {
		stages, err := c.dir.Stages(tx)
		c.ok(err)
		c.ok(people.Add(tx, []people.New{{ID: p, Name: key.Seal(people.Place(p, vault.Name), vault.Hide(name)).Data, CreatedAt: now, KeysetVersion: 1, WrappedKey: wrapped}}))
		_, err = leads.AddLeads(tx, []*leads.Lead{{ID: l, Person: p, Project: project, Source: source, Stage: stages[0].ID, Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: now, Enquiries: 1, CreatedAt: now, EnquiredAt: now}})
		c.ok(err)
		e := lead.NewEnquiryID()
		_, err = leads.AddEnquiries(tx, []*leads.Enquiry{{ID: e, Lead: l, Person: p, Project: project, Source: source, State: lead.Attached,
			Message: key.Seal(leads.EnquiryPlace(e, vault.Message), vault.Hide("a message of "+name)), ReceivedAt: now, CreatedAt: now}})
		c.ok(err)
		return leads.WorkAddNote(tx, leads.Note{ID: n, Lead: l, Person: p, By: c.admin.id, Text: key.Seal(leads.NotePlace(n), vault.Hide(note)), CreatedAt: now})
	})
	return p, l
}

// A request runs its course: written down, the data shown on the record, the
// person erased; another account sees nothing of it, and who may not, neither.
func TestSubjectRequests(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		s := c.shop()
		p, l := c.somebody(s, "Ada Example", "prefers calls after six")
		c.somebody(s, "Bob Example", "another's note")
		boss := c.user(account.Manager)
		ask := map[string]any{"kind": "access", "person_id": p.String(), "received_at": time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)}
		boss.post("/v1/subject-requests", ask).want(t, 403)
		if got := stranger.admin.post("/v1/subject-requests", ask).want(t, 422); got.code() != "invalid person_id unknown_person" && !strings.Contains(got.code(), "unknown_person") {
			t.Error(got.text)
		}
		made := c.admin.post("/v1/subject-requests", ask).want(t, 201)
		path := "/v1/subject-requests/" + made.str("id")
		for _, other := range []string{path, path + "/data"} {
			stranger.admin.get(other, "Catchment-Purpose", "subject-access").want(t, 404)
			boss.get(other).want(t, 403)
		}
		if made.str("state") != "open" || made.body["overdue"] != false || c.admin.get(path).want(t, 200).text != made.text {
			t.Error(made.text)
		}

		data := c.admin.get(path+"/data", "Catchment-Purpose", "subject-access").want(t, 200)
		for _, want := range []string{"Ada Example", "a message of Ada", "prefers calls after six", l.String(), made.str("id")} {
			if !strings.Contains(data.text, want) {
				t.Errorf("not in the data: %s\n%s", want, data.text)
			}
		}
		if strings.Contains(data.text, "Bob") || strings.Contains(data.text, "another's") {
			t.Errorf("somebody else's data: %s", data.text)
		}
		if got := c.admin.get("/v1/record?purpose=subject-access").want(t, 200).list("items"); len(got) != 1 {
			t.Errorf("the opening is on the record %d times", len(got))
		}
		c.admin.post(path+"/fulfil", nil).want(t, 200)
		c.admin.post(path+"/refuse", map[string]any{"reason": "too-late"}).want(t, 409)

		erase := c.admin.post("/v1/subject-requests", map[string]any{"kind": "erase", "person_id": p.String()}).want(t, 201)
		if got := c.admin.post("/v1/subject-requests/"+erase.str("id")+"/fulfil", nil).want(t, 200); got.str("state") != "running" {
			t.Error(got.text)
		}
		h.settle()
		if got := c.admin.get("/v1/subject-requests/"+erase.str("id")).want(t, 200); got.str("state") != "done" || got.body["finished_at"] == nil {
			t.Error(got.text)
		}
		if got := c.admin.get(path+"/data", "Catchment-Purpose", "subject-access").want(t, 200); strings.Contains(got.text, "Ada") || !strings.Contains(got.text, `"erased":true`) {
			t.Error(got.text)
		}
		if got := c.admin.get("/v1/subject-requests?state=done").want(t, 200).list("items"); len(got) != 2 {
			t.Errorf("%d done", len(got))
		}
		q, _ := c.somebody(s, "Cid Example", "calls at noon")
		var open []string
		for range 2 {
			open = append(open, c.admin.post("/v1/subject-requests", map[string]any{"kind": "rectify", "person_id": q.String()}).want(t, 201).str("id"))
		}
		c.admin.post("/v1/subject-requests/"+open[0]+"/refuse", map[string]any{"reason": "not-identified"}).want(t, 200)
		for state, want := range map[string]int{"waiting": 1, "answered": 3, "open": 1, "refused": 1} {
			if got := c.admin.get("/v1/subject-requests?state="+state).want(t, 200).list("items"); len(got) != want {
				t.Errorf("%d %s, want %d", len(got), state, want)
			}
		}
	})
}
