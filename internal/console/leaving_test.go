package console_test

import (
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
)

// Somebody leaves, over the API: not before it is said who gets their leads,
// and then all at once. Nothing of theirs is left with nobody.
func TestSomebodyLeaves(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		ann, bob := c.user(account.Salesperson), c.user(account.Salesperson)
		owner := func(id lead.ID) (out account.UserID) {
			t.Helper()
			c.read(func(tx *store.Tx) error {
				l, err := leads.LeadByID(tx, id)
				out = l.Owner
				return err
			})
			return out
		}
		give := func(to *visitor) lead.ID {
			t.Helper()
			id := c.arrive(s)
			user, err := account.ParseUserID(to.id)
			c.ok(err)
			c.write(func(tx *store.Tx) error {
				_, err := c.router.Transfer(tx, id, user, "test", c.admin.id, now())
				return err
			})
			return id
		}
		first := give(ann)
		c.present(ann)
		path := "/v1/users/" + ann.id
		leave := func(handover any) map[string]any {
			return map[string]any{"state": "deactivated", "handover": handover}
		}
		if got := c.admin.ask("PATCH", path, map[string]any{"state": "deactivated"}).want(t, 409); got.code() != "open_leads" {
			t.Error(got.text)
		}
		for _, bad := range []map[string]any{{}, {"to": bob.id, "pool": true}, {"to": ann.id}, {"to": "nobody"}, {"to": account.NewUserID().String()}} {
			c.admin.ask("PATCH", path, leave(bad)).want(t, 422)
		}
		c.admin.ask("PATCH", path, map[string]any{"name": "Ann", "handover": map[string]any{"pool": true}}).want(t, 422)
		ann.get("/v1/account").want(t, 200) // all of it or nothing
		if owner(first).String() != ann.id {
			t.Error("the lead went over, and Ann stayed")
		}
		got := c.admin.ask("PATCH", path, leave(map[string]any{"to": bob.id})).want(t, 200)
		if got.str("state") != "deactivated" || owner(first).String() != bob.id {
			t.Errorf("%s, owner %s", got.text, owner(first))
		}
		ann.get("/v1/account").want(t, 401)
		if got := c.admin.get(path).want(t, 200); got.str("presence") != "logged-off" {
			t.Error(got.text)
		}
		if back := c.admin.ask("PATCH", path, map[string]any{"state": "active"}).want(t, 200); back.str("presence") != "logged-off" {
			t.Errorf("who came back is %s without having said so", back.str("presence"))
		}

		// Bob's go back to routing.
		second := give(bob)
		c.admin.ask("PATCH", "/v1/users/"+bob.id, leave(map[string]any{"pool": true})).want(t, 200)
		for _, id := range []lead.ID{first, second} {
			if !owner(id).IsZero() {
				t.Errorf("%s has an owner who left", id)
			}
		}
		c.admin.ask("PATCH", path, map[string]any{"state": "deactivated"}).want(t, 200) // with no leads nothing has to be said
	})
}
