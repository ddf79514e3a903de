package proof

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestReadSQLMap(t *testing.T) {
	const head = "Target URL,Place,Parameter,Technique(s),Note(s)\n"
	for _, c := range []struct {
		name, text string
		found      int
		bad        bool
	}{
		{"nothing", head, 0, false},
		{"a hole", head + "http://127.0.0.1/0/search?name=Ann,URI,#1*,BT,\n", 1, false},
		{"what was tried and is none", head + "http://127.0.0.1/0/search,,,,\n", 0, false},
		{"empty", "", 0, true},
		{"another table", "a,b\n", 0, true},
	} {
		found, err := readSQLMap([]byte(c.text))
		if (err != nil) != c.bad || len(found) != c.found {
			t.Errorf("%s: %q %v", c.name, found, err)
		}
	}
}

func TestReadWapiti(t *testing.T) {
	found, err := readWapiti([]byte(`{"vulnerabilities":{"SQL Injection":[{"method":"GET","path":"/0/search","parameter":"name"}],"Backup file":[]},"anomalies":{"Internal Server Error":[{"method":"GET","path":"/1"}]}}`))
	if err != nil || len(found) != 2 || found[1] != "SQL Injection: GET /0/search name" {
		t.Errorf("%q %v", found, err)
	}
	for _, bad := range []string{"", "{}", "<html>"} {
		if _, err := readWapiti([]byte(bad)); err == nil {
			t.Errorf("%q is a report", bad)
		}
	}
}

// What a scanner asks comes to the server as its target's asker would ask it; a
// fault of the server and a target that is not tried are noticed.
func TestFront(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "break") {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(body)+" req_0123456789abcdef")
	}))
	defer server.Close()
	a := &api{base: server.URL, token: "csk_x", http: server.Client()}
	get := &target{request: request{method: "GET", path: "/v1/leads?stage=new"}, name: "get", api: a, link: "/v1/leads?stage=new", marked: "/v1/leads?stage=new*"}
	post := &target{request: request{method: "POST", path: "/v1/leads", body: []byte(`{"person":{"email":"a@example.com"},"list":[1,true]}`), contentType: "application/json"}, name: "post", api: a, link: "/v1/leads", marked: "/v1/leads"}
	f := newFront(server.URL, []*target{get, post})
	before := httptest.NewServer(f)
	defer before.Close()
	f.url = before.URL
	say := func(method, path, form string) string {
		t.Helper()
		q, err := http.NewRequest(method, before.URL+path, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := before.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	if got := say("GET", "/0/v1/leads?stage=new%27", ""); got != "GET /v1/leads?stage=new%27 Bearer csk_x  " {
		t.Errorf("%q", got)
	}
	got := say("POST", "/1/v1/leads", "person.email=x%27&list.0=1&list.1=true")
	if want := `POST /v1/leads Bearer csk_x {"list":[1,true],"person":{"email":"x'"}} `; got != want {
		t.Errorf("%q", got)
	}
	say("POST", "/1/v1/leads", "person.email=break")
	if broken := f.faults(); len(broken) != 1 {
		t.Errorf("%q", broken)
	}
	if n, few := f.asks(func(*target) bool { return true }); n != 3 || len(few) != 2 {
		t.Errorf("%d requests, %q", n, few)
	}
	page := say("GET", "/", "")
	if !strings.Contains(page, `href="/0/v1/leads?stage=new"`) || !strings.Contains(page, `<input name="person.email" value="a@example.com">`) {
		t.Errorf("%s", page)
	}
	log := f.requests([]int{0, 1})
	if bytes.Count(log, []byte(" HTTP/1.1\r\n")) != 2 || !bytes.Contains(log, []byte("GET /0/v1/leads?stage=new* ")) || !json.Valid(post.body) {
		t.Errorf("%s", log)
	}
	if got := f.suspects([]string{before.URL + "/1/v1/leads JSON email (B)"}); !slices.Equal(got, []int{1}) {
		t.Errorf("%v", got)
	}
}
