package capture_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/receipt"
	"catchment/internal/submission"
)

func TestLeadIsSealedStoredAndProved(t *testing.T) {
	h := newHouse(t)
	got := h.take(t, post(goodLead, "User-Agent", "Probe/1", "Referer", "https://example.com/?for=ada", "X-Request-Id", "mine"))
	all := h.all(t)
	if len(all) != 1 {
		t.Fatalf("the journal has %d entries", len(all))
	}
	s := all[0]
	site := h.own.Source("site")
	if s.body != goodLead || s.ip != "127.0.0.1" || s.agent != "Probe/1" || s.referrer != "https://example.com/?for=ada" || s.key != "" {
		t.Errorf("the payload came back changed: %+v", s)
	}
	if s.Account != h.own.ID || s.Source != site.ID || s.Project != site.Project || s.Key != h.own.Keys[3].ID || s.Test || s.Format != submission.AsJSON {
		t.Errorf("the header is wrong: %+v", s.Header)
	}
	if s.Enquiry.String() != got.ID || receipt.FormatTime(s.ReceivedAt) != got.Receipt.ReceivedAt || s.salt != got.Receipt.Salt {
		t.Error("entry and receipt differ")
	}
	if n := h.door.Stats().Leads.Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// The clear text is searched for in every file of the journal; that the search
// can find something is shown by what is there in clear.
func TestNothingPersonalOnDisk(t *testing.T) {
	h := newHouse(t)
	got := h.take(t, post(goodLead, "Idempotency-Key", "ada@example.com again", "Referer", "https://example.com/?for=ada"))
	id := h.all(t)[0].Enquiry.UUID()
	for what, want := range map[string]struct {
		text  []byte
		there bool
	}{
		"name": {[]byte("Ada Example"), false}, "phone": {[]byte("7946 0123"), false}, "address": {[]byte("ada@example"), false},
		"message": {[]byte("like to see"), false}, "referrer": {[]byte("for=ada"), false}, "the peer": {[]byte("127.0.0.1"), false},
		"the receipt's salt": {got.Receipt.Salt[:], false}, "the body's hash": {got.Receipt.SHA256[:], false},
		"the enquiry's id, the control": {id[:], true},
	} {
		if found := inFiles(t, h.dir, want.text); found != want.there {
			t.Errorf("%s: found %v, want %v", what, found, want.there)
		}
	}
	for _, s := range []string{"Ada", "7946", "ada@", "127.0.0.1"} {
		if strings.Contains(h.log.String(), s) {
			t.Errorf("the log has %q", s)
		}
	}
}

func inFiles(t *testing.T, dir string, text []byte) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What an account's own role may is in the snapshot: the door has no SQL to ask.
func TestAKeyOfAnOwnRoleHandsInLeads(t *testing.T) {
	h := newHouse(t)
	h.take(t, post(goodLead, "Authorization", "Bearer "+ownCaptures))
}

func TestSourceAndProject(t *testing.T) {
	h := newHouse(t)
	garden := h.own.Project("garden")
	body := `{"source":"` + h.own.Source("site").ID.String() + `","project":"garden","person":{"email":"ada@example.com"},"test":true}`
	h.take(t, post(body))
	s := h.all(t)[0]
	if s.Source != h.own.Source("site").ID || s.Project != garden.ID || !s.Test {
		t.Errorf("got %+v", s.Header)
	}
}

func TestBatchInOrderWithOwnReceipts(t *testing.T) {
	h := newHouse(t)
	one := `{"source":"site","person":{"phone":"+442079460001"}}`
	two := `{ "source":"thanks", "person":{"email":"b@example.com"} }`
	a := h.send(t, request{path: "/v1/leads:batch", body: "[" + one + " ,\n" + two + "]", header: pairs([]string{"Idempotency-Key", "k"})})
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("got %d %s", a.StatusCode, a.text)
	}
	var got []accepted
	if err := json.Unmarshal(a.text, &got); err != nil || len(got) != 2 {
		t.Fatalf("%v %s", err, a.text)
	}
	h.verify(t, got[0], one)
	h.verify(t, got[1], two)
	if got[0].Receipt.Seq != got[1].Receipt.Seq || got[0].ID == got[1].ID {
		t.Error("want two leads in one commit")
	}
	again := h.take(t, post(two, "Idempotency-Key", "k/1"))
	if again.ID != got[1].ID {
		t.Error("a batch's second lead has the key with /1")
	}
}

