package intake

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
)

func (h *house) held(s lead.Held) (out []leads.Held) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) {
		out, err = leads.ListHeld(tx, s, true, account.UserID{}, leads.EnquiryPage{}, 500)
		return err
	})
	return out
}

func says(name, email, message string) string {
	b, _ := json.Marshal(map[string]any{"person": map[string]string{"name": name, "email": email}, "message": message})
	return string(b)
}

func TestSuspiciousEnquiriesAreHeld(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.write(h.scope, func(tx *store.Tx) error {
			return setup.SetQuarantineRules(tx, lead.QuarantineRules{Domains: []string{"minutes.example.org"}, Patterns: []string{"cheap followers"}}, time.Now())
		})
		for want, all := range map[string][]sent{
			lead.HeldDisposable: {{body: says("Ada", "ada@disposable.example", "")}, {body: says("Bob", "Bob@Mail.Disposable.Example", "")},
				{body: says("Cyd", "cyd@minutes.example.org", "")}},
			lead.HeldPattern: {{body: says("Buy https://www.example.com", "d@example.com", "")}, {body: says("Eve", "e@example.com", "Get CHEAP Followers now")},
				{body: says("Fay", "f@example.com", `see <a href="https://www.example.com">this</a>`)},
				{body: says("Gil", "g@example.com", "https://a.example https://b.example https://c.example https://d.example")}},
			lead.HeldHoneypot: {{body: "gsm=020+7946+0101&name=Ada&_hp=x", form: "application/x-www-form-urlencoded"}},
			"": {{body: says("Hal", "hal@example.com", "I mean https://www.example.com/flat?a=1, and the one of example.org")},
				{body: says("Ida", "ida@notdisposable.example", "cheap")}},
		} {
			for _, s := range all {
				before := len(h.held(lead.HeldBack))
				e := h.post(s)
				got := h.held(lead.HeldBack)
				if want == "" {
					if e.State != lead.Attached || len(got) != before {
						t.Errorf("held: %s", s.body)
					}
					continue
				}
				if e.State != lead.Quarantined || !e.Lead.IsZero() || e.Person.IsZero() || len(got) != before+1 {
					t.Errorf("%s: %s %s", s.body, e.State, e.Lead)
				} else if r := reasonOf(got, e.ID); r != want {
					t.Errorf("%s: held for %s, want %s", s.body, r, want)
				}
			}
		}
		if n := len(h.leads()); n != 2 {
			t.Errorf("%d leads, want those of the two that passed", n)
		}
		if k := h.kinds(); k[events.EnquiryQuarantined] != 8 || k[events.LeadCreated] != 2 {
			t.Errorf("%v", k)
		}
	})
}

func reasonOf(all []leads.Held, id lead.EnquiryID) string {
	for _, x := range all {
		if x.Enquiry == id {
			return x.Reason
		}
	}
	return ""
}

func (h *house) judge(f func(tx *store.Tx, id lead.EnquiryID, actor string) error, id lead.EnquiryID) string {
	err := h.db.Write(h.t.Context(), h.scope, func(tx *store.Tx) error { return f(tx, id, "user_1") })
	if p, ok := problem.Of(err); ok {
		return p.Code
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return ""
}

// What is released becomes what it would have been.
func TestReleaseAndKeep(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bad := sent{enquiry: lead.NewEnquiryID(), body: says("Ada", "ada@disposable.example", "")}
		entry := h.entry(h.tenant, bad)
		h.take(entry)
		h.take(entry) // again: still one, still held
		h.wantJobs()
		if code := h.judge(h.in.Keep, bad.enquiry); code != "" {
			t.Fatal(code)
		}
		if len(h.held(lead.HeldBack)) != 0 || len(h.held(lead.Kept)) != 1 || len(h.leads()) != 0 {
			t.Error("not kept")
		}
		if code := h.judge(h.in.Release, bad.enquiry); code != "" {
			t.Fatal(code)
		}
		e := h.enquiry(bad.enquiry)
		l := h.lead(e.Lead)
		if e.State != lead.Attached || e.ReEnquiry || l.RouteState != lead.Waiting || l.Person != e.Person || !l.CreatedAt.Equal(e.ReceivedAt) {
			t.Errorf("%+v %+v", e, l)
		}
		h.wantJobs(h.projects[0].String())
		if code := h.judge(h.in.Release, bad.enquiry); code != "already_released" {
			t.Error(code)
		}
		if code := h.judge(h.in.Release, lead.NewEnquiryID()); code != "not_found" {
			t.Error(code)
		}
		// The next one of the same person goes to the open lead.
		second := h.post(sent{body: says("Ada", "ada@disposable.example", "")})
		if code := h.judge(h.in.Release, second.ID); code != "" {
			t.Fatal(code)
		}
		if e := h.enquiry(second.ID); e.Lead != l.ID || !e.ReEnquiry || h.lead(l.ID).Enquiries != 2 {
			t.Errorf("%+v", e)
		}
		if k := h.kinds(); k[events.EnquiryReleased] != 2 || k[events.LeadCreated] != 1 || k[events.LeadReEnquired] != 1 || k[events.EnquiryKept] != 1 {
			t.Errorf("%v", k)
		}
	})
}

func TestBurstsAreHeld(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.write(h.scope, func(tx *store.Tx) error {
			return setup.SetQuarantineRules(tx, lead.QuarantineRules{PersonAnHour: 3, AddressTenMinutes: 5}, time.Now())
		})
		reasons := func() map[string]int {
			out := map[string]int{}
			for _, x := range h.held(lead.HeldBack) {
				out[x.Reason]++
			}
			return out
		}
		// One person, some in one batch and some alone; in the next hour they pass again.
		ada := body("Ada", "+442079460101", "")
		h.take(h.entry(h.tenant, sent{body: ada}), h.entry(h.tenant, sent{body: ada}))
		for range 3 {
			h.post(sent{body: ada})
		}
		if r := reasons(); r[lead.HeldPerson] != 2 || len(h.leads()) != 1 || h.leads()[0].Enquiries != 3 {
			t.Errorf("%v", r)
		}
		if e := h.post(sent{body: ada, at: start.Add(2 * time.Hour)}); e.State != lead.Attached {
			t.Error("held an hour later")
		}
		if e := h.post(sent{body: ada, project: 1}); e.State != lead.Attached {
			t.Error("held at another source")
		}
		// One network, many names.
		for i := range 8 {
			h.post(sent{body: says(fmt.Sprint("N", i), fmt.Sprintf("n%d@example.com", i), ""), ip: fmt.Sprintf("2001:db8:1:2::%x", i+1)})
		}
		if r := reasons(); r[lead.HeldAddress] != 3 {
			t.Errorf("%v", r)
		}
		// The inner network is not counted.
		for i := range 8 {
			if e := h.post(sent{body: says(fmt.Sprint("M", i), fmt.Sprintf("m%d@example.com", i), "")}); e.State != lead.Attached {
				t.Error("held though its address says nothing")
			}
		}
	})
}

func TestSenderNetwork(t *testing.T) {
	for in, want := range map[string]string{"": "", "x": "", "127.0.0.1": "", "10.1.2.3": "", "192.168.0.1": "", "fe80::1": "", "fd00::1": "", "::1": "",
		"203.0.113.9": "203.0.113.9/32", "::ffff:203.0.113.9": "203.0.113.9/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64"} {
		if got := senderNetwork(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
