package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/upload/specimen"
)

// deskDemo is the quiet demo with one salesperson who takes everything.
type deskDemo struct {
	t       *testing.T
	url     string
	page    api // a page that hands in leads
	manager api
	reader  api // a program that reads them
	me      demoUser
	other   string // another salesperson's id, of the same project
	mate    demoUser
	mateAPI api
	source  string
	project string
	process *process
	file    string // demo.json
}

func openDeskDemo(t *testing.T, flags ...string) *deskDemo {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	running := start(t, append([]string{"demo", "--quiet", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32"}, flags...)...)
	made := awaitDemo(t, running, dir, "")
	a := made.Accounts[0]
	d := &deskDemo{t: t, process: running, file: filepath.Join(dir, "demo.json"), url: made.URL, page: api{t, made.URL, a.Publishable}, reader: api{t, made.URL, a.Secret}, source: a.Sources[0].Slug, project: a.Sources[0].Project}
	for _, u := range a.Users {
		if u.Role != "salesperson" && u.Role != "manager" {
			continue
		}
		s := api{t, made.URL, ""}.want(201, "POST", "/v1/sessions", fields{"email": u.Email, "password": u.Password})
		who := api{t, made.URL, s.text("token")}
		switch {
		case u.Role == "manager":
			d.manager = who
		case d.me.Name == "":
			d.me = u
			who.want(200, "PUT", "/v1/me/presence", fields{"state": "away"})
		default:
			d.other, d.mate, d.mateAPI = s.text("user_id"), u, who
			who.want(200, "PUT", "/v1/me/presence", fields{"state": "logged-off"})
		}
	}
	return d
}

// enquire hands in a lead as a page of the company would, and gives its id.
func (d *deskDemo) enquire(name, phone string) string {
	d.t.Helper()
	return d.enquireWith(fields{"source": d.source, "message": "Is the two-room flat still free?", "person": fields{"name": name, "phone": phone}})
}

func (d *deskDemo) enquireWith(body fields) string {
	d.t.Helper()
	return attached(d.reader, d.page.want(202, "POST", "/v1/leads", body).text("id"))
}

// aDay gives the salesperson leads in every stage of work.
func (d *deskDemo) aDay(me api) {
	d.t.Helper()
	in := func(wait time.Duration) fields { return fields{"at": time.Now().Add(wait), "what": "call"} }
	work := []struct {
		name, message string
		result        fields
	}{
		{"Asha Example", "Is the two-room flat still free? We would move in the spring.", nil},
		{"Benedict Example", "", fields{"channel": "call", "disposition": "no-answer", "next": in(20 * time.Minute)}},
		{"Chitra Example", "Is there a floor plan, and what does parking cost?", fields{"channel": "call", "disposition": "interested", "talk_ms": 184_000,
			"note": "Wants to see it with her brother. Prefers the fourth floor.", "next": in(26 * time.Hour), "stage": fields{"category": "follow-up"}}},
		{"Daniel Example", "Call me after six.", fields{"channel": "call", "disposition": "call-back", "talk_ms": 32_000, "next": in(2 * time.Second), "stage": fields{"category": "follow-up"}}},
		{"Esther Example", "Hello, what is the price for three rooms?", fields{"channel": "whatsapp", "disposition": "sent"}},
	}
	me.want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
	for i, w := range work {
		lead := d.enquireWith(fields{"source": d.source, "message": w.message, "person": fields{"name": w.name, "phone": fmt.Sprintf("+4420794603%02d", i), "email": strings.ToLower(w.name[:4]) + "@example.com"},
			"custom": fields{"bedrooms": "2", "budget": "400k-600k"}, "attribution": fields{"utm_source": "newsletter", "utm_campaign": "spring"}})
		var offer string
		me.until("its offer", "/v1/offers", func(a answer) bool {
			for _, o := range a.items() {
				if o := o.(fields); o["lead_id"] == lead {
					offer, _ = o["id"].(string)
				}
			}
			return offer != ""
		})
		me.want(200, "POST", "/v1/offers/"+offer+"/accept", nil)
		if w.result != nil {
			me.want(201, "POST", "/v1/leads/"+lead+"/attempts", w.result)
		}
		if i == 0 {
			for _, f := range []chosen{{"Passport, page 2.jpg", specimen.Photo(1200, 900, 1)}, {"Booking form, signed.pdf", specimen.PDF()}, {"What Asha asked on the phone.txt", []byte("Parking, a lift, and a place for two bicycles.\n")}} {
				said := []string{"Content-Type", "application/octet-stream", "Content-Disposition", "attachment; filename*=UTF-8''" + url.PathEscape(f.name)}
				if got := me.send("POST", "/v1/leads/"+lead+"/files", f.content, said...); got.status != 201 {
					d.t.Fatalf("a file: %d %s", got.status, got.body)
				}
			}
		}
		if i == 2 {
			me.want(201, "POST", "/v1/leads/"+lead+"/visits", fields{"at": time.Now().Add(72 * time.Hour), "place": "Show flat, second floor"})
		}
	}
	me.want(200, "PUT", "/v1/me/presence", fields{"state": "away"})
}

// code is the last one that was sent to the number.
func (d *deskDemo) code(phone string) (code string) {
	d.t.Helper()
	return d.codeAfter(phone, 0)
}

// codes counts what was sent to the number, and gives the last.
func (d *deskDemo) codes(phone string) (n int, last string) {
	d.t.Helper()
	for _, m := range (api{d.t, d.url, ""}).want(200, "GET", "/demo/outbox", nil).items() {
		if m := m.(fields); m["to"] == phone {
			if n++; n == 1 { // the newest stands first
				last = m["code"].(string)
			}
		}
	}
	return n, last
}

// codeAfter is the one that was sent to the number after so many.
func (d *deskDemo) codeAfter(phone string, before int) (code string) {
	d.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if n, last := d.codes(phone); n > before {
			return last
		}
	}
	d.t.Fatal("no code was sent")
	return ""
}

// A salesperson's day in a phone's browser: in by code, an offer, a call, how
// it went, what is next; and an offer that another got.
func TestDeskInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	phone := b.Page().Phone().Dark(false)

	phone.Go(d.url + "/")
	phone.Type("Your phone number", d.me.Phone)
	phone.Press("Send code")
	code := d.code(d.me.Phone)
	wrong := "111111"
	if code == wrong {
		wrong = "222222"
	}
	phone.Type("Six-digit code", wrong)
	phone.See("That code is wrong or too old")
	phone.Type("Six-digit code", code)
	phone.See("My day")

	phone.Press("Away")
	phone.See("Available")
	lead := d.enquire("Asha Example", "+442079460123")
	phone.See("New lead") // told by the stream: nothing was pressed
	phone.Press("Accept")
	phone.See("It is yours")
	phone.See("Asha Example")
	phone.See("Is the two-room flat still free?")

	led := phone.Outside()
	phone.Press("Call")
	if led() != "tel:+442079460123" {
		t.Errorf("the call leads to %q", led())
	}
	phone.Press("How did it go?")
	phone.Press("Interested")
	phone.Press("Tomorrow")
	phone.See("Kept")
	phone.Gone("Nobody has tried yet")
	got := d.reader.want(200, "GET", "/v1/leads/"+lead, nil)
	if got.text("next_at") == "" || got.text("next_what") != "call" || got.text("stage", "category") != "follow-up" || got.text("clocks", "evidence", "speed_to_lead") != "seen" {
		t.Errorf("the lead after the call: %s", got.body)
	}
	tried := d.reader.want(200, "GET", "/v1/leads/"+lead+"/attempts", nil).items()
	if len(tried) != 1 || tried[0].(fields)["disposition"] != "interested" || tried[0].(fields)["channel"] != "call" {
		t.Errorf("attempts: %v", tried)
	}

	phone.Open("More to do", "Correct name or number")
	phone.Press("Correct name or number")
	phone.Type("E-mail", "asha.example@example.com")
	phone.Press("Correct")
	phone.See("asha.example@example.com")
	if p := d.manager.want(200, "GET", "/v1/leads/"+lead, nil); p.text("person", "email") != "asha.example@example.com" {
		t.Errorf("the corrected person: %s", p.body)
	}

	second := d.enquire("Ben Example", "+442079460124")
	phone.See("New lead")
	d.manager.want(200, "POST", "/v1/leads/"+second+"/transfer", fields{"to": d.other})
	phone.See("A colleague has it")
	phone.Press("Back to my day")
	phone.Gone("A colleague has it")

	third := d.enquire("Chitra Example", "+442079460125")
	phone.See("New lead")
	phone.Press("Decline")
	phone.Gone("New lead")
	d.reader.until("declined", "/v1/leads/"+third, func(a answer) bool { return a.text("state") == "waiting" })
}

// Who has a passkey signs in by it, and it is a second factor: made on the
// profile's page, shown at the next sign-in.
func TestPasskeyInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	url := strings.Replace(d.url, "127.0.0.1", "localhost", 1) // a passkey is of a name
	phone := b.Page().Phone().Dark(false)
	phone.Authenticator()

	d.signIn(phone, url)
	phone.See("Sign in faster next time")
	phone.Press("Set up") // leads to the profile
	phone.See("Signed in")
	phone.Open("Set up", "Make a passkey") // of the passkey, which stands first
	phone.Press("Make a passkey")
	phone.See("Send a code to my phone") // a password alone adds no factor
	phone.Press("Send a code to my phone")
	phone.Type("Six-digit code", d.code(d.me.Phone))
	phone.See("Keep these ten recovery codes")
	phone.Press("I have kept them")
	phone.See("10 left")

	phone.Press("Sign out")
	phone.Press("Sign in with your passkey")
	phone.See("My day")
	if level := apptest.Eval[int](phone, `JSON.parse(localStorage.getItem('catchment.session')).level`); level != 2 {
		t.Errorf("a session of level %d", level)
	}
}

