package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// event is what GET /v1/events sends, as far as the demo looks.
type event struct {
	Kind    string         `json:"kind"`
	At      time.Time      `json:"at"`
	Lead    string         `json:"lead_id"`
	Enquiry string         `json:"enquiry_id"`
	Offer   string         `json:"offer_id"`
	User    string         `json:"user_id"`
	Project string         `json:"project_id"`
	Source  string         `json:"source_id"`
	Test    bool           `json:"test"`
	Data    map[string]any `json:"data"`

	account string // whose stream it came by
}

// text reads a word of the event's data.
func (e event) text(name string) string {
	s, _ := e.Data[name].(string)
	return s
}

const (
	kindReset = "reset" // the stream's own: events were missed
	kindEnd   = "end"   // the credential is not valid any more
	silence   = 50 * time.Second
)

// follow reads the account's events and calls f for each, in order, one at a
// time. It takes the stream up again where it broke off and returns only with
// ctx, or when the credential is refused.
func (c *client) follow(ctx context.Context, f func(event)) error {
	var last string
	for wait := time.Duration(0); ; wait = min(max(2*wait, 250*time.Millisecond), 4*time.Second) {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		before := last
		err := c.stream(ctx, &last, f)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case is(err, http.StatusUnauthorized), is(err, http.StatusForbidden):
			return err
		case last != before:
			wait = 0 // it ran; begin at once
		}
		wait = max(wait, retryAfter(err))
	}
}

// stream reads one connection until it ends. A stream that is silent for three
// heartbeats is dead.
func (c *client) stream(ctx context.Context, last *string, f func(event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+c.token)
	if *last != "" {
		r.Header.Set("Last-Event-ID", *last)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return refused(r, resp, body)
	}
	return readStream(resp.Body, func(id, kind string, data []byte) error {
		watchdog.Reset(silence)
		if id != "" {
			*last = id
		}
		return dispatch(kind, data, f)
	})
}

func dispatch(kind string, data []byte, f func(event)) error {
	switch kind {
	case "":
		return nil
	case kindEnd:
		return &refusal{Status: http.StatusUnauthorized, Code: "unauthenticated", Method: http.MethodGet, Path: "/v1/events"}
	}
	e := event{Kind: kind}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("event %s: %w", kind, err)
	}
	e.Kind = kind
	f(e)
	return nil
}

// readStream reads the event stream format of HTML
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)
// and calls f at each blank line, and with nothing at a comment: a heartbeat.
// The end of the stream is io.EOF; an event that it cuts short is dropped.
func readStream(from io.Reader, f func(id, kind string, data []byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	var id, kind string
	var data []byte
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if err := f(id, kind, data); err != nil {
				return err
			}
			id, kind, data = "", "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			if err := f("", "", nil); err != nil {
				return err
			}
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}
