package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// leakControl puts a faulty door before the instance, one that leaks in the
// ways in which doors do, and has the matrix find each.
func (t *trial) leakControl(ctx context.Context, m *matrix, label string) error {
	for _, leak := range leaks() {
		found, err := m.through(ctx, leak)
		if err != nil {
			return err
		}
		t.check(label+"control: "+leak.name, found > 0, "found %d times", found)
	}
	return nil
}

// leak is a fault in a door. It changes the answer to a request whose address
// or body names the id.
type leak struct {
	name   string
	change func(m *matrix, foreign bool, resp *http.Response)
}

func leaks() []leak {
	return []leak{
		{"a door that answers 403 for another's id is found", func(_ *matrix, foreign bool, r *http.Response) {
			if foreign {
				r.StatusCode = http.StatusForbidden
			}
		}},
		{"a door with another word for another's id is found", func(_ *matrix, foreign bool, r *http.Response) {
			if foreign && r.StatusCode == http.StatusNotFound {
				replace(r, []byte(`{"status":404,"code":"not_yours"}`))
			}
		}},
		{"a door that shows another's data is found", func(m *matrix, _ bool, r *http.Response) {
			body, _ := io.ReadAll(r.Body)
			replace(r, append(body, []byte(" "+m.ofA["person"])...))
		}},
	}
}

func replace(r *http.Response, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
}

// through tries one route with places through a faulty door, and counts what
// is found.
func (m *matrix) through(ctx context.Context, fault leak) (int, error) {
	target, err := url.Parse(m.base.base)
	if err != nil {
		return 0, err
	}
	p := httputil.NewSingleHostReverseProxy(target)
	p.ModifyResponse = func(r *http.Response) error {
		fault.change(m, strings.Contains(r.Request.URL.Path, m.ofA["lead"]), r)
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	s := &http.Server{Handler: p}
	go func() { _ = s.Serve(l) }() // until Close
	defer s.Close()
	leaky := &api{base: "http://" + l.Addr().String(), token: m.b.SecretKey, http: m.base.http}
	copied := &matrix{a: m.a, b: m.b, base: leaky, doc: m.doc, ofA: m.ofA, ofB: m.ofB, marks: m.marks, statuses: map[int]int{}}
	for _, r := range m.routes {
		if r.name != "get-lead" {
			continue
		}
		if err := copied.tryRoute(ctx, r, caller{"secret key", leaky}); err != nil {
			return 0, err
		}
	}
	return len(copied.differ) + len(copied.leaks), nil
}
