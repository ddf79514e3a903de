package console_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"catchment/internal/account"
)

// Over HTTP: who may, what is refused, what stands in the history and on the
// record, and that a preview changes nothing.
func TestRetention(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		boss := c.user(account.Manager)
		rules := map[string]any{"lead_days": 730, "test_lead_days": 7, "submission_days": 90, "attachment_days": 365, "file_days": 14}
		none := map[string]any{"lead_days": 0, "test_lead_days": 0, "submission_days": 0, "attachment_days": 0, "file_days": 0}
		boss.get("/v1/retention").want(t, 403)
		boss.ask("PUT", "/v1/retention", rules).want(t, 403)
		boss.post("/v1/retention/preview", rules).want(t, 403)
		if got := c.admin.get("/v1/retention").want(t, 200); got.body["begins_at"] != nil || got.body["set_at"] != nil || !strings.Contains(got.text, `"lead_days":0`) {
			t.Errorf("before: %s", got.text)
		}
		for field, days := range map[string]int{"lead_days": 29, "test_lead_days": 3651, "submission_days": 1, "attachment_days": -1, "file_days": -1} {
			bad := maps.Clone(rules)
			bad[field] = days
			for _, got := range []answer{c.admin.ask("PUT", "/v1/retention", bad), c.admin.post("/v1/retention/preview", bad)} {
				if got.want(t, 422); !strings.Contains(got.text, `"`+field+`"`) || !strings.Contains(got.text, "out_of_range") {
					t.Errorf("%s: %s", field, got.text)
				}
			}
		}
		c.admin.post("/v1/retention/preview", none).want(t, 422)
		seen := c.admin.post("/v1/retention/preview", rules).want(t, 200)
		if got := c.admin.get("/v1/retention").want(t, 200); seen.body["more"] != false || got.body["set_at"] != nil {
			t.Errorf("the preview changed something: %s, %s", seen.text, got.text)
		}
		set := c.admin.ask("PUT", "/v1/retention", rules).want(t, 200)
		if set.body["begins_at"] == nil || set.str("by") != c.admin.id || set.body["ran"] != nil {
			t.Errorf("%s", set.text)
		}
		for name, got := range map[string]answer{"retention": set, "retention-preview": seen} {
			if a, b := slices.Sorted(maps.Keys(example(t, name))), slices.Sorted(maps.Keys(got.body)); !slices.Equal(a, b) {
				t.Errorf("docs/api.md has %v, the server %v", a, b)
			}
		}
		again := c.admin.ask("PUT", "/v1/retention", rules).want(t, 200)
		if again.str("set_at") != set.str("set_at") {
			t.Error("what is the same was set anew")
		}
		if got := stranger.admin.get("/v1/retention").want(t, 200); got.body["set_at"] != nil {
			t.Errorf("another account has %s", got.text)
		}
		off := c.admin.ask("PUT", "/v1/retention", none).want(t, 200)
		if off.body["begins_at"] != nil {
			t.Errorf("switched off: %s", off.text)
		}
		history := c.admin.changes(c.scope.Account().String(), "")
		for _, want := range []string{`retention.lead_days 0 730`, `retention.lead_days 730 0`, `retention.file_days 0 14`, `retention.attachment_days 0 365`} {
			if strings.Count(history, want) != 1 {
				t.Errorf("not %s once in the history:\n%s", want, history)
			}
		}
		if got := c.admin.get("/v1/record?action=retention.changed").want(t, 200).list("items"); len(got) != 2 {
			t.Errorf("%d on the record", len(got))
		}
	})
}
