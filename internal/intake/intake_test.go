package intake

import (
	"strings"
	"testing"

	"catchment/internal/events"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// each runs the test in a fresh house on both engines.
func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newHouse(t, db)) })
}

func TestALeadArrives(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		e := h.post(sent{body: body("Ada Example", "020 7946 0101", "Ada@Example.com"), project: 1})
		if e.State != lead.Attached || e.ReEnquiry || e.Attribution != `{"utm_source":"example"}` || e.Custom != `{"budget":5}` || len(e.Flags) != 0 {
			t.Errorf("%+v", e)
		}
		l := h.lead(e.Lead)
		if l.Person != e.Person || l.Project != h.projects[1] || l.Source != h.sources[1] || l.Stage != h.stage || l.Category != lead.New ||
			l.RouteState != lead.Waiting || !l.WaitingAt.Equal(e.ReceivedAt) || l.Enquiries != 1 || !l.Previous.IsZero() || l.Version != 1 || !l.CreatedAt.Equal(e.ReceivedAt) {
			t.Errorf("%+v", l)
		}
		p := h.person(e.Person)
		if p.Country != "GB" || p.Test {
			t.Errorf("%+v", p)
		}
		var subs []leads.Submission
		h.read(func(tx *store.Tx) (err error) { subs, err = leads.Submissions(tx, e.ID); return err })
		if len(subs) != 1 || subs[0].Conflict || subs[0].Stream != "test-journal" {
			t.Fatalf("%+v", subs)
		}
		got := h.open(p.Name, p.Phone, p.Email, e.Message, e.CustomSeal, e.Consent, subs[0].Raw, subs[0].Trace)
		want := []string{"Ada Example", "+442079460101", "Ada@Example.com", "I'm interested", `{"dog":"Rex"}`, "",
			body("Ada Example", "020 7946 0101", "Ada@Example.com"), `{"ip":"10.0.0.9","user_agent":"Example/1.0","referer":"https://www.example.com/?who=ada"}`}
		for i := range want {
			if text := reveal.Text(got.Values[i]); text != want[i] || (text != "") != (got.States[i] == keyring.Clear) {
				t.Errorf("value %d: state %v, %d bytes", i, got.States[i], len(text))
			}
		}
		h.wantJobs(h.projects[1].String())
		if k := h.kinds(); k[events.LeadCreated] != 1 || k[events.EnquiryAttached] != 1 || len(k) != 2 {
			t.Errorf("%v", k)
		}
		h.read(func(tx *store.Tx) error {
			var actor, action, purpose string
			err := tx.Row(allAudit).Scan(&actor, &action, &purpose)
			if actor != Actor || action != "rewrap" || purpose != string(vault.ForIntake) {
				t.Errorf("record: %s %s %s", actor, action, purpose)
			}
			return err
		})
		var seq uint64
		err := h.db.Directory(t.Context(), func(d *store.Dir) error { return d.Row(readSeq, "test-journal").Scan(&seq) })
		if err != nil || seq != h.seq {
			t.Errorf("cursor %d, %v", seq, err)
		}
	})
}

func (h *house) wantJobs(keys ...string) {
	h.t.Helper()
	var got []string
	h.read(func(tx *store.Tx) error {
		rows, err := tx.Query(allJobs)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var kind, key string
			err := scan(&kind, &key)
			if kind == string(RouteJob) {
				got = append(got, key)
			}
			return err
		})
	})
	if strings.Join(got, " ") != strings.Join(keys, " ") {
		h.t.Errorf("jobs %v, want %v", got, keys)
	}
}

func TestAReEnquiryIsAttached(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.post(sent{body: body("Ada", "+442079460101", "")})
		second := h.post(sent{body: body("", "020 7946 0101", "ada@example.com")})
		third := h.post(sent{body: body("", "", "ADA@example.com"), project: 0})
		elsewhere := h.post(sent{body: body("", "", "ada@example.com"), project: 1})
		if second.Lead != first.Lead || third.Lead != first.Lead || !second.ReEnquiry || !third.ReEnquiry || elsewhere.Lead == first.Lead || elsewhere.ReEnquiry {
			t.Fatal(first.Lead, second.Lead, third.Lead, elsewhere.Lead)
		}
		if second.Person != first.Person || elsewhere.Person != first.Person {
			t.Error("several persons")
		}
		l := h.lead(first.Lead)
		if l.Enquiries != 3 || !l.EnquiredAt.Equal(third.ReceivedAt) || !l.CreatedAt.Equal(first.ReceivedAt) || l.Version != 3 {
			t.Errorf("%+v", l)
		}
		p := h.person(first.Person)
		got := h.open(p.Name, p.Phone, p.Email)
		if reveal.Text(got.Values[0]) != "Ada" || reveal.Text(got.Values[1]) != "+442079460101" || reveal.Text(got.Values[2]) != "ada@example.com" {
			t.Error("the e-mail that came later was not added")
		}
		if k := h.kinds(); k[events.LeadCreated] != 2 || k[events.LeadReEnquired] != 2 || k[events.EnquiryAttached] != 4 {
			t.Errorf("%v", k)
		}
	})
}

