package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/app/apptest"
)

// between stands between a browser and a server: it can be away, and give a
// file otherwise than it is.
type between struct {
	*httptest.Server
	away    atomic.Bool
	another atomic.Pointer[func(path string, body []byte) []byte]
	streams atomic.Int64 // open ones
}

func standBetween(t *testing.T, to string) *between {
	t.Helper()
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	b := &between{}
	p := httputil.NewSingleHostReverseProxy(at)
	p.FlushInterval = -1 // events go on at once
	p.ModifyResponse = b.change
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/v1/events" {
			b.streams.Add(1)
			defer b.streams.Add(-1)
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *between) change(r *http.Response) error {
	f := b.another.Load()
	if f == nil || r.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(r.Request.URL.Path, "/app/") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body = (*f)(r.Request.URL.Path, body)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Header.Del("ETag")
	return nil
}

// leave ends what is open, and takes nothing.
func (b *between) leave() {
	b.away.Store(true)
	b.CloseClientConnections()
}

// awaitWorker waits until the page's worker has kept its files and answers for
// the page.
func awaitWorker(p *apptest.Page) {
	apptest.Eval[bool](p, `(async () => {
		const r = await navigator.serviceWorker.ready
		if (r.active.state !== 'activated') await new Promise(go => r.active.addEventListener('statechange', e => e.target.state === 'activated' && go()))
		if (!navigator.serviceWorker.controller) await new Promise(go => navigator.serviceWorker.addEventListener('controllerchange', go, { once: true }))
		return true
	})()`)
}

// The app begins without its server, and what it has kept for that is files of
// its own alone.
func TestTheAppWithoutItsServer(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	way := standBetween(t, d.url)
	d.url = way.URL
	phone := d.open(b.Own(), d.me)
	awaitWorker(phone)

	// A page that is left ends its database's worker before it goes (the lock ends with the worker), and begins anew when it is gone back to.
	held := `navigator.locks.query().then(l => l.held.some(l => l.name === '.catchment-desk'))`
	waits(phone, t, "the database", held)
	apptest.Eval[bool](phone, `window.before = true, dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })), true`)
	waits(phone, t, "the end of the database's worker", held+`.then(held => !held)`)
	apptest.Eval[bool](phone, `dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })), true`)
	waits(phone, t, "the page anew", `!window.before`)
	waits(phone, t, "the database", held)

	way.leave()
	phone.See("No connection")
	phone.Go(d.url + "/app/desk/search") // not an address that was opened before
	phone.See("Find one of your leads")
	phone.See("No connection")
	kept := apptest.Eval[[]string](phone, `(async () => (await Promise.all((await caches.keys()).map(async n => (await (await caches.open(n)).keys()).map(r => new URL(r.url).pathname)))).flat())()`)
	ours := regexp.MustCompile(`^/app/(index\.html|sign\.svg|icon-192\.png|badge-96\.png|language|assets/[\w.-]+)$`)
	for _, path := range kept {
		if !ours.MatchString(path) {
			t.Errorf("%s is kept", path)
		}
	}
	if len(kept) < 10 || strings.Contains(strings.Join(kept, " "), "/reports-") {
		t.Errorf("%d files are kept, the console's among them? %q", len(kept), kept)
	}
	way.away.Store(false)
	phone.Gone("No connection")
	phone.Go("about:blank")
	d.eightTabs(b, way)
}

// eightTabs: a browser has six connections to a server. Eight tabs have one
// stream between them, and all hear of what happens, also when the tab that has
// it is closed; the control is tabs that cannot agree.
func (d *deskDemo) eightTabs(b *apptest.Browser, way *between) {
	session := signInJSON(d.t, d.url, d.me)
	me := api{d.t, d.url, tokenOf(session)}
	open := func(before string) *apptest.Page {
		p := b.Own().Phone()
		p.Before(before)
		p.Go(d.url + "/healthz")
		apptest.Eval[bool](p, fmt.Sprintf(`localStorage.setItem('catchment.session', %q), true`, session))
		p.Go(d.url + "/app/desk")
		p.See("My day")
		return p
	}
	streams := func(n int64) {
		d.t.Helper()
		for end := time.Now().Add(patience); way.streams.Load() != n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				d.t.Fatalf("%d streams are open, wanted %d", way.streams.Load(), n)
			}
		}
	}
	streams(0)
	var tabs []*apptest.Page
	for range 8 {
		tabs = append(tabs, open(""))
		streams(1)
	}
	told := func(state, words string) {
		d.t.Helper()
		me.want(200, "PUT", "/v1/me/presence", fields{"state": state})
		for _, tab := range tabs {
			tab.See(words)
		}
		streams(1)
	}
	told("engaged", "Engaged")
	tabs[0].Go("about:blank")
	tabs = tabs[1:]
	told("away", "Away")
	for _, tab := range tabs {
		tab.Go("about:blank")
	}
	streams(0)
	for range 2 {
		tabs = append(tabs, open(`delete Navigator.prototype.locks`))
	}
	streams(2)
}

// A newer version of the app waits until somebody wants it, and an open page
// goes on with the files that it began with.
func TestANewerAppWaits(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	way := standBetween(t, d.url)
	d.url = way.URL
	versionOf := regexp.MustCompile(`shell-[\w-]{12}`)
	newer := func(path string, body []byte) []byte {
		if path == "/app/sw.js" {
			return versionOf.ReplaceAll(body, []byte("shell-AnotherVersn"))
		}
		if path == "/app/index.html" || path == "/app/desk" {
			return bytes.Replace(body, []byte("<title>Catchment"), []byte("<title>Newer Catchment"), 1)
		}
		return body
	}
	plain := func(h http.Handler) http.Handler { // compressed files are not changed here
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Accept-Encoding")
			r.Header.Del("If-None-Match") // nor their tags
			h.ServeHTTP(w, r)
		})
	}
	way.Config.Handler = plain(way.Config.Handler)
	phone := d.open(b.Own(), d.me)
	awaitWorker(phone)
	title := func() string { return apptest.Eval[string](phone, "document.title") }

	way.another.Store(&newer)
	apptest.Eval[bool](phone, `navigator.serviceWorker.getRegistration('/app/').then(r => r.update()).then(() => true)`)
	phone.See("A new version is here")
	phone.Press("Search")
	phone.See("Find one of your leads") // of the version that it began with
	if title() != "Catchment" {
		t.Errorf("the open page is %q", title())
	}
	phone.Press("Reload")
	phone.Gone("A new version is here")
	phone.See("Find one of your leads")
	if title() != "Newer Catchment" {
		t.Errorf("after the reload it is %q", title())
	}
	if kept := apptest.Eval[[]string](phone, `caches.keys().then(all => all.filter(n => n.startsWith('shell-')))`); len(kept) != 2 {
		t.Errorf("kept: %q", kept)
	}
}
