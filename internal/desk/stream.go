package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/web"
)

// Limits of the stream of events.
const (
	maxStreams = 20 // of one user or key
	awayPause  = time.Second
)

// streams counts the open ones, and ends them.
type streams struct {
	done chan struct{}
	once sync.Once
	mu   sync.Mutex
	open map[string]int // by account and actor
}

func newStreams() *streams {
	return &streams{done: make(chan struct{}), open: map[string]int{}}
}

func (s *streams) close() { s.once.Do(func() { close(s.done) }) }

// enter takes a place; leave gives it back.
func (s *streams) enter(who string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[who] >= maxStreams {
		return nil, false
	}
	s.open[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[who]--; s.open[who] == 0 {
			delete(s.open, who)
		}
	}, true
}

var streamOp = web.Op{Method: http.MethodGet, Path: "/v1/events", Name: "follow-events", Tag: "events", Permission: account.FollowEvents,
	Summary: "Follow what happens, live (server-sent events)"}

func (d *Desk) streamRoutes() {
	d.API.Handle(streamOp, d.stream)
	d.API.Describe(web.Fragment{"paths": map[string]any{streamOp.Path: map[string]any{"get": map[string]any{
		"operationId": streamOp.Name, "summary": streamOp.Summary, "tags": []string{streamOp.Tag},
		"x-permission": string(streamOp.Permission), "security": []any{map[string]any{"key": []any{}}},
		"description": "Each event has its position as id, its kind as event and JSON as data, see docs/api.md; nothing in it is personal. " +
			"Begin where you like with Last-Event-ID (the last one you had) or from (the first one you want); without either the stream begins now. " +
			"24 hours are kept: from before that, the stream sends an event named reset and begins now; load what you show anew. " +
			"A comment comes every 15 seconds. Salespeople get what concerns them: their offers and leads. " +
			"The stream ends when the session or key does, after an event named end.",
		"parameters": []any{
			map[string]any{"name": "Last-Event-ID", "in": "header", "schema": map[string]any{"type": "integer", "minimum": 0}, "description": "The id of the last event you had."},
			map[string]any{"name": "from", "in": "query", "schema": map[string]any{"type": "integer", "minimum": 0}, "description": "The position of the first event you want."},
		},
		"responses": map[string]any{
			"200": map[string]any{"description": "The stream.", "content": map[string]any{"text/event-stream": map[string]any{
				"schema":  map[string]any{"type": "string"},
				"example": "id: 42\nevent: offer.made\ndata: {\"kind\":\"offer.made\",\"at\":\"2026-03-02T09:30:00.125Z\",\"lead_id\":\"lead_…\",\"offer_id\":\"offr_…\",\"user_id\":\"user_…\"}\n\n"}}},
			"401": map[string]any{"description": "No valid credential."}, "403": map[string]any{"description": "Not for this role."},
			"422": map[string]any{"description": "from or Last-Event-ID is no position."}, "429": map[string]any{"description": "Too many streams."},
		},
	}}}})
}

// stream answers GET /v1/events.
func (d *Desk) stream(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	from, given, err := startOf(r)
	if err != nil {
		d.API.Fail(w, r, v, streamOp, err)
		return
	}
	if r.Method == http.MethodHead { // the mux sends HEAD here; a stream without events would only hang
		streamHead(w)
		return
	}
	leave, ok := d.streams.enter(v.Scope.Account().String() + v.Actor)
	if !ok {
		d.API.Fail(w, r, v, streamOp, problem.TooMany("too_many_streams", 10*time.Second, "At most %d streams at once. Close one first.", maxStreams))
		return
	}
	defer leave()
	if !given {
		if from, err = d.Feed.Head(r.Context(), v.Scope); err != nil {
			d.API.Fail(w, r, v, streamOp, err)
			return
		}
	}
	f := &follower{d: d, v: v, at: from, sent: from, rc: http.NewResponseController(w), w: w,
		token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	_ = f.rc.SetReadDeadline(time.Time{})
	streamHead(w)
	err = f.run(r.Context())
	if err == nil || errors.Is(err, errEnded) {
		_ = f.rc.SetWriteDeadline(time.Time{}) // the connection may carry other requests
		return
	}
	if r.Context().Err() == nil {
		d.Log.Info("desk: a stream of events ended", "request_id", v.RequestID, "error", err.Error())
	}
}

// startOf reads the position to begin at.
func startOf(r *http.Request) (from int64, given bool, err error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, false, problem.Unreadable("unreadable", "The query cannot be read.")
	}
	for name := range q {
		if name != "from" || len(q[name]) != 1 {
			return 0, false, problem.InvalidField("query", "unknown_parameter", "The stream takes from, once.")
		}
	}
	if s := q.Get("from"); q.Has("from") {
		from, err := position("from", s)
		return from, true, err
	}
	if s := r.Header.Get("Last-Event-ID"); s != "" {
		from, err := position("Last-Event-ID", s)
		return from + 1, true, err
	}
	return 0, false, nil
}

func position(field, s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 62)
	if err != nil || n < 0 {
		return 0, problem.InvalidField(field, "not_a_position", "Send the id of an event, a whole number.")
	}
	return n, nil
}

