package proof

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// target is a route as it is given to a scanner.
type target struct {
	request
	name   string
	api    *api   // who asks
	who    string // in words
	link   string // the path as a page would lead there
	marked string // the path with a mark behind each value
}

// inPages reports whether a page can lead there: by a link, or a form. A
// target without parameters is looked at and not tried.
func (t *target) inPages() bool {
	return t.method == http.MethodGet && strings.Contains(t.link, "?") || t.method == http.MethodPost && len(t.fields()) > 0
}

// tries reports whether sqlmap has something to put texts into.
func (t *target) tries() bool { return strings.Contains(t.marked, "*") || len(t.fields()) > 0 }

// fields are the body's values by their places: "person.email".
func (t *target) fields() map[string]any {
	out := map[string]any{}
	if t.contentType == "application/json" {
		var body any
		if json.Unmarshal(t.body, &body) == nil {
			leaves(body, "", out)
		}
		return out
	}
	values, err := url.ParseQuery(string(t.body))
	if err != nil || t.contentType != "application/x-www-form-urlencoded" {
		return out
	}
	for k := range values {
		out[k] = values.Get(k)
	}
	return out
}

func leaves(v any, at string, out map[string]any) {
	join := func(name string) string { return strings.TrimPrefix(at+"."+name, ".") }
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leaves(x, join(k), out)
		}
	case []any:
		for n, x := range v {
			leaves(x, join(strconv.Itoa(n)), out)
		}
	case nil:
	default:
		out[at] = v
	}
}

// front stands before a server for scanners that have neither keys nor JSON:
// what is below /N/ is asked as the Nth target's asker, and a form's fields
// become a body of JSON. It counts, and notes faults of the server.
type front struct {
	url     string
	server  string
	targets []*target
	client  *http.Client

	mu     sync.Mutex
	asked  []int
	broken map[string]int
}

func newFront(server string, targets []*target) *front {
	return &front{server: server, targets: targets, asked: make([]int, len(targets)), broken: map[string]int{},
		client: &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 32}}}
}

func (f *front) open(t *trial) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.url = "http://" + l.Addr().String()
	s := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.Serve(l) }()
	t.later(func() { _ = s.Close(); f.client.CloseIdleConnections() })
	return nil
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.RequestURI, "/"), "/")
	n, err := strconv.Atoi(first)
	switch {
	case r.URL.Path == "/":
		f.page(w)
		return
	case err != nil || n < 0 || n >= len(f.targets):
		http.NotFound(w, r)
		return
	}
	status, head, body, err := f.pass(r, f.targets[n], "/"+rest)
	f.mu.Lock()
	f.asked[n]++
	if err != nil || status >= 500 {
		f.broken[fmt.Sprintf("%s as %s: %d%s", f.targets[n].name, f.targets[n].who, status, because(err))]++
	}
	f.mu.Unlock()
	if err != nil {
		http.Error(w, "no answer", http.StatusBadGateway)
		return
	}
	maps.Copy(w.Header(), head)
	for _, name := range []string{"Content-Length", "X-Request-Id", "Date"} {
		w.Header().Del(name)
	}
	body = requestID.ReplaceAll(body, nil) // each answer has another: to sqlmap every one would differ
	if slices.Contains(growing, f.targets[n].name) {
		body = lastOfEach(body)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

var requestID = regexp.MustCompile(`req_[A-Za-z0-9_-]{8,}`)

// growing are routes whose answer has all that was said there before: to sqlmap
// each would differ from the one before by what it did itself.
var growing = []string{"POST /v1/platform/reports/{id}/answers", "POST /v1/platform/reports/{id}/notes"}

// lastOfEach keeps the last of each list of an object.
func lastOfEach(body []byte) []byte {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	for name, x := range v {
		if list, ok := x.([]any); ok && len(list) > 1 {
			v[name] = list[len(list)-1:]
		}
	}
	out, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return out
}

// pass asks the server.
func (f *front) pass(r *http.Request, t *target, uri string) (status int, head http.Header, body []byte, err error) {
	in, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return 0, nil, nil, err
	}
	kind := r.Header.Get("Content-Type")
	if t.contentType == "application/json" && strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		kind, in = t.contentType, t.filledBy(in)
	}
	q, err := http.NewRequestWithContext(r.Context(), r.Method, f.server+uri, bytes.NewReader(in))
	if err != nil { // no server would take that address
		return http.StatusBadRequest, nil, nil, nil //nolint:nilerr // it is the answer
	}
	for name, value := range map[string]string{"Content-Type": kind, "Catchment-Purpose": t.api.purpose, "Origin": t.api.origin, "User-Agent": r.UserAgent(), "Referer": r.Referer()} {
		if value != "" {
			q.Header.Set(name, value)
		}
	}
	if t.api.token != "" {
		q.Header.Set("Authorization", "Bearer "+t.api.token)
	}
	resp, err := f.client.Do(q)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	f.renew(t, body)
	return resp.StatusCode, resp.Header, body, err
}

