package console_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
)

func TestHowUsersSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		if got := c.admin.get("/v1/account/sign-in").want(t, 200); strings.TrimSpace(got.text) != `{"no_password":[],"second_factor":[],"code_countries":[]}` {
			t.Error(got.text)
		}
		set := map[string]any{"no_password": []string{"salesperson", "salesperson"}, "second_factor": []string{"manager", "manager"}, "code_countries": []string{"gb", "IE"}}
		want := `{"no_password":["salesperson"],"second_factor":["manager"],"code_countries":["GB","IE"]}`
		if got := c.admin.ask("PUT", "/v1/account/sign-in", set).want(t, 200); strings.TrimSpace(got.text) != want {
			t.Error(got.text)
		}
		if got := c.admin.get("/v1/account/sign-in").want(t, 200); strings.TrimSpace(got.text) != want {
			t.Error(got.text)
		}
		c.admin.ask("PUT", "/v1/account/sign-in", map[string]any{"no_password": []string{"admin"}, "second_factor": []string{}, "code_countries": []string{}}).want(t, 422)
		c.admin.ask("PUT", "/v1/account/sign-in", map[string]any{"no_password": []string{}, "second_factor": []string{}, "code_countries": []string{"Atlantis"}}).want(t, 422)
		c.admin.ask("PUT", "/v1/account/sign-in", map[string]any{"no_password": []string{}, "second_factor": []string{"operator"}, "code_countries": []string{}}).want(t, 422)
		c.user(account.Auditor).ask("PUT", "/v1/account/sign-in", set).want(t, 403)
		c.user(account.Marketer).get("/v1/projects").want(t, 200)
		if got := c.user(account.Manager).get("/v1/projects").want(t, 403); got.code() != "second_factor_required" {
			t.Errorf("%s", got.text)
		}
		if other := h.company().admin.get("/v1/account/sign-in").want(t, 200); strings.TrimSpace(other.text) == want {
			t.Error("another account has the rule, too")
		}
	})
}

func TestAnAdminSignsAUserOut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		sam := c.user(account.Salesperson)
		path := "/v1/users/" + sam.id + "/sessions"
		list := c.admin.get(path).want(t, 200).list("items")
		if len(list) != 1 || list[0]["current"] != false {
			t.Fatalf("%v", list)
		}
		id := list[0]["id"].(string)
		other.admin.get(path).want(t, 404)
		other.admin.ask("DELETE", path, nil).want(t, 404)
		other.admin.ask("DELETE", "/v1/users/"+other.admin.id+"/sessions/"+id, nil).want(t, 404)
		c.user(account.Manager).get(path).want(t, 403)
		sam.get("/v1/projects").want(t, 200)
		c.admin.ask("DELETE", path+"/"+id, nil).want(t, 200)
		sam.get("/v1/projects").want(t, 401)
		c.admin.ask("DELETE", path+"/"+id, nil).want(t, 404)
		c.admin.ask("DELETE", path, nil).want(t, 200) // none is left
		c.admin.ask("DELETE", "/v1/users/"+c.admin.id+"/sessions", nil).want(t, 200)
		c.admin.get("/v1/projects").want(t, 200) // the one that asks goes on
	})
}

func TestAnInvitationIsMailed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		ask := map[string]any{"role": "salesperson", "name": "Ravi Example", "email": "ravi@example.com", "mail": true}
		u := c.admin.post("/v1/users", ask, "Idempotency-Key", "m1").want(t, 201)
		c.admin.post("/v1/users", ask, "Idempotency-Key", "m1").want(t, 201)
		for i := 0; len(h.letters.Items()) == 0; i++ {
			if i > 1000 {
				t.Fatal("no mail")
			}
			time.Sleep(5 * time.Millisecond)
		}
		if list := h.letters.Items(); len(list) != 1 || list[0].To != "ravi@example.com" || !strings.Contains(list[0].Text, u.str("link")) || u.str("link") == "" {
			t.Errorf("%v", list)
		}
	})
}

// docs/signin.md shows where somebody is signed in as the server does.
func TestSessionsAreAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/signin.md")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		got := c.admin.get("/v1/users/"+c.admin.id+"/sessions").want(t, 200).list("items")
		sameFields(t, text, "own-session", got[0])
	})
}
