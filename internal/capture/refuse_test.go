package capture_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/capture"
	"catchment/internal/problem"
)

type problemField = problem.Field

func hash64(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func to64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func fromBase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Everything that the door refuses: the status, the stable code, the field
// that is named; and afterwards the journal is as it was.
func TestRefusals(t *testing.T) {
	h := newHouse(t)
	batch := func(body string, header ...string) request {
		return request{path: "/v1/leads:batch", body: body, header: pairs(header)}
	}
	form := func(body string, header ...string) request {
		return request{path: h.form("site"), body: body, header: pairs(append(header, "Accept", "application/json"))}
	}
	with := func(extra string) string { return `{"source":"site","person":{"phone":"+442079460001"}` + extra + `}` }
	custom := func(n int) string {
		var b strings.Builder
		b.WriteString(`,"custom":{`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"f%d":1`, i)
		}
		return b.String() + "}"
	}
	for _, c := range []struct {
		name   string
		q      request
		status int
		code   string
		field  string // of one of the errors
	}{
		// What cannot be read.
		{"empty body", post(""), 400, "malformed_json", ""},
		{"no JSON", post("name=ada"), 400, "malformed_json", ""},
		{"JSON cut short", post(goodLead[:40]), 400, "malformed_json", ""},
		{"two values", post(goodLead + goodLead), 400, "trailing_data", ""},
		{"byte order mark", post("\xef\xbb\xbf" + goodLead), 400, "byte_order_mark", ""},
		{"bad UTF-8", post(with(",\"message\":\"\xff\"")), 400, "invalid_utf8", ""},
		{"half a surrogate pair", post(with(`,"message":"\ud800"`)), 400, "invalid_utf8", ""},
		{"repeated key", post(with(`,"source":"site"`)), 400, "duplicate_key", "source"},
		{"repeated key inside", post(`{"source":"site","person":{"phone":"1","phone":"2"}}`), 400, "duplicate_key", "person.phone"},
		{"too deep", post(with(`,"custom":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`)), 400, "too_deep", ""},
		// Fields.
		{"no contact", post(`{"source":"site","person":{"name":"Ada"}}`), 422, "invalid", "person"},
		{"unknown key", post(with(`,"budget":"1"`)), 422, "invalid", "budget"},
		{"unknown key inside", post(`{"source":"site","person":{"phone":"1","fax":"2"}}`), 422, "invalid", "person.fax"},
		{"wrong type", post(`{"source":"site","person":{"phone":442079460001}}`), 422, "invalid", "person.phone"},
		{"an array", post("[" + goodLead + "]"), 422, "invalid", ""},
		{"10,000 custom fields", post(with(custom(10_000))), 413, "body_too_large", ""},
		{"201 custom fields", post(with(custom(201))), 422, "invalid", "custom"},
		{"absurd phone", post(`{"source":"site","person":{"phone":"` + strings.Repeat("9", 500) + `"}}`), 422, "invalid", "person.phone"},
		{"no source", post(`{"person":{"phone":"1"}}`), 422, "invalid", "source"},
		{"unknown source", post(`{"source":"nowhere","person":{"phone":"1"}}`), 422, "invalid", "source"},
		{"another account's source", post(`{"source":"` + h.other.Sources[0].ID.String() + `","person":{"phone":"1"}}`), 422, "invalid", "source"},
		{"source switched off", post(`{"source":"off","person":{"phone":"1"}}`), 422, "invalid", "source"},
		{"unknown project", post(with(`,"project":"nowhere"`)), 422, "invalid", "project"},
		{"another account's project", post(with(`,"project":"` + h.other.Projects[0].ID.String() + `"`)), 422, "invalid", "project"},
		{"empty idempotency key", request{path: "/v1/leads", body: goodLead, raw: nil, header: map[string]string{"Idempotency-Key": " "}}, 422, "invalid", "Idempotency-Key"},
		{"long idempotency key", post(goodLead, "Idempotency-Key", strings.Repeat("k", 256)), 422, "invalid", "Idempotency-Key"},
		{"foreign idempotency key", post(goodLead, "Idempotency-Key", "schlüssel"), 422, "invalid", "Idempotency-Key"},
		// Types and sizes.
		{"no content type", post(goodLead, "Content-Type", ""), 415, "unsupported_media_type", ""},
		{"text/plain", post(goodLead, "Content-Type", "text/plain"), 415, "unsupported_media_type", ""},
		{"form to the JSON route", post("tel=1", "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type", ""},
		{"another character set", post(goodLead, "Content-Type", "application/json; charset=utf-16"), 415, "unsupported_media_type", ""},
		{"compressed", post(goodLead, "Content-Encoding", "gzip"), 415, "unsupported_media_type", ""},
		{"JSON to a form", form(goodLead, "Content-Type", "application/json"), 415, "unsupported_media_type", ""},
		{"too large", post(with(`,"message":"` + strings.Repeat("x", 64<<10) + `"`)), 413, "body_too_large", ""},
		{"too large, length unknown", request{path: "/v1/leads", raw: io.MultiReader(strings.NewReader(strings.Repeat(" ", 70<<10)))}, 413, "body_too_large", ""},
		{"form too large", form("tel=1&m=" + strings.Repeat("x", 64<<10)), 413, "body_too_large", ""},
		{"batch too large", batch("[" + strings.Repeat(" ", 5<<20) + "]"), 413, "body_too_large", ""},
		{"1,001 leads", batch("[" + strings.Repeat(`{},`, 1000) + "{}]"), 413, "too_many_leads", ""},
		// Batches.
		{"batch of none", batch("[]"), 422, "invalid", ""},
		{"batch that is none", batch(goodLead), 422, "invalid", ""},
		{"batch with a fault", batch("[" + goodLead + `,{"source":"site","person":{}}]`), 422, "invalid", "person"},
		{"batch with an unreadable lead", batch("[" + goodLead + `,{"a":1,"a":1}]`), 422, "invalid", "a"},
		{"batch with an unknown source", batch("[" + goodLead + `,{"source":"nowhere","person":{"phone":"1"}}]`), 422, "invalid", "source"},
		{"batch with a source not of the key", batch(`[`+goodLead+`,{"source":"thanks","person":{"phone":"1"}}]`, "Authorization", "Bearer "+oneSource), 422, "invalid", "source"},
		// Keys.
		{"no key", post(goodLead, "Authorization", ""), 401, "unauthenticated", ""},
		{"basic", post(goodLead, "Authorization", "Basic YTpi"), 401, "unauthenticated", ""},
		{"a session's token", post(goodLead, "Authorization", "Bearer cst_token"), 401, "unauthenticated", ""},
		{"unknown key", post(goodLead, "Authorization", "Bearer csk_unknown"), 401, "unauthenticated", ""},
		{"expired key", post(goodLead, "Authorization", "Bearer "+expired), 401, "unauthenticated", ""},
		{"role without the right", post(goodLead, "Authorization", "Bearer "+salesperson), 403, "not_permitted", ""},
		{"own role without the right", post(goodLead, "Authorization", "Bearer "+ownDoesNot), 403, "not_permitted", ""},
		{"key of an unknown kind", post(goodLead, "Authorization", "Bearer "+strange), 403, "not_permitted", ""},
		{"secret key for another network", post(goodLead, "Authorization", "Bearer "+atOffice), 403, "network", ""},
		{"the same, said to be there", post(goodLead, "Authorization", "Bearer "+atOffice, "X-Forwarded-For", "192.0.2.9", "Forwarded", "for=192.0.2.9", "X-Real-Ip", "192.0.2.9"), 403, "network", ""},
		{"publishable key without origin", post(goodLead, "Authorization", "Bearer "+publishable), 403, "origin_not_allowed", ""},
		{"publishable key on another page", post(goodLead, "Authorization", "Bearer "+publishable, "Origin", "https://evil.example"), 403, "origin_not_allowed", ""},
		{"publishable key on an opaque page", post(goodLead, "Authorization", "Bearer "+publishable, "Origin", "null"), 403, "origin_not_allowed", ""},
		{"publishable key, another source", post(goodLead, "Authorization", "Bearer "+publishable, "Origin", "https://example.com"), 403, "source_not_allowed", ""},
		// Forms.
		{"form without contact", form("name=Ada"), 422, "invalid", "person"},
		{"form with a bad key", form("tel=1&_key=" + strings.Repeat("k", 256)), 422, "invalid", "_key"},
		{"form of another page", request{path: h.form("bound"), body: "tel=1", header: pairs([]string{"Origin", "https://evil.example", "Accept", "application/json"})}, 403, "origin_not_allowed", ""},
		{"form of a source that is off", request{path: h.form("off"), body: "tel=1", header: pairs([]string{"Accept", "application/json"})}, 422, "invalid", "source"},
		{"form of no source", request{path: "/f/src_01h455vb4pex5vsknk084sn02q", body: "tel=1", header: pairs([]string{"Accept", "application/json"})}, 404, "not_found", ""},
		{"form of a slug", request{path: "/f/site", body: "tel=1", header: pairs([]string{"Accept", "application/json"})}, 404, "not_found", ""},
		// Methods and addresses.
		{"GET", request{method: "GET", path: "/v1/leads"}, 405, "method_not_allowed", ""},
		{"GET batch", request{method: "GET", path: "/v1/leads:batch"}, 405, "method_not_allowed", ""},
		{"DELETE form", request{method: "DELETE", path: h.form("site"), header: pairs([]string{"Accept", "application/json"})}, 405, "method_not_allowed", ""},
		{"POST keys", request{path: "/.well-known/catchment-receipt-keys.json"}, 405, "method_not_allowed", ""},
		{"elsewhere", request{path: "/v1/lead"}, 404, "not_found", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.journal.LastSeq()
			a := h.send(t, c.q)
			if a.StatusCode != c.status || a.problem.Code != c.code || a.problem.Status != c.status {
				t.Fatalf("got %d %s, want %d %s", a.StatusCode, a.text, c.status, c.code)
			}
			if h.journal.LastSeq() != before {
				t.Error("something was stored")
			}
			if a.problem.Title == "" || a.problem.Detail == "" || a.problem.RequestID == "" || a.problem.RequestID != a.Header.Get("X-Request-Id") {
				t.Errorf("the answer says too little: %s", a.text)
			}
			if c.status == 405 && a.Header.Get("Allow") == "" || c.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
				t.Error("a header is missing")
			}
			if c.status == 422 || c.field != "" {
				named := slices.ContainsFunc(a.problem.Errors, func(f problemField) bool { return f.Field == c.field && f.Code != "" && f.Detail != "" })
				if !named {
					t.Errorf("want %q named in %s", c.field, a.text)
				}
			}
		})
	}
	if n := len(h.all(t)); n != 0 {
		t.Errorf("the journal has %d entries", n)
	}
	if n := h.door.Stats().Refused()["origin_not_allowed"]; n != 4 {
		t.Errorf("counted %d", n)
	}
}

func TestBatchFaultsCarryTheirIndex(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{path: "/v1/leads:batch", body: "[" + goodLead + `,{"source":"nowhere","person":{"phone":"1"}},` + goodLead + `,{"source":"site","project":"x","person":{"phone":"1"}}]`})
	got := map[int]string{}
	for _, f := range a.problem.Errors {
		got[*f.Index] = f.Field
	}
	if len(got) != 2 || got[1] != "source" || got[3] != "project" {
		t.Errorf("got %s", a.text)
	}
}

func TestHeadIsRefusedWithoutABody(t *testing.T) {
	h := newHouse(t)
	a := h.send(t, request{method: "HEAD", path: "/v1/leads"})
	if a.StatusCode != 405 || a.Header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
}

// Odd values are no reason to lose a lead.
func TestOddValuesAreTaken(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{
		`{"source":"site","person":{"phone":"call me"}}`,
		`{"source":"site","person":{"email":"not an address"}}`,
		`{"source":"site","person":{"phone":"+999999999999999999999"},"message":"a\u0000b\u0007"}`,
		`{"source":"site","person":{"phone":"1"},"message":"' OR 1=1 --<script>alert(1)</script>"}`,
	} {
		h.take(t, post(body))
	}
	if n := len(h.all(t)); n != 4 {
		t.Errorf("stored %d", n)
	}
}

// raw sends bytes as they are and returns the answer's first line and text.
func (h *house) raw(t *testing.T, f func(c net.Conn)) (status int, text string) {
	t.Helper()
	c, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f(c)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

const head = "POST /v1/leads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secret + "\r\n"

func TestTruncatedBody(t *testing.T) {
	h := newHouse(t)
	for what, sent := range map[string]string{
		"length": head + "Content-Length: 500\r\n\r\n" + goodLead,
		"chunk":  head + "Transfer-Encoding: chunked\r\n\r\n400\r\n" + goodLead,
	} {
		status, text := h.raw(t, func(c net.Conn) {
			fmt.Fprint(c, sent)
			_ = c.(*net.TCPConn).CloseWrite()
		})
		if status != 400 || !strings.Contains(text, "truncated_body") {
			t.Errorf("%s: got %d %s", what, status, text)
		}
	}
	if h.journal.LastSeq() != 0 {
		t.Error("something was stored")
	}
}

func TestSlowBody(t *testing.T) {
	h := newHouse(t, change{door: func(o *capture.Options) { o.BodyTimeout = 200 * time.Millisecond }})
	start := time.Now()
	status, text := h.raw(t, func(c net.Conn) { fmt.Fprint(c, head+"Content-Length: 500\r\n\r\n{") })
	if status != 408 || !strings.Contains(text, "body_too_slow") || time.Since(start) > 3*time.Second {
		t.Errorf("after %v got %d %s", time.Since(start), status, text)
	}
	// One that is refused before its body came is told so as well.
	status, _ = h.raw(t, func(c net.Conn) {
		fmt.Fprint(c, strings.Replace(head, secret, "csk_unknown", 1)+"Content-Length: 500\r\n\r\n{")
	})
	if status != 401 {
		t.Errorf("a refused slow body got %d", status)
	}
	// A body that dribbles has no more time than one that stands still.
	status, _ = h.raw(t, func(c net.Conn) {
		fmt.Fprint(c, head+"Content-Length: 500\r\n\r\n")
		for range 20 {
			if _, err := fmt.Fprint(c, " "); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	if status != 408 || h.journal.LastSeq() != 0 {
		t.Errorf("a dribbling body got %d", status)
	}
	// And a connection that waits afterwards is not cut by the old deadline.
	body := goodLead
	c, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for range 2 {
		fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode != 202 {
			t.Errorf("got %d", res.StatusCode)
		}
		time.Sleep(300 * time.Millisecond)
	}
}
