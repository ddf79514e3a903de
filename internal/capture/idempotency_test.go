package capture_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/capture"
	"catchment/internal/journal"
)

func leadOf(n int) string {
	return fmt.Sprintf(`{"source":"site","person":{"phone":"+44207946%04d"}}`, n)
}

func TestRepeatIsTheSameEnquiry(t *testing.T) {
	h := newHouse(t)
	first := h.take(t, post(goodLead, "Idempotency-Key", "k1"))
	again := h.take(t, post(goodLead, "Idempotency-Key", "k1"))
	if first.ID != again.ID || first.Receipt.Salt == again.Receipt.Salt {
		t.Error("want the same enquiry and a receipt of its own")
	}
	if other := h.take(t, post(goodLead, "Idempotency-Key", "k2")); other.ID == first.ID {
		t.Error("another key is another enquiry")
	}
	one, two := h.take(t, post(goodLead)), h.take(t, post(goodLead))
	if one.ID == two.ID {
		t.Error("without a key every lead is its own")
	}
	conflict := h.send(t, post(leadOf(1), "Idempotency-Key", "k1"))
	if conflict.StatusCode != http.StatusConflict || conflict.problem.Code != "idempotency_conflict" {
		t.Errorf("got %d %s", conflict.StatusCode, conflict.text)
	}
	if n := len(h.all(t)); n != 5 {
		t.Errorf("stored %d", n)
	}
}

// A key's scope is the account for secret keys and the source for publishable
// ones and forms; another account's is never the same.
func TestScopeOfAKey(t *testing.T) {
	h := newHouse(t)
	toThanks := strings.Replace(goodLead, "site", "thanks", 1)
	bySecret := h.take(t, post(goodLead, "Idempotency-Key", "k"))
	byPage := h.take(t, post(goodLead, "Idempotency-Key", "k", "Authorization", "Bearer "+anyOrigin))
	byPageElsewhere := h.take(t, post(toThanks, "Idempotency-Key", "k", "Authorization", "Bearer "+anyOrigin))
	byAnotherPageKey := h.take(t, post(goodLead, "Idempotency-Key", "k", "Authorization", "Bearer "+oneSource))
	byOther := h.take(t, post(strings.Replace(goodLead, "site", "elsewhere", 1), "Idempotency-Key", "k", "Authorization", "Bearer "+otherSecret))
	if byPage.ID != byAnotherPageKey.ID {
		t.Error("two publishable keys of one source share its scope")
	}
	seen := map[string]bool{bySecret.ID: true, byPage.ID: true, byPageElsewhere.ID: true, byOther.ID: true}
	if len(seen) != 4 {
		t.Errorf("want four enquiries, got %v", seen)
	}
	if a := h.send(t, post(toThanks, "Idempotency-Key", "k")); a.StatusCode != http.StatusConflict {
		t.Errorf("a secret key's scope is the account: got %d", a.StatusCode)
	}
}

func TestWindowSurvivesARestart(t *testing.T) {
	h := newHouse(t)
	first := h.take(t, post(goodLead, "Idempotency-Key", "k1"))
	h.send(t, request{path: "/v1/leads:batch", body: "[" + leadOf(1) + "," + leadOf(2) + "]", header: pairs([]string{"Idempotency-Key", "b"})})
	h.reopen(t)
	if a := h.send(t, post(leadOf(3), "Idempotency-Key", "k1")); a.StatusCode != http.StatusConflict {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
	if a := h.send(t, post(leadOf(3), "Idempotency-Key", "b/1")); a.StatusCode != http.StatusConflict {
		t.Errorf("a batch's lead: got %d %s", a.StatusCode, a.text)
	}
	if again := h.take(t, post(goodLead, "Idempotency-Key", "k1")); again.ID != first.ID {
		t.Error("another enquiry after the restart")
	}
}

func TestBatchConflictStoresNothing(t *testing.T) {
	h := newHouse(t)
	h.take(t, post(leadOf(9), "Idempotency-Key", "b/1"))
	before := h.journal.LastSeq()
	a := h.send(t, request{path: "/v1/leads:batch", body: "[" + leadOf(1) + "," + leadOf(2) + "]", header: pairs([]string{"Idempotency-Key", "b"})})
	if a.StatusCode != http.StatusConflict || len(a.problem.Errors) != 1 || *a.problem.Errors[0].Index != 1 || h.journal.LastSeq() != before {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
	h.take(t, post(leadOf(5), "Idempotency-Key", "b/0")) // given back
}

// Many at once under one key with two bodies: one body wins, every answer of
// the other is a conflict, and only the winner is stored.
func TestTwoBodiesAtOnce(t *testing.T) {
	h := newHouse(t)
	for round := range 10 {
		var won [2]atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				a := h.send(t, post(leadOf(i%2), "Idempotency-Key", fmt.Sprint("round ", round)))
				switch a.StatusCode {
				case http.StatusAccepted:
					won[i%2].Add(1)
				case http.StatusConflict:
				default:
					t.Errorf("got %d %s", a.StatusCode, a.text)
				}
			})
		}
		all.Wait()
		if a, b := won[0].Load(), won[1].Load(); a+b != 8 || a != 0 && b != 0 {
			t.Fatalf("accepted %d of one body and %d of the other", a, b)
		}
	}
	bodies := map[string]map[string]bool{}
	for _, s := range h.all(t) {
		if bodies[s.Enquiry.String()] == nil {
			bodies[s.Enquiry.String()] = map[string]bool{}
		}
		bodies[s.Enquiry.String()][s.body] = true
	}
	for id, b := range bodies {
		if len(b) != 1 {
			t.Errorf("%s has %d bodies", id, len(b))
		}
	}
}

