package console_test

import (
	"strings"
	"testing"

	"catchment/internal/account"
)

// An admin asks for the end, with the name and within the bounds, and takes it
// back; others may not, and another account knows nothing of it.
func TestAskingForTheEnd(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		boss := c.user(account.Manager)
		name := c.admin.get("/v1/account").want(t, 200).str("name")
		body := func(name string, days int) map[string]any { return map[string]any{"name": name, "grace_days": days} }
		boss.get("/v1/account/end").want(t, 403)
		boss.post("/v1/account/end", body(name, 14)).want(t, 403)
		if got := c.admin.post("/v1/account/end", body("Another", 14)).want(t, 422); !strings.Contains(got.text, "another_name") {
			t.Error(got.text)
		}
		for _, days := range []int{0, 2, 61} {
			if got := c.admin.post("/v1/account/end", body(name, days)).want(t, 422); !strings.Contains(got.text, "out_of_range") {
				t.Error(days, got.text)
			}
		}
		c.admin.ask("DELETE", "/v1/account/end", nil).want(t, 409)
		asked := c.admin.post("/v1/account/end", body(name, 14)).want(t, 201)
		if asked.str("state") != "waiting" || asked.str("due_at") == "" || asked.str("by") != c.admin.id {
			t.Error(asked.text)
		}
		c.admin.post("/v1/account/end", body(name, 14)).want(t, 409)
		if got := c.admin.get("/v1/account/end").want(t, 200); got.str("due_at") != asked.str("due_at") {
			t.Error(got.text)
		}
		if got := stranger.admin.get("/v1/account/end").want(t, 200); got.str("state") != "none" {
			t.Error(got.text)
		}
		url := asked.str("certificate_url")
		address := url[strings.Index(url, "/v1/ended/"):]
		c.admin.get(address).want(t, 404) // it has not ended
		c.admin.get(strings.Split(address, ".")[0]).want(t, 404)
		if got := c.admin.ask("DELETE", "/v1/account/end", nil).want(t, 200); got.str("state") != "none" {
			t.Error(got.text)
		}
		for action, want := range map[string]int{"account.end.asked": 1, "account.end.cancelled": 1} {
			if n := strings.Count(c.admin.get("/v1/record?action="+action).want(t, 200).text, `"action":"`+action+`"`); n != want {
				t.Errorf("%s is %d times on the record", action, n)
			}
		}
	})
}
