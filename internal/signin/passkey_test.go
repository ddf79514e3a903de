package signin_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

func (h *house) device() *signintest.Device { return signintest.NewDevice(h, signintest.PublicURL) }

// countless is a device that does not count.
func (h *house) countless() *signintest.Device {
	d := h.device()
	d.Credential.Counter-- // Make counts up to 0
	return d
}

// makes has the device make a passkey for whoever has signed in.
func (h *house) makes(d *signintest.Device, in signin.SignedIn) (signin.Confirmed, account.PasskeyID) {
	h.Helper()
	c, err := h.door.OfferPasskey(h.Context(), in.Principal)
	if err != nil {
		h.Fatal(err)
	}
	out, id, err := h.door.AddPasskey(h.Context(), here, in.Principal, c.Secret, vault.Hide("Priya's phone"), d.Make(c.Options))
	if err != nil {
		h.Fatal(err)
	}
	return out, id
}

func (h *house) askPasskey() signin.Ceremony {
	h.Helper()
	c, err := h.door.AskPasskey()
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// enters signs in with the device's passkey.
func (h *house) enters(d *signintest.Device) (signin.SignedIn, error) {
	h.Helper()
	c := h.askPasskey()
	return h.door.ByPasskey(h.Context(), here, c.Secret, d.Show(c.Options))
}

func TestAPasskeyIsAWayIn(t *testing.T) {
	each(t, func(h *house) {
		s, first := h.company("priya@example.com")
		other := h.comesIn()
		if a, err := h.door.Asked(h.Context(), first.Principal); err != nil || !slices.Equal(a.Offers[:1], []account.Factor{account.Passkey}) {
			h.Errorf("%+v, %v", a, err)
		}
		d := h.device()
		d.PRF, d.Authenticator.Options.BackupEligible, d.Authenticator.Options.BackupState = true, true, true
		made, id := h.makes(d, first)
		if made.Shown.Level() != 2 || !made.Second || len(made.Recovery) != 10 || h.authenticates(h.dir, first.Token) || h.authenticates(h.dir, other.Token) {
			h.Errorf("%+v, %d codes", made.Principal, len(made.Recovery))
		}
		in, err := h.enters(d)
		if err != nil || in.Shown.Level() != 2 || in.User != first.User || in.Scope != s || !slices.Equal(in.Shown.List(), []account.Factor{account.Passkey}) {
			h.Fatalf("%+v, %v", in.Principal, err)
		}
		if p, err := h.dir.Authenticate(h.Context(), in.Token); err != nil || !reflect.DeepEqual(p, in.Principal) {
			h.Errorf("%+v, %v", p, err)
		}
		list, err := h.door.Passkeys(h.Context(), in.Principal)
		if err != nil || len(list) != 1 || list[0].ID != id.String() || *list[0].Name != "Priya's phone" || !list[0].PRF || !list[0].Synced || list[0].UsedAt == nil {
			h.Fatalf("%+v, %v", list, err)
		}
		weak := h.comesIn()
		if a, err := h.door.Asked(h.Context(), weak.Principal); err != nil || !a.Limited || !slices.Equal(a.Needs, []account.Factor{account.Passkey, account.Recovery}) || len(a.Offers) != 0 {
			h.Errorf("%+v, %v", a, err)
		}
		c, err := h.door.AskOwnPasskey(h.Context(), weak.Principal)
		if err != nil {
			h.Fatal(err)
		}
		strong, err := h.door.ShowPasskey(h.Context(), weak.Principal, c.Secret, d.Show(c.Options))
		if err != nil || strong.Shown.Level() != 2 || h.authenticates(h.dir, weak.Token) {
			h.Fatalf("%+v, %v", strong.Principal, err)
		}
		if got := strings.Join(h.record(s), " "); got != "opened session.factor session.begin session.begin factor.add session.begin session.begin link.redeem" {
			h.Error(got)
		}
		h.door.NamePasskey(h.Context(), strong.Principal, id, vault.Hide(" The  blue one "))
		if list, err = h.door.Passkeys(h.Context(), strong.Principal); err != nil || *list[0].Name != "The blue one" {
			h.Errorf("%+v, %v", list, err)
		}
		h.refused(h.door.NamePasskey(h.Context(), strong.Principal, account.NewPasskeyID(), vault.Hide("x")), 404, "not_found")
		_, err = h.door.RemovePasskey(h.Context(), strong.Principal, id)
		h.refused(err, 409, "last_factor")
		h.makes(h.device(), strong)
		if strong, err = h.enters(d); err != nil {
			h.Fatal(err)
		}
		if gone, err := h.door.RemovePasskey(h.Context(), strong.Principal, id); err != nil || !gone.Second {
			h.Fatalf("%+v, %v", gone.Principal, err)
		}
		_, err = h.enters(d)
		h.refused(err, 401, "unauthenticated")
	})
}

// What is wrong answers the same, whatever is wrong, and is on the record.
func TestPasskeysThatAreNotTaken(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		d := h.device()
		h.makes(d, in)
		_, other := h.company("sam@example.com")
		theirs := h.device()
		h.makes(theirs, other)
		old := h.askPasskey()
		late := d.Show(old.Options)
		h.clock.Pass(signin.CeremonyLife)
		used := h.askPasskey()
		replay := d.Show(used.Options)
		if _, err := h.door.ByPasskey(h.Context(), here, used.Secret, replay); err != nil {
			h.Fatal(err)
		}
		as := func(change func(d *signintest.Device)) func() (signin.Ceremony, []byte) {
			return func() (signin.Ceremony, []byte) {
				c, e := h.askPasskey(), *d
				e.Credential.Counter = 1000 // so that it is no clone
				change(&e)
				return c, e.Show(c.Options)
			}
		}
		var said []string
		for name, try := range map[string]func() (signin.Ceremony, []byte){
			"another origin":    as(func(d *signintest.Device) { d.Site.Origin = "https://leads.example.org" }),
			"another port":      as(func(d *signintest.Device) { d.Site.Origin += ":8443" }),
			"without TLS":       as(func(d *signintest.Device) { d.Site.Origin = "http://leads.example.com" }),
			"another site":      as(func(d *signintest.Device) { d.Site.ID = "example.com" }),
			"nobody verified":   as(func(d *signintest.Device) { d.Authenticator.Options.UserNotVerified = true }),
			"nobody there":      as(func(d *signintest.Device) { d.Authenticator.Options.UserNotPresent = true }),
			"a clone's counter": as(func(d *signintest.Device) { d.Credential.Counter = 0 }),
			"an older counter":  as(func(d *signintest.Device) { d.Credential.Counter = 1 }),
			"another's handle": as(func(d *signintest.Device) {
				d.Authenticator.Options.UserHandle = theirs.Authenticator.Options.UserHandle
			}),
			"no handle":                 as(func(d *signintest.Device) { d.Authenticator.Options.UserHandle = nil }),
			"another's key, this id":    as(func(d *signintest.Device) { d.Credential.Key = theirs.Credential.Key }),
			"unknown":                   as(func(d *signintest.Device) { d.Credential.ID = []byte("a passkey that nobody has made") }),
			"synced, and was not to be": as(func(d *signintest.Device) { d.Authenticator.Options.BackupEligible = true }),
			"replayed":                  func() (signin.Ceremony, []byte) { return used, replay },
			"too late":                  func() (signin.Ceremony, []byte) { return old, late },
			"another's challenge":       func() (signin.Ceremony, []byte) { return h.askPasskey(), d.Show(h.askPasskey().Options) },
			"a signature for another flow": func() (signin.Ceremony, []byte) {
				c := h.askPasskey()
				c.Secret = h.askPasskey().Secret
				return c, d.Show(c.Options)
			},
			"a flow that was never": func() (signin.Ceremony, []byte) {
				c := h.askPasskey()
				c.Secret = c.Secret[:len(c.Secret)-1] + "_"
				return c, d.Show(c.Options)
			},
			"a flow of a session": func() (signin.Ceremony, []byte) {
				c, err := h.door.AskOwnPasskey(h.Context(), h.comesIn().Principal)
				if err != nil {
					h.Fatal(err)
				}
				return c, d.Show(c.Options)
			},
			"nothing": func() (signin.Ceremony, []byte) { return h.askPasskey(), []byte("{}") },
			"null":    func() (signin.Ceremony, []byte) { return h.askPasskey(), []byte("null") },
		} {
			c, answer := try()
			in, err := h.door.ByPasskey(h.Context(), here, c.Secret, answer)
			p, ok := problem.Of(err)
			if !ok || p.Status != 401 || in.Token != "" {
				h.Errorf("%s: %v", name, err)
				continue
			}
			said = append(said, p.Detail)
		}
		if slices.Sort(said); len(slices.Compact(said)) != 1 {
			h.Errorf("refusals can be told apart: %q", slices.Compact(said))
		}
		if got := h.counts(&s, "passkey.refused"); got["wrong"] != 12 || got["cloned"] != 3 {
			h.Errorf("on the account's record: %v", got)
		}
		if got := h.counts(nil, "passkey.refused"); got["unknown"] != 1 || got["over"] != 3 || got["unreadable"] != 2 {
			h.Errorf("on the platform's: %v", got)
		}
		d.Credential.Counter = 2000
		if _, err := h.enters(d); err != nil { // the control
			h.Error(err)
		}
	})
}

