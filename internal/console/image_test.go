package console_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/files/filestest"
	"catchment/internal/store"
	"catchment/internal/store/content"
	"catchment/internal/store/storetest"
	"catchment/internal/upload/specimen"
	"catchment/internal/web/webtest"
)

// show sends a public picture; header pairs follow.
func (v *visitor) show(body []byte, header ...string) answer {
	v.Helper()
	r := webtest.Send(v, v.token, http.MethodPost, v.url+"/v1/images", bytes.NewReader(body), append([]string{"Content-Type", "application/octet-stream"}, header...)...)
	return answer{r.Status, r.Text, r.Body, r}
}

// link asks for a picture by its link as a mailbox does: without a credential.
func (h *house) link(url string, header ...string) webtest.Reply {
	h.Helper()
	_, token, ok := strings.Cut(url, "https://files.example.net/i/")
	if !ok {
		h.Fatalf("the link is %q", url)
	}
	return webtest.Send(h, "", http.MethodGet, h.url+"/i/"+token, nil, header...)
}

func (h *house) lies(prefix string) (names []string) {
	h.Helper()
	for f, err := range h.bucket.List(h.Context(), prefix) {
		h.ok(err)
		names = append(names, f.Name)
	}
	return names
}

// A public picture: who may add it, see that it is there, and remove it; whoever
// has the link sees it, and nobody else finds it.
func TestImages(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		ann, seller, boss, auditor, key := c.user(account.Marketer), c.user(account.Salesperson), c.user(account.Manager), c.user(account.Auditor), c.key(account.Marketer)
		photo := specimen.Photo(40, 20, 6)
		for _, v := range []*visitor{seller, boss, auditor} {
			v.show(photo).want(t, 403)
			v.get("/v1/images").want(t, 403)
		}
		if all := h.lies("images"); len(all) != 0 {
			t.Errorf("refused, and in the bucket: %v", all)
		}
		made := ann.show(photo, "Idempotency-Key", "one").want(t, 201)
		if made.body["kind"] != "image/jpeg" || made.body["width"] != 20.0 || made.body["height"] != 40.0 || made.body["by"] != ann.id {
			t.Errorf("added: %s", made.text)
		}
		if again := ann.show([]byte("another"), "Idempotency-Key", "one").want(t, 201); again.text != made.text {
			t.Errorf("a repeat made %s", again.text)
		}
		url := made.str("url")
		token := url[strings.LastIndex(url, "/")+1:]
		if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) < 16 || strings.Contains(token, made.str("id")[4:]) {
			t.Errorf("the token %q", token)
		}

		got := h.link(url)
		if got.Status != 200 || strings.Contains(got.Text, specimen.Place) || !strings.HasPrefix(got.Text, "\xff\xd8\xff") || float64(len(got.Text)) != made.body["size"] {
			t.Errorf("by its link: %d, %d bytes", got.Status, len(got.Text))
		}
		for name, want := range map[string]string{"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
			"Cross-Origin-Resource-Policy": "cross-origin", "Content-Type": "image/jpeg", "Content-Disposition": "inline; filename=picture.jpg", "Set-Cookie": ""} {
			if got.Head.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Head.Get(name), want)
			}
		}
		tag := got.Head.Get("ETag")
		if same := h.link(url, "If-None-Match", tag); tag == "" || same.Status != 304 || same.Text != "" {
			t.Errorf("asked again with %q: %d", tag, same.Status)
		}
		if part := h.link(url, "Range", "bytes=10-19"); part.Status != 206 || part.Text != got.Text[10:20] {
			t.Errorf("a part: %d %q", part.Status, part.Text)
		}
		head := webtest.Send(h, "", http.MethodHead, h.url+"/i/"+token, nil)
		if head.Status != 200 || head.Text != "" || head.Head.Get("ETag") != tag {
			t.Errorf("HEAD: %d", head.Status)
		}
		for _, other := range []string{"", "x", token[:31], token + "A", strings.ToUpper(token), made.str("id"), "../images/" + token} {
			if r := webtest.Send(h, "", http.MethodGet, h.url+"/i/"+other, nil); r.Status != 404 {
				t.Errorf("/i/%s: %d", other, r.Status)
			}
		}
		if r := webtest.Send(h, "", http.MethodPost, h.url+"/i/"+token, nil); r.Status != 405 {
			t.Errorf("POST: %d", r.Status)
		}

		key.show(specimen.PNG(8, 9)).want(t, 201)
		c.admin.show(specimen.GIF(9, 9)).want(t, 201)
		if list := ann.get("/v1/images?limit=2").want(t, 200); len(list.list("items")) != 2 || list.list("items")[0]["kind"] != "image/png" || list.str("next_cursor") == "" {
			t.Errorf("listed: %s", list.text)
		} else if rest := ann.get("/v1/images?limit=2&cursor="+list.str("next_cursor")).want(t, 200).list("items"); len(rest) != 1 || rest[0]["url"] != url {
			t.Errorf("the next page: %v", rest)
		}
		stranger := h.company()
		if list := stranger.admin.get("/v1/images").want(t, 200).list("items"); len(list) != 0 {
			t.Errorf("another account lists %v", list)
		}
		stranger.admin.ask("DELETE", "/v1/images/"+made.str("id"), nil).want(t, 404)

		seller.ask("DELETE", "/v1/images/"+made.str("id"), nil).want(t, 403)
		ann.ask("DELETE", "/v1/images/"+made.str("id"), nil).want(t, 200)
		for range 2 { // at once, and when the job has been
			if gone := h.link(url, "If-None-Match", tag); gone.Status != 410 || !strings.Contains(gone.Text, "image_removed") {
				t.Errorf("removed: %d %s", gone.Status, gone.Text)
			}
			h.settle()
		}
		ann.ask("DELETE", "/v1/images/"+made.str("id"), nil).want(t, 404)
		if list := ann.get("/v1/images").want(t, 200).list("items"); len(list) != 2 {
			t.Errorf("listed: %v", list)
		}
		record := c.admin.get("/v1/record?limit=100").want(t, 200).text
		if !strings.Contains(record, "image.added") || !strings.Contains(record, "image.removed") || !strings.Contains(record, made.str("id")) || strings.Contains(record, token) {
			t.Errorf("the record: %s", record)
		}

		keeps := stranger.admin.show(specimen.PNG(8, 8)).want(t, 201)
		h.ok(h.filing.RemoveAll(t.Context(), c.scope.Account())) // the account ends
		if all := h.lies("images"); len(all) != 2 {
			t.Errorf("of an account that ended there is %v", all)
		}
		if r := h.link(url); r.Status != 404 {
			t.Errorf("of an account that ended: %d", r.Status)
		}
		if r := h.link(keeps.str("url")); r.Status != 200 {
			t.Errorf("of the other account: %d", r.Status)
		}
	})
}

