package console_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
)

// A source that is watched by minutes falls silent: managers see it beside the
// clocks that ran out, and take it off the list.
func TestSilentSourcesOverTheAPI(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s, boss, seller, marketer := c.shop(), c.user(account.Manager), c.user(account.Salesperson), c.user(account.Marketer)
		c.arrive(s)
		h.settle()
		h.count()
		of := "/v1/sources/" + s.source
		same := func(name string, got map[string]any) {
			t.Helper()
			if want := example(t, name); !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))) {
				t.Errorf("docs/api.md has %v, the server %v", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			}
		}
		now := marketer.get(of+"/health").want(t, 200)
		if now.str("state") != "learning" || now.body["last_at"] == nil || now.body["usual_day"] != nil || len(now.list("hours")) != 168 {
			t.Errorf("%s", now.text)
		}
		same("source-watch", now.body["watch"].(map[string]any))
		seller.get(of+"/health").want(t, 403)
		seller.get("/v1/sources/health").want(t, 403)
		h.company().admin.get(of+"/health").want(t, 404)

		watch := example(t, "source-watch")
		watch["mode"], watch["minutes"], watch["quiet"] = "minutes", 30, []any{}
		marketer.ask("PUT", of+"/watch", watch).want(t, 403)
		h.company().admin.ask("PUT", of+"/watch", watch).want(t, 404)
		if set := boss.ask("PUT", of+"/watch", watch).want(t, 200); set.str("state") != "well" || set.body["due_at"] == nil {
			t.Errorf("%s", set.text)
		}
		watch["minutes"] = 1
		boss.ask("PUT", of+"/watch", watch).want(t, 422)
		for _, after := range []time.Duration{31 * time.Minute, 34 * time.Minute} {
			h.ahead.Store(int64(after))
			h.settle()
			h.count()
			c.write(h.watcher.Wanted)
			h.settle()
		}
		list := boss.get("/v1/sources/health").want(t, 200).list("items")
		if len(list) != 1 || list[0]["state"] != "silent" || list[0]["source_id"] != s.source {
			t.Fatalf("%v", list)
		}
		same("source-health", list[0])
		alarms := boss.get("/v1/alarms").want(t, 200).list("items")
		if len(alarms) != 1 || alarms[0]["kind"] != "silence" || alarms[0]["source_id"] != s.source || alarms[0]["project_id"] != s.project {
			t.Fatalf("%v", alarms)
		}
		if detail := alarms[0]["detail"].(map[string]any); detail["source"] == "" || detail["since"] != list[0]["silent_since"] {
			t.Errorf("%v", detail)
		}
		if got := seller.get("/v1/alarms").want(t, 200); len(got.list("items")) != 0 {
			t.Errorf("a salesperson sees %s", got.text)
		}
		clear := "/v1/alarms/" + alarms[0]["id"].(string) + "/clear"
		seller.post(clear, nil).want(t, 403)
		h.company().admin.post(clear, nil).want(t, 404)
		for range 2 {
			if got := boss.post(clear, nil).want(t, 200); got.body["cleared_by"] != boss.id {
				t.Error(got.text)
			}
		}
		if got := boss.get("/v1/alarms?state=cleared").want(t, 200); len(got.list("items")) != 1 {
			t.Error(got.text)
		}
	})
}
