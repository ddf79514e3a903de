package web

import (
	"bytes"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"catchment/internal/caller"
	"catchment/internal/firewall"
	"catchment/internal/problem"
)

// mostJSON is more than any JSON that a door takes: what is longer is refused
// there, and is not read here.
const mostJSON = 1<<20 + 1

// Firewalled refuses what the firewall's rules speak of, with their numbers in
// the log and a reference in the answer; watch only counts and logs. Requests
// for which skip reports true are let through: the capture door judges by
// itself. A request that could not be looked at is 503, not let through.
func Firewalled(g *firewall.Guard, watch bool, log *slog.Logger, skip func(*http.Request) bool) Guard {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if skip(r) {
				next.ServeHTTP(w, r)
				return
			}
			id, _ := r.Context().Value(requestKey{}).(string)
			rules, err := g.Look(r.Context(), caller.Network(caller.Address(r.Context())), id, r, peek(w, r))
			switch {
			case err != nil && !watch:
				WriteProblem(w, r, problem.Busy("busy", 2*time.Second, "The request could not be looked at. Repeat it after the seconds in Retry-After.").Because(err))
				return
			case len(rules) > 0:
				log.Warn("the firewall's rules spoke of a request", "request_id", id, "method", r.Method, "rules", rules, "refused", !watch)
				if !watch {
					WriteProblem(w, r, problem.Forbidden("firewall_refused", "The request looks like an attack and was not taken. When it is none, tell the operator its reference: "+id+"."))
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// peek reads a body that is no file, and puts it back. What cannot be read is
// left to the door, which finds the same.
func peek(w http.ResponseWriter, r *http.Request) []byte {
	if r.Body == nil || r.Body == http.NoBody || file(r.Header.Get("Content-Type")) {
		return nil
	}
	// A recorder in a test has no deadlines; a real connection has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Second))
	body, err := io.ReadAll(io.LimitReader(r.Body, mostJSON))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = broken{err}
	}
	r.Body = restored{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	if err != nil || len(body) == mostJSON {
		return nil
	}
	return body
}

// file reports a body that is kept as it is and not read as fields. What hardly
// says what it is may be read as JSON.
func file(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media != "" && media != "text/plain" && !strings.Contains(media, "json") && !strings.Contains(media, "cbor")
}

type restored struct {
	io.Reader
	io.Closer
}

type broken struct{ err error }

// Read implements io.Reader.
func (b broken) Read([]byte) (int, error) { return 0, b.err }
