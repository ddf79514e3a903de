package console_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store/storetest"
)

// A manager's way: the documentation's own example is drafted, read in plain
// language, tried on the past, published, and rolled back.
func TestAPolicysCourse(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```json name=policy-request\n(.*?)^```$").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/api.md has no example policy-request")
	}
	h := open(t, storetest.SQLite(t))
	c := h.company()
	s, seller := c.shop(), c.user(account.Salesperson)
	example := strings.NewReplacer("proj_01kb4n2a1ffv8b1x6m0zq3r9td", s.project, "user_01kb4n2b0xfk5rs8e3m7y1q6da", seller.id).Replace(string(found[1]))
	var body map[string]any
	if err := json.Unmarshal([]byte(example), &body); err != nil {
		t.Fatal(err)
	}
	if got := c.admin.post("/v1/policies", body).want(t, 422); !strings.Contains(got.text, "not_in_pool") {
		t.Error(got.text)
	}
	member := "/v1/projects/" + s.project + "/pool/members/" + seller.id
	c.admin.ask("PUT", member+"/tags", map[string]any{"tags": []string{"language:hi"}}).want(t, 404)
	c.admin.ask("PUT", member, nil).want(t, 200)
	c.admin.ask("PUT", member+"/tags", map[string]any{"tags": []string{"language:hi"}}).want(t, 200)
	read := c.admin.post("/v1/policies/check", map[string]any{"project_id": body["project_id"], "policy": body["policy"]}).want(t, 200)
	if got := c.admin.ask("GET", "/v1/policies?project="+s.project, nil).want(t, 200); strings.Count(got.text, `"version"`) != 1 {
		t.Errorf("reading a policy kept a version: %s", got.text)
	}
	other := h.company()
	other.admin.post("/v1/policies/check", map[string]any{"project_id": body["project_id"], "policy": body["policy"]}).want(t, 422)
	draft := c.admin.post("/v1/policies", body).want(t, 201)
	for _, part := range []string{"words", "warnings"} {
		if !reflect.DeepEqual(read.body[part], draft.body[part]) {
			t.Errorf("%s before it was drafted: %v, and after: %v", part, read.body[part], draft.body[part])
		}
	}
	if !strings.Contains(draft.text, "when value \\u003e= 500000") && !strings.Contains(draft.text, "when value >= 500000") {
		t.Errorf("no plain language: %s", draft.text)
	}
	if !strings.Contains(draft.text, `"warnings":[{"code":"never_on_shift","rule":`) {
		t.Errorf("the only member is in no shift, and no warning says so: %s", draft.text)
	}
	id := "/v1/policies/" + draft.str("id")
	test := c.admin.post(id+"/backtest", map[string]any{"days": 7}).want(t, 202)
	if test.str("state") != "running" || test.str("url") != "/v1/backtests/"+test.str("id") || test.body["result"] != nil {
		t.Error(test.text)
	}
	c.admin.post(id+"/backtest", map[string]any{}).want(t, 409)
	c.settle()
	if got := c.admin.ask("GET", test.str("url"), nil).want(t, 200); got.str("state") != "done" || !strings.Contains(got.text, `"changed":0`) {
		t.Error(got.text)
	} else {
		sameFields(t, text, "backtest", got.body)
	}
	c.admin.post(test.str("url")+"/cancel", map[string]any{}).want(t, 409)
	if got := c.admin.ask("GET", "/v1/backtests", nil).want(t, 200); len(got.list("items")) != 1 {
		t.Error(got.text)
	}
	c.admin.post(id+"/rollback", map[string]any{}).want(t, 409)
	if got := c.admin.post(id+"/publish", map[string]any{}).want(t, 200); !strings.Contains(got.text, `"published":true`) {
		t.Error(got.text)
	}
	if got := c.admin.post(id+"/rollback", map[string]any{}).want(t, 200); !strings.Contains(got.text, `"version":1`) {
		t.Error(got.text)
	}
	if got := c.admin.ask("GET", "/v1/policies?project="+s.project, nil).want(t, 200); strings.Count(got.text, `"version"`) != 2 || strings.Count(got.text, `"published":true`) != 1 {
		t.Error(got.text)
	}
	body["policy"].(map[string]any)["rules"].([]any)[0].(map[string]any)["when"] = "country = 'GB'"
	if got := c.admin.post("/v1/policies", body).want(t, 422); !strings.Contains(got.text, "line 1, column 9") {
		t.Error(got.text)
	}
}

// sameFields compares the fields of the documentation's example with those of
// an answer, objects within objects; what an answer's lists hold is left out.
func sameFields(t *testing.T, docs []byte, name string, got map[string]any) {
	t.Helper()
	found := regexp.MustCompile("(?ms)^```json name=" + name + "\n(.*?)^```$").FindSubmatch(docs)
	if found == nil {
		t.Fatalf("docs/api.md has no example %s", name)
	}
	var want map[string]any
	if err := json.Unmarshal(found[1], &want); err != nil {
		t.Fatal(err)
	}
	var compare func(at string, a, b map[string]any)
	compare = func(at string, a, b map[string]any) {
		if x, y := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)); !slices.Equal(x, y) {
			t.Errorf("docs/api.md, %s%s: has %v, the server answers %v", name, at, x, y)
		}
		for k, v := range a {
			x, ok := v.(map[string]any)
			if y, also := b[k].(map[string]any); ok && also {
				compare(at+"."+k, x, y)
			}
		}
	}
	compare("", want, got)
}
