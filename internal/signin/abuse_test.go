package signin_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// from is somebody at another address.
func from(n int) signin.Client {
	return signin.Client{Address: netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})}
}

func TestHowOftenANumberGetsACode(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ago := func(list ...time.Duration) (out []time.Time) {
		for _, d := range list {
			out = append(out, now.Add(-d))
		}
		return out
	}
	var day []time.Duration
	for n := range 15 {
		day = append(day, time.Hour+time.Duration(n)*90*time.Minute)
	}
	for name, c := range map[string]struct {
		asked []time.Time
		want  time.Duration
	}{
		"never":             {nil, 0},
		"just now":          {ago(0), 30 * time.Second},
		"ten seconds":       {ago(10 * time.Second), 20 * time.Second},
		"half a minute":     {ago(30 * time.Second), 0},
		"five in an hour":   {ago(1*time.Minute, 2*time.Minute, 3*time.Minute, 4*time.Minute, 50*time.Minute), 0},
		"six in an hour":    {ago(1*time.Minute, 2*time.Minute, 3*time.Minute, 4*time.Minute, 5*time.Minute, 50*time.Minute), 10 * time.Minute},
		"fifteen in a day":  {ago(day...), 24*time.Hour - day[14]},
		"fourteen in a day": {ago(day[:14]...), 0},
	} {
		if wait, _ := signin.TooOften(c.asked, now); max(wait, 0) != c.want {
			t.Errorf("%s: wait %s, want %s", name, wait, c.want)
		}
	}
}

// Pumping: codes sent for money or to annoy. Each bound is met, each refusal
// is on a record, and the number just below each bound is the control.
func TestPumpingOneNumber(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		for n := range signin.NumberHour {
			if _, err := h.door.AskCode(h.Context(), from(n), phone); err != nil {
				h.Fatalf("%d: %v", n, err)
			}
			h.settle()
			h.clock.Pass(signin.CodePause)
		}
		_, err := h.door.AskCode(h.Context(), from(99), phone)
		h.refused(err, 429, "code_asked_already")
		p, _ := problem.Of(err)
		h.clock.Pass(p.RetryAfter) // it says when
		if _, err := h.door.AskCode(h.Context(), from(99), phone); err != nil {
			h.Error(err)
		}
		h.settle()
		if h.counts(nil, "code.refused")["code_asked_already"] != 1 || h.counts(&s, "code.sent")[""] != signin.NumberHour+1 {
			h.Errorf("%v, %v", h.counts(nil, "code.refused"), h.counts(&s, "code.sent"))
		}
	})
}

func TestPumpingAnAccount(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		var people int
		for n := range signin.AccountLeast + 4 { // in blocks of their own
			h.user(s, account.Salesperson, fmt.Sprintf("+44207946%04d", n))
			people++
		}
		sent := max(signin.AccountLeast, 3*(people+1))
		var raised int
		for n := 0; n < sent+5; n++ {
			h.ask2(from(n), fmt.Sprintf("+44207946%04d", n%people))
			if raised == 0 && h.counts(&s, "code.alarm")[""] > 0 {
				raised = n
			}
			h.clock.Pass(signin.CodePause)
		}
		got := h.counts(&s, "code.sent")[""]
		if got > sent || h.counts(&s, "code.withheld")["account"] == 0 && got == sent {
			h.Errorf("%d codes went out, want at most %d; %v withheld", got, sent, h.counts(&s, "code.withheld"))
		}
		if raised < signin.AlarmLeast || raised > signin.AlarmLeast+1 {
			h.Errorf("the alarm came at code %d", raised)
		}
		if n := h.counts(&s, "code.alarm")[""]; n != 1 {
			h.Errorf("%d alarms within the hour", n)
		}
		if list := h.alarms(s); len(list) != 1 || list[0].Kind != "codes" || list[0].Detail["sent"] != float64(signin.AlarmLeast) {
			h.Errorf("on the list: %+v", list)
		}
		// The control: an account whose codes are used raises none.
		b, _ := h.company("omar@example.com")
		for n := range signin.AlarmLeast + 5 {
			number := fmt.Sprintf("+44116496%04d", n)
			h.user(b, account.Salesperson, number)
			before := len(h.outbox.Items())
			f := h.ask2(from(n), number)
			h.until("the message", func() bool { return len(h.outbox.Items()) > before })
			if _, err := h.door.ByCode(h.Context(), here, f.Secret, h.outbox.Items()[0].Code, account.ID{}); err != nil {
				h.Fatal(err)
			}
		}
		if n := h.counts(&b, "code.alarm")[""]; n != 0 {
			h.Errorf("%d alarms for codes that were used", n)
		}
		if list := h.alarms(b); len(list) != 0 {
			h.Errorf("on the list for codes that were used: %+v", list)
		}
	})
}

