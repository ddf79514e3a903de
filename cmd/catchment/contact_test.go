package main

import (
	"testing"
	"time"
)

// The fields of RFC 9116, in its form; its end is never more than a year away.
func TestSecurityTxt(t *testing.T) {
	c := config{Listen: "127.0.0.1:0", TLS: "self", contactConfig: contactConfig{SecurityContact: "mailto:security@example.com, https://example.com/report", SecurityPolicy: "https://example.com/policy"}}
	c.PublicURL = "https://leads.example.com/"
	if err := c.checkContact(); err != nil {
		t.Fatal(err)
	}
	const want = "Contact: mailto:security@example.com\nContact: https://example.com/report\nContact: https://leads.example.com/report\nExpires: 2026-04-01T00:00:00Z\n" +
		"Policy: https://example.com/policy\nCanonical: https://leads.example.com/.well-known/security.txt\n"
	if got := c.securityTxt(time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC)); got != want {
		t.Errorf("it says:\n%s", got)
	}
	if got := c.mailboxes(); len(got) != 1 || got[0] != "security@example.com" {
		t.Errorf("mailboxes: %q", got)
	}
	if got := (config{Listen: "127.0.0.1:0", TLS: "self"}).reportForm(); got != nil {
		t.Errorf("a machine without a name tells strangers of %q", got)
	}
	for _, bad := range []contactConfig{{SecurityContact: "security@example.com"}, {SecurityContact: "http://example.com"}, {SecurityContact: "mailto:"}, {SecurityContact: "mailto:a@example.com\nExpires: never"}, {SecurityPolicy: "https://example.com"},
		{SecurityContact: "tel:+44-20-7946-0123", SecurityPolicy: "http://example.com"}} {
		if err := bad.checkContact(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
