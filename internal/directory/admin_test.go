package directory_test

import (
	"sync"
	"testing"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

// become changes a user's role or state.
func (h *house) become(s account.Scope, id account.UserID, c directory.MemberChange) error {
	return h.try(s, func(tx *store.Tx) error { _, err := h.dir.UpdateMember(tx, id, c); return err })
}

// invited makes somebody of the role; their one-time link is not used yet.
func (h *house) invited(s account.Scope, email string, role account.Role) (id account.UserID, link string) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		m, l, err := h.dir.CreateMember(tx, directory.NewMember{Name: "Omar", Role: role, Email: vault.Hide(email)})
		if err == nil {
			id, link = m.ID, l
		}
		return err
	})
	return id, link
}

// noPassword is somebody active who came in by something else.
func (h *house) noPassword(s account.Scope, email string, role account.Role) account.UserID {
	h.Helper()
	id, _ := h.invited(s, email, role)
	h.write(s, func(tx *store.Tx) error { return members.Welcome(tx, id) })
	return id
}

func (h *house) ownRole(s account.Scope, name string, d rights.Definition) (id account.RoleID) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		r, err := h.dir.CreateRole(tx, directory.Principal{Rights: rights.Of(account.Admin)}, name, d)
		id = r.ID
		return err
	})
	return id
}

var (
	toManager = directory.MemberChange{Role: ptr(account.Manager)}
	toAdmin   = directory.MemberChange{Role: ptr(account.Admin)}
	leaves    = directory.MemberChange{State: ptr(members.Deactivated)}
)

// The one admin stays until there is another who can come in.
func TestThereIsAlwaysAnAdminWhoCanSignIn(t *testing.T) {
	each(t, func(h *house) {
		s, first := h.company("priya@example.com")
		refused := func() {
			h.Helper()
			h.refused(h.become(s, first.User, toManager), 409, "last_admin")
			h.refused(h.become(s, first.User, leaves), 409, "last_admin")
		}
		refused()
		if _, err := h.dir.Authenticate(h.Context(), first.Token); err != nil {
			h.Errorf("what was refused has ended the session: %v", err)
		}
		h.invited(s, "ines@example.com", account.Admin)
		refused() // she is only invited
		omar := h.noPassword(s, "omar@example.com", account.Admin)
		refused() // Omar is active, and has nothing to sign in with
		people := h.ownRole(s, "People office", rights.Definition{account.ManagePeople: rights.All, account.ReadSetup: rights.All})
		_, link := h.invited(s, "pat@example.com", account.Role(people.String()))
		h.door.Redeem(link)
		refused() // Pat manages people, and could make nobody admin

		ways := map[string]struct{ give, take func(tx *store.Tx) error }{
			"a password": {func(tx *store.Tx) error { return access.SetPassword(tx, omar, "$argon2id$", h.clock.Now()) },
				func(tx *store.Tx) error { return access.SetPassword(tx, omar, "", h.clock.Now()) }},
			"a passkey": {func(tx *store.Tx) error {
				_, err := access.AddPasskey(access.OfUser(tx), access.Passkey{Account: s.Account(), User: omar, ID: account.NewPasskeyID(), Credential: []byte("c"),
					PublicKey: []byte("k"), Name: []byte("n"), CreatedAt: h.clock.Now()})
				return err
			}, func(tx *store.Tx) error { _, err := access.RemovePasskeys(access.OfUser(tx), omar); return err }},
			"single sign-on": {func(tx *store.Tx) error {
				if err := access.SetProvider(tx, access.Provider{Issuer: "https://login.example.com", Domains: []string{"example.com"}, Key: []byte("k"), Secret: []byte("s"), Compulsory: true}); err != nil {
					return err
				}
				_, err := access.AddBond(tx, access.Hash{1}, omar, h.clock.Now())
				return err
			}, func(tx *store.Tx) error { _, err := access.RemoveProvider(tx); return err }},
		}
		for way, w := range ways {
			h.write(s, w.give)
			if err := h.become(s, first.User, toManager); err != nil {
				h.Errorf("Omar has %s: %v", way, err)
			}
			h.write(s, func(tx *store.Tx) error { _, err := h.dir.UpdateMember(tx, first.User, toAdmin); return err })
			h.write(s, w.take)
			refused()
		}
	})
}

