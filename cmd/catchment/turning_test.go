package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// turns is when a key that is made here begins: later than the server, which
// looks once a second, has read of it.
const turns = 3 * time.Second

// The keys of codes, of the record and of the doors' snapshot take turns beside
// the working server. A session, a code and a one-time link from before go on,
// and new ones are had. Whoever rotates is killed at many moments, the server
// right after it: nothing is lost, and the next rotation is as good as any.
func TestSignInAcrossRotations(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	args := []string{"demo", "--quiet", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32"}
	server := start(t, args...)
	made := awaitDemo(t, server, dir, "")
	d := &deskDemo{t: t, url: made.URL}
	nobody := api{t, made.URL, ""}
	var who []demoUser // salespeople, a phone each
	for _, u := range made.Accounts[0].Users {
		if u.Role == "salesperson" {
			who = append(who, u)
		}
	}
	ask := func(u demoUser) (flow string) {
		return nobody.want(202, "POST", "/v1/sessions/codes", fields{"phone": u.Phone}).text("flow")
	}
	come := func(flow, code string) api {
		t.Helper()
		return api{t, d.url, nobody.want(201, "POST", "/v1/sessions", fields{"flow": flow, "code": code}).text("token")}
	}
	verb := func(args ...string) string {
		t.Helper()
		return do(t, 0, append(args, "--data", dir)...)
	}
	me := come(ask(who[0]), d.code(who[0].Phone))
	me.want(200, "GET", "/v1/me", nil)
	waiting := ask(who[1])
	code := d.code(who[1].Phone)
	said := line(verb("account", "create", "--name", "Example Lofts", "--admin-email", "ada@example.com"), "link")
	link := strings.Fields(said)[1]

	verb("keys", "rotate", "tokens", "--from", turns.String())
	time.Sleep(turns + time.Second)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	nobody.want(401, "POST", "/v1/sessions", fields{"flow": waiting, "code": wrong})
	come(waiting, code).want(200, "GET", "/v1/me", nil)
	nobody.want(401, "POST", "/v1/sessions", fields{"flow": waiting, "code": code}) // it is used up
	me.want(200, "GET", "/v1/me", nil)
	nobody.want(201, "POST", "/v1/links/redeem", fields{"token": link, "password": "a long password of Ada"})
	before, _ := d.codes(who[2].Phone)
	come(ask(who[2]), d.codeAfter(who[2].Phone, before)).want(200, "GET", "/v1/me", nil)

	for _, what := range []string{"tokens", "record", "snapshot"} {
		whoeverRotatesIsKilled(t, dir, what)
	}
	// The server is killed with three that have just been made, and comes back
	// before they begin.
	for _, what := range []string{"tokens", "record", "snapshot"} {
		time.Sleep(turns) // one that waits has begun
		verb("keys", "rotate", what, "--from", turns.String())
	}
	server.kill()
	server = start(t, args...)
	made = awaitDemo(t, server, dir, made.URL)
	d.url, nobody.base, me.base = made.URL, made.URL, made.URL
	me.want(200, "GET", "/v1/me", nil)
	offeredInDemo(t, made, "+12025550172")
	time.Sleep(turns)
	newest := map[string]string{}
	for l := range strings.Lines(verb("keys", "status")) {
		if f := strings.Fields(l); len(f) > 1 && strings.Contains(l, "in use") {
			newest[f[0]] = f[1]
		}
	}
	offeredInDemo(t, made, "+12025550173")
	me.want(200, "GET", "/v1/me", nil)
	before, _ = d.codes(who[3].Phone) // the others have asked a moment ago
	come(ask(who[3]), d.codeAfter(who[3].Phone, before)).want(200, "GET", "/v1/me", nil)
	keys := nobody.want(200, "GET", "/.well-known/catchment-record-keys.json", nil)
	if newest["record"] == "" || !strings.Contains(string(keys.body), newest["record"]) {
		t.Errorf("the record's key in use, %q, is not published", newest["record"])
	}
}

// whoeverRotatesIsKilled kills the command at moments spread over the time that
// it takes, and looks after each that no key went and the keyring opens.
func whoeverRotatesIsKilled(t *testing.T, dir, what string) {
	t.Helper()
	began := time.Now()
	do(t, 0, "keys", "rotate", what, "--from", "10ms", "--data", dir)
	takes := time.Since(began)
	keys := func() (ids []string) {
		for l := range strings.Lines(do(t, 0, "keys", "status", "--data", dir)) {
			if f := strings.Fields(l); len(f) > 1 && f[0] == what {
				ids = append(ids, f[1])
			}
		}
		return ids
	}
	was, done := keys(), 0
	const kills = 6
	for n := range kills {
		p := start(t, "keys", "rotate", what, "--from", "10ms", "--data", dir)
		select {
		case <-p.ended:
		case <-time.After(takes * time.Duration(3*(n+1)) / (2 * kills)):
			p.kill()
		}
		now := keys()
		for _, id := range was {
			if !slices.Contains(now, id) {
				t.Errorf("%s: key %s is gone after kill %d", what, id, n)
			}
		}
		if len(now) > len(was)+1 {
			t.Errorf("%s: %d keys were made at once", what, len(now)-len(was))
		}
		done, was = done+len(now)-len(was), now
	}
	t.Logf("%s: killed %d times within %s, %d keys were made all the same", what, kills, takes.Round(time.Millisecond), done)
	if out := do(t, 0, "keys", "rotate", what, "--from", "10ms", "--data", dir); !strings.HasPrefix(out, what+" key ") {
		t.Errorf("%s: after the kills: %s", what, out)
	}
}
