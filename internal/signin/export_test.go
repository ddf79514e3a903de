package signin

import (
	"encoding/json"
	"time"
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

// Public is tried by itself.
var Public = public

// ReadClaims reads a token's content.
func ReadClaims(text string, now time.Time) (second bool, asked time.Time, ok bool) {
	var c claims
	err := json.Unmarshal([]byte(text), &c)
	return c.second(), c.asked(now), err == nil
}
