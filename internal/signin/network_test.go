package signin_test

import (
	"context"
	"net/netip"
	"testing"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/directory"
	"catchment/internal/signin"
	"catchment/internal/store"
)

// from is a request of that address, as the gate house hands it on.
func (h *house) from(addr string) context.Context {
	return caller.With(h.Context(), caller.Plain(netip.MustParseAddr(addr)))
}

// allow sets the account's networks, as its admin inside of them.
func (h *house) allow(s account.Scope, p directory.Principal, at string, admins, everyone, keys []string) error {
	return h.db.Write(h.from(at), s, func(tx *store.Tx) error {
		_, err := h.dir.SetNetworks(tx, p, admins, everyone, keys)
		return err
	})
}

// In by every way from inside, by none from outside; a session that is there
// is judged at each request, and the one-time link stays good.
func TestNetworksOfAnAccount(t *testing.T) {
	each(t, func(h *house) {
		const office, home = "192.0.2.9", "198.51.100.3"
		s, admin := h.company("priya@example.com")
		_, link := h.user(s, account.Salesperson, "+442079460111")
		late, lateLink := h.user(s, account.Marketer, "")
		inside, outside := h.from(office), h.from(home)
		if _, err := h.dir.Authenticate(outside, admin.Token); err != nil {
			t.Fatal(err)
		}
		if err := h.allow(s, admin.Principal, office, []string{"192.0.2.0/28"}, []string{"192.0.2.0/24", "2001:db8::/48"}, nil); err != nil {
			t.Fatal(err)
		}
		is := func(ctx context.Context, token string, want string) {
			t.Helper()
			_, err := h.dir.Authenticate(ctx, token)
			if want == "" && err != nil {
				t.Error(err)
			}
			if want != "" {
				h.refused(err, 403, want)
			}
		}
		is(inside, admin.Token, "")
		is(h.from("::ffff:192.0.2.9"), admin.Token, "") // IPv4 through a dual-stack listener
		is(outside, admin.Token, "network")
		is(h.from("192.0.2.77"), admin.Token, "network") // for everyone, not for admins
		is(h.Context(), admin.Token, "network")          // nobody knows from where

		_, err := h.door.Redeem(outside, here, link, password)
		h.refused(err, 403, "network")
		sam, err := h.door.Redeem(h.from("2001:db8::7"), here, link, password)
		if err != nil {
			t.Fatal(err)
		}
		is(h.from("192.0.2.77"), sam.Token, "")
		is(outside, sam.Token, "network")

		_, err = h.door.ByPassword(outside, here, "priya@example.com", password, account.ID{})
		h.refused(err, 403, "network")
		_, err = h.door.ByPassword(outside, here, "priya@example.com", "not the password", account.ID{})
		h.refused(err, 401, "unauthenticated")
		if _, err := h.door.ByPassword(inside, here, "priya@example.com", password, account.ID{}); err != nil {
			t.Error(err)
		}
		f := h.ask("+442079460111")
		_, err = h.door.ByCode(outside, here, f.Secret, h.code(1), account.ID{})
		h.refused(err, 403, "network")
		if got := h.counts(&s, "sign-in.refused"); got["network"] != 3 {
			t.Error(got)
		}

		// The only admin has moved: the machine lets them in, and everybody else.
		link, _, cleared, err := h.door.Recover(h.Context(), "command:root@db1", s.Account(), "priya@example.com", false)
		if err != nil || !cleared {
			t.Fatal(cleared, err)
		}
		if _, err := h.door.Redeem(outside, here, link, password); err != nil {
			t.Error(err)
		}
		is(outside, sam.Token, "")
		if _, err := h.door.Redeem(outside, here, lateLink, password); err != nil {
			t.Error(late, err)
		}
	})
}

