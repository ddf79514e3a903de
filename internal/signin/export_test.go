package signin

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// Settled reports whether it is decided of every code asked for whether it goes
// out.
func (s *Signin) Settled() bool { return s.queued.Load() == 0 }

// The bounds, for tests.
const (
	CodeTries    = codeTries
	CodePause    = codePause
	NumberHour   = numberHour
	PrefixHour   = prefixHour
	AccountLeast = accountLeast
	AlarmLeast   = alarmLeast
	NetworkAsks  = networkAsks
	NetworkFails = networkFails
)

// TooOften and Device are tried by themselves.
var (
	TooOften  = tooOften
	SixDigits = sixDigits
	Device    = device
)

// Reaches is tried by itself.
var Reaches = reaches

// ReadClaims reads a token's content.
func ReadClaims(text string, now time.Time) (second bool, asked time.Time, ok bool) {
	var c claims
	err := json.Unmarshal([]byte(text), &c)
	return c.second(), c.asked(now), err == nil
}

// RelyingParty is the site's name for authenticators, and its origin; "": none.
func RelyingParty(publicURL string) string {
	w := relyingParty(publicURL)
	if w == nil {
		return ""
	}
	return w.Config.RPID + " " + w.Config.RPOrigins[0]
}

// ReadPasskey parses what a client sends, in both places.
func ReadPasskey(answer []byte) {
	_, _ = protocol.ParseCredentialRequestResponseBytes(answer)
	_, _ = protocol.ParseCredentialCreationResponseBytes(answer)
}

type noKeys struct{}

func (noKeys) LoginIndex(string) (m vault.MAC)                   { return m }
func (k noKeys) FlowMAC(_ time.Time, kind, text string) [32]byte { return k.TokenMAC(kind, text) }
func (noKeys) TokenMAC(kind, text string) (sum [32]byte) {
	return sha256.Sum256([]byte(kind + "\x00" + text))
}

// ReadCeremony reads a secret with keys that nobody else has.
func ReadCeremony(secret string) bool {
	s := &Signin{o: Options{Keys: noKeys{}, Now: time.Now}}
	_, ok := s.ceremonyOf(secret, toSignIn, account.SessionID{})
	return ok
}
