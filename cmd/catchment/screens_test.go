package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"catchment/internal/app/apptest"
)

var screensInto = flag.String("screens", "", "photograph every screen of the web app into this folder, as `make screenshots` does")

const axeScript = "../../browser/app/node_modules/axe-core/axe.min.js"

// screen is a place in the app and what shows that it is there.
type screen struct {
	name, as string // as: the role who sees it, empty for nobody signed in
	path     string
	shows    string // words, or none: its heading
	act      func(p *apptest.Page)
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
	{name: "profile", as: "salesperson", path: "/app/me", shows: "This device"},
	{name: "profile-enrol", as: "manager", path: "/app/me", shows: "This device", act: func(p *apptest.Page) {
		p.Press("Set up")
		p.See("The code that the app shows")
	}},
	{name: "console-board", as: "manager", path: "/app/console/board", shows: "The oldest waiting lead"},
	{name: "console-leads", as: "manager", path: "/app/console/leads?names=true", shows: "Harbour View"},
	{name: "console-story", as: "manager", path: "/app/console/leads?state=owned", act: func(p *apptest.Page) {
		p.See("Owned")
		p.Key("j")
		p.Key("\r")
		p.See("The story")
	}},
	{name: "console-start", as: "admin", path: "/app/console/start", shows: "What do you sell?"},
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
	dir := filepath.Join(t.TempDir(), "demo")
	made := awaitDemo(t, start(t, "demo", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32", "--rate", "120"), dir, "")
	g := gallery{t: t, b: b, url: made.URL, axe: string(axe), sessions: map[string]string{}}
	for _, u := range made.Accounts[0].Users {
		if g.sessions[u.Role] == "" {
			s := api{t, made.URL, ""}.want(201, "POST", "/v1/sessions", fields{"email": u.Email, "password": u.Password})
			g.sessions[u.Role] = string(s.body)
		}
	}
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

type gallery struct {
	t        *testing.T
	b        *apptest.Browser
	url, axe string
	sessions map[string]string // by role, as JSON
}

func (g gallery) walk(size, light, language, into string) {
	g.t.Helper()
	page := g.b.Page().Dark(light == "dark")
	if size == "phone" {
		page.Phone()
	} else {
		page.Desktop()
	}
	for _, s := range screens {
		page.Go(g.url + "/app/sign-in")
		said, _ := json.Marshal(g.sessions[s.as])
		// With the acts in English, the pictures in their own language.
		apptest.Eval[bool](page, fmt.Sprintf(`localStorage.clear(), localStorage.setItem('catchment.language', 'en'), %s && localStorage.setItem('catchment.session', %s), true`, said, said))
		if s.act == nil {
			apptest.Eval[bool](page, fmt.Sprintf(`localStorage.setItem('catchment.language', %q), true`, language))
		}
		page.Go(g.url + s.path)
		if s.shows != "" && (language == "en" || s.act != nil) {
			page.See(s.shows)
		}
		if s.act != nil {
			s.act(page)
		}
		apptest.Settle(page)
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
	}
}