// A passkey that does not count, as those that are synced, is taken with 0.
func TestAPasskeyThatDoesNotCount(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		d := h.countless()
		h.makes(d, in)
		for range 2 {
			if _, err := h.enters(d); err != nil {
				h.Error(err)
			}
		}
	})
}

// One answer sent several times at once begins one session, also where no
// counter helps.
func TestAPasskeysAnswerIsUsedOnce(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		d := h.countless()
		h.makes(d, in)
		c := h.askPasskey()
		answer := d.Show(c.Options)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := h.door.ByPasskey(h.Context(), here, c.Secret, answer); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			h.Errorf("one answer was taken %d times", won.Load())
		}
	})
}

// Somebody who may not come in has a passkey that is right.
func TestAPasskeyOfSomebodyWhoMayNotComeIn(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		id, link := h.user(s, account.Salesperson, "")
		sam, err := h.door.Redeem(h.Context(), here, link, password)
		if err != nil {
			h.Fatal(err)
		}
		d := h.device()
		made, passkey := h.makes(d, sam)
		strong, err := h.enters(d) // the control
		if err != nil {
			h.Fatal(err)
		}
		gone, err := h.door.RemovePasskey(h.Context(), strong.Principal, passkey) // nobody insists
		if err != nil || gone.Second {
			h.Errorf("%+v, %v", gone.Principal, err)
		}
		_, err = h.show(gone, signin.Proof{Recovery: made.Recovery[0]}) // they went with it
		h.refused(err, 422, "invalid")
		d = h.device()
		h.makes(d, gone)
		h.write(s, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, id, directory.MemberChange{State: new(members.Deactivated)})
			return err
		})
		_, err = h.enters(d)
		h.refused(err, 401, "unauthenticated")
		if got := h.counts(&s, "passkey.refused"); got["not-active"] != 1 {
			h.Errorf("%v", got)
		}
	})
}

