package signin_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/clocktest"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
)

const (
	phone   = "+442079460111"
	another = "+442079460222"
)

func TestACodeSignsIn(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com") // her phone is …0123: an admin's
		sam, _ := h.user(s, account.Salesperson, phone)
		mona, link := h.user(s, account.Manager, another)
		if _, err := h.door.Redeem(h.Context(), here, link, password); err != nil {
			h.Fatal(err)
		}
		f := h.ask("+44 20 7946 0111") // as people type it
		if f.ExpiresAt.Sub(h.clock.Now()) != 5*time.Minute || f.AgainAt.Sub(h.clock.Now()) != 30*time.Second || !strings.HasPrefix(f.Secret, "cfl_") {
			h.Errorf("%+v", f)
		}
		code := h.code(1)
		if m := h.outbox.Items()[0]; m.To != phone || !strings.HasPrefix(m.Text, code+" is your code") || !strings.HasSuffix(m.Text, "\n@leads.example.com #"+code) || len(m.Text) > 160 {
			h.Errorf("%+v", m)
		}
		in, err := h.door.ByCode(h.Context(), here, f.Secret, code[:3]+" "+code[3:], account.ID{})
		if err != nil || in.User != sam || in.Role != account.Salesperson || in.Scope != s || in.Shown.Level() != 1 || in.Shown.At(account.Code).IsZero() {
			h.Fatalf("%+v, %v", in, err)
		}
		if p, err := h.dir.Authenticate(h.Context(), in.Token); err != nil || !reflect.DeepEqual(p, in.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		h.write(s, func(tx *store.Tx) error { // the code was also the invitation
			m, err := members.Get(tx, sam)
			if m.State != members.Active {
				h.Error(m.State)
			}
			sent, used, err2 := access.SentBetween(tx, h.clock.Now().Add(-time.Hour), h.clock.Now().Add(time.Hour))
			if sent != 1 || used != 1 {
				h.Errorf("%d sent, %d used, %v", sent, used, err2)
			}
			return err
		})
		if f = h.ask(another); h.code(2) == "" {
			h.Error("no code")
		}
		if in, err = h.door.ByCode(h.Context(), here, f.Secret, h.code(2), s.Account()); err != nil || in.User != mona {
			h.Errorf("%v", err)
		}
		h.ask("+442079460123") // an admin comes in by more than a phone
		h.ask("+442079460999") // nobody's
		h.settle()
		if got := h.counts(nil, "code.refused")["unknown-number"]; got != 2 || len(h.outbox.Items()) != 2 {
			h.Errorf("%d refused, %d messages", got, len(h.outbox.Items()))
		}
		if _, err := h.door.AskCode(h.Context(), here, "020 7946 0111"); !refusedAs(err, 422, "invalid") {
			h.Errorf("without its country: %v", err)
		}
	})
}

func refusedAs(err error, status int, code string) bool {
	p, ok := problem.Of(err)
	return ok && p.Status == status && p.Code == code
}

// What is asked for a number that is nobody's gets the same answers, to the
// last: nothing of a flow, a refusal or a wait tells it.
func TestNobodyLearnsWhoseNumberItIs(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		story := func(number string) (out []string) {
			say := func(f signin.Flow, err error) {
				out = append(out, fmt.Sprintf("%d %s %s %v", len(f.Secret), f.ExpiresAt.Sub(h.clock.Now()), f.AgainAt.Sub(h.clock.Now()), err))
			}
			f, err := h.door.AskCode(h.Context(), here, number)
			say(f, err)
			h.settle()
			again, err := h.door.AskCode(h.Context(), here, number)
			say(again, err)
			p, _ := problem.Of(err)
			out = append(out, p.RetryAfter.String())
			for n := range 7 {
				_, err := h.door.ByCode(h.Context(), here, f.Secret, wrong(h.codeOr("000000"), n), account.ID{})
				out = append(out, err.Error())
			}
			for range signin.NumberHour + 2 {
				h.clock.Pass(signin.CodePause)
				again, err := h.door.AskCode(h.Context(), here, number)
				say(again, err)
				h.settle()
			}
			return out
		}
		known := story(phone)
		h.clock.Pass(-time.Duration(signin.NumberHour+2) * signin.CodePause)
		unknown := story("+442079460999")
		if strings.Join(known, "\n") != strings.Join(unknown, "\n") {
			h.Errorf("a known number:\n%s\nan unknown one:\n%s", strings.Join(known, "\n"), strings.Join(unknown, "\n"))
		}
		if n := len(h.outbox.Items()); n != signin.NumberHour {
			h.Errorf("%d messages: the stories were not two", n)
		}
	})
}

func (h *house) codeOr(none string) string {
	if list := h.outbox.Items(); len(list) > 0 {
		return list[0].Code
	}
	return none
}

