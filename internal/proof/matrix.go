package proof

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"catchment/internal/upload/specimen"
)

// The matrix says, for every place in which the API takes an id, of which kind
// it is. A place that it does not know is a fault: whoever adds a route or a
// field has to say here what it takes, and it is tried from then on.

// pathKinds is the kind of a path's parameter, by the part before it.
var pathKinds = map[string]string{
	"leads": "lead", "enquiries": "enquiry", "offers": "offer", "persons": "person", "merges": "merge",
	"projects": "project", "sources": "source", "stages": "stage", "users": "user", "keys": "key", "record": "entry",
	"dead-letters": "dead", "members": "user", "policies": "policy", "backtests": "backtest", "f": "source",
	"accounts": "account", "passkeys": "passkey", "roles": "role", "views": "view", "webhooks": "webhook", "files": "file", "images": "image",
	"ended":  "ending", // an account with its proof; without one nothing is told
	"visits": "visit", "bookings": "booking", "quarantine": "enquiry", "imports": "import", "exports": "export", "archives": "archive", "sessions": "session", "devices": "device", "alarms": "alarm", "attempts": "attempt", "subject-requests": "request", "grants": "grant", "holidays": "holiday", "approvals": "approval", "reports": "report",
}

// nameKinds is the kind of a query parameter or a body's field, by its name, or
// of a query parameter of one route. "" is no id.
var nameKinds = map[string]string{
	"project": "project", "project_id": "project", "source": "source", "source_id": "source", "sources": "source", "stage": "stage",
	"owner": "user", "user": "user", "user_id": "user", "to": "user", "other": "person", "person": "person", "about": "lead", "actor": "user",
	"account": "account", "account_id": "account", "enquiry": "enquiry", "person_id": "person", "lead": "lead", "lead_id": "lead", "offer_id": "offer", "device_id": "device", "role": "role", "grant": "grant",
	"list-changes about": "project",
}

// notIDs are names that carry no id wherever they stand, or not in this route.
var notIDs = map[string]string{
	"report-leads to":   "the end of a span of time",
	"report-leads from": "a position in time",
	"report-figures to": "the end of a span of time", "report-figures from": "a position in time",
	"capture-lead person": "the enquirer", "capture-batch person": "the enquirer",
	"put-sso client_id":          "who the account is at its provider",
	"put-account-limits account": "requests a second",
	"replay-webhook message_id":  "the position of an event, behind the account's own id",
}

// inPages are routes whose id is public: it stands in the pages of the company,
// for every visitor to see. They take enquiries and show nothing.
var inPages = []string{"capture-form", "form-thanks"}

var prefixes = map[string]string{
	"account": "acct", "ending": "acct", "lead": "lead", "enquiry": "enq", "offer": "offr", "person": "prsn", "merge": "mrg", "project": "proj",
	"source": "src", "stage": "stg", "user": "user", "key": "key", "dead": "dead", "note": "note", "pool": "pool", "policy": "plcy", "round": "rnd", "attempt": "attm", "entry": "rec",
	"visit": "visit", "booking": "book", "import": "imp", "export": "exp", "archive": "exp", "session": "sess", "backtest": "btst", "alarm": "alrm", "passkey": "passkey", "device": "dev", "request": "dsr", "role": "role", "grant": "grant", "holiday": "hol", "approval": "appr", "report": "rpt", "view": "view", "webhook": "whk", "file": "file", "image": "img",
}

// route is one operation of the OpenAPI document.
type route struct {
	method, path, name, permission string
	public                         bool
	second                         bool // the second factor was shown lately
	opens                          bool // personal data, for a purpose
	params                         []param
	body                           map[string]any // schema, nil without
	form                           bool
	required                       bool // the body is
}

type param struct {
	in, name string
	required bool
	sample   any
}

func (r route) String() string { return r.method + " " + r.path }

// place is somewhere in a request where an id goes.
type place struct {
	in, name, kind string // in: path, query, body
	at             []string
}

func (p place) String() string { return p.in + " " + strings.Join(p.at, ".") }

// document is as much of OpenAPI as the matrix needs.
type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
}

