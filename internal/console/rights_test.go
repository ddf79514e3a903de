package console_test

import (
	"regexp"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
	"catchment/internal/web/webtest"
)

// body is a request that the route would take.
var body = map[string]any{
	"create-project":      map[string]any{"name": "P"},
	"change-project":      map[string]any{"name": "Stolen"},
	"create-source":       map[string]any{"name": "S", "project_id": "proj_01h455vb4pex5vsknk084sn02q"},
	"change-source":       map[string]any{"name": "Stolen"},
	"create-stage":        map[string]any{"name": "T", "category": "won"},
	"change-stage":        map[string]any{"name": "Stolen"},
	"create-user":         map[string]any{"name": "U", "role": "auditor", "email": "u@example.com"},
	"change-user":         map[string]any{"name": "Stolen"},
	"put-shifts":          map[string]any{"shifts": []any{}},
	"create-holiday":      map[string]any{"name": "H", "from": "2028-01-02"},
	"create-user-holiday": map[string]any{"name": "H", "from": "2028-01-02"},
	"put-source-watch":    map[string]any{"mode": "off", "minutes": 60, "patience": 100, "quiet": []any{}},
	"create-key":          map[string]any{"kind": "secret", "name": "K", "role": "auditor"},
	"create-policy": map[string]any{"project_id": "proj_01h455vb4pex5vsknk084sn02q", "name": "P", "policy": map[string]any{
		"rules": []any{map[string]any{"name": "Everyone", "method": "round_robin"}}}},
	"backtest-policy": map[string]any{"days": 1},
	"put-member-tags": map[string]any{"tags": []any{"a"}},
	"put-pool":        map[string]any{"name": "Stolen"},
	"change-key":      map[string]any{"networks": []any{}},
	"create-webhook":  map[string]any{"url": "https://hooks.example.com/"},
	"put-webhook":     map[string]any{"url": "https://hooks.example.com/"},
	"replay-webhook":  map[string]any{"since": "2028-01-02T00:00:00Z"},
}

// shape leaves out what differs from request to request.
var requestID = regexp.MustCompile(`"request_id":"[^"]*",?`)

func shape(a answer) string { return requestID.ReplaceAllString(a.text, "") }

// Another account's id, one that never was and what is no id get one answer,
// and nothing of the other's changes.
func TestAnothersThingsAreNotThere(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		mine, theirs := c.shop(), other.shop()
		seller := other.user(account.Salesperson)
		other.admin.ask("PUT", "/v1/projects/"+theirs.project+"/pool/members/"+seller.id, nil).want(t, 200)
		draft := other.admin.post("/v1/policies", map[string]any{"project_id": theirs.project, "name": "Theirs", "policy": map[string]any{
			"rules": []any{map[string]any{"name": "Everyone", "method": "round_robin"}}}}).want(t, 201).str("id")
		key := other.admin.post("/v1/keys", map[string]any{"kind": "secret", "name": "K", "role": "admin"}).want(t, 201)
		stage := other.admin.post("/v1/stages", map[string]any{"name": "Theirs", "category": "won"}).want(t, 201).str("id")
		holiday := other.admin.post("/v1/holidays", map[string]any{"name": "Theirs", "from": "2028-01-02"}).want(t, 201).str("id")
		hook := other.admin.post("/v1/webhooks", map[string]any{"url": "https://hooks.example.com/theirs"}).want(t, 201).str("id")
		dead := leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: lead.NewEnquiryID(), Stream: "s", Seq: 1, Reason: "x", ReceivedAt: now(), ChangedAt: now()}
		other.write(func(tx *store.Tx) error { _, err := leads.AddDead(tx, dead); return err })
		ids := map[string][3]string{ // theirs, never was, garbage
			"project": {theirs.project, account.NewProjectID().String(), "nonsense"},
			"source":  {theirs.source, account.NewSourceID().String(), theirs.project},
			"stage":   {stage, lead.NewStageID().String(), "stg_"},
			"user":    {seller.id, account.NewUserID().String(), "%27"},
			"key":     {key.str("id"), account.NewKeyID().String(), "key_1"},
			"policy":  {draft, account.NewPolicyID().String(), "plcy_"},
			"holiday": {holiday, account.NewHolidayID().String(), "hol_"},
			"webhook": {hook, account.NewWebhookID().String(), "whk_"},
			"dead":    {dead.ID.String(), lead.NewDeadID().String(), "dead"},
		}
		seen := 0
		for _, op := range h.api.Ops() {
			kind := kindOf(op.Path)
			if kind == "" {
				continue
			}
			seen++
			var answers []string
			for _, id := range ids[kind] {
				path := strings.Replace(op.Path, "{id}", id, 1)
				path = strings.Replace(path, "{user}", c.admin.id, 1)
				answers = append(answers, shape(c.admin.ask(op.Method, path, body[op.Name]).want(t, 404)))
			}
			if answers[0] != answers[1] || answers[0] != answers[2] {
				t.Errorf("%s %s answers differently: %v", op.Method, op.Path, answers)
			}
		}
		if seen < 15 {
			t.Errorf("only %d routes with an id", seen)
		}
		// A second id in the path.
		for _, method := range []string{"PUT", "DELETE"} {
			at := "/v1/projects/" + mine.project + "/pool/members/"
			a, b := c.admin.ask(method, at+seller.id, nil).want(t, 404), c.admin.ask(method, at+account.NewUserID().String(), nil).want(t, 404)
			if shape(a) != shape(b) {
				t.Errorf("%s of another's user: %s, of nobody: %s", method, a.text, b.text)
			}
		}
		// Ids in a body.
		for _, p := range [2]string{theirs.project, account.NewProjectID().String()} {
			if got := c.admin.post("/v1/sources", map[string]any{"name": "S", "project_id": p}).want(t, 422); got.code() != "invalid project_id unknown_project" {
				t.Error(got.text)
			}
			c.admin.ask("PATCH", "/v1/sources/"+mine.source, map[string]any{"project_id": p}).want(t, 422)
		}
		c.admin.post("/v1/keys", map[string]any{"kind": "publishable", "name": "K", "any_origin": true, "sources": []string{theirs.source}}).want(t, 422)
		// Lists.
		for _, path := range []string{"/v1/projects", "/v1/sources", "/v1/users", "/v1/holidays", "/v1/keys", "/v1/webhooks", "/v1/board", "/v1/dead-letters", "/v1/record", "/v1/reports/leads"} {
			got := c.admin.get(path).want(t, 200).text
			for kind, id := range ids {
				if strings.Contains(got, id[0]) {
					t.Errorf("%s shows another's %s", path, kind)
				}
			}
		}
		if got := other.admin.get("/v1/projects/" + theirs.project).str("name"); got != "Harbour Lofts" {
			t.Errorf("the other's project is called %s now", got)
		}
		(&visitor{company: other, token: key.str("key")}).get("/v1/projects").want(t, 200)
	})
}

