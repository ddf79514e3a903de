package keyringtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Safe is a keyring.Safe in memory. Away has it answer nothing.
type Safe struct {
	mu   sync.Mutex
	kept map[string][]byte
	away bool
}

// NewSafe returns an empty one.
func NewSafe() *Safe { return &Safe{kept: map[string][]byte{}} }

// ErrAway is the answer while the safe is away.
var ErrAway = errors.New("keyringtest: the safe is away")

// Away has the safe answer nothing, until it is back.
func (s *Safe) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// Copy gives all that is kept, as somebody who copies its disk has it.
func (s *Safe) Copy() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.kept)
}

// Restore puts a copy in its place.
func (s *Safe) Restore(kept map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = maps.Clone(kept)
}

func (s *Safe) do(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return ErrAway
	}
	f()
	return nil
}

// Put implements keyring.Safe, as do the others.
func (s *Safe) Put(_ context.Context, name string, secret []byte) error {
	return s.do(func() { s.kept[name] = slices.Clone(secret) })
}

// Get gives a secret.
func (s *Safe) Get(_ context.Context, name string) (out []byte, err error) {
	err = s.do(func() { out = s.kept[name] })
	return out, err
}

// Destroy removes one.
func (s *Safe) Destroy(_ context.Context, name string) error {
	return s.do(func() { delete(s.kept, name) })
}

// Names lists them.
func (s *Safe) Names(context.Context) (out []string, err error) {
	err = s.do(func() { out = slices.Collect(maps.Keys(s.kept)) })
	return out, err
}