// errEnded says that the visitor's right to the stream ended.
var errEnded = errors.New("desk: the credential is not valid any more")

// follower writes one stream.
type follower struct {
	d     *Desk
	v     *web.Visit
	token string
	at    int64 // the next position to read
	sent  int64 // the next position that the client knows of
	w     http.ResponseWriter
	rc    *http.ResponseController
}

func streamHead(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that buffers would hold events back
	w.WriteHeader(http.StatusOK)
}

func (f *follower) run(ctx context.Context) error {
	wake, stop := f.d.Feed.Watch(f.v.Scope)
	defer stop()
	beat := time.NewTicker(f.d.Timing.Heartbeat)
	defer beat.Stop()
	check := time.NewTicker(f.d.Timing.Recheck)
	defer check.Stop()
	if err := f.write([]byte("retry: 2000\n\n")); err != nil {
		return err
	}
	for {
		if err := f.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.d.streams.done:
			return nil
		case <-wake:
		case <-beat.C:
			if err := f.write(f.beat()); err != nil {
				return err
			}
		case <-check.C:
			if err := f.recheck(ctx); err != nil {
				return err
			}
		}
	}
}

// beat is a comment; after events that were not for this visitor it also moves
// the client's last id on, so that a resume does not begin too far back.
func (f *follower) beat() []byte {
	if f.sent == f.at {
		return []byte(":\n\n")
	}
	f.sent = f.at
	return fmt.Appendf(nil, ":\nid: %d\n\n", f.at-1)
}

// catchUp writes what there is. While the database is away it says nothing and
// is called again at the next heartbeat.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		p, err := f.d.pages.at(ctx, f.v.Scope, f.at)
		if errors.Is(err, store.ErrAway) || errors.Is(err, store.ErrAgain) {
			return sleep(ctx, awayPause)
		}
		if err != nil {
			return err
		}
		if p.reset {
			return f.reset(p.next)
		}
		f.at = p.next
		if slices.ContainsFunc(p.told, f.judges) {
			if err := f.recheck(ctx); err != nil {
				return err
			}
		}
		if text := f.text(p); len(text) > 0 {
			f.sent = f.at
			if err := f.write(text); err != nil {
				return err
			}
		}
		if len(p.told) == 0 {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// reset tells the client that events were missed, and goes on from head.
func (f *follower) reset(head int64) error {
	f.at, f.sent = head, head
	return f.write(fmt.Appendf(nil, "id: %d\nevent: reset\ndata: {}\n\n", head-1))
}

func (f *follower) text(p *page) []byte {
	var b []byte
	for _, t := range p.told {
		if f.concerns(t) {
			b = append(b, t.text...)
		}
	}
	return b
}

// concerns says which events the visitor gets. Who may read every lead gets
// all; others get those that name them and those of leads that they may read.
func (f *follower) concerns(t told) bool {
	if t.Kind == events.RecoveryUsed && !f.v.May(account.ManagePeople) {
		return t.User == f.v.User && !t.User.IsZero()
	}
	if t.Kind == events.GrantMade || t.Kind == events.GrantUsed || t.Kind == events.GrantEnded {
		return f.v.May(account.ReadRecord)
	}
	if f.v.Reach(account.ReadLeads) == rights.All {
		return true
	}
	me := f.v.User
	return !me.IsZero() && (t.User == me || t.Data["from"] == me.String() || f.v.Reads(t.hold.Owner, t.hold.Project))
}

// judges says that an event may end the visitor's right to the stream, or
// change it: this is not left to the next look at the clock.
func (f *follower) judges(t told) bool {
	if t.Kind == events.DeviceRevoked {
		return t.User == f.v.User
	}
	if t.Kind != events.SetupChanged {
		return false
	}
	switch t.Data["what"] {
	case "networks", "role":
		return true
	case "pool": // who is in which team
		return f.v.Rights.Teams()
	case "user":
		return t.User == f.v.User
	case "key":
		return t.Data["id"] == f.v.Key.String()
	}
	return false
}

// recheck ends the stream when the credential does, and follows a change of role.
func (f *follower) recheck(ctx context.Context) error {
	p, err := f.d.Auth.Authenticate(ctx, f.token)
	if err == nil && (!p.Rights.May(account.FollowEvents) || p.Scope != f.v.Scope) {
		err = errEnded
	}
	if err == nil {
		f.v.Principal = p
		return nil
	}
	q, ok := problem.Of(err)
	if !errors.Is(err, errEnded) && (!ok || q.Status != http.StatusUnauthorized && q.Status != http.StatusForbidden) {
		return nil // the directory is away, which says nothing about the credential
	}
	end := "event: end\ndata: {}\n\n"
	if ok && q.Code == "device_revoked" { // the event of it may not have its position yet
		end = "event: end\ndata: {\"code\":\"device_revoked\"}\n\n"
	}
	_ = f.write([]byte(end))
	return errEnded
}

func (f *follower) write(b []byte) error {
	if err := f.rc.SetWriteDeadline(time.Now().Add(f.d.Timing.Write)); err != nil {
		return err
	}
	if _, err := f.w.Write(b); err != nil {
		return err
	}
	return f.rc.Flush()
}