func kindOf(path string) string {
	for prefix, kind := range map[string]string{"/v1/projects/{": "project", "/v1/sources/{": "source", "/v1/stages/{": "stage",
		"/v1/users/{": "user", "/v1/keys/{": "key", "/v1/dead-letters/{": "dead", "/v1/policies/{": "policy", "/v1/holidays/{": "holiday", "/v1/webhooks/{": "webhook"} {
		if strings.HasPrefix(path, prefix) {
			return kind
		}
	}
	return ""
}

func TestTheDocumentIsSound(t *testing.T) {
	text, err := open(t, storetest.SQLite(t)).api.Document()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range webtest.Faults(text) {
		t.Error(fault)
	}
}

func TestBadInput(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		many := strings.Repeat(`"x",`, 200) + `"x"`
		for _, x := range []struct {
			method, path, body string
			status             int
			code               string
		}{
			{"POST", "/v1/projects", `{"name":`, 400, "malformed_json"},
			{"POST", "/v1/projects", ``, 400, "unreadable"},
			{"POST", "/v1/projects", `{"name":"A","name":"B"}`, 400, "duplicate_key"},
			{"POST", "/v1/projects", `{"name":"A","nmae":"B"}`, 422, "invalid nmae unknown_field"},
			{"POST", "/v1/projects", `{}`, 422, "invalid name required"},
			{"POST", "/v1/projects", `{"name":5}`, 422, "invalid name wrong_value"},
			{"POST", "/v1/projects", `{"name":"  "}`, 422, "invalid name required"},
			{"POST", "/v1/projects", `{"name":"a\u0007b"}`, 422, "invalid name control_characters"},
			{"POST", "/v1/projects", `{"name":"A","time_zone":"Moon/Base"}`, 422, "invalid time_zone unknown_time_zone"},
			{"POST", "/v1/projects", `{"name":"A","slug":"Not A Slug"}`, 422, "invalid slug bad_slug"},
			{"POST", "/v1/projects", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "body_too_large"},
			{"PATCH", "/v1/sources/" + s.source, `{"mapping":{"q":"person.shoe"}}`, 422, "invalid mapping unknown_target"},
			{"PATCH", "/v1/sources/" + s.source, `{"mapping":{"q\u0000":"person.phone"}}`, 422, "invalid mapping control_characters"},
			{"PATCH", "/v1/sources/" + s.source, `{"non_personal":["a","a"]}`, 422, "invalid non_personal.1 repeated"},
			{"PATCH", "/v1/sources/" + s.source, `{"non_personal":["` + strings.Repeat("y", 65) + `"]}`, 422, "invalid non_personal.0 bad_field"},
			{"PATCH", "/v1/sources/" + s.source, `{"non_personal":[` + many + `]}`, 422, "invalid non_personal wrong_value"},
			{"PATCH", "/v1/sources/" + s.source, `{"thanks_url":"javascript:alert(1)"}`, 422, "invalid thanks_url bad_url"},
			{"POST", "/v1/stages", `{"name":"A","category":"lost"}`, 422, "invalid category not_in_list"},
			{"POST", "/v1/users", `{"name":"A","role":"operator","email":"a@example.com"}`, 422, "invalid role unknown_role"},
			{"POST", "/v1/users", `{"name":"A","role":"auditor","email":"nowhere"}`, 422, "invalid email bad_email"},
			{"POST", "/v1/users", `{"name":"A","role":"auditor","email":"a@example.com","phone":"12"}`, 422, "invalid phone bad_phone"},
			{"PATCH", "/v1/users/" + c.admin.id, `{"state":"invited"}`, 422, "invalid state not_in_list"},
			{"PUT", "/v1/users/" + c.admin.id + "/shifts", `{"shifts":[{"weekday":7,"start_minute":0,"end_minute":1}]}`, 422, "invalid shifts[0].weekday wrong_value"},
			{"PUT", "/v1/users/" + c.admin.id + "/shifts", `{"shifts":[{"weekday":1,"start_minute":60,"end_minute":30}]}`, 422, "invalid shifts out_of_range"},
			{"PUT", "/v1/users/" + c.admin.id + "/shifts", `{"shifts":[{"weekday":1,"start_minute":0,"end_minute":60},{"weekday":1,"start_minute":30,"end_minute":90}]}`, 422, "invalid shifts overlap"},
			{"POST", "/v1/holidays", `{"name":"A","from":"2028-02-30"}`, 422, "invalid from date"},
			{"POST", "/v1/holidays", `{"name":"A","from":"2028-02-03","until":"2028-02-02"}`, 422, "invalid until out_of_range"},
			{"POST", "/v1/users/" + c.admin.id + "/holidays", `{"name":" ","from":"2028-02-03"}`, 422, "invalid name length"},
			{"POST", "/v1/keys", `{"kind":"secret","name":"K"}`, 422, "invalid role unknown_role"},
			{"POST", "/v1/keys", `{"kind":"publishable","name":"K"}`, 422, "invalid origins required"},
			{"POST", "/v1/keys", `{"kind":"publishable","name":"K","origins":["homes.example"]}`, 422, "invalid origins.0 bad_origin"},
			{"POST", "/v1/keys", `{"kind":"secret","name":"K","role":"admin","expires_at":"2001-01-01T00:00:00Z"}`, 422, "invalid expires_at in_the_past"},
			{"PUT", "/v1/projects/" + s.project + "/pool", `{"accept_seconds":4}`, 422, "invalid accept_seconds wrong_value"},
			{"PUT", "/v1/projects/" + s.project + "/pool", `{"name":"   "}`, 422, "invalid name length"},
			{"GET", "/v1/projects?limit=501", "", 422, "invalid limit wrong_value"},
			{"GET", "/v1/projects?cursor=nonsense", "", 422, "invalid cursor bad_cursor"},
			{"GET", "/v1/projects?nonsense=1", "", 422, "invalid nonsense unknown_parameter"},
			{"GET", "/v1/sources?project=nonsense", "", 422, "invalid project bad_id"},
			{"GET", "/v1/users?include=shoes", "", 422, "invalid include not_in_list"},
			{"GET", "/v1/dead-letters?state=lost", "", 422, "invalid state not_in_list"},
		} {
			var b any
			if x.method != "GET" {
				b = x.body
			}
			got := c.admin.ask(x.method, x.path, b)
			if got.status != x.status || got.code() != x.code {
				t.Errorf("%s %s %.60s: %d %s, want %d %s", x.method, x.path, x.body, got.status, got.code(), x.status, x.code)
			}
		}
		c.admin.ask("POST", "/v1/projects", `{"name":"A"}`, "Content-Type", "text/plain").want(t, 415)
		c.admin.get("/v1/users", "Catchment-Purpose", "because <of> that").want(t, 422)
		if got := c.admin.get("/v1/projects").list("items"); len(got) != 1 {
			t.Errorf("%d projects after all that, want 1", len(got))
		}
	})
}