func TestGuessingACode(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		sam, _ := h.user(s, account.Salesperson, phone)
		try := func(f signin.Flow, code string) error {
			_, err := h.door.ByCode(h.Context(), here, f.Secret, code, account.ID{})
			return err
		}
		f := h.ask(phone)
		code := h.code(1)
		for n := range signin.CodeTries {
			h.refused(try(f, wrong(code, n)), 401, "unauthenticated")
		}
		h.refused(try(f, code), 401, "unauthenticated") // right, and too late
		h.refused(try(signin.Flow{Secret: "cfl_" + strings.Repeat("a", 43)}, code), 401, "unauthenticated")
		h.refused(try(f, "12345"), 422, "invalid")
		if got := h.counts(&s, "code.guess")["wrong"]; got != signin.CodeTries {
			h.Errorf("%d guesses on the record", got)
		}
		h.clock.Pass(signin.CodePause)
		f = h.ask(phone)
		code = h.code(2)
		for n := range signin.CodeTries - 1 { // the control: one try fewer, and it is taken
			h.refused(try(f, wrong(code, n)), 401, "unauthenticated")
		}
		if err := try(f, code); err != nil {
			h.Error(err)
		}
		h.refused(try(f, code), 401, "unauthenticated") // a replay
		_ = sam
	})
}

// Guesses at the same moment have five tries together, and a right code lets
// one in.
func TestGuessesAtOnce(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		together := func(n int, f signin.Flow, code func(i int) string) (in int) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					_, err := h.door.ByCode(h.Context(), here, f.Secret, code(i), account.ID{})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						in++
					} else {
						h.refused(err, 401, "unauthenticated")
					}
				})
			}
			wg.Wait()
			return in
		}
		f := h.ask(phone)
		code := h.code(1)
		if in := together(6, f, func(i int) string { return wrong(code, i) }); in != 0 {
			h.Errorf("%d wrong codes were taken", in)
		}
		if guesses, over := h.counts(&s, "code.guess")["wrong"], h.counts(nil, "code.refused")["over"]; guesses != signin.CodeTries || over != 1 {
			h.Errorf("%d tries, %d too many", guesses, over)
		}
		h.clock.Pass(signin.CodePause)
		f = h.ask(phone)
		code = h.code(2)
		if in := together(6, f, func(int) string { return code }); in != 1 {
			h.Errorf("one code let %d in", in)
		}
	})
}

// A code is worth something with its own flow alone, and that one until the
// next is begun.
func TestACodeBelongsToItsFlow(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		h.user(s, account.Salesperson, another)
		mine := h.ask(phone)
		first := h.code(1)
		other := h.ask(another)
		second := h.code(2)
		for _, c := range []struct{ secret, code string }{{mine.Secret, second}, {other.Secret, first}} {
			if c.code == first && first == second {
				continue // one in a million
			}
			_, err := h.door.ByCode(h.Context(), here, c.secret, c.code, account.ID{})
			h.refused(err, 401, "unauthenticated")
		}
		_, err := h.door.AskCode(h.Context(), here, phone)
		h.refused(err, 429, "code_asked_already")
		if p, _ := problem.Of(err); p.RetryAfter != signin.CodePause {
			h.Errorf("wait %s", p.RetryAfter)
		}
		h.clock.Pass(signin.CodePause - time.Microsecond)
		_, err = h.door.AskCode(h.Context(), here, phone)
		h.refused(err, 429, "code_asked_already")
		h.clock.Pass(time.Microsecond)
		next := h.ask(phone)
		third := h.code(3)
		_, err = h.door.ByCode(h.Context(), here, mine.Secret, first, account.ID{})
		h.refused(err, 401, "unauthenticated") // it ended
		if _, err = h.door.ByCode(h.Context(), here, next.Secret, third, account.ID{}); err != nil {
			h.Error(err)
		}
	})
}

// Clocks of two nodes differ: a code lives no longer than by either's, and one
// whose clock went back takes none from its future.
func TestClockSkew(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		n := 0
		for _, c := range []struct {
			ahead, later time.Duration
			in           bool
		}{
			{0, 5*time.Minute - time.Second, true}, {0, 5 * time.Minute, false},
			{50 * time.Second, 4 * time.Minute, true}, {50 * time.Second, 4*time.Minute + 10*time.Second, false},
			{-50 * time.Second, 0, true}, {-24 * time.Hour, 0, false},
		} {
			h.clock.Pass(2 * time.Hour) // nothing of the last round counts
			f := h.ask(phone)
			n++
			code := h.code(n)
			elsewhere := clocktest.At(h.clock.Now().Add(c.ahead + c.later))
			_, err := h.deskAt(h.dir, elsewhere).ByCode(h.Context(), here, f.Secret, code, account.ID{})
			if (err == nil) != c.in {
				h.Errorf("%s ahead, %s later: %v", c.ahead, c.later, err)
			}
		}
	})
}