func TestBatchAtItsLimits(t *testing.T) {
	h := newHouse(t)
	lead := `{"source":"site","person":{"phone":"+442079460001"}}`
	most := "[" + strings.Repeat(lead+",", submission.MaxBatch-1) + lead + "]"
	if a := h.send(t, request{path: "/v1/leads:batch", body: most}); a.StatusCode != http.StatusAccepted {
		t.Fatalf("got %d %.200s", a.StatusCode, a.text)
	}
	if n := len(h.all(t)); n != submission.MaxBatch {
		t.Errorf("stored %d", n)
	}
	big := `{"source":"site","person":{"phone":"+442079460001"},"custom":{"a":"` + strings.Repeat("x", 4000) + `"}}`
	wide := "[" + strings.Repeat(big+",", submission.MaxBatch-1) + big + "]" // 4 MiB
	if a := h.send(t, request{path: "/v1/leads:batch", body: wide}); a.StatusCode != http.StatusAccepted {
		t.Fatalf("got %d %.200s", a.StatusCode, a.text)
	}
}

func TestFormSendsTheVisitorOn(t *testing.T) {
	h := newHouse(t)
	fields := url.Values{"name": {"Ada Example"}, "tel": {"+442079460123"}, "_key": {"form-1"}, "_source": {"thanks"}}.Encode()
	a := h.send(t, request{path: h.form("site"), body: fields, header: pairs([]string{"Accept", "text/html,*/*"})})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("got %d %s", a.StatusCode, a.text)
	}
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Path != h.form("site")+"/thanks" {
		t.Fatalf("sent to %s", a.Header.Get("Location"))
	}
	h.checkForm(t, to, fields)
	page := h.send(t, request{method: "GET", path: to.RequestURI()})
	if page.StatusCode != http.StatusOK || !bytes.Contains(page.text, []byte(to.Query().Get("enquiry"))) || !bytes.Contains(page.text, []byte("Receipt")) {
		t.Errorf("the page: %d %s", page.StatusCode, page.text)
	}
	checkPage(t, page)
	s := h.all(t)[0]
	if s.body != fields || s.Source != h.own.Source("site").ID || s.Format != submission.AsForm || s.ContentType == "" || !s.Key.IsZero() || s.key != "form-1" {
		t.Errorf("stored %+v", s)
	}
	again := h.send(t, request{path: h.form("site"), body: fields})
	second, _ := url.Parse(again.Header.Get("Location"))
	if second.Query().Get("enquiry") != to.Query().Get("enquiry") {
		t.Error("the form's key did not make it the same enquiry")
	}
}

func (h *house) checkForm(t *testing.T, to *url.URL, body string) {
	t.Helper()
	text, err := receipt.Parse(fromBase64(t, to.Query().Get("receipt")))
	if err != nil {
		t.Fatal(err)
	}
	h.verify(t, accepted{to.Query().Get("enquiry"), text}, body)
}

func TestFormWithOwnThanksPage(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{path: h.form("thanks"), body: "email=ada%40example.com"})
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Host != "www.example.com" || to.Path != "/thanks" || to.Query().Get("from") != "form" || to.Fragment != "top" {
		t.Fatalf("%d, sent to %s", a.StatusCode, a.Header.Get("Location"))
	}
	h.checkForm(t, to, "email=ada%40example.com")
}

func TestFormForAScript(t *testing.T) {
	h := newHouse(t)
	got := h.take(t, request{path: h.form("mapped"), body: "field_7=%2B442079460123", header: pairs([]string{"Accept", "application/json"})})
	if got.ID == "" {
		t.Error("no id")
	}
}

func TestFormInWindows1252AndMultipart(t *testing.T) {
	h := newHouse(t)
	h.send(t, request{path: h.form("site"), body: "name=Zo%EB&tel=02079460123", header: pairs([]string{"Content-Type", "application/x-www-form-urlencoded; charset=windows-1252"})})
	multi := "--b\r\nContent-Disposition: form-data; name=\"tel\"\r\n\r\n02079460123\r\n--b--\r\n"
	h.send(t, request{path: h.form("site"), body: multi, header: pairs([]string{"Content-Type", "multipart/form-data; boundary=b"})})
	all := h.all(t)
	if len(all) != 2 {
		t.Fatalf("stored %d", len(all))
	}
	for _, s := range all { // what intake will do
		if _, err := submission.Decode(s.Format, s.ContentType, []byte(s.body), nil); err != nil {
			t.Errorf("cannot be read again: %v", err)
		}
	}
}

