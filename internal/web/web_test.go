package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/web/webtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// doorman knows two tokens; directory's own tests cover the real one.
type doorman map[string]directory.Principal

func (d doorman) Authenticate(_ context.Context, token string) (directory.Principal, error) {
	p, ok := d[token]
	if !ok {
		return p, problem.Unauthenticated("This token is not valid.")
	}
	return p, nil
}

type thing struct {
	Name  string `json:"name" minLength:"1" maxLength:"10"`
	Count int    `json:"count,omitempty" maximum:"5"`
}

type made struct {
	ID   string `json:"id"`
	Runs int64  `json:"runs"`
}

type hall struct {
	*httptest.Server
	runs atomic.Int64
	log  *strings.Builder
}

func open(t *testing.T, db *store.DB) *hall {
	h := &hall{log: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	a, b := storetest.Account(), storetest.Account()
	user := account.NewUserID()
	auth := doorman{
		"admin":  {Scope: a, Actor: user.String(), User: user, Role: account.Admin, Rights: rights.Of(account.Admin)},
		"key":    {Scope: a, Actor: "key_x", Role: account.Admin, Rights: rights.Of(account.Admin)},
		"other":  {Scope: b, Actor: "user_other", User: account.NewUserID(), Role: account.Admin, Rights: rights.Of(account.Admin)},
		"seller": {Scope: a, Actor: "user_s", User: account.NewUserID(), Role: account.Salesperson, Rights: rights.Of(account.Salesperson)},
	}
	api := New(Options{DB: db, Auth: auth, Log: log, Version: "test"})
	type body struct {
		ID   string `path:"id"`
		Body thing
	}
	Do(api, Op{Method: "POST", Path: "/v1/things/{id}", Name: "make-thing", Tag: "t", Summary: "s", Permission: account.ManageSetup, Status: 201},
		func(v *Visit, tx *store.Tx, in *body) (*made, error) {
			n := h.runs.Add(1)
			switch in.Body.Name {
			case "lost":
				return nil, fmt.Errorf("secret detail of %s", "somebody")
			case "none":
				return nil, store.ErrNone
			case "away":
				return nil, fmt.Errorf("x: %w", store.ErrAway)
			case "panic":
				panic("secret")
			}
			return &made{in.ID, n}, nil
		})
	See(api, Op{Method: "GET", Path: "/v1/things", Name: "list-things", Tag: "t", Summary: "s", Permission: account.ReadSetup},
		func(v *Visit, tx *store.Tx, in *struct{ Page }) (*List[string], error) {
			at, err := in.Start()
			if err != nil {
				return nil, err
			}
			items := []string{"a", "b", "c"}
			if !at.At.IsZero() {
				items = nil
			}
			return NewList(in.Page, items, func(string) Place { return Place{At: v.At} }), nil
		})
	Meet(api, Op{Method: "GET", Path: "/v1/purpose", Name: "purpose", Tag: "t", Summary: "s", Permission: account.UseOwnSession},
		func(_ context.Context, v *Visit, _ *struct{}) (*made, error) {
			return &made{ID: string(v.Purpose)}, nil
		})
	if err := api.ServeDocument(); err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewServer(Wrap(api.Mux(), log))
	t.Cleanup(h.Close)
	return h
}

func (h *hall) ask(t *testing.T, method, path, token, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, _ := http.NewRequest(method, h.URL+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

func TestRefusals(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	for _, c := range []struct {
		name, token, body string
		header            []string
		status            int
		code, field       string
	}{
		{"no token", "", `{"name":"x"}`, nil, 401, "unauthenticated", ""},
		{"wrong token", "nobody", `{"name":"x"}`, nil, 401, "unauthenticated", ""},
		{"no right", "seller", `{"name":"x"}`, nil, 403, "forbidden", ""},
		{"not JSON", "admin", `{"name":`, nil, 400, "malformed_json", ""},
		{"no body", "admin", ``, nil, 400, "unreadable", ""},
		{"a key twice", "admin", `{"name":"x","name":"y"}`, nil, 400, "duplicate_key", ""},
		{"broken UTF-8", "admin", "{\"name\":\"\xff\"}", nil, 400, "malformed_json", ""},
		{"byte order mark", "admin", "\ufeff{\"name\":\"x\"}", nil, 400, "malformed_json", ""},
		{"unknown key", "admin", `{"name":"x","nmae":"y"}`, nil, 422, "unknown_field", "nmae"},
		{"missing key", "admin", `{}`, nil, 422, "required", "name"},
		{"a zero", "admin", `{"name":"x\u0000"}`, nil, 422, "control_characters", "name"},
		{"no zero", "admin", `{"name":"\\u0000","nmae":"y"}`, nil, 422, "unknown_field", "nmae"},
		{"wrong type", "admin", `{"name":5}`, nil, 422, "wrong_value", "name"},
		{"too long", "admin", `{"name":"12345678901"}`, nil, 422, "wrong_value", "name"},
		{"too much", "admin", `{"name":"x","count":6}`, nil, 422, "wrong_value", "count"},
		{"too large", "admin", `{"name":"` + strings.Repeat("x", 65<<10) + `"}`, nil, 413, "body_too_large", ""},
		{"wrong content type", "admin", `{"name":"x"}`, []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", ""},
		{"compressed", "admin", `{"name":"x"}`, []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", ""},
		{"bad idempotency key", "admin", `{"name":"x"}`, []string{"Idempotency-Key", "a b"}, 400, "bad_idempotency_key", ""},
		{"bad purpose", "admin", `{"name":"x"}`, []string{"Catchment-Purpose", "<script>"}, 422, "bad_purpose", "Catchment-Purpose"},
		{"not there", "admin", `{"name":"none"}`, nil, 404, "not_found", ""},
		{"database away", "admin", `{"name":"away"}`, nil, 503, "database_away", ""},
		{"our fault", "admin", `{"name":"lost"}`, nil, 500, "internal", ""},
		{"panic", "admin", `{"name":"panic"}`, nil, 500, "internal", ""},
	} {
		resp, body := h.ask(t, "POST", "/v1/things/1", c.token, c.body, c.header...)
		var p problem.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %v", c.name, resp.StatusCode, body, err)
			continue
		}
		code := p.Code
		if c.field != "" { // a fault of a field: its code stands beside it
			if p.Code != "invalid" || len(p.Errors) != 1 || p.Errors[0].Field != c.field {
				t.Errorf("%s: names %v", c.name, p.Errors)
				continue
			}
			code = p.Errors[0].Code
		}
		if resp.StatusCode != c.status || code != c.code || p.Status != c.status {
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, body)
		}
		if c.status == 503 && resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.name)
		}
		if strings.Contains(body, "secret detail") || strings.Contains(body, "12345678901") {
			t.Errorf("%s: the answer tells too much: %s", c.name, body)
		}
	}
}

func TestOnceUnderAKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		first, body := h.ask(t, "POST", "/v1/things/1", "admin", `{"name":"x"}`, "Idempotency-Key", "k1")
		again, body2 := h.ask(t, "POST", "/v1/things/1", "admin", `{"name":"x"}`, "Idempotency-Key", "k1")
		if first.StatusCode != 201 || again.StatusCode != 201 || body != body2 || h.runs.Load() != 1 {
			t.Errorf("%s and %s after %d runs", body, body2, h.runs.Load())
		}
		for _, other := range [][2]string{{"/v1/things/1", `{"name":"y"}`}, {"/v1/things/2", `{"name":"x"}`}} {
			if resp, b := h.ask(t, "POST", other[0], "admin", other[1], "Idempotency-Key", "k1"); resp.StatusCode != 409 || !strings.Contains(b, "idempotency_conflict") {
				t.Errorf("another request under the key: %d %s", resp.StatusCode, b)
			}
		}
		if resp, _ := h.ask(t, "POST", "/v1/things/1", "other", `{"name":"x"}`, "Idempotency-Key", "k1"); resp.StatusCode != 201 || h.runs.Load() != 2 {
			t.Error("another account's key is another key")
		}
		if resp, _ := h.ask(t, "POST", "/v1/things/1", "admin", `{"name":"none"}`, "Idempotency-Key", "k2"); resp.StatusCode != 404 {
			t.Error("refused")
		}
		if resp, _ := h.ask(t, "POST", "/v1/things/1", "admin", `{"name":"x"}`, "Idempotency-Key", "k2"); resp.StatusCode != 201 {
			t.Error("a refused request must not use up its key")
		}
	})
}

func TestOneOfManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[string]bool{}
		for range 8 {
			wg.Go(func() {
				resp, body := h.ask(t, "POST", "/v1/things/1", "admin", `{"name":"x"}`, "Idempotency-Key", "race")
				mu.Lock()
				defer mu.Unlock()
				if resp.StatusCode == 201 {
					answers[body] = true
				} else {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
			})
		}
		wg.Wait()
		if len(answers) != 1 {
			t.Errorf("%d different answers: %v", len(answers), answers)
		}
	})
}

func TestListsAndPurpose(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	var l List[string]
	resp, body := h.ask(t, "GET", "/v1/things?limit=2", "seller", "")
	if err := json.Unmarshal([]byte(body), &l); err != nil || len(l.Items) != 2 || l.NextCursor == "" {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	_, body = h.ask(t, "GET", "/v1/things?limit=2&cursor="+l.NextCursor, "seller", "")
	if body != "{\"items\":[]}\n" {
		t.Errorf("last page: %s", body)
	}
	for _, bad := range []string{"?limit=0", "?limit=501", "?cursor=xx", "?limit=x", "?nosuch=1"} {
		if resp, body := h.ask(t, "GET", "/v1/things"+bad, "seller", ""); resp.StatusCode != 422 {
			t.Errorf("%s: %d %s", bad, resp.StatusCode, body)
		}
	}
	if resp, body := h.ask(t, "GET", "/v1/things?limit=2&cursor=a%00", "seller", ""); resp.StatusCode != 422 || !strings.Contains(body, "control_characters") {
		t.Errorf("a zero: %d %s", resp.StatusCode, body)
	}
	for _, c := range [][3]string{{"seller", "", "contact"}, {"admin", "", "oversight"}, {"key", "", ""}, {"key", "support call 12", "support call 12"}} {
		header := []string{}
		if c[1] != "" {
			header = []string{"Catchment-Purpose", c[1]}
		}
		if _, body := h.ask(t, "GET", "/v1/purpose", c[0], "", header...); !strings.Contains(body, `"id":"`+c[2]+`"`) {
			t.Errorf("%v: %s", c, body)
		}
	}
}

func TestTheDocument(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	_, body := h.ask(t, "GET", "/openapi.json", "", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Permission string `json:"x-permission"`
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("%v %s", err, body)
	}
	for _, fault := range webtest.Faults([]byte(body)) {
		t.Error(fault)
	}
	if doc.Paths["/v1/things/{id}"]["post"].Permission != string(account.ManageSetup) {
		t.Errorf("%+v", doc.Paths)
	}
	resp, page := h.ask(t, "GET", "/docs", "", "")
	if resp.StatusCode != 200 || !strings.Contains(page, "/v1/things/{id}") || strings.Contains(page, "<script") || strings.Contains(page, "https://") {
		t.Errorf("docs: %d", resp.StatusCode)
	}
}

// The page of rights has every built-in role with what the policies give it, and
// every route under the permission that it asks for.
func TestThePageOfRights(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	resp, page := h.ask(t, "GET", "/rights", "", "")
	if resp.StatusCode != 200 || strings.Contains(page, "<script") || strings.Contains(page, "style=") || !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	for _, w := range rights.Permissions() {
		_, part, ok := strings.Cut(page, `<th scope="row"><a href="#`+strings.ReplaceAll(string(w.Permission), ":", "-")+`">`)
		part, _, _ = strings.Cut(part, "</tr>")
		if !ok || !strings.Contains(part, w.Words) {
			t.Errorf("%s is not on the page", w.Permission)
		}
		for _, r := range append(account.AccountRoles(), account.Support, account.Operator) {
			want := "–"
			if reach := rights.Of(r).Reach(w.Permission); reach != rights.None {
				if want = "yes"; w.Lead {
					want = reach.String()
				}
			}
			_, cell, _ := strings.Cut(part, `data-role="`+string(r)+`"`)
			cell, _, _ = strings.Cut(cell, "</b>")
			if !strings.HasSuffix(cell, ">"+want) {
				t.Errorf("%s, %s: want %s: %s", w.Permission, r, want, cell)
			}
		}
	}
	_, part, _ := strings.Cut(page, `<article id="setup-manage">`)
	if part, _, _ = strings.Cut(part, "</article>"); !strings.Contains(part, "/v1/things/{id}") {
		t.Error("a route is not under its permission")
	}
}

func TestARouteWithoutPermissionDoesNotRegister(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it registered")
		}
	}()
	api := New(Options{DB: storetest.SQLite(t)})
	See(api, Op{Method: "GET", Path: "/x", Name: "x"}, func(*Visit, *store.Tx, *struct{}) (*made, error) { return nil, errors.New("x") })
}