// open shows the desk to a salesperson who is signed in.
// signIn signs the salesperson in by password.
func (d *deskDemo) signIn(phone *apptest.Page, url string) {
	d.t.Helper()
	phone.Go(url + "/app/sign-in")
	phone.Press("Use a password")
	phone.Type("E-mail", d.me.Email)
	phone.Type("Password", d.me.Password)
	phone.Press("Sign in")
}

// open has somebody be in already, on a tab of theirs: of the browser's own
// profile where they leave the page again, see apptest.ErrCrashed.
func (d *deskDemo) open(tab *apptest.Page, u demoUser) *apptest.Page {
	d.t.Helper()
	phone := tab.Phone().Dark(false)
	phone.Go(d.url + "/app/sign.svg")
	said, _ := json.Marshal(signInJSON(d.t, d.url, u))
	apptest.Eval[bool](phone, fmt.Sprintf(`localStorage.setItem('catchment.session', %s), true`, said))
	phone.Go(d.url + "/app/desk")
	phone.See("My day")
	return phone
}

// Two browsers race for one offer: one has it, and the other is told at once.
func TestRaceInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	drafted := d.manager.want(201, "POST", "/v1/policies", fields{"project_id": d.project, "name": "Whoever is first",
		"policy": fields{"rules": []fields{{"name": "Everybody", "method": "first_to_claim"}}}})
	d.manager.want(200, "POST", "/v1/policies/"+drafted.text("id")+"/publish", nil)
	one, two := d.open(b.Page(), d.me), d.open(b.Page(), d.mate)
	d.mateAPI.want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
	one.Press("Away")
	one.See("Available")
	lead := d.enquire("Asha Example", "+442079460126")
	one.See("New lead")
	two.See("New lead")

	one.Press("Accept")
	began := time.Now()
	two.See("A colleague has it")
	t.Logf("the other was told %d ms after the press", time.Since(began).Milliseconds())
	one.See("It is yours")
	if strings.Contains(two.Text(), "Asha Example") {
		t.Error("who lost the offer sees the person")
	}
	if owner := d.reader.want(200, "GET", "/v1/leads/"+lead, nil).text("owner_name"); owner != d.me.Name {
		t.Errorf("it belongs to %q", owner)
	}

	// And both at the same moment.
	two.Press("Back to my day")
	two.Gone("A colleague has it")
	second := d.enquire("Ben Example", "+442079460127")
	one.See("New lead")
	two.See("New lead")
	at := time.Now().Add(700 * time.Millisecond).UnixMilli()
	for _, p := range []*apptest.Page{one, two} {
		apptest.Eval[bool](p, fmt.Sprintf(`setTimeout(() => [...document.querySelectorAll('[role=alertdialog] button')].find(b => b.innerText.includes('Accept')).click(), %d - Date.now()), true`, at))
	}
	d.reader.until("an owner", "/v1/leads/"+second, func(a answer) bool { return a.text("state") == "owned" })
	winner, loser := one, two
	if d.reader.want(200, "GET", "/v1/leads/"+second, nil).text("owner_name") == d.mate.Name {
		winner, loser = two, one
	}
	loser.See("A colleague has it")
	winner.See("Ben Example")
	if strings.Contains(winner.Text(), "A colleague has it") || strings.Contains(loser.Text(), "Ben Example") {
		t.Error("both were told the same")
	}
}
