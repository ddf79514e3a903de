package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/keyring"
	"catchment/internal/keyservice/keyservicetest"
	"catchment/internal/store"
)

// The keys move to a key service beside the working server: nothing on disk
// opens without it, a start while it is away takes leads and waits, what it
// opened serves on, and one that refuses is told from one that is away. Then the
// keys come home again.
func TestTheKeysAreAtAService(t *testing.T) {
	t.Parallel()
	at := keyservicetest.Vault(t, "")
	c := settingsFor(t, store.Options{})
	c.KMSURI, c.KMSKeep, c.KMSTokenFile = "local", time.Hour, write(t, t.TempDir(), "token", []byte(keyservicetest.Token+"\n"))
	flags := []string{"--data", c.Data, "--kms-uri", at.URI, "--kms-token-file", c.KMSTokenFile}
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	known := attached(s.as(t, shop.admin), s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id"))
	local := []string{"--data", c.Data, "--kms-token-file", c.KMSTokenFile}
	do(t, 2, append([]string{"keys", "rotate", "account", "--to", at.URI}, local...)...)
	do(t, 0, append([]string{"keys", "rotate", "root", "--to", at.URI}, local...)...)
	if out := do(t, 0, append([]string{"keys", "rewrap"}, local...)...); !strings.HasPrefix(out, "1 keys") {
		t.Errorf("rewrap: %s", out)
	}
	if out := do(t, 0, append([]string{"keys", "expire"}, local...)...); !strings.Contains(out, "is destroyed") {
		t.Errorf("expire: %s", out)
	}
	readsHer(t, s, shop, known)
	s.stop()
	do(t, 0, append([]string{"keys", "lock"}, flags...)...)
	c.KMSURI = at.URI
	if exists(filepath.Join(c.Data, keyring.IdentityFile)) {
		t.Error("an identity lies beside the keyring")
	}

	at.Set(keyservicetest.Sealed)
	s = serve(t, c)
	sealed(t, s, shop)
	enquiry := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")).text("id")
	if a := s.unlockBy(t, firstPhrase); a.status != 409 {
		t.Errorf("a passphrase opens nothing here: %d", a.status)
	}
	if out := do(t, 1, append([]string{"doctor"}, flags...)...); !strings.Contains(out, "key service is away") {
		t.Errorf("doctor: %s", out)
	}
	at.Set(keyservicetest.Well)
	waitFor(t, "the keys", func() bool { status, _ := health(t, s); return status == 200 })
	admin := s.as(t, shop.admin)
	admin.until("its offer", "/v1/leads/"+attached(admin, enquiry), func(a answer) bool { return a.text("state") == "offered" })

	at.Set(keyservicetest.Sealed)
	readsHer(t, s, shop, known)
	at.Set(keyservicetest.Well)
	if out := do(t, 0, append([]string{"doctor"}, flags...)...); !strings.Contains(out, "ok    key service "+at.URI) {
		t.Errorf("doctor: %s", out)
	}
	if out := do(t, 0, append([]string{"keys", "status"}, flags...)...); !strings.Contains(line(out, "root"), at.URI) {
		t.Errorf("status: %s", out)
	}
	metrics := string(api{t, s.health, ""}.want(200, "GET", "/metrics", nil).body)
	for _, want := range []string{`catchment_key_service_up{service="` + at.URI + `"}`, `outcome="away"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric has %s", want)
		}
	}
	home(t, s, at, c, shop, known)
}

// A first start under a key service leaves no identity, and the keys of a door.
func TestAFirstStartAtAService(t *testing.T) {
	t.Parallel()
	at, dir := keyservicetest.Vault(t, ""), filepath.Join(t.TempDir(), "data")
	token := write(t, t.TempDir(), "token", []byte(keyservicetest.Token))
	args := []string{"account", "create", "--data", dir, "--name", "Example Homes", "--admin-email", "ada@example.com", "--kms-token-file", token}
	do(t, 2, append(args, "--kms-uri", "gcp-kms://x")...)
	do(t, 0, append(args, "--kms-uri", at.URI)...)
	if exists(filepath.Join(dir, keyring.IdentityFile)) || !exists(filepath.Join(dir, keyring.DoorIdentity)) {
		t.Error("an identity lies beside the keyring, or no keys of a door do")
	}
	if out := do(t, 1, append(args, "--kms-uri", "local")...); !strings.Contains(out, "sealed by a key service") {
		t.Errorf("%s", out)
	}
}

// readsHer reads a person, which needs the account's keys.
func readsHer(t *testing.T, s *running, shop shop, lead string) {
	t.Helper()
	a := s.as(t, shop.admin).want(200, "GET", "/v1/leads/"+lead, nil, "Catchment-Purpose", "test")
	if a.text("person", "name") != "Asha Example" {
		t.Errorf("%s", a.body)
	}
}

// rewrapped: the account's key, and those of the log that was kept, one a start.
var rewrapped = regexp.MustCompile(`^[2-9] keys wrapped anew`)

// home moves the root beside the running server, then the keyring's own lock.
func home(t *testing.T, s *running, at *keyservicetest.Service, c config, shop shop, lead string) {
	t.Helper()
	flags := []string{"--data", c.Data, "--kms-uri", at.URI, "--kms-token-file", c.KMSTokenFile}
	keys := func(want int, args ...string) string {
		return do(t, want, append(append([]string{"keys"}, args...), flags...)...)
	}
	keys(0, "rotate", "root")
	if out := keys(0, "rewrap"); !rewrapped.MatchString(out) {
		t.Errorf("rewrap: %s", out)
	}
	if out := keys(0, "expire"); !strings.Contains(out, "is destroyed") {
		t.Errorf("expire: %s", out)
	}
	readsHer(t, s, shop, lead)
	s.stop()
	at.Set(keyservicetest.Refuses)
	if r, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: io.Discard}, c); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a start that is refused: %v", err)
		if r != nil {
			r.stop()
		}
	}
	at.Set(keyservicetest.Well)
	do(t, 0, "keys", "lock", "--data", c.Data, "--from", at.URI, "--kms-token-file", c.KMSTokenFile)
	at.Stop()
	if exists(filepath.Join(c.Data, keyring.DoorIdentity)) {
		t.Error("the keys of a door are left")
	}
	c.KMSURI = "local"
	readsHer(t, serve(t, c), shop, lead)
	c.KMSURI = at.URI
	if err := c.waitsForService(os.ErrNotExist); err {
		t.Error("it would wait for what is another fault")
	}
}
