package signin_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/signin"
)

// check looks for the records of the account's domains, and gives the one of
// example.com.
func (j *joined) check() signin.Domain {
	j.Helper()
	all, err := j.door.CheckDomains(j.Context(), j.scope, "user_admin")
	if err != nil {
		j.Fatal(err)
	}
	for _, d := range all {
		if d.Name == "example.com" {
			return d
		}
	}
	j.Fatalf("no example.com in %v", all)
	return signin.Domain{}
}

// show puts the record where it has to be.
func (j *joined) show() {
	j.Helper()
	j.names.Set("example.com", "v=spf1 -all", j.check().Record)
	if d := j.check(); d.VerifiedAt.IsZero() {
		j.Fatalf("not verified: %+v", d)
	}
}

// found reports whether the account is found by the domain.
func (j *joined) found() bool {
	j.Helper()
	_, err := j.door.BeginSSO(j.Context(), here, account.ID{}, "anybody@example.com")
	if err != nil {
		j.refused(err, 409, "no_sso")
	}
	return err == nil
}

// A domain counts once its record was seen, and for one account.
func TestADomainIsShownByItsRecord(t *testing.T) {
	each(t, func(h *house) {
		one := h.joined(nil)
		d := one.check()
		if one.found() || !d.VerifiedAt.IsZero() {
			h.Error("found before the record is there")
		}
		one.begin() // by the account it goes
		for _, text := range []string{"catchment-verification=", d.Record[:len(d.Record)-1], d.Record + "x", "x" + d.Record, d.Record[len("catchment-verification="):]} {
			if h.names.Set("example.com", text); !one.check().VerifiedAt.IsZero() {
				h.Errorf("%q counts", text)
			}
		}
		h.names.Set("www.example.com", d.Record)
		if one.check(); one.found() {
			h.Error("a record of another name counts")
		}
		one.show()
		if !one.found() {
			h.Error("not found with the record")
		}

		two := h.joined(nil)
		h.names.Set("example.com", d.Record, two.check().Record) // two shows it, too
		if x := two.check(); !x.Taken || !x.VerifiedAt.IsZero() || x.Record == d.Record {
			h.Errorf("a domain was taken from another: %+v", x)
		}
		two.begin()
		f, err := h.door.BeginSSO(h.Context(), here, account.ID{}, "anybody@example.com")
		if err != nil || f.Authorize[:len(one.idp.Issuer())] != one.idp.Issuer() {
			h.Errorf("led to %s, %v; want %s", f.Authorize, err, one.idp.Issuer())
		}
		if got := h.counts(&one.scope, "sso.domain-verified"); got[""] != 1 {
			h.Errorf("on the record: %v", got)
		}

		set := one.set // the domain is given up: the other may have it
		set.Domains = []string{"example.org"}
		if _, err := h.door.SetProvider(h.Context(), one.admin.Principal, set); err != nil {
			h.Fatal(err)
		}
		if x := two.check(); x.Taken || x.VerifiedAt.IsZero() {
			h.Errorf("a domain that was given up: %+v", x)
		}
		set.Domains = []string{"example.org", "example.com"}
		if _, err := h.door.SetProvider(h.Context(), one.admin.Principal, set); err != nil {
			h.Fatal(err)
		}
		if x := one.check(); !x.Taken {
			h.Errorf("given up, and taken back: %+v", x)
		}
	})
}

// What is kept of a domain outlives a change of the provider, a name server
// that is away, and a record that is gone for less than a week.
func TestADomainIsLookedAtEveryDay(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		j.show()
		record := j.check().Record
		if _, err := h.door.SetProvider(h.Context(), j.admin.Principal, j.set); err != nil || !j.found() {
			h.Errorf("set again as it was, it does not count: %v", err)
		}
		daily := func() {
			h.clock.Pass(25 * time.Hour)
			if err := h.door.RecheckDomains(h.Context()); err != nil {
				h.Fatal(err)
			}
		}
		unplaced := func() int64 {
			s, err := events.NewFeed(h.db, h.waker, slog.New(slog.DiscardHandler)).Health(h.Context(), "test")
			if err != nil {
				h.Fatal(err)
			}
			return s.Unplaced
		}
		before := unplaced()
		emitted := func() int64 { return unplaced() - before }
		h.names.Away(true)
		for range 9 {
			daily()
		}
		if !j.found() || emitted() != 0 {
			h.Error("a name server that is away took a domain")
		}
		h.names.Away(false)
		h.names.Set("example.com", "v=spf1 -all")
		daily()
		if d := j.check(); d.MissingSince.IsZero() || !j.found() || emitted() != 1 {
			h.Errorf("the first day without: %+v, %d events", d, emitted())
		}
		h.names.Set("example.com", record)
		daily()
		if d := j.check(); !d.MissingSince.IsZero() || !j.found() || emitted() != 2 {
			h.Errorf("the record is back: %+v, %d events", d, emitted())
		}
		if list := h.alarms(j.scope); len(list) != 1 || list[0].About != "example.com" || list[0].EndedAt.IsZero() || list[0].Detail["counts"] != true {
			h.Errorf("the alarm of a record that is back: %+v", list)
		}
		h.names.Set("example.com")
		for range 7 {
			daily()
		}
		if !j.found() {
			h.Error("it does not count after six days")
		}
		daily()
		if j.found() || emitted() != 4 {
			h.Errorf("it counts after a week; %d events, want 4", emitted())
		}
		if list := h.alarms(j.scope); len(list) != 2 || list[0].Times != 2 || !list[0].EndedAt.IsZero() || list[0].Detail["counts"] != false {
			h.Errorf("missing, and a week later: %+v", list)
		}
		if got := h.counts(&j.scope, "sso.domain-lapsed"); got[""] != 1 {
			h.Errorf("on the record: %v", got)
		}
	})
}

// A provider that does not answer is not waited for, and one that answers for
// somebody else is not believed.
func TestSlowAndLyingProviders(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		asked, release := make(chan struct{}, 1), make(chan struct{})
		slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}))
		h.Cleanup(slow.Close)
		h.Cleanup(func() { close(release) })
		p := j.set
		p.Issuer = slow.URL
		ctx, cancel := context.WithCancel(h.Context())
		go func() { <-asked; cancel() }() // as when the caller, or the time for it, is over
		_, err := h.door.SetProvider(ctx, j.admin.Principal, p)
		if q, ok := problem.Of(err); !ok || q.Status != 422 {
			h.Errorf("a provider that hangs: %v", err)
		}
		var site *httptest.Server
		for lie, document := range map[string]func() string{
			"another issuer": func() string { return `{"issuer":"https://login.example.com"` },
			"keys elsewhere": func() string { return `{"issuer":"` + site.URL + `","jwks_uri":"file:///etc/passwd"` },
			"a credential in an address": func() string {
				return `{"issuer":"` + site.URL + `","jwks_uri":"` + site.URL + `/keys","token_endpoint":"http://somebody@127.0.0.1/token"`
			},
		} {
			site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(document() + `,"authorization_endpoint":"` + site.URL + `/authorize"}`))
			}))
			p.Issuer = site.URL
			_, err := h.door.SetProvider(h.Context(), j.admin.Principal, p)
			var q *problem.Problem
			if !errors.As(err, &q) || q.Status != 422 {
				h.Errorf("%s: %v", lie, err)
			}
			site.Close()
		}
		if _, err := h.door.SetProvider(h.Context(), j.admin.Principal, j.set); err != nil {
			h.Errorf("the control, an honest provider: %v", err)
		}
	})
}
