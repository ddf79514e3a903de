package capture

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/problem"
	"catchment/internal/receipt"
)

// Header values that are the same for all. Never changed.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	htmlType    = []string{"text/html; charset=utf-8"}
	noStore     = []string{"no-store"}
	nosniff     = []string{"nosniff"}
	closing     = []string{"close"}
)

// Stats counts what the door did.
type Stats struct {
	Requests atomic.Uint64 // accepted; a batch is one
	Leads    atomic.Uint64 // accepted, repeats too
	Bytes    atomic.Uint64 // of accepted bodies
	Shed     atomic.Uint64 // refused before they were read
	// Suspicious are leads with a verdict of the firewall.
	Suspicious atomic.Uint64
	refused    sync.Map // code → *atomic.Uint64
}

// Refused gives the refusals by their problem's code.
func (s *Stats) Refused() map[string]uint64 {
	out := map[string]uint64{}
	s.refused.Range(func(code, n any) bool {
		out[code.(string)] = n.(*atomic.Uint64).Load()
		return true
	})
	return maps.Clone(out)
}

func (s *Stats) refuse(code string) {
	n, ok := s.refused.Load(code)
	if !ok {
		n, _ = s.refused.LoadOrStore(code, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// appendAccepted writes an accepted lead's answer.
func appendAccepted(dst []byte, it *item) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, it.header.Enquiry.String()...)
	dst = append(dst, `","receipt":`...)
	dst = receipt.AppendJSON(dst, &it.receipt)
	return append(dst, '}')
}

func writeAccepted(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(body) // the caller has gone; the lead is kept
}

// refuse answers with the problem, once, in one place.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := *d.problem(err)
	h := w.Header()
	p.RequestID = h.Get("X-Request-Id")
	d.stats.refuse(p.Code)
	d.note(&p, err)
	if p.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(int((p.RetryAfter + time.Second - 1) / time.Second))}
	}
	for name, value := range p.Headers {
		h[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if p.Status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{`Bearer realm="catchment"`}
	}
	if p.Status == http.StatusRequestEntityTooLarge {
		h["Connection"] = closing // what follows is not read
	}
	h["Cache-Control"] = noStore
	if wantsPage(r) {
		refusePage(w, &p)
		return
	}
	h["Content-Type"] = problemType
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(&p) // the caller has gone
}

// note logs what an operator should know: not the refusals that callers cause,
// nor each of those that load causes, which the counters show.
func (d *Door) note(p *problem.Problem, err error) {
	switch {
	case p.Status < 500, p.Code == "busy", p.Code == "not_ready":
		d.o.Log.Debug("capture: refused", "code", p.Code, "request_id", p.RequestID)
	default:
		d.o.Log.Error("capture: refused", "code", p.Code, "request_id", p.RequestID, "error", err)
	}
}

// cors lets a page read the answer when its origin is one that some key is
// for. Whether this key is for it is checked with the key.
func (d *Door) cors(w http.ResponseWriter, r *http.Request) {
	origin := r.Header["Origin"]
	if len(origin) != 1 {
		return
	}
	h := w.Header()
	h["Vary"] = []string{"Origin"}
	if d.o.Snapshot.KnowsOrigin(origin[0]) {
		h["Access-Control-Allow-Origin"] = origin
		h["Access-Control-Expose-Headers"] = []string{"RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"}
	}
}

// preflight answers a browser that asks whether a page may send a lead
// (https://fetch.spec.whatwg.org/#cors-preflight-fetch). The key is not shown
// to it, so it is enough that some key is for this origin.
func (d *Door) preflight(w http.ResponseWriter, r *http.Request) error {
	d.cors(w, r)
	h := w.Header()
	if h["Access-Control-Allow-Origin"] == nil {
		return problem.Forbidden("origin_not_allowed", "No key is for pages of this origin. Add the origin to a publishable key.")
	}
	allowPost(h)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// preflightForm is for scripts that send a form with a header of their own.
func (d *Door) preflightForm(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = []string{"*"}
	allowPost(h)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func allowPost(h http.Header) {
	h["Access-Control-Allow-Methods"] = []string{"POST"}
	h["Access-Control-Allow-Headers"] = []string{"Authorization, Content-Type, Idempotency-Key"}
	h["Access-Control-Max-Age"] = []string{"7200"} // the most that Chromium keeps
}

// requestID names a request in the log and in the answer; nothing secret.
func requestID() string {
	var b [12]byte
	for i := range 3 {
		n := rand.Uint32()
		b[i*4], b[i*4+1], b[i*4+2], b[i*4+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	return "req_" + base64.RawURLEncoding.EncodeToString(b[:])
}
