package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/logtest"
	"catchment/internal/store"
	"catchment/internal/totp"
)

// patience is how long a test waits for what should take moments, on a machine
// that is busy with something else.
const patience = 60 * time.Second

// settingsFor are a server's in a folder of the test, on a port of its own.
func settingsFor(t *testing.T, o store.Options) config {
	dir := filepath.Join(t.TempDir(), "data")
	return config{Data: dir, Listen: "127.0.0.1:0", Inner: "127.0.0.1:0", Role: "all", TLS: "off",
		DatabaseURL: o.URL, NATSReplicas: 1, NATSStorage: 1, Watermark: 32, logConfig: logConfig{Log: "info", LogFormat: "text"}}
}

// running is a server in this process, with what it logged.
type running struct {
	*server
	c    config
	logs *logtest.Lines
	stop func() // once
}

func serve(t *testing.T, c config) *running {
	t.Helper()
	r := &running{c: c, logs: &logtest.Lines{}}
	s, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: r.logs}, c)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, r.logs)
	}
	r.server = s
	r.stop = sync.OnceFunc(s.stop)
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of --role %s:\n%s", c.Role, r.logs)
		}
	})
	return r
}

// api is one visitor.
type api struct {
	t           *testing.T
	base, token string
}

func (r *running) as(t *testing.T, token string) api { return api{t, r.url, token} }

type fields = map[string]any

// answer is what came back, decoded.
type answer struct {
	status int
	body   []byte
	fields fields
	header http.Header
}

// text reads a word by its path.
func (a answer) text(path ...string) string { s, _ := a.at(path...).(string); return s }

func (a answer) count(path ...string) int { n, _ := a.at(path...).(float64); return int(n) }

func (a answer) items() []any { l, _ := a.fields["items"].([]any); return l }

func (a answer) at(path ...string) any {
	var v any = a.fields
	for _, p := range path {
		m, _ := v.(fields)
		v = m[p]
	}
	return v
}

