package webtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Reply is an answer as a client sees it.
type Reply struct {
	Status int
	Head   http.Header
	Text   string
	Body   map[string]any // nil unless Text is a JSON object
}

// Ask sends a request with the token as its bearer, none when that is empty.
// body is JSON text, or a value to encode, or nil; header is pairs of name and value.
func Ask(t testing.TB, token, method, url string, body any, header ...string) Reply {
	t.Helper()
	var b io.Reader
	switch x := body.(type) {
	case nil:
	case string:
		b = strings.NewReader(x)
	default:
		text, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.NewReader(text)
	}
	if body != nil {
		header = append([]string{"Content-Type", "application/json"}, header...)
	}
	return Send(t, token, method, url, b, header...)
}

// Send is Ask, of a body as it is.
func Send(t testing.TB, token, method, url string, body io.Reader, header ...string) Reply {
	t.Helper()
	a, err := TrySend(t, token, method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TrySend is Send, of a request that may get no answer.
func TrySend(t testing.TB, token, method, url string, body io.Reader, header ...string) (a Reply, err error) {
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		return a, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a = Reply{Status: resp.StatusCode, Head: resp.Header, Text: string(text)}
	_ = json.Unmarshal(text, &a.Body)
	return a, err
}

// Want fails the test unless the answer has the status.
func (a Reply) Want(t testing.TB, status int) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %d, want %d: %s", a.Status, status, a.Text)
	}
}

// List is the objects of a list in the answer.
func (a Reply) List(name string) (out []map[string]any) {
	items, _ := a.Body[name].([]any)
	for _, x := range items {
		m, _ := x.(map[string]any)
		out = append(out, m)
	}
	return out
}

// Code is the stable code of a problem, and its first field with that one's code.
func (a Reply) Code() string {
	s, _ := a.Body["code"].(string)
	if list := a.List("errors"); len(list) > 0 {
		return s + " " + list[0]["field"].(string) + " " + list[0]["code"].(string)
	}
	return s
}
