package webtest

import (
	"regexp"
	"slices"
	"testing"
)

// Fits checks a value against a schema of the document, in the few words of
// JSON Schema that our documents use.
func Fits(t testing.TB, doc map[string]any, where string, schema, v any) {
	t.Helper()
	s, _ := schema.(object)
	if ref, ok := s["$ref"].(string); ok {
		Fits(t, doc, where, find(doc, ref), v)
		return
	}
	if types := typesOf(s); len(types) > 0 && !slices.ContainsFunc(types, func(x any) bool { return isType(x, v) }) {
		t.Errorf("%s: %v is not of type %v", where, v, s["type"])
		return
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		t.Errorf("%s: %v is not one of %v", where, v, enum)
	}
	switch v := v.(type) {
	case object:
		fitsObject(t, doc, where, s, v)
	case []any:
		for _, x := range v {
			if items := s["items"]; items != nil {
				Fits(t, doc, where+"[]", items, x)
			}
		}
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			t.Errorf("%s: %q does not match %s", where, v, p)
		}
	}
}

func typesOf(s object) []any {
	switch x := s["type"].(type) {
	case []any:
		return x
	case string:
		return []any{x}
	}
	return nil
}

func fitsObject(t testing.TB, doc object, where string, s, v object) {
	t.Helper()
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			t.Errorf("%s: %s is missing", where, name)
		}
	}
	properties := child(s, "properties")
	for name, x := range v {
		if p := properties[name]; p != nil {
			Fits(t, doc, where+"."+name, p, x)
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
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	}
	return false
}
