package webtest

import (
	"strings"
	"testing"
)

const sound = `{"openapi":"3.1.0","paths":{"/x/{id}":{"get":{"operationId":"x","summary":"X","x-permission":"p","tags":["t"],"security":[{"key":[]}],
"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string"}}],
"responses":{"200":{"description":"OK"},"default":{"$ref":"#/components/responses/Problem"}}}}},
"components":{"securitySchemes":{"key":{}},"schemas":{"Problem":{"type":"object"}},
"responses":{"Problem":{"description":"No.","content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}}}}`

func TestFaultsAreSeen(t *testing.T) {
	if f := Faults([]byte(sound)); len(f) != 0 {
		t.Error(f)
	}
	for _, c := range []struct{ from, to, fault string }{
		{`{"openapi"`, `["openapi"`, "invalid"},
		{"3.1.0", "3.0.3", "openapi is"},
		{`"$ref":"#/components/responses/Problem"`, `"$ref":"#/components/responses/Gone"`, "leads nowhere"},
		{`"securitySchemes"`, `"examples":{"a":{}},"securitySchemes"`, "nobody refers"},
		{`{"key":{}}`, `{}`, "no security scheme"},
		{`"summary":"X",`, ``, "has no summary"},
		{`"name":"id"`, `"name":"ids"`, "not declared"},
		{`"required":true,`, ``, "not one of the path"},
		{`"description":"OK"`, `"x":"y"`, "no description"},
		{`"200":{"description":"OK"},`, ``, "never succeeds"},
		{`application/problem+json`, `application/json`, "no Problem"},
	} {
		if f := strings.Join(Faults([]byte(strings.Replace(sound, c.from, c.to, 1))), "\n"); !strings.Contains(f, c.fault) {
			t.Errorf("%s: %q does not say %q", c.from, f, c.fault)
		}
	}
}
