package main

import (
	"fmt"

	"catchment/internal/app/apptest"
)

// away goes with a phone to where no server is: what it says, what it keeps,
// how it is shut, and what becomes of what nobody takes any more.
func (g *gallery) away(page *apptest.Page, l look) {
	d := g.quiet
	d.t.Helper()
	g.offered++
	who := fmt.Sprintf("Hassan Example %d", g.offered)
	lead := d.enquire(who, fmt.Sprintf("+4420794604%02d", g.offered))
	d.manager.want(200, "POST", "/v1/leads/"+lead+"/transfer", fields{"to": d.other})
	shot := func(name string) { g.judge(page, l.of("away-"+name)) }

	page.Go(d.url + "/app/sign.svg")
	apptest.Eval[bool](page, `(async () => { // what the look before has left
		const files = await navigator.storage.getDirectory()
		for await (const name of files.keys()) await files.removeEntry(name, { recursive: true })
		for (const b of await indexedDB.databases()) indexedDB.deleteDatabase(b.name)
		return true
	})()`)
	g.enter(page, d.url, signInJSON(d.t, d.url, d.mate), "", l)
	page.Go(d.url + "/app/desk/leads/" + lead)
	page.See("What happened")
	page.Press("Back")
	page.Press("Me")
	page.See("Open. 0 entries wait to be sent.") // the sealed copy is there
	awaitWorker(page)
	page.Press("Back")
	apptest.Eval[bool](page, `localStorage.setItem('test.broken', 'away'), true`)
	openLead(page, lead)
	page.See("No connection")
	page.See(who)
	shot("line")

	page.Press("Note")
	page.Type("Note", "Prefers the fourth floor.")
	page.Press("Keep note")
	page.See("Kept on this device")
	shot("kept")
	page.Press("1 to be sent")
	page.See("In this order, once each")
	shot("outbox")
	page.Press("Close")
	page.Press("Me")
	page.Press("Sign out")
	page.See("1 entry was not sent yet")
	shot("leaving")
	page.Press("Cancel")

	page.Go(d.url + "/app/desk")
	page.See("stays shut until the server answers")
	shot("shut")

	// As where a passkey was set up: only whether there is one is looked at.
	apptest.Eval[bool](page, `new Promise((good, bad) => { const r = indexedDB.open('catchment'); r.onerror = bad; r.onsuccess = () => {
		const s = r.result.transaction('device', 'readwrite').objectStore('device'), q = s.get('me')
		q.onsuccess = () => { s.put({ ...q.result, wrapped: {} }, 'me').onsuccess = () => { r.result.close(); good(true) } } } })`)
	page.Go(d.url + "/app/desk")
	page.See("Unlock")
	shot("passkey")

	d.manager.want(200, "POST", "/v1/leads/"+lead+"/transfer", fields{"to": g.meID})
	apptest.Eval[bool](page, `localStorage.removeItem('test.broken'), true`)
	page.Press("Try again")
	page.See("1 was not taken")
	page.Press("Look")
	page.See("The lead has another owner by now")
	shot("refused")

	apptest.Eval[bool](page, `localStorage.setItem('test.broken', 'away'), (() => { const now = Date.now; Date.now = () => now() + 13 * 3600e3; return document.dispatchEvent(new Event('visibilitychange')) })()`)
	page.See("Too long without the server")
	shot("over")
}