// failing stands before a journal: it refuses, or stores and says that it
// does not know.
type failing struct {
	capture.Journal
	fail  atomic.Pointer[error]
	after atomic.Bool // store first
}

func (f *failing) Append(ctx context.Context, e journal.Entry) (journal.Ack, error) {
	if err := f.fail.Load(); err != nil {
		if f.after.Load() {
			_, _ = f.Journal.Append(ctx, e)
		}
		return journal.Ack{}, *err
	}
	return f.Journal.Append(ctx, e)
}

func (f *failing) with(err error, after bool) {
	f.after.Store(after)
	if err == nil {
		f.fail.Store(nil)
		return
	}
	f.fail.Store(&err)
}

func TestKeyAfterAFailure(t *testing.T) {
	var j *failing
	h := newHouse(t, change{door: func(o *capture.Options) { j = &failing{Journal: o.Journal}; o.Journal = j }})
	for _, c := range []struct {
		name        string
		err         error
		after, free bool
		code        string
	}{
		{"failed and not saved", journal.ErrBusy{RetryAfter: time.Second, Reason: journal.BusyQueue}, false, true, "busy"},
		{"failed but saved", journal.ErrBusy{RetryAfter: time.Second, Reason: journal.BusyUnknown}, true, false, "unconfirmed"},
		{"an error nobody thought of", errors.New("strange"), true, false, "unavailable"},
	} {
		j.with(c.err, c.after)
		a := h.send(t, post(leadOf(1), "Idempotency-Key", c.name))
		if a.StatusCode != 503 || a.problem.Code != c.code || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", c.name, a.StatusCode, a.text)
		}
		j.with(nil, false)
		want := http.StatusAccepted
		if !c.free {
			want = http.StatusConflict
		}
		if a := h.send(t, post(leadOf(2), "Idempotency-Key", c.name)); a.StatusCode != want {
			t.Errorf("%s: another body afterwards got %d, want %d", c.name, a.StatusCode, want)
		}
		want = http.StatusConflict
		if !c.free {
			want = http.StatusAccepted
		}
		if a := h.send(t, post(leadOf(1), "Idempotency-Key", c.name)); a.StatusCode != want {
			t.Errorf("%s: the same body afterwards got %d, want %d", c.name, a.StatusCode, want)
		}
	}
}

// noSealer cannot seal.
type noSealer struct{}

func (noSealer) Seal(account.ID, []byte, []byte) (box, data []byte, err error) {
	return nil, nil, errors.New("no")
}

func TestWithoutSealNothingIsStored(t *testing.T) {
	h := newHouse(t, change{door: func(o *capture.Options) { o.Sealer = noSealer{} }})
	a := h.send(t, post(goodLead))
	if a.StatusCode != 503 || h.journal.LastSeq() != 0 {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
}

func TestNotReadyBeforeASnapshot(t *testing.T) {
	h := newHouse(t, change{empty: true})
	for _, q := range []request{post(goodLead), {path: h.form("site"), body: "tel=1", header: pairs([]string{"Accept", "application/json"})}} {
		a := h.send(t, q)
		if a.StatusCode != 503 || a.problem.Code != "not_ready" || a.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", a.StatusCode, a.text)
		}
	}
	h.publish(t)
	h.take(t, post(goodLead))
}

func TestRevocationAndSwitchReachTheDoor(t *testing.T) {
	h := newHouse(t)
	h.take(t, post(goodLead))
	h.own.Off = true
	h.publish(t)
	if a := h.send(t, post(goodLead)); a.problem.Code != "account_off" || a.StatusCode != 403 {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
	h.own.Off, h.own.Keys = false, nil
	h.publish(t)
	if a := h.send(t, post(goodLead)); a.StatusCode != 401 {
		t.Errorf("got %d %s", a.StatusCode, a.text)
	}
}

// A full journal: refused within a second, with Retry-After, and no 202.
func TestFullJournalShedsWithinASecond(t *testing.T) {
	h := newHouse(t, change{journal: func(o *journal.Options) { o.MaxBytes = 256 << 10 }})
	taken, refused := 0, 0
	long := strings.Replace(goodLead, "I'd", strings.Repeat("x", 7000), 1)
	for range 120 {
		start := time.Now()
		a := h.send(t, post(long))
		switch {
		case a.StatusCode == http.StatusAccepted:
			taken++
		case a.StatusCode == 503 && a.problem.Code == "busy" && a.Header.Get("Retry-After") == "1":
			refused++
		default:
			t.Fatalf("got %d %s", a.StatusCode, a.text)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("taken %d, refused %d: want both", taken, refused)
	}
	if n := len(h.all(t)); n != taken {
		t.Errorf("acknowledged %d, stored %d", taken, n)
	}
	if h.door.Stats().Shed.Load() == 0 {
		t.Error("nothing was shed before it was read")
	}
}
