package web

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"

	"catchment/internal/account"
	"catchment/internal/caller"
)

// Fragment is a part of the OpenAPI document written by hand, for routes that
// do not go through huma: capture and the event stream. It has the document's
// own form: {"paths": …, "components": {"schemas": …}}.
type Fragment map[string]any

// Describe adds a hand-written part to the document.
func (a *API) Describe(f Fragment) { a.more = append(a.more, f) }

// Handle puts a plain handler on the mux; its Op is checked for a permission
// and enforced by the handler itself through Admit.
func (a *API) Handle(op Op, h func(w http.ResponseWriter, r *http.Request, v *Visit)) {
	if op.Permission == "" {
		panic("web: " + op.Name + " declares no permission")
	}
	a.ops = append(a.ops, op)
	a.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(caller.With(r.Context(), caller.Of(r)))
		v, err := a.visit(r.Context(), op, r.Header.Get)
		if err != nil {
			WriteProblem(w, r, a.problem(v, op, err))
			return
		}
		h(w, r, v)
	})
}

// Fail answers a plain handler's request with the error.
func (a *API) Fail(w http.ResponseWriter, r *http.Request, v *Visit, op Op, err error) {
	WriteProblem(w, r, a.problem(v, op, err))
}

// Ops lists every route that was registered, with its permission.
func (a *API) Ops() []Op { return slices.Clone(a.ops) }

// Answer ends a plain handler's request as the routes of the other kind end: with
// the body as JSON and the route's status, or as Fail does.
func (a *API) Answer(w http.ResponseWriter, r *http.Request, v *Visit, op Op, body any, err error) {
	if err != nil {
		a.Fail(w, r, v, op, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(op.status())
	_ = json.NewEncoder(w).Encode(body) // the caller has gone
}

// Mux is where the routes are.
func (a *API) Mux() *http.ServeMux { return a.mux }

// Document is the OpenAPI 3.1 document, as JSON.
func (a *API) Document() ([]byte, error) {
	text, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("web: OpenAPI document: %w", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	for _, f := range a.more {
		part, err := json.Marshal(f) // a fragment may hold any types
		if err != nil {
			return nil, err
		}
		var m map[string]any
		if err := json.Unmarshal(part, &m); err != nil {
			return nil, err
		}
		merge(doc, m)
	}
	describeRefusals(doc)
	allowNull(doc)
	return json.MarshalIndent(doc, "", " ")
}

func merge(into, from map[string]any) {
	for k, v := range from {
		have, ok := into[k].(map[string]any)
		sub, ok2 := v.(map[string]any)
		if ok && ok2 {
			merge(have, sub)
			continue
		}
		into[k] = v
	}
}

// ServeDocument puts /openapi.json, /docs and /rights on the mux. Call it after every
// route was registered.
func (a *API) ServeDocument() error {
	doc, err := a.Document()
	if err != nil {
		return err
	}
	page, err := docsPage(doc)
	if err != nil {
		return err
	}
	a.mux.HandleFunc("GET /openapi.json", a.yielding(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(doc)
	}))
	table, err := rightsPage(doc)
	if err != nil {
		return err
	}
	for path, page := range map[string][]byte{"/docs": page, "/rights": table} {
		a.mux.HandleFunc("GET "+path, a.yielding(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			_, _ = w.Write(page)
		}))
	}
	a.mux.HandleFunc("GET /docs.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(docsCSS)
	})
	return nil
}

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS []byte

type docsRoute struct {
	Method, Path, ID, Summary, Detail, Permission string
	Params                                        []docsParam
	Request, Response                             string // JSON text
	Statuses                                      []string
}

type docsParam struct{ Name, In, Type, Detail string }

type docsGroup struct {
	Name   string
	Routes []docsRoute
}

