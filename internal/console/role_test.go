package console_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/offers"
)

func teamLead(more ...string) map[string]any {
	p := map[string]string{"leads:read": "teams", "leads:work": "teams", "persons:open": "teams", "reports:read": "teams", "setup:read": "all", "events:follow": "all"}
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return map[string]any{"name": "Team lead", "permissions": p}
}

// An admin makes a role, gives it, changes it, and removes it once nobody has
// it; who has it is signed out when it changes.
func TestAnAccountsOwnRoles(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		made := c.admin.post("/v1/roles", teamLead()).want(t, 201)
		role, path := account.Role(made.str("id")), "/v1/roles/"+made.str("id")
		if got := c.admin.get("/v1/roles").want(t, 200).list("items"); len(got) != 1 || got[0]["name"] != "Team lead" {
			t.Error(got)
		}
		if want := example(t, "role"); !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(made.body))) {
			t.Errorf("docs/api.md has %v, the server %s", want, made.text)
		}
		other.admin.get(path).want(t, 404)
		other.admin.ask("PUT", path, teamLead()).want(t, 404)
		other.admin.ask("DELETE", path, nil).want(t, 404)
		if got := other.admin.get("/v1/roles").want(t, 200).list("items"); len(got) != 0 {
			t.Error("another account's roles", got)
		}
		other.admin.post("/v1/users", map[string]any{"role": role, "name": "X", "email": "x@example.com"}).want(t, 422)
		c.admin.post("/v1/roles", teamLead()).want(t, 409)

		mona, key := c.user(role), c.key(role)
		mona.get("/v1/projects").want(t, 200)
		mona.get("/v1/record").want(t, 403)
		mona.post("/v1/projects", map[string]any{"name": "X"}).want(t, 403)
		key.get("/v1/projects").want(t, 200)
		refused := c.admin.ask("DELETE", path, nil).want(t, 409)
		if fields, _ := refused.body["errors"].([]any); refused.body["code"] != "role_in_use" || len(fields) != 2 || fields[0].(map[string]any)["detail"] != mona.id {
			t.Error(refused.text)
		}

		renamed := teamLead()
		renamed["name"] = "Head of team"
		c.admin.ask("PUT", path, renamed).want(t, 200)
		mona.get("/v1/projects").want(t, 200)                                 // another name changes nothing
		c.admin.ask("PUT", path, teamLead("setup:read", "none")).want(t, 422) // what is not held is left out
		less := teamLead()
		delete(less["permissions"].(map[string]string), "setup:read")
		c.admin.ask("PUT", path, less).want(t, 200)
		mona.get("/v1/projects").want(t, 401)
		key.get("/v1/projects").want(t, 403)

		c.admin.ask("PATCH", "/v1/users/"+mona.id, map[string]any{"role": "salesperson"}).want(t, 200)
		if got := c.admin.ask("DELETE", path, nil).want(t, 409); len(got.body["errors"].([]any)) != 1 {
			t.Error(got.text)
		}
		keys := c.admin.get("/v1/keys").want(t, 200).list("items")
		c.admin.post("/v1/keys/"+keys[0]["id"].(string)+"/revoke", nil).want(t, 200)
		c.admin.ask("DELETE", path, nil).want(t, 200)
		c.admin.get(path).want(t, 404)
	})
}

// The table of rights has the built-in roles as the policies make them, and the
// account's own.
func TestTheTableOfRights(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		id := c.admin.post("/v1/roles", teamLead()).want(t, 201).str("id")
		got := c.user(account.Auditor).get("/v1/rights").want(t, 200)
		for _, one := range []string{"permissions", "roles"} {
			if want := example(t, "rights")[one].([]any)[0].(map[string]any); !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got.list(one)[0]))) {
				t.Errorf("docs/api.md has %v", want)
			}
		}
		roles := got.list("roles")
		for _, r := range roles {
			of, held := rights.Of(account.Role(r["role"].(string))), r["permissions"].(map[string]any)
			if r["own"] == true {
				of = rights.Own(rights.Definition{account.ReadLeads: rights.Teams, account.WorkLeads: rights.Teams, account.OpenPersons: rights.Teams,
					account.ReadReports: rights.Teams, account.ReadSetup: rights.All, account.FollowEvents: rights.All})
			}
			for _, w := range rights.Permissions() {
				said, _ := held[string(w.Permission)].(string)
				if reach := of.Reach(w.Permission).String(); said != reach && (said != "" || reach != "none") {
					t.Errorf("%s, %s: %q, not %s", r["role"], w.Permission, said, reach)
				}
			}
		}
		if len(roles) != 8 || roles[7]["role"] != id || roles[7]["name"] != "Team lead" || len(got.list("permissions")) != len(rights.Permissions()) {
			t.Error(got.text)
		}
		if n := len(other.admin.get("/v1/rights").want(t, 200).list("roles")); n != 7 {
			t.Errorf("%d roles of another account", n)
		}
	})
}

