package signin

import (
	"context"
	"strings"
	"testing"

	"catchment/internal/problem"
)

func TestPasswordHash(t *testing.T) {
	h := newHasher()
	stored, err := h.hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s, %v", stored, err)
	}
	again, _ := h.hash(t.Context(), "correct horse battery")
	if stored == again {
		t.Error("no salt")
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false, strings.Repeat("x", 1000): false} {
		if ok, err := h.check(t.Context(), stored, password); ok != want || err != nil {
			t.Errorf("%.30q: %v, %v", password, ok, err)
		}
	}
	// Nothing fits where nothing is stored, not even what the dummy was made of.
	if ok, err := h.check(t.Context(), "", ""); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := h.check(t.Context(), "plain text", "plain text"); err == nil {
		t.Error("a stored text that is no hash was taken")
	}
}

// A vector of the reference implementation (argon2 20190702, test.c, version
// 0x13, argon2id, t=2 m=2^16 p=1, "password", "somesalt").
func TestReferenceVector(t *testing.T) {
	h := newHasher()
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := h.check(t.Context(), stored, "password"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestTooManySignInsAreTurnedAway(t *testing.T) {
	h := newHasher()
	for range cap(h.slots) { // every place is taken, however many this machine has
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, mostWaiting)
	for range mostWaiting {
		go func() { gone <- h.enter(ctx) }()
	}
	for h.waiting.Load() < mostWaiting {
	}
	if p, ok := problem.Of(h.enter(t.Context())); !ok || p.Status != 503 || p.RetryAfter == 0 {
		t.Errorf("%v", p)
	}
	cancel()
	for range mostWaiting {
		if <-gone == nil {
			t.Error("entered a full room")
		}
	}
	<-h.slots
	if err := h.enter(t.Context()); err != nil || h.waiting.Load() != 0 {
		t.Errorf("%v, %d wait", err, h.waiting.Load())
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(phc(make([]byte, 16), make([]byte, 32)))
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parsePHC(s)
		if err == nil && (c.memory > 256*1024 || c.time > 16 || c.lanes > 16 || len(c.hash) > 64) {
			t.Errorf("%q would cost too much", s)
		}
	})
}