// readRoutes lists the document's routes. faults names what the matrix does
// not cover.
func readRoutes(text []byte) (routes []route, doc *document, faults []string, err error) {
	doc = &document{}
	if err := json.Unmarshal(text, doc); err != nil {
		return nil, nil, nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete", "head", "options"}, method) {
				continue
			}
			r, err := doc.route(method, path)
			if err != nil {
				return nil, nil, nil, err
			}
			faults = append(faults, r.uncovered(doc)...)
			routes = append(routes, r)
		}
	}
	return routes, doc, faults, nil
}

func (d *document) route(method, path string) (route, error) {
	var op struct {
		ID          string           `json:"operationId"`
		Permission  string           `json:"x-permission"`
		StepUp      bool             `json:"x-step-up"`
		Security    []map[string]any `json:"security"`
		Parameters  []map[string]any `json:"parameters"`
		RequestBody *struct {
			Required bool                                       `json:"required"`
			Content  map[string]struct{ Schema map[string]any } `json:"content"`
		} `json:"requestBody"`
	}
	if err := json.Unmarshal(d.Paths[path][method], &op); err != nil {
		return route{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r := route{method: strings.ToUpper(method), path: path, name: op.ID, permission: op.Permission, public: op.Permission == "public", second: op.StepUp}
	for _, p := range op.Parameters {
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		required, _ := p["required"].(bool)
		schema, _ := p["schema"].(map[string]any)
		r.opens = r.opens || name == "Catchment-Purpose"
		if in != "path" && in != "query" {
			continue
		}
		r.params = append(r.params, param{in: in, name: name, required: required, sample: d.sample(name, schema, 0)})
	}
	if op.RequestBody != nil {
		r.required = op.RequestBody.Required
		if c, ok := op.RequestBody.Content["application/json"]; ok {
			r.body = d.resolve(c.Schema)
		} else {
			r.form = true
		}
	}
	return r, nil
}

// uncovered names the places of which the matrix does not know what they take.
func (r route) uncovered(d *document) (faults []string) {
	if r.permission == "" {
		faults = append(faults, r.String()+" declares no x-permission")
	}
	declared := map[string]bool{}
	for _, p := range r.params {
		if p.in == "path" {
			declared[p.name] = true
		}
		if p.in == "path" && r.pathKind(p.name) == "" {
			faults = append(faults, r.String()+": of what kind is {"+p.name+"}?")
		}
		if p.in == "query" && looksLikeID(p.name, p.sample) && nameKinds[p.name] == "" && notIDs[r.name+" "+p.name] == "" {
			faults = append(faults, r.String()+": of what kind is the query's "+p.name+"?")
		}
	}
	for _, part := range strings.Split(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && !declared[strings.TrimSuffix(name, "}")] {
			faults = append(faults, r.String()+": "+part+" is not described")
		}
	}
	d.fields(r.body, nil, 0, func(at []string, schema map[string]any) {
		name := at[len(at)-1]
		if looksLikeID(name, d.sample(name, schema, 0)) && nameKinds[name] == "" && notIDs[r.name+" "+name] == "" {
			faults = append(faults, r.String()+": of what kind is the body's "+strings.Join(at, ".")+"?")
		}
	})
	return faults
}

// looksLikeID reports whether a field of the document takes an id, by its name
// or by its example.
func looksLikeID(name string, sample any) bool {
	if strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids") {
		return true
	}
	if list, ok := sample.([]any); ok && len(list) > 0 {
		sample = list[0]
	}
	text, _ := sample.(string)
	for _, p := range prefixes {
		if strings.HasPrefix(text, p+"_") && len(text) > len(p)+10 {
			return true
		}
	}
	return false
}

// pathKind is the kind of the parameter in the path.
func (r route) pathKind(name string) string {
	parts := strings.Split(r.path, "/")
	for i, p := range parts {
		if p == "{"+name+"}" && i > 0 {
			return pathKinds[parts[i-1]]
		}
	}
	return ""
}

// places lists where the route takes ids.
func (r route) places(d *document) []place {
	var out []place
	for _, p := range r.params {
		kind := cmp.Or(nameKinds[r.name+" "+p.name], nameKinds[p.name])
		if p.in == "path" {
			kind = r.pathKind(p.name)
		} else if notIDs[r.name+" "+p.name] != "" {
			continue
		}
		if kind != "" {
			out = append(out, place{p.in, p.name, kind, []string{p.name}})
		}
	}
	d.fields(r.body, nil, 0, func(at []string, schema map[string]any) {
		name := at[len(at)-1]
		if kind := nameKinds[name]; kind != "" && notIDs[r.name+" "+name] == "" && schemaType(schema) != "object" {
			out = append(out, place{"body", name, kind, slices.Clone(at)})
		}
	})
	return out
}

// fields visits every property of a body, those of nested objects too.
func (d *document) fields(schema map[string]any, at []string, depth int, f func(at []string, schema map[string]any)) {
	if depth > 4 {
		return
	}
	schema = d.resolve(schema)
	if items, ok := schema["items"].(map[string]any); ok && schemaType(schema) == "array" {
		d.fields(items, append(slices.Clone(at), "0"), depth+1, f)
		return
	}
	props, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p, _ := props[name].(map[string]any)
		p = d.resolve(p)
		here := append(slices.Clone(at), name)
		f(here, p)
		if schemaType(p) == "object" {
			d.fields(p, here, depth+1, f)
		}
	}
}

