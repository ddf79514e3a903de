package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/totp"
)

var screensInto = flag.String("screens", "", "photograph every screen of the web app into this folder, as `make screenshots` does")

var screensOf = flag.String("screens-of", "", "only screens whose name matches this expression")

const axeScript = "../../browser/app/node_modules/axe-core/axe.min.js"

// screen is a place in the app and what shows that it is there.
type screen struct {
	name, as string // as: the role who sees it, empty for nobody signed in
	path     string
	shows    string // words, or none: its heading
	act      func(p *apptest.Page)
	quiet    bool // in the demo where nobody else moves
	offer    bool // a lead is offered meanwhile
	lost     bool // and another gets it
}

// firstLead opens the first lead of a list.
func firstLead(p *apptest.Page) {
	apptest.Row(p)
	p.See("What happened")
}

var askedFor int

var screens = []screen{
	{name: "sign-in", path: "/app/sign-in"},
	{name: "sign-in-password", path: "/app/sign-in", act: func(p *apptest.Page) { p.Press("Use a password"); p.See("E-mail") }},
	{name: "sign-in-code", path: "/app/sign-in", act: func(p *apptest.Page) {
		askedFor++ // a number is sent a code every half minute
		p.Type("Your phone number", fmt.Sprintf("+4420794601%02d", 50+askedFor))
		p.Press("Send code")
		p.See("Six-digit code")
	}},
	{name: "profile", as: "salesperson", quiet: true, path: "/app/me", shows: "This device"},
	{name: "profile-step-up", as: "manager", path: "/app/me", shows: "This device", act: func(p *apptest.Page) {
		p.Press("Set up")
		p.See("Send a code to my phone")
	}},
	{name: "profile-enrol", as: "salesperson", quiet: true, path: "/app/me", shows: "This device", act: func(p *apptest.Page) {
		p.Press("Set up")
		p.See("The code that the app shows")
	}},
	{name: "console-board", as: "manager", path: "/app/console/board", shows: "The oldest waiting lead"},
	{name: "console-leads", as: "manager", path: "/app/console/leads?names=true", shows: "Harbour View"},
	{name: "console-story", as: "manager", path: "/app/console/leads?state=owned", act: func(p *apptest.Page) {
		p.See("Speed to lead")
		p.Key("j")
		p.Key("\r")
		p.See("The story")
	}},
	{name: "console-alarms", as: "manager", path: "/app/console/alarms", shows: "Where time ran out"},
	{name: "console-roles", as: "admin", path: "/app/console/roles", shows: "Reads leads, without the persons"},
	{name: "console-role-new", as: "admin", path: "/app/console/roles", act: func(p *apptest.Page) {
		p.Press("New role")
		p.See("Save the role")
	}},
	{name: "console-settings", as: "admin", path: "/app/console/settings", shows: "Company sign-in"},
	{name: "console-team", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Team and offers")
		p.See("How leads are offered")
	}},
	{name: "console-start", as: "admin", path: "/app/console/start", shows: "What do you sell?"},
	{name: "day", as: "salesperson", quiet: true, path: "/app/desk", shows: "My day"},
	{name: "day-empty", as: "salesperson", quiet: true, path: "/app/desk?list=returned", shows: "Nobody came back"},
	{name: "presence", as: "salesperson", quiet: true, path: "/app/desk", shows: "My day", act: func(p *apptest.Page) {
		p.Press("Choose presence")
		p.See("Engaged")
	}},
	{name: "search", as: "salesperson", quiet: true, path: "/app/desk/search", shows: "Find one of your leads", act: func(p *apptest.Page) { p.Type("Name, phone", "ex"); apptest.Settle(p) }},
	{name: "lead", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: firstLead},
	{name: "lead-next", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("Follow-up")
		p.See("In a week")
	}},
	{name: "lead-booking", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("More to do")
		p.Press("Booking")
		p.See("Unit")
	}},
	{name: "lead-correct", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("More to do")
		p.Press("Correct name or number")
		p.See("What stood there is kept")
	}},
	{name: "outcome", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Outside()
		p.Press("Call")
		p.Press("How did it go?")
		p.See("Interested")
	}},
	{name: "outcome-next", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Outside()
		p.Press("Call")
		p.Press("How did it go?")
		p.Press("No answer")
		p.See("What is next?")
	}},
	{name: "team", as: "manager", path: "/app/desk/team", shows: "People"},
	{name: "offer", as: "salesperson", path: "/app/desk", quiet: true, offer: true, act: func(p *apptest.Page) { p.See("Accept") }},
	{name: "offer-lost", as: "salesperson", path: "/app/desk", quiet: true, offer: true, lost: true, act: func(p *apptest.Page) { p.See("A colleague has it") }},
	{name: "console-routing", as: "manager", path: "/app/console/routing", shows: "Write a new version"},
	{name: "console-draft", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Write a new version")
		p.Press("Add a rule")
		p.See("It says")
		p.See("Rule 1:")
	}},
	{name: "console-policy", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Version 1, In turn")
		p.Press("Try it")
		p.See("decisions would have been")
	}},
	{name: "console-reports", as: "manager", path: "/app/console/reports", shows: "How far they came"},
	{name: "console-reports-people", as: "marketer", path: "/app/console/reports?by=salesperson&days=1", shows: "Compared"},
	{name: "console-people", as: "manager", path: "/app/console/people", shows: "Imogen Quill"},
	{name: "console-person", as: "manager", path: "/app/console/people?role=salesperson", act: func(p *apptest.Page) {
		p.See("Priya")
		p.Key("j")
		p.Key("\r")
		p.See("Shifts")
	}},
	{name: "console-sources", as: "admin", path: "/app/console/sources", shows: "landing page"},
	{name: "console-source", as: "admin", path: "/app/console/sources", act: func(p *apptest.Page) {
		p.See("landing page")
		p.Key("j")
		p.Key("\r")
		p.See("<form method")
	}},
	{name: "console-keys", as: "admin", path: "/app/console/keys", shows: "Demo pages"},
	{name: "console-files", as: "admin", path: "/app/console/files", shows: "No file was brought in yet"},
	{name: "console-held", as: "manager", path: "/app/console/held", shows: "Dead letters"},
	{name: "console-platform", as: "operator", path: "/app/console/platform", shows: "Saltmarsh"},
	{name: "console-platform-record", as: "operator", path: "/app/console/platform/record", shows: "operator.create"},
	{name: "join", path: "/app/join#one-time", shows: "Choose a password"},
	{name: "nowhere", as: "salesperson", path: "/app/not/there"},
}

