package console_test

import (
	"net/http"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// An invitation shows until when it is good, is withdrawn once, and is gone
// then; who has come in has none.
func TestInvitationsAreSeenAndWithdrawn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		invite := func(email string) answer {
			t.Helper()
			return c.admin.post("/v1/users", map[string]any{"role": "salesperson", "name": "Ravi", "email": email}).want(t, 201)
		}
		redeem := func(link string) error {
			_, err := c.door.Signin.Redeem(t.Context(), signin.Client{}, link, signintest.Password)
			return err
		}
		listed := func(what string) (ids []string) {
			t.Helper()
			for _, u := range c.admin.get("/v1/users?invited="+what).want(t, 200).list("items") {
				ids = append(ids, u["id"].(string))
			}
			return ids
		}
		gone, late, kept, in := invite("gone@example.com"), invite("late@example.com"), invite("kept@example.com"), c.user(account.Salesperson)
		for _, x := range []answer{gone, kept} {
			u := c.admin.get("/v1/users/"+x.str("id")).want(t, 200)
			at, err := time.Parse(time.RFC3339Nano, u.str("invited_at"))
			if err != nil || u.str("invitation_expires_at") == "" || !at.Before(time.Now()) || time.Since(at) > time.Hour {
				t.Error(u.text)
			}
		}
		if u := c.admin.get("/v1/users/"+in.id).want(t, 200); u.body["invited_at"] != nil || u.body["invitation_expires_at"] != nil {
			t.Errorf("who has come in: %s", u.text)
		}
		id, err := account.ParseUserID(late.str("id"))
		c.ok(err)
		c.write(func(tx *store.Tx) error {
			_, hash := directory.NewToken(directory.LinkPrefix)
			return access.AddLink(tx, id, hash, now(), now().Add(-time.Second))
		})
		if got := listed("pending"); len(got) != 2 || got[0] != kept.str("id") || got[1] != gone.str("id") {
			t.Errorf("pending: %v", got)
		}
		path := "/v1/users/" + gone.str("id") + "/link"
		c.user(account.Manager).ask("DELETE", path, nil).want(t, 403)
		h.company().admin.ask("DELETE", path, nil).want(t, 404)
		for _, want := range []bool{true, false} {
			if got := c.admin.ask("DELETE", path, nil).want(t, 200); got.body["withdrawn"] != want {
				t.Error(got.text)
			}
		}
		if p, ok := problem.Of(redeem(gone.str("link"))); !ok || p.Status != http.StatusUnauthorized {
			t.Errorf("a link that was withdrawn: %v", p)
		}
		if err := redeem(kept.str("link")); err != nil { // the control
			t.Error(err)
		}
		if got := listed("pending"); len(got) != 0 {
			t.Errorf("pending: %v", got)
		}
		if got := listed("expired"); len(got) != 2 || got[0] != late.str("id") || got[1] != gone.str("id") {
			t.Errorf("expired: %v", got)
		}
		if u := c.admin.get("/v1/users/"+gone.str("id")).want(t, 200); u.str("invited_at") == "" || u.body["invitation_expires_at"] != nil {
			t.Error(u.text)
		}
		c.read(func(tx *store.Tx) error {
			list, err := audit.List(tx, audit.Filter{Action: "user.link-withdrawn"}, audit.Place{}, 10)
			if len(list) != 1 || list[0].Actor != c.admin.id {
				t.Errorf("on the record: %+v", list)
			}
			return err
		})
	})
}
