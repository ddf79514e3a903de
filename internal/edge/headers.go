package edge

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"catchment/internal/problem"
)

// Header values that are the same for all. Never changed.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	sameOrigin = []string{"same-origin"}
	deny       = []string{"DENY"}
	noFeatures = []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"}

	// nothing is the policy of an answer that is no page; a page names what it
	// needs itself.
	nothing = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}

	// A year, the least that browsers' preload list takes (https://hstspreload.org).
	transportOnly = []string{"max-age=31536000"}
)

// addHeaders gives every answer the strict headers. A handler that shows a page
// or serves other sites sets its own over them. Cross-Origin-Resource-Policy
// concerns what a foreign page embeds without asking (no-cors); answers to
// cross-origin calls of the SDK go by CORS.
// https://owasp.org/www-project-secure-headers/
func (s *Server) addHeaders(next http.Handler) http.Handler {
	secure := s.o.Certificates != nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		h["X-Frame-Options"] = deny
		h["Referrer-Policy"] = noReferrer
		h["Permissions-Policy"] = noFeatures
		h["Content-Security-Policy"] = nothing
		h["Cross-Origin-Opener-Policy"] = sameOrigin
		h["Cross-Origin-Resource-Policy"] = sameOrigin
		if secure && !ownMachine(r.Host) {
			h["Strict-Transport-Security"] = transportOnly
		}
		next.ServeHTTP(w, r)
	})
}

// ownMachine tells names under which every program of a developer's machine is
// reached: a browser that was told to use TLS for localhost would use it for
// all of them, on every port.
func ownMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// refuseForeign refuses a change that a foreign page asks for in the name of
// whoever is signed in to its browser. Sessions are bearer tokens, which no
// browser sends by itself; so a request with a cookie is either a mistake or
// the first part that will rely on cookies, and this stands in front of it.
func (s *Server) refuseForeign(next http.Handler) http.Handler {
	check := http.NewCrossOriginProtection()
	if u, err := url.Parse(s.o.PublicURL); err == nil && u.Host != "" {
		_ = check.AddTrustedOrigin(u.Scheme + "://" + u.Host) // a proxy may change Host
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Cookie"]) > 0 && check.Check(r) != nil && !s.o.OpenTo(r) {
			if s.o.Foreign != nil {
				s.o.Foreign()
			}
			refuse(w, problem.Forbidden("foreign_origin", "A page of another origin asks for a change with this browser's cookies. Call without cookies, from a server, or from the platform's own pages."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with the problem, for what does not get as far as a door.
func refuse(w http.ResponseWriter, p *problem.Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone
}
