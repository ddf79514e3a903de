package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/files"
	"catchment/internal/keyring"
)

// given is a secret that whoever runs the machine gave this program: it lies in
// a file, which is as old as it, or in the environment, which has no date.
type given struct {
	kind    keyring.Kind
	setting string                // that names it
	life    time.Duration         // from when the file was written; 0: it is a certificate, which says itself
	file    func(c config) string // "": none
	env     string                // has it, when no file does
	uses    func(c config) bool   // nil: whenever it is set
	instead string                // how another takes its place
}

const aYear = 365 * 24 * time.Hour

// certificateSoon is how long before its end a certificate is warned of; of a
// short one, when a third of its life is left.
const certificateSoon = 21 * 24 * time.Hour

// givens lists them all; docs/keys.md has the same.
var givens = []given{
	{kind: "identity", setting: "--identity", life: 5 * aYear, file: config.identityFile, instead: "catchment keys passphrase, then catchment keys passphrase --remove, make another"},
	{kind: "passphrase", setting: "--passphrase-file", life: aYear, file: func(c config) string { return c.PassphraseFile }, instead: "catchment keys passphrase"},
	{kind: "kms-token", setting: "--kms-token-file", life: aYear, file: func(c config) string { return c.KMSTokenFile }, env: "VAULT_TOKEN",
		uses: func(c config) bool { return strings.HasPrefix(c.kms(), "hcvault") }, instead: "write the new one into the file: it is read at each call"},
	{kind: "tls", setting: "--tls-cert", file: func(c config) string { return c.TLSCert }, instead: "write the new one into the files: they are read when they change"},
	{kind: "nats", setting: "--nats-cert", file: func(c config) string { return c.NATSCert }, instead: "write the new one into the files, and start anew"},
	{kind: "sms", setting: "--sms-secret-file", life: aYear, file: func(c config) string { return c.SMSSecretFile }, env: "CATCHMENT_SMS_SECRET",
		uses: func(c config) bool { return c.SMSURL != "" }, instead: "have the provider make another, and start anew"},
	{kind: "smtp", setting: "--smtp-password-file", life: aYear, file: func(c config) string { return c.SMTPPasswordFile }, env: "CATCHMENT_SMTP_PASSWORD",
		uses: func(c config) bool { return c.SMTPURL != "" }, instead: "have the mail server take another, and start anew"},
	{kind: "bucket", setting: "--bucket-url, --backup-to", life: aYear, file: func(config) string { return os.Getenv("AWS_SHARED_CREDENTIALS_FILE") }, env: "AWS_SECRET_ACCESS_KEY",
		uses: func(c config) bool { return files.Elsewhere(c.BucketURL) || files.Elsewhere(c.BackupTo) }, instead: "have the service make another, and start anew"},
}

// identityFile is the one that opens the keyring; "" when something else does.
func (c config) identityFile() string {
	name := c.Identity
	if name == "" {
		name = filepath.Join(c.Data, keyring.IdentityFile)
	}
	if !exists(name) {
		return ""
	}
	return name
}

// held tells of those that are set here, with their dates.
func (c config) held() (out []keyring.Held) {
	for _, g := range givens {
		if g.uses != nil && !g.uses(c) {
			continue
		}
		h := keyring.Held{Kind: g.kind, Uses: true}
		switch file := g.file(c); {
		case file != "":
			h.ID = filepath.Base(file)
			g.date(&h, file)
		case g.env != "" && os.Getenv(g.env) != "":
			h.ID = g.env
		default:
			continue
		}
		out = append(out, h)
	}
	return out
}

// date fills in what the file says. One that cannot be read has no date; what
// uses it says why.
func (g given) date(h *keyring.Held, file string) {
	if g.life == 0 {
		if c, err := readCertificate(file); err == nil {
			h.Born, h.Due, h.Ends = c.NotBefore, c.NotAfter.Add(-min(certificateSoon, c.NotAfter.Sub(c.NotBefore)/3)), c.NotAfter
		}
		return
	}
	if info, err := os.Stat(file); err == nil {
		h.Born = info.ModTime()
		h.Due = h.Born.Add(g.life)
	}
}

// readCertificate reads the first one of a PEM file.
func readCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s begins with no certificate", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

// undated reports a secret whose age nobody can tell.
func undated(h keyring.Held) bool { return h.Born.IsZero() && h.Due.IsZero() && h.Service == "" }

// instead says how another one comes into the place of a key or secret.
func instead(k keyring.Kind) string {
	for _, g := range givens {
		if g.kind == k {
			return g.instead
		}
	}
	if k.Rotates() {
		return "catchment keys rotate " + string(k)
	}
	return "it goes with the installation, see docs/keys.md"
}

// ended says what stops when one is past its end.
func ended(k keyring.Kind) string {
	if k == keyring.RootKind {
		return "no account can be made"
	}
	return "whoever is shown it refuses"
}

// held lists the platform's keys and secrets.
func (h *house) held() []keyring.Held { return append(h.ring.Held(), h.c.held()...) }