// docsPage renders the document for people: one page, no script, nothing from
// elsewhere.
func docsPage(doc []byte) ([]byte, error) {
	var d struct {
		Info       struct{ Title, Version, Description string }
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	groups := map[string]*docsGroup{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			r := docsRouteOf(strings.ToUpper(method), path, op, d.Components.Schemas)
			name := "other"
			if tags, _ := op["tags"].([]any); len(tags) > 0 {
				name, _ = tags[0].(string)
			}
			if groups[name] == nil {
				groups[name] = &docsGroup{Name: name}
			}
			groups[name].Routes = append(groups[name].Routes, r)
		}
	}
	var list []*docsGroup
	for _, g := range groups {
		sort.Slice(g.Routes, func(i, j int) bool {
			return g.Routes[i].Path+g.Routes[i].Method < g.Routes[j].Path+g.Routes[j].Method
		})
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	t, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{"Info": d.Info, "Groups": list, "Roles": account.AccountRoles()})
	return out.Bytes(), err
}

func docsRouteOf(method, path string, op map[string]any, schemas map[string]map[string]any) docsRoute {
	r := docsRoute{Method: method, Path: path}
	r.ID, _ = op["operationId"].(string)
	r.Summary, _ = op["summary"].(string)
	r.Detail, _ = op["description"].(string)
	r.Permission, _ = op["x-permission"].(string)
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		m, _ := p.(map[string]any)
		var dp docsParam
		dp.Name, _ = m["name"].(string)
		dp.In, _ = m["in"].(string)
		dp.Detail, _ = m["description"].(string)
		if s, ok := m["schema"].(map[string]any); ok {
			dp.Type = typeWord(s)
			if dp.Detail == "" {
				dp.Detail, _ = s["description"].(string)
			}
		}
		r.Params = append(r.Params, dp)
	}
	r.Request = contentExample(op["requestBody"], schemas)
	responses, _ := op["responses"].(map[string]any)
	for status, resp := range responses {
		if status != "default" {
			r.Statuses = append(r.Statuses, status)
		}
		if strings.HasPrefix(status, "2") {
			r.Response = contentExample(resp, schemas)
		}
	}
	sort.Strings(r.Statuses)
	return r
}

func typeWord(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		return fmt.Sprint(t[0])
	}
	return ""
}

// contentExample shows a body: its example when the document has one, else
// its fields with their types.
func contentExample(v any, schemas map[string]map[string]any) string {
	m, _ := v.(map[string]any)
	content, _ := m["content"].(map[string]any)
	for _, name := range []string{"application/json", "application/x-www-form-urlencoded", "text/event-stream"} {
		c, ok := content[name].(map[string]any)
		if !ok {
			continue
		}
		if ex, ok := c["example"]; ok {
			if s, ok := ex.(string); ok {
				return s
			}
			return indent(ex)
		}
		schema, _ := c["schema"].(map[string]any)
		return indent(shape(schema, schemas, 0))
	}
	return ""
}

func indent(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ")
	return string(b)
}

func shape(s map[string]any, schemas map[string]map[string]any, depth int) any {
	if ref, ok := s["$ref"].(string); ok {
		return shape(schemas[ref[strings.LastIndex(ref, "/")+1:]], schemas, depth)
	}
	if depth > 6 {
		return "…"
	}
	if ex, ok := s["examples"].([]any); ok && len(ex) > 0 {
		return ex[0]
	}
	switch typeWord(s) {
	case "object":
		out := map[string]any{}
		props, _ := s["properties"].(map[string]any)
		for k, p := range props {
			if m, ok := p.(map[string]any); ok {
				out[k] = shape(m, schemas, depth+1)
			}
		}
		return out
	case "array":
		items, _ := s["items"].(map[string]any)
		return []any{shape(items, schemas, depth+1)}
	case "":
		return "any"
	}
	word := typeWord(s)
	if f, ok := s["format"].(string); ok {
		word = f
	}
	if e, ok := s["enum"].([]any); ok {
		var words []string
		for _, x := range e {
			words = append(words, fmt.Sprint(x))
		}
		word = strings.Join(words, " | ")
	}
	return word
}
