package signin_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/rights"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// The last way in of the last admin stays: the provider they come through, and
// their passkey.
func TestTheLastWayInOfTheLastAdmin(t *testing.T) {
	const phone = "+442079460123"
	each(t, func(h *house) {
		s, priya := h.companyOn("priya@example.com", phone)
		h.ask(phone) // nobody: a code is an admin's second factor, and no way in
		h.settle()
		if n := len(h.outbox.Items()); n != 0 {
			h.Errorf("%d codes went out", n)
		}
		provide := func(tx *store.Tx, issuer string) error {
			return access.SetProvider(tx, access.Provider{Issuer: issuer, Domains: []string{"example.com"}, Key: []byte("k"), Secret: []byte("s")})
		}
		h.write(s, func(tx *store.Tx) error { // she comes through the provider alone
			if err := provide(tx, "https://login.example.com"); err != nil {
				return err
			}
			if _, err := access.AddBond(tx, access.Hash{1}, priya.User, h.clock.Now()); err != nil {
				return err
			}
			return access.SetPassword(tx, priya.User, "", h.clock.Now())
		})
		remove := func() error {
			return h.try(s, func(tx *store.Tx) error { return h.door.RemoveProvider(tx, priya.Actor) })
		}
		h.refused(remove(), 409, "last_admin")
		h.write(s, func(tx *store.Tx) error {
			if _, err := access.GetProvider(tx); err != nil {
				h.Errorf("what was refused is gone: %v", err)
			}
			return nil
		})
		h.clock.Pass(time.Minute) // until she may ask again
		f, err := h.door.AskOwnCode(h.Context(), priya.Principal)
		if err != nil {
			h.Fatal(err)
		}
		if priya, err = h.door.ShowCode(h.Context(), priya.Principal, f.Secret, h.code(1)); err != nil {
			h.Fatal(err)
		}
		d := h.device()
		_, passkey := h.makes(d, priya)
		if err := remove(); err != nil {
			h.Fatalf("with a passkey she needs no provider: %v", err)
		}
		if priya, err = h.enters(d); err != nil {
			h.Fatal(err)
		}
		_, err = h.door.RemovePasskey(h.Context(), priya.Principal, passkey) // the phone would do as a second factor
		h.refused(err, 409, "last_admin")
		if _, err = h.enters(d); err != nil {
			h.Errorf("what was refused is gone: %v", err)
		}
		h.write(s, func(tx *store.Tx) error { return access.SetPassword(tx, priya.User, "$argon2id$", h.clock.Now()) })
		if priya, err = h.enters(d); err != nil {
			h.Fatal(err)
		}
		if _, err := h.door.RemovePasskey(h.Context(), priya.Principal, passkey); err != nil {
			h.Errorf("with a password she needs no passkey: %v", err)
		}
	})
}

// A role that signed in by code, and has been given more than that since, has
// its password back: else it had no way in.
func TestARoleThatGrewHasItsPassword(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		by := directory.Principal{Rights: rights.Of(account.Admin)}
		var r directory.OwnRole
		h.write(s, func(tx *store.Tx) (err error) {
			r, err = h.dir.CreateRole(tx, by, "Office", rights.Definition{account.ReadSetup: rights.All})
			return err
		})
		id, link := h.user(s, account.Role(r.ID.String()), "")
		if _, err := h.door.Redeem(h.Context(), here, link, password); err != nil {
			h.Fatal(err)
		}
		var email string
		h.write(s, func(tx *store.Tx) error {
			if _, err := h.dir.UpdateMember(tx, id, memberEmail(&email)); err != nil {
				return err
			}
			return h.door.SetRule(tx, signin.Rule{NoPassword: []account.Role{account.Role(r.ID.String())}})
		})
		come := func() error {
			_, err := h.door.ByPassword(h.Context(), here, email, password, account.ID{})
			return err
		}
		h.refused(come(), 403, "code_required")
		h.write(s, func(tx *store.Tx) error {
			_, _, err := h.dir.ChangeRole(tx, by, r.ID, "Office", rights.Definition{account.ReadSetup: rights.All, account.ManagePeople: rights.All})
			return err
		})
		if err := come(); err != nil {
			h.Error(err)
		}
	})
}