// renew keeps up with a session that got a new token.
func (f *front) renew(t *target, body []byte) {
	var in struct{ Token string }
	if strings.HasPrefix(t.api.token, "cst_") && bytes.Contains(body, []byte(`"cst_`)) && json.Unmarshal(body, &in) == nil && in.Token != "" && strings.HasPrefix(t.path, "/v1/me") {
		f.mu.Lock()
		t.api.token = in.Token
		f.mu.Unlock()
	}
}

// filledBy is the target's body with what a form says: a value that is as it was
// keeps its type.
func (t *target) filledBy(form []byte) []byte {
	values, err := url.ParseQuery(string(form))
	var body any
	if err != nil || json.Unmarshal(t.body, &body) != nil {
		return form
	}
	for at, was := range t.fields() {
		if v := values.Get(at); values.Has(at) && v != fmt.Sprint(was) {
			set1(body, strings.Split(at, "."), v)
		}
	}
	out, err := json.Marshal(body)
	if err != nil {
		return form
	}
	return out
}

// set1 sets one value of a body.
func set1(body any, at []string, v string) {
	for n, name := range at {
		last := n == len(at)-1
		switch b := body.(type) {
		case map[string]any:
			if last {
				b[name] = v
				return
			}
			body = b[name]
		case []any:
			k, err := strconv.Atoi(name)
			if err != nil || k >= len(b) {
				return
			}
			if last {
				b[k] = v
				return
			}
			body = b[k]
		}
	}
}

// page has a link to every GET and a form for every POST.
func (f *front) page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>Targets</title>\n")
	for n, t := range f.targets {
		switch {
		case t.method == http.MethodGet:
			fmt.Fprintf(w, "<a href=\"/%d%s\">%d</a>\n", n, html.EscapeString(t.link), n)
		case t.method == http.MethodPost:
			fmt.Fprintf(w, "<form method=post action=\"/%d%s\">", n, html.EscapeString(t.path))
			fields := t.fields()
			for _, at := range slices.Sorted(maps.Keys(fields)) {
				fmt.Fprintf(w, "<input name=\"%s\" value=\"%s\">", html.EscapeString(at), html.EscapeString(fmt.Sprint(fields[at])))
			}
			fmt.Fprint(w, "</form>\n")
		}
	}
}

// half are the targets with even numbers, or with odd ones.
func (f *front) half(n int) (out []int) {
	for k := n; k < len(f.targets); k += 2 {
		out = append(out, k)
	}
	return out
}

// suspects are the targets that a scanner's findings name.
func (f *front) suspects(found []string) (out []int) {
	for k := range f.targets {
		if slices.ContainsFunc(found, func(x string) bool { return strings.Contains(x, fmt.Sprintf("%s/%d/", f.url, k)) }) {
			out = append(out, k)
		}
	}
	return out
}

