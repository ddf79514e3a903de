package main

import (
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/keyring"
	"catchment/internal/logbook"
	"catchment/internal/store"
)

const (
	firstPhrase  = "seven quiet rivers under glass"
	secondPhrase = "nine loud bridges over paper"
)

// typed is somebody at standard input.
func typed(t *testing.T, out io.Writer, lines ...string) *world {
	return &world{ctx: t.Context(), out: out, err: io.Discard, in: strings.NewReader(strings.Join(lines, "\n") + "\n")}
}

func (r *running) at() string { return strings.TrimPrefix(r.health, "http://") }

// unlockBy sends a passphrase as the command does.
func (r *running) unlockBy(t *testing.T, phrase string, headers ...string) answer {
	t.Helper()
	return api{t, r.health, ""}.send(http.MethodPost, unlockPath, []byte(phrase), append([]string{"Content-Type", unlockType}, headers...)...)
}

// A server whose keyring waits for its passphrase takes leads, opens nothing
// and says the way out; with the passphrase the leads are offered. Wrong ones
// are few, slow, and on the record.
func TestASealedStart(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	s.stop()

	var out strings.Builder
	if err := (keysPassphraseCmd{config: c}).Run(typed(t, &out, "short")); err == nil || !exists(filepath.Join(c.Data, keyring.IdentityFile)) {
		t.Errorf("a short passphrase: %v", err)
	}
	if err := (keysPassphraseCmd{config: c}).Run(typed(t, &out, firstPhrase)); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(c.Data, keyring.IdentityFile)) {
		t.Error("the identity is left beside the keyring")
	}
	none := c
	none.Inner = ""
	if _, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: io.Discard}, none); err == nil || !strings.Contains(err.Error(), "--inner") {
		t.Errorf("nobody could unlock this one: %v", err)
	}

	s = serve(t, c)
	sealed(t, s, shop)
	enquiry := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id")
	wrongPassphrases(t, s)
	unlockCmd(t, s, firstPhrase)
	if status, _ := health(t, s); status != http.StatusOK {
		t.Errorf("/readyz after unlocking: %d", status)
	}
	admin := s.as(t, shop.admin)
	admin.until("its offer", "/v1/leads/"+attached(admin, enquiry), func(a answer) bool { return a.text("state") == "offered" })
	for action, n := range map[string]int{"keys.passphrase": 1, "keys.unlock": 1, "keys.unlocked": 1, "keys.unlock-refused": 2} {
		if got := platformHas(t, s, action); got != n {
			t.Errorf("%s is %d times on the record, not %d", action, got, n)
		}
	}
	changedBesideTheServer(t, s)
	theLogIsKept(t, s)
	s.stop()
	withoutADoor(t, c, shop)
}

