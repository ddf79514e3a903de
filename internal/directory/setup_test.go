package directory_test

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

func ptr[T any](v T) *T { return &v }

func TestKeys(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		var secret, public string
		var id account.KeyID
		h.write(s, func(tx *store.Tx) error {
			text, k, err := h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager, ExpiresAt: h.clock.Now().Add(time.Hour)})
			secret, id = text, k.ID
			if err != nil {
				return err
			}
			public, k, err = h.dir.CreateKey(tx, directory.NewKey{Kind: directory.PublishableKey, Name: "Site", Origins: []string{"https://WWW.example.com:443/", "https://www.example.com"}})
			if len(k.Origins) != 1 || k.Origins[0] != "https://www.example.com" {
				h.Errorf("%v", k.Origins)
			}
			return err
		})
		p, err := h.dir.Authenticate(h.Context(), secret)
		if err != nil || p.Scope != s || p.Key != id || p.Role != account.Manager || !p.User.IsZero() || p.Actor != id.String() {
			h.Fatalf("%+v, %v", p, err)
		}
		_, err = h.dir.Authenticate(h.Context(), public)
		h.refused(err, 403, "publishable_key")
		h.write(s, func(tx *store.Tx) error {
			all, err := access.Keys(tx)
			if len(all) != 2 || !strings.HasSuffix(public, all[0].Tail) && !strings.HasSuffix(public, all[1].Tail) {
				h.Errorf("%+v", all)
			}
			return err
		})
		stranger, _ := h.company("omar@example.com")
		h.refused(h.try(stranger, func(tx *store.Tx) error { _, err := h.dir.RevokeKey(tx, id); return err }), 404, "not_found")
		if err := h.try(s, func(tx *store.Tx) error { // revoked, but rolled back
			if _, err := h.dir.RevokeKey(tx, id); err != nil {
				return err
			}
			return errBoom
		}); err != errBoom || !h.authenticates(h.dir, secret) {
			h.Errorf("%v", err)
		}
		before := h.changed
		if len(h.graves.buried()) != 0 {
			h.Error("a tombstone for a revocation that was rolled back")
		}
		for n := range 2 {
			h.write(s, func(tx *store.Tx) error {
				ended, err := h.dir.RevokeKey(tx, id)
				if ended != (n == 0) {
					h.Errorf("revocation %d ended it: %v", n, ended)
				}
				return err
			})
		}
		if h.authenticates(h.dir, secret) || h.changed != before+1 {
			h.Error("a revoked key is let in, or the doors do not learn of it")
		}
		if got := h.graves.buried(); len(got) != 1 || got[0].ID != id || got[0].RevokedAt.IsZero() {
			h.Errorf("buried: %+v", got)
		}
		h.write(s, func(tx *store.Tx) (err error) {
			secret, _, err = h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager, ExpiresAt: h.clock.Now().Add(2 * time.Second)})
			return err
		})
		if !h.authenticates(h.dir, secret) {
			h.Error("refused")
		}
		h.clock.Pass(2 * time.Second)
		if h.authenticates(h.dir, secret) {
			h.Error("an expired key is let in")
		}
		for _, bad := range []directory.NewKey{{}, {Kind: directory.SecretKey, Name: "x"}, {Kind: directory.SecretKey, Name: "x", Role: account.Operator},
			{Kind: directory.SecretKey, Name: "x", Role: account.Admin, AnyOrigin: true}, {Kind: directory.PublishableKey, Name: "x"},
			{Kind: directory.PublishableKey, Name: "x", Role: account.Admin, AnyOrigin: true},
			{Kind: directory.PublishableKey, Name: "x", Origins: []string{"https://*.example.com"}}, {Kind: directory.PublishableKey, Name: "x", Origins: []string{"javascript:alert(1)"}},
			{Kind: directory.PublishableKey, Name: "x", AnyOrigin: true, Sources: []account.SourceID{account.NewSourceID()}},
			{Kind: directory.SecretKey, Name: "x", Role: account.Admin, ExpiresAt: h.clock.Now().Add(-time.Second)},
			{Kind: directory.SecretKey, Name: "x", Role: account.Admin, ExpiresAt: h.clock.Now().Add(directory.LongestKeyLife + time.Second)}} {
			h.refused(h.try(s, func(tx *store.Tx) error { _, _, err := h.dir.CreateKey(tx, bad); return err }), 422, "invalid")
		}
	})
}

