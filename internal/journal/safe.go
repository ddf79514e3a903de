package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Safe keeps small secrets by name, beside the journal and outside SQL, for all
// nodes. What was destroyed is written over where it lay, and found by no node
// from then on: it is read from who leads, never from a copy that lags behind.
type Safe struct {
	j       *Journal
	stream  jetstream.Stream
	subject string // begins every subject
}

// Safe opens the safe of this name and makes it when it is not there.
func (j *Journal) Safe(ctx context.Context, name string) (*Safe, error) {
	full := j.o.Name + "-" + name
	s, err := j.js.Stream(ctx, full)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = j.js.CreateStream(ctx, jetstream.StreamConfig{Name: full, Subjects: []string{full + ".*"}, MaxMsgsPerSubject: 1,
			Storage: jetstream.FileStorage, Replicas: j.o.Replicas})
	}
	if err != nil {
		return nil, fmt.Errorf("journal: safe %s: %w", name, err)
	}
	return &Safe{j, s, full + "."}, nil
}

// Put keeps the secret and returns when it is on disk. A name is letters and
// digits, and "_".
func (s *Safe) Put(ctx context.Context, name string, secret []byte) error {
	if _, err := s.j.js.Publish(ctx, s.subject+name, secret); err != nil {
		return fmt.Errorf("journal: safe: put: %w", err)
	}
	return nil
}

// Get returns the secret, or nil when there is none.
func (s *Safe) Get(ctx context.Context, name string) ([]byte, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, s.subject+name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: safe: get: %w", err)
	}
	return m.Data, nil
}

// Destroy has the secret written over. None is no error.
func (s *Safe) Destroy(ctx context.Context, name string) error {
	m, err := s.stream.GetLastMsgForSubject(ctx, s.subject+name)
	if err == nil {
		err = s.stream.SecureDeleteMsg(ctx, m.Sequence)
	}
	if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return fmt.Errorf("journal: safe: destroy: %w", err)
}

// Names lists what it keeps, in no order.
func (s *Safe) Names(ctx context.Context) (out []string, err error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.subject+"*"))
	if err != nil {
		return nil, fmt.Errorf("journal: safe: list: %w", err)
	}
	for subject := range info.State.Subjects {
		out = append(out, subject[len(s.subject):])
	}
	return out, nil
}
