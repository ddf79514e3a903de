package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/upload/specimen"
)

// chosen is a file that somebody chooses in the browser.
type chosen struct {
	name    string
	content []byte
}

// choose has the page's chooser of a lead's files give it these.
func choose(p *apptest.Page, files ...chosen) {
	list := make([][2]string, len(files))
	for i, f := range files {
		list[i] = [2]string{f.name, base64.StdEncoding.EncodeToString(f.content)}
	}
	said, _ := json.Marshal(list)
	p.See("Add files")
	apptest.Eval[bool](p, fmt.Sprintf(`(() => { const d = new DataTransfer()
		for (const [name, text] of %s) d.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name))
		const i = document.querySelector('input[type=file][multiple]'); i.files = d.files; return i.dispatchEvent(new Event('change', { bubbles: true })) })()`, said))
}

// halts has what is sent from now on stop after three fifths, until resume.
const (
	halts  = `(() => { window.sendAll ??= XMLHttpRequest.prototype.send; XMLHttpRequest.prototype.send = function (body) { this.upload.onprogress?.({ loaded: Math.floor(body.size * .62) }) }; return true })()`
	severs = `(() => { window.sendAll ??= XMLHttpRequest.prototype.send; XMLHttpRequest.prototype.send = function () { setTimeout(() => this.onerror?.()) }; return true })()`
	resume = `(XMLHttpRequest.prototype.send = window.sendAll, true)`
)

// fetched is whether the page has asked for what is in a file.
const fetched = `performance.getEntriesByType('resource').some((e) => e.name.includes('/files/file_'))`

// Files of a lead, from the phone to the console: chosen, refused with the way
// out, stopped, sent again after the connection was lost; opened only when
// somebody asks, saved as they were sent, and removed.
func TestFilesInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	d := openDeskDemo(t)
	lead := d.enquire("Asha Example", "+442079460123")
	me := api{t, d.url, ""}.want(201, "POST", "/v1/sessions", fields{"email": d.me.Email, "password": d.me.Password})
	d.manager.want(200, "POST", "/v1/leads/"+lead+"/transfer", fields{"to": me.text("user_id")})
	list := func() []any { return d.reader.want(200, "GET", "/v1/leads/"+lead+"/files", nil).items() }
	phone := d.open(b.Page(), d.me)
	phone.Go(d.url + "/app/desk/leads/" + lead)
	phone.See("No files yet")
	phone.See("Take a photo") // which a device that is touched has

	wishes := []byte("A flat with two rooms, on the fourth floor.\n")
	choose(phone, chosen{"drawing.svg", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")}, chosen{"IMG 1.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")}, chosen{"empty.txt", nil},
		chosen{"photo.jpg", specimen.Photo(64, 48, 6)}, chosen{"wishes.txt", wishes})
	phone.See("Pages, SVG drawings")
	phone.See("send it as JPEG") // the way out of HEIC
	phone.See("This file is empty")
	phone.See(d.me.Name)
	for _, name := range []string{"drawing.svg", "IMG 1.heic", "empty.txt"} {
		phone.Press("Leave it out: " + name)
		phone.Gone(name)
	}
	phone.See("wishes.txt")
	phone.See("photo.jpg")
	if got := list(); len(got) != 2 {
		t.Fatalf("there are %v", got)
	}
	if apptest.Eval[bool](phone, fetched) {
		t.Error("what is in a file was fetched, which nobody asked for")
	}

	apptest.Eval[bool](phone, halts)
	choose(phone, chosen{"wrong.txt", wishes})
	phone.See("% sent")
	phone.Press("Cancel: wrong.txt")
	phone.Gone("wrong.txt")
	apptest.Eval[bool](phone, severs)
	choose(phone, chosen{"later.txt", wishes})
	phone.See("No connection. Files need one")
	phone.Press("Back") // it is not forgotten on another page
	phone.See("My day")
	apptest.Eval[bool](phone, resume)
	openLead(phone, lead)
	phone.See("later.txt")
	d.reader.until("the file that found no server", "/v1/leads/"+lead+"/files", func(a answer) bool {
		apptest.Eval[bool](phone, `document.querySelector('[aria-label="Try again: later.txt"]')?.click() ?? true`)
		return len(a.items()) == 3
	})
	for _, f := range list() {
		if f := f.(fields); f["by_name"] != d.me.Name {
			t.Errorf("added by %v", f["by_name"])
		}
	}

	boss := b.Page().Desktop().Dark(false)
	made, _ := readDemo(d.file)
	for _, u := range made.Accounts[0].Users {
		if u.Role == "manager" {
			d.open(boss, u)
		}
	}
	boss.Desktop()
	boss.Go(d.url + "/app/console/leads/" + lead)
	boss.See("photo.jpg")
	apptest.Eval[bool](boss, `(() => { const make = URL.createObjectURL; URL.createObjectURL = (b) => ((window.saved = b), make(b)); return true })()`)
	saved := func() []byte {
		t.Helper()
		boss.See("photo.jpg")
		for end := time.Now().Add(patience); !apptest.Eval[bool](boss, `!!window.saved`) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		}
		text := apptest.Eval[string](boss, `window.saved.arrayBuffer().then((b) => { window.saved = null; return btoa(String.fromCharCode(...new Uint8Array(b))) })`)
		got, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	boss.Press("Save wishes.txt")
	if got := saved(); !bytes.Equal(got, wishes) {
		t.Errorf("saved as %q", got)
	}
	boss.Press("Open photo.jpg")
	boss.See("Each opening of a file stands on the account’s record")
	upright := func() bool {
		return apptest.Eval[bool](boss, `document.querySelector('[role=dialog] canvas').width === 48`)
	} // it lay on its side
	for end := time.Now().Add(patience); !upright() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	if !upright() {
		t.Error("the picture is not drawn, or not upright")
	}
	boss.Press("Save to this device")
	if got := saved(); !bytes.HasPrefix(got, []byte("\xff\xd8\xff")) || bytes.Contains(got, []byte("Exif")) {
		t.Errorf("saved %d bytes that begin %x", len(got), got[:8])
	}
	boss.Press("Close")
	boss.Press("Remove photo.jpg")
	boss.See("is destroyed for everybody")
	boss.Press("Remove")
	boss.See("The file was removed")
	phone.Gone("photo.jpg") // told by the stream
	if got := list(); len(got) != 2 {
		t.Errorf("left are %v", got)
	}
}