func TestAnotherPasskeyNeedsTheOneThatIsThere(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.companyOn("priya@example.com", "020 7946 0123")
		_, err := h.door.OfferPasskey(h.Context(), in.Principal) // a password, and a phone that was not shown
		h.refused(err, 403, "step_up_required")
		f, err := h.door.AskOwnCode(h.Context(), in.Principal)
		if err != nil {
			h.Fatal(err)
		}
		if in, err = h.door.ShowCode(h.Context(), in.Principal, f.Secret, h.code(1)); err != nil {
			h.Fatal(err)
		}
		d := h.device()
		made, _ := h.makes(d, in)
		weak := h.comesIn()
		_, err = h.door.OfferPasskey(h.Context(), weak.Principal)
		h.refused(err, 403, "step_up_required")
		c, err := h.door.OfferPasskey(h.Context(), made.Principal)
		if err != nil || len(c.Options["excludeCredentials"].([]any)) != 1 {
			h.Fatalf("%v, %v", c.Options, err)
		}
		_, _, err = h.door.AddPasskey(h.Context(), here, made.Principal, c.Secret, vault.Personal{}, d.Make(c.Options)) // the same once more
		h.refused(err, 409, "passkey_known")
		_, theirs := h.company("sam@example.com")
		c, err = h.door.OfferPasskey(h.Context(), theirs.Principal)
		if err != nil {
			h.Fatal(err)
		}
		_, _, err = h.door.AddPasskey(h.Context(), here, theirs.Principal, c.Secret, vault.Personal{}, h.device().Make(h.offer(made)))
		h.refused(err, 422, "invalid") // of another flow
		again := d.Authenticator.Options.UserHandle
		_, _, err = h.door.AddPasskey(h.Context(), here, theirs.Principal, c.Secret, vault.Personal{}, d.Make(c.Options))
		h.refused(err, 409, "passkey_known") // somebody else's
		d.Authenticator.Options.UserHandle = again
		if _, err := h.enters(d); err != nil { // it is still theirs
			h.Error(err)
		}
	})
}

