package console_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
)

// Days off over the API: who is off is not on shift, the year's list has them,
// they are kept in the history and on the record, and are taken away again.
func TestDaysOff(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		ann := c.user(account.Salesperson)
		var week []any
		for d := range 7 {
			week = append(week, map[string]any{"weekday": d, "start_minute": 0, "end_minute": 1440})
		}
		c.admin.ask("PUT", "/v1/users/"+ann.id+"/shifts", map[string]any{"shifts": week}).want(t, 200)
		c.admin.ask("PUT", "/v1/projects/"+s.project+"/pool/members/"+ann.id, nil).want(t, 200)
		working := func() (any, any) {
			pool := c.admin.get("/v1/projects/"+s.project+"/pool").want(t, 200).list("members")[0]
			return c.admin.get("/v1/users/"+ann.id+"/shifts").want(t, 200).body["on_shift"], pool["on_shift"]
		}
		day := func(d int) string { return now().AddDate(0, 0, d).Format(time.DateOnly) }
		for _, where := range []string{"/v1/holidays", "/v1/users/" + ann.id + "/holidays"} {
			if a, b := working(); a != true || b != true {
				t.Fatalf("%s: before it, on shift %v %v", where, a, b)
			}
			made := c.admin.post(where, map[string]any{"name": " Away ", "from": day(-1), "until": day(1)}).want(t, 201)
			if mine := made.body["user_id"]; made.str("name") != "Away" || (mine == nil) != (where == "/v1/holidays") {
				t.Errorf("%s", made.text)
			}
			if a, b := slices.Sorted(maps.Keys(example(t, "holiday"))), slices.Sorted(maps.Keys(made.body)); !slices.Equal(a, b) {
				t.Errorf("docs/api.md has %v, the server %v", a, b)
			}
			if a, b := working(); a != false || b != false {
				t.Errorf("%s: on the day, on shift %v %v", where, a, b)
			}
			for year, want := range map[string]int{"": 1, "?year=1999": 0, "?year=" + day(1)[:4]: 1} {
				if got := c.admin.get(where+year).want(t, 200).list("items"); len(got) != want {
					t.Errorf("%s%s: %v", where, year, got)
				}
			}
			ann.ask("DELETE", "/v1/holidays/"+made.str("id"), nil).want(t, 403)
			c.admin.ask("DELETE", "/v1/holidays/"+made.str("id"), nil).want(t, 200)
			c.admin.ask("DELETE", "/v1/holidays/"+made.str("id"), nil).want(t, 404)
			if got := c.admin.get(where).want(t, 200).list("items"); len(got) != 0 {
				t.Errorf("%s: afterwards %v", where, got)
			}
		}
		if got := c.admin.get("/v1/changes?about="+ann.id).want(t, 200).text; strings.Count(got, `"field":"holidays"`) != 2 {
			t.Errorf("the user's history: %s", got)
		}
		if got := c.admin.get("/v1/record?limit=100").want(t, 200).text; strings.Count(got, `"holiday.added"`) != 2 || strings.Count(got, `"holiday.removed"`) != 2 {
			t.Errorf("the record: %s", got)
		}
	})
}
