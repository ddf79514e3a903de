package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/edge/acmetest"
	"catchment/internal/store"
)

// eventually waits for what comes by itself.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("no %s", what)
}

// browser is a client that knows the server by roots.
func browser(t *testing.T, c *tls.Config) func(method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	cl := &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(method, url string, body io.Reader, headers ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := cl.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
}

// The whole program behind --tls self: a client with the authority's file
// hands a lead in and sees strict headers; plain HTTP only points the way.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	c.TLS, c.HTTPListen, c.PublicURL, c.SecurityContact = "self", "127.0.0.1:0", "https://leads.example.com", "mailto:security@example.com"
	s := serve(t, c)
	text, err := os.ReadFile(filepath.Join(c.Data, "tls", "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	do := browser(t, &tls.Config{RootCAs: roots})
	if !strings.HasPrefix(s.url, "https://127.0.0.1:") || !strings.HasPrefix(s.health, "http://127.0.0.1:") {
		t.Fatalf("doors at %s, health at %s", s.url, s.health)
	}

	page, text2 := do("GET", s.url+"/docs", nil, "X-Request-Id", "req_mine")
	if page.StatusCode != 200 || page.Proto != "HTTP/2.0" || strings.Contains(text2, "<script") || strings.Contains(text2, "style=") {
		t.Errorf("/docs: %d %s; it needs no script and no inline style", page.StatusCode, page.Proto)
	}
	for name, want := range map[string]string{"Content-Security-Policy": "style-src 'self'", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
		"Permissions-Policy": "camera=()", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Request-Id": "req_"} {
		if v := page.Header.Values(name); len(v) != 1 || !strings.Contains(v[0], want) || v[0] == "req_mine" {
			t.Errorf("/docs has %s: %q", name, v)
		}
	}
	if r, said := do("GET", s.url+securityTxtPath, nil); r.StatusCode != 200 || !strings.HasPrefix(said, "Contact: mailto:security@example.com\nContact: https://leads.example.com/report\nExpires: 20") || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s: %d, %s", securityTxtPath, r.StatusCode, said)
	}
	form, said := do("POST", s.url+"/f/src_00000000000000000000000000", strings.NewReader("email=a%40example.com"), "Content-Type", "application/x-www-form-urlencoded",
		"Accept", "text/html", "Origin", "https://shop.example", "Cookie", "a=b")
	if form.StatusCode == 403 && strings.Contains(said, "foreign_origin") {
		t.Error("a form on a customer's page is refused as foreign")
	}
	if p := form.Header.Get("Content-Security-Policy"); !strings.Contains(p, "frame-ancestors *") || !strings.Contains(p, "style-src 'sha256-") || form.Header.Get("X-Frame-Options") != "" {
		t.Errorf("a visitor's page has the policy %q", p)
	}
	if r, body := do("POST", s.url+"/v1/sessions", strings.NewReader("{}"), "Content-Type", "application/json", "Origin", "https://evil.example", "Cookie", "a=b"); r.StatusCode != 403 || !strings.Contains(body, "foreign_origin") {
		t.Errorf("a foreign page signs in with %d %s", r.StatusCode, body)
	}
	if end := metric(t, s, "catchment_certificate_end_seconds"); end < float64(time.Now().Unix()) || metric(t, s, "catchment_certificate_problem") != 0 {
		t.Errorf("metrics: the certificate ends at %.0f", end)
	}
	if metric(t, s, "catchment_connections_accepted_total") == 0 {
		t.Error("no connection is counted")
	}
	plain := s.listeners[2].Addr().String()
	if r, _ := do("GET", "http://"+plain+"/docs?a=1", nil); r.StatusCode != 308 || r.Header.Get("Location") != "https://leads.example.com/docs?a=1" {
		t.Errorf("plain HTTP: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	if r, err := http.Get("http://" + strings.TrimPrefix(s.url, "https://") + "/docs"); err == nil && r.StatusCode != 400 {
		t.Errorf("the doors answer plain HTTP with %d", r.StatusCode)
	}
}

// The demo finds its own doors behind TLS, and hands in leads.
func TestDemoTLS(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	var world struct {
		URL      string
		Accounts []struct {
			PublishableKey string `json:"publishable_key"`
			Sources        []struct{ Slug string }
		}
	}
	start(t, "demo", "--quiet", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--tls", "self")
	eventually(t, "demo.json", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "demo.json"))
		return err == nil && json.Unmarshal(text, &world) == nil && len(world.Accounts) > 1
	})
	text, err := os.ReadFile(filepath.Join(dir, "tls", "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	a := world.Accounts[0]
	r, body := browser(t, &tls.Config{RootCAs: roots})("POST", world.URL+"/v1/leads",
		strings.NewReader(`{"source":"`+a.Sources[0].Slug+`","person":{"email":"ada@example.com"}}`),
		"Content-Type", "application/json", "Authorization", "Bearer "+a.PublishableKey)
	if r.StatusCode != 202 {
		t.Errorf("a lead over TLS: %d %s", r.StatusCode, body)
	}
}

// With --drain-wait the doors still take requests while health turns traffic
// away, and have each connection end after its request.
func TestDrainWait(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	c.DrainWait = 7
	s := serve(t, c)
	waits, over := make(chan time.Duration), make(chan struct{})
	s.pause = func(d time.Duration) { waits <- d; <-over }
	health := api{t, s.health, ""}
	health.until("readiness", "/readyz", func(a answer) bool { return a.status == 200 })
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	if d := <-waits; d != 7*time.Second {
		t.Errorf("it waits for %s", d)
	}
	if a := health.send("GET", "/readyz", nil); a.status != 503 || a.text("reason") != "draining" {
		t.Errorf("readyz: %d %s", a.status, a.body)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET /docs HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn) // to its end: the server closes
	if err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 200") {
		t.Errorf("a request meanwhile: %v %.40q", err, said)
	}
	close(over)
	<-stopped
}

// --tls acme gets its certificate from an authority and serves with it.
func TestServeACME(t *testing.T) {
	t.Parallel()
	ca, err := acmetest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ca.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0") // the authority comes to the doors' address
	if err != nil {
		t.Fatal(err)
	}
	ca.TLSALPN = l.Addr().String()
	l.Close()
	c := settingsFor(t, store.Options{})
	c.TLS, c.ACMEDomain, c.ACMEDirectory, c.Listen = "acme", "leads.example.com", ca.Directory(), ca.TLSALPN
	c.ACMECA = write(t, t.TempDir(), "trust.pem", ca.Trust())
	s := serve(t, c)
	eventually(t, "a certificate", func() bool { return !s.certs.State().Ends.IsZero() || len(ca.Refused()) > 0 })
	if r := ca.Refused(); len(r) > 0 {
		t.Fatalf("the authority refused %q", r)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	if r, _ := browser(t, &tls.Config{RootCAs: roots, ServerName: "leads.example.com"})("GET", s.url+"/docs", nil); r.StatusCode != 200 {
		t.Errorf("/docs: %d", r.StatusCode)
	}
}
