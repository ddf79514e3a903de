package desk_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
)

// ownRole makes a role of the account's own.
func (c *company) ownRole(d rights.Definition) account.Role {
	c.Helper()
	var id account.RoleID
	c.write(func(tx *store.Tx) error {
		r, err := c.dir.CreateRole(tx, directory.Principal{Rights: rights.Of(account.Admin)}, lead.NewID().String(), d)
		id = r.ID
		return err
	})
	return account.Role(id.String())
}

// ofTeams is all that a role that reads the leads of teams can hold.
func ofTeams() rights.Definition {
	d := rights.Definition{account.ReadLeads: rights.Teams}
	for _, w := range rights.Permissions() {
		for _, r := range []rights.Reach{rights.Teams, rights.All} {
			d[w.Permission] = r
			if len(d.Check()) == 0 {
				break
			}
			delete(d, w.Permission)
		}
	}
	return d
}

// teamLead leads the pool, and reads the leads of teams alone.
func (c *company) teamLead() *visitor {
	c.Helper()
	v := c.user(c.ownRole(ofTeams()))
	c.write(func(tx *store.Tx) error {
		c.dir.Revoked(tx)
		return c.router.SetLead(tx, c.pool, v.id, true, "test", time.Now())
	})
	return v
}

// second is another project of the account, with a pool of its own.
func (c *company) second() *company {
	c.Helper()
	n := *c
	c.write(func(tx *store.Tx) error {
		p, err := c.dir.CreateProject(tx, directory.NewProject{Name: "North Quay", TimeZone: "UTC"})
		c.ok(err)
		s, err := c.dir.CreateSource(tx, directory.NewSource{Project: p.ID, Name: "North form"})
		c.ok(err)
		n.project, n.source = p.ID, s.ID
		pool, err := c.router.CreatePool(tx, n.project, routing.PoolChange{}, "test", time.Now())
		n.pool = pool.ID
		return err
	})
	return &n
}

// traces of one team: what must be found by who reads everything, and by nobody
// of another team.
type traces struct {
	ids  map[string]string // by the part of a path that takes them
	find []string
}

