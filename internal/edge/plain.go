package edge

import (
	"log/slog"
	"net/http"
	"strings"

	"catchment/internal/problem"
)

// NewPlain is what listens on port 80 beside a TLS server. It sends everybody
// to the public URL, whatever host they asked for, and answers what the
// certificates need to have answered there.
func NewPlain(c Certificates, publicURL string, log *slog.Logger) *Server {
	to := strings.TrimSuffix(publicURL, "/")
	return New(Options{Log: log, PerNetwork: 64, Connections: 2048, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c != nil && c.Plain(w, r) {
			return
		}
		path := r.URL.EscapedPath()
		if !strings.HasPrefix(path, "/") { // "*", or a proxy's request
			refuse(w, problem.NotFound())
			return
		}
		if r.URL.RawQuery != "" {
			path += "?" + r.URL.RawQuery
		}
		w.Header().Set("Connection", "close")
		w.Header()["Location"] = []string{to + path}
		w.WriteHeader(http.StatusPermanentRedirect)
	})})
}
