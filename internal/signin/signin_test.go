package signin_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

func TestAnAccountBegins(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.companyOn("priya@example.com", "020 7946 0123")
		if in.Role != account.Admin || in.Scope != s || in.Actor != in.User.String() || in.Operator || in.Name != "Priya" {
			h.Errorf("%+v", in.Principal)
		}
		if in.Shown.Level() != 1 || h.changed == 0 || strings.Join(h.records, " ") != "account.create" || strings.Join(h.record(s), " ") != "session.begin link.redeem" {
			h.Errorf("published %d times, records %v and %v", h.changed, h.records, h.record(s))
		}
		h.write(s, func(tx *store.Tx) error {
			a, err := h.dir.GetAccount(tx)
			if err != nil || a.Name != "Harbour View Homes" || a.DefaultRegion != "GB" {
				h.Errorf("%+v, %v", a, err)
			}
			stages, err := h.dir.Stages(tx)
			if err != nil || len(stages) != 7 || stages[0].Slug != "new" || !stages[4].NeedsReason {
				h.Errorf("%+v, %v", stages, err)
			}
			m, err := members.Get(tx, in.User)
			if err != nil || m.State != members.Active || len(m.Phone) == 0 || len(m.Email) == 0 ||
				strings.Contains(string(m.Phone)+string(m.Email), "7946") || strings.Contains(string(m.Email), "priya") {
				h.Errorf("%+v, %v", m, err)
			}
			return err
		})
		list, err := h.dir.Accounts(h.Context(), nil, 10)
		if err != nil || len(list) != 1 || list[0].ID != s.Account() {
			h.Errorf("%v, %v", list, err)
		}
		if more, err := h.dir.Accounts(h.Context(), &list[0], 10); err != nil || len(more) != 0 {
			h.Errorf("%v, %v", more, err)
		}
		_, err = h.dir.Create(h.Context(), directory.NewAccount{Name: " ", DefaultRegion: "XX"})
		if p, _ := problem.Of(err); p == nil || len(p.Errors) != 2 {
			h.Errorf("%v", err)
		}
	})
}

func TestSignInAndOut(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("Priya@Example.com")
		in, err := h.door.ByPassword(h.Context(), here, " priya@example.COM ", password, account.ID{})
		if err != nil || in.Scope != s || !strings.HasPrefix(in.Token, "cst_") {
			h.Fatalf("%+v, %v", in, err)
		}
		p, err := h.dir.Authenticate(h.Context(), in.Token)
		if err != nil || !reflect.DeepEqual(p, in.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		_, wrong := h.door.ByPassword(h.Context(), here, "priya@example.com", "not the password", account.ID{})
		_, unknown := h.door.ByPassword(h.Context(), here, "nobody@example.com", password, account.ID{})
		h.refused(wrong, 401, "unauthenticated")
		if wrong.Error() != unknown.Error() {
			h.Errorf("%v and %v", wrong, unknown)
		}
		_, other := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.NewID())
		h.refused(other, 401, "unauthenticated")

		elsewhere := h.node()
		if !h.authenticates(elsewhere, in.Token) {
			h.Error("the other node refuses")
		}
		if err := h.door.SignOut(h.Context(), p); err != nil {
			h.Fatal(err)
		}
		if h.authenticates(h.dir, in.Token) {
			h.Error("signed out, but let in")
		}
		for i := 0; h.authenticates(elsewhere, in.Token); i++ { // it is woken; without that, five seconds
			if i > 200 {
				h.Fatal("the other node still lets it in")
			}
			time.Sleep(5 * time.Millisecond)
		}
		for _, bad := range []string{"", "x", "cst_", in.Token + "x", "cst_" + strings.Repeat("a", 43), "csk_" + strings.Repeat("a", 43), strings.Repeat("a", 1<<16)} {
			if h.authenticates(h.dir, bad) {
				h.Errorf("%.20q was let in", bad)
			}
		}
	})
}

func TestASessionEnds(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		for range 4 { // used every ten hours
			h.clock.Pass(10 * time.Hour)
			if !h.authenticates(h.dir, in.Token) {
				h.Fatal("a session in use ended")
			}
		}
		h.clock.Pass(12 * time.Hour)
		if h.authenticates(h.dir, in.Token) {
			h.Error("an idle session goes on")
		}
		in, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		for range 71 {
			h.clock.Pass(10 * time.Hour)
			h.authenticates(h.dir, in.Token)
		}
		if !h.authenticates(h.dir, in.Token) {
			h.Error("it ended before 30 days")
		}
		h.clock.Pass(10 * time.Hour)
		if h.authenticates(h.dir, in.Token) {
			h.Error("it goes on after 30 days")
		}
	})
}

