package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// api calls an instance as one visitor. It is safe to share.
type api struct {
	base, token string
	purpose     string // Catchment-Purpose, when it is stated
	origin      string // of the page that asks, when one does
	http        *http.Client
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (i *instance) api(token string) *api {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.Proxy = nil
	tr.MaxIdleConnsPerHost = 16
	i.t.later(tr.CloseIdleConnections)
	return &api{base: i.url(), token: token, http: &http.Client{Transport: tr, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is the same visitor's connections with another credential.
func (a *api) as(token string) *api {
	return &api{base: a.base, token: token, purpose: a.purpose, http: a.http}
}

func (a *api) do(ctx context.Context, method, path string, header http.Header, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for k, v := range header {
		r.Header[k] = v
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	if a.purpose != "" {
		r.Header.Set("Catchment-Purpose", a.purpose)
	}
	if a.origin != "" {
		r.Header.Set("Origin", a.origin)
	}
	if len(body) > 0 && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	return answer{resp.StatusCode, resp.Header, text}, err
}

// call sends in as JSON unless nil and reads the answer into out unless nil.
// A status of 400 or more is an error with the problem's code, never with what
// was sent.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	var err error
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	r, err := a.do(ctx, method, path, nil, body)
	if err != nil {
		return err
	}
	if r.status >= 400 {
		return refusal{method, path, r.status, problemCode(r.status, r.body), strings.TrimSpace(string(r.body))}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.body, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

type refusal struct {
	method, path string
	status       int
	code, text   string
}

func (r refusal) Error() string { return r.method + " " + r.path + ": " + r.code + " " + r.text }

func (a *api) get(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodGet, path, nil, out)
}

func (a *api) post(ctx context.Context, path string, in, out any) error {
	return a.call(ctx, http.MethodPost, path, in, out)
}

// pages reads a whole list.
func pages[T any](ctx context.Context, a *api, path string, each func(T)) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for cursor := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		if err := a.get(ctx, path+sep+"limit=500"+cursor, &page); err != nil {
			return err
		}
		for _, it := range page.Items {
			each(it)
		}
		if page.Next == "" {
			return nil
		}
		cursor = "&cursor=" + page.Next
	}
}

// signIn gives the visitor a session.
func (a *api) signIn(ctx context.Context, email, password string) (*api, error) {
	var s struct {
		Token string `json:"token"`
	}
	err := a.post(ctx, "/v1/sessions", map[string]string{"email": email, "password": password}, &s)
	return a.as(s.Token), err
}

// health is what the operator sees.
type health struct {
	OK      bool `json:"ok"`
	Journal *struct {
		Backlog int64 `json:"backlog"`
		LastSeq int64 `json:"last_seq"`
		Cursor  int64 `json:"cursor"`
	} `json:"journal"`
	Jobs *struct {
		Due    int64 `json:"due"`
		Failed int64 `json:"failed"`
	} `json:"jobs"`
	Events *struct {
		Unplaced int64 `json:"unplaced"`
		Behind   int64 `json:"behind"`
	} `json:"events"`
}

func (h health) drained() bool {
	return h.Journal != nil && h.Journal.Backlog == 0 && h.Journal.Cursor == h.Journal.LastSeq &&
		h.Jobs != nil && h.Jobs.Due == 0 && h.Events != nil && h.Events.Unplaced == 0 && h.Events.Behind == 0
}

// enter signs in somebody who has to show a second factor, by their app.
func (i *instance) enter(ctx context.Context, u user) (*api, error) {
	a, err := i.api("").signIn(ctx, u.Email, u.Password)
	if err != nil || u.TOTP == "" {
		return a, err
	}
	for try := 0; ; try++ {
		code, err := i.apps.Next(ctx, u.TOTP)
		if err != nil {
			return nil, err
		}
		var s struct {
			Token string `json:"token"`
		}
		err = a.post(ctx, "/v1/sessions/current/factors", map[string]string{"totp": code}, &s)
		var r refusal
		if !errors.As(err, &r) || r.status != http.StatusUnprocessableEntity || try == 2 { // the instance itself used it when it set up the app
			return a.as(s.Token), err
		}
	}
}

// operator signs the platform's operator in, once for as long as the session
// goes on: an app has one code for half a minute.
func (i *instance) operator(ctx context.Context) (*api, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.op != nil {
		i.op.base = i.url()
		r, err := i.op.do(ctx, http.MethodGet, "/v1/me", nil, nil)
		if err != nil || r.status == http.StatusOK {
			return i.op, err
		}
		if r.status != http.StatusUnauthorized {
			return nil, refusal{http.MethodGet, "/v1/me", r.status, problemCode(r.status, r.body), ""}
		}
	}
	a, err := i.enter(ctx, i.world.Operator)
	if err == nil {
		i.op = a
	}
	return a, err
}

// drain waits until all that was captured is in SQL and all that is due is
// done, and says how long that took.
func (i *instance) drain(ctx context.Context, within time.Duration) (time.Duration, error) {
	began := time.Now()
	op, err := i.operator(ctx)
	if err != nil {
		return 0, fmt.Errorf("operator: %w", err)
	}
	var h health
	for told := began; time.Since(began) < within; {
		h = health{}
		if err = op.get(ctx, "/v1/operator/health", &h); err == nil && h.drained() {
			return time.Since(began), nil
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			i.t.say("draining: %s", h)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("not drained within %s: %s%s", within, h, because(err))
}

func (h health) String() string {
	text, _ := json.Marshal(h) // plain numbers
	return string(text)
}