// alarms are those that wait for a look.
func (h *house) alarms(s account.Scope) (list []alarm.Alarm) {
	h.Helper()
	err := h.db.Read(h.Context(), s, func(tx *store.Tx) (err error) {
		list, err = alarm.Page(tx, false, time.Time{}, lead.AlarmID{}, 10)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return list
}

// ask2 asks from a place and waits until it is settled.
func (h *house) ask2(c signin.Client, number string) signin.Flow {
	h.Helper()
	f, err := h.door.AskCode(h.Context(), c, number)
	if err != nil {
		h.Fatal(err)
	}
	h.settle()
	return f
}

func TestPumpingABlockOfNumbers(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		h.user(s, account.Salesperson, phone)
		other, _ := h.company("omar@example.com") // whose people have the block's other numbers
		fill := func(n int) {
			h.write(other, func(tx *store.Tx) error {
				for range n {
					err := access.AddSent(tx, access.Sent{Flow: access.NewFlowID(), At: h.clock.Now(), User: account.NewUserID(),
						Prefix: h.keys.LoginIndex("tel-block:+44207946"), Country: "GB"})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		fill(signin.PrefixHour - 1)
		h.ask2(from(1), phone)
		if n := h.counts(&s, "code.sent")[""]; n != 1 {
			h.Errorf("%d sent below the bound", n)
		}
		h.clock.Pass(signin.CodePause)
		h.ask2(from(2), phone)
		if n := h.counts(&s, "code.withheld")["numbers-in-a-row"]; n != 1 || h.counts(&s, "code.sent")[""] != 1 || h.counts(nil, "code.alarm")["numbers-in-a-row"] != 1 {
			h.Errorf("%v, %v", h.counts(&s, "code.withheld"), h.counts(nil, "code.alarm"))
		}
		h.clock.Pass(time.Hour)
		h.ask2(from(3), phone)
		if n := h.counts(&s, "code.sent")[""]; n != 2 {
			h.Errorf("%d sent an hour later", n)
		}
	})
}

func TestCodesFromOneNetwork(t *testing.T) {
	each(t, func(h *house) {
		for n := range signin.NetworkAsks { // numbers that are nobody's
			c := signin.Client{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:1::%x", n+1))} // one site
			if _, err := h.door.AskCode(h.Context(), c, fmt.Sprintf("+4420794600%02d", n%100)); err != nil && !refusedAs(err, 429, "code_asked_already") {
				h.Fatal(err)
			}
		}
		_, err := h.door.AskCode(h.Context(), signin.Client{Address: netip.MustParseAddr("2001:db8:1:1::ffff")}, "+442079460998")
		h.refused(err, 429, "too_many_sign_ins")
		if _, err := h.door.AskCode(h.Context(), signin.Client{Address: netip.MustParseAddr("2001:db8:1:2::1")}, "+442079460998"); err != nil {
			h.Errorf("the neighbour: %v", err)
		}
		h.settle()
		if h.counts(nil, "code.refused")["network"] != 1 {
			h.Errorf("%v", h.counts(nil, "code.refused"))
		}
	})
}

func TestCountriesOfCodes(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com") // of GB
		for _, number := range []string{"+447700900123", "+12125550123", "+496930101234"} {
			h.user(s, account.Salesperson, number)
			h.ask2(from(1), number)
		}
		if sent, held := h.counts(&s, "code.sent")[""], h.counts(&s, "code.withheld")["country"]; sent != 1 || held != 2 {
			h.Errorf("%d sent, %d withheld", sent, held)
		}
		h.write(s, func(tx *store.Tx) error { return access.SetRule(tx, access.Rule{Countries: []string{"US"}}) })
		h.clock.Pass(signin.CodePause)
		h.ask2(from(1), "+12125550123")
		h.ask2(from(1), "+447700900123")
		if sent, held := h.counts(&s, "code.sent")[""], h.counts(&s, "code.withheld")["country"]; sent != 2 || held != 3 {
			h.Errorf("%d sent, %d withheld", sent, held)
		}
	})
	for _, c := range []struct {
		e164, country, region string
		want                  bool
	}{{"+442079460123", "GB", "GB", true}, {"+442079460123", "GB", "US", false}, {"+447700900123", "", "GB", true}, {"+447700900123", "", "US", false},
		{"+441481960123", "GG", "GB", false}, {"+18765550123", "JM", "US", false}} {
		if got := signin.Reaches(c.e164, c.country, c.region); got != c.want {
			t.Errorf("%s of %q in %s: %v", c.e164, c.country, c.region, got)
		}
	}
}

// A spray: one password tried on many addresses from one network.
func TestSprayingPasswords(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		try := func(c signin.Client, email, pass string) error {
			_, err := h.door.ByPassword(h.Context(), c, email, pass, account.ID{})
			return err
		}
		h.refused(try(here, "priya@example.com", "wrong password"), 401, "unauthenticated")
		for n := range signin.NetworkFails - 1 {
			h.refused(try(here, fmt.Sprintf("nobody-%d@example.com", n), "Summer2026!"), 401, "unauthenticated")
		}
		h.refused(try(here, "priya@example.com", password), 429, "too_many_sign_ins")
		if err := try(from(7), "priya@example.com", password); err != nil {
			h.Errorf("from elsewhere: %v", err)
		}
		if h.counts(nil, "sign-in.spray")["network"] != 1 || h.counts(nil, "sign-in.refused")["unknown-address"] != signin.NetworkFails-1 ||
			h.counts(&s, "sign-in.refused")["password"] != 1 {
			h.Errorf("%v, %v, %v", h.counts(nil, "sign-in.spray"), h.counts(nil, "sign-in.refused"), h.counts(&s, "sign-in.refused"))
		}
		h.clock.Pass(10 * time.Minute)
		if err := try(here, "priya@example.com", password); err != nil {
			h.Error(err)
		}
	})
}

// Fixation: a token is made by the sign-in and never taken from the caller, and
// none goes on with a right that it did not begin with.
func TestSessionFixation(t *testing.T) {
	each(t, func(h *house) {
		h.company("priya@example.com")
		seen := map[string]bool{}
		for n := range 5 {
			in, err := h.door.ByPassword(h.Context(), from(n), "priya@example.com", password, account.ID{})
			if err != nil || seen[in.Token] {
				h.Fatalf("the token of another session: %v", err)
			}
			seen[in.Token] = true
		}
		in, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		renewed, err := h.dir.Renew(h.Context(), in.Principal, account.TOTP)
		if err != nil || renewed.Shown.Level() != 2 {
			h.Fatal(err)
		}
		if h.authenticates(h.dir, in.Token) || !h.authenticates(h.dir, renewed.Token) {
			h.Error("the token that an attacker may know has the new right")
		}
		if err := h.door.SignOut(h.Context(), renewed.Principal); err != nil {
			h.Fatal(err)
		}
		_, err = h.dir.Renew(h.Context(), renewed.Principal, account.TOTP)
		h.refused(err, 401, "unauthenticated") // what is over stays over
	})
}

func TestAnAccountWithoutPasswords(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		_, link := h.user(s, account.Salesperson, phone)
		sam, err := h.door.Redeem(h.Context(), here, link, password)
		if err != nil {
			h.Fatal(err)
		}
		var email string
		h.write(s, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, sam.User, memberEmail(&email))
			return err
		})
		try := func(email, pass string) error {
			_, err := h.door.ByPassword(h.Context(), here, email, pass, account.ID{})
			return err
		}
		if err := try(email, password); err != nil {
			h.Fatal(err)
		}
		h.write(s, func(tx *store.Tx) error {
			return access.SetRule(tx, access.Rule{NoPassword: []account.Role{account.Salesperson}})
		})
		h.refused(try(email, password), 403, "code_required")
		h.refused(try(email, "wrong password"), 401, "unauthenticated")
		if err := try("priya@example.com", password); err != nil {
			h.Errorf("the admin: %v", err)
		}
		f := h.ask(phone)
		if _, err := h.door.ByCode(h.Context(), here, f.Secret, h.code(1), account.ID{}); err != nil {
			h.Error(err)
		}
		if h.counts(&s, "sign-in.refused")["password-not-allowed"] != 1 {
			h.Errorf("%v", h.counts(&s, "sign-in.refused"))
		}
	})
}