// Where nobody is admin, whoever manages people is what keeps the account, and
// their role keeps that.
func TestAnOwnRoleThatLeadsKeepsWhatItHolds(t *testing.T) {
	each(t, func(h *house) {
		s, first := h.company("priya@example.com")
		office := rights.Definition{account.ManagePeople: rights.All, account.ReadSetup: rights.All}
		role := h.ownRole(s, "People office", office)
		pat, link := h.invited(s, "pat@example.com", account.Role(role.String()))
		h.door.Redeem(link)
		h.write(s, func(tx *store.Tx) error { // as if the admin had never come in
			m, err := members.Get(tx, first.User)
			if err != nil {
				return err
			}
			m.State = members.Invited
			return members.Update(tx, m)
		})
		change := func(d rights.Definition) error {
			return h.try(s, func(tx *store.Tx) error {
				_, _, err := h.dir.ChangeRole(tx, directory.Principal{Rights: rights.Of(account.Admin)}, role, "People office", d)
				return err
			})
		}
		h.refused(change(rights.Definition{account.ReadSetup: rights.All}), 409, "last_admin")
		h.refused(h.become(s, pat, toManager), 409, "last_admin")
		h.refused(h.become(s, pat, leaves), 409, "last_admin")
		more := rights.Definition{account.ManagePeople: rights.All, account.ReadSetup: rights.All, account.ReadRecord: rights.All}
		if err := change(more); err != nil {
			h.Errorf("a change that takes nothing of it: %v", err)
		}
		// Compulsory single sign-on is for all but built-in admins, and Pat has never come by it.
		h.refused(h.try(s, func(tx *store.Tx) error {
			return h.dir.KeepLed(tx, func() error {
				return access.SetProvider(tx, access.Provider{Issuer: "https://login.example.com", Domains: []string{"example.com"}, Key: []byte("k"), Secret: []byte("s"), Compulsory: true})
			})
		}), 409, "last_admin")
	})
}

// Two admins demote each other at the same moment: one goes through.
func TestTwoAdminsDemoteEachOther(t *testing.T) {
	each(t, func(h *house) {
		s, first := h.company("priya@example.com")
		_, link := h.invited(s, "omar@example.com", account.Admin)
		second := h.door.Redeem(link)
		round := func() (errs [2]error) {
			var wg sync.WaitGroup
			for i, id := range []account.UserID{first.User, second.User} {
				wg.Go(func() { errs[i] = h.become(s, id, toManager) })
			}
			wg.Wait()
			return errs
		}
		for n := range 25 {
			errs := round()
			if (errs[0] == nil) == (errs[1] == nil) {
				h.Fatalf("round %d: %v and %v", n, errs[0], errs[1])
			}
			for i, id := range []account.UserID{first.User, second.User} {
				if errs[i] == nil {
					h.write(s, func(tx *store.Tx) error { _, err := h.dir.UpdateMember(tx, id, toAdmin); return err })
				} else {
					h.refused(errs[i], 409, "last_admin")
				}
			}
		}
		if h.db.Engine() == store.SQLite {
			return // there one transaction writes after the other, whoever locks
		}
		// The control: without the lock both have judged before either is there to be seen.
		h.dir.WithoutLock()
		var both, done sync.WaitGroup
		both.Add(2)
		for _, id := range []account.UserID{first.User, second.User} {
			done.Go(func() {
				err := h.try(s, func(tx *store.Tx) error {
					defer func() { both.Done(); both.Wait() }()
					_, err := h.dir.UpdateMember(tx, id, toManager)
					return err
				})
				if err != nil {
					h.Errorf("without the lock: %v; the rounds above show nothing", err)
				}
			})
		}
		done.Wait()
	})
}