// requests are targets as a proxy would have written them down: those with
// marks in their address, and those with a body.
func (f *front) requests(these []int) []byte {
	var b bytes.Buffer
	line := strings.Repeat("=", 54)
	one := func(t *target, path, body string) {
		fmt.Fprintf(&b, "%s\n10:00:00 AM  %s  [127.0.0.1]\n%s\n%s %s HTTP/1.1\r\nHost: %s\r\n", line, f.url, line, t.method, path, strings.TrimPrefix(f.url, "http://"))
		if body != "" {
			fmt.Fprintf(&b, "Content-Type: %s\r\n", t.contentType)
		}
		fmt.Fprintf(&b, "\r\n%s\n%s\n\n\n\n", body, line)
	}
	for _, k := range these {
		t := f.targets[k]
		if strings.Contains(t.marked, "*") {
			one(t, fmt.Sprintf("/%d%s", k, t.marked), string(t.body))
		}
		if len(t.fields()) > 0 {
			one(t, fmt.Sprintf("/%d%s", k, t.path), string(t.body))
		}
	}
	return b.Bytes()
}

// asks counts the requests, and names targets that have parameters and were
// hardly asked.
func (f *front) asks(of func(*target) bool) (n int, few []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, t := range f.targets {
		n += f.asked[k]
		if of(t) && t.tries() && f.asked[k] < leastAsks {
			few = append(few, fmt.Sprintf("%s (%d)", t.name, f.asked[k]))
		}
	}
	return n, few
}

// again counts anew.
func (f *front) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.asked)
}

func (f *front) faults() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range slices.Sorted(maps.Keys(f.broken)) {
		out = append(out, fmt.Sprintf("%s, %d times", x, f.broken[x]))
	}
	return out
}

// shutOut names those whose credential is not taken any more: what they were
// told last says little of what is behind.
func (f *front) shutOut(ctx context.Context) (out []string) {
	seen := map[string]bool{}
	for _, t := range f.targets {
		if t.api.token == "" || seen[t.api.token] {
			continue
		}
		seen[t.api.token] = true
		r, err := t.api.do(ctx, http.MethodGet, "/v1/me", nil, nil)
		if err != nil || r.status == http.StatusUnauthorized {
			out = append(out, t.who)
		}
	}
	return out
}

// servePlanted is a server with holes: what it is asked for becomes SQL, or
// HTML, as it is. /sound does neither.
func (t *trial) servePlanted() (string, error) {
	db, err := sql.Open("sqlite", "file::memory:?cache=shared")
	if err != nil {
		return "", err
	}
	t.later(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE person (name TEXT, city TEXT); INSERT INTO person VALUES ('Ann', 'Leeds'), ('Bob', 'York'), ('Cem', 'Hull')`); err != nil {
		return "", err
	}
	find := func(w http.ResponseWriter, text string, args ...any) {
		rows, err := db.Query(text, args...)
		if err != nil {
			http.Error(w, "SQLite error 1: "+err.Error(), http.StatusInternalServerError) // as some frameworks tell everybody
			return
		}
		defer rows.Close()
		for rows.Next() {
			var city string
			if rows.Scan(&city) == nil {
				fmt.Fprintln(w, "lives in", city)
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) {
		find(w, `SELECT city FROM person WHERE name = '`+r.URL.Query().Get("name")+`'`) //nolint:gosec // a hole, to be found
	})
	mux.HandleFunc("POST /find", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Name string }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		find(w, `SELECT city FROM person WHERE name = '`+in.Name+`'`) //nolint:gosec // a hole, to be found
	})
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>Hello</title><p>Hello %s</p>", r.URL.Query().Get("name")) //nolint:gosec // a hole, to be found
	})
	mux.HandleFunc("GET /sound", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>Sound</title><p>%s</p>", html.EscapeString(r.URL.Query().Get("name")))
		find(w, `SELECT city FROM person WHERE name = $1`, r.URL.Query().Get("name"))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.later(func() { _ = s.Close() })
	return "http://" + l.Addr().String(), nil
}
