package submission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/vault/reveal"
)

const full = `{"source":"web-form","project":"harbour-view","person":{"name":"Ada Example","phone":"+1 202 555 0143","email":"ada@example.com"},
"message":"I'm interested in a flat\nwith a view","attribution":{"utm_source":"search","utm_medium":"cpc","gclid":"Cj0KCQ","landing_page":"https://homes.example/?utm_source=search&who=ada"},
"consent":{"text":"Call me","version":"2026-01","given_at":"2026-03-14T09:00:00+01:00","channels":["call","email"]},
"custom":{"budget":250000,"rooms":[2,3],"garden":true,"city":"Köln"},"test":true}`

func TestDecodeJSONReadsEveryField(t *testing.T) {
	s, err := DecodeJSON([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := time.Parse(time.RFC3339, "2026-03-14T08:00:00Z")
	clear, personal := s.SplitCustom(func(n string) bool { return n == "budget" || n == "garden" })
	for what, got := range map[string][2]any{
		"source":   {s.Source, "web-form"},
		"project":  {s.Project, "harbour-view"},
		"name":     {reveal.Text(s.Person.Name), "Ada Example"},
		"phone":    {reveal.Text(s.Person.Phone), "+1 202 555 0143"},
		"email":    {reveal.Text(s.Person.Email), "ada@example.com"},
		"message":  {reveal.Text(s.Message), "I'm interested in a flat\nwith a view"},
		"landing":  {reveal.Text(s.Attribution.LandingPage), "https://homes.example/?utm_source=search&who=ada"},
		"params":   {string(s.Attribution.ClearJSON(nil)), `{"utm_source":"search","utm_medium":"cpc","gclid":"Cj0KCQ"}`},
		"consent":  {reveal.Text(s.Consent.Text), "Call me"},
		"version":  {s.Consent.Version, "2026-01"},
		"given":    {s.Consent.GivenAt, at},
		"channels": {fmt.Sprint(s.Consent.Channels), "[call email]"},
		"open":     {clear, `{"budget":250000,"garden":true}`},
		"sealed":   {reveal.Text(personal), `{"rooms":[2,3],"city":"Köln"}`},
		"test":     {s.Test, true},
		"flags":    {len(s.Flags), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
}

func TestSmallestLeads(t *testing.T) {
	for _, body := range []string{
		`{"person":{"phone":"1"}}`,
		`{"person":{"email":"x"}}`,
		` {"person":{"phone":"1","name":null,"email":null},"message":null,"custom":null,"consent":null,"attribution":null,"test":null,"source":null} `,
		`{"p\u0065rson":{"phone":"1"}}`,
		`{"person":{"phone":"1"},"custom":{"a":null,"b":[]}}`,
	} {
		if _, err := DecodeJSON([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

const ok = `"person":{"phone":"+12025550143"}`

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%x":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// Each refusal: its status, code and field.
var refusals = []struct {
	name, body  string
	status      int
	code, field string
}{
	{"empty", ``, 400, "malformed_json", ""},
	{"blank", " \r\n", 400, "malformed_json", ""},
	{"not JSON", `hello`, 400, "malformed_json", ""},
	{"a form", `phone=1&name=x`, 400, "malformed_json", ""},
	{"cut short", `{` + ok[:20], 400, "malformed_json", ""},
	{"cut before the end", `{` + ok, 400, "malformed_json", ""},
	{"comma too many", `{` + ok + `,}`, 400, "malformed_json", ""},
	{"single quotes", `{'person':{}}`, 400, "malformed_json", ""},
	{"comment", `{` + ok + `/*x*/}`, 400, "malformed_json", ""},
	{"number as key", `{1:2}`, 400, "malformed_json", ""},
	{"raw control character", "{\"message\":\"a\x00b\"," + ok + "}", 400, "malformed_json", ""},
	{"NaN", `{"custom":{"a":NaN},` + ok + `}`, 400, "malformed_json", ""},
	{"malformed after a fault", `{"nmae":1,` + ok, 400, "malformed_json", ""},
	{"byte order mark", "\ufeff{" + ok + "}", 400, "byte_order_mark", ""},
	{"UTF-16", "\xff\xfe{\x00}\x00", 400, "byte_order_mark", ""},
	{"latin-1", "{\"person\":{\"phone\":\"1\",\"name\":\"Jos\xe9\"}}", 400, "invalid_utf8", ""},
	{"half a surrogate pair", `{"message":"\ud83d",` + ok + `}`, 400, "invalid_utf8", ""},
	{"overlong", "{\"message\":\"\xc0\xaf\"," + ok + "}", 400, "invalid_utf8", ""},
	{"two values", `{` + ok + `}{}`, 400, "trailing_data", ""},
	{"text behind", `{` + ok + `} x`, 400, "trailing_data", ""},
	{"deep object", `{"custom":{"a":{"b":{"c":{}}}},` + ok + `}`, 400, "too_deep", ""},
	{"deep array", `{"custom":` + strings.Repeat("[", 30000) + `}`, 400, "too_deep", ""},
	{"deep where nothing is known", `{"x":` + strings.Repeat(`{"a":`, 9) + `1}`, 400, "too_deep", ""},
	{"repeated key", `{"message":"a","message":"b",` + ok + `}`, 400, "duplicate_key", "message"},
	{"repeated key inside", `{"person":{"phone":"1","phone":"2"}}`, 400, "duplicate_key", "person.phone"},
	{"repeated by escape", `{"person":{"phone":"1","phon\u0065":"2"}}`, 400, "duplicate_key", "person.phone"},
	{"repeated custom key", `{"custom":{"a":1,"a":2},` + ok + `}`, 400, "duplicate_key", "custom.a"},
	{"repeated unknown key", `{"x":{"a":1,"a":2},` + ok + `}`, 400, "duplicate_key", "x.a"},
	{"too large", `{` + ok + `,"message":"` + strings.Repeat("x", MaxBody) + `"}`, 413, "body_too_large", ""},
	{"array", `[{` + ok + `}]`, 422, "wrong_type", ""},
	{"string", `"x"`, 422, "wrong_type", ""},
	{"null", `null`, 422, "wrong_type", ""},
	{"nobody", `{}`, 422, "contact_missing", "person"},
	{"a name alone", `{"person":{"name":"Ada Example"}}`, 422, "contact_missing", "person"},
	{"blank contact", `{"person":{"phone":" \u00a0\u200b","email":"\t"}}`, 422, "contact_missing", "person"},
	{"null contact", `{"person":null}`, 422, "contact_missing", "person"},
	{"unknown field", `{"budget":1,` + ok + `}`, 422, "unknown_field", "budget"},
	{"another case", `{"Message":"x",` + ok + `}`, 422, "unknown_field", "Message"},
	{"unknown in person", `{"person":{"phone":"1","age":3}}`, 422, "unknown_field", "person.age"},
	{"unknown in attribution", `{"attribution":{"utm_sorce":"x"},` + ok + `}`, 422, "unknown_field", "attribution.utm_sorce"},
	{"unknown in consent", `{"consent":{"ip":"x"},` + ok + `}`, 422, "unknown_field", "consent.ip"},
	{"phone as number", `{"person":{"phone":12025550143}}`, 422, "wrong_type", "person.phone"},
	{"person as string", `{"person":"Ada"}`, 422, "wrong_type", "person"},
	{"message as object", `{"message":{"a":1},` + ok + `}`, 422, "wrong_type", "message"},
	{"source as array", `{"source":["a"],` + ok + `}`, 422, "wrong_type", "source"},
	{"test as string", `{"test":"true",` + ok + `}`, 422, "wrong_type", "test"},
	{"channels as string", `{"consent":{"channels":"call"},` + ok + `}`, 422, "wrong_type", "consent.channels"},
	{"a channel as number", `{"consent":{"channels":[1]},` + ok + `}`, 422, "wrong_type", "consent.channels"},
	{"custom as array", `{"custom":[1],` + ok + `}`, 422, "wrong_type", "custom"},
	{"custom object", `{"custom":{"a":{"b":1}},` + ok + `}`, 422, "wrong_type", "custom.a"},
	{"custom array of arrays", `{"custom":{"a":[[1]]},` + ok + `}`, 422, "wrong_type", "custom.a"},
	{"custom array with null", `{"custom":{"a":[null]},` + ok + `}`, 422, "wrong_type", "custom.a"},
	{"long name", `{"person":{"phone":"1","name":"` + strings.Repeat("é", MaxName+1) + `"}}`, 422, "too_long", "person.name"},
	{"long phone", `{"person":{"phone":"` + strings.Repeat("1", MaxPhone+1) + `"}}`, 422, "too_long", "person.phone"},
	{"long email", `{"person":{"email":"` + strings.Repeat("a", MaxEmail-11) + `@example.com"}}`, 422, "too_long", "person.email"},
	{"long message", `{"message":"` + strings.Repeat("ü", MaxMessage+1) + `",` + ok + `}`, 422, "too_long", "message"},
	{"long source", `{"source":"` + strings.Repeat("s", 101) + `",` + ok + `}`, 422, "too_long", "source"},
	{"long click id", `{"attribution":{"gclid":"` + strings.Repeat("s", 1001) + `"},` + ok + `}`, 422, "too_long", "attribution.gclid"},
	{"long custom value", `{"custom":{"a":"` + strings.Repeat("x", MaxCustomValue) + `"},` + ok + `}`, 422, "too_long", "custom.a"},
	{"custom field without a name", `{"custom":{"":1},` + ok + `}`, 422, "name_length", "custom."},
	{"long custom name", `{"custom":{"` + strings.Repeat("n", 65) + `":1},` + ok + `}`, 422, "name_length", "custom." + strings.Repeat("n", 40) + "…"},
	{"many custom fields", `{"custom":{` + many(201) + `},` + ok + `}`, 422, "too_many_fields", "custom"},
	{"as many as fit", `{"custom":{` + many(7000) + `},` + ok + `}`, 422, "too_many_fields", "custom"},
	{"10,000 custom fields are over the limit of the body", `{"custom":{` + many(10000) + `},` + ok + `}`, 413, "body_too_large", ""},
	{"many channels", `{"consent":{"channels":["a","a","a","a","a","a","a","a","a","a","a"]},` + ok + `}`, 422, "too_many", "consent.channels"},
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		_, err := DecodeJSON([]byte(c.body))
		checkRefusal(t, c.name, err, c.status, c.code, c.field)
	}
}

func checkRefusal(t *testing.T, name string, err error, status int, code, field string) {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok {
		t.Errorf("%s: got %v, no problem", name, err)
		return
	}
	gotCode, gotField := p.Code, ""
	if len(p.Errors) > 0 {
		gotCode, gotField = p.Errors[0].Code, p.Errors[0].Field
	}
	if len(p.Errors) > 1 {
		t.Errorf("%s: %d faults for one: %v", name, len(p.Errors), p.Errors)
	}
	if p.Status != status || gotCode != code || gotField != field {
		t.Errorf("%s: got %d %s %q, want %d %s %q", name, p.Status, gotCode, gotField, status, code, field)
	}
	if p.Detail == "" || len(p.Errors) > 0 && p.Errors[0].Detail == "" {
		t.Errorf("%s: no way out: %v", name, p)
	}
}

func TestEveryFaultIsListed(t *testing.T) {
	_, err := DecodeJSON([]byte(`{"nmae":"x","person":{"mobile":"1","phone":7},"test":1,"custom":{"a":{},"b":[{}]}}`))
	p, _ := problem.Of(err)
	var got []string
	for _, f := range p.Errors {
		got = append(got, f.Field+" "+f.Code)
	}
	want := "nmae unknown_field, person.mobile unknown_field, person.phone wrong_type, test wrong_type, custom.a wrong_type, custom.b wrong_type"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestSuggestions(t *testing.T) {
	for body, want := range map[string]string{
		`{"messsage":"x"}`:                  "Did you mean message?",
		`{"mesage":"x"}`:                    "Did you mean message?",
		`{"email":"x"}`:                     "Did you mean person.email?",
		`{"first_name":"x"}`:                "Did you mean person.name?",
		`{"utm_source":"x"}`:                "Did you mean attribution.utm_source?",
		`{"person":{"mobile":"x"}}`:         "Did you mean person.phone?",
		`{"person":{"e-mail":"x"}}`:         "Did you mean person.email?",
		`{"person":{"Phone":"x"}}`:          "Did you mean person.phone?",
		`{"attribution":{"utmSource":"x"}}`: "Did you mean attribution.utm_source?",
	} {
		_, err := DecodeJSON([]byte(body))
		p, _ := problem.Of(err)
		if !strings.Contains(p.Errors[0].Detail, want) {
			t.Errorf("%s: %s", body, p.Errors[0].Detail)
		}
	}
	_, err := DecodeJSON([]byte(`{"budget":"x"}`))
	if p, _ := problem.Of(err); strings.Contains(p.Errors[0].Detail, "mean") || !strings.Contains(p.Errors[0].Detail, "custom") {
		t.Errorf("nothing is near budget: %s", p.Errors[0].Detail)
	}
}

func TestOddValuesAreKeptAndFlagged(t *testing.T) {
	for _, c := range []struct {
		body string
		flag lead.Flag
	}{
		{`{"person":{"phone":"1","name":"a\u0000b"}}`, lead.ControlCharacters},
		{`{"person":{"phone":"1\u0007"}}`, lead.ControlCharacters},
		{`{"message":"\u0085",` + ok + `}`, lead.ControlCharacters},
		{`{"source":"a\u007f",` + ok + `}`, lead.ControlCharacters},
		{`{"custom":{"a":"\u0001"},` + ok + `}`, lead.ControlCharacters},
		{`{"custom":{"a\u0001":"x"},` + ok + `}`, lead.ControlCharacters},
		{`{"person":{"email":"ada at example"}}`, lead.EmailUnparseable},
		{`{"person":{"email":"ada@localhost"}}`, lead.EmailUnparseable},
		{`{"person":{"phone":"1","name":"12345"}}`, lead.NameOdd},
		{`{"person":{"phone":"1","name":"<b>Ada</b>"}}`, lead.NameOdd},
		{`{"person":{"phone":"1","name":"see https://a.example"}}`, lead.NameOdd},
		{`{"person":{"phone":"1","name":"Ada\u202e"}}`, lead.NameOdd},
		{`{"consent":{"given_at":"yesterday"},` + ok + `}`, lead.ConsentTimeOdd},
		{`{"custom":{` + many(101) + `},` + ok + `}`, lead.ManyCustom},
	} {
		s, err := DecodeJSON([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if len(s.Flags) != 1 || s.Flags[0] != c.flag {
			t.Errorf("%s: flags %v, want %s", c.body, s.Flags, c.flag)
		}
	}
	for _, odd := range []string{"0", "call me", "+999999999999999999999999999999999999999", "٠١٢٣"} {
		s, err := DecodeJSON([]byte(`{"person":{"phone":"` + odd + `"}}`))
		if err != nil || reveal.Text(s.Person.Phone) != odd {
			t.Errorf("%s: %v", odd, err)
		}
	}
	for _, body := range []string{full, `{"person":{"phone":"1","name":"José Ñandú-O'Neil","email":"josé@bücher.example"},"message":"a\tb\r\nc"}`} {
		if s, err := DecodeJSON([]byte(body)); err != nil || len(s.Flags) != 0 {
			t.Errorf("%s: %v %v", body, err, s)
		}
	}
}

// A clear value fits every column: PostgreSQL's text takes no NUL.
func TestClearValuesAreTidy(t *testing.T) {
	s, err := DecodeJSON([]byte(`{"source":" a\u0000b ","attribution":{"utm_term":"x\ny","utm_id":" \u0000"},` + ok + `}`))
	if err != nil || s.Source != "a b" || s.Attribution.Get("utm_term") != "x y" || len(s.Attribution.Params) != 1 {
		t.Errorf("%v %q %v", err, s.Source, s.Attribution.Params)
	}
}

func TestCustomValuesBecomePlainJSON(t *testing.T) {
	s, err := DecodeJSON([]byte(`{"custom":{"a\"b":"\u0041\/\u0000","big":12345678901234567890,"huge":1e999,"list":["x",-0.50,true,1e999]},` + ok + `}`))
	if err != nil {
		t.Fatal(err)
	}
	_, personal := s.SplitCustom(nil)
	want := `{"a\"b":"A/\u0000","big":12345678901234567890,"huge":"1e999","list":["x",-0.50,true,"1e999"]}`
	if got := reveal.Text(personal); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if clear, personal := (&Submission{}).SplitCustom(nil); clear != "" || !personal.Empty() {
		t.Error("nothing became something")
	}
}

// No error repeats a value, and a key's name is cut and made printable.
func TestErrorsRepeatNoValue(t *testing.T) {
	const canary = "Ada Canary"
	for _, body := range []string{
		`{"person":{"phone":["` + canary + `"]}}`, `{"test":"` + canary + `"}`, `["` + canary + `"]`, `{"message":"` + canary, `{"message":"` + canary + "\x01",
		`{` + ok + `}` + canary, `{"x":"` + canary + `"}`, `{"custom":{"a":{"b":"` + canary + `"}}}`, `{"person":{"name":"` + strings.Repeat(canary, 30) + `"}}`,
		`{"message":"` + canary + `\q"}`, `{"message":"` + canary + `\ud800"}`, `{"consent":{"channels":[{"a":"` + canary + `"}]}}`,
		`{"message":"` + canary + `","message":"` + canary + `"}`, canary,
	} {
		_, err := DecodeJSON([]byte(body))
		p, ok := problem.Of(err)
		if !ok {
			t.Errorf("%s: accepted", body)
			continue
		}
		b, _ := json.Marshal(p)
		if strings.Contains(string(b)+err.Error(), "Canary") || strings.Contains(fmt.Sprintf("%+v", p), "Canary") {
			t.Errorf("%s: %s", body, b)
		}
	}
	_, err := DecodeJSON([]byte(`{"` + strings.Repeat("k", 5000) + `":1,"a\u0000\u202eb":1,` + ok + `}`))
	p, _ := problem.Of(err)
	if len(p.Errors) != 2 || p.Errors[0].Field != strings.Repeat("k", 40)+"…" || p.Errors[1].Field != "a??b" {
		t.Errorf("%+v", p.Errors)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	_, err := DecodeJSON([]byte(`{` + many(6000) + `}`))
	if p, _ := problem.Of(err); len(p.Errors) != maxFaults {
		t.Errorf("%d faults", len(p.Errors))
	}
}

func TestBodyIsNotChangedAndNothingIsKept(t *testing.T) {
	body := []byte(full)
	s, err := DecodeJSON(body)
	if err != nil || string(body) != full {
		t.Fatal("the body changed")
	}
	clear(body) // the submission must not point into it
	if reveal.Text(s.Person.Name) != "Ada Example" || s.Source != "web-form" {
		t.Error("the submission changed with the body")
	}
	_, personal := s.SplitCustom(nil)
	if !strings.Contains(reveal.Text(personal), "Köln") {
		t.Error("a custom value changed with the body")
	}
}

func TestPersonalDataDoesNotPrint(t *testing.T) {
	s, _ := DecodeJSON([]byte(full))
	out := fmt.Sprintf("%+v %#v %v", s, s, s.Custom)
	for _, word := range []string{"Ada", "0143", "flat", "who=", "Call me", "Köln", "250000"} {
		if strings.Contains(out, word) {
			t.Errorf("%s is in %s", word, out)
		}
	}
}

func TestJSONType(t *testing.T) {
	for ct, want := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON;charset=UTF-8": true,
		"": false, "text/plain": false, "application/json; charset=utf-16": false, "application/json-patch+json": false, "application/x-www-form-urlencoded": false, ";": false,
	} {
		if (JSONType(ct) == nil) != want {
			t.Errorf("%q: %v", ct, !want)
		}
	}
}

// Whatever text stands in the fields, it comes out as encoding/json reads it.
func TestAnyTextComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 50, MaxName).Draw(t, "name")
		message := rapid.StringN(0, 500, MaxMessage).Draw(t, "message")
		b, err := json.Marshal(map[string]any{"message": message, "person": map[string]any{"name": name, "phone": "1"}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := DecodeJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := reveal.Text(s.Person.Name); got != name && !blank(name) {
			t.Errorf("%q became %q", name, got)
		}
		if got := reveal.Text(s.Message); got != message && !blank(message) {
			t.Errorf("%q became %q", message, got)
		}
	})
}

// What is accepted, encoding/json accepts too, and reads the same person.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(full))
	for _, c := range refusals {
		if len(c.body) < 2000 {
			f.Add([]byte(c.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		s, err := DecodeJSON(body)
		if !bytes.Equal(body, before) {
			t.Fatal("the body changed")
		}
		if err != nil {
			if p, ok := problem.Of(err); !ok || p.Status < 400 || p.Status > 422 {
				t.Fatalf("not a problem: %v", err)
			}
			return
		}
		var other struct {
			Person struct{ Name, Phone, Email string }
		}
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("encoding/json refuses: %v", err)
		}
		same(t, "name", reveal.Text(s.Person.Name), other.Person.Name)
		same(t, "phone", reveal.Text(s.Person.Phone), other.Person.Phone)
		same(t, "email", reveal.Text(s.Person.Email), other.Person.Email)
		clear, personal := s.SplitCustom(func(n string) bool { return len(n)%2 == 0 })
		for _, o := range []string{clear, reveal.Text(personal), string(s.Attribution.ClearJSON(nil))} {
			if o != "" && !json.Valid([]byte(o)) {
				t.Errorf("not JSON: %s", o)
			}
		}
	})
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want && !(got == "" && blank(want)) {
		t.Errorf("%s: %q, encoding/json %q", what, got, want)
	}
}

// A lead of 400 bytes, as the load of FACTS.md.
const usual = `{"source":"web-form","project":"harbour-view","person":{"name":"Ada Example","phone":"+12025550143","email":"ada.example@example.com"},` +
	`"message":"I'm interested in a two-bedroom flat, please call after six.","attribution":{"utm_source":"search","utm_medium":"cpc","utm_campaign":"spring","gclid":"Cj0KCQjwExample"},` +
	`"consent":{"text":"Yes, call me","version":"2026-01"},"custom":{"budget":"250000","rooms":"2"}}`

func BenchmarkDecodeJSON(b *testing.B) {
	body := []byte(usual)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeJSON(body); err != nil {
			b.Fatal(err)
		}
	}
}

// The measure: encoding/json into plain strings, which refuses much less.
func BenchmarkEncodingJSON(b *testing.B) {
	body := []byte(usual)
	type plain struct {
		Source, Project, Message string
		Person                   struct{ Name, Phone, Email string }
		Attribution, Consent     map[string]any
		Custom                   map[string]any
		Test                     bool
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var v plain
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}