// A tombstone counts more than SQL and than what is believed for a moment.
func TestTombstones(t *testing.T) {
	each(t, func(h *house) {
		s, admin := h.company("priya@example.com")
		var texts [3]string
		var keys [3]directory.Key
		h.write(s, func(tx *store.Tx) (err error) {
			for i := range texts {
				if texts[i], keys[i], err = h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager}); err != nil {
					return err
				}
			}
			return nil
		})
		if !h.authenticates(h.dir, texts[0]) {
			h.Fatal("refused")
		}
		h.graves.set(true, directory.Key{ID: keys[0].ID}, directory.Key{Hash: keys[1].Hash})
		if h.authenticates(h.dir, texts[0]) || h.authenticates(h.node(), texts[0]) || h.authenticates(h.dir, texts[1]) {
			h.Error("a key with a tombstone is let in")
		}
		if !h.authenticates(h.dir, texts[2]) || !h.authenticates(h.dir, admin.Token) {
			h.Error("the control, a key without one, or a session, is refused")
		}
		h.graves.set(false)
		_, err := h.dir.Authenticate(h.Context(), texts[2])
		h.refused(err, 503, "not_ready")
		if !h.authenticates(h.dir, admin.Token) {
			h.Error("a session waits for tombstones")
		}
		h.graves.set(true)
		for id, hash := range map[account.KeyID][32]byte{keys[2].ID: {}, {}: keys[2].Hash} {
			if k, err := h.dir.FindKey(h.Context(), id, hash); err != nil || k.ID != keys[2].ID || k.Account != s.Account() {
				h.Errorf("%v: %+v, %v", id, k, err)
			}
		}
		if _, err := h.dir.FindKey(h.Context(), account.NewKeyID(), keys[2].Hash); err != store.ErrNone {
			h.Errorf("a key that never was: %v", err)
		}
	})
}

func TestWhoIsDeactivatedIsOut(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		var link string
		var sam account.UserID
		h.write(s, func(tx *store.Tx) error {
			m, l, err := h.dir.CreateMember(tx, directory.NewMember{Name: "Sam", Role: account.Salesperson, Email: vault.Hide("sam@example.com"), Phone: vault.Hide("+12125550123")})
			if err == nil {
				link, sam = l, m.ID
			}
			return err
		})
		h.refused(h.try(s, func(tx *store.Tx) error {
			_, _, err := h.dir.CreateMember(tx, directory.NewMember{Name: "Sam", Role: account.Salesperson, Email: vault.Hide("SAM@example.com")})
			return err
		}), 409, "email_taken")
		in := h.door.Redeem(link)
		change := func(c directory.MemberChange) (m *directory.Member) {
			h.Helper()
			h.write(s, func(tx *store.Tx) (err error) { m, err = h.dir.UpdateMember(tx, sam, c); return err })
			return m
		}
		change(directory.MemberChange{Role: ptr(account.Manager)})
		if h.authenticates(h.dir, in.Token) {
			h.Error("a session from before the new role goes on")
		}
		if in = h.door.SignIn("sam@example.com"); in.Role != account.Manager {
			h.Errorf("the new role is not seen: %v", in.Role)
		}
		change(directory.MemberChange{State: ptr(members.Deactivated)})
		_, err := h.door.ByPassword(h.Context(), signin.Client{}, "sam@example.com", signintest.Password, account.ID{})
		h.refused(err, 401, "unauthenticated")
		h.refused(h.try(s, func(tx *store.Tx) error { _, _, err := h.dir.NewLink(tx, sam); return err }), 409, "deactivated")
		if m := change(directory.MemberChange{State: ptr(members.Active), Email: ptr(vault.Hide("sam.new@example.com")), Name: ptr("Samira")}); m.State != members.Active || m.Name != "Samira" {
			h.Errorf("%+v", m)
		}
		if h.authenticates(h.dir, in.Token) {
			h.Error("the old session came back")
		}
		h.door.SignIn("sam.new@example.com")
		h.refused(h.try(s, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, sam, directory.MemberChange{Email: ptr(vault.Hide("priya@example.com"))})
			return err
		}), 409, "email_taken")
		stranger, _ := h.company("omar@example.com")
		h.refused(h.try(stranger, func(tx *store.Tx) error {
			_, err := h.dir.UpdateMember(tx, sam, directory.MemberChange{Name: ptr("X")})
			return err
		}), 404, "not_found")
		for _, bad := range []directory.NewMember{{}, {Name: "x", Role: account.Operator, Email: vault.Hide("x@example.com")},
			{Name: "x", Role: account.Admin, Email: vault.Hide("x")}, {Name: "x", Role: account.Admin, Email: vault.Hide("x@example.com"), Phone: vault.Hide("1")},
			{Name: "x", Role: account.Admin, Email: vault.Hide("x@example.com"), TimeZone: "Mars/Base"}, {Name: "a\x00b", Role: account.Admin, Email: vault.Hide("x@example.com")}} {
			h.refused(h.try(s, func(tx *store.Tx) error { _, _, err := h.dir.CreateMember(tx, bad); return err }), 422, "invalid")
		}
	})
}

