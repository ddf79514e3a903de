package web_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"catchment/internal/firewall"
	"catchment/internal/web"
)

// What the rules speak of is refused with a reference, or let through by watch
// with its body as it came; the log has numbers and no text.
func TestFirewalled(t *testing.T) {
	const attack, fine = `{"slug":"1' or '1'='1"}`, `{"text":"it's fine; select what you like"}`
	for _, x := range []struct {
		name, path, body, contentType string
		watch                         bool
		status                        int
	}{
		{"attack", "/x", attack, "application/json", false, 403}, {"watched", "/x", attack, "application/json", true, 200},
		{"called text", "/x", attack, "text/plain", false, 403}, {"called nothing", "/x", attack, "", false, 403},
		{"not JSON", "/x", "1' or '1'='1", "application/json", false, 403},
		{"people's words", "/x", fine, "application/json", false, 200}, {"a file", "/x", attack, "text/csv", false, 200},
		{"left to its door", "/v1/leads", attack, "application/json", false, 200},
	} {
		var log bytes.Buffer
		door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got, err := io.ReadAll(r.Body); err != nil || string(got) != x.body {
				t.Errorf("%s: the door read %q, %v", x.name, got, err)
			}
		})
		mux := http.NewServeMux()
		mux.Handle("/", door)
		lines := slog.New(slog.NewTextHandler(&log, nil))
		h := web.Wrap(mux, lines, web.Firewalled(firewall.NewGuard(firewall.Settings{}), x.watch, lines, func(r *http.Request) bool { return r.URL.Path == "/v1/leads" }))
		r := httptest.NewRequest(http.MethodPost, x.path, strings.NewReader(x.body))
		r.Header.Set("User-Agent", "Mozilla/5.0")
		if x.contentType != "" {
			r.Header.Set("Content-Type", x.contentType)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != x.status {
			t.Errorf("%s: %d %s", x.name, w.Code, w.Body)
		}
		if x.status == 403 && (!strings.Contains(w.Body.String(), "firewall_refused") || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id"))) {
			t.Errorf("%s: %s", x.name, w.Body)
		}
		if spoke := x.status == 403 || x.watch; spoke != strings.Contains(log.String(), "942") || strings.Contains(log.String(), "or '1'") {
			t.Errorf("%s: the log says %q", x.name, log.String())
		}
	}
}
