package signin_test

import (
	"context"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
)

// app is a user's app for codes, on the tests' clock.
type app struct {
	h        *house
	secret   string
	recovery []string
}

// code is what the app shows so many time steps from now.
func (a app) code(steps int) string {
	return signintest.Code(a.h, a.secret, a.h.clock.Now().Add(time.Duration(steps)*30*time.Second))
}

// enrol sets up an app for whoever has signed in. Its first code is of the step
// before, so that the present one was not used.
func (h *house) enrol(in signin.SignedIn) (app, signin.SignedIn) {
	h.Helper()
	e, err := h.door.OfferTOTP(h.Context(), in.Principal)
	if err != nil {
		h.Fatal(err)
	}
	a := app{h: h, secret: e.Secret}
	c, err := h.door.ConfirmTOTP(h.Context(), in.Principal, a.code(-1))
	if err != nil {
		h.Fatal(err)
	}
	a.recovery = c.Recovery
	return a, c.SignedIn
}

func (h *house) comesIn() signin.SignedIn {
	h.Helper()
	in, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
	if err != nil {
		h.Fatal(err)
	}
	return in
}

func (h *house) show(in signin.SignedIn, p signin.Proof) (signin.SignedIn, error) {
	return h.door.Show(h.Context(), in.Principal, p)
}

func TestAnAppIsTheSecondFactor(t *testing.T) {
	each(t, func(h *house) {
		s, first := h.company("priya@example.com")
		other := h.comesIn()
		if first.Second {
			h.Error("nobody has set one up yet")
		}
		e, err := h.door.OfferTOTP(h.Context(), first.Principal)
		if err != nil || !strings.HasPrefix(e.URL, "otpauth://totp/Catchment:") || strings.Contains(e.URL, "example.com") {
			h.Fatalf("%s, %v", e.URL, err)
		}
		_, err = h.door.ConfirmTOTP(h.Context(), first.Principal, "000000")
		h.refused(err, 422, "invalid")
		a, in := h.enrol(first) // the second offer takes the first one's place
		if in.Shown.Level() != 2 || !in.Second || len(a.recovery) != 10 || h.authenticates(h.dir, first.Token) || h.authenticates(h.dir, other.Token) {
			h.Errorf("%+v, %d codes", in.Principal, len(a.recovery))
		}
		next := h.comesIn()
		needs, err := h.door.Asked(h.Context(), next.Principal)
		if !next.Second || next.Shown.Level() != 1 || err != nil || !slices.Equal(needs.Needs, []account.Factor{account.TOTP, account.Recovery}) {
			h.Errorf("%+v needs %v, %v", next.Principal, needs, err)
		}
		strong, err := h.show(next, signin.Proof{TOTP: a.code(0)})
		if err != nil || strong.Shown.Level() != 2 || h.authenticates(h.dir, next.Token) {
			h.Fatalf("%+v, %v", strong.Principal, err)
		}
		if p, err := h.dir.Authenticate(h.Context(), strong.Token); err != nil || !reflect.DeepEqual(p, strong.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		if got := strings.Join(h.record(s), " "); got != "session.factor session.begin factor.add factor.refuse session.begin session.begin link.redeem" {
			h.Error(got)
		}
	})
}

// A code is worth nothing the second time, nor one of an earlier step after a
// later one, nor outside a step on either side.
func TestACodeOfTheAppWorksOnce(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		a, in := h.enrol(in)
		_, err := h.show(in, signin.Proof{TOTP: a.code(-1)}) // the one it was confirmed with
		h.refused(err, 422, "invalid")
		ahead := a.code(1)
		in, err = h.show(in, signin.Proof{TOTP: ahead})
		if err != nil {
			h.Fatal(err)
		}
		for _, code := range []string{ahead, a.code(0), a.code(2)} {
			_, err = h.show(in, signin.Proof{TOTP: code})
			h.refused(err, 422, "invalid")
		}
		h.clock.Pass(time.Minute)
		code := a.code(0)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := h.show(in, signin.Proof{TOTP: code}); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			h.Errorf("one code was taken %d times", won.Load())
		}
	})
}

