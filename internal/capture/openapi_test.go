package capture_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/capture"
)

type object = map[string]any

func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, p := range path {
		m, ok := v.(object)
		if !ok || m[p] == nil {
			t.Fatalf("the document has no %s", strings.Join(path, " / "))
		}
		v = m[p]
	}
	return v
}

// The document and the door have the same routes.
func TestDocumentHasEveryRoute(t *testing.T) {
	h := newHouse(t)
	mux := http.NewServeMux()
	h.door.Register(mux)
	methods := []string{"get", "post", "put", "patch", "delete"}
	for path, ops := range at(t, capture.OpenAPI(), "paths").(object) {
		where := strings.Replace(path, "{source}", h.own.Sources[0].ID.String(), 1)
		for _, m := range methods {
			r, _ := http.NewRequest(strings.ToUpper(m), "http://x"+where, nil)
			_, pattern := mux.Handler(r)
			served := strings.HasPrefix(pattern, strings.ToUpper(m)+" ")
			if _, described := ops.(object)[m]; described != served {
				t.Errorf("%s %s: described %v, served %v", m, path, described, served)
			}
			if served && !strings.HasSuffix(pattern, path) {
				t.Errorf("%s is served as %s", path, pattern)
			}
		}
	}
}

func TestDocumentDeclaresPermissions(t *testing.T) {
	for path, ops := range at(t, capture.OpenAPI(), "paths").(object) {
		for m, op := range ops.(object) {
			p, _ := at(t, op, "x-permission").(string)
			if p != string(account.Capture) && p != string(account.Public) {
				t.Errorf("%s %s: permission %q", m, path, p)
			}
		}
	}
}

// The examples are sent as they stand, and the answers have the form that is
// described.
func TestDocumentExamples(t *testing.T) {
	h := newHouse(t)
	doc := capture.OpenAPI()
	for _, path := range []string{"/v1/leads", "/v1/leads:batch"} {
		op := at(t, doc, "paths", path, "post")
		body, _ := json.Marshal(at(t, op, "requestBody", "content", "application/json", "example"))
		a := h.send(t, request{path: path, body: string(body)})
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: got %d %s", path, a.StatusCode, a.text)
		}
		checkShape(t, doc, path, at(t, op, "responses", "202", "content", "application/json", "schema"), decoded(t, a.text))
		checkShape(t, doc, path+" example", at(t, op, "responses", "202", "content", "application/json", "schema"),
			at(t, op, "responses", "202", "content", "application/json", "example"))
		checkShape(t, doc, path+" request", at(t, op, "requestBody", "content", "application/json", "schema"), decoded(t, body))
	}
	form, _ := at(t, doc, "paths", "/f/{source}", "post", "requestBody", "content", "application/x-www-form-urlencoded", "example").(string)
	if a := h.send(t, request{path: h.form("site"), body: form}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("form: got %d %s", a.StatusCode, a.text)
	}
	bad := h.send(t, post(`{"source":"site","person":{}}`))
	checkShape(t, doc, "problem", object{"$ref": "#/components/schemas/CaptureProblem"}, decoded(t, bad.text))
	keys := h.send(t, request{method: "GET", path: "/.well-known/catchment-receipt-keys.json"})
	checkShape(t, doc, "keys", object{"$ref": "#/components/schemas/ReceiptKeys"}, decoded(t, keys.text))
}

func decoded(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// checkShape checks the few words of JSON Schema that the document uses.
func checkShape(t *testing.T, doc object, where string, schema, v any) {
	t.Helper()
	s := schema.(object)
	if ref, ok := s["$ref"].(string); ok {
		checkShape(t, doc, where, at(t, doc, "components", "schemas", ref[strings.LastIndex(ref, "/")+1:]), v)
		return
	}
	types := []any{s["type"]}
	if list, ok := s["type"].([]any); ok {
		types = list
	}
	if !slices.ContainsFunc(types, func(x any) bool { return isType(x, v) }) {
		t.Errorf("%s: %v is not of type %v", where, v, s["type"])
		return
	}
	switch v := v.(type) {
	case object:
		checkObject(t, doc, where, s, v)
	case []any:
		for _, x := range v {
			if items := s["items"]; items != nil {
				checkShape(t, doc, where+"[]", items, x)
			}
		}
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			t.Errorf("%s: %q does not match %s", where, v, p)
		}
	}
}

func checkObject(t *testing.T, doc object, where string, s, v object) {
	t.Helper()
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			t.Errorf("%s: %s is missing", where, name)
		}
	}
	properties, _ := s["properties"].(object)
	for name, x := range v {
		if p := properties[name]; p != nil {
			checkShape(t, doc, where+"."+name, p, x)
		} else if s["additionalProperties"] == false {
			t.Errorf("%s: %s is not described", where, name)
		}
	}
}

func isType(name, v any) bool {
	switch v := v.(type) {
	case object:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	}
	return false
}
