package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"catchment/internal/problem"
)

func TestWhereAZeroIs(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a\u0000b"}`: "name", `{"person":{"phones":["1","\u0000"]}}`: "person.phones.1", `{"a\u0000":1}`: "", `{"x":{"a\u0000":"\u0000"}}`: "x",
		`{"a/b":"\u0000"}`: "a/b", `"\u0000"`: "",
	} {
		if err := refuseZero([]byte(text)); err == nil || err.Error() != zeroAt+want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{`{"name":"\\u0000"}`, `{"name":"ab"}`, `{`, ``, `{"name":"\u00000`, `{"name":"\u0001"}`} {
		if err := refuseZero([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for query, want := range map[string]string{"q=a%00": "q", "a%00=1": "", "q=%2500": "none", "q=a&r=%00": "r"} {
		got := "none"
		if p, ok := problem.Of(zeroInQuery(&url.URL{RawQuery: query})); ok {
			got = p.Errors[0].Field
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// Whatever decodes to a text with U+0000 is refused before.
func FuzzRefuseZero(f *testing.F) {
	f.Add(`{"a":"\u0000"}`)
	f.Add(`{"a":["\\\u0000",{"\u0000":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if strictJSON.Unmarshal([]byte(text), &v) != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ReplaceAll(string(again), `\\`, ""), `\u0000`) {
			t.Errorf("%q is let through", text)
		}
	})
}
