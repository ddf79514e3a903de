package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/notify/notifytest"
	"catchment/internal/totp"
)

var screensInto = flag.String("screens", "", "photograph every screen of the web app into this folder, as `make screenshots` does")

var screensOf = flag.String("screens-of", "", "only screens whose name, or whose picture's (day-phone-light-ar), matches this expression")

const axeScript = "../../browser/app/node_modules/axe-core/axe.min.js"

// look is how a picture is taken.
type look struct{ size, light, language string }

func (l look) of(name string) string {
	return strings.Join([]string{name, l.size, l.light, l.language}, "-")
}

// TestScreens opens every screen and lets axe look for what keeps people out.
// With -screens it photographs each at phone and desktop size, light and dark,
// and in a language that reads from right to left; a few on a tablet.
func TestScreens(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axeScript)
	if err != nil {
		t.Skip("axe-core is not installed: make build, where Node is")
	}
	g := openGallery(t, string(axe))
	looks := []look{{"phone", "light", "en"}}
	if *screensInto != "" {
		looks = []look{{"phone", "light", "en"}, {"phone", "dark", "en"}, {"desktop", "light", "en"}, {"desktop", "dark", "en"}, {"phone", "light", "ar"}, {"desktop", "dark", "ar"}, {"tablet", "light", "en"}}
	}
	for _, l := range looks {
		g.walk(l)
	}
}

// gallery is the app as its people see it: a demo where much happens, and one
// where only what a screen asks for does.
type gallery struct {
	t        *testing.T
	b        *apptest.Browser
	url, axe string
	sessions map[string]string // by role, as JSON
	quiet    *deskDemo
	signedIn time.Time // its salesperson
	me       api
	meID     string
	offered  int
	// What the browser's push service would say, which is out of reach here.
	subscription string
	screensOf    *regexp.Regexp
}

