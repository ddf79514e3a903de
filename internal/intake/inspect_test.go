package intake

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"catchment/internal/events"
	"catchment/internal/firewall"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/store/storetest"
)

// inspect runs the job until it has nothing to do, and returns the openings
// that it made.
func (h *house) inspect() (openings []keyring.Opening) {
	h.t.Helper()
	h.in.o.Firewall = firewall.NewJudge(firewall.Settings{})
	h.in.o.Texts = h.opener(func(o keyring.Opening) { openings = append(openings, o) })
	list := jobs.NewList(noWaker{})
	r := jobs.NewRunner(h.db, list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
	r.Handle(InspectJob, h.in.HandleInspect)
	r.Handle(RouteJob, func(ctx context.Context, j jobs.Job) error { return h.db.Write(ctx, j.Scope, j.Done) })
	if _, err := r.Drain(context.Background(), time.Now().Add(time.Minute)); err != nil {
		h.t.Fatal(err)
	}
	if _, failed := r.Stats(); failed > 0 {
		h.t.Fatal("the job failed")
	}
	return openings
}

func (h *house) heldOf(id lead.EnquiryID) (out leads.Held) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) { out, err = leads.HeldByID(tx, id); return err })
	return out
}

const attack = "1' or '1'='1' union select name from users --"

func TestWhatTheFirewallHolds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		clean := h.post(sent{body: says("Ada", "ada@example.com", "Call me after six."), verdict: []int{firewall.TooLarge}})
		bad := h.post(sent{body: says("Bob", "bob@example.com", attack), verdict: []int{942100}})
		form := h.post(sent{body: "gsm=020+7946+0101&name=" + "%3Cscript%3Ealert(1)%3C%2Fscript%3E", form: "application/x-www-form-urlencoded", verdict: []int{941100}})
		spam := h.post(sent{body: says("Cyd", "cyd@disposable.example", attack), verdict: []int{942100}})
		for _, e := range []leads.Enquiry{clean, bad, form, spam} {
			if e.State != lead.Quarantined {
				t.Fatalf("%s: %s", e.ID, e.State)
			}
		}
		if x := h.heldOf(bad.ID); x.Reason != lead.HeldFirewall || !slices.Equal(x.Rules, []int{942100}) || !x.InspectedAt.IsZero() {
			t.Errorf("%+v", x)
		}
		if n := len(h.leads()); n != 0 {
			t.Fatalf("%d leads before it was asked", n)
		}

		openings := h.inspect()

		if len(openings) != 1 || openings[0].Actor != Inspector || len(openings[0].Items) != 6 {
			t.Errorf("the record: %+v", openings)
		}
		if e := h.enquiry(clean.ID); e.State != lead.Attached {
			t.Error("what is clean is held:", e.State)
		}
		if x := h.heldOf(clean.ID); x.State != lead.Released || x.JudgedBy != Inspector || len(x.Rules) > 0 {
			t.Errorf("%+v", x)
		}
		for _, e := range []leads.Enquiry{bad, form} {
			x := h.heldOf(e.ID)
			if x.State != lead.HeldBack || x.InspectedAt.IsZero() || len(x.Rules) == 0 || slices.Contains(x.Rules, firewall.TooLarge) {
				t.Errorf("%+v", x)
			}
		}
		if x := h.heldOf(spam.ID); x.Reason != lead.HeldDisposable || !slices.Equal(x.Rules, []int{942100}) || !x.InspectedAt.IsZero() {
			t.Errorf("what another rule holds too: %+v", x)
		}
		if k := h.kinds(); k[events.LeadCreated] != 1 || k[events.EnquiryReleased] != 1 {
			t.Errorf("%v", k)
		}
		if again := h.inspect(); len(again) != 0 {
			t.Error("it was looked at twice")
		}
	})
}

// An account may say which rules hold nothing of its own.
func TestRulesThatPass(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	rules := firewall.NewJudge(firewall.Settings{}).Whole([]string{"1' or '1'='1"})
	if len(rules) == 0 {
		t.Fatal("no rule speaks: this tries nothing")
	}
	h.write(h.scope, func(tx *store.Tx) error {
		return setup.SetQuarantineRules(tx, lead.QuarantineRules{FirewallPass: rules}, time.Now())
	})
	pass := h.post(sent{body: says("Ada", "ada@example.com", "1' or '1'='1"), verdict: rules})
	more := h.post(sent{body: says("Bob", "bob@example.com", "<script>alert(1)</script>"), verdict: []int{941110}})
	h.inspect()
	if e := h.enquiry(pass.ID); e.State != lead.Attached {
		t.Error("held by rules that hold nothing")
	}
	if e := h.enquiry(more.ID); e.State != lead.Quarantined {
		t.Error("another rule let it pass")
	}
}

// A human may be faster than the job.
func TestAHumanWasFaster(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	e := h.post(sent{body: says("Ada", "ada@example.com", "Call me."), verdict: []int{firewall.Unjudged}})
	h.write(h.scope, func(tx *store.Tx) error { return h.in.Release(tx, e.ID, "user_test") })
	h.inspect()
	if x := h.heldOf(e.ID); x.JudgedBy != "user_test" {
		t.Errorf("%+v", x)
	}
}

func TestFormsTellTheirKind(t *testing.T) {
	for body, want := range map[string]string{
		"name=Ada&phone=1": "application/x-www-form-urlencoded",
		"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n": `multipart/form-data; boundary="xyz"`, "": "application/x-www-form-urlencoded",
	} {
		if got := formType([]byte(body)); got != want {
			t.Errorf("%q: %s", body, got)
		}
	}
}
