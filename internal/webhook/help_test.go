package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/outward"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/store/webhooks"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.MainStrict(m) }

// inside is where receivers of tests may be; loopback else is not reached.
var inside = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}

// house is what delivers, for two accounts, with a clock that is moved.
type house struct {
	*testing.T
	db    *store.DB
	ring  *directorytest.Ring
	log   *events.Log
	feed  *events.Feed
	seq   *events.Sequencer
	d     *Deliverer
	mine  account.Scope
	other account.Scope

	mu sync.Mutex
	at time.Time
}

func each(t *testing.T, f func(h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &jobstest.Waker{}
		quiet := slog.New(slog.DiscardHandler)
		h := &house{T: t, db: db, ring: directorytest.Open(t, db), log: events.NewLog(w), feed: events.NewFeed(db, w, quiet), seq: events.NewSequencer(db, w, quiet), at: store.Clock(time.Now())}
		h.d = h.deliverer(outward.Options{Inside: inside})
		dir := directory.New(directory.Options{DB: db, Keys: h.ring})
		for _, to := range []*account.Scope{&h.mine, &h.other} {
			made, err := dir.Create(t.Context(), directory.NewAccount{Name: "Example Homes", DefaultRegion: "GB", AdminName: "Ana Example", AdminEmail: vault.Hide("ana@example.com")})
			h.ok(err)
			*to = admit.To(made.Account)
		}
		f(h)
	})
}

func (h *house) deliverer(o outward.Options) *Deliverer {
	d := New(Options{DB: h.db, Feed: h.feed, Accounts: h.ring.Accounts, Bell: alarm.Bell{Events: h.log}, Client: o, Now: h.now, Jitter: func() float64 { return 0 }})
	h.Cleanup(d.Stop)
	return d
}

func (h *house) now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.at }

func (h *house) later(d time.Duration) { h.mu.Lock(); defer h.mu.Unlock(); h.at = h.at.Add(d) }

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) write(s account.Scope, f func(tx *store.Tx) error) {
	h.Helper()
	h.ok(h.db.Write(context.Background(), s, f))
}

// happen emits n events of leads and gives them their positions.
func (h *house) happen(s account.Scope, n int) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		for range n {
			h.log.Emit(tx, events.Event{Kind: events.LeadCreated, At: h.now(), Lead: lead.NewID()})
		}
		return nil
	})
	h.place()
}

func (h *house) place() {
	h.Helper()
	_, err := h.seq.PlaceOnce(context.Background())
	h.ok(err)
}

func (h *house) settle() {
	h.Helper()
	h.place()
	h.ok(h.d.Settle(context.Background()))
}

func (h *house) hook(s account.Scope, url string, kinds ...string) (id account.WebhookID, secret string) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		w, text, err := h.d.Create(tx, Settings{URL: url, Kinds: kinds}, h.now())
		id, secret = w.ID, text
		return err
	})
	return id, secret
}

func (h *house) get(s account.Scope, id account.WebhookID) (w webhooks.Webhook) {
	h.Helper()
	h.ok(h.db.Read(context.Background(), s, func(tx *store.Tx) (err error) { w, err = webhooks.Get(tx, id); return err }))
	return w
}

func (h *house) deliveries(s account.Scope, id account.WebhookID, dead bool) (out []webhooks.Delivery) {
	h.Helper()
	h.ok(h.db.Read(context.Background(), s, func(tx *store.Tx) (err error) {
		out, err = webhooks.Deliveries(tx, id, 1<<62, dead, 1000)
		return err
	}))
	return out
}

func (h *house) figures() webhooks.Figures {
	h.Helper()
	f, err := h.d.Figures(h.Context())
	h.ok(err)
	return f
}

func (h *house) alarms() (kinds []string) {
	h.Helper()
	h.ok(h.db.Read(context.Background(), h.mine, func(tx *store.Tx) error {
		kinds = nil
		all, err := alarm.Page(tx, false, time.Time{}, lead.AlarmID{}, 100)
		for _, a := range all {
			if a.EndedAt.IsZero() {
				kinds = append(kinds, a.Kind)
			}
		}
		return err
	}))
	return kinds
}

// got is one message as it came.
type got struct {
	id, kind string
	head     http.Header
	body     []byte
}

// receiver is an address that is told; answer says how it answers.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer func(w http.ResponseWriter, r *http.Request, m got)
}

func newReceiver(t *testing.T, addr string) *receiver {
	t.Helper()
	at, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.Server = &httptest.Server{Listener: at, Config: &http.Server{Handler: http.HandlerFunc(r.take)}}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	var e struct{ Type string }
	_ = json.Unmarshal(body, &e)
	m := got{q.Header.Get("Webhook-Id"), e.Type, q.Header.Clone(), body}
	r.mu.Lock()
	r.all = append(r.all, m)
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, q, m)
	}
}

// says has it answer so from now on; nil: that it took the message.
func (r *receiver) says(f func(w http.ResponseWriter, q *http.Request, m got)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func status(code int) func(http.ResponseWriter, *http.Request, got) {
	return func(w http.ResponseWriter, _ *http.Request, _ got) { w.WriteHeader(code) }
}

func (r *receiver) took() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.all...)
}

// ids are the different webhook-ids of a kind that came.
func (r *receiver) ids(kind string) map[string]int {
	out := map[string]int{}
	for _, m := range r.took() {
		if m.kind == kind {
			out[m.id]++
		}
	}
	return out
}

// verify checks a message as a receiver would: written from the rules alone.
func verify(m got, secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(m.head.Get("webhook-id") + "." + m.head.Get("webhook-timestamp") + "." + string(m.body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Fields(m.head.Get("webhook-signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return true
		}
	}
	return false
}