func openGallery(t *testing.T, axe string) *gallery {
	t.Helper()
	// Nobody reads what is pushed to it here, and on a slow machine something is.
	pushes := notifytest.Start(t, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	subscription, _ := json.Marshal(pushes.Subscribe("/phone"))
	g := &gallery{subscription: string(subscription), t: t, b: apptest.Open(t), axe: axe, quiet: openDeskDemo(t, "--push-hosts", pushes.Host()), sessions: map[string]string{}, screensOf: regexp.MustCompile(*screensOf)}
	dir := filepath.Join(t.TempDir(), "demo")
	made := awaitDemo(t, start(t, "demo", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32", "--rate", "120"), dir, "")
	g.url = made.URL
	g.sessions["operator"] = signInJSON(t, made.URL, demoUser{Email: made.Operator["email"], Password: made.Operator["password"], TOTP: made.Operator["totp"]})
	g.sessions["support"] = signInJSON(t, made.URL, demoUser{Email: made.Support["email"], Password: made.Support["password"], TOTP: made.Support["totp"]})
	for _, u := range made.Accounts[0].Users {
		if g.sessions[u.Role] == "" {
			g.sessions[u.Role] = signInJSON(t, made.URL, u)
		}
	}
	quiet, _ := readDemo(g.quiet.file)
	for i, who := range []string{"quiet ", "empty "} { // the second company has no lead yet
		for _, u := range quiet.Accounts[i].Users {
			if u.Role == "admin" || u.Role == "manager" {
				g.sessions[who+u.Role] = signInJSON(t, g.quiet.url, u)
			}
		}
	}
	had := api{t, made.URL, tokenOf(g.sessions["manager"])}.until("a lead that somebody has", "/v1/leads?state=owned&limit=1", func(a answer) bool { return len(a.items()) > 0 })
	admin := api{t, made.URL, tokenOf(g.sessions["admin"])}
	supporters := admin.want(200, "GET", "/v1/grants/supporters", nil).items()
	admin.want(201, "POST", "/v1/grants", fields{"to": supporters[0].(map[string]any)["id"], "leads": []any{had.items()[0].(map[string]any)["id"]}, "fields": []string{"name", "phone", "message"},
		"until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "reason": "Ticket 4711"})
	for i, kind := range []string{"access", "rectify", "erase", "unrestrict"} { // new, due soon, late, and refused
		asked := admin.want(201, "POST", "/v1/subject-requests", fields{"kind": kind, "person_id": had.items()[0].(map[string]any)["person_id"],
			"received_at": time.Now().AddDate(0, 0, -[]int{3, 25, 40, 8}[i]).UTC().Format(time.RFC3339)})
		if i == 3 {
			admin.want(200, "POST", "/v1/subject-requests/"+asked.text("id")+"/refuse", fields{"reason": "not-identified"})
		}
	}
	api{t, made.URL, tokenOf(g.sessions["admin"])}.until("a person who was opened to be called", "/v1/openings?purpose=contact&limit=1", func(a answer) bool { return len(a.items()) > 0 })
	second := api{t, made.URL, tokenOf(signInJSON(t, made.URL, demoUser{Email: made.Second["email"], Password: made.Second["password"], TOTP: made.Second["totp"]}))}
	second.want(201, "POST", "/v1/operator/approvals", fields{"kind": "break-glass", "account_id": made.Accounts[0].ID, "leads": []any{had.items()[0].(map[string]any)["id"]}, "fields": []string{"phone"},
		"minutes": 15, "purpose": "Leads arrive without numbers"})
	api{t, made.URL, ""}.send("POST", "/report", []byte("kind=misuse&place=https%3A%2F%2Fexample.com%2Foffer&email=ada%40example.com&message=The+form+on+this+page+asks+for+a+card+number+before+it+shows+a+price."), "Content-Type", "application/x-www-form-urlencoded")
	look := api{t, made.URL, tokenOf(g.sessions["operator"])}.want(201, "POST", "/v1/operator/approvals", fields{"kind": "logs", "from": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "to": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		"minutes": 60, "purpose": "Captures answered 503 at noon"})
	keepLine(t, dir, "jobs: a job failed", "kind", "route", "tries", 3, "account_id", made.Accounts[0].ID, "request_id", "req_01kb4n2b0xfk5rs8", "error", "the database does not answer")
	second.want(200, "POST", "/v1/operator/approvals/"+look.text("id")+"/approve", nil)
	old := time.Now().AddDate(-6, 0, 0)
	if err := os.Chtimes(filepath.Join(dir, "identity.txt"), old, old); err != nil { // a secret that is overdue
		t.Fatal(err)
	}
	g.signIn(t)
	timed := g.quiet.manager.want(201, "POST", "/v1/policies", fields{"project_id": g.quiet.project, "name": "In turn, timed",
		"policy": fields{"rules": []fields{{"name": "Everybody", "method": "round_robin"}}, "clocks": []fields{{"clock": "accept_to_attempt", "seconds": 1, "hours": "wall_clock", "then": "alert"}}}})
	g.quiet.manager.want(200, "POST", "/v1/policies/"+timed.text("id")+"/publish", nil)
	g.quiet.aDay(g.me)
	g.quiet.page.want(202, "POST", "/v1/leads", fields{"source": g.quiet.source, "message": "I would take all of them. Call me today.",
		"person": fields{"name": "Grigor Example", "email": "grigor@disposable.example"}})
	return g
}

// signIn has the quiet demo's salesperson come in by code, when that was not
// just now: for ten minutes after it a factor can be added.
func (g *gallery) signIn(t *testing.T) {
	t.Helper()
	if time.Since(g.signedIn) < 5*time.Minute {
		return
	}
	g.signedIn = time.Now()
	nobody := api{t, g.quiet.url, ""}
	before, _ := g.quiet.codes(g.quiet.me.Phone)
	flow := nobody.want(202, "POST", "/v1/sessions/codes", fields{"phone": g.quiet.me.Phone}).text("flow")
	session := nobody.want(201, "POST", "/v1/sessions", fields{"flow": flow, "code": g.quiet.codeAfter(g.quiet.me.Phone, before)})
	g.sessions["quiet salesperson"], g.me, g.meID = string(session.body), api{t, g.quiet.url, session.text("token")}, session.text("user_id")
}

// walk opens every screen, each as a test of its own on a page that they
// share; what failed may hold on to it, so that the next gets another.
func (g *gallery) walk(l look) {
	g.t.Helper()
	g.signIn(g.t)
	var page *apptest.Page
	for _, s := range slices.Concat(screens, asides) {
		if !g.screensOf.MatchString(s.name) && !g.screensOf.MatchString(l.of(s.name)) {
			continue
		}
		if l.size == "tablet" && !s.tablet || l.size == "desktop" && s.phone {
			continue
		}
		if page == nil {
			page = g.open(l)
		}
		fine := g.t.Run(l.of(s.name), func(t *testing.T) {
			for tries := 1; ; tries++ {
				g.actAs(t, page)
				if !page.Crashed(func() { g.visit(page, s, l) }) {
					return
				}
				if tries == 3 {
					t.Fatal("the tab crashed three times")
				}
				t.Log("the tab crashed; once more on another")
				page = g.open(l)
			}
		})
		g.actAs(g.t, page)
		// The desk keeps things; the next page does not begin with them.
		if !fine || s.alone || s.as == "salesperson" || strings.HasPrefix(s.path, "/app/desk") || s.path == "/app/me" {
			page.Close()
			page = nil
		}
	}
	if page != nil {
		page.Close()
	}
	if l.size == "tablet" {
		return
	}
	if g.screensOf.MatchString("away") || g.screensOf.MatchString(l.of("away")) {
		page := g.dress(g.b.Own(), l)
		g.t.Run(l.of("away"), func(t *testing.T) {
			g.actAs(t, page)
			g.away(page, l)
		})
		g.actAs(g.t, page)
		page.Close()
	}
}

// actAs has what goes wrong from now on be this test's.
func (g *gallery) actAs(t *testing.T, page *apptest.Page) {
	page.For(t)
	g.me.t, g.quiet.t, g.quiet.page.t, g.quiet.manager.t, g.quiet.reader.t = t, t, t, t, t
}

// breaks has the server's answers be what a screen asks for: none at all, its
// own fault, or one that the app cannot read.
const breaks = `(() => { const ask = window.fetch
	window.fetch = async (r, ...more) => {
		const how = localStorage.getItem('test.broken'), path = new URL(r.url ?? r, location.href).pathname
		if (!how || !path.startsWith('/v1/')) return ask(r, ...more)
		if (how === 'away') throw new TypeError('no signal')
		if (!/^\/v1\/(leads|board|alarms)/.test(path)) return ask(r, ...more)
		if (how === 'odd') return Response.json({ items: [{}], projects: 1 })
		return Response.json({ status: 500, code: 'internal', title: 'Something went wrong', request_id: 'req_01kb4n2b0xfk5rs8e3m7y1q6da' }, { status: 500, headers: { 'Content-Type': 'application/problem+json' } })
	} })()`

func (g *gallery) open(l look) *apptest.Page {
	return g.dress(g.b.Page(), l)
}

func (g *gallery) dress(page *apptest.Page, l look) *apptest.Page {
	page.Dark(l.light == "dark").Translate(tongueOf(g.t, l.language))
	page.Before(breaks)
	page.Before(subscribes(g.subscription))
	switch l.size {
	case "phone":
		return page.Phone()
	case "tablet":
		return page.Tablet()
	}
	return page.Desktop()
}

// visit opens a screen, acts, and looks at what is there.
func (g *gallery) visit(page *apptest.Page, s screen, l look) {
	t := g.quiet.t
	t.Helper()
	url, session := g.url, g.sessions[s.as]
	switch {
	case s.quiet:
		url, session = g.quiet.url, g.sessions["quiet "+s.as]
	case s.empty:
		url, session = g.quiet.url, g.sessions["empty "+s.as]
	}
	g.enter(page, url, session, s.broken, l)
	page.Go(url + s.path)
	if s.offer {
		defer g.offers(page, s.lost)()
	}
	if s.shows != "" {
		page.See(s.shows)
	}
	if s.act != nil {
		s.act(page)
	}
	g.judge(page, l.of(s.name))
}

// enter leaves in the page's storage what somebody has who signed in.
func (g *gallery) enter(page *apptest.Page, url, session, broken string, l look) {
	g.quiet.t.Helper()
	page.Go(url + "/app/sign.svg")
	said, _ := json.Marshal(session)
	apptest.Eval[bool](page, fmt.Sprintf(`localStorage.clear(), localStorage.setItem('catchment.language', %q), %s && localStorage.setItem('catchment.session', %s), %q && localStorage.setItem('test.broken', %q), true`, l.language, said, said, broken, broken))
}

// judge looks at what is there: a picture, axe, and what went wrong.
func (g *gallery) judge(page *apptest.Page, name string) {
	t := g.quiet.t
	t.Helper()
	apptest.Settle(page)
	g.keep(page, name) // before an offer's time runs out
	said := apptest.Eval[bool](page, `!!document.querySelector('[data-toast]')`)
	for _, v := range page.Axe(g.axe) {
		if said && v.ID == "target-size" && strings.Contains(v.Where, "partially obscured") {
			continue // by a message, which goes by itself
		}
		t.Errorf("%s: %s\n%s", v.ID, v.Help, v.Where)
	}
	for _, f := range page.Faults() {
		t.Errorf("the page: %s", f)
	}
}

// keep takes the picture, where somebody wants it.
func (g *gallery) keep(page *apptest.Page, name string) {
	t := g.quiet.t
	t.Helper()
	if *screensInto == "" {
		return
	}
	if err := os.MkdirAll(*screensInto, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screensInto, name+".png"), page.Shot(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// offers has a lead offered to the salesperson whose page it is. Afterwards it
// is a colleague's: nothing is open to them, nor waits for them to come back.
func (g *gallery) offers(page *apptest.Page, lost bool) (after func()) {
	g.offered++
	g.me.want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
	lead := g.quiet.enquire("Fatima Example", fmt.Sprintf("+4420794602%02d", g.offered))
	page.See("Accept")
	g.me.want(200, "PUT", "/v1/me/presence", fields{"state": "away"})
	over := func() {
		g.quiet.manager.want(200, "POST", "/v1/leads/"+lead+"/transfer", fields{"to": g.quiet.other})
	}
	if lost {
		over()
		over = func() {}
	}
	return over
}

// signInJSON is a session as the app keeps it, after the second factor of who
// has one.
func signInJSON(t *testing.T, url string, u demoUser) string {
	t.Helper()
	in := api{t, url, ""}.want(201, "POST", "/v1/sessions", fields{"email": u.Email, "password": u.Password})
	if u.TOTP == "" {
		return string(in.body)
	}
	var session fields
	if err := json.Unmarshal(in.body, &session); err != nil {
		t.Fatal(err)
	}
	// The demo used a code when it set up the app, most often that of the step before.
	var shown answer
	for at := time.Now(); ; at = at.Add(totp.Step) {
		code, err := totp.Code(u.TOTP, at)
		if err != nil {
			t.Fatal(err)
		}
		shown = api{t, url, in.text("token")}.send("POST", "/v1/sessions/current/factors", fields{"totp": code})
		if shown.status != 422 || at.After(time.Now()) {
			break
		}
	}
	if shown.status != 200 {
		t.Fatalf("a second factor: %d %s", shown.status, shown.body)
	}
	session["token"], session["level"], session["needs"], session["limited"] = shown.text("token"), 2, []string{}, false
	text, _ := json.Marshal(session)
	return string(text)
}

func tokenOf(session string) string {
	var s struct{ Token string }
	_ = json.Unmarshal([]byte(session), &s)
	return s.Token
}
