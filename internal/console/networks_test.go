package console_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"catchment/internal/account"
)

// Over HTTP: what is wrong is named by its place, nobody shuts themselves out,
// a session that is there is judged from then on, and a key has its own.
func TestNetworks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		sam, auditor := c.user(account.Salesperson), c.user(account.Auditor)
		h.goTo("192.0.2.9")
		lists := func(admins, everyone, keys []string) map[string]any {
			return map[string]any{"admins": admins, "everyone": everyone, "keys": keys}
		}
		none := []string{}
		bad := c.admin.ask("PUT", "/v1/account/networks", lists([]string{"192.0.2.0/24", "192.0.2.7/24"}, none, []string{"home"})).want(t, 422)
		for _, want := range []string{`"admins.1"`, `"host_bits"`, `192.0.2.0/24 for the network, 192.0.2.7 for the host`, `"keys.0"`, `"bad_network"`} {
			if !strings.Contains(bad.text, want) {
				t.Errorf("no %s in %s", want, bad.text)
			}
		}
		if got := c.admin.ask("PUT", "/v1/account/networks", lists(none, []string{"198.51.100.0/24"}, none)).want(t, 409); got.code() != "locks_you_out" || !strings.Contains(got.text, "192.0.2.9") {
			t.Error(got.text)
		}
		got := c.admin.ask("PUT", "/v1/account/networks", lists([]string{"192.0.2.9"}, []string{"192.0.2.0/24"}, none)).want(t, 200)
		if want := `{"admins":["192.0.2.9/32"],"everyone":["192.0.2.0/24"],"keys":[]}`; strings.TrimSpace(got.text) != want || strings.TrimSpace(c.admin.get("/v1/account/networks").text) != want {
			t.Error(got.text)
		}
		auditor.ask("PUT", "/v1/account/networks", lists(none, none, none)).want(t, 403)
		sam.get("/v1/account").want(t, 200)
		h.goTo("198.51.100.3")
		for _, v := range []*visitor{sam, c.admin} {
			for header, value := range map[string]string{"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9", "X-Real-IP": "192.0.2.9"} {
				if got := v.get("/v1/account", header, value).want(t, 403); got.code() != "network" {
					t.Error(got.text)
				}
			}
		}
		h.company().admin.get("/v1/account").want(t, 200) // another account's list is another's
		h.goTo("192.0.2.9")
		sam.get("/v1/account").want(t, 200)

		key := c.admin.post("/v1/keys", map[string]any{"kind": "secret", "name": "CRM", "role": "admin", "networks": []string{"203.0.113.0/24"}}).want(t, 201)
		crm := &visitor{company: c, token: key.str("key")}
		if got := crm.get("/v1/keys").want(t, 403); got.code() != "network" {
			t.Error(got.text)
		}
		path := "/v1/keys/" + key.str("id")
		c.admin.ask("PATCH", path, map[string]any{"networks": []string{"192.0.2.7/24"}}).want(t, 422)
		h.company().admin.ask("PATCH", path, map[string]any{"networks": none}).want(t, 404)
		changed := c.admin.ask("PATCH", path, map[string]any{"networks": []string{"192.0.2.0/24", "192.0.2.0/24"}}).want(t, 200)
		if nets := fmt.Sprint(changed.body["networks"]); nets != "[192.0.2.0/24]" || changed.str("role") != "admin" {
			t.Error(changed.text)
		}
		crm.get("/v1/keys").want(t, 200)
		if got := crm.ask("PATCH", path, map[string]any{"networks": []string{"203.0.113.0/24"}}).want(t, 409); got.code() != "locks_you_out" {
			t.Error(got.text)
		}
		if got := crm.ask("PUT", "/v1/account/networks", lists(none, none, none)).want(t, 403); got.code() != "not_a_user" {
			t.Error(got.text)
		}
		crm.ask("PUT", "/v1/account/networks", lists([]string{"192.0.2.9"}, []string{"192.0.2.0/24"}, []string{"192.0.2.0/24"})).want(t, 200)
		if got := c.admin.ask("PUT", "/v1/account/networks", documented(t)).want(t, 200); strings.Join(strings.Fields(got.text), "") != documented(t) {
			t.Errorf("docs/signin.md and the server: %s", got.text)
		}
		entries := c.admin.get("/v1/record?action=networks.changed").want(t, 200)
		if n := len(entries.list("items")); n != 3 || strings.Contains(entries.text, "192.0.2") {
			t.Error(entries.text)
		}
	})
}

// documented is the example of docs/signin.md.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/signin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json name=networks\n")
	block, _, _ := strings.Cut(rest, "```")
	return strings.Join(strings.Fields(block), "")
}

// Whoever manages people or keys by an own role keeps to the networks of
// admins; another own role does not.
func TestNetworksOfOwnRolesThatAdminister(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		role := func(name, permission string) account.Role {
			t.Helper()
			return account.Role(c.admin.post("/v1/roles", map[string]any{"name": name, "permissions": map[string]string{permission: "all", "setup:read": "all"}}).want(t, 201).str("id"))
		}
		people, keys, spend := c.user(role("People", "people:manage")), c.user(role("Keys", "keys:manage")), c.user(role("Spend", "spend:enter"))
		for _, v := range []*visitor{people, keys} {
			p, err := c.dir.Authenticate(t.Context(), v.token)
			c.ok(err)
			v.token = c.door.Raise(p).Token
		}
		h.goTo("192.0.2.9")
		c.admin.ask("PUT", "/v1/account/networks", map[string]any{"admins": []string{"192.0.2.9"}, "everyone": []string{}, "keys": []string{}}).want(t, 200)
		for _, v := range []*visitor{people, keys, spend} {
			v.get("/v1/projects").want(t, 200)
		}
		h.goTo("198.51.100.3")
		spend.get("/v1/projects").want(t, 200)
		for _, v := range []*visitor{people, keys, c.admin} {
			if got := v.get("/v1/projects").want(t, 403); got.code() != "network" {
				t.Error(got.text)
			}
		}
	})
}
