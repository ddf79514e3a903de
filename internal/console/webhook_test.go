package console_test

import (
	"strings"
	"testing"

	"catchment/internal/account"
)

// An admin makes a webhook, sees its secret once, changes it, and has its
// history; who reads less than every lead does not.
func TestWebhooks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		made := c.admin.post("/v1/webhooks", map[string]any{"url": "https://hooks.example.com/a?token=1", "description": "CRM", "events": []any{"lead.created", "record.checkpoint"}}).want(t, 201)
		id, secret := made.str("id"), made.str("secret")
		if !strings.HasPrefix(secret, "whsec_") || !strings.HasPrefix(id, "whk_") {
			t.Fatal(made.text)
		}
		path := "/v1/webhooks/" + id
		if got := c.admin.get(path).want(t, 200); got.str("state") != "active" || strings.Contains(got.text, "secret") {
			t.Error(got.text)
		}
		for _, url := range []string{"http://hooks.example.com/", "https://10.0.0.1/", "https://u:p@example.com/", "ftp://example.com", "https://[::1]/"} {
			c.admin.post("/v1/webhooks", map[string]any{"url": url}).want(t, 422)
		}
		c.admin.post("/v1/webhooks", map[string]any{"url": "https://hooks.example.com/", "events": []any{"lead.eaten"}}).want(t, 422)
		c.admin.ask("PUT", path, map[string]any{"url": "https://hooks.example.com/b", "state": "paused"}).want(t, 200)
		if got := c.admin.get("/v1/changes?about="+id).want(t, 200); !strings.Contains(got.text, `"paused"`) || !strings.Contains(got.text, "hooks.example.com/b") {
			t.Error(got.text)
		}
		if got := c.admin.post(path+"/replay", map[string]any{"since": "2026-01-02T00:00:00Z"}).want(t, 409); got.code() != "webhook_not_active" {
			t.Error(got.text)
		}
		c.admin.post(path+"/replay", map[string]any{}).want(t, 422)
		if again := c.admin.post(path+"/rotate", nil).want(t, 200); again.str("secret") == secret || again.str("overlap_ends_at") == "" {
			t.Error(again.text)
		}
		if got := c.admin.get(path+"/deliveries?state=waiting").want(t, 200); !strings.Contains(got.text, `"items":[]`) {
			t.Error(got.text)
		}
		c.user(account.Manager).get("/v1/webhooks").want(t, 403)
		c.user(account.Salesperson).get(path).want(t, 403)
		c.key(account.Admin).get(path).want(t, 200)
		if text := c.admin.get("/v1/record?limit=50").want(t, 200).text; strings.Contains(text, "token=1") || strings.Contains(text, secret) || !strings.Contains(text, "webhook.rotated") {
			t.Error(text)
		}
		c.admin.ask("DELETE", path, nil).want(t, 200)
		c.admin.get(path).want(t, 404)
	})
}
