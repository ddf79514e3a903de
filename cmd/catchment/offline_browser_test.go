package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/proof"
)

// awayDemo is the quiet demo whose server can be stopped and started again at
// the same address.
type awayDemo struct {
	*deskDemo
	args    []string
	dir     string
	process *process
}

func openAwayDemo(t *testing.T) *awayDemo {
	t.Helper()
	d := openDeskDemo(t)
	at, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	// A passkey is of a name.
	d.url = "http://localhost:" + at.Port()
	dir := filepath.Dir(d.file)
	return &awayDemo{d, []string{"demo", "--quiet", "--data", dir, "--listen", at.Host, "--inner", "", "--watermark", "32"}, dir, d.process}
}

// stop kills the server: nothing answers any more.
func (d *awayDemo) stop() { d.process.kill() }

// again starts it at the same address.
func (d *awayDemo) again() {
	d.t.Helper()
	d.process = start(d.t, d.args...).await(d.t)
}

// waits until script is true in the page.
func waits(p *apptest.Page, t *testing.T, what, script string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if apptest.Eval[bool](p, script) {
			return
		}
	}
	t.Fatalf("%s did not come; the page says:\n%s", what, p.Text())
}

// What the salesperson wrote and read, which is to be found nowhere.
const (
	offName    = "Ashavati Exampleson"
	offPhone   = "+442079460177"
	offMessage = "Is the two-room flat with the lemon tree still free?"
	offNote    = "Wants the corner flat, her sister Emeraude decides."
	offDraft   = "Her neighbour Bellamy may come along"
)

func TestOfflineInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openAwayDemo(t)
	phone := b.Own().Phone().Dark(false)
	phone.Authenticator()

	// Online: in, with a passkey that can make keys; two leads are seen.
	d.signIn(phone, d.url)
	phone.See("My day")
	phone.Press("Away")
	phone.See("Available")
	lead := d.enquireWith(fields{"source": d.source, "message": offMessage, "person": fields{"name": offName, "phone": offPhone}})
	phone.See("New lead")
	phone.Press("Accept")
	phone.See(offName)
	phone.See(offMessage)
	phone.Press("Me")
	phone.See("Open. 0 entries wait")
	phone.See("Unlocked by your face")
	phone.Open("Set up", "Make a passkey") // of the passkey, which stands first
	phone.Press("Make a passkey")
	phone.Press("Send a code to my phone")
	phone.Type("Six-digit code", d.code(d.me.Phone))
	phone.See("Keep these ten recovery codes")
	phone.Press("I have kept them")
	waits(phone, t, "the wrapped key", `new Promise((good, bad) => { const r = indexedDB.open('catchment'); r.onerror = bad; r.onsuccess = () => {
		const q = r.result.transaction('device').objectStore('device').get('me'); q.onsuccess = () => { r.result.close(); good(!!q.result?.wrapped) } } })`)
	phone.Press("Back")
	phone.See(offName)

	// The server is stopped; the page is loaded anew, and shut.
	awaitWorker(phone)
	d.stop()
	phone.Go(d.url + "/app/desk/leads/" + lead)
	phone.See("Your passkey opens it")
	if strings.Contains(phone.Text(), offName) {
		t.Error("what is kept is on the screen before it was unlocked")
	}
	phone.Press("Unlock")
	phone.See(offName)
	phone.See(offMessage)
	phone.See("No connection.")

	// Work, without a server.
	phone.Outside()
	phone.Press("Call")
	phone.Press("How did it go?")
	phone.Press("Interested")
	phone.Press("Tomorrow")
	phone.See("Kept on this device")
	phone.Press("Note")
	phone.Type("Note", offNote)
	phone.Press("Keep")
	phone.See(offNote)
	phone.See("2 to be sent")
	phone.See("not sent yet")

	// What is left half typed is not kept by the browser either, for going back.
	phone.Press("Note")
	phone.Type("Note", offDraft)
	phone.Go(d.url + "/app/desk/search")
	phone.Press("Unlock")
	phone.Type("Name, phone or e-mail", offName)
	phone.See(offName)

	// And again through a restart of the app, the way a phone throws it away.
	phone.Go(d.url + "/app/desk")
	phone.Press("Unlock")
	phone.See("2 to be sent")

	// Back: the first answer to the note is lost on the way, so that it is sent twice.
	apptest.Eval[bool](phone, `(() => { const ask = window.fetch; window.notes = 0; window.fetch = async r => {
		const a = await ask(r); if (/\/notes$/.test(r.url ?? r) && r.method === 'POST' && window.notes++ === 0) throw new TypeError('lost'); return a } })(), true`)
	d.again()
	phone.Gone("to be sent")
	if n := apptest.Eval[int](phone, `window.notes`); n < 2 {
		t.Errorf("the note was sent %d times: the control is none", n)
	}
	notes := d.reader.want(200, "GET", "/v1/leads/"+lead+"/notes", nil, "Catchment-Purpose", "test").items()
	if len(notes) != 1 || notes[0].(fields)["text"] != offNote {
		t.Errorf("notes: %v", notes)
	}
	tried := d.reader.want(200, "GET", "/v1/leads/"+lead+"/attempts", nil).items()
	if len(tried) != 1 || tried[0].(fields)["disposition"] != "interested" || tried[0].(fields)["channel"] != "call" {
		t.Errorf("attempts: %v", tried)
	}
	if l := d.reader.want(200, "GET", "/v1/leads/"+lead, nil); l.text("next_what") != "call" || l.text("stage", "category") != "follow-up" {
		t.Errorf("the lead: %s", l.body)
	}

	genuinelySealed(t, phone, d.url)

	// In the profile's files there is none of it, in no form, while it is kept and after it is gone.
	nothingIn(t, b.Profile())

	// Revoked: gone at once, and said.
	me := api{t, d.url, apptest.Eval[string](phone, `JSON.parse(localStorage.getItem('catchment.session')).token`)}
	for _, dev := range me.want(200, "GET", "/v1/me/devices", nil).items() {
		me.want(200, "DELETE", "/v1/me/devices/"+dev.(fields)["id"].(string), nil)
	}
	phone.See("This device was revoked")
	waits(phone, t, "the end of what was kept", `(async () => {
		const left = []; for await (const name of (await navigator.storage.getDirectory()).keys()) left.push(name)
		const boxes = (await indexedDB.databases()).map(d => d.name)
		return left.length === 0 && boxes.length === 0 && localStorage.getItem('catchment.session') === null })()`)
	nothingIn(t, b.End())

	// The control: a page that keeps one of them in the clear is found out.
	leak := apptest.Open(t)
	page := leak.Own()
	page.Go(d.url + "/app/sign.svg")
	apptest.Eval[bool](page, `localStorage.setItem('a', '`+offName+`'), true`)
	if got := searched(t, leak.End()); len(got.Hits) == 0 {
		t.Errorf("a name in localStorage was not found in %d files", got.Files)
	}
}

