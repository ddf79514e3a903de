package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// proveTenants tries, over every route of the API's document, to reach another
// account's things.
func proveTenants(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		return t.tenants(ctx, i, string(e)+": ")
	})
}

func (t *trial) tenants(ctx context.Context, i *instance, label string) error {
	m := &matrix{a: i.world.Accounts[0], b: i.world.Accounts[1], base: i.api(""), statuses: map[int]int{}}
	r, err := m.base.do(ctx, "GET", "/openapi.json", nil, nil)
	if err != nil {
		return err
	}
	var faults []string
	if m.routes, m.doc, faults, err = readRoutes(r.body); err != nil {
		return err
	}
	t.check(label+"every route is covered", len(faults) == 0 && len(m.routes) > 20, "%d routes; not covered %s", len(m.routes), counted(faults))
	t.uncoveredControl(r.body, label)
	if err := m.collect(ctx, i); err != nil {
		return err
	}
	t.say("%s's things: %s", m.a.Name, m.kinds())
	if err := m.tryAll(ctx, i); err != nil {
		return err
	}
	t.check(label+"another's id answers like one that never was", len(m.differ) == 0 && m.pairs > 100, "%d pairs of requests; different %s", m.pairs, counted(m.differ))
	t.check(label+"nothing of the other account is in any answer", len(m.leaks) == 0, "%d answers; %s", m.answers, counted(m.leaks))
	t.check(label+"own things are reached, so the requests are good ones", len(m.unreached) == 0, "%d routes with own ids; refused as not there %s", m.reached, counted(m.unreached))
	t.check(label+"the id is looked for, not only refused", len(m.shallow) == 0, "as an admin every path ends in 404, or 403 where it is the platform's; others %s", counted(m.shallow))
	t.note("%sthe pairs' answers, by status: %v", label, m.statuses)
	for _, kind := range m.untried {
		t.note("%sthere is no %s here, so it is tried with an id that never was alone", label, kind)
	}
	return t.leakControl(ctx, m, label)
}

// matrix is the trying.
type matrix struct {
	a, b   company // a's things must stay out of b's reach
	base   *api
	routes []route
	doc    *document
	ofA    map[string]string // an id of each kind
	ofB    map[string]string
	marks  []string // what no answer to b may have in it

	pairs, answers, reached  int
	statuses                 map[int]int // of the pairs
	shallow                  []string    // places that an admin's request did not get to
	differ, leaks, unreached []string
	untried                  []string
}

