package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"catchment/internal/caller"
	"catchment/internal/logtest"
)

// A handler sees who called, and no header in which a caller could have
// written it. Who is not a trusted proxy is believed nothing.
func TestCallerIsNamed(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.Contains(name, "Forward") || strings.Contains(name, "-Ip") || name == "X-Request-Id" {
				fmt.Fprintf(w, "%s ", name)
			}
		}
		fmt.Fprint(w, caller.Of(r))
	})
	spoof := []string{"X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.8", "X-Real-IP", "203.0.113.7", "True-Client-IP", "203.0.113.6",
		"X-Request-Id", "req_mine", "X-Forwarded-Host", "evil.example"}
	_, stranger := serve(t, Options{Handler: h})
	if _, said := get(t, client(stranger, nil), "http://leads.example.com/", spoof...); said != "127.0.0.1" {
		t.Errorf("a stranger is %q", said)
	}
	_, proxied := serve(t, Options{Handler: h, Proxies: proxies(t, "127.0.0.0/8", "")})
	if _, said := get(t, client(proxied, nil), "http://leads.example.com/", spoof...); said != "203.0.113.9" {
		t.Errorf("behind a proxy it is %q", said)
	}
	_, other := serve(t, Options{Handler: h, Proxies: proxies(t, "127.0.0.1", "forwarded")})
	if _, said := get(t, client(other, nil), "http://leads.example.com/", spoof...); said != "203.0.113.8" {
		t.Errorf("behind a proxy with Forwarded it is %q", said)
	}
}

func TestHeaders(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}
	})
	certs := own(t, "leads.example.com")
	_, addr := serve(t, Options{Handler: h, Certificates: certs})
	c := client(addr, Local(certs))
	got, _ := get(t, c, "https://leads.example.com/")
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000",
	} {
		if v := got.Header.Values(name); len(v) != 1 || v[0] != want {
			t.Errorf("%s: %q", name, v)
		}
	}
	if p := got.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || !strings.Contains(p, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", p)
	}
	if !strings.Contains(got.Header.Get("Permissions-Policy"), "camera=()") {
		t.Errorf("Permissions-Policy: %q", got.Header.Get("Permissions-Policy"))
	}
	page, _ := get(t, c, "https://leads.example.com/page")
	if p := page.Header.Values("Content-Security-Policy"); len(p) != 1 || p[0] != "default-src 'self'" {
		t.Errorf("a page's own policy became %q", p)
	}
	for _, mine := range []string{"https://localhost/", "https://app.localhost/", "https://127.0.0.1/"} {
		if got, _ := get(t, c, mine); got.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s tells the browser to use TLS for all of this machine", mine)
		}
	}
	_, plain := serve(t, Options{Handler: h})
	if got, _ := get(t, client(plain, nil), "http://leads.example.com/"); got.Header.Get("Strict-Transport-Security") != "" {
		t.Error("plain HTTP sends Strict-Transport-Security, which browsers must ignore")
	}
}

func TestForeignPages(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	_, addr := serve(t, Options{Handler: h, PublicURL: "https://leads.example.com",
		OpenTo: func(r *http.Request) bool { return r.URL.Path == "/v1/leads" }})
	c := client(addr, nil)
	for _, row := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"a foreign page with cookies", "POST", "/v1/sessions", []string{"Origin", "https://evil.example", "Cookie", "a=b"}, 403},
		{"the same, as the browser says it", "DELETE", "/v1/me", []string{"Sec-Fetch-Site", "cross-site", "Cookie", "a=b"}, 403},
		{"a sister site", "POST", "/v1/me", []string{"Sec-Fetch-Site", "same-site", "Cookie", "a=b"}, 403},
		{"an opaque origin", "POST", "/v1/me", []string{"Origin", "null", "Cookie", "a=b"}, 403},
		{"without cookies", "POST", "/v1/sessions", []string{"Origin", "https://evil.example"}, 204},
		{"a read", "GET", "/v1/me", []string{"Origin", "https://evil.example", "Cookie", "a=b"}, 204},
		{"our own page, behind a proxy that changes Host", "POST", "/v1/me", []string{"Origin", "https://leads.example.com", "Cookie", "a=b"}, 204},
		{"our own page", "POST", "/v1/me", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://leads.example.com", "Cookie", "a=b"}, 204},
		{"no browser", "POST", "/v1/me", []string{"Cookie", "a=b"}, 204},
		{"capture", "POST", "/v1/leads", []string{"Origin", "https://shop.example", "Cookie", "a=b"}, 204},
	} {
		got, body := send(t, c, row.method, "http://inside.example"+row.path, nil, row.headers...)
		if got.StatusCode != row.want {
			t.Errorf("%s: %d", row.name, got.StatusCode)
		}
		if row.want == 403 && (got.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, `"foreign_origin"`)) {
			t.Errorf("%s: %s", row.name, body)
		}
	}
}

func TestPlainOnlyRedirects(t *testing.T) {
	s := NewPlain(nil, "https://leads.example.com/", nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Drain(t.Context()) }()
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: leads.example.com":                                                   "https://leads.example.com/",
		"GET /docs?a=b%0d%0aX:y HTTP/1.1\r\nHost: evil.example":                                       "https://leads.example.com/docs?a=b%0d%0aX:y",
		"POST /v1/leads HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0":                          "https://leads.example.com/v1/leads",
		"GET //evil.example/x HTTP/1.1\r\nHost: a":                                                    "https://leads.example.com//evil.example/x",
		"GET /%2F%2Fevil.example HTTP/1.1\r\nHost: a":                                                 "https://leads.example.com/%2F%2Fevil.example",
		"GET http://evil.example/x HTTP/1.1\r\nHost: evil.example":                                    "https://leads.example.com/x",
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example": "https://leads.example.com/",
		"OPTIONS * HTTP/1.1\r\nHost: evil.example":                                                    "",
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\nConnection: close\r\n\r\n", request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		if to := resp.Header.Get("Location"); to != want || (want != "" && resp.StatusCode != http.StatusPermanentRedirect) {
			t.Errorf("%q: %d to %q, want %q", request, resp.StatusCode, to, want)
		}
		conn.Close()
	}
}

// Drain: the running request finishes, its connection is closed after it, and
// new connections are refused.
func TestDrain(t *testing.T) {
	inside, finish := make(chan struct{}), make(chan struct{})
	s, addr := serve(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-finish
		fmt.Fprint(w, "done")
	})})
	type answer struct {
		resp *http.Response
		text string
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := client(addr, nil).Get("http://leads.example.com/")
		if err != nil {
			got <- answer{}
			return
		}
		text, _ := io.ReadAll(resp.Body)
		got <- answer{resp, string(text)}
	}()
	<-inside
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	until(t, "refusal of new connections", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case <-drained:
		t.Fatal("it has drained while a request runs")
	default:
	}
	close(finish)
	if a := <-got; a.text != "done" || !a.resp.Close {
		t.Errorf("the running request got %+v", a)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// What net/http logs has no address of a caller.
func TestLogHasNoAddress(t *testing.T) {
	var logs logtest.Lines
	_, addr := serve(t, Options{Handler: http.NotFoundHandler(), Certificates: own(t), Log: logTo(&logs)})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\n\r\n")
	_, _ = io.Copy(io.Discard, c)
	until(t, "log of the handshake", func() bool { return strings.Contains(logs.String(), "handshake") })
	if strings.Contains(logs.String(), "127.0.0.1") || strings.Contains(logs.String(), c.LocalAddr().String()) {
		t.Errorf("the log names the caller: %s", logs.String())
	}
}