func TestProjectsSourcesStages(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		stranger, _ := h.company("omar@example.com")
		var p directory.Project
		var src directory.Source
		h.write(s, func(tx *store.Tx) (err error) {
			if p, err = h.dir.CreateProject(tx, directory.NewProject{Name: "Château d'Été 2", TimeZone: "Asia/Kolkata"}); err != nil {
				return err
			}
			again, err := h.dir.CreateProject(tx, directory.NewProject{Name: "Chateau d’Ete 2"})
			if p.Slug != "chateau-dete-2" || again.Slug != "chateau-dete-2-2" {
				h.Errorf("%s and %s", p.Slug, again.Slug)
			}
			if err != nil {
				return err
			}
			src, err = h.dir.CreateSource(tx, directory.NewSource{Project: p.ID, Name: "網站", Kind: directory.SourceForm, NonPersonal: []string{"budget"},
				Mapping: map[string]string{"your-name": "name"}, ThanksURL: "https://www.example.com/thanks"})
			if src.Slug != "source" {
				h.Errorf("%q", src.Slug)
			}
			return err
		})
		h.refused(h.try(s, func(tx *store.Tx) error {
			_, err := h.dir.CreateProject(tx, directory.NewProject{Name: "x", Slug: p.Slug})
			return err
		}), 409, "slug_taken")
		h.write(s, func(tx *store.Tx) error {
			if _, err := h.dir.UpdateSource(tx, src.ID, directory.SourceChange{Active: ptr(false), NonPersonal: ptr([]string(nil))}); err != nil {
				return err
			}
			got, err := h.dir.GetSource(tx, src.ID)
			if got.Active || len(got.NonPersonal) != 0 || got.Mapping["your-name"] != "name" || got.Name != src.Name {
				h.Errorf("%+v", got)
			}
			return err
		})
		for _, f := range []func(tx *store.Tx) error{
			func(tx *store.Tx) error { _, err := h.dir.GetProject(tx, p.ID); return err },
			func(tx *store.Tx) error {
				_, err := h.dir.UpdateProject(tx, p.ID, directory.ProjectChange{Name: ptr("x")})
				return err
			},
			func(tx *store.Tx) error { _, err := h.dir.GetSource(tx, src.ID); return err },
			func(tx *store.Tx) error {
				_, err := h.dir.UpdateSource(tx, src.ID, directory.SourceChange{})
				return err
			},
		} {
			h.refused(h.try(stranger, f), 404, "not_found")
		}
		h.refused(h.try(stranger, func(tx *store.Tx) error {
			_, err := h.dir.CreateSource(tx, directory.NewSource{Project: p.ID, Name: "x"})
			return err
		}), 422, "invalid")
		for _, bad := range []directory.NewSource{{Project: p.ID}, {Project: p.ID, Name: "x", Kind: "fax"}, {Project: p.ID, Name: "x", Slug: "A b"},
			{Project: p.ID, Name: "x", ThanksURL: "javascript:alert(1)"}, {Project: p.ID, Name: "x", NonPersonal: []string{""}}} {
			h.refused(h.try(s, func(tx *store.Tx) error { _, err := h.dir.CreateSource(tx, bad); return err }), 422, "invalid")
		}
		h.write(s, func(tx *store.Tx) error {
			st, err := h.dir.CreateStage(tx, directory.NewStage{Name: "Second visit", Category: lead.FollowUp})
			if st.Place != 80 || st.Slug != "second-visit" {
				h.Errorf("%+v", st)
			}
			if err != nil {
				return err
			}
			st, err = h.dir.UpdateStage(tx, st.ID, directory.StageChange{Place: ptr(25)})
			all, _ := h.dir.Stages(tx)
			if all[2].ID != st.ID {
				h.Errorf("%+v", all)
			}
			return err
		})
		h.refused(h.try(s, func(tx *store.Tx) error {
			_, err := h.dir.CreateStage(tx, directory.NewStage{Name: "x", Category: "lost"})
			return err
		}), 422, "invalid")
	})
}

func FuzzSlug(f *testing.F) {
	f.Add("Château d'Été")
	f.Add("網站 1")
	f.Fuzz(func(t *testing.T, s string) {
		got := directory.Slug(s)
		if len(got) > 60 || strings.ContainsFunc(got, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') }) {
			t.Errorf("%q", got)
		}
	})
}