func TestOnePhoneInTwoAccounts(t *testing.T) {
	each(t, func(h *house) {
		a, _ := h.company("priya@example.com")
		b, _ := h.company("omar@example.com")
		c, _ := h.company("zoe@example.com")
		one, _ := h.user(a, account.Salesperson, phone)
		two, _ := h.user(b, account.Manager, phone)
		f := h.ask(phone)
		code := h.code(1)
		h.settle()
		if len(h.outbox.Items()) != 1 {
			h.Error("one phone, and two messages")
		}
		for range 7 { // choosing costs no try
			_, err := h.door.ByCode(h.Context(), here, f.Secret, code, account.ID{})
			h.refused(err, 409, "choose_account")
			if p, _ := problem.Of(err); len(p.Choices) != 2 || p.Choices[0].Name != "Harbour View Homes" || p.Choices[0].ID == p.Choices[1].ID {
				h.Errorf("%+v", p.Choices)
			}
		}
		_, err := h.door.ByCode(h.Context(), here, f.Secret, wrong(code, 0), account.ID{})
		h.refused(err, 401, "unauthenticated") // no list without the code
		_, err = h.door.ByCode(h.Context(), here, f.Secret, code, c.Account())
		h.refused(err, 401, "unauthenticated")
		in, err := h.door.ByCode(h.Context(), here, f.Secret, code, b.Account())
		if err != nil || in.User != two || in.Scope != b {
			h.Fatal(err)
		}
		_, err = h.door.ByCode(h.Context(), here, f.Secret, code, a.Account())
		h.refused(err, 401, "unauthenticated") // one code, one session
		_ = one
	})
}

// A session's second factor is a flow of its own: neither a sign-in's code nor
// another session's raises it, and the raised one has another token.
func TestACodeAsSecondFactor(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.companyOn("priya@example.com", "020 7946 0123")
		sam, link := h.user(s, account.Salesperson, phone)
		in, err := h.door.Redeem(h.Context(), here, link, password)
		if err != nil {
			h.Fatal(err)
		}
		f, err := h.door.AskOwnCode(h.Context(), admin.Principal)
		if err != nil {
			h.Fatal(err)
		}
		code := h.code(1)
		if h.outbox.Items()[0].To != "+442079460123" {
			h.Errorf("%+v", h.outbox.Items()[0])
		}
		_, err = h.door.ShowCode(h.Context(), in.Principal, f.Secret, code)
		h.refused(err, 401, "unauthenticated") // another's session
		_, err = h.door.ByCode(h.Context(), here, f.Secret, code, account.ID{})
		h.refused(err, 401, "unauthenticated") // not a way in
		raised, err := h.door.ShowCode(h.Context(), admin.Principal, f.Secret, code)
		if err != nil || raised.Shown.Level() != 2 || raised.Session != admin.Session || raised.Token == admin.Token {
			h.Fatalf("%+v, %v", raised, err)
		}
		if h.authenticates(h.dir, admin.Token) {
			h.Error("the token from before goes on with the new right")
		}
		if p, err := h.dir.Authenticate(h.Context(), raised.Token); err != nil || !reflect.DeepEqual(p, raised.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		_, err = h.door.ShowCode(h.Context(), raised.Principal, f.Secret, code)
		h.refused(err, 401, "unauthenticated") // a replay
		login := h.ask(phone)
		_, err = h.door.ShowCode(h.Context(), in.Principal, login.Secret, h.code(2))
		h.refused(err, 401, "unauthenticated") // a sign-in's code
		if h.counts(&s, "opened")[""] != 1 {
			h.Error("the phone was opened, and it is not on the record")
		}
		_ = sam
	})
}

// Of an account's own roles, those sign in by a code alone that may no more than
// a manager; and such a one is what single sign-on may make of somebody new.
func TestOwnRolesAndCodes(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		role := func(name string, d rights.Definition) (r account.Role) {
			h.write(s, func(tx *store.Tx) error {
				made, err := h.dir.CreateRole(tx, directory.Principal{Rights: rights.Of(account.Admin)}, name, d)
				r = account.Role(made.ID.String())
				return err
			})
			return r
		}
		lead := role("Team lead", rights.Definition{account.ReadLeads: rights.Teams, account.WorkLeads: rights.Teams, account.ReadSetup: rights.All})
		keys := role("Keys", rights.Definition{account.ManageKeys: rights.All})
		sam, _ := h.user(s, lead, phone)
		h.user(s, keys, another)
		f := h.ask(phone)
		in, err := h.door.ByCode(h.Context(), here, f.Secret, h.code(1), account.ID{})
		if err != nil || in.User != sam || in.Role != lead || in.Rights.Reach(account.ReadLeads) != rights.Teams {
			h.Fatalf("%+v, %v", in, err)
		}
		const third = "+442079460333"
		h.user(s, account.Salesperson, third)
		h.ask(another) // is answered alike
		h.ask(third)
		h.code(2)
		for _, m := range h.outbox.Items() {
			if m.To == another {
				h.Error("a role with more than a manager's rights got a code")
			}
		}
		rule := func(no account.Role) (err error) {
			h.write(s, func(tx *store.Tx) error {
				err = h.door.SetRule(tx, signin.Rule{NoPassword: []account.Role{no}})
				return nil
			})
			return err
		}
		if err := rule(lead); err != nil {
			h.Error(err)
		}
		if err := rule(keys); err == nil {
			h.Error("a role that gets no codes is kept from its password")
		}
	})
}
