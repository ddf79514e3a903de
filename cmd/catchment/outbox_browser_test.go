package main

import (
	"testing"

	"catchment/internal/app/apptest"
)

// What a phone cannot send, or may not any more, is said with the way out: a
// lead that went to somebody else meanwhile, the time without a server, an
// offer, a second tab, signing out.
func TestOutboxInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openAwayDemo(t)
	phone := b.Own().Phone().Dark(false)
	d.signIn(phone, d.url)
	phone.See("My day")
	phone.Press("Away")
	phone.See("Available")
	accepted := func(name, number string) string {
		lead := d.enquire(name, number)
		phone.See("New lead")
		phone.Press("Accept")
		phone.See(name)
		return lead
	}
	passed := accepted("Chitra Example", "+442079460141")
	kept := accepted("Daniel Example", "+442079460142")
	phone.Press("Me")
	phone.See("Open. 0 entries wait")
	phone.Press("Back")
	phone.See("Daniel Example")

	// No server: a stage and a note wait; an offer does not.
	awaitWorker(phone)
	d.enquire("Esther Example", "+442079460143")
	phone.See("New lead")
	d.stop()
	phone.Press("Accept")
	phone.See("accepting needs the live server")
	apptest.Eval[bool](phone, `(() => { const now = Date.now; window.later = ms => { Date.now = () => now() + ms }; later(60e3); return true })()`)
	phone.See("Time ran out")
	phone.Press("Back to my day")
	openLead(phone, passed)
	phone.See("Chitra Example")
	note(phone, "Prefers the fourth floor.")
	openLead(phone, kept)
	phone.See("Daniel Example")
	phone.Open("More to do", "Close as lost")
	phone.Press("Close as lost")
	phone.Press("Not now")
	phone.See("2 to be sent")
	phone.See("Dropped")

	// The time is over, and signing out still asks about what is shut.
	apptest.Eval[bool](phone, `later(13 * 3600e3), document.dispatchEvent(new Event('visibilitychange')), true`)
	phone.See("Too long without the server")
	phone.See("This stops the app, no more")
	phone.Gone("Daniel Example")
	phone.Press("Me")
	phone.Press("Sign out")
	phone.See("2 entries were not sent yet")
	phone.Press("Cancel")

	// Back, but not before the first lead is a colleague's.
	apptest.Eval[bool](phone, `(() => { const ask = window.fetch; later(0); window.fetch = async r => { if (!window.through) throw new TypeError('no signal'); return ask(r) }; return true })()`)
	d.again()
	me := api{t, d.url, apptest.Eval[string](phone, `JSON.parse(localStorage.getItem('catchment.session')).token`)}
	me.want(200, "PUT", "/v1/me/presence", fields{"state": "away"})
	for _, o := range me.want(200, "GET", "/v1/offers", nil).items() {
		me.send("POST", "/v1/offers/"+o.(fields)["id"].(string)+"/decline", fields{}) // or it has expired by now
	}
	d.manager.want(200, "POST", "/v1/leads/"+passed+"/transfer", fields{"to": d.other})
	apptest.Eval[bool](phone, `window.through = true`)
	phone.Press("Back")
	phone.See("1 was not taken")
	d.reader.until("what stood behind the refused one", "/v1/leads/"+kept, func(l answer) bool { return l.text("stage", "category") == "dropped" })
	phone.Press("Look")
	phone.See("The lead has another owner by now")
	phone.See("Prefers the fourth floor.")

	// A second tab works with the server alone, and asks for the first, too.
	tab := b.Own().Phone().Dark(false)
	tab.Go(d.url + "/app/me")
	tab.See("The desk is open in another tab")
	tab.Press("Sign out")
	tab.See("1 entry was not sent yet")
	tab.Press("Delete and sign out")
	tab.See("Sign in")
	phone.See("Sign in")
	waits(tab, t, "the end of what was kept", `(async () => {
		const left = []; for await (const name of (await navigator.storage.getDirectory()).keys()) left.push(name)
		return left.length === 0 && (await indexedDB.databases()).length === 0 })()`)
}

// openLead goes there within the page, as a tap on a row does.
func openLead(p *apptest.Page, id string) {
	apptest.Eval[bool](p, `history.pushState(null, '', '/app/desk/leads/`+id+`'), dispatchEvent(new PopStateEvent('popstate')), true`)
}

func note(p *apptest.Page, text string) {
	p.Press("Note")
	p.Type("Note", text)
	p.Press("Keep")
	p.See(text)
}
