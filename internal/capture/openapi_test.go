package capture_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/capture"
	"catchment/internal/web"
	"catchment/internal/web/webtest"
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
	text, doc := document(t)
	for _, fault := range webtest.Faults(text) {
		t.Error(fault)
	}
	for _, path := range []string{"/v1/leads", "/v1/leads:batch"} {
		op := at(t, doc, "paths", path, "post")
		body, _ := json.Marshal(at(t, op, "requestBody", "content", "application/json", "example"))
		a := h.send(t, request{path: path, body: string(body)})
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: got %d %s", path, a.StatusCode, a.text)
		}
		webtest.Fits(t, doc, path, at(t, op, "responses", "202", "content", "application/json", "schema"), decoded(t, a.text))
		webtest.Fits(t, doc, path+" example", at(t, op, "responses", "202", "content", "application/json", "schema"),
			at(t, op, "responses", "202", "content", "application/json", "example"))
		webtest.Fits(t, doc, path+" request", at(t, op, "requestBody", "content", "application/json", "schema"), decoded(t, body))
	}
	form, _ := at(t, doc, "paths", "/f/{source}", "post", "requestBody", "content", "application/x-www-form-urlencoded", "example").(string)
	if a := h.send(t, request{path: h.form("site"), body: form}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("form: got %d %s", a.StatusCode, a.text)
	}
	bad := h.send(t, post(`{"source":"site","person":{}}`))
	webtest.Fits(t, doc, "problem", object{"$ref": "#/components/schemas/Problem"}, decoded(t, bad.text))
	keys := h.send(t, request{method: "GET", path: "/.well-known/catchment-receipt-keys.json"})
	webtest.Fits(t, doc, "keys", object{"$ref": "#/components/schemas/ReceiptKeys"}, decoded(t, keys.text))
}

// document is the door's part in the whole.
func document(t *testing.T) ([]byte, object) {
	t.Helper()
	api := web.New(web.Options{})
	api.Describe(capture.OpenAPI())
	text, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	return text, decoded(t, text).(object)
}

func decoded(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
