package capture_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/capture"
	"catchment/internal/journal"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/problem"
	"catchment/internal/snapshot"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// paper is a journal in memory, for the fuzzer's speed.
type paper struct{ entries []journal.Entry }

func (p *paper) Admit() error { return nil }

func (p *paper) Recent(context.Context, int, func(uint64, journal.Record)) error { return nil }

func (p *paper) Append(_ context.Context, e journal.Entry) (journal.Ack, error) {
	p.entries = append(p.entries, e)
	return journal.Ack{Stream: "paper", Seq: 1, Size: 1, KeyID: "k"}, nil
}

func (p *paper) AppendAll(_ context.Context, es []journal.Entry) ([]journal.Ack, error) {
	p.entries = append(p.entries, es...)
	return make([]journal.Ack, len(es)), nil
}

// board is a bucket with one entry.
type board struct{ name, value string }

func (b *board) Put(_ context.Context, name string, value []byte) error {
	b.name, b.value = name, string(value)
	return nil
}

func (b *board) Delete(context.Context, string) error { return nil }

func (b *board) Watch(ctx context.Context, set func(string, []byte), ready func()) error {
	set(b.name, []byte(b.value))
	ready()
	<-ctx.Done()
	return nil
}

// paperDoor is a door for speed: everything but journal, bucket and seal is real.
func paperDoor(t testing.TB) (http.Handler, *paper, snapshot.Account) {
	t.Helper()
	h := &house{}
	h.own.ID = account.NewID()
	h.own.DropBox, h.own.CaptureIDKey = vault.DropBox{Account: h.own.ID, Public: []byte{1}}, make([]byte, 32)
	h.furnish()
	b := &board{}
	if err := snapshot.NewWriter(b, func(_ string, p []byte) []byte { return p }).Put(t.Context(), h.own); err != nil {
		t.Fatal(err)
	}
	r := snapshot.NewReader(b, func(_ string, p []byte) ([]byte, error) { return p, nil }, nil)
	r.Start()
	t.Cleanup(r.Stop)
	<-r.WhenReady()
	j := &paper{}
	d, err := capture.New(capture.Options{Journal: j, Snapshot: r, Sealer: keyringtest.ClearSealer{}, Window: 100})
	if err != nil {
		t.Fatal(err)
	}
	return d.Handler(), j, h.own
}

// Whatever is sent: it is stored and acknowledged, or refused and not stored;
// the door never fails; and what it took, intake can read again.
func FuzzDoor(f *testing.F) {
	f.Add(byte(0), "application/json", "k", goodLead)
	f.Add(byte(1), "application/json", "", "["+goodLead+","+goodLead+"]")
	f.Add(byte(2), "application/x-www-form-urlencoded", "", "tel=1&name=Zo%EB&_key=k")
	f.Add(byte(2), "multipart/form-data; boundary=b", "", "--b\r\nContent-Disposition: form-data; name=\"tel\"\r\n\r\n1\r\n--b--\r\n")
	handler, j, own := paperDoor(f)
	f.Fuzz(func(t *testing.T, route byte, contentType, key, body string) {
		path := []string{"/v1/leads", "/v1/leads:batch", "/f/" + own.Source("site").ID.String()}[route%3]
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Authorization"] = []string{"Bearer " + secret}
		r.Header["Accept"] = []string{"application/json"}
		if key != "" {
			r.Header["Idempotency-Key"] = []string{key}
		}
		w := httptest.NewRecorder()
		j.entries = nil
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusAccepted {
			readAgain(t, j.entries, own)
			return
		}
		var p problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code == "" || p.Status != w.Code || w.Code >= 500 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if len(j.entries) != 0 {
			t.Errorf("refused with %d and stored", w.Code)
		}
	})
}

func readAgain(t *testing.T, entries []journal.Entry, own snapshot.Account) {
	t.Helper()
	if len(entries) == 0 {
		t.Error("accepted and not stored")
	}
	for _, e := range entries {
		env, err := submission.ParseEnvelope(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		p, err := submission.ParsePayload(env.Data)
		if err != nil {
			t.Fatal(err)
		}
		if env.Account != own.ID || env.BodyMAC != submission.MACBody(own.CaptureIDKey, p.Body) {
			t.Error("the envelope is not of this body")
		}
		if _, err := submission.Decode(env.Format, env.ContentType, p.Body, nil); err != nil {
			t.Errorf("intake could not read it: %v", err)
		}
	}
}

// The window and the expiry of keys follow the door's clock.
func TestDoorFollowsItsClock(t *testing.T) {
	at := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	h := newHouse(t, change{door: func(o *capture.Options) {
		o.Now = func() time.Time { return at.Add(time.Duration(passed.Load())) }
	}})
	h.own.Keys = append(h.own.Keys, snapshot.Key{ID: account.NewKeyID(), Kind: snapshot.Secret, Role: account.Admin,
		Hash: sha256.Sum256([]byte("csk_until_two")), ExpiresAt: at.Add(2 * time.Hour)})
	h.publish(t)
	use := func() int {
		return h.send(t, post(goodLead, "Authorization", "Bearer csk_until_two", "Idempotency-Key", "k")).StatusCode
	}
	first := use()
	conflict := h.send(t, post(leadOf(1), "Idempotency-Key", "k")).StatusCode
	passed.Store(int64(3 * time.Hour))
	expired := use()
	passed.Store(int64(25 * time.Hour))
	later := h.send(t, post(leadOf(1), "Idempotency-Key", "k")).StatusCode
	if first != 202 || conflict != 409 || expired != 401 || later != 202 {
		t.Errorf("got %d, %d, %d, %d; want 202, 409, 401, 202", first, conflict, expired, later)
	}
}
