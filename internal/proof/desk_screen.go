package proof

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// screen stands between a browser and an instance: it signs the browser in,
// puts a script beside the app that tells which offer stands on the screen and
// since when, and can make everything that the browser is told late. What it
// costs is part of what is measured.
type screen struct {
	server  *http.Server
	addr    string
	session json.RawMessage
	delay   atomic.Int64 // a time.Duration
	live    atomic.Bool  // the desk follows the events

	mu   sync.Mutex
	told map[string]time.Time // by offer: when the stream of events said that it was made
	seen map[string]time.Time // by offer
}

func openScreen(to string, session json.RawMessage) (*screen, error) {
	at, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	s := &screen{session: session, told: map[string]time.Time{}, seen: map[string]time.Time{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = l.Addr().String()
	p := httputil.NewSingleHostReverseProxy(at)
	p.FlushInterval = -1
	p.ErrorLog = log.New(io.Discard, "", 0) // a browser that goes away
	p.ModifyResponse = s.change
	mux := http.NewServeMux()
	mux.HandleFunc("GET /prove/begin", s.page)
	mux.HandleFunc("GET /prove/begin.js", s.begin)
	mux.HandleFunc("GET /prove/watch.js", script(watchScript))
	mux.HandleFunc("POST /prove/saw", s.saw)
	mux.HandleFunc("GET /app/sw.js", http.NotFound) // every page goes through here
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if isPage(r.URL.Path) {
			r.Header.Del("Accept-Encoding")
			r.Header.Del("If-None-Match")
		}
		p.ServeHTTP(w, r)
	})
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

func (s *screen) url() string { return "http://" + s.addr }
func (s *screen) close()      { _ = s.server.Close() }

func isPage(p string) bool { return strings.HasPrefix(p, "/app/") && path.Ext(p) == "" }

func script(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, text)
	}
}

func (s *screen) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, `<!doctype html><title>begin</title><script src="/prove/begin.js"></script>`)
}

func (s *screen) begin(w http.ResponseWriter, r *http.Request) {
	text, _ := json.Marshal(string(s.session))
	script(fmt.Sprintf("localStorage.setItem('catchment.language', 'en'); localStorage.setItem('catchment.session', %s); location.replace('/app/desk')", text))(w, r)
}

// The frame after an offer stands in the document it is on the screen; then it
// is accepted, as a salesperson would, so that the next one can be shown.
const watchScript = `{
	const told = new Set()
	const look = () => {
		const dialog = document.querySelector('[role=alertdialog][data-offer]')
		const id = dialog?.dataset.offer
		if (!id || told.has(id)) return
		told.add(id)
		requestAnimationFrame(() => {
			const at = performance.timeOrigin + performance.now()
			fetch('/prove/saw', { method: 'POST', body: JSON.stringify({ offer: id, at }) })
			const answer = () => {
				const d = document.querySelector('[role=alertdialog]')
				if (!d || d.dataset.offer !== id) return
				const all = d.querySelectorAll('button')
				all[all.length - 1]?.click() // accept; or away from an offer that is over
				setTimeout(answer, 400)
			}
			answer()
		})
	}
	new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-offer'] })
}`

func (s *screen) saw(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Offer string  `json:"offer"`
		At    float64 `json:"at"` // ms since 1970
	}
	if json.NewDecoder(io.LimitReader(r.Body, 1000)).Decode(&in) == nil && in.Offer != "" {
		s.mu.Lock()
		if _, ok := s.seen[in.Offer]; !ok {
			s.seen[in.Offer] = time.UnixMicro(int64(in.At * 1000))
		}
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *screen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// moments are when an offer was told to the browser, and when it showed it.
type moments struct{ told, shown time.Time }

func (s *screen) all() map[string]moments {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]moments{}
	for id, at := range s.seen {
		out[id] = moments{s.told[id], at}
		if s.told[id].IsZero() { // it was asked for before the stream said so
			out[id] = moments{at, at}
		}
	}
	return out
}

// change puts the script into pages, listens to the stream of events, and makes
// what the browser is told late.
func (s *screen) change(r *http.Response) error {
	if r.Request.URL.Path == "/v1/events" && r.StatusCode == http.StatusOK {
		s.live.Store(true)
		r.Body = s.followed(r.Body)
		return nil
	}
	// Late by what it says, not by what was asked: what it says is not newer than now.
	if err := pause(r.Request.Context(), time.Duration(s.delay.Load())); err != nil {
		return err
	}
	if !isPage(r.Request.URL.Path) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	body = bytes.Replace(body, []byte("<head>"), []byte(`<head><script src="/prove/watch.js"></script>`), 1)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Header.Del("ETag")
	return nil
}

// followed notes which offers the stream tells of, and passes it on, late by
// the delay.
func (s *screen) followed(from io.ReadCloser) io.ReadCloser {
	type piece struct {
		text []byte
		at   time.Time
	}
	out, in := io.Pipe()
	pieces := make(chan piece, 10_000)
	go func() {
		defer close(pieces)
		lines := bufio.NewReaderSize(from, 64<<10)
		for {
			text, err := lines.ReadBytes('\n')
			if len(text) > 0 {
				at := time.Now()
				s.hear(text, at)
				pieces <- piece{text, at}
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		for p := range pieces {
			time.Sleep(time.Until(p.at.Add(time.Duration(s.delay.Load()))))
			if _, err := in.Write(p.text); err != nil {
				_ = from.Close()
			}
		}
		_ = in.Close()
	}()
	return out
}

// hear reads one line of the stream.
func (s *screen) hear(line []byte, at time.Time) {
	data, ok := bytes.CutPrefix(line, []byte("data: "))
	var e struct {
		Kind  string `json:"kind"`
		Offer string `json:"offer_id"`
	}
	if !ok || json.Unmarshal(data, &e) != nil || e.Kind != "offer.made" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.told[e.Offer]; !known {
		s.told[e.Offer] = at
	}
}