func TestAClosedLeadGivesANewOne(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.post(sent{body: body("Ada", "+442079460101", "")})
		h.write(h.scope, func(tx *store.Tx) error { return tx.Must(closeLead, first.Lead, int64(5)) })
		second := h.post(sent{body: body("Ada", "+442079460101", "")})
		if second.Lead == first.Lead || second.ReEnquiry || h.lead(second.Lead).Previous != first.Lead {
			t.Errorf("%+v", h.lead(second.Lead))
		}
		if l := h.lead(first.Lead); l.Enquiries != 1 {
			t.Errorf("%+v", l)
		}
	})
}

func TestTwoPersonsAreLinkedNotMerged(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.post(sent{body: body("Ada", "+442079460101", "")})
		bob := h.post(sent{body: body("Bob", "", "bob@example.com")})
		for range 2 { // the second time is no news
			both := h.post(sent{body: body("Ada", "+442079460101", "bob@example.com")})
			if both.Person != ada.Person || both.Lead != ada.Lead {
				t.Error("the enquiry did not go to the phone's person")
			}
		}
		for _, p := range []lead.PersonID{ada.Person, bob.Person} {
			h.read(func(tx *store.Tx) error {
				l, err := people.Links(tx, p)
				if len(l) != 1 || l[0].Kind != "possible_duplicate" {
					t.Errorf("%+v", l)
				}
				return err
			})
		}
		if k := h.kinds(); k[events.PersonPossibleDuplicate] != 1 {
			t.Errorf("%v", k)
		}
		if p := h.person(ada.Person); !p.Email.Empty() {
			t.Error("another person's address was added")
		}
	})
}

// What cannot be read is flagged and found again, but "call me" does not make
// two people one who gave different addresses.
func TestUnparseableContacts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.post(sent{body: body("Ada", "call  me", "ada@example.com")})
		bob := h.post(sent{body: body("Bob", "CALL me", "bob@example.com")})
		if ada.Person == bob.Person {
			t.Fatal("two people became one")
		}
		if len(ada.Flags) != 1 || ada.Flags[0] != lead.PhoneUnparseable {
			t.Errorf("flags %v", ada.Flags)
		}
		again := h.post(sent{body: body("", "call me", "")})
		if again.Person != ada.Person || !again.ReEnquiry {
			t.Error("the same odd value was not found again")
		}
		odd := h.post(sent{body: body("", "", "ada at example")})
		if len(odd.Flags) != 1 || odd.Flags[0] != lead.EmailUnparseable || h.post(sent{body: body("", "", "Ada at  example")}).Lead != odd.Lead {
			t.Errorf("%+v", odd)
		}
	})
}

func TestTestLeadsTravelApart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		probe := h.post(sent{body: body("Ada", "+442079460101", ""), test: true})
		h.wantJobs()
		l := h.lead(probe.Lead)
		if !l.Test || l.RouteState != lead.Unrouted || !l.WaitingAt.IsZero() || !probe.Test || !h.person(probe.Person).Test {
			t.Errorf("%+v", l)
		}
		real := h.post(sent{body: body("Ada", "+442079460101", "")})
		if real.Person == probe.Person || real.Lead == probe.Lead || real.ReEnquiry {
			t.Error("a test lead met a real one")
		}
		h.read(func(tx *store.Tx) error {
			list, err := leads.ListLeads(tx, leads.LeadFilter{}, leads.LeadPage{}, 10)
			if len(list) != 1 || list[0].ID != real.Lead {
				t.Errorf("%+v", list)
			}
			return err
		})
	})
}

func TestAnotherBodyUnderTheSameKeyIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		check := func(id lead.EnquiryID, n int) {
			t.Helper()
			e := h.enquiry(id)
			var subs []leads.Submission
			h.read(func(tx *store.Tx) (err error) { subs, err = leads.Submissions(tx, id); return err })
			if !e.Conflict || len(subs) != n {
				t.Fatalf("conflict %v, %d submissions", e.Conflict, len(subs))
			}
			for _, s := range subs {
				if !s.Conflict || h.open(s.Raw).States[0] != keyring.Clear {
					t.Errorf("%+v", s)
				}
			}
		}
		id := lead.NewEnquiryID()
		first := h.post(sent{enquiry: id, body: body("Ada", "+442079460101", "")})
		other := h.entry(h.tenant, sent{enquiry: id, body: body("Bob", "+442079460102", "")})
		h.take(other)
		h.take(other, other) // delivered again
		check(id, 2)
		if e := h.enquiry(id); e.Lead != first.Lead || len(h.leads()) != 1 {
			t.Error("a second lead")
		}
		id = lead.NewEnquiryID() // both in one batch, and a third later
		a, b := sent{enquiry: id, body: body("Cyd", "+442079460103", "")}, sent{enquiry: id, body: body("Dan", "+442079460104", "")}
		h.take(h.entry(h.tenant, a), h.entry(h.tenant, b))
		check(id, 2)
		h.take(h.entry(h.tenant, sent{enquiry: id, body: body("Eve", "+442079460105", "")}))
		check(id, 3)
		if k := h.kinds(); k[events.EnquiryConflict] != 3 || len(h.leads()) != 2 {
			t.Errorf("%v, %d leads", k, len(h.leads()))
		}
	})
}

func TestAForm(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		e := h.post(sent{body: "gsm=020+7946+0101&name=Ada&budget=7&dog=Rex", form: "application/x-www-form-urlencoded"})
		if e.State != lead.Attached || e.Custom != `{"budget":"7"}` || reveal.Text(h.open(h.person(e.Person).Phone).Values[0]) != "+442079460101" {
			t.Errorf("%+v", e)
		}
	})
}

func TestMergeAndUnmerge(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.post(sent{body: body("Ada", "+442079460101", "")})
		bob := h.post(sent{body: body("Bob", "+442079460102", "")})
		old := h.post(sent{body: body("Bob", "+442079460102", ""), project: 1})
		var m lead.MergeID
		h.write(h.scope, func(tx *store.Tx) (err error) { m, err = h.in.Merge(tx, ada.Person, bob.Person, "user_1"); return err })
		again := h.post(sent{body: body("Bob", "+442079460102", "")})
		if again.Person != ada.Person || again.Lead != ada.Lead {
			t.Error("the merged person's number does not lead to the kept one")
		}
		other := h.post(sent{body: body("Ada", "+442079460101", ""), project: 1})
		if other.Lead != old.Lead || other.Person != ada.Person {
			t.Error("the merged person's open lead was not found")
		}
		for _, wrong := range [][2]lead.PersonID{{ada.Person, ada.Person}, {ada.Person, bob.Person}, {bob.Person, ada.Person}, {ada.Person, lead.NewPersonID()}} {
			err := h.db.Write(t.Context(), h.scope, func(tx *store.Tx) error { _, err := h.in.Merge(tx, wrong[0], wrong[1], "user_1"); return err })
			if err == nil {
				t.Errorf("merged %v", wrong)
			}
		}
		h.write(h.scope, func(tx *store.Tx) error { return h.in.Unmerge(tx, m, "user_1") })
		if err := h.db.Write(t.Context(), h.scope, func(tx *store.Tx) error { return h.in.Unmerge(tx, m, "user_1") }); err == nil {
			t.Error("undone twice")
		}
		apart := h.post(sent{body: body("Bob", "+442079460102", "")})
		if apart.Person != bob.Person || apart.Lead != bob.Lead {
			t.Error("not as before the merge")
		}
		if k := h.kinds(); k[events.PersonMerged] != 1 || k[events.PersonUnmerged] != 1 {
			t.Errorf("%v", k)
		}
	})
}

// Accounts share a batch and nothing else.
func TestTwoAccountsInOneBatch(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := h.newTenant(1)
		text := body("Ada", "+442079460101", "ada@example.com")
		h.take(h.entry(h.tenant, sent{body: text}), h.entry(other, sent{body: text}), h.entry(h.tenant, sent{body: text}), h.entry(other, sent{body: text}))
		for _, a := range []*tenant{h.tenant, other} {
			h.tenant = a
			if l := h.leads(); len(l) != 1 || l[0].Enquiries != 2 {
				t.Errorf("%+v", l)
			}
		}
	})
}
