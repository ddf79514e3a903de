// Package page is the door to what an account shows to everybody: so far its
// public pictures.
//
// Callers may rely on this: it asks for no credential and no database, sets no
// cookie, and gives nothing but pictures that were drawn anew, under headers with
// which a browser runs nothing.
package page

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"catchment/internal/caller"
	"catchment/internal/filing"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/upload"
	"catchment/internal/web"
)

// Prefix is what the path of every link to a public picture begins with.
const Prefix = "/i/"

// How many pictures are read at once, and by one network: what asks the bucket
// must not take all of the process. Mailboxes have pictures fetched by a few
// proxies of theirs, so that one network may have many.
const (
	atOnce    = 128
	ofOne     = 48
	patience  = 5 * time.Second
	comeAgain = 2 * time.Second
)

// Stats counts since the start.
type Stats struct{ Shown, Unknown, Gone, Busy, Failed atomic.Int64 }

// Door shows pictures. It is safe for concurrent use.
type Door struct {
	filing *filing.Filing
	turns  *limits.Turns[netip.Prefix]
	stats  Stats
}

// New returns it; Register puts it onto a mux.
func New(f *filing.Filing) *Door {
	return &Door{filing: f, turns: limits.NewTurns[netip.Prefix](atOnce, ofOne, patience)}
}

// Register takes GET and HEAD of /i/{token}.
func (d *Door) Register(mux *http.ServeMux) { mux.Handle("GET "+Prefix+"{token}", d) }

// Stats counts what was answered.
func (d *Door) Stats() *Stats { return &d.stats }

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := caller.Network(caller.Of(r))
	if !d.turns.Enter(r.Context(), who, 1) {
		d.stats.Busy.Add(1)
		web.WriteProblem(w, r, problem.Busy("pictures_busy", comeAgain, "Too many pictures are asked for at once. Ask again after Retry-After."))
		return
	}
	defer d.turns.Leave(who, 1)
	token := strings.TrimPrefix(r.URL.Path, Prefix)
	i, err := d.filing.Find(r.Context(), token)
	if err == nil {
		from := filing.NewSeeker(i.Size, func() (io.ReadCloser, error) { return d.filing.Show(r.Context(), i) })
		defer from.Close()
		d.show(w, r, i, from)
		return
	}
	d.refuse(w, r, err)
}

// show answers with the picture, or with what was asked for of it.
func (d *Door) show(w http.ResponseWriter, r *http.Request, i filing.Image, from *filing.Seeker) {
	h := w.Header()
	h.Set("Content-Type", string(i.Kind))
	h.Set("Content-Disposition", upload.Disposition("picture"+i.Kind.Ending(), true))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+i.Sum[:32]+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // mails and pages of any origin show it
	http.ServeContent(web.Patient(w), r, "", i.At, from)
	if from.Failed() {
		d.stats.Failed.Add(1)
		panic(http.ErrAbortHandler) // it must not look whole
	}
	d.stats.Shown.Add(1)
}

// refuse says why there is none. What never was and what was removed differ:
// who has a link that worked may know.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problem.Of(err)
	switch {
	case errors.Is(err, filing.ErrNoImage):
		d.stats.Unknown.Add(1)
		p = problem.NotFound()
	case errors.Is(err, filing.ErrImageGone):
		d.stats.Gone.Add(1)
		p = &problem.Problem{Status: http.StatusGone, Code: "image_removed", Title: "The picture was removed", Detail: "Whoever published it has removed it."}
	case !known: // nobody here can mend it, and it may be whole elsewhere
		d.stats.Failed.Add(1)
		p = problem.Busy("files_away", comeAgain, "The picture cannot be read just now. Ask again after Retry-After.").Because(err)
	default:
		d.stats.Failed.Add(1)
	}
	web.WriteProblem(w, r, p)
}

// Apart has what users upload shown under an origin of its own and nowhere else:
// on that host nothing is answered but links to pictures, and on every other host
// those links lead there.
func Apart(origin string, next http.Handler) http.Handler {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		link := strings.HasPrefix(r.URL.Path, Prefix)
		switch own := isHost(r.Host, u); {
		case own && !link:
			web.WriteProblem(w, r, problem.NotFound())
		case !own && link && (r.Method == http.MethodGet || r.Method == http.MethodHead) && filing.IsToken(strings.TrimPrefix(r.URL.Path, Prefix)):
			w.Header().Set("Cache-Control", "public, max-age=86400")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			http.Redirect(w, r, u.Scheme+"://"+u.Host+r.URL.Path, http.StatusPermanentRedirect)
		case !own && link:
			web.WriteProblem(w, r, problem.NotFound())
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isHost reports whether a request's Host is the origin's: on any port, unless
// the origin names one.
func isHost(said string, origin *url.URL) bool {
	if origin.Port() != "" {
		return strings.EqualFold(said, origin.Host)
	}
	u := url.URL{Host: said}
	return strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), origin.Hostname())
}