// Nobody makes, gives, or takes in hand more than they hold.
func TestNobodyGivesMoreThanTheyHold(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		made := c.admin.post("/v1/roles", map[string]any{"name": "Office", "permissions": map[string]string{
			"people:manage": "all", "keys:manage": "all", "setup:read": "all", "leads:read": "teams", "reports:read": "teams"}}).want(t, 201)
		office := c.user(account.Role(made.str("id")))
		sam := c.user(account.Salesperson)
		beyond := func(a answer) {
			t.Helper()
			if a.want(t, 403); a.code() != "beyond_own_rights" {
				t.Error(a.text)
			}
		}
		beyond(office.post("/v1/roles", map[string]any{"name": "More", "permissions": map[string]string{"leads:read": "all"}}))
		beyond(office.post("/v1/roles", map[string]any{"name": "More", "permissions": map[string]string{"record:read": "all"}}))
		beyond(office.post("/v1/users", map[string]any{"role": "admin", "name": "X", "email": "x@example.com"}))
		beyond(office.post("/v1/users", map[string]any{"role": "salesperson", "name": "X", "email": "x@example.com"}))
		beyond(office.ask("PATCH", "/v1/users/"+office.id, map[string]any{"role": "admin"}))
		beyond(office.ask("PATCH", "/v1/users/"+c.admin.id, map[string]any{"email": "office@example.com"}))
		beyond(office.post("/v1/users/"+c.admin.id+"/link", nil))
		beyond(office.ask("DELETE", "/v1/users/"+c.admin.id+"/factors", nil))
		beyond(office.post("/v1/keys", map[string]any{"kind": "secret", "name": "K", "role": "admin"}))
		c.key(account.Admin)
		beyond(office.post("/v1/keys/"+c.admin.get("/v1/keys").want(t, 200).list("items")[0]["id"].(string)+"/rotate", nil))
		beyond(office.ask("DELETE", "/v1/account/sso", nil))
		beyond(office.ask("PUT", "/v1/account/sso", map[string]any{"issuer": "https://login.example.com", "client_id": "x", "domains": []string{"example.com"}}))
		beyond(office.ask("PATCH", "/v1/users/"+sam.id, map[string]any{"name": "Sam"}))

		same := office.post("/v1/roles", map[string]any{"name": "Same", "permissions": map[string]string{"leads:read": "mine", "setup:read": "all"}}).want(t, 201)
		office.post("/v1/users", map[string]any{"role": same.str("id"), "name": "X", "email": "x@example.com"}).want(t, 201)
		office.post("/v1/keys", map[string]any{"kind": "secret", "name": "K", "role": same.str("id")}).want(t, 201)
		office.post("/v1/keys", map[string]any{"kind": "publishable", "name": "Web", "origins": []string{"https://homes.example"}}).want(t, 201)
	})
}

func TestRolesThatAreNone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		for want, p := range map[string]map[string]string{
			"unknown_permission permissions.leads:fly":    {"leads:fly": "all"},
			"unknown_permission permissions.platform:run": {"platform:run": "all"},
			"unknown_permission permissions.session:own":  {"session:own": "all"},
			"bad_reach permissions.setup:read":            {"setup:read": "teams"},
			"bad_reach permissions.leads:move":            {"leads:read": "mine", "leads:move": "mine"},
			"bad_reach permissions.leads:read":            {"leads:read": "some"},
			"beyond_reading permissions.leads:work":       {"leads:read": "mine", "leads:work": "teams"},
			"beyond_reading permissions.persons:open":     {"persons:open": "mine"},
			"beyond_reading permissions.reports:read":     {"leads:read": "teams", "reports:read": "all"},
			"needs_all_leads permissions.routing:manage":  {"leads:read": "teams", "routing:manage": "all"},
			"needs_all_leads permissions.record:read":     {"leads:read": "mine", "record:read": "all"},
			"needs_all_leads permissions.leads:import":    {"leads:read": "teams", "leads:import": "all"},
			"needs_all_leads permissions.leads:export":    {"leads:read": "all", "leads:export": "all"},
		} {
			got := c.admin.post("/v1/roles", map[string]any{"name": "R", "permissions": p}).want(t, 422)
			f := got.body["errors"].([]any)[0].(map[string]any)
			if f["code"].(string)+" "+f["field"].(string) != want {
				t.Errorf("want %s: %s", want, got.text)
			}
		}
		for _, name := range []string{"admin", "operator", " ", ""} {
			c.admin.post("/v1/roles", map[string]any{"name": name, "permissions": map[string]string{}}).want(t, 422)
		}
		for _, v := range []*visitor{c.user(account.Manager), c.user(account.Auditor), c.user(account.Salesperson)} {
			v.get("/v1/roles").want(t, 200)
			v.post("/v1/roles", teamLead()).want(t, 403)
		}
	})
}