// Six guesses at once get at most five tries, also in several sessions; the
// right code does not help then.
func TestGuessingASecondFactor(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		a, _ := h.enrol(in)
		one, two := h.comesIn(), h.comesIn()
		var tried, stopped atomic.Int32
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				_, err := h.show([]signin.SignedIn{one, two}[i%2], signin.Proof{Recovery: "00000-00000"})
				if strings.Contains(err.Error(), "too_many_tries") {
					stopped.Add(1)
				} else {
					tried.Add(1)
				}
			})
		}
		wg.Wait()
		if tried.Load() != 5 || stopped.Load() != 1 {
			h.Errorf("%d tries, %d were stopped", tried.Load(), stopped.Load())
		}
		_, err := h.show(one, signin.Proof{TOTP: a.code(0)})
		h.refused(err, 429, "too_many_tries")
		if got := strings.Join(h.record(s), " "); strings.Count(got, "factor.refuse") != 5 {
			h.Error(got)
		}
		if got := h.counts(&s, "factor.withhold"); got["too-many"] != 2 {
			h.Errorf("tries withheld: %v", got)
		}
		h.clock.Pass(10 * time.Minute)
		if _, err := h.show(one, signin.Proof{TOTP: a.code(0)}); err != nil {
			h.Error(err)
		}
	})
}