func (m *matrix) kinds() string {
	var out []string
	for k := range m.ofA {
		out = append(out, k)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// collect makes leads in both accounts and finds an id of every kind.
func (m *matrix) collect(ctx context.Context, i *instance) error {
	var err error
	if m.ofA, err = m.things(ctx, i, m.a, 100); err != nil {
		return fmt.Errorf("%s: %w", m.a.Name, err)
	}
	if m.ofB, err = m.things(ctx, i, m.b, 200); err != nil {
		return fmt.Errorf("%s: %w", m.b.Name, err)
	}
	for _, kind := range pathKinds {
		if m.ofA[kind] == "" && !slices.Contains(m.untried, kind) {
			m.untried = append(m.untried, kind)
		}
	}
	for kind, id := range m.ofA {
		if kind != "slug" {
			m.marks = append(m.marks, id)
		}
	}
	m.marks = append(m.marks, m.a.Name, "canary-of-a")
	for _, u := range m.a.Users {
		m.marks = append(m.marks, u.Email, u.Name)
	}
	return nil
}

// tryAll goes through routes × credentials × places.
func (m *matrix) tryAll(ctx context.Context, i *instance) error {
	admin, err := m.session(ctx, i, m.b, "admin")
	if err != nil {
		return err
	}
	seller, err := m.session(ctx, i, m.b, "salesperson")
	if err != nil {
		return err
	}
	secret := m.base.as(m.b.SecretKey)
	secret.purpose = "proof"
	for _, r := range m.routes {
		if endsTheTrial(r) {
			continue
		}
		for _, who := range []caller{{"secret key", secret}, {"admin", admin}, {"salesperson", seller}, {"publishable key", m.base.as(m.b.PublishableKey)}} {
			if err := m.tryRoute(ctx, r, who); err != nil {
				return fmt.Errorf("%s as %s: %w", r, who.name, err)
			}
		}
	}
	return nil
}

type caller struct {
	name string
	api  *api
}

func (m *matrix) session(ctx context.Context, i *instance, c company, role string) (*api, error) {
	u := c.with(role)
	if len(u) == 0 {
		return nil, fmt.Errorf("%s has no %s", c.Name, role)
	}
	a, err := i.enter(ctx, u[0])
	if err == nil {
		a.purpose = "proof"
	}
	return a, err
}

// endsTheTrial reports whether the route would take the visitor's own
// credential away. It takes no other account's ids.
func endsTheTrial(r route) bool { return r.name == "sign-out" || r.name == "change-password" }

// tryRoute compares, for each place that takes an id, the answer for a's id
// with that for an id that never was; all other ids are b's own.
func (m *matrix) tryRoute(ctx context.Context, r route, who caller) error {
	for _, p := range r.places(m.doc) {
		foreign := m.ofA[p.kind]
		if foreign == "" {
			continue
		}
		other, err := m.send(ctx, who.api, r.request(m.doc, m.ofB, &p, foreign))
		if err != nil {
			return err
		}
		never, err := m.send(ctx, who.api, r.request(m.doc, m.ofB, &p, neverWas(p.kind)))
		if err != nil {
			return err
		}
		m.pairs++
		m.statuses[other.status]++
		want := http.StatusNotFound
		if strings.HasPrefix(r.permission, "platform:") {
			want = http.StatusForbidden // no admin's at all
		}
		if p.in == "path" && who.name == "admin" && other.status != want && !slices.Contains(inPages, r.name) {
			m.shallow = append(m.shallow, fmt.Sprintf("%s: %d %s", r, other.status, other.body))
		}
		if !slices.Contains(inPages, r.name) && !same(other, never, foreign, p.kind) {
			m.differ = append(m.differ, fmt.Sprintf("%s, %s, as %s: %d and %d", r, p, who.name, other.status, never.status))
		}
		m.scan(r, who, other, foreign)
	}
	return m.own(ctx, r, who)
}

// own calls the route with b's own ids: nothing of a may be in the answer, and
// for who may, the thing must be there, or all the refusals prove nothing.
func (m *matrix) own(ctx context.Context, r route, who caller) error {
	if r.method != http.MethodGet && who.name != "secret key" {
		return nil
	}
	if r.method == http.MethodDelete || r.name == "revoke-key" || r.name == "undo-merge" || r.name == "change-user" {
		return nil // it would change what the others are tried with
	}
	req := r.request(m.doc, m.ofB, nil, "")
	if r.method == http.MethodGet && slices.ContainsFunc(r.params, func(p param) bool { return p.name == "include" }) {
		sep := "?"
		if strings.Contains(req.path, "?") {
			sep = "&"
		}
		req.path += sep + "include=person"
	}
	got, err := m.send(ctx, who.api, req)
	if err != nil {
		return err
	}
	m.scan(r, who, got, "")
	if who.name == "secret key" && r.method == http.MethodGet {
		m.reached++
		there := !slices.ContainsFunc(r.places(m.doc), func(p place) bool { return p.in == "path" && slices.Contains(m.untried, p.kind) })
		if got.status == 404 && there && len(r.places(m.doc)) > 0 {
			m.unreached = append(m.unreached, r.String())
		}
	}
	return nil
}

// scan looks for what is a's in an answer to b. The id that was sent may be
// repeated in a refusal's path, and is not new to who sent it.
func (m *matrix) scan(r route, who caller, got answer, sent string) {
	m.answers++
	for _, mark := range m.marks {
		if mark != sent && bytes.Contains(got.body, []byte(mark)) {
			m.leaks = append(m.leaks, fmt.Sprintf("%s as %s shows %q", r, who.name, mark))
		}
	}
}

// neverWas is an id of the kind that nothing has: its random part is all ones.
func neverWas(kind string) string { return prefixes[kind] + "_01m7zzzzzzfzzvzzzzzzzzzzzz" }

// same reports whether two answers tell the two ids apart. What is the
// request's own, its name and the id that was sent, is left out.
func same(a, b answer, foreign, kind string) bool {
	return a.status == b.status && a.header.Get("Retry-After") == b.header.Get("Retry-After") &&
		a.header.Get("Content-Type") == b.header.Get("Content-Type") &&
		bytes.Equal(plain(a.body, foreign), plain(b.body, neverWas(kind)))
}

func plain(body []byte, id string) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return bytes.ReplaceAll(body, []byte(id), []byte("ID"))
	}
	text, _ := json.Marshal(strip(v))
	return bytes.ReplaceAll(text, []byte(id), []byte("ID"))
}

