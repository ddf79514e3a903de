package password

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"catchment/internal/problem"
)

const asChild = "CATCHMENT_TEST_HASHES"

// TestMain lets the test's own program be the process that hashes.
func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "":
		os.Exit(m.Run())
	case "dies":
		os.Exit(1)
	}
	if err := Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// hashers are one that hashes here and one that hashes apart.
func hashers(t *testing.T) map[string]*Hasher {
	t.Setenv(asChild, "1")
	both := map[string]*Hasher{"here": New(slog.New(slog.DiscardHandler)), "apart": New(slog.New(slog.DiscardHandler), os.Args[0])}
	for _, h := range both {
		t.Cleanup(h.Close)
	}
	return both
}

// process returns the process that h hashes in.
func (h *Hasher) process(t *testing.T) *os.Process {
	one := <-h.slots
	defer func() { h.slots <- one }()
	a := one.(*apart)
	if a.child == nil {
		t.Fatal("nothing hashes apart")
	}
	return a.child.cmd.Process
}

func TestHash(t *testing.T) {
	for name, h := range hashers(t) {
		t.Run(name, func(t *testing.T) {
			stored, err := h.Hash(t.Context(), "correct horse battery")
			if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Fatalf("%s, %v", stored, err)
			}
			again, _ := h.Hash(t.Context(), "correct horse battery")
			if stored == again {
				t.Error("no salt")
			}
			for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false, strings.Repeat("x", 1000): false} {
				if ok, err := h.Check(t.Context(), stored, password); ok != want || err != nil {
					t.Errorf("%.30q: %v, %v", password, ok, err)
				}
			}
			// Nothing fits where nothing is stored, not even what the dummy was made of.
			if ok, err := h.Check(t.Context(), "", ""); ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
			if _, err := h.Check(t.Context(), "plain text", "plain text"); err == nil {
				t.Error("a stored text that is no hash was taken")
			}
		})
	}
}

// A vector of the reference implementation (argon2 20190702, test.c, version
// 0x13, argon2id, t=2 m=2^16 p=1, "password", "somesalt").
func TestReferenceVector(t *testing.T) {
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for name, h := range hashers(t) {
		if ok, err := h.Check(t.Context(), stored, "password"); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

// What hashes apart runs after everything else, and is gone when it is told to
// be; killed, it costs nobody the sign-in.
func TestProcessApart(t *testing.T) {
	h := hashers(t)["apart"]
	stored, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	first := h.process(t)
	// The system call gives 20 less the niceness.
	if prio, err := syscall.Getpriority(syscall.PRIO_PROCESS, first.Pid); err != nil || 20-prio < behind {
		t.Errorf("niceness %d, %v", 20-prio, err)
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Check(t.Context(), stored, "correct horse battery"); !ok || err != nil {
		t.Errorf("after a kill: %v, %v", ok, err)
	}
	if ok, err := h.Check(t.Context(), stored, "correct horse battery"); !ok || err != nil {
		t.Errorf("in the next process: %v, %v", ok, err)
	}
	next := h.process(t)
	if next.Pid == first.Pid {
		t.Error("no process was started in the place of the one that was killed")
	}
	h.Close()
	if err := next.Signal(syscall.Signal(0)); err == nil {
		t.Error("the process outlives its hasher")
	}
	for range cap(h.slots) {
		h.slots <- here{} // for the cleanup's Close
	}
}

func TestHashesHereWhereNothingHashesApart(t *testing.T) {
	for name, command := range map[string]string{"ends at once": os.Args[0], "is not there": "/does/not/exist"} {
		t.Setenv(asChild, "dies")
		var said bytes.Buffer
		h := New(slog.New(slog.NewTextHandler(&said, nil)), command)
		stored, err := h.Hash(t.Context(), "correct horse battery")
		if err != nil {
			t.Fatal(name, err)
		}
		if ok, err := h.Check(t.Context(), stored, "correct horse battery"); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		h.Close()
		if !strings.Contains(said.String(), "hashed in the server") || strings.Contains(said.String(), "horse") {
			t.Errorf("%s: the log says %q", name, said.String())
		}
	}
}

func TestTooManySignInsAreTurnedAway(t *testing.T) {
	h := New(slog.New(slog.DiscardHandler))
	for range cap(h.slots) { // every place is taken, however many this machine has
		<-h.slots
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, mostWaiting)
	for range mostWaiting {
		go func() { _, err := h.enter(ctx); gone <- err }()
	}
	for h.waiting.Load() < mostWaiting {
	}
	_, err := h.enter(t.Context())
	if p, ok := problem.Of(err); !ok || p.Status != 503 || p.RetryAfter == 0 {
		t.Errorf("%v", p)
	}
	cancel()
	for range mostWaiting {
		if <-gone == nil {
			t.Error("entered a full room")
		}
	}
	h.slots <- here{}
	if _, err := h.enter(t.Context()); err != nil || h.waiting.Load() != 0 {
		t.Errorf("%v, %d wait", err, h.waiting.Load())
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(phc(make([]byte, 16), make([]byte, 32)))
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, s string) {
		c, hash, err := parsePHC(s)
		if err == nil && (c.Memory > 256*1024 || c.Time > 16 || c.Lanes > 16 || len(hash) > 64) {
			t.Errorf("%q would cost too much", s)
		}
	})
}

// Whatever comes in on the child's input, it serves it within its bounds or
// ends with an error.
func FuzzServe(f *testing.F) {
	f.Add([]byte(""))
	var dear bytes.Buffer
	_ = gob.NewEncoder(&dear).Encode(task{Salt: make([]byte, 16), Memory: 1 << 31, Time: 1 << 31, Lanes: 1, Size: 32})
	f.Add(dear.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = serve(bytes.NewReader(b), io.Discard)
	})
}