// leave has the team's lead worked in every way.
func (c *company) leave(boss, owner *visitor, mark string) traces {
	c.Helper()
	a, held := c.arrive(owner.id), c.holdBack()
	at := "/v1/leads/" + a.lead.String()
	owner.post(at+"/notes", map[string]any{"text": mark + " note"}).want(c, 201)
	visit := owner.post(at+"/visits", map[string]any{"at": time.Now().Add(time.Hour), "place": mark + " place"}).want(c, 201).body["id"].(string)
	book := owner.post(at+"/bookings", map[string]any{"value_minor": 1, "currency": "GBP", "unit": mark}).want(c, 201).body["id"].(string)
	try := owner.post(at+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer"}).want(c, 201)
	boss.ask(http.MethodPut, at+"/tags", map[string]any{"tags": []string{"hot"}}).want(c, 200)
	boss.post("/v1/persons/"+a.person.String()+"/suppress", map[string]any{"reason": "asked", "evidence": mark + " evidence"}).want(c, 201)
	var offer, waits string
	owner.presence(account.Available) // and is offered the lead that came with what is held
	within(c, 5*time.Second, "an offer", func() bool {
		open := owner.get("/v1/offers").want(c, 200).items()
		if len(open) > 0 {
			offer, waits = open[0]["id"].(string), open[0]["lead_id"].(string)
		}
		return len(open) > 0
	})
	return traces{
		map[string]string{"leads": a.lead.String(), "persons": a.person.String(), "enquiries": a.enquiry.String(), "offers": offer, "visits": visit, "bookings": book,
			"quarantine": held.String()},
		[]string{a.lead.String(), a.person.String(), a.enquiry.String(), held.String(), waits, offer, visit, book,
			try.body["attempt"].(map[string]any)["id"].(string), mark + " note", mark + " place", mark + " evidence", `"` + mark + `"`},
	}
}

// walk asks every GET route, with the team's ids and in every filter, and
// gathers the answers.
func (v *visitor) walk(of traces, project account.ProjectID, owner account.UserID) string {
	v.Helper()
	var b strings.Builder
	queries := []string{"", "include=person", "include=message", "include=person&include=message", "test=true", "project=" + project.String(), "owner=" + owner.String(),
		"person=" + of.ids["persons"], "tag=hot", "all=true", "user=" + owner.String(), "state=held", "limit=500", "limit=500&include=person&project=" + project.String()}
	for _, w := range []string{"overdue", "due-today", "no-next-action", "missed", "re-engaged", "new-without-contact", "first"} {
		queries = append(queries, "list="+w, "list="+w+"&owner="+owner.String())
	}
	for _, op := range v.api.Ops() {
		if op.Method != http.MethodGet || op.Path == "/v1/events" {
			continue
		}
		path := placeholder.ReplaceAllStringFunc(op.Path, func(m string) string { return "/" + strings.Split(m, "/")[1] + "/" + of.ids[strings.Split(m, "/")[1]] })
		for _, q := range queries {
			b.WriteString(op.Name + "?" + q + ": " + v.get(path+"?"+q, "Catchment-Purpose", "test").text + "\n")
		}
	}
	return b.String()
}

var placeholder = regexp.MustCompile(`/[a-z-]+/\{\w+\}`)

// A role that reads the leads of its teams finds nothing of another team's, by
// whichever route it asks; who reads every lead finds all of it.
func TestNothingOfAnotherTeam(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		north := c.second()
		admin, sam, kim := c.user(account.Admin), c.user(account.Salesperson), north.user(account.Salesperson)
		mona := c.teamLead()
		here, there := c.leave(admin, sam, "harbour-mark"), north.leave(admin, kim, "north-mark")
		// One human may be of both teams: who else they may be is not told.
		prsn := func(tr traces) lead.PersonID { id, err := lead.ParsePersonID(tr.ids["persons"]); c.ok(err); return id }
		enq, err := lead.ParseEnquiryID(there.ids["enquiries"])
		c.ok(err)
		c.write(func(tx *store.Tx) error {
			_, err := people.PossibleDuplicate(tx, prsn(here), prsn(there), people.LinkedByEnquiry, enq, store.Clock(time.Now()))
			return err
		})

		asked := func(v *visitor) string {
			return v.walk(there, north.project, kim.id) + v.walk(here, c.project, sam.id)
		}
		control := asked(admin)
		for _, x := range append(here.find, there.find...) {
			if !strings.Contains(control, x) {
				t.Errorf("control: an admin does not find %s", x)
			}
		}
		got := asked(mona)
		for _, x := range here.find {
			if !strings.Contains(got, x) {
				t.Errorf("what is of the own team is not found: %s", x)
			}
		}
		echo := regexp.MustCompile(`\?[^ ]*: `).ReplaceAllString(got, ": ") // what was asked is not an answer
		for line := range strings.Lines(echo) {
			for _, x := range there.find {
				if strings.Contains(line, x) {
					t.Errorf("%s of another team is in %.300s", x, line)
				}
			}
		}
		key := c.key(c.ownRole(ofTeams()))
		nothing := key.walk(there, north.project, kim.id) + key.walk(here, c.project, sam.id)
		for _, x := range append(here.find, there.find...) {
			if strings.Contains(regexp.MustCompile(`\?[^ ]*: `).ReplaceAllString(nothing, ": "), x) {
				t.Errorf("a key, which is in no team, finds %s", x)
			}
		}
	})
}

