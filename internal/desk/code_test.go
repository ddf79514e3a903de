package desk_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

// signInExamples are the named blocks of docs/signin.md.
func signInExamples(t *testing.T) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../docs/signin.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]map[string]any{}
	for _, m := range fence.FindAllSubmatch(text, -1) {
		var v map[string]any
		if err := json.Unmarshal(m[2], &v); err != nil {
			t.Fatalf("docs/signin.md, %s: %v", m[1], err)
		}
		documented[string(m[1])] = v
	}
	return documented
}

func TestACodeOverTheAPI(t *testing.T) {
	documented := signInExamples(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.write(func(tx *store.Tx) error {
			_, _, err := c.dir.CreateMember(tx, directory.NewMember{Name: "Sam Example", Role: account.Salesperson, Phone: vault.Hide("+442079460123"),
				Email: vault.Hide(lead.NewID().String() + "@example.com")})
			return err
		})
		nobody := &visitor{company: c}
		ask := func(number string, status int) answer {
			return nobody.post("/v1/sessions/codes", map[string]any{"phone": number}).want(t, status)
		}
		flow := ask("+44 20 7946 0123", 202)
		unknown := ask("+44 20 7946 0999", 202)
		within(t, 20*time.Second, "the message", func() bool { return len(c.door.Outbox.Items()) > 0 })
		code := c.door.Outbox.Items()[0].Code
		for _, got := range []answer{flow, unknown} {
			for _, d := range differences("code-flow", documented["code-flow"], got.body) {
				t.Errorf("docs/signin.md and the server: %s", d)
			}
		}
		again := ask("+44 20 7946 0123", 429)
		if again.head.Get("Retry-After") == "" || again.code() != "code_asked_already" {
			t.Errorf("%v %s", again.head, again.text)
		}
		if again.code() != ask("+44 20 7946 0999", 429).code() {
			t.Error("an unknown number is told apart")
		}
		ask("7946 0123", 422)
		enter := func(in map[string]any, status int) answer { return nobody.post("/v1/sessions", in).want(t, status) }
		enter(map[string]any{"flow": unknown.body["flow"], "code": code}, 401)
		enter(map[string]any{"flow": flow.body["flow"], "code": "x"}, 422)
		enter(map[string]any{"flow": flow.body["flow"], "code": code, "email": "sam@example.com"}, 422)
		enter(map[string]any{"email": "sam@example.com"}, 422)
		enter(map[string]any{}, 422)
		in := enter(map[string]any{"flow": flow.body["flow"], "code": code}, 201)
		for _, d := range differences("session", documented["session"], in.body) {
			t.Errorf("docs/signin.md and the server: %s", d)
		}
		enter(map[string]any{"flow": flow.body["flow"], "code": code}, 401)
		sam := &visitor{company: c, token: in.body["token"].(string)}
		mine := sam.get("/v1/me/sessions", "User-Agent", "Mozilla/5.0 Firefox/140.0").want(t, 200).items()
		if len(mine) != 1 || mine[0]["current"] != true || mine[0]["network"] != "127.0.0.0/24" || mine[0]["device"] != "a program" {
			t.Errorf("%v", mine)
		}
		sam.ask("DELETE", "/v1/me/sessions", nil).want(t, 200)
		sam.ask("DELETE", "/v1/me/sessions/"+account.NewSessionID().String(), nil).want(t, 404)
		c.key(account.Admin).get("/v1/me/sessions").want(t, 409)
		sam.ask("DELETE", "/v1/me/sessions/"+mine[0]["id"].(string), nil).want(t, 200)
		sam.get("/v1/me").want(t, 401)
	})
}
