package page_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"catchment/internal/filing"
	"catchment/internal/page"
)

// With an origin of its own what users upload is there and nowhere else, and
// nothing else is there.
func TestApart(t *testing.T) {
	token := filing.NewToken()
	door := page.Apart("https://files.example.net", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, c := range []struct {
		method, host, path string
		status             int
		to                 string
	}{
		{"GET", "files.example.net", "/i/" + token, 418, ""},
		{"HEAD", "FILES.example.net:8443", "/i/" + token, 418, ""},
		{"GET", "files.example.net.", "/i/" + token, 418, ""},
		{"GET", "files.example.net", "/", 404, ""},
		{"GET", "files.example.net", "/app/", 404, ""},
		{"GET", "files.example.net", "/v1/leads", 404, ""},
		{"POST", "files.example.net", "/v1/sessions", 404, ""},
		{"GET", "files.example.net", "/ix/" + token, 404, ""},
		{"GET", "leads.example.com", "/v1/leads", 418, ""},
		{"GET", "leads.example.com", "/i/" + token, 308, "https://files.example.net/i/" + token},
		{"GET", "leads.example.com", "/i/" + token + "x", 404, ""},
		{"GET", "leads.example.com", "/i//evil.example", 404, ""},
		{"POST", "leads.example.com", "/i/" + token, 404, ""},
		{"GET", "files.example.net.evil.example", "/i/" + token, 308, "https://files.example.net/i/" + token},
		{"GET", "", "/v1/leads", 418, ""},
	} {
		r := httptest.NewRequest(c.method, "https://x"+c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Location") != c.to {
			t.Errorf("%s %s%s: %d to %q, want %d %q", c.method, c.host, c.path, w.Code, w.Header().Get("Location"), c.status, c.to)
		}
	}
	own := page.Apart("http://127.0.0.1:81", http.NotFoundHandler())
	r := httptest.NewRequest("GET", "http://127.0.0.1:82/i/"+token, nil)
	w := httptest.NewRecorder()
	if own.ServeHTTP(w, r); w.Code != 308 {
		t.Errorf("another port than the origin's: %d", w.Code)
	}
}