// What is of another team can be neither read nor changed by its id: the answer
// is that of an id that never was.
func TestAnotherTeamsThingsAreNotThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		north := c.second()
		admin, sam, kim := c.user(account.Admin), c.user(account.Salesperson), north.user(account.Salesperson)
		mona := c.teamLead()
		here, there := c.leave(admin, sam, "harbour-mark"), north.leave(admin, kim, "north-mark")
		change := func(of traces) map[string]any {
			l := "/v1/leads/" + of.ids["leads"]
			return map[string]any{
				l + "/notes":                     map[string]any{"text": "mine now"},
				l + "/attempts":                  map[string]any{"channel": "call", "disposition": "no-answer"},
				l + "/attempts/begin":            map[string]any{"channel": "email"},
				l + "/next-action":               map[string]any{"at": time.Now().Add(time.Hour), "what": "call"},
				l + "/visits":                    map[string]any{"at": time.Now().Add(time.Hour)},
				l + "/bookings":                  map[string]any{"value_minor": 1, "currency": "GBP"},
				l + "/stage":                     map[string]any{"category": "follow-up"},
				l + "/handover":                  map[string]any{"to": sam.id},
				l + "/transfer":                  map[string]any{"to": sam.id},
				"/v1/visits/" + of.ids["visits"]: map[string]any{"state": "done"},
				"/v1/bookings/" + of.ids["bookings"] + "/cancel":   map[string]any{"reason": "x"},
				"/v1/persons/" + of.ids["persons"] + "/unsuppress": map[string]any{"reason": "asked"},
				"/v1/quarantine/" + of.ids["quarantine"] + "/keep": nil,
			}
		}
		for path, body := range change(there) {
			mona.post(path, body).want(t, 404)
		}
		mona.ask(http.MethodPut, "/v1/leads/"+there.ids["leads"]+"/tags", map[string]any{"tags": []string{"x"}}).want(t, 404)
		mona.post("/v1/persons/"+there.ids["persons"]+"/merge", map[string]any{"other": here.ids["persons"]}).want(t, 404)
		mona.post("/v1/persons/"+here.ids["persons"]+"/merge", map[string]any{"other": there.ids["persons"]}).want(t, 422)
		mona.post("/v1/users/"+kim.id.String()+"/handover", map[string]any{"pool": true}).want(t, 403)
		for path, body := range change(here) { // the control
			if got := mona.post(path, body); got.status >= 400 && got.status != 409 {
				t.Errorf("of the own team: %s: %d %s", path, got.status, got.text)
			}
		}
	})
}

// The live stream of a team has what happens to its leads, and nothing else.
func TestTheStreamOfATeam(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		north := c.second()
		sam, kim := c.user(account.Salesperson), north.user(account.Salesperson)
		mona := c.teamLead()
		l, all := mona.listen("", ""), c.user(account.Manager).listen("", "")
		a, b := north.arrive(kim.id), c.arrive(sam.id)
		for v, x := range map[*visitor]arrived{kim: a, sam: b} {
			v.post("/v1/leads/"+x.lead.String()+"/notes", map[string]any{"text": "x"}).want(t, 201)
		}
		for _, e := range l.next("note.added") {
			if strings.Contains(e.data, a.lead.String()) {
				t.Errorf("of another team: %s", e.data)
			}
			if e.event == "note.added" && !strings.Contains(e.data, b.lead.String()) {
				t.Errorf("not of the team: %s", e.data)
			}
		}
		seen := append(all.next("note.added"), all.next("note.added")...)
		if n := strings.Count(sseText(seen), a.lead.String()); n == 0 {
			t.Error("control: who reads every lead does not hear of it")
		}
	})
}

func sseText(all []sse) (s string) {
	for _, e := range all {
		s += e.data
	}
	return s
}

// Who comes into a team, or leaves it, hears of its leads from then on, or no
// more: at once, and not when the credential is looked at next.
func TestTheStreamFollowsTheTeams(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.desk.Timing.Recheck = time.Hour
		north := c.second()
		sam, kim := c.user(account.Salesperson), north.user(account.Salesperson)
		mona := c.teamLead()
		here, there := c.arrive(sam.id), north.arrive(kim.id)
		l := mona.listen("", "")
		say := func() { // first of the other team, then of one's own
			kim.post("/v1/leads/"+there.lead.String()+"/notes", map[string]any{"text": "x"}).want(t, 201)
			sam.post("/v1/leads/"+here.lead.String()+"/notes", map[string]any{"text": "x"}).want(t, 201)
		}
		hears := func(n int) (s string) { // until so many notes of one's own team came
			for range n {
				s += sseText(l.next("note.added"))
			}
			return s
		}
		lead := func(leads bool) {
			c.write(func(tx *store.Tx) error {
				c.dir.Revoked(tx)
				return c.router.SetLead(tx, north.pool, mona.id, leads, "test", time.Now())
			})
		}
		say()
		if got := hears(1); strings.Contains(got, there.lead.String()) || !strings.Contains(got, here.lead.String()) {
			t.Errorf("before: %s", got)
		}
		lead(true)
		say()
		if got := hears(2); !strings.Contains(got, there.lead.String()) {
			t.Errorf("in the team: %s", got)
		}
		lead(false)
		say()
		if got := hears(1); strings.Contains(got, there.lead.String()) || !strings.Contains(got, here.lead.String()) {
			t.Errorf("out of the team: %s", got)
		}
	})
}
