package desk_test

import (
	"net/http"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store/storetest"
)

// What cannot be taken is refused with the field and the way out, and leaves
// nothing behind.
func TestBadInput(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	sam := c.user(account.Salesperson)
	a := c.arrive(sam.id)
	path := "/v1/leads/" + a.lead.String()
	before := sam.get(path).want(t, 200)
	deep := strings.Repeat(`{"next":`, 5000) + "1" + strings.Repeat("}", 5000)
	for name, r := range map[string]struct {
		path, body string
		status     int
		code       string // "" any
	}{
		"empty":                {"/attempts", "", 400, ""},
		"no JSON":              {"/attempts", "channel=call", 400, "malformed_json"},
		"cut short":            {"/attempts", `{"channel":"call","disposition":"spo`, 400, "malformed_json"},
		"two values":           {"/attempts", `{"channel":"call","disposition":"spoke"}{}`, 400, "malformed_json"},
		"BOM":                  {"/attempts", "\ufeff" + `{"channel":"call","disposition":"spoke"}`, 400, "malformed_json"},
		"broken UTF-8":         {"/notes", "{\"text\":\"a\xff\"}", 400, ""},
		"a list":               {"/attempts", `[]`, 422, ""},
		"null":                 {"/attempts", `null`, 422, ""},
		"deep":                 {"/attempts", deep, 422, ""},
		"unknown key":          {"/attempts", `{"channel":"call","disposition":"spoke","mood":"good"}`, 422, "invalid mood unknown_field"},
		"inner unknown key":    {"/attempts", `{"channel":"call","disposition":"spoke","next":{"at":null,"mood":1}}`, 422, "invalid next.mood unknown_field"},
		"twice the key":        {"/attempts", `{"channel":"call","channel":"sms","disposition":"spoke"}`, 400, "duplicate_key"},
		"other case":           {"/attempts", `{"Channel":"call","disposition":"spoke"}`, 422, ""},
		"wrong type":           {"/attempts", `{"channel":1,"disposition":"spoke"}`, 422, ""},
		"fraction":             {"/attempts", `{"channel":"call","disposition":"spoke","talk_ms":1.5}`, 422, "invalid talk_ms wrong_value"},
		"huge number":          {"/attempts", `{"channel":"call","disposition":"spoke","talk_ms":1e300}`, 422, ""},
		"no time":              {"/attempts", `{"channel":"call","disposition":"spoke","started_at":"yesterday"}`, 422, ""},
		"missing":              {"/attempts", `{"channel":"call"}`, 422, "invalid disposition required"},
		"not in the list":      {"/attempts", `{"channel":"pigeon","disposition":"spoke"}`, 422, "invalid channel not_in_list"},
		"stage and category":   {"/stage", `{"stage":"booked","category":"won"}`, 422, "invalid stage required"},
		"no such stage":        {"/stage", `{"stage":"` + lead.NewStageID().String() + `"}`, 422, "invalid stage unknown_stage"},
		"a sentence as reason": {"/stage", `{"stage":"booked","reason":"Call me: 020 7946 0123"}`, 422, "invalid reason bad_reason"},
		"control characters":   {"/notes", `{"text":"a\u0000b"}`, 422, "invalid text control_characters"},
		"blank note":           {"/notes", `{"text":"  "}`, 422, "invalid text required"},
		"long note":            {"/notes", `{"text":"` + strings.Repeat("a", 8001) + `"}`, 422, ""},
		"many bytes of few":    {"/notes", `{"text":"` + strings.Repeat("é", 5000) + `"}`, 422, "invalid text too_long"},
		"past follow-up":       {"/next-action", `{"at":"2001-01-01T00:00:00Z"}`, 422, "invalid at in_the_past"},
		"oversize":             {"/notes", `{"text":"` + strings.Repeat("a", 65<<10) + `"}`, 413, "body_too_large"},
	} {
		got := sam.post(path+r.path, r.body)
		if got.status != r.status || (r.code != "" && got.code() != r.code) {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.text, r.status, r.code)
		}
		if got.head.Get("Content-Type") != "application/problem+json" || got.body["code"] == nil || got.body["detail"] == nil || got.head.Get("X-Request-Id") == "" {
			t.Errorf("%s: not a problem: %s %s", name, got.head.Get("Content-Type"), got.text)
		}
		if strings.Contains(got.text, "7946") || strings.Contains(got.text, "pigeon") {
			t.Errorf("%s: the answer repeats the input: %s", name, got.text)
		}
	}
	if after := sam.get(path).want(t, 200); after.text != before.text {
		t.Errorf("refusals changed the lead:\n%s\n%s", before.text, after.text)
	}
	if got := sam.get(path+"/notes").want(t, 200).items(); len(got) != 0 {
		t.Errorf("a refused note was kept: %v", got)
	}
}

func TestBadQueriesAndHeads(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	boss := c.user(account.Manager)
	for path, code := range map[string]string{
		"/v1/leads?cursor=x":                          "invalid cursor bad_cursor",
		"/v1/leads?cursor=" + strings.Repeat("A", 31): "invalid cursor bad_cursor",
		"/v1/leads?limit=0":                           "",
		"/v1/leads?limit=501":                         "",
		"/v1/leads?limit=ten":                         "",
		"/v1/leads?project=lead_1":                    "invalid project bad_id",
		"/v1/leads?owner=%00":                         "invalid owner control_characters",
		"/v1/leads?person=prsn_":                      "invalid person bad_id",
		"/v1/leads?stage=new":                         "invalid stage bad_id",
		"/v1/leads?category=lost":                     "",
		"/v1/leads?include=persons":                   "",
		"/v1/leads?colour=red":                        "",
		"/v1/enquiries?source=1":                      "invalid source bad_id",
	} {
		if got := boss.get(path).want(t, 422); code != "" && got.code() != code {
			t.Errorf("%s: %s", path, got.text)
		}
	}
	a := c.arrive(account.UserID{})
	note := `{"text":"a"}`
	path := "/v1/leads/" + a.lead.String() + "/notes"
	for name, h := range map[string]struct {
		header []string
		status int
	}{
		"text":            {[]string{"Content-Type", "text/plain"}, 415},
		"other charset":   {[]string{"Content-Type", "application/json; charset=utf-16"}, 415},
		"compressed":      {[]string{"Content-Encoding", "gzip"}, 415},
		"key with spaces": {[]string{"Idempotency-Key", "a b"}, 400},
		"long key":        {[]string{"Idempotency-Key", strings.Repeat("k", 256)}, 400},
		"odd purpose":     {[]string{"Catchment-Purpose", "<script>"}, 422},
		"no credential":   {[]string{"Authorization", ""}, 401},
		"wrong scheme":    {[]string{"Authorization", "Basic YTpi"}, 401},
		"wrong token":     {[]string{"Authorization", "Bearer cst_x"}, 401},
	} {
		if got := boss.post(path, note, h.header...); got.status != h.status || got.body["code"] == nil {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := boss.ask(http.MethodDelete, path, nil); got.status != 405 {
		t.Errorf("DELETE: %d", got.status)
	}
}
