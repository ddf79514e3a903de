package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func read(text string) (out []string, err error) {
	err = readStream(strings.NewReader(text), func(id, kind string, data []byte) error {
		out = append(out, fmt.Sprintf("%s|%s|%s", id, kind, data))
		return nil
	})
	return out, err
}

func TestReadStream(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"id: 4\nevent: offer.made\ndata: {}\n\n", "4|offer.made|{}"},
		{"event:x\ndata:1\ndata: 2\n\n", "|x|1\n2"},
		{": heartbeat\n\n", "||,||"},
		{"id: 5\n\nretry: 2000\n\n", "5||,||"},
		{"id: 7\nevent: x\ndata: cut short\n", ""},
		{"unknown\n\n", "||"},
	} {
		got, err := read(c.text)
		if !errors.Is(err, io.EOF) || strings.Join(got, ",") != c.want {
			t.Errorf("%q: %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add([]byte("id: 4\nevent: offer.made\ndata: {\"kind\":\"x\"}\n\n"))
	f.Add([]byte(": \n\n\ndata\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := readStream(bytes.NewReader(text), func(id, kind string, data []byte) error {
			if strings.Contains(id+kind, "\n") {
				t.Error("a field has a line break")
			}
			return dispatch(kind, data, func(event) {})
		})
		if err == nil {
			t.Error("a stream ended without saying so")
		}
	})
}

// A stream that breaks off is taken up again after the last event that came,
// and one whose credential ended is not.
func TestFollowTakesUpWhereItBrokeOff(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		switch len(asked) {
		case 1:
			fmt.Fprint(w, "retry: 1\n\nid: 8\nevent: lead.created\ndata: {\"kind\":\"lead.created\",\"lead_id\":\"a\"}\n\nid: 9\nevent: lead.cre")
		case 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			fmt.Fprint(w, "id: 9\nevent: lead.created\ndata: {\"kind\":\"lead.created\",\"lead_id\":\"b\"}\n\n:\nid: 12\n\n")
		default:
			fmt.Fprint(w, "event: end\ndata: {}\n\n")
		}
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var leads string
	err := (&client{base: srv.URL, token: "t", http: srv.Client()}).follow(ctx, func(e event) { leads += e.Lead })
	if !is(err, http.StatusUnauthorized) || leads != "ab" {
		t.Errorf("leads %q, %v", leads, err)
	}
	if got := strings.Join(asked, ","); got != ",8,8,12" {
		t.Errorf("asked from %q", got)
	}
}
