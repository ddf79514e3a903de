package console_test

import (
	"encoding/json"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// changes are a thing's changes as "field was now", the oldest first.
func (v *visitor) changes(about, more string, header ...string) string {
	v.Helper()
	var out []string
	for path := "/v1/changes?limit=2&about=" + about + more; ; {
		got := v.get(path, header...).want(v, 200)
		for _, c := range got.list("items") {
			was, _ := json.Marshal(c["was"])
			now, _ := json.Marshal(c["now"])
			line := c["field"].(string) + " " + string(was) + " " + string(now)
			if c["sealed"] == true {
				line += " sealed"
			}
			out = append([]string{line}, out...)
		}
		if got.str("next_cursor") == "" {
			return strings.Join(out, "\n")
		}
		path = "/v1/changes?limit=2&about=" + about + more + "&cursor=" + got.str("next_cursor")
	}
}

func lines(s ...string) string { return strings.Join(s, "\n") }

// The page of a thing can tell what was changed of it, by whom, from what to
// what; what did not change is not there.
func TestWhatWasChangedOfTheSetUp(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		s, boss, auditor := c.shop(), c.user(account.Manager), c.user(account.Auditor)
		expect := func(what, got string, want ...string) {
			t.Helper()
			if got != lines(want...) {
				t.Errorf("%s:\n%s\nwant:\n%s", what, got, lines(want...))
			}
		}
		put := func(method, path string, body any) { t.Helper(); c.admin.ask(method, path, body).want(t, 200) }

		put("PATCH", "/v1/sources/"+s.source, map[string]any{"name": "Spring form", "active": true, "mapping": map[string]string{"q1": "person.name"}})
		put("PATCH", "/v1/sources/"+s.source, map[string]any{"name": "Spring form"}) // the same
		put("PUT", "/v1/sources/"+s.source+"/watch", map[string]any{"mode": "minutes", "minutes": 90, "patience": 100, "quiet": []any{}})
		got := boss.changes(s.source, "")
		for _, want := range []string{`name "Web form" "Spring form"`, `mapping {} {"q1":"person.name"}`, `watch.mode "learned" "minutes"`} {
			if !strings.Contains(got, want) {
				t.Errorf("the source's changes lack %s:\n%s", want, got)
			}
		}
		if strings.Count(got, "name ") != 1 || strings.Contains(got, "active") {
			t.Errorf("there is what did not change:\n%s", got)
		}
		first := boss.get("/v1/changes?about="+s.source).want(t, 200).list("items")[0]
		if first["by"] != c.admin.id || !strings.HasPrefix(first["id"].(string), "chg_") {
			t.Error(first)
		}

		seller := c.user(account.Salesperson)
		put("PATCH", "/v1/projects/"+s.project, map[string]any{"time_zone": "Europe/London"})
		put("PUT", "/v1/projects/"+s.project+"/pool", map[string]any{"accept_seconds": 60})
		put("PUT", "/v1/projects/"+s.project+"/pool/members/"+seller.id, map[string]any{"offers": true, "lead": true})
		put("DELETE", "/v1/projects/"+s.project+"/pool/members/"+seller.id, nil)
		expect("the project", boss.changes(s.project, ""), `time_zone "UTC" "Europe/London"`, `pool.accept_seconds 45 60`,
			`pool.members null "`+seller.id+`"`, `pool.leads null "`+seller.id+`"`, `pool.members "`+seller.id+`" null`, `pool.leads "`+seller.id+`" null`)

		mine := c.scope.Account().String()
		put("PUT", "/v1/account/networks", map[string]any{"admins": []string{}, "everyone": []string{}, "keys": []string{"192.0.2.0/24"}})
		put("PUT", "/v1/account/devices", map[string]any{"offline_ms": 3600000, "level": 2})
		expect("the account", c.admin.changes(mine, ""), `networks.keys [] ["192.0.2.0/24"]`, `devices.level 1 2`, `devices.offline_ms 43200000 3600000`)

		// Rights: not everybody who reads the set-up reads these, and no other account.
		boss.get("/v1/changes?about="+mine).want(t, 403)
		boss.get("/v1/changes?about="+seller.id).want(t, 403)
		auditor.get("/v1/changes?about=key_01h455vb4pex5vsknk084sn02q").want(t, 403)
		boss.get("/v1/changes?about="+lead.NewID().String()).want(t, 422)
		for _, id := range []string{s.source, s.project, mine, seller.id} {
			if got := stranger.admin.changes(id, "&include=person", "Catchment-Purpose", "check"); got != "" {
				t.Errorf("another account reads: %s", got)
			}
		}
	})
}

// Publishing a policy and rolling it back stand in the project's history.
func TestAPolicysChangesAreTheProjects(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		seller := c.user(account.Salesperson)
		c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+seller.id, nil).want(t, 200)
		drafted := c.admin.post("/v1/policies", map[string]any{"project_id": s.project, "name": "By weight", "policy": map[string]any{"rules": []any{map[string]any{"name": "All", "method": "weighted",
			"members": []any{map[string]any{"user_id": seller.id, "weight": 1}}}}}}).want(t, 201)
		c.admin.post("/v1/policies/"+drafted.str("id")+"/publish", nil).want(t, 200)
		c.admin.post("/v1/policies/"+drafted.str("id")+"/rollback", nil).want(t, 200)
		got := strings.Split(c.admin.changes(s.project, ""), "\n")
		if len(got) != 3 || !strings.Contains(got[1], `"name":"By weight"`) || strings.Index(got[1], "By weight") < strings.Index(got[1], "In turn") ||
			strings.Index(got[2], "By weight") > strings.Index(got[2], "In turn") {
			t.Errorf("%s", lines(got...))
		}
	})
}

// A user's phone and e-mail stand sealed in their history, and open for a
// purpose, on the record.
func TestAUsersChangesKeepWhatIsPersonalSealed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		u := c.user(account.Salesperson)
		const first, second = "+442079460144", "+442079460145"
		at := "/v1/users/" + u.id
		for _, phone := range []string{first, second} {
			c.admin.ask("PATCH", at, map[string]any{"phone": phone}).want(t, 200)
		}
		c.admin.ask("PATCH", at, map[string]any{"name": "Ravi Example", "role": "manager"}).want(t, 200)
		c.admin.ask("PUT", at+"/shifts", map[string]any{"shifts": []any{map[string]any{"weekday": 1, "start_minute": 540, "end_minute": 1020}}}).want(t, 200)
		tail := lines(`name "Sam Example" "Ravi Example"`, `role "salesperson" "manager"`, `shifts null [{"end_minute":1020,"start_minute":540,"weekday":1}]`)
		sealed := lines("phone null null sealed", "phone null null sealed", tail)
		openings := func() int {
			return len(c.admin.get("/v1/record?action=opened&limit=500").want(t, 200).list("items"))
		}
		before := openings()
		if got := c.admin.changes(u.id, ""); got != sealed {
			t.Errorf("not asked for:\n%s", got)
		}
		if got := c.key(account.Admin).changes(u.id, "&include=person"); got != sealed {
			t.Errorf("a key without a purpose:\n%s", got)
		}
		if n := openings(); n != before {
			t.Errorf("%d openings", n-before)
		}
		want := lines(`phone null "`+first+`"`, `phone "`+first+`" "`+second+`"`, tail)
		if got := c.admin.changes(u.id, "&include=person", "Catchment-Purpose", "check"); got != want {
			t.Errorf("opened:\n%s\nwant:\n%s", got, want)
		}
		if openings() == before {
			t.Error("the opening is not on the record")
		}
	})
}
