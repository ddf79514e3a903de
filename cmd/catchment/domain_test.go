package main

import (
	"io"
	"strings"
	"testing"

	"catchment/internal/signin/signintest"
	"catchment/internal/store"

	"github.com/oauth2-proxy/mockoidc"
)

// A domain is verified against the name server of --dns, and the doctor tells
// when its record is gone.
func TestDomainsWithANameServer(t *testing.T) {
	t.Parallel()
	idp, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Shutdown() })
	names := signintest.NewDNS(t)
	c := settingsFor(t, store.Options{})
	c.DNS, c.AllowPrivateSSO = names.Address, true
	s := serve(t, c)
	shop := openShop(t, c, s)
	admin := s.as(t, shop.admin)
	set := fields{"issuer": idp.Issuer(), "client_id": idp.ClientID, "client_secret": idp.ClientSecret, "domains": []string{"example.com"}}
	record := func(a answer) fields { return a.at("records").([]any)[0].(fields) }
	txt := record(admin.want(200, "PUT", "/v1/account/sso", set))["txt"].(string)
	begin := fields{"email": "priya@example.com"}
	s.as(t, "").want(409, "POST", "/v1/sessions/sso", begin)
	names.Set("example.com", txt)
	if got := record(admin.want(200, "POST", "/v1/account/sso/check", nil)); got["state"] != "verified" {
		t.Fatalf("%v", got)
	}
	s.as(t, "").want(200, "POST", "/v1/sessions/sso", begin)
	doctor := func() string {
		var out strings.Builder
		if status := run([]string{"doctor", "--data", c.Data}, &out, io.Discard); status != 0 {
			t.Errorf("doctor: %d %s", status, &out)
		}
		return out.String()
	}
	if !strings.Contains(doctor(), "no verified domain has lost its record") {
		t.Error("the control: doctor tells of a domain that has its record")
	}
	names.Set("example.com")
	if got := record(admin.want(200, "POST", "/v1/account/sso/check", nil)); got["state"] != "missing" {
		t.Errorf("%v", got)
	}
	if !strings.Contains(doctor(), "domain example.com of "+shop.account+" has no verification record") {
		t.Error("doctor does not tell of a record that is gone")
	}
	s.as(t, "").want(200, "POST", "/v1/sessions/sso", begin) // for a week it counts
}