// send makes one request with these headers (name, value, …).
func (v api) send(method, path string, body any, headers ...string) answer {
	v.t.Helper()
	a, err := v.try(method, path, body, headers...)
	if err != nil {
		v.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (v api) try(method, path string, body any, headers ...string) (a answer, err error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return a, err
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.base+path, in)
	if err != nil {
		return a, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	_ = json.Unmarshal(a.body, &a.fields) // a list of a batch stays in body
	return a, nil
}

// want is send for an answer with this status.
func (v api) want(status int, method, path string, body any, headers ...string) answer {
	v.t.Helper()
	a := v.send(method, path, body, headers...)
	if a.status != status {
		v.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// until repeats a GET until the answer is as it should be.
func (v api) until(what, path string, good func(answer) bool, headers ...string) answer {
	v.t.Helper()
	var a answer
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if a, err = v.try("GET", path, nil, headers...); err == nil && good(a) {
			return a
		}
	}
	v.t.Fatalf("%s did not come: GET %s: %d %s", what, path, a.status, a.body)
	return a
}

// shop is an account that can sell, and those who work there.
type shop struct {
	account, project, source, pub string
	admin, seller                 string // tokens of sessions
	sellerID                      string
}

var idLine = regexp.MustCompile(`(?m)^account +(acct_\S+)[\s\S]*^link +(\S+)`)

// found makes an account by the command, and gives the link of its first admin.
func found(t *testing.T, c config) (id, link string) {
	t.Helper()
	var out, complaints strings.Builder
	args := []string{"account", "create", "--data", c.Data, "--name", "Example Homes", "--admin-email", "ada@example.com", "--admin-phone", "+12025550123"}
	if c.DatabaseURL != "" {
		args = append(args, "--database-url", c.DatabaseURL)
	}
	if status := run(args, &out, &complaints); status != 0 {
		t.Fatalf("account create: %d %s", status, complaints.String())
	}
	m := idLine.FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("account create printed no id and link: %s", out.String())
	}
	return m[1], m[2]
}

// openShop makes an account by the command beside the running server, and
// everything else over HTTP of web, as its admin would.
func openShop(t *testing.T, c config, web *running) (s shop) {
	t.Helper()
	id, link := found(t, c)
	s.account = id
	in := web.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": link, "password": "a long password of Ada"})
	s.admin = equip(t, web, in.text("token"))
	web.as(t, "").want(401, "POST", "/v1/links/redeem", fields{"token": link, "password": "another long password"})
	admin := web.as(t, s.admin)
	s.project = admin.want(201, "POST", "/v1/projects", fields{"name": "Harbour Lofts"}).text("id")
	s.source = admin.want(201, "POST", "/v1/sources", fields{"name": "Website form", "project_id": s.project}).text("slug")
	admin.want(200, "PUT", "/v1/projects/"+s.project+"/pool", fields{"offers_at_once": 10, "accept_seconds": 600})
	s.seller, s.sellerID = hire(t, web, admin)
	admin.want(200, "PUT", "/v1/projects/"+s.project+"/pool/members/"+s.sellerID, nil)
	s.pub = admin.want(201, "POST", "/v1/keys", fields{"kind": "publishable", "name": "Page", "any_origin": true}).text("key")
	return s
}

// equip sets up an app for whoever holds the session and has nothing to show,
// and returns the token after its first code.
func equip(t *testing.T, s *running, token string) string {
	t.Helper()
	in := s.as(t, token)
	code, err := totp.Code(in.want(201, "POST", "/v1/me/totp", nil).text("secret"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return in.want(200, "POST", "/v1/me/totp/confirm", fields{"code": code}).text("token")
}

// hire makes a salesperson who works round the clock and is there.
func hire(t *testing.T, web *running, admin api) (token, id string) {
	t.Helper()
	made := admin.want(201, "POST", "/v1/users", fields{"name": "Ravi Example", "role": "salesperson", "email": "ravi@example.com", "phone": "+12025550124"})
	id = made.text("id")
	token = web.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": made.text("link"), "password": "a long password of Ravi"}).text("token")
	var week []fields
	for d := range 7 {
		week = append(week, fields{"weekday": d, "start_minute": 0, "end_minute": 1440})
	}
	admin.want(200, "PUT", "/v1/users/"+id+"/shifts", fields{"shifts": week})
	web.as(t, token).want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
	return token, id
}

// awaitKey returns when the door knows the key: a lead without a person is
// refused, but not for its key.
func awaitKey(t *testing.T, door *running, key string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if a, err := door.as(t, key).try("POST", "/v1/leads", fields{}); err == nil && a.status == 422 {
			return
		}
	}
	t.Fatal("the door never learned the key")
}

func (s shop) lead(name, phone string) fields {
	return fields{"source": s.source, "person": fields{"name": name, "phone": phone}, "message": "I'd like to see the two-room flat."}
}

// attached waits until intake made a lead of the enquiry, and returns its id.
func attached(reader api, enquiry string) string {
	reader.t.Helper()
	a := reader.until("the enquiry", "/v1/enquiries/"+enquiry, func(a answer) bool { return a.status == 200 })
	if a.text("state") != "attached" || a.text("lead_id") == "" {
		reader.t.Fatalf("enquiry %s: %s", enquiry, a.body)
	}
	return a.text("lead_id")
}

// event is one of the live events.
type event struct {
	Kind string    `json:"kind"`
	Lead string    `json:"lead_id"`
	Test bool      `json:"test"`
	At   time.Time `json:"at"`
	seen time.Time
}

// stream follows the live events from now; all tells what came.
type stream struct {
	mu  sync.Mutex
	got []event
}

func follow(v api) *stream {
	v.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", v.base+"/v1/events", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+v.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		v.t.Fatalf("GET /v1/events: %v %v", resp, err)
	}
	s, done := &stream{}, make(chan struct{})
	v.t.Cleanup(func() { cancel(); resp.Body.Close(); <-done })
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				e := event{seen: time.Now()}
				if json.Unmarshal([]byte(text), &e) == nil {
					s.mu.Lock()
					s.got = append(s.got, e)
					s.mu.Unlock()
				}
			}
		}
	}()
	return s
}

func (s *stream) find(good func(event) bool) (event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.got {
		if good(e) {
			return e, true
		}
	}
	return event{}, false
}

// await returns the first event that is good, also one that came before.
func (s *stream) await(t *testing.T, what string, good func(event) bool) event {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if e, ok := s.find(good); ok {
			return e
		}
	}
	t.Fatalf("no event: %s", what)
	return event{}
}