func (d *document) resolve(schema map[string]any) map[string]any {
	for range 5 {
		ref, ok := schema["$ref"].(string)
		if !ok {
			break
		}
		schema = d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := schema[key].([]any); ok && len(list) > 0 && schema["properties"] == nil {
			if one, ok := list[0].(map[string]any); ok {
				return d.resolve(one)
			}
		}
	}
	return schema
}

// schemaType is the type that is not null.
func schemaType(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		for _, x := range t {
			if s, _ := x.(string); s != "null" {
				return s
			}
		}
	}
	if schema["properties"] != nil {
		return "object"
	}
	return ""
}

// sample is a value that the schema allows: its example, else the plainest.
func (d *document) sample(name string, schema map[string]any, depth int) any {
	schema = d.resolve(schema)
	if schema == nil || depth > 5 {
		return nil
	}
	if list, ok := schema["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	if list, ok := schema["examples"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	if v, ok := schema["example"]; ok {
		return v
	}
	switch schemaType(schema) {
	case "object":
		return d.sampleObject(schema, depth)
	case "array":
		items, _ := schema["items"].(map[string]any)
		if v := d.sample(name, items, depth+1); v != nil {
			return []any{v}
		}
		return []any{}
	case "boolean":
		return false
	case "integer", "number":
		if v, ok := schema["default"]; ok {
			return v
		}
		if v, ok := schema["minimum"]; ok {
			return v
		}
		return 1
	}
	if schema["format"] == "date-time" {
		return "2026-03-02T09:30:00Z"
	}
	if most, ok := schema["minLength"].(float64); ok && most > 6 {
		return strings.Repeat("x", int(most))
	}
	return "sample"
}

// sampleObject has what the schema requires and every field that takes an id.
func (d *document) sampleObject(schema map[string]any, depth int) map[string]any {
	out := map[string]any{}
	props, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for name, p := range props {
		ps, _ := p.(map[string]any)
		if slices.Contains(required, any(name)) {
			out[name] = d.sample(name, ps, depth+1)
		}
	}
	return out
}

// request is one that is ready to be sent.
type request struct {
	method, path string
	body         []byte
	contentType  string
}

