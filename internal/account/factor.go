package account

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Factor is a way of showing who one is.
type Factor string

// The factors.
const (
	Password Factor = "password"
	Code     Factor = "code"     // a one-time code to the registered phone
	Passkey  Factor = "passkey"  // with user verification: a device, and what unlocks it
	TOTP     Factor = "totp"     // a code from an app
	Recovery Factor = "recovery" // a recovery code
	SSO      Factor = "sso"      // the account's identity provider said so

	SSOSecond Factor = "sso-second" // and that it had asked for two factors
)

// factors is every factor, in the order of Shown.
var factors = [...]Factor{Password, Code, Passkey, TOTP, Recovery, SSO, SSOSecond}

// Factors lists every factor.
func Factors() []Factor { return slices.Clone(factors[:]) }

// Shown is when a session showed each factor last. The zero Shown has shown
// none. It is comparable.
type Shown struct{ at [len(factors)]int64 } // microseconds since 1970; 0: never

// With is s after the factor was shown at that time. It panics on an unknown
// factor, which is a fault of the program.
func (s Shown) With(f Factor, at time.Time) Shown {
	i := slices.Index(factors[:], f)
	if i < 0 {
		panic("account: no factor is called " + string(f))
	}
	s.at[i] = at.UnixMicro()
	return s
}

// At is when the factor was shown last; the zero time: never.
func (s Shown) At(f Factor) time.Time {
	if i := slices.Index(factors[:], f); i >= 0 && s.at[i] != 0 {
		return time.UnixMicro(s.at[i]).UTC()
	}
	return time.Time{}
}

// List is the factors that were shown, in a fixed order.
func (s Shown) List() (out []Factor) {
	for i, f := range factors {
		if s.at[i] != 0 {
			out = append(out, f)
		}
	}
	return out
}

// Level is 2 for whoever has shown two different factors, or a passkey, which
// is two in one: a thing they have, and what unlocks it. 1 is for any other
// one, 0 for none.
func (s Shown) Level() int {
	if !s.At(Passkey).IsZero() {
		return 2
	}
	return min(len(s.List()), 2)
}

// StepUp is how long after a second factor dangerous acts are open.
const StepUp = 10 * time.Minute

// Fresh reports whether a factor that was shown at the one time opens dangerous
// acts at the other. One from the future does so no longer than one from the
// past: a node whose clock went back does not keep them open.
func Fresh(shown, now time.Time) bool { return now.Sub(shown).Abs() < StepUp }

// Latest is when any factor was shown last.
func (s Shown) Latest() time.Time { return s.latest(factors[:]) }

// Strong is when a factor other than the password was shown last; the zero time
// below level 2. A password alone is what somebody else has guessed or found.
func (s Shown) Strong() time.Time {
	if s.Level() < 2 {
		return time.Time{}
	}
	return s.latest(factors[1:])
}

func (s Shown) latest(of []Factor) (last time.Time) {
	for _, f := range of {
		if at := s.At(f); at.After(last) {
			last = at
		}
	}
	return last
}

// MarshalJSON writes an object of factors and microseconds, as it is stored.
func (s Shown) MarshalJSON() ([]byte, error) {
	out := map[Factor]int64{}
	for i, f := range factors {
		if s.at[i] != 0 {
			out[f] = s.at[i]
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. A factor that this program does
// not know is refused: it cannot be judged.
func (s *Shown) UnmarshalJSON(b []byte) error {
	in := map[Factor]int64{}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*s = Shown{}
	for f, at := range in {
		i := slices.Index(factors[:], f)
		if i < 0 {
			return fmt.Errorf("account: unknown factor %.20q", f)
		}
		s.at[i] = at
	}
	return nil
}
