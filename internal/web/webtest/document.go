// Package webtest is for tests only: it checks an OpenAPI document and what is
// sent and answered against it.
package webtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

type object = map[string]any

// Faults lists where the text is not a sound OpenAPI 3.1 document: references
// that lead nowhere, components that nobody refers to, path parameters that
// are not declared, operations without what their reader needs.
// https://spec.openapis.org/oas/v3.1.0
func Faults(text []byte) (out []string) {
	var doc object
	if err := json.Unmarshal(text, &doc); err != nil {
		return []string{err.Error()}
	}
	c := &checker{doc: doc, used: map[string]bool{}, ids: map[string]bool{}}
	if v, _ := doc["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		c.fault("openapi is %q", v)
	}
	c.refs(doc)
	for path, item := range child(doc, "paths") {
		for method, op := range item.(object) {
			c.operation(path, method, op.(object))
		}
	}
	for kind, all := range child(doc, "components") {
		for name := range all.(object) {
			if ref := "#/components/" + kind + "/" + name; !c.used[ref] {
				c.fault("nobody refers to %s", ref)
			}
		}
	}
	slices.Sort(c.faults)
	return c.faults
}

func child(o object, name string) object {
	m, _ := o[name].(object)
	return m
}

type checker struct {
	doc    object
	used   map[string]bool
	ids    map[string]bool
	faults []string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// refs follows every reference.
func (c *checker) refs(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			c.refs(x)
		}
	case object:
		if ref, ok := v["$ref"].(string); ok {
			c.used[ref] = true
			if find(c.doc, ref) == nil {
				c.fault("%s leads nowhere", ref)
			}
		}
		for _, x := range v {
			c.refs(x)
		}
	}
}

// find is what the reference within the document leads to.
func find(doc object, ref string) object {
	var at any = doc
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		o, _ := at.(object)
		at = o[part]
	}
	o, _ := at.(object)
	return o
}

var inPath = regexp.MustCompile(`{([^}]+)}`)

func (c *checker) operation(path, method string, op object) {
	where := method + " " + path
	for _, name := range []string{"operationId", "summary", "x-permission"} {
		if s, _ := op[name].(string); s == "" {
			c.fault("%s has no %s", where, name)
		}
	}
	if tags, _ := op["tags"].([]any); len(tags) != 1 {
		c.fault("%s is not in one group", where)
	}
	id, _ := op["operationId"].(string)
	if c.ids[id] {
		c.fault("%s: %s stands twice", where, id)
	}
	c.ids[id] = true
	c.parameters(where, path, op)
	c.responses(where, op)
	schemes, _ := op["security"].([]any)
	for _, one := range schemes {
		for name := range one.(object) {
			c.used["#/components/securitySchemes/"+name] = true
			if find(c.doc, "#/components/securitySchemes/"+name) == nil {
				c.fault("%s: no security scheme %s", where, name)
			}
		}
	}
}

func (c *checker) parameters(where, path string, op object) {
	declared := map[string]bool{}
	list, _ := op["parameters"].([]any)
	for _, x := range list {
		p := x.(object)
		key := fmt.Sprint(p["in"], " ", p["name"])
		if declared[key] {
			c.fault("%s: parameter %s stands twice", where, key)
		}
		declared[key] = true
		if p["schema"] == nil && p["content"] == nil {
			c.fault("%s: parameter %s has no schema", where, key)
		}
		if p["in"] == "path" && (p["required"] != true || !strings.Contains(path, fmt.Sprintf("{%s}", p["name"]))) {
			c.fault("%s: parameter %s is not one of the path", where, key)
		}
	}
	for _, m := range inPath.FindAllStringSubmatch(path, -1) {
		if !declared["path "+m[1]] {
			c.fault("%s: %s is not declared", where, m[1])
		}
	}
}

func (c *checker) responses(where string, op object) {
	all := child(op, "responses")
	good := false
	for status, x := range all {
		r := x.(object)
		if ref, ok := r["$ref"].(string); ok {
			r = find(c.doc, ref)
		}
		if s, _ := r["description"].(string); s == "" {
			c.fault("%s: %s has no description", where, status)
		}
		good = good || status[0] == '2' || status[0] == '3'
		if status[0] == '4' || status[0] == '5' || status == "default" {
			c.problem(where, status, r)
		}
	}
	if !good {
		c.fault("%s never succeeds", where)
	}
}

func (c *checker) problem(where, status string, r object) {
	if s := child(child(child(r, "content"), "application/problem+json"), "schema"); s["$ref"] != "#/components/schemas/Problem" {
		c.fault("%s: %s is no Problem", where, status)
	}
}