// The library fills no field of an unexported struct that is embedded.
func TestAnInputThatWouldStayEmptyDoesNotRegister(t *testing.T) {
	type path struct {
		ID string `path:"id"`
	}
	type in struct{ path }
	defer func() {
		if recover() == nil {
			t.Error("it registered")
		}
	}()
	api := New(Options{DB: storetest.SQLite(t)})
	See(api, Op{Method: "GET", Path: "/x/{id}", Name: "x", Permission: account.ReadSetup}, func(*Visit, *store.Tx, *in) (*made, error) { return nil, nil })
}

// Who hangs up is no error of ours; what takes too long is.
func TestHangingUpIsNoError(t *testing.T) {
	var log strings.Builder
	api := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if p := api.problem(nil, Op{Name: "x"}, fmt.Errorf("read: %w", context.Canceled)); p.Code != "timeout" || log.Len() > 0 {
		t.Errorf("%v %s", p, log.String())
	}
	if api.problem(nil, Op{Name: "x"}, fmt.Errorf("read: %w", context.DeadlineExceeded)); !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%q", log.String())
	}
	log.Reset()
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	mux := http.NewServeMux()
	mux.HandleFunc("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	busy := Wrap(mux, slog.New(slog.NewTextHandler(&log, nil)))
	for _, c := range []struct {
		ctx  context.Context
		warn bool
	}{{t.Context(), true}, {gone, false}} {
		log.Reset()
		busy.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(c.ctx, "GET", "/x", nil))
		if strings.Contains(log.String(), "level=WARN") != c.warn {
			t.Errorf("%v: %q", c.warn, log.String())
		}
	}
}