func TestRecoveryCodes(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		a, strong := h.enrol(in)
		if !regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$`).MatchString(a.recovery[0]) {
			h.Error(a.recovery[0])
		}
		typed := strings.ToUpper(strings.ReplaceAll(a.recovery[0], "-", " "))
		in, err := h.show(h.comesIn(), signin.Proof{Recovery: typed})
		if err != nil || in.Shown.Level() != 2 {
			h.Fatalf("%+v, %v", in.Principal, err)
		}
		_, err = h.show(in, signin.Proof{Recovery: a.recovery[0]})
		h.refused(err, 422, "invalid")
		if w, err := h.door.Ways(h.Context(), in.Principal); err != nil || w.Recovery != 9 || w.TOTP.IsZero() {
			h.Errorf("%+v, %v", w, err)
		}
		fresh, err := h.door.NewRecovery(h.Context(), strong.Principal)
		if err != nil || len(fresh) != 10 {
			h.Fatal(err)
		}
		_, err = h.show(in, signin.Proof{Recovery: a.recovery[1]}) // from before
		h.refused(err, 422, "invalid")
		if _, err = h.show(in, signin.Proof{Recovery: fresh[1]}); err != nil {
			h.Error(err)
		}
		_, other := h.company("sam@example.com")
		_, other = h.enrol(other)
		_, err = h.show(other, signin.Proof{Recovery: fresh[2]}) // somebody else's
		h.refused(err, 422, "invalid")
	})
}

// Factors change only in a session that has just shown the strongest one.
func TestFactorsChangeInAFreshSession(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		h.clock.Pass(account.StepUp)
		_, err := h.door.OfferTOTP(h.Context(), in.Principal)
		h.refused(err, 403, "step_up_required")
		a, strong := h.enrol(h.comesIn())
		weak := h.comesIn() // knows the password alone
		for what, err := range map[string]error{
			"another app":    second(h.door.OfferTOTP(h.Context(), weak.Principal)),
			"no app":         second(h.door.RemoveTOTP(h.Context(), weak.Principal)),
			"recovery codes": second(h.door.NewRecovery(h.Context(), weak.Principal)),
		} {
			h.Log(what)
			h.refused(err, 403, "step_up_required")
		}
		_, err = h.door.ChangePassword(h.Context(), weak.Principal, password, "another password")
		h.refused(err, 403, "second_factor_required")
		h.clock.Pass(account.StepUp)
		_, err = h.door.RemoveTOTP(h.Context(), strong.Principal)
		h.refused(err, 403, "step_up_required")
		strong, err = h.show(strong, signin.Proof{TOTP: a.code(0)})
		if err != nil {
			h.Fatal(err)
		}
		_, err = h.door.RemoveTOTP(h.Context(), strong.Principal)
		h.refused(err, 409, "last_factor")
		made, _ := h.makes(h.device(), strong)
		if len(made.Recovery) != 0 {
			h.Error("a second passkey brings recovery codes")
		}
		gone, err := h.door.RemoveTOTP(h.Context(), made.Principal)
		if err != nil || !gone.Second || !h.authenticates(h.dir, gone.Token) || h.authenticates(h.dir, strong.Token) {
			h.Errorf("%+v, %v", gone.Principal, err)
		}
		_, err = h.show(gone, signin.Proof{TOTP: a.code(1)})
		h.refused(err, 422, "invalid")
		if _, err = h.show(gone, signin.Proof{Recovery: a.recovery[0]}); err != nil { // they are the passkey's now
			h.Error(err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestAnOfferOfASeedEnds(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		_, err := h.door.ConfirmTOTP(h.Context(), in.Principal, "123456")
		h.refused(err, 409, "no_offer")
		e, err := h.door.OfferTOTP(h.Context(), in.Principal)
		if err != nil {
			h.Fatal(err)
		}
		h.clock.Pass(10 * time.Minute)
		in = h.comesIn()
		_, err = h.door.ConfirmTOTP(h.Context(), in.Principal, signintest.Code(h, e.Secret, h.clock.Now()))
		h.refused(err, 409, "no_offer")
	})
}

func TestAnOperatorsSecondFactor(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		if _, err := h.door.CreateOperator(h.Context(), "Ops", "ops@example.com", password); err != nil {
			h.Fatal(err)
		}
		comes := func() signin.SignedIn {
			in, err := h.door.ByPassword(h.Context(), here, "ops@example.com", password, account.ID{})
			if err != nil {
				h.Fatal(err)
			}
			return in
		}
		first, other := comes(), comes()
		a, in := h.enrol(first)
		if in.Shown.Level() != 2 || h.authenticates(h.dir, other.Token) {
			h.Errorf("%+v", in.Principal)
		}
		next := comes()
		if p, err := h.dir.Authenticate(h.Context(), next.Token); err != nil || !p.Second || !reflect.DeepEqual(p, next.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		if in, err := h.show(next, signin.Proof{TOTP: a.code(0)}); err != nil || in.Shown.Level() != 2 {
			h.Error(err)
		}
		_, err := h.show(in, signin.Proof{TOTP: a.code(0)})
		h.refused(err, 422, "invalid")
		var got []string
		err = h.db.ReadDirectory(h.Context(), func(dir *store.Dir) error {
			list, err := audit.ListPlatform(dir, audit.Filter{}, audit.Place{}, 100)
			for _, r := range list {
				got = append(got, r.Action)
			}
			return err
		})
		if text := strings.Join(got, " "); err != nil || text != "factor.refuse session.factor session.begin factor.add session.begin session.begin operator.create" {
			h.Errorf("%s, %v", text, err)
		}
		if got := h.record(s); slices.Contains(got, "factor.add") {
			h.Error("an operator's factor is on an account's record")
		}
	})
}

// Whoever runs the machine lets an only admin in, on both records.
func TestRecover(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		_, strong := h.enrol(in)
		_, _, _, err := h.door.Recover(h.Context(), "command:root@db1", s.Account(), "nobody@example.com", false)
		h.refused(err, 404, "not_found")
		link, _, _, err := h.door.Recover(h.Context(), "command:root@db1", s.Account(), "Priya@example.com", false)
		if err != nil || h.authenticates(h.dir, strong.Token) {
			h.Fatalf("%v", err)
		}
		in, err = h.door.Redeem(h.Context(), here, link, "a new password")
		if err != nil || in.Second {
			h.Errorf("%+v, %v", in.Principal, err)
		}
		if got := strings.Join(h.record(s), " "); !strings.HasPrefix(got, "session.begin link.redeem user.recover factor.reset factor.add") {
			h.Error(got)
		}
		var platform []audit.Record
		err = h.db.ReadDirectory(context.Background(), func(dir *store.Dir) (err error) {
			platform, err = audit.ListPlatform(dir, audit.Filter{Action: "user.recover"}, audit.Place{}, 10)
			return err
		})
		if err != nil || len(platform) != 1 || platform[0].About != in.User.String() || platform[0].Actor != "command:root@db1" {
			h.Errorf("%+v, %v", platform, err)
		}
	})
}

func TestAKeyHasNoFactors(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		_, err := h.door.Show(h.Context(), directory.Principal{Scope: s, Key: account.NewKeyID()}, signin.Proof{TOTP: "123456"})
		h.refused(err, 409, "no_session")
	})
}

// An account has a role show a second factor; who has none yet sets up an app,
// or has a code sent.
func TestAnAccountInsists(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		id, link := h.user(s, account.Manager, "+442079460123")
		before, err := h.door.Redeem(h.Context(), here, link, password)
		if err != nil || before.Must {
			h.Fatal(before.Must, err)
		}
		h.write(s, func(tx *store.Tx) error {
			return h.door.SetRule(tx, signin.Rule{Second: []account.Role{account.Manager}})
		})
		p, err := h.dir.Authenticate(h.Context(), before.Token) // a session from before
		if err != nil || !p.Must || p.Second {
			h.Errorf("%+v, %v", p, err)
		}
		var email string
		h.write(s, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, id, memberEmail(&email))
			return err
		})
		in, err := h.door.ByPassword(h.Context(), here, email, password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		needs, err := h.door.Asked(h.Context(), in.Principal)
		if err != nil || !in.Must || !needs.Limited || !slices.Equal(needs.Needs, []account.Factor{account.Code}) {
			h.Errorf("%+v needs %v, %v", in.Principal, needs, err)
		}
		if p, err := h.dir.Authenticate(h.Context(), in.Token); err != nil || !reflect.DeepEqual(p, in.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		_, err = h.door.ChangePassword(h.Context(), in.Principal, password, "another password")
		h.refused(err, 403, "second_factor_required")
		_, err = h.door.OfferTOTP(h.Context(), in.Principal) // a phone is there, and was not shown
		h.refused(err, 403, "step_up_required")
		f, err := h.door.AskOwnCode(h.Context(), in.Principal)
		if err != nil {
			h.Fatal(err)
		}
		if in, err = h.door.ShowCode(h.Context(), in.Principal, f.Secret, h.code(1)); err != nil || in.Shown.Level() != 2 {
			h.Fatalf("%+v, %v", in.Principal, err)
		}
		if _, in = h.enrol(in); in.Shown.Level() != 2 || !in.Must {
			h.Errorf("%+v", in.Principal)
		}
		if gone, err := h.door.RemoveTOTP(h.Context(), in.Principal); err != nil || gone.Second { // the phone stays
			h.Errorf("%+v, %v", gone.Principal, err)
		}
		s2, _ := h.company("sam@example.com") // another account
		_, link = h.user(s2, account.Manager, "")
		if sam, err := h.door.Redeem(h.Context(), here, link, password); err != nil || sam.Must {
			h.Error("one account's rule is another's", err)
		}
	})
}

// Admins and operators show a second factor whatever the account says; who has
// nothing to show sets up a passkey or an app in the session that their
// one-time link began.
func TestASecondFactorIsCompulsory(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		a, err := h.door.Asked(h.Context(), in.Principal)
		if err != nil || !in.Must || !a.Limited || len(a.Needs) != 0 || !slices.Equal(a.Offers, []account.Factor{account.Passkey, account.TOTP}) {
			h.Errorf("%+v, %v", a, err)
		}
		h.write(s, func(tx *store.Tx) error { return h.door.SetRule(tx, signin.Rule{}) }) // no switch takes it away
		if p, err := h.dir.Authenticate(h.Context(), in.Token); err != nil || !p.Must {
			h.Errorf("%+v, %v", p, err)
		}
		_, strong := h.enrol(in)
		if a, err := h.door.Asked(h.Context(), strong.Principal); err != nil || a.Limited || !slices.Equal(a.Offers, []account.Factor{account.Passkey}) {
			h.Errorf("%+v, %v", a, err)
		}
		for role, must := range map[account.Role]bool{account.Salesperson: false, account.Manager: false, account.Marketer: false, account.Auditor: false, account.Admin: true} {
			_, link := h.user(s, role, "")
			if in, err := h.door.Redeem(h.Context(), here, link, password); err != nil || in.Must != must {
				h.Errorf("%s: %v, %v", role, in.Must, err)
			}
		}
		if _, err := h.door.CreateOperator(h.Context(), "Ops", "ops@example.com", password); err != nil {
			h.Fatal(err)
		}
		op, err := h.door.ByPassword(h.Context(), here, "ops@example.com", password, account.ID{})
		if p, err2 := h.dir.Authenticate(h.Context(), op.Token); err != nil || err2 != nil || !op.Must || !p.Must {
			h.Errorf("%+v, %v, %v", op.Principal, err, err2)
		}
	})
}

// An operator is hired, and let in again, with all that they need; what they had
// before is worth nothing then.
func TestOperatorsAreHired(t *testing.T) {
	each(t, func(h *house) {
		const by = "system:command-line ada@example"
		h.company("ops@example.com") // the same address in an account is somebody else's
		enters := func(o signin.Hired, recovery string) (signin.SignedIn, error) {
			all, err := h.door.ByPassword(h.Context(), here, "ops@example.com", o.Password, account.ID{})
			if err != nil {
				return all, err
			}
			if recovery != "" {
				return h.show(all, signin.Proof{Recovery: recovery})
			}
			return h.show(all, signin.Proof{TOTP: signintest.Code(h, o.App.Secret, h.clock.Now())})
		}
		_, err := h.door.RecoverOperator(h.Context(), by, "ops@example.com")
		h.refused(err, 404, "not_found")
		first, err := h.door.HireOperator(h.Context(), by, signin.Staff{Name: "Ops", Role: account.Operator}, "Ops@example.com")
		if err != nil || len(first.Recovery) != 10 || !strings.HasPrefix(first.App.URL, "otpauth://totp/Catchment:Ops?") {
			h.Fatalf("%+v, %v", first.App, err)
		}
		_, err = h.door.HireOperator(h.Context(), by, signin.Staff{Name: "Ops", Role: account.Operator}, "ops@example.com")
		h.refused(err, 409, "email_taken")
		in, err := enters(first, "")
		if err != nil || !in.Operator || in.Shown.Level() != 2 {
			h.Fatalf("%+v, %v", in.Principal, err)
		}
		if _, err := enters(first, first.Recovery[3]); err != nil {
			h.Error(err)
		}
		d := h.device()
		h.makes(d, in)
		second, err := h.door.RecoverOperator(h.Context(), by, "ops@EXAMPLE.com")
		if err != nil || second.ID != first.ID || h.authenticates(h.dir, in.Token) {
			h.Fatalf("%v, %v", second.ID, err)
		}
		_, err = enters(first, "")
		h.refused(err, 401, "unauthenticated")
		_, err = h.enters(d)
		h.refused(err, 401, "unauthenticated")
		_, err = enters(second, first.Recovery[4])
		h.refused(err, 422, "invalid")
		if _, err := enters(second, ""); err != nil {
			h.Error(err)
		}
		if got := h.counts(nil, "operator.recover"); got[""] != 1 {
			h.Errorf("%v", got)
		}
	})
}

// Whose phone is lost as well sets up something else in the session of the link.
func TestRecoverWithoutThePhone(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.companyOn("priya@example.com", "020 7946 0123")
		for _, lost := range []bool{false, true} {
			link, _, _, err := h.door.Recover(h.Context(), "command:root@db1", s.Account(), "priya@example.com", lost)
			if err != nil {
				h.Fatal(err)
			}
			in, err := h.door.Redeem(h.Context(), here, link, password)
			if err != nil {
				h.Fatal(err)
			}
			_, err = h.door.OfferTOTP(h.Context(), in.Principal)
			if lost && err != nil {
				h.Error(err)
			}
			if !lost {
				h.refused(err, 403, "step_up_required")
			}
		}
	})
}