// Users of a database from before there were codes are found by their phones
// after IndexPhones, of two with one phone the first.
func TestOldPhonesAreIndexed(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		id, _ := h.user(s, account.Salesperson, phone)
		h.write(s, func(tx *store.Tx) error { return access.NoPhone(tx, id) })
		h.ask2(from(1), phone)
		if n := h.counts(&s, "code.sent")[""]; n != 0 {
			h.Fatalf("the control: %d sent", n)
		}
		for range 2 {
			if err := h.door.IndexPhones(h.Context(), s.Account()); err != nil {
				h.Fatal(err)
			}
		}
		h.clock.Pass(signin.CodePause)
		h.ask2(from(1), phone)
		if n := h.counts(&s, "code.sent")[""]; n != 1 || h.counts(&s, "opened")[""] != 1 {
			h.Errorf("%d sent, %v", n, h.counts(&s, "opened"))
		}
	})
}

func TestDevices(t *testing.T) {
	for agent, want := range map[string]string{
		"": "", "x": "unknown",
		"Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0":                                                                    "Firefox on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                   "Chrome on macOS",
		"Mozilla/5.0 (X11; CrOS x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                                    "Chrome on ChromeOS",
		"curl/8.14.1": "curl",
	} {
		if got := signin.Device(agent); got != want {
			t.Errorf("%q of %s", got, agent)
		}
	}
}

