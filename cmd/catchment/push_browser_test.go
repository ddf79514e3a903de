package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/notify/notifytest"
)

// pushPhone is a phone whose browser has its pushes from a service of the test.
type pushPhone struct {
	*apptest.Page
	s       *notifytest.Service
	deliver func(string)
}

// openPushPhone shows the desk; the browser's own push service is out of reach
// here, so what the browser would say of its subscription is given to it.
func (d *deskDemo) openPushPhone(b *apptest.Browser, s *notifytest.Service) *pushPhone {
	d.t.Helper()
	said, _ := json.Marshal(s.Subscribe("/phone"))
	p := &pushPhone{Page: b.Page().Phone().Dark(false), s: s}
	p.Notifications("prompt")
	p.Before(subscribes(string(said)))
	p.Go(d.url + "/app/sign.svg")
	session := signInJSON(d.t, d.url, d.me)
	key, err := base64.RawURLEncoding.DecodeString(api{d.t, d.url, tokenOf(session)}.want(200, "GET", "/v1/push/key", nil).text("key"))
	if err != nil {
		d.t.Fatal(err)
	}
	s.Key.Store(&key)
	text, _ := json.Marshal(session)
	apptest.Eval[bool](p.Page, fmt.Sprintf(`localStorage.setItem('catchment.session', %s), true`, text))
	p.Go(d.url + "/app/desk")
	p.See("My day")
	awaitWorker(p.Page)
	p.deliver = p.Deliverer(d.url)
	return p
}

// subscribes has the browser say this of its subscription.
func subscribes(said string) (script string) {
	return fmt.Sprintf(`if (self.PushManager) {
		const sub = { toJSON: () => (%s), options: {}, unsubscribe: async () => (localStorage.removeItem('test.sub'), true) }
		PushManager.prototype.subscribe = async () => (localStorage.setItem('test.sub', '1'), sub)
		PushManager.prototype.getSubscription = async () => localStorage.getItem('test.sub') ? sub : null
	}`, said)
}

// bring hands a push to the browser, as its service would.
func (p *pushPhone) bring(x notifytest.Pushed) {
	text, _ := json.Marshal(x.Fields)
	p.deliver(string(text))
}

// shown are the notifications of offers on the phone.
func (p *pushPhone) shown(d *deskDemo) string {
	d.t.Helper()
	return apptest.InWorker[string](p.Page, `registration.getNotifications().then(all => all.filter(n => n.tag.startsWith('offer:')).map(n => [n.tag, n.title, n.body].join(' ')).join('\n'))`)
}

// An offer reaches a phone whose app is closed: it is pushed, acknowledged,
// shown without a name, tapped and accepted; one that is gone leaves no
// notification, and who comes late is told.
func TestPushInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	s := notifytest.Start(t, "", nil)
	d := openDeskDemo(t, "--push-hosts", s.Host())
	phone := d.openPushPhone(b, s)
	phone.See("Hear of leads when the app is closed")
	phone.Notifications("granted") // what its user answers the browser
	phone.Press("Turn on")
	phone.Gone("Hear of leads when the app is closed")
	phone.Press("Me")
	phone.See("This device has had none yet")
	phone.Press("Send a test")
	phone.bring(s.Next("test"))
	phone.See("It came")
	phone.See("This device last had one")
	phone.Go(d.url + "/app/desk")
	phone.Press("Away")
	phone.See("Available")
	phone.Go("about:blank") // the app is closed

	began := time.Now()
	lead := d.enquire("Asha Example", "+442079460151")
	offer := s.Next("offer")
	t.Logf("from the lead's POST to the push service's: %d ms", offer.At.Sub(began).Milliseconds())
	phone.bring(offer)
	d.reader.until("the phone has it", "/v1/offers/"+offer.ID, func(a answer) bool { return a.text("state") == "acked" })
	shown := phone.shown(d)
	for end := time.Now().Add(patience); shown == "" && time.Now().Before(end); shown = phone.shown(d) {
		time.Sleep(50 * time.Millisecond) // it acknowledges while it shows
	}
	if !strings.HasPrefix(shown, "offer:"+offer.ID+" New lead") || strings.Contains(shown, "Asha") || strings.Contains(shown, "4601") {
		t.Errorf("the phone shows %q", shown)
	}
	led := apptest.Tap(phone.Page, "offer:"+offer.ID)
	if led != "/app/desk?offer="+offer.ID {
		t.Fatalf("it leads to %q", led)
	}
	phone.Go(d.url + led)
	phone.Press("Accept")
	phone.See("It is yours")
	phone.See("Asha Example")
	if owner := d.reader.want(200, "GET", "/v1/leads/"+lead, nil).text("owner_name"); owner != d.me.Name {
		t.Errorf("it belongs to %q", owner)
	}

	phone.Go("about:blank")
	second := d.enquire("Ben Example", "+442079460152")
	gone := s.Next("offer")
	phone.bring(gone)
	d.reader.until("the phone has it", "/v1/offers/"+gone.ID, func(a answer) bool { return a.text("state") == "acked" })
	d.manager.want(200, "POST", "/v1/leads/"+second+"/transfer", fields{"to": d.other})
	for end := time.Now().Add(patience); phone.shown(d) != ""; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still shown: %q", phone.shown(d))
		}
	}
	phone.Go(d.url + "/app/desk?offer=" + gone.ID)
	phone.See("A colleague has it")
	phone.Press("Back to my day")

	// A push that wipes: what the app keeps in the browser is gone, the control being that it was there.
	apptest.Eval[bool](phone.Page, `(async () => {
		const f = await (await navigator.storage.getDirectory()).getFileHandle('desk.db', { create: true })
		const w = await f.createWritable(); await w.write('sealed'); await w.close()
		await new Promise((go, no) => { const r = indexedDB.open('outbox', 1); r.onsuccess = () => (r.result.close(), go()); r.onerror = no })
		return true
	})()`)
	const kept = `(async () => { let n = 0; for await (const _ of (await navigator.storage.getDirectory()).keys()) n++; return n + (await indexedDB.databases()).length })()`
	phone.Go("about:blank")
	if n := apptest.InWorker[int](phone.Page, kept); n < 2 {
		t.Fatalf("%d are kept before the wipe", n)
	}
	phone.deliver(`{"v":1,"kind":"wipe","id":"","ack":""}`)
	for end := time.Now().Add(patience); apptest.InWorker[int](phone.Page, kept) != 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what was kept is still there")
		}
	}
}