// What is no picture, or is too much, is refused, and nothing of it is kept.
func TestImagesRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		for _, x := range []struct {
			body   []byte
			status int
			code   string
		}{
			{[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), 415, "page"},
			{specimen.PDF(), 415, "not_a_picture"},
			{[]byte("text"), 415, "not_a_picture"},
			{specimen.Word(), 415, "not_a_picture"},
			{specimen.JPEG(400, 200)[:2000], 422, "damaged"},
			{specimen.HugePNG(50_000, 50_000), 422, "too_many_pixels"},
			{nil, 422, "empty"},
		} {
			if got := c.admin.show(x.body).want(t, x.status); strings.Contains(got.text, "Excel") || !strings.Contains(got.text, `"field":"file","code":"`+x.code+`"`) {
				t.Errorf("want %s: %s", x.code, got.text)
			}
		}
		c.admin.show(specimen.PNG(8, 8), "Content-Type", "image/png").want(t, 415)
		long := struct{ io.Reader }{io.LimitReader(zeros{}, 1<<30)}
		if r := webtest.Send(h, c.admin.token, http.MethodPost, h.url+"/v1/images", long, "Content-Type", "application/octet-stream"); r.Status != 413 || !strings.Contains(r.Text, "file_too_large") {
			t.Errorf("a gigabyte: %d %s", r.Status, r.Text)
		}
		h.settle()
		if all := h.lies(""); len(all) != 0 {
			t.Errorf("of the refused there is %v", all)
		}
		if list := c.admin.get("/v1/images").want(t, 200).list("items"); len(list) != 0 {
			t.Errorf("of the refused are listed: %v", list)
		}
		c.write(func(tx *store.Tx) error { // as if others came in
			n, bytes, err := content.CountImages(tx)
			if n != 0 || bytes != 0 {
				t.Errorf("of the refused %d count, %d bytes", n, bytes)
			}
			h.ok(err)
			return content.AddImage(tx, content.Image{ID: account.NewImageID(), Token: "x", By: "x", Size: 60<<20 - 10, CreatedAt: time.Now()})
		})
		if got := c.admin.show(specimen.PNG(8, 8)).want(t, 413); !strings.Contains(got.text, "account_full") {
			t.Error(got.text)
		}
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Behind the S3 protocol it is as in a folder; while that is away nothing is
// taken half, and a link says to come again, and not that there is nothing.
func TestImagesBehindS3(t *testing.T) {
	s3 := filestest.S3(t)
	h := openAt(t, storetest.SQLite(t), s3.URL)
	c := h.company()
	body := specimen.PNG(300, 200)
	made := c.admin.show(body).want(t, 201)
	whole := h.link(made.str("url"))
	if whole.Status != 200 || float64(len(whole.Text)) != made.body["size"] {
		t.Fatalf("by its link: %d, %d bytes", whole.Status, len(whole.Text))
	}
	if part := h.link(made.str("url"), "Range", "bytes=-7"); part.Status != 206 || part.Text != whole.Text[len(whole.Text)-7:] {
		t.Errorf("a part: %d %q", part.Status, part.Text)
	}
	for _, mood := range []filestest.Mood{filestest.Sick, filestest.Drops, filestest.Refuses} {
		s3.Set(mood)
		if got := c.admin.show(body).want(t, 503); got.reply.Head.Get("Retry-After") == "" || !strings.Contains(got.text, "files_away") {
			t.Errorf("mood %d: %s", mood, got.text)
		}
		if r := h.link(made.str("url")); r.Status != 503 || r.Head.Get("Retry-After") == "" || r.Head.Get("Cache-Control") != "no-store" {
			t.Errorf("mood %d: %d %v", mood, r.Status, r.Head)
		}
		s3.Set(filestest.Well)
		if list := c.admin.get("/v1/images").want(t, 200).list("items"); len(list) != 1 {
			t.Errorf("mood %d: listed %v", mood, list)
		}
	}
	h.settle()
	if all := h.lies(""); len(all) != 2 { // it, and what leads to it
		t.Errorf("there is %v", all)
	}
	s3.Set(filestest.Sick)
	_, token, _ := strings.Cut(made.str("url"), "/i/")
	_, found := h.filing.Find(t.Context(), token)
	for name, err := range map[string]error{"Bury": h.filing.Bury(t.Context(), token), "RemoveAll": h.filing.RemoveAll(t.Context(), c.scope.Account()), "Find": found} {
		if err == nil || strings.Contains(err.Error(), token) || !errors.Is(err, files.ErrAway) {
			t.Errorf("what %s says goes to the log: %v", name, err)
		}
	}
	c.admin.ask("DELETE", "/v1/images/"+made.str("id"), nil).want(t, 200)
	s3.Set(filestest.Well)
	if r := h.link(made.str("url")); r.Status != 200 {
		t.Errorf("control: its bucket has not heard, and it is %d", r.Status)
	}
	h.settle()
	if r := h.link(made.str("url")); r.Status != 410 {
		t.Errorf("removed while the bucket was away: %d", r.Status)
	}
}

// What somebody else puts into the bucket is not shown as it is.
func TestImagesOfAnotherForm(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	sum := sha256.Sum256([]byte("x"))
	token := base64.RawURLEncoding.EncodeToString(sum[:24])
	for _, text := range []string{"<html><script>alert(1)</script>", "catchment-image-1 text/html 7 2026-01-02T00:00:00Z " + strings.Repeat("a", 64) + "\n<script", strings.Repeat("a", 4096)} {
		h.ok(h.bucket.Put(t.Context(), "images/"+token, strings.NewReader(text)))
		if r := webtest.Send(h, "", http.MethodGet, h.url+"/i/"+token, nil); r.Status != 503 || strings.Contains(r.Text, "script") {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	h.ok(h.bucket.Remove(t.Context(), "images/"+token))
	if _, err := files.Read(t.Context(), h.bucket, "images/"+token, 1); err == nil {
		t.Error("it is there")
	}
}
