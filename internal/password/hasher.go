package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"catchment/internal/problem"
)

// Most is how long a password may be, in bytes, so that hashing stays cheap.
const Most = 256

// mostWaiting passwords wait to be hashed; more are told to come back.
const mostWaiting = 64

// Hasher hashes on half of the machine's processors at most; a few more
// passwords wait, the rest are told to come back. It is safe for concurrent use.
type Hasher struct {
	slots   chan hand
	waiting atomic.Int32
	dummy   string // what an unknown address is checked against
	log     *slog.Logger
}

// hand makes hashes, one after the other.
type hand interface {
	hash(task) ([]byte, error)
	close()
}

// New returns a Hasher. A command that runs Serve makes it hash in processes
// of their own; without one it hashes here.
func New(log *slog.Logger, command ...string) *Hasher {
	n := max(1, runtime.NumCPU()/2)
	h := &Hasher{slots: make(chan hand, n), log: log}
	for range n {
		if len(command) > 0 {
			h.slots <- &apart{command: command}
		} else {
			h.slots <- here{}
		}
	}
	secret := make([]byte, saltSize)
	rand.Read(secret)
	h.dummy = phc(secret, make([]byte, hashSize))
	return h
}

// Close ends the processes that hash, when what they are at is done.
func (h *Hasher) Close() {
	for range cap(h.slots) {
		(<-h.slots).close()
	}
}

// Hash returns the PHC string of a password. Where too many wait already, the
// error is a problem that says when to come back.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	t := task{Password: password, Salt: make([]byte, saltSize), Memory: argonMemory, Time: argonTime, Lanes: argonLanes, Size: hashSize}
	rand.Read(t.Salt)
	got, err := h.run(ctx, t)
	if err != nil {
		return "", err
	}
	return phc(t.Salt, got), nil
}

// Check reports whether the password fits what Hash returned; against "" it
// takes as long and is false.
func (h *Hasher) Check(ctx context.Context, stored, password string) (bool, error) {
	known := stored != "" && len(password) <= Most
	if stored == "" {
		stored = h.dummy
	}
	t, want, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	if known {
		t.Password = password
	}
	got, err := h.run(ctx, t)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// run waits for a free hand. Who goes away while it works leaves the rest of
// the work behind, and the hand is free only after it.
func (h *Hasher) run(ctx context.Context, t task) ([]byte, error) {
	one, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	type answer struct {
		hash []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { h.slots <- one }()
		got, err := one.hash(t)
		if err != nil {
			h.log.Warn("password: the process that hashes failed; hashed in the server", "error", err)
			got, err = here{}.hash(t)
		}
		done <- answer{got, err}
	}()
	select {
	case a := <-done:
		return a.hash, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *Hasher) enter(ctx context.Context) (hand, error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > mostWaiting {
		return nil, problem.Busy("sign_in_busy", 2*time.Second, "Too many people sign in at once.")
	}
	select {
	case one := <-h.slots:
		return one, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// here hashes in this process.
type here struct{}

func (here) hash(t task) ([]byte, error) { return t.hash(), nil }
func (here) close()                      {}