// The rules of signing in speak of own roles, too, and keep them from being removed.
func TestRulesOfSigningInNameOwnRoles(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		lead := c.admin.post("/v1/roles", teamLead()).want(t, 201).str("id")
		high := c.admin.post("/v1/roles", map[string]any{"name": "Keys", "permissions": map[string]string{"keys:manage": "all"}}).want(t, 201).str("id")
		rule := func(no, second []string) answer {
			return c.admin.ask("PUT", "/v1/account/sign-in", map[string]any{"no_password": no, "second_factor": second, "code_countries": []string{}})
		}
		rule([]string{high}, []string{}).want(t, 422)
		rule([]string{}, []string{"role_01h455vb4pex5vsknk084sn02q"}).want(t, 422)
		rule([]string{lead}, []string{lead, high}).want(t, 200)
		c.admin.ask("DELETE", "/v1/roles/"+lead, nil).want(t, 409)
		v := c.user(account.Role(high))
		if got := v.get("/v1/keys").want(t, 403); got.code() != "second_factor_required" {
			t.Error(got.text)
		}
		rule([]string{}, []string{}).want(t, 200)
		c.admin.ask("DELETE", "/v1/roles/"+lead, nil).want(t, 200)
	})
}

// Who may not answer offers any more, because the role changed, is out of the
// pools, and open offers went to others.
func TestARoleThatLosesOffers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		body := map[string]any{"name": "Closer", "permissions": map[string]string{"leads:read": "mine", "leads:work": "mine", "offers:answer": "all", "setup:read": "all"}}
		role := c.admin.post("/v1/roles", body).want(t, 201).str("id")
		v := c.user(account.Role(role))
		var week []any
		for day := range 7 {
			week = append(week, map[string]any{"weekday": day, "start_minute": 0, "end_minute": 1440})
		}
		id, err := account.ParseUserID(v.id)
		h.ok(err)
		c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+v.id, nil).want(t, 200)
		c.admin.ask("PUT", "/v1/users/"+v.id+"/shifts", map[string]any{"shifts": week}).want(t, 200)
		c.write(func(tx *store.Tx) error {
			_, err := c.router.Presence(tx, id, account.Available, time.Now())
			return err
		})
		c.arrive(s)
		open := func() (n int) {
			c.read(func(tx *store.Tx) error {
				all, err := offers.AllOpen(tx, time.Now(), 10, account.UserID{})
				n = len(all)
				return err
			})
			return n
		}
		if open() != 1 {
			t.Fatal("no offer was made")
		}
		delete(body["permissions"].(map[string]string), "offers:answer")
		c.admin.ask("PUT", "/v1/roles/"+role, body).want(t, 200)
		if open() != 0 {
			t.Error("the offer is still open")
		}
		pool := c.admin.get("/v1/projects/"+s.project+"/pool").want(t, 200)
		if len(pool.list("members")) != 0 {
			t.Error(pool.text)
		}
	})
}

// A lead of a team follows it and is offered nothing.
func TestALeadOfATeam(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s, elsewhere := c.shop(), c.shop()
		v := c.user(account.Role(c.admin.post("/v1/roles", teamLead()).want(t, 201).str("id")))
		path := "/v1/projects/" + s.project + "/pool/members/" + v.id
		c.admin.ask("PUT", path, nil).want(t, 409) // the role answers no offers
		got := c.admin.ask("PUT", path, map[string]any{"lead": true}).want(t, 200).list("members")
		if len(got) != 1 || got[0]["lead"] != true || got[0]["offers"] != false {
			t.Error(got)
		}
		board := func() []map[string]any { return v.get("/v1/board").want(t, 200).list("projects") }
		if got := board(); len(got) != 1 || got[0]["id"] != s.project {
			t.Error(got)
		}
		if got := v.get("/v1/reports/leads?by=project").want(t, 200).list("rows"); len(got) != 1 || got[0]["id"] != s.project {
			t.Error(got)
		}
		for _, by := range []string{"source", "category"} {
			v.get("/v1/reports/leads?by="+by).want(t, 403)
			c.admin.get("/v1/reports/leads?by="+by).want(t, 200)
		}
		c.arrive(elsewhere)
		c.arrive(s)
		h.count()
		report := v.get("/v1/reports/figures?by=project").want(t, 200)
		if rows := report.list("rows"); len(rows) != 1 || rows[0]["id"] != s.project || report.body["total"].(map[string]any)["leads"] != 1.0 {
			t.Error(report.text)
		}
		control := c.admin.get("/v1/reports/figures?by=project").want(t, 200)
		if len(control.list("rows")) != 2 || control.body["total"].(map[string]any)["leads"] != 2.0 {
			t.Error(control.text)
		}
		v.get("/v1/reports/figures?by=salesperson").want(t, 403)
		c.admin.ask("DELETE", path, nil).want(t, 200)
		if got := board(); len(got) != 0 {
			t.Error("still in the team", got)
		}
	})
}

// A role that was removed with its row alone gives nothing.
func TestARoleThatIsNotThereMayNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		id := c.admin.post("/v1/roles", teamLead()).want(t, 201).str("id")
		v := c.user(account.Role(id))
		role, err := account.ParseRoleID(id)
		h.ok(err)
		v.get("/v1/projects").want(t, 200)
		c.write(func(tx *store.Tx) error {
			c.dir.Revoked(tx)
			return access.DropRole(tx, role)
		})
		v.get("/v1/projects").want(t, 403)
	})
}
