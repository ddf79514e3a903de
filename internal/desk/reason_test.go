package desk_test

import (
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// Where the account says so a stage asks why, by every way that leads to it:
// the refusal names the field and the way out, and nothing is kept.
func TestStagesThatAskWhy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		a := c.arrive(sam.id)
		path := "/v1/leads/" + a.lead.String()
		drop := map[string]any{"category": "dropped"}
		before := sam.get(path).want(t, 200).body["version"]
		for _, x := range []struct {
			path, field string
			body        any
		}{
			{"/stage", "reason", drop},
			{"/attempts", "stage.reason", map[string]any{"channel": "call", "disposition": "spoke", "stage": drop}},
			{"/handover", "stage.reason", map[string]any{"pool": true, "stage": drop}},
		} {
			got := sam.post(path+x.path, x.body).want(t, 422)
			if !strings.HasSuffix(got.code(), " "+x.field+" required") || !strings.Contains(got.text, "Send a reason") {
				t.Errorf("%s: %s", x.path, got.text)
			}
		}
		if now := sam.get(path).want(t, 200); now.body["version"] != before {
			t.Error("a refusal left something behind")
		}
		drop["reason"] = "Too expensive"
		if got := sam.post(path+"/stage", drop).want(t, 200); got.body["reason"] != "too-expensive" || got.body["closed_at"] == nil {
			t.Error(got.text)
		}
	})
}