func TestALinkIsUsedOnce(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.company("priya@example.com")
		var link string
		var sam account.UserID
		h.write(s, func(tx *store.Tx) error {
			m, l, err := h.dir.CreateMember(tx, directory.NewMember{Name: "Sam", Role: account.Salesperson, Email: vault.Hide("sam@example.com"), TimeZone: "Europe/London"})
			if err == nil {
				link, sam = l, m.ID
			}
			return err
		})
		_, err := h.door.ByPassword(h.Context(), here, "sam@example.com", "", account.ID{})
		h.refused(err, 401, "unauthenticated")
		_, err = h.door.Redeem(h.Context(), here, link, "short")
		h.refused(err, 422, "invalid")
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := h.door.Redeem(h.Context(), here, link, password); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			h.Errorf("used %d times", won.Load())
		}
		in, err := h.door.ByPassword(h.Context(), here, "sam@example.com", password, account.ID{})
		if err != nil || in.User != sam {
			h.Fatal(err)
		}
		relink := func() (l string) {
			h.write(s, func(tx *store.Tx) (err error) { l, _, err = h.dir.NewLink(tx, sam); return err })
			return l
		}
		first, second := relink(), relink()
		_, err = h.door.Redeem(h.Context(), here, first, "another password")
		h.refused(err, 401, "unauthenticated") // the second one ended it
		h.clock.Pass(72*time.Hour - time.Second)
		if _, err = h.door.Redeem(h.Context(), here, second, "another password"); err != nil {
			h.Error(err)
		}
		if h.authenticates(h.dir, in.Token) {
			h.Error("a session from before the new password goes on")
		}
		late := relink()
		h.clock.Pass(72 * time.Hour)
		_, err = h.door.Redeem(h.Context(), here, late, password)
		h.refused(err, 401, "unauthenticated")
		_ = admin
	})
}

func TestOneAddressInTwoAccounts(t *testing.T) {
	each(t, func(h *house) {
		a, _ := h.company("priya@example.com")
		b, _ := h.company("priya@example.com")
		_, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
		h.refused(err, 422, "invalid")
		for _, s := range []account.Scope{a, b} {
			if in, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, s.Account()); err != nil || in.Scope != s {
				h.Errorf("%v, %v", in.Scope, err)
			}
		}
	})
}

func TestGuessingIsSlowedDown(t *testing.T) {
	each(t, func(h *house) {
		h.company("priya@example.com")
		for _, email := range []string{"priya@example.com", "nobody@example.com"} {
			for range 10 {
				_, err := h.door.ByPassword(h.Context(), here, email, "wrong password", account.ID{})
				h.refused(err, 401, "unauthenticated")
			}
			_, err := h.door.ByPassword(h.Context(), here, email, password, account.ID{})
			h.refused(err, 429, "too_many_sign_ins")
		}
		h.clock.Pass(time.Minute)
		if _, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{}); err != nil {
			h.Error(err)
		}
	})
}

func TestChangePassword(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		other, err := h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		if in, err = h.dir.Renew(h.Context(), in.Principal, account.TOTP); err != nil {
			h.Fatal(err)
		}
		change := func(old, fresh string) (signin.SignedIn, error) {
			return h.door.ChangePassword(h.Context(), in.Principal, old, fresh)
		}
		_, err = change("wrong password", "a new password")
		h.refused(err, 422, "invalid")
		_, err = change(password, "short")
		h.refused(err, 422, "invalid")
		renewed, err := change(password, "a new password")
		if err != nil {
			h.Fatal(err)
		}
		if !h.authenticates(h.dir, renewed.Token) || h.authenticates(h.dir, in.Token) || h.authenticates(h.dir, other.Token) {
			h.Error("this session goes on under its new token alone, the others end")
		}
		if p, err := h.dir.Authenticate(h.Context(), renewed.Token); err != nil || !reflect.DeepEqual(p, renewed.Principal) || p.Session != in.Session {
			h.Errorf("%+v, %v", p, err)
		}
		_, err = h.door.ByPassword(h.Context(), here, "priya@example.com", password, account.ID{})
		h.refused(err, 401, "unauthenticated")
		if got := strings.Join(h.record(s), " "); got != "password.change session.begin session.begin link.redeem" {
			h.Error(got)
		}
	})
}