// strip takes out what differs between any two requests.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "request_id")
		for k := range v {
			v[k] = strip(v[k])
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// send makes one request. A stream is read for a moment.
func (m *matrix) send(ctx context.Context, a *api, r request) (answer, error) {
	h := http.Header{}
	if r.contentType != "" {
		h.Set("Content-Type", r.contentType)
	}
	if strings.HasPrefix(r.path, "/v1/events") {
		return a.glimpse(ctx, r.path)
	}
	return a.do(ctx, r.method, r.path, h, r.body)
}

// glimpse reads what a stream sends within half a second, from its beginning.
func (a *api) glimpse(ctx context.Context, path string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", a.base+path+"?from=0", nil)
	if err != nil {
		return answer{}, err
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body) // until the time is over
	return answer{resp.StatusCode, resp.Header, b.Bytes()}, nil
}

// uncoveredControl adds a route, a parameter and a field that the matrix does
// not know, each of which must be found.
func (t *trial) uncoveredControl(text []byte, label string) {
	added := map[string]string{
		"a route":          `{"paths":{"/v1/invoices/{id}":{"get":{"operationId":"get-invoice","x-permission":"leads:read","parameters":[{"name":"id","in":"path","schema":{"type":"string"}}]}}}}`,
		"a query's id":     `{"paths":{"/v1/tasks":{"get":{"operationId":"list-tasks","x-permission":"leads:read","parameters":[{"name":"invoice_id","in":"query","schema":{"type":"string"}}]}}}}`,
		"a body's id":      `{"paths":{"/v1/tasks":{"post":{"operationId":"add-task","x-permission":"leads:work","requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{"invoice_id":{"type":"string"}}}}}}}}}}`,
		"no permission":    `{"paths":{"/v1/tasks":{"get":{"operationId":"list-tasks"}}}}`,
		"a hidden segment": `{"paths":{"/v1/leads/{id}/secret":{"get":{"operationId":"x","x-permission":"leads:read"}}}}`,
	}
	missed := []string{}
	for name, more := range added {
		if _, _, faults, err := readRoutes(joined(text, more)); err != nil || len(faults) == 0 {
			missed = append(missed, name)
		}
	}
	t.check(label+"control: what the matrix does not cover fails it", len(missed) == 0, "%d additions; not noticed %s", len(added), counted(missed))
}

// joined adds the paths of one document to another.
func joined(text []byte, more string) []byte {
	var doc, add map[string]any
	if json.Unmarshal(text, &doc) != nil || json.Unmarshal([]byte(more), &add) != nil {
		return nil
	}
	paths, _ := doc["paths"].(map[string]any)
	for k, v := range add["paths"].(map[string]any) {
		paths[k] = v
	}
	out, _ := json.Marshal(doc)
	return out
}
