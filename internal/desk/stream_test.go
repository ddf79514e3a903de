package desk_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// sse is one event of a stream as a browser sees it.
type sse struct{ id, event, data string }

// listening is an open stream.
type listening struct {
	testing.TB
	events chan sse
	raw    chan string // comments
	ended  chan struct{}
	stop   context.CancelFunc
}

func (v *visitor) listen(query, lastID string) *listening {
	v.Helper()
	ctx, cancel := context.WithCancel(v.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/v1/events"+query, nil)
	v.ok(err)
	r.Header.Set("Authorization", "Bearer "+v.token)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(r)
	v.ok(err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		v.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	l := &listening{v, make(chan sse, 1000), make(chan string, 1000), make(chan struct{}), cancel}
	v.Cleanup(cancel)
	go l.read(resp)
	return l
}

func (l *listening) read(resp *http.Response) {
	defer close(l.ended)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var e sse
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "" && (e.event != "" || e.id != ""):
			l.events <- e
			e = sse{}
		case strings.HasPrefix(lines.Text(), ":"):
			l.raw <- lines.Text()
		case name == "id":
			e.id = value
		case name == "event":
			e.event = value
		case name == "data":
			e.data = value
		}
	}
}

// next waits for an event of the kind and gives those before it, too.
func (l *listening) next(kind events.Kind) (all []sse) {
	l.Helper()
	timeout := time.After(5 * time.Second)
	for {
		select {
		case e := <-l.events:
			all = append(all, e)
			if e.event == string(kind) {
				return all
			}
		case <-timeout:
			l.Fatalf("no %s came: %v", kind, all)
		}
	}
}

func last(all []sse) sse { return all[len(all)-1] }

func kindsOf(all []sse) (out []string) {
	for _, e := range all {
		if e.event != "" {
			out = append(out, e.event)
		}
	}
	return out
}

// Whoever asks who they are first, and then reads what they show, goes on from
// there: nothing is missed that happened before the stream was open.
func TestTheStreamGoesOnFromMe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		a := c.arrive(sam.id)
		try := func() {
			sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer"}).want(t, 201)
		}
		await := boss.listen("", "")
		from := boss.get("/v1/me").want(t, 200).body["events_from"].(float64)
		try()
		await.next(events.AttemptMade) // it has its position
		now := boss.listen("", "")
		try()
		both := boss.listen(fmt.Sprintf("?from=%.0f", from), "").next(events.AttemptMade)
		if one := now.next(events.AttemptMade); last(one).id == last(both).id {
			t.Errorf("a stream that begins now has what happened before it: %v", one)
		}
		if got := c.key(account.Marketer).get("/v1/me").want(t, 200); got.body["events_from"] != nil {
			t.Errorf("who may not follow events is told where they stand: %s", got.text)
		}
	})
}

func TestEventsArriveAndResume(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		l := boss.listen("", "")
		a := c.arrive(sam.id)
		for range 3 {
			sam.post("/v1/leads/"+a.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "no-answer", "note": canaryMessage}).want(t, 201)
		}
		first := last(l.next(events.AttemptMade))
		var body map[string]any
		if err := json.Unmarshal([]byte(first.data), &body); err != nil || body["lead_id"] != a.lead.String() || body["kind"] != first.event {
			t.Fatalf("%v: %s", err, first.data)
		}
		l.next(events.AttemptMade)
		end := last(append(l.next(events.AttemptMade), l.next(events.NoteAdded)...))
		l.stop()
		// A resume gives everything after the last one had, once, in order.
		again := boss.listen("", first.id)
		got := again.next(events.NoteAdded)
		for last(got).id != end.id {
			got = append(got, again.next(events.NoteAdded)...)
		}
		want := []string{"note.added", "attempt.made", "note.added", "attempt.made", "note.added"}
		if k := kindsOf(got); strings.Join(k, " ") != strings.Join(want, " ") {
			t.Errorf("resumed with %v", k)
		}
		for i := range got {
			if n, _ := strconv.Atoi(got[i].id); i > 0 && strconv.Itoa(n-1) != got[i-1].id {
				t.Errorf("%s follows %s", got[i].id, got[i-1].id)
			}
			if strings.Contains(got[i].data, "flat") {
				t.Errorf("personal: %s", got[i].data)
			}
		}
		if from := boss.listen("?from="+end.id, "").next(events.NoteAdded); len(from) != 1 || from[0].id != end.id {
			t.Errorf("from %s: %v", end.id, from)
		}
		// Where nothing ever was, the stream says so and goes on from now.
		reset := boss.listen("?from=1000000", "")
		if e := last(reset.next("reset")); e.id != end.id {
			t.Errorf("reset at %s, the last event is %s", e.id, end.id)
		}
		sam.post("/v1/leads/"+a.lead.String()+"/notes", map[string]any{"text": "a"}).want(t, 201)
		reset.next(events.NoteAdded)
		select {
		case <-reset.raw:
		case <-time.After(5 * time.Second):
			t.Error("no heartbeat")
		}
	})
}

func TestSalespeopleHearWhatConcernsThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c, other := d.company(), d.company()
		sam, kim, stranger := c.user(account.Salesperson), c.user(account.Salesperson), other.user(account.Admin)
		mine, theirs := c.arrive(sam.id), c.arrive(kim.id)
		l, foreign := sam.listen("", ""), stranger.listen("", "")
		note := map[string]any{"text": "a"}
		kim.post("/v1/leads/"+theirs.lead.String()+"/notes", note).want(t, 201)
		sam.post("/v1/leads/"+mine.lead.String()+"/notes", note).want(t, 201)
		if got := l.next(events.NoteAdded); !strings.Contains(last(got).data, mine.lead.String()) {
			t.Errorf("%v", got)
		}
		// After another's events the client's last id moves on all the same.
		kim.post("/v1/leads/"+theirs.lead.String()+"/notes", note).want(t, 201)
		head, err := events.NewFeed(db, nil, nil).Head(t.Context(), c.scope)
		d.ok(err)
		within(t, 5*time.Second, "the id of an event that was not for them", func() bool {
			select {
			case e := <-l.events:
				if e.event != "" {
					t.Errorf("%v", e)
				}
				n, _ := strconv.ParseInt(e.id, 10, 64)
				return n >= head-1
			default:
				return false
			}
		})
		stranger.get("/v1/me")
		select {
		case e := <-foreign.events:
			if e.event != "" {
				t.Errorf("another account hears %v", e)
			}
		default:
		}
	})
}

func TestStreamsEndWithTheCredential(t *testing.T) {
	c := open(t, storetest.SQLite(t)).company()
	boss := c.user(account.Manager)
	l := boss.listen("", "")
	boss.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 200)
	l.next("end")
	select {
	case <-l.ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the stream goes on")
	}
}

func TestStreamsAreBounded(t *testing.T) {
	d := open(t, storetest.SQLite(t))
	c := d.company()
	boss, key := c.user(account.Manager), c.key(account.Admin)
	var open []*listening
	for range 20 {
		open = append(open, boss.listen("", ""))
	}
	got := boss.get("/v1/events").want(t, 429)
	if got.code() != "too_many_streams" || got.head.Get("Retry-After") == "" {
		t.Errorf("%s", got.text)
	}
	key.listen("", "")
	open[0].stop()
	within(t, 5*time.Second, "a place is free again", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, boss.url+"/v1/events", nil)
		r.Header.Set("Authorization", "Bearer "+boss.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == 200
	})
	d.desk.Close()
	for _, l := range open[1:] {
		select {
		case <-l.ended:
		case <-time.After(5 * time.Second):
			t.Fatal("Close leaves a stream open")
		}
	}
	for query, code := range map[string]string{"?from=x": "invalid from not_a_position", "?from=-1": "invalid from not_a_position", "?from=": "invalid from not_a_position",
		"?form=1": "invalid query unknown_parameter", "?from=99999999999999999999": "invalid from not_a_position"} {
		if got := key.get("/v1/events"+query).want(t, 422); got.code() != code {
			t.Errorf("%s: %s", query, got.text)
		}
	}
	key.ask(http.MethodHead, "/v1/events", nil).want(t, 200)
	key.get("/v1/events", "Last-Event-ID", "soon").want(t, 422)
	c.user(account.Marketer).get("/v1/events").want(t, 403)
	(&visitor{company: c}).get("/v1/events").want(t, 401)
}

// Who takes nothing is given up: a write has its deadline.
func TestAStreamThatNobodyReadsEnds(t *testing.T) {
	d := open(t, storetest.SQLite(t))
	c := d.company()
	boss := c.user(account.Manager)
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	d.ok(err)
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	_, err = fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n", boss.token)
	d.ok(err)
	within(t, 5*time.Second, "the stream's beginning", func() bool { _, err := conn.Read(make([]byte, 16)); return err == nil })
	before := d.closed.Load()
	long := strings.Repeat("x", 4<<10)
	for range 20 {
		c.write(func(tx *store.Tx) error {
			for range 200 {
				d.emits.Emit(tx, events.Event{Kind: events.SetupChanged, Data: map[string]any{"what": long}})
			}
			return nil
		})
	}
	within(t, 20*time.Second, "the server gives it up", func() bool { return d.closed.Load() > before })
}

// Many streams share what they read, and each still hears everything, once.
func TestManyStreamsHearEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c := d.company()
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		const each = 10
		all := make([]*listening, 0, 2*each)
		for range each {
			all = append(all, boss.listen("?from=1", ""), sam.listen("?from=1", ""))
		}
		const n = 300
		for i := range n {
			c.write(func(tx *store.Tx) error {
				d.emits.Emit(tx, events.Event{Kind: events.PresenceChanged, User: sam.id, Data: map[string]any{"n": i}},
					events.Event{Kind: events.AlarmRaised})
				if i == n-1 {
					d.emits.Emit(tx, events.Event{Kind: events.AlarmCleared, User: sam.id})
				}
				return nil
			})
		}
		for i, l := range all {
			got := map[string]int{}
			before := 0
			for _, e := range l.next(events.AlarmCleared) {
				got[e.event]++
				if id, _ := strconv.Atoi(e.id); id <= before {
					t.Fatalf("stream %d: %d after %d", i, id, before)
				} else {
					before = id
				}
			}
			alarms := n // which name nobody, so they are not for salespeople
			if i%2 == 1 {
				alarms = 0
			}
			if got["presence.changed"] != n || got["alarm.raised"] != alarms {
				t.Errorf("stream %d: %v", i, got)
			}
		}
	})
}
