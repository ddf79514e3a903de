package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"catchment/internal/store"
	"catchment/internal/upload/specimen"
)

// What users upload has an origin of its own: links begin with it, its host
// answers nothing else, the other leads there, and neither log nor metric has a
// link in it.
func TestFilesOrigin(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	c.PublicURL, c.FilesOrigin, c.Firewall, c.FirewallParanoia, c.FilesRoom = "https://leads.example.com", "https://files.example.net", "on", 1, 100
	s := serve(t, c)
	shop := openShop(t, c, s)
	ask := func(method, host, path string, body io.Reader, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
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
	const app, apart = "leads.example.com", "files.example.net"
	var tokens []string
	for n := range 20 { // some of them have letters that look like an attack
		r, said := ask("POST", app, "/v1/images", bytes.NewReader(specimen.PNG(8, 8+n)), "Authorization", "Bearer "+shop.admin, "Content-Type", "application/octet-stream")
		var made struct{ URL string }
		if err := json.Unmarshal([]byte(said), &made); err != nil || r.StatusCode != 201 || !strings.HasPrefix(made.URL, "https://files.example.net/i/") {
			t.Fatalf("added: %d %s", r.StatusCode, said)
		}
		tokens = append(tokens, strings.TrimPrefix(made.URL, "https://files.example.net/i/"))
	}
	for _, token := range tokens {
		r, body := ask("GET", apart, "/i/"+token, nil, "Cookie", "a=b")
		if r.StatusCode != 200 || !strings.HasPrefix(body, "\x89PNG") || len(r.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("a link: %d %v", r.StatusCode, r.Header)
		}
		for name, want := range map[string]string{"Content-Security-Policy": "sandbox; default-src 'none'", "Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"} {
			if got := r.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	if r, _ := ask("GET", app, "/i/"+tokens[0], nil); r.StatusCode != 308 || r.Header.Get("Location") != "https://files.example.net/i/"+tokens[0] {
		t.Errorf("by the app's host: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	for _, path := range []string{"/", "/app/", "/docs", "/openapi.json", "/v1/account", "/v1/images", "/f/src_00000000000000000000000000", "/report", securityTxtPath} {
		if r, body := ask("GET", apart, path, nil, "Authorization", "Bearer "+shop.admin); r.StatusCode != 404 || strings.Contains(body, "<") {
			t.Errorf("%s on the files' host: %d", path, r.StatusCode)
		}
		if r, _ := ask("GET", app, path, nil, "Authorization", "Bearer "+shop.admin); r.StatusCode == 404 && !strings.HasPrefix(path, "/f/") && path != securityTxtPath {
			t.Errorf("control: %s on the app's host: %d", path, r.StatusCode)
		}
	}
	if r, _ := ask("POST", apart, "/v1/leads", strings.NewReader("{}"), "Authorization", "Bearer "+shop.pub, "Content-Type", "application/json"); r.StatusCode != 404 {
		t.Errorf("capture on the files' host: %d", r.StatusCode)
	}
	if r, _ := ask("GET", app, "/app/", nil); !strings.Contains(r.Header.Get("Content-Security-Policy"), "img-src 'self' https://files.example.net;") {
		t.Errorf("the app's policy: %q", r.Header.Get("Content-Security-Policy"))
	}
	if r, _ := ask("GET", apart, "/i/"+strings.Repeat("A", 32), nil); r.StatusCode != 404 {
		t.Errorf("what never was: %d", r.StatusCode)
	}
	if n := metric(t, s, `catchment_images_total{outcome="shown"}`); n != float64(len(tokens)) {
		t.Errorf("counted %v shown", n)
	}
	for _, token := range tokens {
		if strings.Contains(s.logs.String(), token) {
			t.Errorf("the log has a link in it")
		}
	}
}

// Certificates are for the files' host, too.
func TestFilesHostHasCertificates(t *testing.T) {
	c := config{Listen: "127.0.0.1:0", PublicURL: "https://leads.example.com", TLS: "self", filesConfig: filesConfig{FilesOrigin: "https://files.example.net:8443"}}
	if !slices.Contains(c.hosts(), "files.example.net") {
		t.Errorf("self: %v", c.hosts())
	}
	c.TLS, c.ACMEDomain = "acme", "leads.example.com, FILES.example.net"
	if got := fmt.Sprint(c.domains()); got != "[leads.example.com FILES.example.net]" {
		t.Errorf("acme: %s", got)
	}
	c.ACMEDomain = "leads.example.com"
	if got := fmt.Sprint(c.domains()); got != "[leads.example.com files.example.net]" {
		t.Errorf("acme: %s", got)
	}
	for host, want := range map[string]bool{"files.example.net": true, "a.files.example.org": true, "files.example.org": false, "b.a.files.example.org": false} {
		if covers([]string{"FILES.example.net", "*.files.example.org"}, host) != want {
			t.Errorf("%s", host)
		}
	}
}
