package console_test

import (
	"fmt"
	"strings"
	"testing"

	"catchment/internal/account"
)

func (v *visitor) views() string {
	v.Helper()
	var names []string
	for _, x := range v.get("/v1/views").want(v, 200).list("items") {
		names = append(names, x["name"].(string))
	}
	return strings.Join(names, ", ")
}

// A view is its user's: kept, renamed and forgotten by them alone, and seen by
// others once it is shared, by those who may move leads.
func TestViewsAreKeptAndShared(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		s := c.shop()
		boss, second, seller := c.user(account.Manager), c.user(account.Manager), c.user(account.Salesperson)
		made := boss.post("/v1/views", map[string]any{"name": " Waiting here ", "filter": map[string]any{"project": s.project, "state": "waiting", "from": "2026-03-02T00:00:00Z"},
			"hidden": []string{"owner", "age"}}).want(t, 201)
		if f := made.body["filter"].(map[string]any); made.str("name") != "Waiting here" || f["project"] != s.project || f["state"] != "waiting" || len(made.body["hidden"].([]any)) != 2 || made.str("user_id") != boss.id {
			t.Error(made.text)
		}
		if boss.views() != "Waiting here" || second.views() != "" || seller.views() != "" || stranger.admin.views() != "" {
			t.Error("it is shown to others before it is shared")
		}
		at := "/v1/views/" + made.str("id")
		boss.ask("PATCH", at, map[string]any{"shared": true, "name": "All who wait"}).want(t, 200)
		if boss.views() != "All who wait" || second.views() != "All who wait" {
			t.Error("it is not shared with who may move leads")
		}
		if seller.views() != "" || stranger.admin.views() != "" {
			t.Error("it is shared with others")
		}
		kept := second.get("/v1/views").want(t, 200).list("items")[0]
		if f := kept["filter"].(map[string]any); f["state"] != "waiting" || f["project"] != s.project || kept["user_id"] != boss.id {
			t.Errorf("%v", kept)
		}
		for _, other := range []*visitor{second, seller, c.admin, stranger.admin} {
			other.ask("PATCH", at, map[string]any{"name": "Mine"}).want(t, 404)
			other.ask("DELETE", at, nil).want(t, 404)
		}
		c.key(account.Manager).get("/v1/views").want(t, 403)
		seller.post("/v1/views", map[string]any{"name": "Ours", "shared": true}).want(t, 403)
		seller.post("/v1/views", map[string]any{"name": "All who wait", "list": "overdue", "filter": map[string]any{"owner": "me"}}).want(t, 201)

		// What changes it leaves the rest; a filter takes the place of a work list.
		listed := boss.post("/v1/views", map[string]any{"name": "Late", "list": "overdue"}).want(t, 201)
		changed := boss.ask("PATCH", "/v1/views/"+listed.str("id"), map[string]any{"filter": map[string]any{"tag": "hot"}}).want(t, 200)
		if changed.str("list") != "" || changed.str("name") != "Late" || changed.body["filter"].(map[string]any)["tag"] != "hot" {
			t.Error(changed.text)
		}
		for body, code := range map[string]string{
			`{"name":"  "}`:                                "invalid name required",
			`{"name":"A","hidden":["Owner"]}`:              "invalid hidden bad_column",
			`{"name":"A","filter":{"project":"nonsense"}}`: "invalid project bad_id",
			`{"name":"A","list":"nobody's"}`:               "invalid list not_in_list",
		} {
			if got := boss.post("/v1/views", body); got.code() != code {
				t.Errorf("%s: %s, want %s", body, got.code(), code)
			}
		}
		if again := boss.post("/v1/views", `{"name":"Late","filter":{"tag":"cold"}}`).want(t, 201); again.str("id") != listed.str("id") {
			t.Error("a name that is kept already makes a second view")
		}
		if got := boss.ask("PATCH", at, map[string]any{"name": "Late"}).want(t, 409); got.code() != "name_taken" {
			t.Error(got.text)
		}
		boss.ask("DELETE", at, nil).want(t, 200)
		boss.ask("DELETE", at, nil).want(t, 404)
		if second.views() != "" || boss.views() != "Late" {
			t.Error("it is still there")
		}
	})
}

func TestViewsHaveAnEnd(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		boss := h.company().user(account.Manager)
		for i := range 100 {
			boss.post("/v1/views", map[string]any{"name": fmt.Sprint("View ", i)}).want(t, 201)
		}
		if got := boss.post("/v1/views", map[string]any{"name": "One more"}).want(t, 409); got.code() != "too_many" {
			t.Error(got.text)
		}
		first := boss.get("/v1/views").want(t, 200).list("items")[0]
		boss.ask("PATCH", "/v1/views/"+first["id"].(string), map[string]any{"name": "Another"}).want(t, 200)
	})
}