// request fills the route in: own ids everywhere, and for one place the given
// id. bodies may have a better body than the document's example.
func (r route) request(d *document, own map[string]string, at *place, id string) request {
	path, query := r.path, url.Values{}
	for _, p := range r.params {
		here := at != nil && at.in == p.in && at.name == p.name
		switch {
		case p.in == "path":
			v := own[r.pathKind(p.name)]
			if v == "" {
				v = neverWas(r.pathKind(p.name)) // there is none
			}
			if here {
				v = id
			}
			path = strings.ReplaceAll(path, "{"+p.name+"}", url.PathEscape(v))
		case here:
			query.Set(p.name, id)
		case p.required:
			query.Set(p.name, fmt.Sprint(p.sample))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req := request{method: r.method, path: path}
	switch {
	case r.form:
		req.contentType, req.body = "application/x-www-form-urlencoded", []byte("email=visitor%40example.com&_test=1")
		if strings.HasSuffix(r.path, "/files") {
			req.contentType, req.body = "application/octet-stream", []byte("A file of a lead.")
		}
		if r.path == "/v1/images" {
			req.contentType, req.body = "application/octet-stream", specimen.PNG(8, 8)
		}
		if r.method == "PUT" { // the file of an import
			req.contentType, req.body = "text/csv", []byte("email\nvisitor@example.com\n")
		}
	case r.body != nil:
		req.contentType = "application/json"
		req.body = r.filled(d, own, at, id)
	}
	return req
}

// better are bodies where the document's example would be refused before the
// ids in it are looked at.
var better = map[string]string{
	"set-stage":           `{"category":"follow-up"}`,
	"set-next-action":     `{"at":"2030-01-02T09:30:00Z","what":"call"}`,
	"create-key":          `{"kind":"secret","name":"Matrix","role":"auditor"}`,
	"add-attempt":         `{"channel":"call","disposition":"no-answer"}`,
	"capture-lead":        `{"source":"SOURCE","person":{"email":"visitor@example.com"},"test":true}`,
	"capture-batch":       `[{"source":"SOURCE","person":{"email":"visitor@example.com"},"test":true}]`,
	"plan-visit":          `{"at":"2028-01-02T09:30:00Z"}`,
	"change-visit":        `{"at":"2028-01-02T10:30:00Z"}`,
	"add-booking":         `{"value_minor":1,"currency":"GBP"}`,
	"handover-lead":       `{}`,
	"put-shifts":          `{"shifts":[]}`,
	"put-source-watch":    `{"mode":"learned","minutes":60,"patience":100,"quiet":[]}`,
	"create-policy":       `{"project_id":"x","name":"Matrix","policy":{"rules":[{"name":"Everyone","method":"round_robin"}]}}`,
	"put-member-tags":     `{"tags":["matrix"]}`,
	"create-webhook":      `{"url":"https://localhost/matrix"}`,
	"put-webhook":         `{"url":"https://localhost/matrix"}`,
	"replay-webhook":      `{"since":"2028-01-02T00:00:00Z"}`,
	"create-holiday":      `{"name":"Matrix","from":"2028-01-02"}`,
	"create-user-holiday": `{"name":"Matrix","from":"2028-01-02"}`,
}

func (r route) filled(d *document, own map[string]string, at *place, id string) []byte {
	var body any
	if text, ok := better[r.name]; ok {
		_ = json.Unmarshal([]byte(strings.ReplaceAll(text, "SOURCE", own["source"])), &body)
	} else {
		body = d.sample("", r.body, 0)
	}
	if at == nil || at.in != "body" {
		at = nil
	}
	for _, p := range r.places(d) {
		if p.in != "body" {
			continue
		}
		switch {
		case at != nil && slices.Equal(p.at, at.at):
			put(body, p.at, id)
		case has(body, p.at):
			put(body, p.at, own[p.kind])
		}
	}
	text, _ := json.Marshal(body)
	return text
}

// has reports whether the body has the field already.
func has(body any, at []string) bool {
	for _, name := range at {
		switch b := body.(type) {
		case map[string]any:
			v, ok := b[name]
			if !ok {
				return false
			}
			body = v
		case []any:
			if len(b) == 0 {
				return false
			}
			body = b[0]
		default:
			return false
		}
	}
	return true
}

// put sets the field, making objects on the way. A field that held a list
// gets a list.
func put(body any, at []string, id string) {
	for i, name := range at {
		if list, ok := body.([]any); ok {
			if len(list) == 0 {
				return
			}
			body = list[0]
			continue
		}
		m, ok := body.(map[string]any)
		if !ok {
			return
		}
		if i == len(at)-1 {
			if name == "sources" {
				m[name] = []any{id}
			} else {
				m[name] = id
			}
			return
		}
		if m[name] == nil {
			m[name] = map[string]any{}
		}
		body = m[name]
	}
}