// theLogIsKept looks for what the server said before it had a key, and for what
// is left after 21 days.
func theLogIsKept(t *testing.T, s *running) {
	t.Helper()
	h := s.doors.Load().house
	if err := s.book.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := logbook.Want{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
	lines, _, err := logbook.NewReader(h.logs, h.ring.LogIdentity()).Page(t.Context(), all, logbook.Place{}, 500)
	var said []string
	for _, l := range lines {
		said = append(said, l.Message)
	}
	if text := strings.Join(said, "\n"); err != nil || !strings.Contains(text, "SEALED: leads are taken") || !strings.Contains(text, "unsealed") {
		t.Errorf("kept: %v\n%s", err, text)
	}
	if _, _, err := logbook.NewReader(h.logs, h.ring.BackupIdentity()).Page(t.Context(), all, logbook.Place{}, 500); err == nil {
		t.Error("what opens backups opens the log")
	}
	(&pruner{h: h}).pass(t.Context(), time.Now().Add(20*24*time.Hour))
	if n := platformHas(t, s, "log.removed"); n != 0 {
		t.Errorf("after 20 days %d entries say that it was removed", n)
	}
	(&pruner{h: h}).pass(t.Context(), time.Now().Add(23*24*time.Hour))
	if n := platformHas(t, s, "log.removed"); n != 1 {
		t.Errorf("after 23 days %d entries say that it was removed", n)
	}
	for f := range h.logs.List(t.Context(), "") {
		t.Errorf("after 23 days %s is left", f.Name)
	}
}

func health(t *testing.T, s *running) (status int, body string) {
	a := api{t, s.health, ""}.send(http.MethodGet, "/readyz", nil)
	return a.status, string(a.body)
}

func sealed(t *testing.T, s *running, shop shop) {
	t.Helper()
	if status, body := health(t, s); status != http.StatusServiceUnavailable || !strings.Contains(body, `"sealed"`) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if metrics := string(api{t, s.health, ""}.want(200, "GET", "/metrics", nil).body); !strings.Contains(metrics, "catchment_sealed 1") {
		t.Error("no metric says that it is sealed")
	}
	for _, path := range []string{"/v1/leads", "/v1/me", "/v1/enquiries/enq_01kb4n8xrpe5ztvq2m6dh8s3cw", "/"} {
		a := s.as(t, shop.admin).want(503, "GET", path, nil)
		if a.text("code") != "sealed" || a.header.Get("Retry-After") == "" || !strings.Contains(a.text("detail"), "catchment keys unlock") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func wrongPassphrases(t *testing.T, s *running) {
	t.Helper()
	now := time.Now()
	s.unlocker.now = func() time.Time { return now }
	for _, c := range []struct {
		after   time.Duration
		phrase  string
		headers []string
		status  int
		wait    string
	}{
		{0, firstPhrase, []string{"Origin", "https://example.com"}, 415, ""},
		{0, firstPhrase, []string{"Sec-Fetch-Site", "cross-site"}, 415, ""},
		{0, firstPhrase, []string{"Content-Type", "text/plain"}, 415, ""},
		{0, strings.Repeat("x", maxPassphrase+1), nil, 400, ""},
		{0, "", nil, 400, ""},
		{0, secondPhrase, nil, 403, ""},
		{0, firstPhrase, nil, 429, "1"}, // the right one, too soon
		{time.Second, secondPhrase, nil, 403, ""},
		{time.Second, firstPhrase, nil, 429, "1"},
		{time.Second, "", nil, 400, ""},
	} {
		now = now.Add(c.after)
		a := s.unlockBy(t, c.phrase, c.headers...)
		if a.status != c.status || a.header.Get("Retry-After") != c.wait {
			t.Errorf("%q after %s: %d, %q: %s", c.phrase, c.after, a.status, a.header.Get("Retry-After"), a.body)
		}
		if strings.Contains(string(a.body), "rivers") {
			t.Error("the answer has the passphrase")
		}
	}
	if status, _ := health(t, s); status != http.StatusServiceUnavailable {
		t.Error("it is open")
	}
}

func unlockCmd(t *testing.T, s *running, phrase string) {
	t.Helper()
	c := s.c
	c.Inner = s.at()
	if err := (keysUnlockCmd{c}).Run(typed(t, io.Discard, phrase)); err != nil {
		t.Fatal(err)
	}
}

// changedBesideTheServer changes the passphrase under a server, which then
// still sees a key that is rotated by the new one.
func changedBesideTheServer(t *testing.T, s *running) {
	t.Helper()
	c, out := s.c, &strings.Builder{}
	c.Inner = s.at()
	if err := (keysPassphraseCmd{config: c, WithoutDoor: true}).Run(typed(t, out, firstPhrase, secondPhrase)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "running server knows it") || strings.Contains(s.logs.String(), "rivers") {
		t.Errorf("%s", out)
	}
	if a := s.unlockBy(t, firstPhrase); a.status != 403 {
		t.Errorf("the old passphrase: %d", a.status)
	}
	c.Ask = func() (string, error) { return secondPhrase, nil }
	if err := (keysRotateCmd{config: c, What: "receipt", From: time.Hour}).Run(typed(t, io.Discard)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the new receipt key", func() bool {
		return strings.Count(string(s.as(t, "").want(200, "GET", "/.well-known/catchment-receipt-keys.json", nil).body), "key_id") == 2
	})
}

// withoutADoor starts where nothing lies beside the keyring that a door could
// use: not even leads are taken. Then the passphrase is taken off.
func withoutADoor(t *testing.T, c config, shop shop) {
	t.Helper()
	s := serve(t, c)
	sealed(t, s, shop)
	if a := s.as(t, shop.pub).send("POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")); a.status != 503 || a.text("code") != "sealed" {
		t.Errorf("a lead without a door: %d %s", a.status, a.body)
	}
	unlockCmd(t, s, secondPhrase)
	admin := s.as(t, shop.admin)
	attached(admin, s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")).text("id"))
	s.stop()
	if err := (keysPassphraseCmd{config: c, Remove: true}).Run(typed(t, io.Discard, secondPhrase)); err != nil {
		t.Fatal(err)
	}
	s = serve(t, c)
	s.as(t, shop.admin).want(200, "GET", "/v1/leads", nil)
	if a := s.unlockBy(t, secondPhrase); a.status != 409 {
		t.Errorf("there is nothing to unlock: %d", a.status)
	}
}

// What is read from standard input is one line each, and an empty one is none.
func TestPassphrasesAreLines(t *testing.T) {
	w := typed(t, io.Discard, "one", "two\r", "")
	var got []string
	for range 2 {
		text, err := w.secret("Passphrase")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
	if text, err := w.secret("Passphrase"); err == nil {
		t.Errorf("an empty line is %q", text)
	}
}
