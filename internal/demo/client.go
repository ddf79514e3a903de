package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"catchment/internal/totp"
)

// client calls the API as one visitor. It is safe to share.
type client struct {
	base  string // "http://127.0.0.1:8080"
	token string // a session's token or a key; "" for none
	http  *http.Client
	apps  *totp.Apps // of those who show a second factor
}

// newHTTP is one pool of connections for a crowd: each of the salespeople and
// terminals holds one for its stream. trust is by what it knows the server; nil
// for the system's way.
func newHTTP(trust *tls.Config) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = trust
	t.Proxy = nil // the demo is on this machine
	t.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (c *client) as(token string) *client { return &client{c.base, token, c.http, c.apps} }

// refusal is an answer of 4xx or 5xx.
type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"errors"`
	Method, Path string        `json:"-"`
	RetryAfter   time.Duration `json:"-"`
}

func (r *refusal) Error() string {
	s := fmt.Sprintf("%s %s: %d %s", r.Method, r.Path, r.Status, r.Code)
	for _, f := range r.Errors {
		s += "; " + f.Field + ": " + f.Code
	}
	if len(r.Errors) == 0 && r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

// is reports whether the API answered with this status.
func is(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.Status == status
}

// passing reports whether the same request may succeed later: too busy, away,
// or no answer at all.
func passing(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return err != nil && !errors.Is(err, context.Canceled)
	}
	return r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable || r.Status >= 500
}

// callTimeout is longer than any answer takes, also of a machine that is busy
// with something else.
const callTimeout = 20 * time.Second

// call makes one request. in is sent as JSON unless nil; out takes the answer
// unless nil. key is the request's idempotency key, "" for none.
func (c *client) call(ctx context.Context, method, path, key string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return c.send(r, out)
}

// send adds the credential, and reads the answer.
func (c *client) send(r *http.Request, out any) error {
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return refused(r, resp, body)
	}
	if out == nil || len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: answer: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

func refused(r *http.Request, resp *http.Response, body []byte) error {
	p := &refusal{}
	_ = json.Unmarshal(body, p) // a proxy's page has no code
	p.Status, p.Method, p.Path = resp.StatusCode, r.Method, r.URL.Path
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}

// insist is call, repeated while the API cannot take it: the same key makes a
// repeat harmless. It gives up with ctx alone.
func (c *client) insist(ctx context.Context, method, path, key string, in, out any) error {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := c.call(ctx, method, path, key, in, out)
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, max(wait, retryAfter(err))); err != nil {
			return err
		}
	}
}

func retryAfter(err error) time.Duration {
	var r *refusal
	if errors.As(err, &r) {
		return r.RetryAfter
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// list is the answer of every list.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *client, path string) ([]T, error) {
	var out []T
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for cursor := ""; ; {
		var page list[T]
		if err := c.insist(ctx, http.MethodGet, path+cursor, "", nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.NextCursor == "" {
			return out, nil
		}
		cursor = sep + "cursor=" + page.NextCursor
	}
}

// session is the answer to a sign-in.
type session struct {
	Token  string `json:"token"`
	UserID string `json:"user_id"`
}

// signIn returns a client with a session.
func (c *client) signIn(ctx context.Context, email, password string) (*client, session, error) {
	return c.begin(ctx, "/v1/sessions", map[string]string{"email": email, "password": password})
}

// signInOnPhone is how salespeople come in: by the code that their phone
// shows, which in the demo is the outbox. When codes were asked for too often,
// as after some starts in a row, they take the password.
func (c *client) signInOnPhone(ctx context.Context, u User) (*client, session, error) {
	code, flow, err := c.awaitCode(ctx, "/v1/sessions/codes", map[string]string{"phone": u.Phone}, u.Phone)
	if err != nil || code == "" {
		if ctx.Err() != nil {
			return nil, session{}, ctx.Err()
		}
		return c.signIn(ctx, u.Email, u.Password)
	}
	return c.begin(ctx, "/v1/sessions", map[string]string{"flow": flow, "code": code})
}

// awaitCode asks at the path for a code to the phone and waits a few seconds
// for its message; "" when none came.
func (c *client) awaitCode(ctx context.Context, path string, in any, phone string) (code, flow string, err error) {
	var asked struct{ Flow string }
	began := time.Now()
	if err := c.call(ctx, http.MethodPost, path, "", in, &asked); err != nil {
		return "", "", err
	}
	for time.Since(began) < 5*time.Second {
		var out list[struct {
			To, Code string
			At       time.Time
		}]
		if err := c.call(ctx, http.MethodGet, "/demo/outbox", "", nil, &out); err != nil {
			return "", "", err
		}
		for _, m := range out.Items {
			if m.To == phone && !m.At.Before(began) {
				return m.Code, asked.Flow, nil
			}
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return "", "", err
		}
	}
	return "", "", nil
}

// redeem sets the password by a one-time link, and returns a client with a
// session.
func (c *client) redeem(ctx context.Context, link, password string) (*client, session, error) {
	return c.begin(ctx, "/v1/links/redeem", map[string]string{"token": linkToken(link), "password": password})
}

func (c *client) begin(ctx context.Context, path string, in map[string]string) (*client, session, error) {
	var s session
	if err := c.insist(ctx, http.MethodPost, path, "", in, &s); err != nil {
		return nil, s, err
	}
	return c.as(s.Token), s, nil
}
