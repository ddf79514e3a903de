package desk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/store/storetest"
	"catchment/internal/web/webtest"
)

var fence = regexp.MustCompile("(?ms)^ *```json name=([a-z-]+)\n(.*?)^ *```$")

// examples are the named blocks of docs/api.md.
func examples(t *testing.T) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, m := range fence.FindAllSubmatch(text, -1) {
		var v map[string]any
		if err := json.Unmarshal(m[2], &v); err != nil {
			t.Fatalf("docs/api.md, %s: %v", m[1], err)
		}
		out[string(m[1])] = v
	}
	for _, name := range []string{"lead", "enquiry", "offer", "event", "attempt-request"} {
		if out[name] == nil {
			t.Fatalf("docs/api.md has no example %s", name)
		}
	}
	return out
}

// free are objects whose keys are the sender's.
var free = []string{"attribution", "custom", "personal_custom", "consent"}

// differences lists where two values have other fields, or other types; null
// fits every type.
func differences(where string, a, b any) (out []string) {
	if a == nil || b == nil {
		return nil
	}
	if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
		return []string{fmt.Sprintf("%s is %T in one and %T in the other", where, a, b)}
	}
	x, ok := a.(map[string]any)
	if !ok {
		return nil
	}
	y := b.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if _, ok := y[k]; !ok {
			out = append(out, where+"."+k+" is in the first alone")
		} else if !slices.Contains(free, k) {
			out = append(out, differences(where+"."+k, x[k], y[k])...)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(y)) {
		if _, ok := x[k]; !ok {
			out = append(out, where+"."+k+" is in the second alone")
		}
	}
	return out
}

func TestTheExamplesAreWhatTheServerAnswers(t *testing.T) {
	want := examples(t)
	c := open(t, storetest.SQLite(t)).company()
	boss, sam := c.user(account.Manager), c.user(account.Salesperson)
	stream := boss.listen("", "")
	a := c.arrive(account.UserID{})
	next := boss.get("/v1/leads/"+a.lead.String()+"/next-offer").want(t, 200)
	sam.presence(account.Available)
	var event map[string]any
	c.ok(json.Unmarshal([]byte(last(stream.next(events.OfferMade)).data), &event))
	offer := sam.get("/v1/offers/"+event["offer_id"].(string)).want(t, 200)
	sam.post("/v1/offers/"+event["offer_id"].(string)+"/accept", nil).want(t, 200)
	request := want["attempt-request"]
	request["started_at"] = time.Now()
	request["next"].(map[string]any)["at"] = time.Now().Add(time.Hour)
	sam.post("/v1/leads/"+a.lead.String()+"/attempts", request).want(t, 201)
	lead := sam.get("/v1/leads/"+a.lead.String()).want(t, 200)
	enquiry := boss.get("/v1/enquiries/"+a.enquiry.String()+"?include=person,message").want(t, 200)
	corrected := sam.correct(a.person, map[string]any{"phone": "+442079460188"}).want(t, 200)
	for name, got := range map[string]map[string]any{"lead": lead.body, "offer": offer.body, "enquiry": enquiry.body, "event": event, "correction": corrected.body, "next-offer": next.body} {
		for _, d := range differences(name, want[name], got) {
			t.Errorf("docs/api.md and the server: %s", d)
		}
	}
	doc := boss.get("/openapi.json").want(t, 200)
	for _, fault := range webtest.Faults([]byte(doc.text)) {
		t.Error(fault)
	}
	schemas := doc.body["components"].(map[string]any)["schemas"].(map[string]any)
	for name, schema := range map[string]string{"lead": "Lead", "offer": "Offer", "enquiry": "Enquiry"} {
		examples := schemas[schema].(map[string]any)["examples"].([]any)
		if len(examples) != 1 || !reflect.DeepEqual(examples[0], any(want[name])) {
			t.Errorf("%s: the OpenAPI document's example is not that of docs/api.md", schema)
		}
		for what, v := range map[string]any{"docs/api.md": want[name], "the server": map[string]any{"lead": lead.body, "offer": offer.body, "enquiry": enquiry.body}[name]} {
			webtest.Fits(t, doc.body, what+": "+name, schemas[schema], v)
		}
		props := schemas[schema].(map[string]any)["properties"].(map[string]any)
		if x, y := slices.Sorted(maps.Keys(props)), slices.Sorted(maps.Keys(want[name])); !slices.Equal(x, y) {
			t.Errorf("%s: the OpenAPI document has %v, docs/api.md %v", schema, x, y)
		}
	}
}

// The control: the comparison sees what it is for.
func TestDifferencesAreSeen(t *testing.T) {
	a := map[string]any{"x": 1.0, "in": map[string]any{"y": nil}, "custom": map[string]any{"a": 1.0}}
	if d := differences("", a, map[string]any{"x": 2.0, "in": map[string]any{"y": "s"}, "custom": map[string]any{"b": 1.0}}); len(d) != 0 {
		t.Errorf("%v", d)
	}
	for _, b := range []map[string]any{{"x": 1.0, "in": a["in"]}, {"x": "1", "in": a["in"], "custom": nil}, {"x": 1.0, "in": map[string]any{}, "custom": nil},
		{"x": 1.0, "in": map[string]any{"y": nil, "z": nil}, "custom": nil}} {
		if len(differences("", a, b)) == 0 {
			t.Errorf("no difference seen to %v", b)
		}
	}
}

func TestTheListOfEventsIsWhole(t *testing.T) {
	docs, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../events/events.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "| event | when |")
	var told, there []string
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(cells[1], -1) {
			told = append(told, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`Kind = "([a-z_.]+)"`).FindAllStringSubmatch(string(code), -1) {
		there = append(there, m[1])
	}
	slices.Sort(told)
	slices.Sort(there)
	if len(there) < 20 || !slices.Equal(told, there) {
		t.Errorf("docs/api.md tells of\n%v\nthe program emits\n%v", told, there)
	}
}
