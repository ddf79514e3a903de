package signin

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store/access"
)

// PasskeyPrefix begins the secret of a passkey's ceremony.
const PasskeyPrefix = "pfl_"

// CeremonyLife is how long a passkey can be shown or made after the options
// for it were given.
const CeremonyLife = 5 * time.Minute

// Ceremony is what a browser needs to make or show a passkey.
type Ceremony struct {
	Secret    string
	ExpiresAt time.Time
	Options   map[string]any // the JSON form of WebAuthn level 3, sections 5.1.8 and 5.1.9
}

// A ceremony ends in one of these, and in no other.
const (
	toSignIn byte = iota + 1
	toShow        // as a second factor, in its session
	toAdd         // a new passkey, in its session
)

// ceremony is one on its way. Nothing is stored of it: its secret names it and
// is bound to what it is for under a key of the keyring, so that strangers who
// begin thousands write nothing. What was used is noted (access.EndCeremony).
type ceremony struct {
	id      access.FlowID
	begun   time.Time
	kind    byte
	session account.SessionID // zero: a sign-in
}

const macSize = 16

func (s *Signin) newCeremony(kind byte, session account.SessionID) ceremony {
	return ceremony{access.NewFlowID(), s.now(), kind, session}
}

func (c ceremony) bytes() []byte {
	id := c.id.UUID()
	return binary.BigEndian.AppendUint64(id[:], uint64(c.begun.UnixMicro()))
}

func (s *Signin) ceremonyMAC(what string, c ceremony) [32]byte {
	session := c.session.UUID()
	return s.o.Keys.FlowMAC(c.begun, what, string(c.bytes())+string(c.kind)+string(session[:]))
}

func (s *Signin) ceremonySecret(c ceremony) string {
	mac := s.ceremonyMAC("passkey-flow", c)
	return PasskeyPrefix + base64.RawURLEncoding.EncodeToString(append(c.bytes(), mac[:macSize]...))
}

// challenge is what the authenticator signs.
func (s *Signin) challenge(c ceremony) []byte {
	mac := s.ceremonyMAC("passkey-challenge", c)
	return mac[:]
}

// ceremonyOf reads a secret of ours that is of this kind and session, and not
// too old by this node's clock, which may be behind another's a little.
func (s *Signin) ceremonyOf(secret string, kind byte, session account.SessionID) (c ceremony, ok bool) {
	text, ok := strings.CutPrefix(secret, PasskeyPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != 16+8+macSize {
		return c, false
	}
	if c.id, err = access.FlowIDFrom(raw[:16]); err != nil {
		return c, false
	}
	c.begun, c.kind, c.session = time.UnixMicro(int64(binary.BigEndian.Uint64(raw[16:24]))).UTC(), kind, session
	want := s.ceremonyMAC("passkey-flow", c)
	age := s.now().Sub(c.begun)
	return c, hmac.Equal(want[:macSize], raw[24:]) && age < CeremonyLife && age > -clockSkew
}

// given is the ceremony as its browser gets it. options is what the library made.
func (s *Signin) given(c ceremony, options any) (Ceremony, error) {
	out := Ceremony{Secret: s.ceremonySecret(c), ExpiresAt: c.begun.Add(CeremonyLife)}
	text, err := json.Marshal(options)
	if err == nil {
		err = json.Unmarshal(text, &out.Options)
	}
	return out, err
}

// relyingParty is this site as authenticators know it: passkeys are of the
// host's name, and browsers take none for an address. A site on loopback is
// known as localhost. nil: there are no passkeys here.
func relyingParty(publicURL string) *webauthn.WebAuthn {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	host, origin := strings.ToLower(u.Hostname()), u.Scheme+"://"+u.Host
	if ip, err := netip.ParseAddr(host); err == nil {
		if !ip.IsLoopback() {
			return nil
		}
		host, origin = "localhost", u.Scheme+"://localhost"
		if u.Port() != "" {
			origin = u.Scheme + "://" + net.JoinHostPort("localhost", u.Port())
		}
	}
	w, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "Catchment", RPOrigins: []string{origin},
		AttestationPreference:             protocol.PreferNoAttestation,
		AuthenticatorSelection:            protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: new(true), UserVerification: protocol.VerificationRequired},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore, // password managers add some
	})
	if err != nil {
		return nil
	}
	return w
}

// passkeys is the relying party; 409 no_passkeys where there is none.
func (s *Signin) passkeys() (*webauthn.WebAuthn, error) {
	if s.party == nil {
		return nil, problem.Conflict("no_passkeys", "Passkeys need a site with a name: --public-url. Sign in another way.")
	}
	return s.party, nil
}

// passkeyUser is a user or operator as the library asks for them.
type passkeyUser struct {
	handle []byte
	name   string
	keys   []access.Passkey
}

// handleOf is what an authenticator keeps of whose passkey it is: ids, which
// say nothing to anybody else.
func handleOf(acct account.ID, user account.UserID) []byte {
	a, u := acct.UUID(), user.UUID()
	return append(a[:], u[:]...)
}

// WebAuthnID and its siblings implement webauthn.User.
func (u passkeyUser) WebAuthnID() []byte          { return u.handle }
func (u passkeyUser) WebAuthnName() string        { return u.name }
func (u passkeyUser) WebAuthnDisplayName() string { return u.name }

// WebAuthnCredentials is what is stored, as the library reads it.
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(u.keys))
	for i, k := range u.keys {
		out[i] = webauthn.Credential{ID: k.Credential, PublicKey: k.PublicKey, Authenticator: webauthn.Authenticator{SignCount: k.SignCount},
			Flags: webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: k.Eligible, BackupState: k.Synced}}
		for _, t := range k.Transports {
			out[i].Transport = append(out[i].Transport, protocol.AuthenticatorTransport(t))
		}
	}
	return out
}

func (u passkeyUser) key(credential []byte) (access.Passkey, error) {
	for _, k := range u.keys {
		if string(k.Credential) == string(credential) {
			return k, nil
		}
	}
	return access.Passkey{}, fmt.Errorf("signin: no passkey of this id")
}
