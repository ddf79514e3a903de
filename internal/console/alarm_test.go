package console_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/store"
)

// A manager publishes clocks, a lead's owner is silent, the alarm stands in
// the list as the documentation shows it, and is cleared.
func TestAlarmsOverTheAPI(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s, boss, seller := c.shop(), c.user(account.Manager), c.user(account.Salesperson)
		c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+seller.id, nil).want(t, 200)
		policy := map[string]any{"project_id": s.project, "name": "Clocks", "policy": map[string]any{
			"rules":  []any{map[string]any{"name": "Everyone", "method": "round_robin"}},
			"clocks": []any{map[string]any{"clock": "accept_to_attempt", "seconds": 600, "then": "both"}}}}
		made := boss.post("/v1/policies", policy).want(t, 201)
		boss.post("/v1/policies/"+made.str("id")+"/publish", nil).want(t, 200)
		lead := c.arrive(s)
		seen, err := account.ParseUserID(seller.id)
		h.ok(err)
		c.write(func(tx *store.Tx) error {
			_, err := h.router.Claim(tx, lead, seen, time.Now())
			return err
		})
		h.ahead.Store(int64(599 * time.Second))
		h.settle()
		if got := boss.get("/v1/alarms").want(t, 200); len(got.list("items")) != 0 {
			t.Fatalf("too early: %s", got.text)
		}
		h.ahead.Store(int64(600*time.Second + time.Minute))
		h.settle()
		list := boss.get("/v1/alarms").want(t, 200)
		if len(list.list("items")) != 1 {
			t.Fatal(list.text)
		}
		a := list.list("items")[0]
		if a["lead_id"] != lead.String() || a["user_id"] != seller.id || a["taken"] != true || a["clock"] != "accept_to_attempt" || a["policy_id"] != made.str("id") {
			t.Errorf("%v", a)
		}
		c.onlyTheTeam(s, lead.String())
		if want := example(t, "alarm"); !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(a))) {
			t.Errorf("docs/api.md has %v, the server %v", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(a)))
		}
		if got := c.user(account.Salesperson).get("/v1/alarms").want(t, 200); len(got.list("items")) != 0 {
			t.Errorf("an alarm of a lead that somebody else owned: %s", got.text)
		}
		clear := "/v1/alarms/" + a["id"].(string) + "/clear"
		seller.post(clear, nil).want(t, 403)
		h.company().admin.post(clear, nil).want(t, 404)
		for range 2 {
			if got := boss.post(clear, nil).want(t, 200); got.body["cleared_by"] != boss.id {
				t.Error(got.text)
			}
		}
		if got := boss.get("/v1/alarms").want(t, 200); len(got.list("items")) != 0 {
			t.Error(got.text)
		}
		if got := boss.get("/v1/alarms?state=cleared").want(t, 200); len(got.list("items")) != 1 {
			t.Error(got.text)
		}
		// What a condition is to a rule, the limit is to a clock: the fault names it.
		policy["policy"].(map[string]any)["clocks"].([]any)[0].(map[string]any)["seconds"] = 0
		boss.post("/v1/policies", policy).want(t, 422)
	})
}

// What is about the account stands among the leads' alarms, in the order of
// time and over pages, for who reads all leads.
func TestAlarmsOfTheAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		boss, seller := c.user(account.Manager), c.user(account.Salesperson)
		bell := alarm.Bell{Events: h.events}
		began := time.Now().Add(-time.Hour)
		raise := func(kind alarm.Kind, about string, after time.Duration) {
			c.write(func(tx *store.Tx) error {
				return bell.Raise(tx, kind, alarm.Alarm{About: about, Detail: map[string]any{"domain": about}}, began.Add(after))
			})
		}
		raise(alarm.Domain, "example.com", 0)
		raise(alarm.Codes, "", time.Minute)
		raise(alarm.Domain, "example.com", 2*time.Minute) // still so
		c.write(func(tx *store.Tx) error { return bell.End(tx, alarm.Codes, "", began.Add(3*time.Minute)) })

		first := boss.get("/v1/alarms?limit=1").want(t, 200)
		second := boss.get("/v1/alarms?limit=1&cursor="+first.str("next_cursor")).want(t, 200)
		if len(first.list("items")) != 1 || len(second.list("items")) != 1 || second.str("next_cursor") != "" {
			t.Fatalf("%s\n%s", first.text, second.text)
		}
		codes, domain := first.list("items")[0], second.list("items")[0]
		if codes["kind"] != "codes" || codes["ended_at"] == nil || domain["kind"] != "sso_domain" || domain["times"] != 2.0 || domain["ended_at"] != nil {
			t.Errorf("%s\n%s", first.text, second.text)
		}
		if want := example(t, "alarm"); !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(domain))) {
			t.Errorf("docs/api.md has %v, the server %v", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(domain)))
		}
		for who, v := range map[string]*visitor{"a salesperson": seller, "another account's admin": other.admin} {
			if got := v.get("/v1/alarms").want(t, 200); len(got.list("items")) != 0 {
				t.Errorf("%s is shown %s", who, got.text)
			}
		}
		clear := "/v1/alarms/" + domain["id"].(string) + "/clear"
		other.admin.post(clear, nil).want(t, 404)
		for range 2 {
			if got := boss.post(clear, nil).want(t, 200); got.str("cleared_by") != boss.id {
				t.Error(got.text)
			}
		}
		raise(alarm.Domain, "example.com", 4*time.Minute) // was seen, and is so again: another
		if got := boss.get("/v1/alarms").want(t, 200).list("items"); len(got) != 2 || got[0]["times"] != 1.0 {
			t.Errorf("%v", got)
		}
		if got := boss.get("/v1/alarms?state=cleared").want(t, 200).list("items"); len(got) != 1 || got[0]["id"] != domain["id"] {
			t.Errorf("%v", got)
		}
	})
}

// example is a named block of docs/api.md.
func example(t *testing.T, name string) (v map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```json name=" + name + "\n(.*?)^```$").FindSubmatch(text)
	if found == nil {
		t.Fatalf("docs/api.md has no example %s", name)
	}
	if err := json.Unmarshal(found[1], &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// onlyTheTeam asks every GET route for the lead of the project: who leads its team
// finds it, who leads another does not.
func (c *company) onlyTheTeam(s shop, lead string) {
	c.Helper()
	role := account.Role(c.admin.post("/v1/roles", teamLead()).want(c, 201).str("id"))
	here, there := c.user(role), c.user(role)
	c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+here.id, map[string]any{"lead": true}).want(c, 200)
	c.admin.ask("PUT", "/v1/projects/"+c.shop().project+"/pool/members/"+there.id, map[string]any{"lead": true}).want(c, 200)
	id := regexp.MustCompile(`\{\w+\}`)
	found := func(v *visitor) (routes []string) {
		for _, op := range c.api.Ops() {
			if op.Method == "GET" && strings.Contains(v.get(id.ReplaceAllString(op.Path, "x")+"?limit=500").text+v.get(id.ReplaceAllString(op.Path, "x")).text, lead) {
				routes = append(routes, op.Name)
			}
		}
		return routes
	}
	if got := found(c.admin); !slices.Contains(got, "list-alarms") || !slices.Contains(got, "list-record") {
		c.Errorf("control: an admin finds the lead in %v alone", got)
	}
	if got := found(here); !slices.Equal(got, []string{"list-alarms"}) {
		c.Errorf("who leads the team finds the lead in %v", got)
	}
	if got := found(there); len(got) != 0 {
		c.Errorf("who leads another team finds the lead in %v", got)
	}
}
