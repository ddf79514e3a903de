package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"catchment/internal/audit"
	"catchment/internal/caller"
	"catchment/internal/keyring"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/web"
)

// A server whose keyring is under a passphrase that nobody has given yet, or
// under a key service that is away, is sealed: its doors are up, leads are taken
// where the keys of a door lie beside the keyring, and all else waits for
// `catchment keys unlock`, or for the service.

// unlockPath is where the inner listener takes the passphrase; unlockType is
// its content type, which no page of a browser can send unasked.
const (
	unlockPath    = "/keys/unlock"
	unlockType    = "application/vnd.catchment.passphrase"
	maxPassphrase = 1024 // bytes
)

// startsSealed tells whether a server has to wait for its passphrase.
func (c config) startsSealed() (bool, error) {
	if c.Role == "capture" || c.PassphraseFile != "" || c.kms() != "" {
		return false, nil
	}
	return keyring.NeedsPassphrase(c.Data)
}

// buildSealed is the house of a sealed server: the door, if it has keys.
func (h *house) buildSealed(ctx, run context.Context) (err error) {
	if h.c.Inner == "" && h.c.kms() == "" {
		return usage("the keyring in %s is sealed by a passphrase: give --inner, where catchment keys unlock takes it to, or --passphrase-file", h.c.Data)
	}
	h.sealed = true
	h.answerSealed()
	h.door, err = keyring.OpenOwnDoor(h.c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		h.limits = limits.New(h.c.rates(), []byte(rand.Text()), nil)
		h.log.Warn("SEALED, and without the keys of a door: no lead is taken until " + h.c.wayOut())
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.openFront(ctx, run); err != nil {
		return err
	}
	h.log.Warn("SEALED: leads are taken, and nothing is opened until " + h.c.wayOut())
	return nil
}

func (c config) wayOut() string {
	if c.kms() != "" {
		return "the key service is back"
	}
	return "somebody runs catchment keys unlock"
}

// answerSealed has all that needs keys say so.
func (h *house) answerSealed() {
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, problem.Sealed())
	})
}

// unlocking is a keyring on its way to a sealed server.
type unlocking struct {
	ring *keyring.Keyring
	done chan error // buffered
}

// awaitKeys returns when a sealed house is open; false when ctx ended first.
func (s *server) awaitKeys(ctx context.Context) bool {
	for s.house.sealed {
		if s.house.c.kms() != "" {
			ring := s.awaitService(ctx)
			if ring == nil {
				return false
			}
			if err := s.unseal(ctx, ring); err != nil {
				s.log.Error("the keys are there, and the server does not open", "error", err)
			}
			continue
		}
		select {
		case <-ctx.Done():
			return false
		case u := <-s.keys:
			err := s.unseal(ctx, u.ring)
			if err != nil {
				s.log.Error("the passphrase is right, and the server does not open", "error", err)
			}
			u.done <- err
		}
	}
	return true
}

// unseal builds behind the door what needs keys. The door takes leads meanwhile.
func (s *server) unseal(ctx context.Context, ring *keyring.Keyring) error {
	old, next := s.house, (*house)(nil)
	if old.door == nil {
		next = &house{c: old.c, log: old.log, mux: http.NewServeMux(), started: old.started, ring: ring}
		if err := next.build(ctx); err != nil {
			next.close()
			return err
		}
	} else {
		next = old.successor()
		next.ring = ring
		old.door.Join(ring) // the journal signs receipts by it
		run, end := context.WithCancel(context.WithoutCancel(ctx))
		next.end = end
		if err := next.openBehind(ctx, run); err != nil {
			next.closeSQL()
			if next.ledger != nil {
				next.ledger.Close()
			}
			return err
		}
		next.shareLimits(run)
	}
	if err := ring.RenewDoor(); err != nil {
		s.log.Warn("the keys of the door beside the keyring are older than it", "error", err)
	}
	s.enter(next)
	s.house = next
	old.end() // its share of the limits
	old.work.Wait()
	s.log.Info("unsealed")
	return nil
}

// unlocker takes passphrases, one at a time and each wrong one slower.
type unlocker struct {
	s    *server
	now  func() time.Time
	busy sync.Mutex

	wrong int
	after time.Time // none is tried before
}

// ServeHTTP takes a passphrase for the keyring: 200 when it opens, 403 when
// not, 429 when it was not tried.
func (u *unlocker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := u.unlock(r); err != nil {
		p, ok := problem.Of(err)
		if !ok {
			u.s.log.Error("the keyring cannot be opened", "error", err)
			p = problem.Busy("not_opened", time.Second, "The passphrase is right, and the server cannot be opened: its log says why.")
		}
		web.WriteProblem(w, r, p)
		return
	}
	writeState(w, http.StatusOK, nil)
}

func (u *unlocker) unlock(r *http.Request) error {
	// A page that a browser on this machine shows must not guess.
	if r.Header.Get("Content-Type") != unlockType || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return problem.WrongType("catchment keys unlock sends %s.", unlockType)
	}
	phrase, err := io.ReadAll(io.LimitReader(r.Body, maxPassphrase+1))
	if err != nil || len(phrase) == 0 || len(phrase) > maxPassphrase {
		return problem.Unreadable("passphrase", "Send the passphrase: up to %d bytes.", maxPassphrase)
	}
	if !u.busy.TryLock() {
		return problem.TooMany("one_at_a_time", time.Second, "Another passphrase is being tried.")
	}
	defer u.busy.Unlock()
	now := u.now()
	if wait := u.after.Sub(now); wait > 0 {
		return problem.TooMany("too_many_tries", wait, "The last passphrase was wrong. Wait before the next.")
	}
	h := u.s.doors.Load().house
	act := func(action string) error {
		return h.c.note(r.Context(), now, audit.Entry{ID: audit.NewID(), Actor: "system:unlock", Action: action, Detail: map[string]any{"from": caller.Peer(r.RemoteAddr).String(), "tries": u.wrong + 1}})
	}
	open, err := u.try(h, string(phrase))
	if errors.Is(err, keyring.ErrLocked) {
		u.wrong++
		u.after = u.now().Add(min(time.Second<<min(u.wrong-1, 10), time.Minute))
		u.s.log.Warn("a wrong passphrase for the keyring", "tries", u.wrong)
		return errors.Join(problem.Forbidden("wrong_passphrase", "This passphrase does not open the keyring."), act("keys.unlock-refused"))
	}
	if err != nil {
		return err
	}
	if err := act("keys.unlocked"); err != nil {
		return err
	}
	u.wrong = 0
	return open(r.Context())
}

// try opens the keyring by the passphrase and gives what is left to do.
func (u *unlocker) try(h *house, phrase string) (open func(context.Context) error, err error) {
	needs, err := keyring.NeedsPassphrase(h.c.Data)
	if err != nil {
		return nil, err
	}
	if !needs {
		return nil, problem.Conflict("no_passphrase", "The keyring is under no passphrase.")
	}
	if !h.sealed { // somebody changed it beside the server
		return func(context.Context) error { return nil }, h.ring.Unlock(phrase)
	}
	o := h.c.keyringOptions()
	o.MustExist, o.Passphrase = true, func() (string, error) { return phrase, nil }
	ring, err := keyring.Open(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		one := unlocking{ring, make(chan error, 1)}
		select {
		case u.s.keys <- one:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case err := <-one.done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil
}
