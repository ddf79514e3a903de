package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"catchment/internal/concern"
	"catchment/internal/operate"
)

// contactConfig says whom to tell of a fault.
type contactConfig struct {
	SecurityContact string `name:"security-contact" help:"Whom to tell of a fault, for /.well-known/security.txt: one or more of mailto:, https: and tel: addresses, apart by commas, the preferred first." placeholder:"URI,…" env:"CATCHMENT_SECURITY_CONTACT"`
	SecurityPolicy  string `name:"security-policy" help:"https: address of the page that says how reports are dealt with." placeholder:"URL" env:"CATCHMENT_SECURITY_POLICY"`
}

func (c contactConfig) contacts() (out []string) {
	for s := range strings.SplitSeq(c.SecurityContact, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// checkContact refuses what RFC 9116 does not allow.
func (c contactConfig) checkContact() error {
	for _, s := range c.contacts() {
		u, err := url.Parse(s)
		if err != nil || !slices.Contains([]string{"mailto", "https", "tel"}, u.Scheme) || u.Opaque == "" && u.Host == "" || strings.ContainsAny(s, "\r\n") {
			return usage("--security-contact: %q is no mailto:, https: or tel: address", s)
		}
	}
	if c.SecurityPolicy == "" {
		return nil
	}
	if c.SecurityContact == "" {
		return usage("--security-policy needs --security-contact: whom to tell")
	}
	if u, err := url.Parse(c.SecurityPolicy); err != nil || u.Scheme != "https" || u.Host == "" {
		return usage("--security-policy: %q is no https: address", c.SecurityPolicy)
	}
	return nil
}

// securityTxt is the file of RFC 9116. It is good for a month from the day it
// is asked for: whoever reads it later asks again.
func (c config) securityTxt(now time.Time) string {
	var b strings.Builder
	for _, s := range append(c.contacts(), c.reportForm()...) {
		fmt.Fprintf(&b, "Contact: %s\n", s)
	}
	fmt.Fprintf(&b, "Expires: %s\n", now.UTC().Truncate(24*time.Hour).AddDate(0, 1, 0).Format(time.RFC3339))
	if c.SecurityPolicy != "" {
		fmt.Fprintf(&b, "Policy: %s\n", c.SecurityPolicy)
	}
	if at := c.publicURL(); strings.HasPrefix(at, "https://") {
		fmt.Fprintf(&b, "Canonical: %s%s\n", at, securityTxtPath)
	}
	return b.String()
}

const securityTxtPath = "/.well-known/security.txt"

// reportForm is the address of the form that reaches the operators; none where
// it has no name of its own, or no TLS, which RFC 9116 asks for.
func (c config) reportForm() []string {
	if at := c.publicURL(); strings.HasPrefix(at, "https://") && (c.PublicURL != "" || c.TLS == "acme") {
		return []string{at + operate.ReportPath}
	}
	return nil
}

// mailboxes are those of the contacts that mail reaches.
func (c contactConfig) mailboxes() (out []string) {
	for _, s := range c.contacts() {
		if u, err := url.Parse(s); err == nil && u.Scheme == "mailto" {
			if a, err := url.PathUnescape(u.Opaque); err == nil {
				out = append(out, a)
			}
		}
	}
	return out
}

// newConcerns keeps what strangers report; the contacts with a mailbox are
// written to.
func (h *house) newConcerns() *concern.Concerns {
	return concern.New(concern.Options{DB: h.db, Keys: h.ring, Mail: h.mail, To: h.c.mailboxes(), PublicURL: h.c.publicURL()})
}

// tellContact serves it, where somebody was named or the form can be reached.
func (h *house) tellContact() {
	if len(h.c.contacts())+len(h.c.reportForm()) == 0 {
		return
	}
	h.mux.HandleFunc("GET "+securityTxtPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=86400")
		_, _ = w.Write([]byte(h.c.securityTxt(time.Now())))
	})
}
