package console_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
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

// What was somebody's own ends with them, by the one request that deactivates
// them: sessions, the device, the one-time link, the offer not yet answered. What
// is the account's goes on: leads with their follow-ups, and keys that they made.
func TestALeaverIsOut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		ann, bob := c.user(account.Salesperson), c.user(account.Salesperson)
		annID, err := account.ParseUserID(ann.id)
		h.ok(err)
		p, err := h.dir.Authenticate(t.Context(), ann.token)
		h.ok(err)
		_, err = h.door.Release(t.Context(), signin.Client{Agent: "Mozilla/5.0 (iPhone) Safari/1"}, p, account.DeviceID{})
		h.ok(err)
		key := c.admin.post("/v1/keys", map[string]any{"kind": "secret", "name": "CRM", "role": "manager"}).want(t, 201).str("key")
		crm := &visitor{company: c, token: key}

		owned, next := c.arrive(s), now().Add(time.Hour)
		c.write(func(tx *store.Tx) error {
			if _, err := c.router.Transfer(tx, owned, annID, "test", c.admin.id, now()); err != nil {
				return err
			}
			l, err := leads.LeadByID(tx, owned)
			if err != nil {
				return err
			}
			return leads.WorkSetNext(tx, &l, next, "call", now())
		})
		week := []map[string]int{}
		for d := range 7 {
			week = append(week, map[string]int{"weekday": d, "start_minute": 0, "end_minute": 1440})
		}
		c.admin.ask("PUT", "/v1/users/"+ann.id+"/shifts", map[string]any{"shifts": week}).want(t, 200)
		c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+ann.id, nil).want(t, 200)
		c.present(ann)
		c.arrive(s)
		offered := func() (n int) {
			c.read(func(tx *store.Tx) error {
				all, err := offers.OpenOf(tx, annID, 10)
				n = len(all)
				return err
			})
			return n
		}
		path := "/v1/users/" + ann.id
		link := c.admin.post(path+"/link", nil).want(t, 201).str("link")
		seen := func(what string) int {
			return len(c.admin.get(path+"/"+what, "Catchment-Purpose", "leaves").want(t, 200).list("items"))
		}
		if o, d, n := offered(), seen("devices"), seen("sessions"); o != 1 || d != 1 || n != 1 {
			t.Fatalf("before: %d offers, %d devices, %d sessions, want one of each", o, d, n)
		}

		c.admin.ask("PATCH", path, map[string]any{"state": "deactivated", "handover": map[string]any{"to": bob.id}}).want(t, 200)
		if o, d, n := offered(), seen("devices"), seen("sessions"); o != 0 || d != 0 || n != 0 {
			t.Errorf("after: %d offers, %d devices, %d sessions, want none", o, d, n)
		}
		if got := ann.get("/v1/account").want(t, 401); got.code() != "device_revoked" {
			t.Error(got.text)
		}
		if _, err := h.door.Signin.Redeem(t.Context(), signin.Client{}, link, "a password of their own"); err == nil {
			t.Error("the one-time link still lets them in")
		}
		c.read(func(tx *store.Tx) error {
			l, err := leads.LeadByID(tx, owned)
			if l.Owner.String() != bob.id || !l.NextAt.Equal(next) || l.NextWhat != "call" {
				t.Errorf("owner %s, next %s at %s", l.Owner, l.NextWhat, l.NextAt)
			}
			return err
		})
		crm.get("/v1/users").want(t, 200)
	})
}

// More leads than one step bears: the rest follows by itself, and stays when
// the one who left comes back meanwhile.
func TestTheRestFollowsALeaver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		ann, bob := c.user(account.Salesperson), c.user(account.Salesperson)
		c.gives(s, ann, 403)
		path := "/v1/users/" + ann.id
		leave := map[string]any{"state": "deactivated", "handover": map[string]any{"to": bob.id}}
		has := func(v *visitor, want int) {
			t.Helper()
			id, err := account.ParseUserID(v.id)
			h.ok(err)
			c.read(func(tx *store.Tx) error {
				n, err := leads.CountOpenOf(tx, id)
				if n != want {
					t.Errorf("%d leads, want %d", n, want)
				}
				return err
			})
		}
		c.admin.ask("PATCH", path, leave).want(t, 200)
		has(ann, 203)
		c.admin.ask("PATCH", path, map[string]any{"state": "active"}).want(t, 200)
		h.settle()
		has(ann, 203)
		c.admin.ask("PATCH", path, leave).want(t, 200)
		has(ann, 3)
		h.settle()
		has(ann, 0)
		has(bob, 403)
	})
}

// gives adds so many leads that somebody owns.
func (c *company) gives(s shop, to *visitor, n int) {
	c.Helper()
	project, _ := account.ParseProjectID(s.project)
	source, _ := account.ParseSourceID(s.source)
	owner, err := account.ParseUserID(to.id)
	c.ok(err)
	at := now()
	c.write(func(tx *store.Tx) error {
		stages, err := c.dir.Stages(tx)
		if err != nil {
			return err
		}
		all := make([]*leads.Lead, n)
		for i := range all {
			all[i] = &leads.Lead{ID: lead.NewID(), Person: lead.NewPersonID(), Project: project, Source: source, Stage: stages[0].ID, Category: lead.New,
				RouteState: lead.Owned, Owner: owner, Enquiries: 1, CreatedAt: at, EnquiredAt: at}
		}
		_, err = leads.AddLeads(tx, all)
		return err
	})
}
