package signin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store/access"
)

// Codes of an app are RFC 6238's with what every app can: SHA-1, six digits,
// thirty seconds; the step before and the one after are taken, too.
const (
	totpStep  = 30
	totpSeed  = 20 // bytes, as RFC 4226 recommends
	totpOffer = 10 * time.Minute
)

// Enrolment is a seed for an app. It is shown this once, and counts when a code
// of it was confirmed.
type Enrolment struct {
	Secret  string // base32, for typing
	URL     string // otpauth://…, for a QR code
	Expires time.Time
}

// Confirmed is a session after its user got an app, with recovery codes that
// are nowhere else.
type Confirmed struct {
	SignedIn
	Recovery []string
}

// seed is the app's secret. It is not stored: it is made of the salt beside
// the user, under a key that is in no database.
func (s *Signin) seed(user account.UserID, salt []byte) []byte {
	sum := s.o.Keys.TokenMAC("totp", user.String()+"\x00"+string(salt))
	return sum[:totpSeed]
}

// OfferTOTP makes a seed for the visitor's app. An app they have goes on until
// the new one is confirmed.
func (s *Signin) OfferTOTP(ctx context.Context, p directory.Principal) (e Enrolment, err error) {
	if err := s.mayAdd(ctx, p); err != nil {
		return e, err
	}
	me, err := s.o.Directory.Me(ctx, p)
	if err != nil {
		return e, err
	}
	salt := newSalt()
	name := me.Name
	if me.AccountName != "" {
		name += ", " + me.AccountName
	}
	if e, err = s.enrolment(p.User, salt, name); err != nil {
		return e, err
	}
	err = s.hold(ctx, p, func(h holding) error {
		e.Expires = h.now.Add(totpOffer)
		return access.OfferTOTP(h.Holder, p.User, salt, h.now)
	})
	return e, err
}

func newSalt() []byte {
	salt := make([]byte, 16)
	rand.Read(salt)
	return salt
}

// enrolment is the seed of the salt as an app takes it, without an end.
func (s *Signin) enrolment(user account.UserID, salt []byte, name string) (Enrolment, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Catchment", AccountName: strings.ReplaceAll(name, ":", " "), Period: totpStep,
		Secret: s.seed(user, salt), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Enrolment{}, fmt.Errorf("signin: %w", err)
	}
	return Enrolment{Secret: key.Secret(), URL: key.URL()}, nil
}

// ConfirmTOTP takes the app whose seed was offered, once it shows a right code.
// The user's other sessions end: they were begun with less.
func (s *Signin) ConfirmTOTP(ctx context.Context, p directory.Principal, code string) (out Confirmed, err error) {
	if err := s.mayAdd(ctx, p); err != nil {
		return out, err
	}
	if err := s.try(ctx, p); err != nil {
		return out, err
	}
	right := false
	err = s.hold(ctx, p, func(h holding) error {
		right = false // it may run again
		t, err := access.GetTOTP(h.Holder, p.User)
		if err != nil {
			return err
		}
		if t.Next == nil || h.now.Sub(t.NextFrom) >= totpOffer {
			return problem.Conflict("no_offer", "Ask for a seed first: POST /v1/me/totp. It waits ten minutes for its first code.")
		}
		step, ok := stepOf(s.seed(p.User, t.Next), code, h.now)
		if !ok {
			return nil
		}
		if ok, err = access.ConfirmTOTP(h.Holder, p.User, t.Next, step, h.now); err != nil || !ok {
			return err // another tab was offered one since
		}
		right = true
		if out.Recovery, err = s.newRecovery(h); err != nil {
			return err
		}
		s.o.Directory.Revoked(h)
		if err := access.EndSessionsOf(h.Holder, p.User, p.Session, h.now); err != nil {
			return err
		}
		return h.note("factor.add", map[string]any{"factor": account.TOTP})
	})
	if err == nil && !right {
		err = s.refuse(ctx, p, account.TOTP)
	}
	if err != nil {
		return Confirmed{}, err
	}
	p.Second = true
	out.SignedIn, err = s.o.Directory.Renew(ctx, p, account.TOTP)
	return out, err
}

// RemoveTOTP takes the visitor's app away; the recovery codes go with the last
// factor.
func (s *Signin) RemoveTOTP(ctx context.Context, p directory.Principal) (SignedIn, error) {
	if err := s.fresh(p); err != nil {
		return SignedIn{}, err
	}
	err := s.hold(ctx, p, func(h holding) error {
		ok, err := access.RemoveTOTP(h.Holder, p.User)
		if err == nil && !ok {
			err = problem.NotFound()
		}
		if err != nil {
			return err
		}
		if err := h.note("factor.remove", map[string]any{"factor": account.TOTP}); err != nil {
			return err
		}
		return s.lessFactors(h, &p)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p)
}

// checkTOTP reports whether the code is of the user's app and of a time step
// after the last one used, which it uses up.
func (s *Signin) checkTOTP(h holding, code string) (bool, error) {
	t, err := access.GetTOTP(h.Holder, h.user)
	if err != nil || t.Salt == nil {
		return false, err
	}
	step, ok := stepOf(s.seed(h.user, t.Salt), code, h.now)
	if !ok {
		return false, nil
	}
	return access.StepTOTP(h.Holder, h.user, step)
}

// stepOf finds the newest of the three time steps around now of which it is
// the code.
func stepOf(seed []byte, code string, now time.Time) (step int64, ok bool) {
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
	at := now.Unix() / totpStep
	for d := int64(-1); d <= 1; d++ {
		want, err := hotp.GenerateCode(secret, uint64(at+d))
		if err == nil && hmac.Equal([]byte(want), []byte(code)) {
			step, ok = at+d, true
		}
	}
	return step, ok
}

// recoveryCodes is how many codes a user gets, each of 50 random bits.
const recoveryCodes = 10

// letters are Crockford's base 32: none is taken for another.
const letters = "0123456789abcdefghjkmnpqrstvwxyz"

// newRecovery makes the user's recovery codes; those they had are worth
// nothing from then on.
func (s *Signin) newRecovery(h holding) (codes []string, err error) {
	var macs []access.Hash
	for range recoveryCodes {
		b := make([]byte, 10)
		rand.Read(b)
		for i := range b {
			b[i] = letters[b[i]%32]
		}
		codes = append(codes, string(b[:5])+"-"+string(b[5:]))
		macs = append(macs, s.recoveryMAC(h.user, string(b)))
	}
	return codes, access.SetRecovery(h.Holder, h.user, macs, h.now)
}

func (s *Signin) recoveryMAC(user account.UserID, code string) access.Hash {
	return s.o.Keys.TokenMAC("recovery", user.String()+"\x00"+code)
}

// NewRecovery gives the visitor new recovery codes in the place of the old ones.
func (s *Signin) NewRecovery(ctx context.Context, p directory.Principal) (codes []string, err error) {
	if !p.Second {
		return nil, problem.Conflict("no_second_factor", "Recovery codes stand in for a second factor: set one up first.")
	}
	if err := s.fresh(p); err != nil {
		return nil, err
	}
	err = s.hold(ctx, p, func(h holding) error {
		if codes, err = s.newRecovery(h); err != nil {
			return err
		}
		return h.note("recovery.renew", nil)
	})
	return codes, err
}

// useRecovery uses a recovery code up. It is read as people type: in any case,
// with hyphens and spaces, o for 0 and i or l for 1.
func (s *Signin) useRecovery(h holding, code string) (bool, error) {
	plain := strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(code))
	return access.UseRecovery(h.Holder, h.user, s.recoveryMAC(h.user, plain), h.now)
}