func FuzzDevice(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
	f.Fuzz(func(t *testing.T, agent string) {
		if d := signin.Device(agent); len(d) > 40 || len(agent) > 60 && strings.Contains(d, agent) {
			t.Errorf("%q", d)
		}
	})
}

func FuzzSixDigits(f *testing.F) {
	f.Add("123 456")
	f.Add("１２３４５６")
	f.Fuzz(func(t *testing.T, s string) {
		if code, ok := signin.SixDigits(s); ok && (len(code) != 6 || strings.Trim(code, "0123456789") != "") {
			t.Errorf("%q gave %q", s, code)
		}
	})
}

// What was refused while the record could not be written is on it afterwards,
// once, with what came meanwhile.
func TestRefusalsWaitForTheRecord(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("olga@example.com")
		try := func() {
			if _, err := h.door.ByPassword(h.Context(), here, "olga@example.com", "wrong password", account.ID{}); err == nil {
				h.Error("a wrong password was taken")
			}
		}
		before := h.counts(&s, "sign-in.refused")["password"]
		try()
		ended, end := context.WithCancel(h.Context())
		end()
		_ = h.door.Flush(ended) // unless the door's own flush was there first, it is an error
		try()
		if got := h.counts(&s, "sign-in.refused")["password"] - before; got != 2 {
			h.Errorf("%d of 2 refusals are on the record", got)
		}
	})
}