// Nobody shuts themselves out, and a key does not shut out people.
func TestNobodyLocksThemselvesOut(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.company("priya@example.com")
		for _, list := range [][3][]string{
			{{"192.0.2.0/24"}, nil, nil}, {nil, {"192.0.2.0/24"}, nil}, {{"198.51.100.0/24"}, {"192.0.2.0/24"}, nil},
		} {
			h.refused(h.allow(s, admin.Principal, "198.51.100.3", list[0], list[1], list[2]), 409, "locks_you_out")
		}
		key := directory.Principal{Scope: s, Key: account.NewKeyID(), Role: account.Admin}
		h.refused(h.allow(s, key, "198.51.100.3", []string{"198.51.100.0/24"}, nil, nil), 403, "not_a_user")
		h.refused(h.allow(s, key, "198.51.100.3", nil, nil, []string{"192.0.2.0/24"}), 409, "locks_you_out")
		if err := h.allow(s, key, "198.51.100.3", nil, nil, []string{"198.51.100.0/24"}); err != nil {
			t.Error(err)
		}
		if err := h.allow(s, admin.Principal, "198.51.100.3", []string{"198.51.100.0/24"}, nil, []string{"192.0.2.0/24"}); err != nil {
			t.Error(err)
		}
		h.refused(h.allow(s, admin.Principal, "198.51.100.3", []string{"192.0.2.7/24", "home"}, nil, nil), 422, "invalid")
	})
}

// One key's own networks, within the account's.
func TestNetworksOfAKey(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.company("priya@example.com")
		var text string
		var key directory.Key
		h.write(s, func(tx *store.Tx) (err error) {
			text, key, err = h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager, Networks: []string{"192.0.2.0/24"}})
			return err
		})
		opens := func(at string) bool {
			_, err := h.dir.Authenticate(h.from(at), text)
			if err != nil {
				h.refused(err, 403, "network")
			}
			return err == nil
		}
		if !opens("192.0.2.9") || opens("198.51.100.3") {
			t.Error("the key's own networks are not kept to")
		}
		changed := h.changed
		if err := h.allow(s, admin.Principal, "198.51.100.3", nil, nil, []string{"192.0.2.0/28"}); err != nil {
			t.Fatal(err)
		}
		if !opens("192.0.2.9") || opens("192.0.2.99") || h.changed == changed {
			t.Error("the account's networks for keys are not kept to, or not published")
		}
		h.write(s, func(tx *store.Tx) error {
			_, err := h.dir.SetKeyNetworks(tx, admin.Principal, key.ID, nil)
			return err
		})
		if opens("198.51.100.3") || !opens("192.0.2.3") {
			t.Error("without networks of its own the key keeps to the account's")
		}
		err := h.try(s, func(tx *store.Tx) error {
			_, _, err := h.dir.CreateKey(tx, directory.NewKey{Kind: directory.PublishableKey, Name: "Page", AnyOrigin: true, Networks: []string{"192.0.2.0/24"}})
			return err
		})
		h.refused(err, 422, "invalid")
	})
}

// Operators come from the platform's networks, to sign in and afterwards.
func TestNetworksOfOperators(t *testing.T) {
	each(t, func(h *house) {
		if _, err := h.door.CreateOperator(h.Context(), "Op Example", "op@example.com", password); err != nil {
			t.Fatal(err)
		}
		nets, err := caller.ParseNetworks("203.0.113.0/24")
		if err != nil {
			t.Fatal(err)
		}
		var refused int
		dir := directory.New(directory.Options{DB: h.db, Keys: h.keys, Now: h.clock.Now, OperatorNetworks: nets,
			Refused: func(directory.Principal) { refused++ }})
		t.Cleanup(dir.Close)
		door := h.desk(dir)
		in, err := door.ByPassword(h.from("203.0.113.5"), here, "op@example.com", password, account.ID{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = door.ByPassword(h.from("198.51.100.3"), here, "op@example.com", password, account.ID{})
		h.refused(err, 403, "network")
		if _, err := dir.Authenticate(h.from("203.0.113.5"), in.Token); err != nil {
			t.Error(err)
		}
		_, err = dir.Authenticate(h.from("198.51.100.3"), in.Token)
		h.refused(err, 403, "network")
		if refused != 1 {
			t.Errorf("told of %d", refused)
		}
		h.door = door
		if got := h.counts(nil, "sign-in.refused"); got["network"] != 1 {
			t.Error(got)
		}
		s, _ := h.company("priya@example.com") // and an account's people are no operators
		if _, err := door.ByPassword(h.from("198.51.100.3"), signin.Client{}, "priya@example.com", password, s.Account()); err != nil {
			t.Error(err)
		}
	})
}