// TestScreens opens every screen and lets axe look for what keeps people out.
// With -screens it photographs each at phone and desktop size, light and dark,
// and in a language that reads from right to left.
func TestScreens(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axeScript)
	if err != nil {
		t.Skip("axe-core is not installed: make build, where Node is")
	}
	b := apptest.Open(t)
	g := gallery{t: t, b: b, axe: string(axe), quiet: openDeskDemo(t), sessions: map[string]string{}}
	dir := filepath.Join(t.TempDir(), "demo")
	made := awaitDemo(t, start(t, "demo", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32", "--rate", "120"), dir, "")
	g.url = made.URL
	g.sessions["operator"] = signInJSON(t, made.URL, demoUser{Email: made.Operator["email"], Password: made.Operator["password"], TOTP: made.Operator["totp"]})
	for _, u := range made.Accounts[0].Users {
		if g.sessions[u.Role] == "" {
			g.sessions[u.Role] = signInJSON(t, made.URL, u)
		}
	}
	nobody := api{t, g.quiet.url, ""} // by code: after that a factor can be added
	flow := nobody.want(202, "POST", "/v1/sessions/codes", fields{"phone": g.quiet.me.Phone}).text("flow")
	g.quietMe = string(nobody.want(201, "POST", "/v1/sessions", fields{"flow": flow, "code": g.quiet.code(g.quiet.me.Phone)}).body)
	g.me = api{t, g.quiet.url, tokenOf(g.quietMe)}
	g.quiet.aDay(g.me)
	if *screensInto == "" {
		g.walk("phone", "light", "en", "")
		return
	}
	for _, size := range []string{"phone", "desktop"} {
		for _, light := range []string{"light", "dark"} {
			g.walk(size, light, "en", *screensInto)
		}
	}
	g.walk("phone", "light", "ar", *screensInto)
	g.walk("desktop", "dark", "ar", *screensInto)
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
	// The demo used the code of the step before when it set up the app.
	code, err := totp.Code(u.TOTP, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	shown := api{t, url, in.text("token")}.want(200, "POST", "/v1/sessions/current/factors", fields{"totp": code})
	session["token"], session["level"], session["needs"], session["limited"] = shown.text("token"), 2, []string{}, false
	text, _ := json.Marshal(session)
	return string(text)
}

func tokenOf(session string) string {
	var s struct{ Token string }
	_ = json.Unmarshal([]byte(session), &s)
	return s.Token
}

type gallery struct {
	t        *testing.T
	b        *apptest.Browser
	url, axe string
	sessions map[string]string // by role, as JSON
	quiet    *deskDemo
	quietMe  string // its salesperson's session
	me       api
	offered  int
}

func (g *gallery) open(size, light string) *apptest.Page {
	page := g.b.Page().Dark(light == "dark")
	if size == "phone" {
		return page.Phone()
	}
	return page.Desktop()
}

func (g *gallery) walk(size, light, language, into string) {
	g.t.Helper()
	var page *apptest.Page
	for i, s := range screens {
		if i%12 == 0 { // a page has five minutes, and a busy machine is slow
			page = g.open(size, light)
		}
		if ok, err := regexp.MatchString(*screensOf, s.name); !ok || err != nil {
			continue
		}
		url, session := g.url, g.sessions[s.as]
		if s.quiet {
			url, session = g.quiet.url, g.quietMe
		}
		page.Go(url + "/app/sign.svg")
		said, _ := json.Marshal(session)
		// With the acts in English, the pictures in their own language.
		apptest.Eval[bool](page, fmt.Sprintf(`localStorage.clear(), localStorage.setItem('catchment.language', 'en'), %s && localStorage.setItem('catchment.session', %s), true`, said, said))
		if s.act == nil {
			apptest.Eval[bool](page, fmt.Sprintf(`localStorage.setItem('catchment.language', %q), true`, language))
		}
		page.Go(url + s.path)
		if s.offer {
			g.offered++
			g.me.want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
			lead := g.quiet.enquire("Fatima Example", fmt.Sprintf("+4420794602%02d", g.offered))
			page.See("Accept")
			if s.lost {
				g.quiet.manager.want(200, "POST", "/v1/leads/"+lead+"/transfer", fields{"to": g.quiet.other})
			}
		}
		if s.shows != "" && (language == "en" || s.act != nil) {
			page.See(s.shows)
		}
		if s.act != nil {
			s.act(page)
		}
		apptest.Settle(page)
		if s.offer { // before the next screen nothing is open to them
			g.me.want(200, "PUT", "/v1/me/presence", fields{"state": "away"})
		}
		for _, v := range page.Axe(g.axe) {
			g.t.Errorf("%s (%s, %s, %s): %s: %s\n%s", s.name, size, light, language, v.ID, v.Help, v.Where)
		}
		if into != "" {
			name := strings.Join([]string{s.name, size, light, language}, "-") + ".png"
			if err := os.MkdirAll(into, 0o755); err != nil {
				g.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(into, name), page.Shot(), 0o644); err != nil {
				g.t.Fatal(err)
			}
		}
		if s.offer {
			g.declineAll()
		}
	}
}

// declineAll leaves nothing open to the salesperson for the next screen.
func (g *gallery) declineAll() {
	g.t.Helper()
	for _, o := range g.me.want(200, "GET", "/v1/offers", nil).items() {
		g.me.want(200, "POST", "/v1/offers/"+o.(fields)["id"].(string)+"/decline", fields{})
	}
}
