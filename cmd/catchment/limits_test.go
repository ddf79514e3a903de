package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"testing"

	"catchment/internal/store"
)

// strongOperator is an operator of the platform who has just shown an app's code.
func strongOperator(t *testing.T, s *running) api {
	t.Helper()
	const email, password = "olga@example.com", "a long password of Olga"
	if _, err := s.house.signin.CreateOperator(t.Context(), "Olga Example", email, password); err != nil {
		t.Fatal(err)
	}
	return s.as(t, equip(t, s, s.as(t, "").want(201, "POST", "/v1/sessions", fields{"email": email, "password": password}).text("token")))
}

// What an operator lets one account have counts at every door, on other nodes
// too, for nobody else, and is seen by the account.
func TestLimitsOfAnAccount(t *testing.T) {
	t.Parallel()
	bus := startNATS(t)
	all := settingsFor(t, store.Options{})
	all.NATSURL = bus
	all.LimitLeads, all.LimitHolder, all.LimitAccount = 10_000, 1000, 2000 // the flags' own
	apart := settingsFor(t, store.Options{})
	apart.NATSURL, apart.Role, apart.limitsConfig = bus, "capture", all.limitsConfig
	s := serve(t, all)
	if status := run([]string{"keys", "door", "--data", all.Data, "--out", apart.Data}, io.Discard, os.Stderr); status != 0 {
		t.Fatalf("keys door: %d", status)
	}
	door := serve(t, apart)
	shop := openShop(t, all, s)
	awaitKey(t, door, shop.pub)
	admin, op := s.as(t, shop.admin), strongOperator(t, s)
	path := "/v1/platform/accounts/" + shop.account + "/limits"
	floods := func(v api, method, path string, body any) (name string) {
		for range 30 {
			if a := v.send(method, path, body); a.status == http.StatusTooManyRequests {
				return a.header.Get("RateLimit-Policy")
			}
		}
		return ""
	}
	lead := shop.lead("Asha Example", "+12025550141")
	if got := floods(door.as(t, shop.pub), "POST", "/v1/leads", lead); got != "" {
		t.Errorf("the control: refused with the platform's limits, by %s", got)
	}
	admin.want(403, "PUT", path, fields{"leads": 1000})
	op.want(422, "PUT", path, fields{"leads": 0})
	op.want(404, "PUT", "/v1/platform/accounts/acct_01h455vb4pex5vsknk084sn02q/limits", fields{"leads": 1})

	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	var example fields
	text := regexp.MustCompile("(?ms)^```json name=account-limits\n(.*?)^```$").FindSubmatch(page)
	if err := json.Unmarshal(text[1], &example); err != nil {
		t.Fatal(err)
	}
	if got := op.want(200, "PUT", path, example["own"]); !reflect.DeepEqual(got.fields, example) {
		t.Errorf("docs/limits.md says %v, the server %s", example, got.body)
	}

	made := op.want(200, "PUT", path, fields{"leads": 1, "holder": 2})
	if made.count("own", "leads") != 1 || made.count("limits", "holder") != 2 || made.count("limits", "account") != 2000 || made.at("own", "account") != nil {
		t.Errorf("the operator is told %s", made.body)
	}
	for _, r := range []*running{s, door} {
		waitFor(t, "the account's own limit of leads", func() bool {
			return floods(r.as(t, shop.pub), "POST", "/v1/leads", lead) == `"leads";q=10;w=10`
		})
	}
	if got := floods(s.as(t, shop.seller), "GET", "/v1/me", nil); got != `"holder";q=20;w=10` {
		t.Errorf("a user is limited by %q", got)
	}
	own := admin.want(200, "GET", "/v1/account", nil)
	if own.count("limits", "leads") != 1 || own.count("limits", "holder") != 2 {
		t.Errorf("the account sees %s", own.body)
	}
	if n := len(admin.want(200, "GET", "/v1/record?action=limits.changed", nil).items()); n != 2 || platformHas(t, s, "limits.changed") != 2 {
		t.Errorf("%d changes on the account's record, %d on the platform's", n, platformHas(t, s, "limits.changed"))
	}
	op.want(200, "GET", "/v1/operator/accounts", nil) // the operator is of no account

	op.want(200, "PUT", path, fields{})
	for _, r := range []*running{s, door} {
		waitFor(t, "the platform's limit again", func() bool { return floods(r.as(t, shop.pub), "POST", "/v1/leads", lead) == "" })
	}
}