func (h *house) offer(in signin.Confirmed) map[string]any {
	h.Helper()
	c, err := h.door.OfferPasskey(h.Context(), in.Principal)
	if err != nil {
		h.Fatal(err)
	}
	return c.Options
}

func TestWrongPasskeysAreTriesOfASecondFactor(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		d := h.device()
		h.makes(d, in)
		weak := h.comesIn()
		for range 5 {
			c, err := h.door.AskOwnPasskey(h.Context(), weak.Principal)
			if err != nil {
				h.Fatal(err)
			}
			_, err = h.door.ShowPasskey(h.Context(), weak.Principal, c.Secret, h.device().Show(c.Options))
			h.refused(err, 422, "invalid")
		}
		c, _ := h.door.AskOwnPasskey(h.Context(), weak.Principal)
		_, err := h.door.ShowPasskey(h.Context(), weak.Principal, c.Secret, d.Show(c.Options))
		h.refused(err, 429, "too_many_tries")
	})
}

func TestAnOperatorsPasskey(t *testing.T) {
	each(t, func(h *house) {
		if _, err := h.door.CreateOperator(h.Context(), "Ops", "ops@example.com", password); err != nil {
			h.Fatal(err)
		}
		in, err := h.door.ByPassword(h.Context(), here, "ops@example.com", password, account.ID{})
		if err != nil {
			h.Fatal(err)
		}
		d := h.device()
		made, id := h.makes(d, in)
		list, err := h.door.Passkeys(h.Context(), made.Principal)
		if err != nil || len(list) != 1 || *list[0].Name != "Priya's phone" {
			h.Errorf("%+v, %v", list, err)
		}
		again, err := h.enters(d)
		if err != nil || !again.Operator || again.Shown.Level() != 2 || again.User != in.User {
			h.Fatalf("%+v, %v", again.Principal, err)
		}
		d.Credential.Counter = 0
		_, err = h.enters(d)
		h.refused(err, 401, "unauthenticated")
		if got := h.counts(nil, "passkey.refused"); got["cloned"] != 1 {
			h.Errorf("%v", got)
		}
		_ = id
	})
}

// Where there is no name there are no passkeys; on loopback the name is localhost.
func TestTheNameOfTheSite(t *testing.T) {
	for url, want := range map[string]string{
		"https://leads.example.com": "leads.example.com https://leads.example.com", "https://Leads.example.com:8443": "leads.example.com https://Leads.example.com:8443",
		"http://127.0.0.1:8080": "localhost http://localhost:8080", "http://[::1]": "localhost http://localhost", "http://localhost:8080": "localhost http://localhost:8080",
		"https://192.0.2.1": "", "http://:8080": "", "http://0.0.0.0:8080": "", "": "", "::": "",
	} {
		if got := signin.RelyingParty(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

// What a client sends as its passkey is taken or refused, and nothing else.
func FuzzPasskey(f *testing.F) {
	d := signintest.NewDevice(f, signintest.PublicURL)
	options := map[string]any{"challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rpId": "leads.example.com", "user": map[string]any{"id": "AAAA"}}
	f.Add(d.Make(options))
	f.Add(d.Show(options))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, answer []byte) { signin.ReadPasskey(answer) })
}

// A flow's secret is one of ours or none.
func FuzzCeremony(f *testing.F) {
	f.Add("pfl_", "x")
	f.Add(signin.PasskeyPrefix+strings.Repeat("A", 54), "AAAA")
	f.Fuzz(func(t *testing.T, secret, _ string) {
		if signin.ReadCeremony(secret) {
			t.Error("taken")
		}
	})
}
