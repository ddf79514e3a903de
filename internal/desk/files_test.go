package desk_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/upload/specimen"
	"catchment/internal/vault"
	"catchment/internal/web/webtest"
)

// send adds a file to the lead; header pairs follow.
func (v *visitor) send(to arrived, name string, content []byte, header ...string) answer {
	v.Helper()
	header = append([]string{"Content-Type", "application/octet-stream", "Content-Disposition", "attachment; filename*=UTF-8''" + name}, header...)
	r := webtest.Send(v, v.token, http.MethodPost, v.url+"/v1/leads/"+to.lead.String()+"/files", bytes.NewReader(content), header...)
	return answer{r.Status, r.Head, r.Text, r.Body, r}
}

func (c *company) inBucket() (names []string) {
	c.Helper()
	for f, err := range c.bucket.List(c.Context(), "leads/") {
		c.ok(err)
		names = append(names, f.Name)
	}
	return names
}

// A file of a lead: who may add it, see that it is there, open it and remove it;
// it is sealed where it lies, and each opening is on the record.
func TestFilesOfALead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, kim, boss, auditor, key := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager), c.user(account.Auditor), c.key(account.Manager)
		a := c.arrive(sam.id)
		live := sam.listen("", "")
		text := []byte(strings.Repeat("Asha Canary wants the two-room flat. ", 8000))
		kim.send(a, "x.txt", text).want(t, 404)
		auditor.send(a, "x.txt", text).want(t, 403)
		if got := sam.send(a, "x.txt", nil).want(t, 422); got.code() != "invalid file empty" {
			t.Error(got.text)
		}
		sam.send(a, "x.svg", []byte("<svg/>")).want(t, 415)
		if len(c.inBucket()) != 0 {
			t.Errorf("refused files are in the bucket: %v", c.inBucket())
		}

		made := sam.send(a, "..%2FWish%20list.md", text, "Idempotency-Key", "one").want(t, 201)
		if made.body["name"] != nil || made.body["kind"] != "text/plain" || made.body["size"] != float64(len(text)) || made.body["by"] != sam.id.String() {
			t.Errorf("added: %s", made.text)
		}
		if again := sam.send(a, "other", []byte("another"), "Idempotency-Key", "one").want(t, 201); again.body["id"] != made.body["id"] {
			t.Errorf("a repeat made %s", again.text)
		}
		if got := live.next("lead.file_added"); !strings.Contains(last(got).data, made.body["id"].(string)) || strings.Contains(last(got).data, "Wish") {
			t.Errorf("told: %s", last(got).data)
		}
		if all := c.inBucket(); len(all) != 1 {
			t.Fatalf("in the bucket: %v", all)
		} else if lies, err := files.Read(t.Context(), c.bucket, all[0], 1<<30); err != nil || bytes.Contains(lies, []byte("Canary")) || len(lies) < len(text) {
			t.Errorf("it lies there in %d bytes, %v", len(lies), err)
		}

		list := "/v1/leads/" + a.lead.String() + "/files"
		one := list + "/" + made.body["id"].(string)
		if got := boss.get(list).want(t, 200).items(); len(got) != 1 || got[0]["name"] != "Wish list.md" || got[0]["by_name"] != boss.get("/v1/leads/" + a.lead.String()).body["owner_name"] || got[0]["by_name"] == nil {
			t.Errorf("listed: %v", got)
		}
		if got := key.get(list).want(t, 200).items(); len(got) != 1 || got[0]["name"] != nil {
			t.Errorf("without a purpose: %v", got)
		}
		before := c.openings()
		got := boss.get(one, "Catchment-Purpose", "booking").want(t, 200)
		if got.text != string(text) || c.openings() != before+1 {
			t.Errorf("opened %d bytes, %d entries on the record", len(got.text), c.openings()-before)
		}
		for name, want := range map[string]string{"Content-Security-Policy": "sandbox; default-src 'none'", "Content-Disposition": `attachment; filename="Wish list.md"`, "Content-Type": "text/plain; charset=utf-8",
			"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got.head.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.head.Get(name), want)
			}
		}
		if part := boss.get(one, "Range", "bytes=100000-100009").want(t, 206); part.text != string(text[100000:100010]) {
			t.Errorf("a part: %q", part.text)
		}
		boss.get(one, "Range", "bytes=99999999-").want(t, 416)
		kim.get(one).want(t, 404)
		if got := key.get(one).want(t, 422); got.code() != "invalid Catchment-Purpose purpose_missing" {
			t.Error(got.text)
		}
		other := c.arrive(sam.id)
		sam.get("/v1/leads/"+other.lead.String()+"/files/"+made.body["id"].(string)).want(t, 404)
		c.mute.Store(true)
		boss.get(one).want(t, 503)
		c.mute.Store(false)
		stranger := c.doors.company().user(account.Admin)
		stranger.get(one).want(t, 404)
		stranger.ask(http.MethodDelete, one, nil).want(t, 404)

		kim.ask(http.MethodDelete, one, nil).want(t, 404)
		sam.ask(http.MethodDelete, one, nil).want(t, 200)
		sam.get(one).want(t, 404)
		sam.ask(http.MethodDelete, one, nil).want(t, 404)
		live.next("lead.file_removed")
		for len(c.inBucket()) > 0 && t.Context().Err() == nil { // a job takes it, here or in the runner
			c.pass(0)
		}
	})
}

