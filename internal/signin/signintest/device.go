package signintest

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/descope/virtualwebauthn"
)

// Device is an authenticator with one passkey, as a browser brings it. It
// counts what it signs, and verifies its user.
type Device struct {
	virtualwebauthn.Authenticator
	virtualwebauthn.Credential
	Site virtualwebauthn.RelyingParty // that the browser is on
	PRF  bool                         // it makes keys of its passkey
	t    testing.TB
}

// NewDevice returns one whose browser is at this address.
func NewDevice(t testing.TB, publicURL string) *Device {
	t.Helper()
	u, err := url.Parse(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	return &Device{Authenticator: virtualwebauthn.NewAuthenticator(), Credential: credential(t),
		Site: virtualwebauthn.RelyingParty{ID: u.Hostname(), Origin: publicURL}, t: t}
}

// credential is one whose key's coordinates are of full length: the library
// leaves leading zeros out, which RFC 9053 forbids and ours refuses.
func credential(t testing.TB) virtualwebauthn.Credential {
	t.Helper()
	for {
		c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		key, err := x509.ParsePKCS8PrivateKey(c.Key.Data)
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.(*ecdsa.PrivateKey).PublicKey.Bytes() // 4, x, y
		if err != nil {
			t.Fatal(err)
		}
		if public[1] != 0 && public[33] != 0 {
			return c
		}
	}
}

// Make answers options for making a passkey.
func (d *Device) Make(options map[string]any) []byte {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(text(options))
	if err != nil {
		d.t.Fatal(err)
	}
	d.Authenticator.Options.UserHandle = []byte(o.UserID)
	d.Credential.Counter++
	var out map[string]any
	if err := json.Unmarshal([]byte(virtualwebauthn.CreateAttestationResponse(d.Site, d.Authenticator, d.Credential, *o)), &out); err != nil {
		d.t.Fatal(err)
	}
	out["clientExtensionResults"] = map[string]any{"prf": map[string]any{"enabled": d.PRF}}
	return []byte(text(out))
}

// Show answers options for showing it.
func (d *Device) Show(options map[string]any) []byte {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(text(options))
	if err != nil {
		d.t.Fatal(err)
	}
	if d.Credential.Counter > 0 {
		d.Credential.Counter++
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(d.Site, d.Authenticator, d.Credential, *o))
}

func text(v any) string {
	b, _ := json.Marshal(v) // it was JSON
	return string(b)
}