func TestOperators(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		id, err := h.door.CreateOperator(h.Context(), "Ops", "ops@example.com", password)
		if err != nil {
			h.Fatal(err)
		}
		_, err = h.door.CreateOperator(h.Context(), "Ops", "OPS@example.com", password)
		h.refused(err, 409, "email_taken")
		in, err := h.door.ByPassword(h.Context(), here, "ops@example.com", password, account.ID{})
		if err != nil || !in.Operator || in.Scope.Valid() || in.User != id || in.Role != account.Operator {
			h.Fatalf("%+v, %v", in, err)
		}
		p, err := h.dir.Authenticate(h.Context(), in.Token)
		if err != nil || !reflect.DeepEqual(p, in.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		_, err = h.door.ByPassword(h.Context(), here, "ops@example.com", password, s.Account())
		h.refused(err, 401, "unauthenticated")
		if err := h.door.SignOut(h.Context(), p); err != nil || h.authenticates(h.dir, in.Token) {
			h.Errorf("%v", err)
		}
	})
}

// People see where they are signed in, coarse, and end it there; so does an
// admin, and nobody of another account.
func TestSessionsAreListedAndEnded(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.company("priya@example.com")
		_, stranger := h.company("omar@example.com")
		laptop := signin.Client{Address: netip.MustParseAddr("2001:db8:7:1::9"), Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
		h.clock.Pass(time.Second)
		second, err := h.door.ByPassword(h.Context(), laptop, "priya@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		show := func(p directory.Principal, purpose vault.Purpose) (out []string) {
			list, err := h.door.Sessions(h.Context(), p, admin.User, purpose)
			if err != nil {
				h.Fatal(err)
			}
			for _, l := range list {
				device, network := "-", "-"
				if l.Device != nil {
					device, network = *l.Device, *l.Network
				}
				out = append(out, fmt.Sprint(l.Current, " ", l.Level, " ", l.Factors[0].Factor, " ", device, " ", network))
			}
			return out
		}
		if got := strings.Join(show(second.Principal, vault.ForOwnUse), "; "); got != "true 1 password Firefox on Linux 2001:db8:7::/48; false 1 password Firefox on Android 192.0.2.0/24" {
			h.Error(got)
		}
		if h.counts(&s, "opened")[""] != 4 { // values, in one entry
			h.Errorf("%v", h.counts(&s, "opened"))
		}
		if got := strings.Join(show(admin.Principal, ""), "; "); got != "false 1 password - -; true 1 password - -" {
			h.Errorf("without a purpose: %s", got)
		}
		if got := show(stranger.Principal, vault.ForOversight); len(got) != 0 {
			h.Errorf("another account sees %v", got)
		}
		h.refused(h.door.EndSession(h.Context(), stranger.Principal, admin.User, second.Session), 404, "not_found")
		if !h.authenticates(h.dir, second.Token) {
			h.Error("another account ended it")
		}
		if err := h.door.EndSession(h.Context(), admin.Principal, admin.User, second.Session); err != nil || h.authenticates(h.dir, second.Token) || !h.authenticates(h.dir, admin.Token) {
			h.Errorf("one was to end: %v", err)
		}
		h.refused(h.door.EndSession(h.Context(), admin.Principal, admin.User, second.Session), 404, "not_found")
		third, err := h.door.ByPassword(h.Context(), laptop, "priya@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		if err := h.door.EndSessions(h.Context(), third.Principal, admin.User); err != nil || h.authenticates(h.dir, admin.Token) || !h.authenticates(h.dir, third.Token) {
			h.Errorf("all others were to end: %v", err)
		}
		h.clock.Pass(12 * time.Hour)
		if got := show(admin.Principal, ""); len(got) != 0 {
			h.Errorf("idle for too long: %v", got)
		}
	})
}

func TestOperatorsSessions(t *testing.T) {
	each(t, func(h *house) {
		if _, err := h.door.CreateOperator(h.Context(), "Ops", "ops@example.com", password); err != nil {
			h.Fatal(err)
		}
		var in [2]signin.SignedIn
		for i := range in {
			var err error
			if in[i], err = h.door.ByPassword(h.Context(), here, "ops@example.com", password, account.ID{}); err != nil {
				h.Fatal(err)
			}
		}
		list, err := h.door.Sessions(h.Context(), in[0].Principal, in[0].User, vault.ForOwnUse)
		if err != nil || len(list) != 2 || list[0].Device != nil {
			h.Errorf("%+v, %v", list, err)
		}
		if err := h.door.EndSessions(h.Context(), in[0].Principal, in[0].User); err != nil || h.authenticates(h.dir, in[1].Token) || !h.authenticates(h.dir, in[0].Token) {
			h.Errorf("%v", err)
		}
		if got := h.counts(nil, "session.begin")[""]; got != 2 || h.counts(nil, "sessions.end")[""] != 1 || h.counts(nil, "operator.create")[""] != 1 {
			h.Errorf("%d began on the platform's record", got)
		}
	})
}