// The hand-written schema has the fields of the type, and its example.
func TestTheProblemIsDescribed(t *testing.T) {
	api := New(Options{})
	text, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	_ = json.Unmarshal(text, &doc)
	schema := doc["components"].(map[string]any)["schemas"].(map[string]any)["Problem"].(map[string]any)
	full, _ := json.Marshal(problem.Problem{Status: 1, Code: "c", Title: "t", Detail: "d", RequestID: "r",
		Errors: []problem.Field{{Index: new(int), Field: "f", Code: "c", Detail: "d"}}})
	var v map[string]any
	_ = json.Unmarshal(full, &v)
	webtest.Fits(t, doc, "problem", schema, v)
	properties := schema["properties"].(map[string]any)
	for name := range v {
		if properties[name] == nil {
			t.Errorf("%s is not described", name)
		}
	}
	if len(properties) != len(v) {
		t.Errorf("described %d fields, there are %d", len(properties), len(v))
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := Page{Cursor: s, Limit: 1}.Start()
		if err != nil || s == "" {
			return
		}
		l := NewList(Page{Limit: 1}, []int{1, 2}, func(int) Place { return at })
		back, err := Page{Cursor: l.NextCursor}.Start()
		if err != nil || back != at {
			t.Errorf("%v became %v, %v", at, back, err)
		}
	})
}

func TestNoSuchRoute(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/nothing", 404, "not_found"},
		{"GET", "/v1/things/", 404, "not_found"},
		{"GET", "/debug/pprof/", 404, "not_found"},
		{"GET", "/.git/config", 404, "not_found"},
		{"DELETE", "/v1/things", 405, "method_not_allowed"},
		{"TRACE", "/v1/things", 405, "method_not_allowed"},
	} {
		resp, body := h.ask(t, c.method, c.path, "admin", "")
		var p problem.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != c.status || p.Code != c.code || p.RequestID == "" {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, body)
		}
		if c.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("Allow: %q", resp.Header.Get("Allow"))
		}
	}
}
