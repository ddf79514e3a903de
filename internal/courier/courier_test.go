package courier

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/vault"
)

// fickle fails as told, then takes everything.
type fickle struct {
	mu    sync.Mutex
	fails []error
	ids   []string
	gate  chan struct{} // when there is one, a try waits for it
}

func (f *fickle) Carry(ctx context.Context, m Message) error {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = append(f.ids, m.ID)
	if len(f.fails) == 0 {
		return nil
	}
	err := f.fails[0]
	f.fails = f.fails[1:]
	return err
}

// rig is a courier whose pauses move its clock instead of waiting.
type rig struct {
	*Courier
	log    bytes.Buffer
	mu     sync.Mutex
	at     time.Time
	pauses []time.Duration
}

func newRig(t *testing.T, c Carrier) *rig {
	r := &rig{at: time.Unix(1_700_000_000, 0)}
	r.Courier = New(Options{Carrier: c, Workers: 1, Waiting: 2, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Jitter: func(d time.Duration) time.Duration { return d }, Now: r.now,
		Pause: func(_ context.Context, d time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.pauses, r.at = append(r.pauses, d), r.at.Add(d)
		}})
	t.Cleanup(r.Close)
	return r
}

func (r *rig) now() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.at }

// carry sends and waits for the outcome.
func (r *rig) carry(t *testing.T, life time.Duration) error {
	t.Helper()
	done := make(chan error, 1)
	if err := r.Send(code(), r.now().Add(life), func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	return <-done
}

func TestItIsTriedAgain(t *testing.T) {
	later := &Failure{Code: "503"}
	f := &fickle{fails: []error{later, &Failure{Code: "429", After: 9 * time.Second}, context.DeadlineExceeded}}
	r := newRig(t, f)
	if err := r.carry(t, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(f.ids) != 4 || f.ids[0] == "" || f.ids[0] != f.ids[3] || len(r.pauses) != 3 ||
		r.pauses[0] != time.Second || r.pauses[1] != 9*time.Second || r.pauses[2] != 4*time.Second {
		t.Errorf("ids %v, pauses %v", f.ids, r.pauses)
	}
	f.fails = []error{&Failure{Permanent: true, Code: "21211"}, nil}
	if err := r.carry(t, 5*time.Minute); outcome(err) != "for good 21211" || len(f.ids) != 5 {
		t.Errorf("%v after %d tries in all", err, len(f.ids))
	}
	f.fails = nil
	for range 100 {
		f.fails = append(f.fails, later)
	}
	before := r.now()
	if err := r.carry(t, time.Minute); outcome(err) != "for now 503" || r.now().Sub(before) > time.Minute {
		t.Errorf("%v after %s", err, r.now().Sub(before))
	}
	if s := r.Stats(); s.Delivered.Load() != 1 || s.Failed.Load() != 2 {
		t.Errorf("%d delivered, %d failed", s.Delivered.Load(), s.Failed.Load())
	}
	r.Close()
	if text := r.log.String(); !strings.Contains(text, "21211") || strings.Contains(text, "7946") || strings.Contains(text, "123456") {
		t.Errorf("log: %s", text)
	}
}

func TestNobodyWaitsAndNothingGrows(t *testing.T) {
	f := &fickle{gate: make(chan struct{})}
	r := newRig(t, f)
	var sent, full int
	for range 10 { // the carrier is silent
		switch err := r.Send(code(), r.now().Add(time.Minute), nil); err {
		case nil:
			sent++
		case ErrFull:
			full++
		default:
			t.Fatal(err)
		}
	}
	if sent > 3 || full == 0 {
		t.Errorf("%d taken, %d refused", sent, full)
	}
	close(f.gate)
	r.Close()
	if len(f.ids) != sent {
		t.Errorf("%d were taken and %d carried", sent, len(f.ids))
	}
	if err := r.Send(code(), r.now().Add(time.Minute), nil); err != ErrFull {
		t.Errorf("after the end: %v", err)
	}
	none := New(Options{})
	defer none.Close()
	if err := none.Send(code(), time.Now().Add(time.Minute), nil); err != ErrNone || none.Ready() {
		t.Error(err)
	}
}

func TestOutbox(t *testing.T) {
	o := &Outbox{}
	for _, c := range []string{"111111", "222222"} {
		if err := o.Carry(t.Context(), Message{To: vault.Hide(number), Text: vault.Hide(c + " is your code"), Code: vault.Hide(c)}); err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, httptest.NewRequest("GET", "/demo/outbox", nil))
	if text := w.Body.String(); !strings.HasPrefix(text, `{"items":[{"to":"+442079460123","text":"222222 is your code","code":"222222","at":"`) || strings.Count(text, `"to"`) != 2 {
		t.Error(text)
	}
	for range 300 {
		_ = o.Carry(t.Context(), code())
	}
	if n := len(o.Items()); n != outboxKeeps {
		t.Errorf("it keeps %d", n)
	}
}