func TestFormPageNamesTheFieldAndKeepsNothing(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{path: h.form("site"), body: "name=Ada+Example&message=%3Cscript%3E", header: pairs([]string{"Accept", "text/html"})})
	if a.StatusCode != http.StatusUnprocessableEntity || !bytes.Contains(a.text, []byte("Phone or e-mail")) {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
	if bytes.Contains(a.text, []byte("Ada")) || bytes.Contains(a.text, []byte("script")) {
		t.Error("the page repeats what was sent")
	}
	checkPage(t, a)
}

// checkPage holds what both pages promise.
func checkPage(t *testing.T, a answer) {
	t.Helper()
	text := string(a.text)
	for _, bad := range []string{"<script", "http://", "https://", "url(", "onload", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	_, rest, _ := strings.Cut(text, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	if want := "'sha256-" + hash64(style) + "'"; !strings.Contains(a.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy does not allow the page's style %s: %s", want, a.Header.Get("Content-Security-Policy"))
	}
	if a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
		t.Error("the page's address would travel")
	}
}

func TestThanksPageBelievesNothing(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{method: "GET", path: h.form("site") + "/thanks?enquiry=%3Cb%3Ehello&receipt=" + to64(`{"id":"<b>hello"}`)})
	if a.StatusCode != http.StatusOK || strings.Contains(string(a.text), "hello") {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
}

func TestReceiptKeys(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{method: "GET", path: "/.well-known/catchment-receipt-keys.json"})
	keys, err := receipt.ParseKeys(a.text)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v %s", err, a.text)
	}
	got := h.take(t, post(goodLead))
	if err := receipt.Verify(got.Receipt, keys); err != nil {
		t.Error(err)
	}
}

func TestCrossOrigin(t *testing.T) {
	h := newHouse(t)
	h.own.Keys = h.own.Keys[:1] // without the keys for any origin
	h.publish(t)
	pre := func(origin string) answer {
		return h.send(t, request{method: "OPTIONS", path: "/v1/leads", header: pairs([]string{"Origin", origin, "Access-Control-Request-Method", "POST", "Authorization", ""})})
	}
	a := pre("https://example.com")
	if a.StatusCode != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != "https://example.com" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key") || a.Header.Get("Vary") != "Origin" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	if a := pre("https://evil.example"); a.StatusCode != http.StatusForbidden || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin got %d %v", a.StatusCode, a.Header)
	}
	lead := `{"source":"bound","person":{"phone":"1"}}`
	b := h.send(t, post(lead, "Authorization", "Bearer "+publishable, "Origin", "https://example.com"))
	if b.StatusCode != http.StatusAccepted || b.Header.Get("Access-Control-Allow-Origin") != "https://example.com" {
		t.Errorf("got %d %s", b.StatusCode, b.text)
	}
	c := h.send(t, post(`{"source":"bound"}`, "Authorization", "Bearer "+publishable, "Origin", "https://example.com"))
	if c.StatusCode != http.StatusUnprocessableEntity || c.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("the page cannot read what was wrong")
	}
}

// More batches than are worked on at once: they wait for their turn, and on a
// slow machine one that waited too long is told to come again and is taken then.
func TestBatchesTakeTurns(t *testing.T) {
	h := newHouse(t)
	lead := `{"source":"site","person":{"phone":"+442079460001"}}`
	body := "[" + strings.Repeat(lead+",", 99) + lead + "]"
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			a := h.send(t, request{path: "/v1/leads:batch", body: body})
			for end := time.Now().Add(time.Minute); a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && time.Now().Before(end); {
				a = h.send(t, request{path: "/v1/leads:batch", body: body})
			}
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("got %d %.200s", a.StatusCode, a.text)
			}
		})
	}
	all.Wait()
	if n := len(h.all(t)); n != 1200 {
		t.Errorf("stored %d", n)
	}
}