func searched(t *testing.T, profile string) proof.Swept {
	t.Helper()
	got, err := proof.SearchTree(profile, map[string]string{"name": offName, "phone": offPhone, "message": offMessage, "note": offNote, "draft": offDraft})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func nothingIn(t *testing.T, profile string) {
	t.Helper()
	got := searched(t, profile)
	t.Logf("%d files of the profile, %d bytes: %d finds", got.Files, got.Bytes, len(got.Hits))
	for _, h := range got.Hits {
		t.Errorf("in the profile: %s", h)
	}
	if got.Files < 20 {
		t.Errorf("only %d files: that is no profile", got.Files)
	}
}

// genuinelySealed has SQLCipher itself read the file, by a key that is made here
// anew: of the server's share, and what the page's secret signs.
func genuinelySealed(t *testing.T, p *apptest.Page, url string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "desk.db")
	if err := os.WriteFile(file, copyOfSealed(t, p), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Log("SQLCipher is not built without gcc: make deps")
		return
	}
	reader := filepath.Join(t.TempDir(), "sqlcipher")
	build := exec.Command("go", "build", "-C", "../../internal/app/apptest/sqlcipher", "-o", reader, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := keyOfSealed(t, p, url)
	out, err := exec.Command(reader, file, hex.EncodeToString(key)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "cipher_version 4.") || !strings.Contains(string(out), offMessage) {
		t.Errorf("SQLCipher with the key: %v\n%.600s", err, out)
	}
	key[0] ^= 1
	if out, err := exec.Command(reader, file, hex.EncodeToString(key)).CombinedOutput(); err == nil || strings.Contains(string(out), offMessage) {
		t.Errorf("SQLCipher with another key: %v\n%.600s", err, out)
	}
}

func keyOfSealed(t *testing.T, p *apptest.Page, url string) []byte {
	t.Helper()
	signed := apptest.Eval[[]string](p, `new Promise((good, bad) => { const r = indexedDB.open('catchment'); r.onerror = bad; r.onsuccess = () => {
		const q = r.result.transaction('device').objectStore('device').get('me')
		q.onsuccess = async () => {
			r.result.close()
			const mac = await crypto.subtle.sign('HMAC', q.result.secret, new TextEncoder().encode('catchment desk database v1\n' + q.result.id))
			good([q.result.id, btoa(String.fromCharCode(...new Uint8Array(mac)))])
		} } })`)
	me := api{t, url, apptest.Eval[string](p, `JSON.parse(localStorage.getItem('catchment.session')).token`)}
	share, err := base64.RawURLEncoding.DecodeString(me.want(200, "POST", "/v1/me/device", fields{"device_id": signed[0]}).text("share"))
	if err != nil {
		t.Fatal(err)
	}
	mac, err := base64.StdEncoding.DecodeString(signed[1])
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, append(share, mac...), []byte(signed[0]), "catchment desk database v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// copyOfSealed copies the database out of the origin's private file system: of
// the pool's files, the one that has pages, without the pool's head of 4096 bytes.
func copyOfSealed(t *testing.T, p *apptest.Page) []byte {
	t.Helper()
	text := apptest.Eval[string](p, `(async () => {
		const pool = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('.catchment-desk')).getDirectoryHandle('.opaque')
		for await (const h of pool.values()) {
			const bytes = new Uint8Array(await (await h.getFile()).arrayBuffer())
			if (bytes.length < 8192 || !new TextDecoder().decode(bytes.subarray(0, 64)).startsWith('/desk.db\0')) continue
			let s = ''; for (const b of bytes.subarray(4096)) s += String.fromCharCode(b)
			return btoa(s)
		}
		return '' })()`)
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(bytes) < 4096 || len(bytes)%4096 != 0 {
		t.Fatalf("the sealed file has %d bytes: %v", len(bytes), err)
	}
	return bytes
}
