package console_test

import (
	"maps"
	"strings"
	"testing"

	"catchment/internal/account"
)

// Over HTTP: who may, what stands in the history and on the record, and that it
// is the account's alone. What it does to an offer is the desk's test.
func TestMasking(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		on := map[string]any{"on_offer": true}
		boss := c.user(account.Manager)
		boss.get("/v1/account/masking").want(t, 403)
		boss.ask("PUT", "/v1/account/masking", on).want(t, 403)
		if got := c.admin.get("/v1/account/masking").want(t, 200); got.body["on_offer"] != false {
			t.Errorf("before: %s", got.text)
		}
		c.admin.ask("PUT", "/v1/account/masking", map[string]any{}).want(t, 422)
		for range 2 { // the second time changes nothing
			if got := c.admin.ask("PUT", "/v1/account/masking", on).want(t, 200); got.body["on_offer"] != true {
				t.Errorf("%s", got.text)
			}
		}
		if got := c.admin.get("/v1/account/masking").want(t, 200); got.body["on_offer"] != true {
			t.Errorf("after: %s", got.text)
		}
		if got, want := c.admin.get("/v1/account/masking").body, example(t, "masking"); !maps.Equal(got, want) {
			t.Errorf("docs/api.md has %v, the server %v", want, got)
		}
		if got := stranger.admin.get("/v1/account/masking").want(t, 200); got.body["on_offer"] != false {
			t.Errorf("another account has %s", got.text)
		}
		if history := c.admin.changes(c.scope.Account().String(), ""); strings.Count(history, "masking.on_offer false true") != 1 {
			t.Errorf("the history:\n%s", history)
		}
		if got := c.admin.get("/v1/record?action=masking.changed").want(t, 200).list("items"); len(got) != 1 {
			t.Errorf("%d on the record", len(got))
		}
	})
}
