package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"catchment/internal/problem"
)

// The cost of a password hash: OWASP's second choice for argon2id, about
// 35 ms and 19 MiB.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// hasher hashes on half of the processors at most; a few more passwords wait,
// the rest are told to come back, so that sign-ins cannot take the processors
// from leads.
type hasher struct {
	slots   chan struct{}
	waiting *atomic.Int32
	dummy   string // what an unknown address is checked against
}

const mostWaiting = 64

const (
	passwordLeast = 10
	passwordMost  = 256 // bytes, so that hashing stays cheap
)

// checkPassword refuses a new password that is too short or too long.
func checkPassword(field, s string) error {
	switch {
	case utf8.RuneCountInString(s) < passwordLeast:
		return problem.InvalidField(field, "too_short", "Use at least %d characters; a few words are fine.", passwordLeast)
	case len(s) > passwordMost:
		return problem.InvalidField(field, "too_long", "Use at most %d bytes.", passwordMost)
	}
	return nil
}

func newHasher() hasher {
	h := hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), waiting: new(atomic.Int32)}
	secret := make([]byte, 16)
	rand.Read(secret)
	h.dummy = phc(secret, make([]byte, hashSize))
	return h
}

func (h *hasher) enter(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > mostWaiting {
		return problem.Busy("sign_in_busy", 2*time.Second, "Too many people sign in at once.")
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return phc(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, hashSize)), nil
}

// check reports whether the password fits; against "" it takes as long and is
// false.
func (h *hasher) check(ctx context.Context, stored, password string) (bool, error) {
	known := stored != ""
	if !known {
		stored = h.dummy
	}
	c, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	if len(password) > passwordMost {
		password = ""
		known = false
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	got := argon2.IDKey([]byte(password), c.salt, c.time, c.memory, c.lanes, uint32(len(c.hash)))
	return subtle.ConstantTimeCompare(got, c.hash) == 1 && known, nil
}

// phc writes the PHC string format (github.com/P-H-C/phc-string-format).
func phc(salt, hash []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b.EncodeToString(salt), b.EncodeToString(hash))
}

type cost struct {
	memory, time uint32
	lanes        uint8
	salt, hash   []byte
}

var errPHC = errors.New("signin: a stored password hash cannot be read")

// parsePHC reads what phc wrote, also with other costs, within bounds.
func parsePHC(s string) (c cost, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, errPHC
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.lanes); n != 3 || err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", c.memory, c.time, c.lanes) {
		return c, errPHC
	}
	b := base64.RawStdEncoding.Strict()
	var saltErr, hashErr error
	c.salt, saltErr = b.DecodeString(parts[4])
	c.hash, hashErr = b.DecodeString(parts[5])
	if saltErr != nil || hashErr != nil || len(c.salt) < 8 || len(c.salt) > 64 || len(c.hash) < 16 || len(c.hash) > 64 ||
		c.memory < 8 || c.memory > 256*1024 || c.time < 1 || c.time > 16 || c.lanes < 1 || c.lanes > 16 {
		return c, errPHC
	}
	return c, nil
}
