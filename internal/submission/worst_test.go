package submission

import (
	"strings"
	"testing"
	"time"
)

// No body of the allowed size buys much of the door's time. The bound is loose,
// for slow machines; a quadratic step would take seconds.
func TestWorstBodiesAreCheap(t *testing.T) {
	long := func(unit string, head, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (MaxBody-len(head)-len(tail))/len(unit)) + tail)
	}
	jsonBodies := map[string][]byte{
		"unknown keys":   []byte(`{` + many(6500) + `}`),
		"custom fields":  []byte(`{"custom":{` + many(6500) + `},` + ok + `}`),
		"one array":      long(`1,`, `{"custom":{"a":[`, `1]},`+ok+`}`),
		"empty objects":  long(`{},`, `{"custom":{"a":[`, `1]},`+ok+`}`),
		"escapes":        long(`\u0001`, `{"message":"`, `",`+ok+`}`),
		"nested":         long(`[`, ``, ``),
		"white space":    long(` `, `{`, ok+`}`),
		"a long number":  long(`9`, `{"custom":{"a":`, `},`+ok+`}`),
		"a long key":     long(`k`, `{"`, `":1}`),
		"long e-mail":    long(`a@`, `{"person":{"email":"`, `"}}`),
		"a repeated key": long(`"messsage":1,`, `{`, ok+`}`),
		"control names":  []byte(`{"custom":{` + strings.ReplaceAll(many(2000), `":`, `\u0001":`) + `},` + ok + `}`),
		"wide character": long(`𝒜`, `{"message":"`, `",`+ok+`}`),
	}
	forms := map[string][]byte{
		"separators":  long(`&`, ``, `tel=1`),
		"empty names": long(`=&`, ``, `tel=1`),
		"same name":   long(`a=&`, ``, `tel=1`),
		"long name":   long(`ﷺ`, ``, `=1`), // eighteen letters each, once folded
		"references":  long(`%26%231;`, `tel=1&_charset_=l1&message=`, ``),
		"channels":    long(`,`, `tel=1&consent_channels=`, ``),
		"name words":  []byte(`tel=1&name=` + strings.Repeat("a+", 16000) + `b&first_name=` + strings.Repeat("b+", 16000)),
	}
	for name, body := range jsonBodies {
		quick(t, name, body, func() { _, _ = DecodeJSON(body) })
	}
	for name, body := range forms {
		quick(t, name, body, func() { _, _, _ = DecodeForm(urlencoded, body, nil) })
	}
}

func quick(t *testing.T, name string, body []byte, decode func()) {
	if len(body) > MaxBody {
		t.Errorf("%s: %d bytes are refused for their size", name, len(body))
	}
	best := time.Hour
	for range 3 {
		start := time.Now()
		decode()
		best = min(best, time.Since(start))
	}
	t.Logf("%-15s %v", name, best)
	if best > 100*time.Millisecond {
		t.Errorf("%s takes %v", name, best)
	}
}
