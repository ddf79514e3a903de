package courier

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"catchment/internal/outward"
	"catchment/internal/vault"
)

const (
	number = "+442079460123"
	secret = "a-secret-of-ours"
)

func code() Message {
	return Message{ID: "msg_1", To: vault.Hide(number), Text: vault.Hide("123456 is your code"), Code: vault.Hide("123456"), Kind: SignInCode}
}

// gateway is a server that answers as told, and notes what came.
type gateway struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request)
	form   url.Values
	body   string
	head   http.Header
	calls  int
	path   string
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		g.body, g.head, g.path = string(text), r.Header.Clone(), r.Method+" "+r.URL.Path
		g.form, _ = url.ParseQuery(g.body)
		g.calls++
		g.answer(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func says(status int, body string, head ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(head); i += 2 {
			w.Header().Set(head[i], head[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// breaksOff writes the beginning of an answer and hangs up.
func breaksOff(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			io.WriteString(c, text)
			c.Close()
		}
	}
}

// outcome is what the sender makes of an answer: "" for taken.
func outcome(err error) string {
	if err == nil {
		return ""
	}
	var f *Failure
	if !errors.As(err, &f) {
		return "no Failure: " + err.Error()
	}
	if f.Permanent {
		return "for good " + f.Code
	}
	return "for now " + f.Code
}

func TestTwilio(t *testing.T) {
	g := newGateway(t)
	host := strings.TrimPrefix(g.URL, "http://")
	tw, err := NewTwilio("twilio+http://AC0123@"+host+"?from=%2B12025550100", secret)
	if err != nil {
		t.Fatal(err)
	}
	g.answer = says(201, `{"sid":"SM0123","status":"queued","error_code":null}`)
	if err := tw.Carry(t.Context(), code()); err != nil {
		t.Fatal(err)
	}
	user, pass, _ := (&http.Request{Header: g.head}).BasicAuth()
	if g.path != "POST /2010-04-01/Accounts/AC0123/Messages.json" || user != "AC0123" || pass != secret || len(g.form) != 3 ||
		g.form.Get("To") != number || g.form.Get("From") != "+12025550100" || g.form.Get("Body") != "123456 is your code" {
		t.Errorf("%s as %s:%s with %v", g.path, user, pass, g.form)
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"no such number":     {says(400, `{"code":21211,"message":"The 'To' number +442079460123 is not a valid phone number.","status":400}`), "for good 21211"},
		"wrong secret":       {says(401, `{"code":20003,"message":"Authenticate","status":401}`), "for good 20003"},
		"too many":           {says(429, `{"code":20429,"message":"Too Many Requests","status":429}`, "Retry-After", "7"), "for now 20429"},
		"broken there":       {says(503, `<html>`), "for now 503"},
		"taken, then cut":    {breaksOff("HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{\"sid\""), ""},
		"cut before a word":  {breaksOff(""), "for now no_answer"},
		"cut in the heading": {breaksOff("HTTP/1.1 20"), "for now no_answer"},
		"sent elsewhere":     {says(307, "", "Location", g.URL+"/elsewhere"), "for good 307"},
	} {
		g.answer, g.calls = c.answer, 0
		err := tw.Carry(t.Context(), code())
		if got := outcome(err); got != c.want || g.calls == 0 || g.path != "POST /2010-04-01/Accounts/AC0123/Messages.json" {
			t.Errorf("%s: %q after %d calls, want %q", name, got, g.calls, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "7946") || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: the error tells: %v", name, err)
		}
		var f *Failure
		if name == "too many" && (!errors.As(err, &f) || f.After != 7*time.Second) {
			t.Errorf("Retry-After: %v", f.After)
		}
	}
	g.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := outcome(tw.Carry(ctx, code())); got != "for now no_answer" {
		t.Errorf("silence: %s", got)
	}
	g.answer = says(200, `{"sid":"AC0123"}`)
	if err := tw.Check(t.Context()); err != nil || g.path != "GET /2010-04-01/Accounts/AC0123.json" {
		t.Errorf("%s: %v", g.path, err)
	}
	g.answer = says(401, `{"code":20003}`)
	if tw.Check(t.Context()) == nil {
		t.Error("a wrong secret passes the check")
	}
	viaService, err := NewTwilio("twilio+http://AC0123@"+host+"?service=MG77&key=SK55", secret)
	if err != nil {
		t.Fatal(err)
	}
	g.answer = says(201, `{}`)
	if err := viaService.Carry(t.Context(), code()); err != nil || g.form.Get("MessagingServiceSid") != "MG77" || g.form.Has("From") {
		t.Errorf("%v, %v", g.form, err)
	}
	if user, _, _ := (&http.Request{Header: g.head}).BasicAuth(); user != "SK55" {
		t.Error(user)
	}
	for _, bad := range []string{"twilio://AC1@api.twilio.com", "twilio://api.twilio.com?from=1", "twilio://AC1:pass@api.twilio.com?from=1",
		"twilio+http://AC1@api.twilio.com?from=1", "twilio://AC1?from=1"} {
		if _, err := NewTwilio(bad, secret); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWebhook(t *testing.T) {
	// The example of the Standard Webhooks documentation.
	key := []byte{0xa6, 0x52, 0x77, 0x9e, 0x6c, 0x82, 0x0c, 0x60, 0x4a, 0x22, 0x76, 0xaf, 0x74, 0xe2, 0xb5, 0xe6, 0x3b, 0x25}
	if got := sign(key, "msg_loFOjxBNrRLzqYUf", "1731705121", []byte(`{"event_type":"ping","data":{"success":true}}`)); got != "rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=" {
		t.Error(got)
	}
	g := newGateway(t)
	const whsec = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	w, err := NewWebhook(g.URL+"/sms", whsec)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 5)
	w.now = func() time.Time { return at }
	g.answer = says(204, "")
	if err := w.Carry(t.Context(), code()); err != nil {
		t.Fatal(err)
	}
	const body = `{"type":"message.send","timestamp":"2023-11-14T22:13:20Z","data":{"to":"+442079460123","text":"123456 is your code","kind":"sign-in-code"}}`
	if g.body != body || g.path != "POST /sms" || g.head.Get("Webhook-Id") != "msg_1" || g.head.Get("Webhook-Timestamp") != "1700000000" ||
		g.head.Get("Webhook-Signature") != "v1,"+sign([]byte("0123456789abcdef0123456789abcdef"), "msg_1", "1700000000", []byte(body)) {
		t.Errorf("%s %v %s", g.path, g.head, g.body)
	}
	for status, want := range map[int]string{200: "", 302: "for good 302", 400: "for good 400", 408: "for now 408", 410: "for good 410", 429: "for now 429", 502: "for now 502"} {
		g.answer = says(status, "")
		if got := outcome(w.Carry(t.Context(), code())); got != want {
			t.Errorf("%d: %q", status, got)
		}
	}
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]string{{"http://sms.example.com/", whsec}, {"https://u:p@sms.example.com/", whsec}, {"https://sms.example.com/", "whsec_AAAA"}, {"https://sms.example.com/", "secret"}, {"/send", whsec}} {
		if _, err := NewWebhook(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// A name that leads inside is not connected to; the control is the same server
// under its written address.
func TestNoWayInside(t *testing.T) {
	g := newGateway(t)
	g.answer = says(200, "")
	u, _ := url.Parse(g.URL)
	_, port, _ := net.SplitHostPort(u.Host)
	named := &url.URL{Scheme: "http", Host: "localhost:" + port}
	r, _ := http.NewRequest(http.MethodGet, named.String(), nil)
	if _, _, _, err := send(outward.New(way(named)), r); outcome(err) != "for good no_answer" || g.calls != 0 {
		t.Errorf("%v after %d calls", err, g.calls)
	}
	r, _ = http.NewRequest(http.MethodGet, g.URL, nil)
	if status, _, _, err := send(outward.New(way(u)), r); err != nil || status != 200 {
		t.Error(status, err)
	}
}

func FuzzTwilioCode(f *testing.F) {
	f.Add(400, []byte(`{"code":21211}`))
	f.Add(400, []byte(`{"code":"x"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if c := twilioCode(status, body); len(c) > 20 || strings.Trim(c, "-0123456789") != "" {
			t.Errorf("%q", c)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"twilio://AC1@api.twilio.com?from=%2B1", "https://sms.example.com/x", "smtp://u@mail.example.com:587", "smtps://[::1]", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const whsec = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
		if w, err := NewWebhook(s, whsec); err == nil && secure(w.address) != nil {
			t.Errorf("%q would send in clear", s)
		}
		_, _ = NewTwilio(s, secret)
		_, _ = NewSMTP(s, secret, "leads@example.com", nil)
	})
}
