package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built(t *testing.T) *httptest.Server {
	t.Helper()
	d, err := open(fstest.MapFS{
		"unbuilt.html":        {Data: []byte("how to build")},
		"index.html":          {Data: []byte("the app")},
		"index.html.br":       {Data: []byte("B")},
		"index.html.gz":       {Data: []byte("G")},
		"assets/a-1f.js":      {Data: []byte("script")},
		"assets/a-1f.js.gz":   {Data: []byte("Z")},
		"assets/f.woff2":      {Data: []byte("font")},
		"assets/sealed-3d.js": {Data: []byte("worker")},
		"sign.svg":            {Data: []byte("<svg/>")},
		"sw.js":               {Data: []byte("worker")},
		"assets/noext-hash1":  {Data: []byte("x")},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	if !d.Built() {
		t.Error("not built")
	}
	mux := http.NewServeMux()
	d.Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	r.Header.Set("Accept-Encoding", "identity") // else the client unpacks by itself
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
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

func TestWhatIsServedWhere(t *testing.T) {
	s := built(t)
	for _, c := range []struct{ path, accept, text, coding, kind, cache string }{
		{"/app/", "", "the app", "", "text/html; charset=utf-8", "no-cache"},
		{"/app/", "gzip, deflate, br", "B", "br", "text/html; charset=utf-8", "no-cache"},
		{"/app/", "gzip;q=0.5, br;q=0", "G", "gzip", "text/html; charset=utf-8", "no-cache"},
		{"/app/", "br;q=0.0, gzip; q=0", "the app", "", "text/html; charset=utf-8", "no-cache"},
		{"/app/desk/leads/lead_01kb4n8xrpe5ztvq2m6dh8s3cw", "", "the app", "", "text/html; charset=utf-8", "no-cache"},
		{"/app/assets/a-1f.js", "", "script", "", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"/app/assets/a-1f.js", "br, gzip", "Z", "gzip", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"/app/assets/sealed-3d.js", "", "worker", "", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"/app/assets/f.woff2", "br, gzip", "font", "", "font/woff2", "public, max-age=31536000, immutable"},
		{"/app/sign.svg", "", "<svg/>", "", "image/svg+xml", "no-cache"},
		{"/app/sw.js", "br, gzip", "worker", "", "text/javascript; charset=utf-8", "no-cache"},
	} {
		resp, text := get(t, s.URL+c.path, "Accept-Encoding", c.accept)
		h := resp.Header
		if resp.StatusCode != 200 || text != c.text || h.Get("Content-Encoding") != c.coding || h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.cache {
			t.Errorf("%s for %q: %d %q %v", c.path, c.accept, resp.StatusCode, text, h)
		}
		want := policy
		if strings.Contains(c.path, "/sealed-") { // and no other file
			want = sealed(policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != want {
			t.Errorf("%s: headers %v", c.path, h)
		}
		if again, _ := get(t, s.URL+c.path, "Accept-Encoding", c.accept, "If-None-Match", h.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s with its own ETag: %d", c.path, again.StatusCode)
		}
		if again, _ := get(t, s.URL+c.path, "Accept-Encoding", c.accept, "If-None-Match", `"other"`); again.StatusCode != http.StatusOK {
			t.Errorf("%s with another ETag: %d", c.path, again.StatusCode)
		}
	}
	for _, path := range []string{"/", "/app"} {
		if resp, _ := get(t, s.URL+path); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/app/" {
			t.Errorf("%s leads to %q, %d", path, resp.Header.Get("Location"), resp.StatusCode)
		}
	}
}

// A page of an earlier build asks for files of its own: it must not get the
// start page in the place of a script.
func TestFilesThatAreNotThere(t *testing.T) {
	s := built(t)
	for _, path := range []string{"/app/assets/old-2c.js", "/app/assets/a-1f.js.gz", "/app/favicon.ico", "/app/../app.go"} {
		if resp, text := get(t, s.URL+path); resp.StatusCode == 200 || strings.Contains(text, "the app") {
			t.Errorf("%s: %d %q", path, resp.StatusCode, text)
		}
	}
}

// No part of the policy lets text become script or style.
func TestThePolicyIsStrict(t *testing.T) {
	for _, loose := range []string{"unsafe", "data:", "blob:", "http:", "https:", "*"} {
		if strings.Contains(policy, loose) {
			t.Errorf("the policy has %q", loose)
		}
	}
	for _, must := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, must) {
			t.Errorf("the policy lacks %q", must)
		}
	}
	if strings.Replace(sealed(policy), " 'wasm-unsafe-eval'", "", 1) != policy || sealed(policy) == policy {
		t.Errorf("the database's worker has the policy %q", sealed(policy))
	}
}

// The program builds and says what is missing where Node never was.
func TestWithoutABuild(t *testing.T) {
	page, err := dist.ReadFile("dist/" + unbuilt)
	if err != nil {
		t.Fatal(err)
	}
	d, err := open(fstest.MapFS{unbuilt: {Data: page}}, "")
	if err != nil || d.Built() {
		t.Fatal(d, err)
	}
	mux := http.NewServeMux()
	d.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/app/", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "make build") {
		t.Error(w.Code, w.Body)
	}
	if _, err := New(""); err != nil {
		t.Error(err)
	}
	if _, err := open(fstest.MapFS{}, ""); err == nil {
		t.Error("an empty folder was taken for an app")
	}
}
