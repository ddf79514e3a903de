package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/keyring"
)

// A secret that was given is as old as its file, a certificate says its own
// dates, and what stands in the environment is told of as undated.
func TestGivenSecretsHaveDates(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	old := write(t, dir, "sms", []byte("secret"))
	if err := os.Chtimes(old, now, now.Add(-aYear-time.Hour)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CATCHMENT_SMTP_PASSWORD", "secret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	c := config{Data: dir}
	if got := c.held(); len(got) != 0 {
		t.Errorf("nothing is set, and it tells of %v", got)
	}
	c.SMSURL, c.SMSSecretFile, c.SMTPURL = "twilio://x", old, "smtp://x"
	c.PassphraseFile = write(t, dir, "phrase", []byte("secret"))
	c.BucketURL = "s3://bucket"
	c.TLSCert = certificate(t, dir, "tls.pem", now.Add(-90*24*time.Hour), now.Add(-time.Hour))
	c.NATSCert = certificate(t, dir, "nats.pem", now.Add(-time.Hour), now.Add(5*24*time.Hour))
	type state struct{ due, refused, undated bool }
	got := map[keyring.Kind]state{}
	for _, h := range c.held() {
		due, refused := h.Late(now)
		got[h.Kind] = state{due, refused, undated(h)}
		if strings.Contains(fmt.Sprintf("%+v", h), "secret") {
			t.Errorf("a secret is shown: %+v", h)
		}
	}
	want := map[keyring.Kind]state{"passphrase": {}, "tls": {due: true, refused: true}, "nats": {},
		"sms": {due: true}, "smtp": {undated: true}, "bucket": {undated: true}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func certificate(t *testing.T, dir, name string, from, to time.Time) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, x, x, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// docs/keys.md lists the secrets that the program knows of, with their lives.
func TestThePageOfSecretsIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 7 && strings.HasPrefix(cells[2], " `--") {
			rows[strings.Trim(cells[1], " `")] = line
		}
	}
	for _, g := range givens {
		due := "its own"
		if g.life > 0 {
			due = fmt.Sprintf("%d days", g.life/(24*time.Hour))
		}
		if row := rows[string(g.kind)]; !strings.Contains(row, g.setting) || !strings.Contains(row, "| "+due) || !strings.Contains(row, g.env) {
			t.Errorf("%s: the page says %q, the program %s, %s, %s", g.kind, row, g.setting, due, g.env)
		}
	}
	if len(rows) != len(givens) {
		t.Errorf("the page has %d, the program %d", len(rows), len(givens))
	}
}
