package desk

import (
	"net/http"
	"net/url"
	"testing"

	"catchment/internal/problem"
)

// Whatever a client says of where to begin is a position, or a 4xx.
func FuzzStartOf(f *testing.F) {
	f.Add("from=7", "")
	f.Add("", "41")
	f.Add("from=1&from=2", "x")
	f.Add("%zz", "-1")
	f.Fuzz(func(t *testing.T, query, lastID string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Last-Event-Id": {lastID}}}
		from, given, err := startOf(r)
		if err != nil {
			if p, ok := problem.Of(err); !ok || p.Status < 400 || p.Status > 499 {
				t.Errorf("%v", err)
			}
			return
		}
		if from < 0 || (!given && from != 0) {
			t.Errorf("%q, %q: begins at %d, given %v", query, lastID, from, given)
		}
	})
}
