package console_test

import (
	"sync"
	"testing"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/vault"
	"catchment/internal/web/webtest"

	"github.com/oauth2-proxy/mockoidc"
)

// userID is their id.
func (v *visitor) userID() account.UserID {
	v.Helper()
	id, err := account.ParseUserID(v.id)
	v.ok(err)
	return id
}

// forget takes their password.
func (v *visitor) forget() {
	v.Helper()
	v.write(func(tx *store.Tx) error { return access.SetPassword(tx, v.userID(), "", now()) })
}

// principal is who the session says they are.
func (v *visitor) principal() directory.Principal {
	v.Helper()
	p, err := v.dir.Authenticate(v.Context(), v.token)
	v.ok(err)
	return p
}

// Over the API, single sign-on does not end while it is the only admin's way in.
func TestTheLastAdminsProviderStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		idp, err := mockoidc.Run()
		h.ok(err)
		t.Cleanup(func() { _ = idp.Shutdown() })
		c.admin.ask("PUT", "/v1/account/sso", map[string]any{"issuer": idp.Issuer(), "client_id": idp.ClientID, "client_secret": idp.ClientSecret,
			"domains": []string{"example.com"}, "new_role": "salesperson"}).want(t, 200)
		c.write(func(tx *store.Tx) error {
			_, err := access.AddBond(tx, access.Hash{1}, c.admin.userID(), now())
			return err
		})
		c.admin.forget()
		if got := c.admin.ask("DELETE", "/v1/account/sso", nil).want(t, 409); got.code() != "last_admin" {
			t.Error(got.text)
		}
		c.admin.get("/v1/account/sso").want(t, 200)
		c.user(account.Admin) // who has a password
		c.admin.ask("DELETE", "/v1/account/sso", nil).want(t, 200)
		c.admin.get("/v1/account/sso").want(t, 404)
	})
}

// An admin does not take the passkey away by which alone any admin comes in.
func TestTheLastAdminsPasskeyStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		kim := c.user(account.Admin)
		d := signintest.NewDevice(t, signintest.PublicURL)
		offer, err := h.door.OfferPasskey(t.Context(), kim.principal())
		h.ok(err)
		_, _, err = h.door.AddPasskey(t.Context(), signin.Client{}, kim.principal(), offer.Secret, vault.Hide("Kim's phone"), d.Make(offer.Options))
		h.ok(err)
		kim.forget()
		c.admin.forget() // Kim's passkey is the only way in
		path := "/v1/users/" + kim.id + "/factors"
		if got := c.admin.ask("DELETE", path, nil).want(t, 409); got.code() != "last_admin" {
			t.Error(got.text)
		}
		show, err := h.door.AskPasskey()
		h.ok(err)
		if _, err := h.door.ByPasskey(t.Context(), signin.Client{}, show.Secret, d.Show(show.Options)); err != nil {
			t.Errorf("what was refused is gone: %v", err)
		}
		c.user(account.Admin) // who has a password
		c.admin.ask("DELETE", path, nil).want(t, 200)
	})
}

// The one admin who can come in keeps role and state, whoever asks.
func TestTheLastAdminsRoleStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		kim := c.user(account.Admin)
		c.admin.forget() // Kim alone can come in
		for _, change := range []map[string]any{{"role": "auditor"}, {"state": "deactivated"}} {
			if got := c.admin.ask("PATCH", "/v1/users/"+kim.id, change).want(t, 409); got.code() != "last_admin" {
				t.Error(got.text)
			}
		}
		kim.get("/v1/users").want(t, 200) // who was refused changed nothing
		lee := c.user(account.Admin)
		c.admin.ask("PATCH", "/v1/users/"+kim.id, map[string]any{"role": "auditor"}).want(t, 200)
		if got := c.admin.ask("PATCH", "/v1/users/"+lee.id, map[string]any{"state": "deactivated"}).want(t, 409); got.code() != "last_admin" {
			t.Error(got.text)
		}
	})
}

// Two admins, at one moment and over HTTP, each take the other's role: one does.
func TestTwoAdminsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		kim := c.user(account.Admin)
		both := [2]*visitor{c.admin, kim}
		var got [2]webtest.Reply
		var ready, done sync.WaitGroup
		ready.Add(2)
		for i, v := range both {
			done.Go(func() {
				ready.Done()
				ready.Wait()
				got[i] = webtest.Ask(v, v.token, "PATCH", v.url+"/v1/users/"+both[1-i].id, map[string]any{"role": "manager"})
			})
		}
		done.Wait()
		for i, r := range got {
			// The other one is refused as the last admin, or has just stopped being one.
			if o := got[1-i]; r.Status == 200 && (o.Status == 401 || o.Status == 403 || o.Status == 409 && o.Code() == "last_admin") {
				both[i].get("/v1/users").want(t, 200)
				return
			}
		}
		t.Errorf("%d %s and %d %s: one should be done, and one refused", got[0].Status, got[0].Text, got[1].Status, got[1].Text)
	})
}