// A picture's place is gone, what is too much is refused with nothing kept, and
// what was begun and never came is given up.
func TestFilesComeIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		a := c.arrive(sam.id)
		list := "/v1/leads/" + a.lead.String() + "/files"
		made := sam.send(a, "visit.jpg", specimen.Photo(40, 20, 6)).want(t, 201)
		got := sam.get(list+"/"+made.body["id"].(string)).want(t, 200)
		if strings.Contains(got.text, specimen.Place) || got.head.Get("Content-Disposition") != "inline; filename=visit.jpg" {
			t.Errorf("%d bytes, %v", len(got.text), got.head)
		}
		long := io.LimitReader(endless{}, 10<<30)
		r := webtest.Send(sam, sam.token, http.MethodPost, sam.url+list, struct{ io.Reader }{long}, "Content-Type", "application/octet-stream")
		if r.Status != 413 || !strings.Contains(r.Text, "file_too_large") {
			t.Errorf("ten gigabytes: %d %s", r.Status, r.Text)
		}
		r = webtest.Send(sam, sam.token, http.MethodPost, sam.url+list, bytes.NewReader([]byte("text")), "Content-Type", "text/plain")
		if r.Status != 415 {
			t.Errorf("as text/plain: %d %s", r.Status, r.Text)
		}
		broken := struct{ io.Reader }{io.MultiReader(strings.NewReader("half"), fails{})}
		if _, err := webtest.TrySend(sam, sam.token, http.MethodPost, sam.url+list, broken, "Content-Type", "application/octet-stream"); err == nil {
			t.Error("a body that breaks off has an answer")
		}
		if got := sam.get(list).want(t, 200).items(); len(got) != 1 {
			t.Errorf("listed: %v", got)
		}
		c.write(func(tx *store.Tx) error { return people.Erase(tx, []lead.PersonID{a.person}, time.Now()) })
		if got := sam.send(a, "late.txt", []byte("late")).want(t, 409); got.code() != "person_erased" {
			t.Error(got.text)
		}
		sam.get(list+"/"+made.body["id"].(string)).want(t, 404)
	})
}

// What was sealed is bound to its file, and every change of it is noticed.
func TestContentIsBound(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	sam := c.user(account.Salesperson)
	a := c.arrive(sam.id)
	made := sam.send(a, "a.txt", []byte(strings.Repeat("a", 200_000))).want(t, 201)
	name := c.inBucket()[0]
	lies, err := files.Read(t.Context(), c.bucket, name, 1<<30)
	c.ok(err)
	one := "/v1/leads/" + a.lead.String() + "/files/" + made.body["id"].(string)
	for _, at := range []int{40, len(lies) / 2, len(lies) - 1} {
		bad := bytes.Clone(lies)
		bad[at] ^= 1
		c.ok(c.bucket.Put(t.Context(), name, bytes.NewReader(bad)))
		if r, err := webtest.TrySend(sam, sam.token, http.MethodGet, sam.url+one, nil); err == nil && r.Status == 200 {
			t.Errorf("changed at %d, and opened", at)
		}
	}
	c.ok(c.bucket.Remove(t.Context(), name))
	sam.get(one).want(t, 500)
	id := made.body["id"].(string)
	if _, err := keyring.ContentKeyOf([16]byte{}, vault.Hide(id)); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("no key: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

type fails struct{}

func (fails) Read([]byte) (int, error) { return 0, errors.New("broken off") }
