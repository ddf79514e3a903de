package filing

import (
	"errors"
	"fmt"
	"io"
)

// Seeker reads a content of a known size from anywhere, for an answer to a
// request for a part of it: what lies before is read and left.
type Seeker struct {
	size int64
	open func() (io.ReadCloser, error)

	at, asked int64
	r         io.ReadCloser
	err       error
}

// NewSeeker takes what opens the content at its beginning.
func NewSeeker(size int64, open func() (io.ReadCloser, error)) *Seeker {
	return &Seeker{size: size, open: open}
}

// Begin opens it, so that what cannot be had is known before an answer is begun.
func (s *Seeker) Begin() (err error) {
	s.r, err = s.open()
	return err
}

// Failed reports whether reading has failed.
func (s *Seeker) Failed() bool { return s.err != nil }

// Close implements io.Closer.
func (s *Seeker) Close() error {
	if s.r == nil {
		return nil
	}
	return s.r.Close()
}

// Seek implements io.Seeker.
func (s *Seeker) Seek(to int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		to += s.asked
	case io.SeekEnd:
		to += s.size
	}
	if to < 0 {
		return 0, errors.New("filing: seek before the beginning")
	}
	s.asked = to
	return to, nil
}

// Read implements io.Reader.
func (s *Seeker) Read(b []byte) (n int, err error) {
	if s.asked >= s.size {
		return 0, io.EOF
	}
	if err := s.reach(); err != nil {
		s.err = err
		return 0, err
	}
	n, err = s.r.Read(b)
	s.at += int64(n)
	s.asked = s.at
	if err == io.EOF && s.at < s.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// reach has the next byte be the one that was asked for.
func (s *Seeker) reach() error {
	if s.r != nil && s.asked < s.at {
		if err := s.r.Close(); err != nil {
			return err
		}
		s.r, s.at = nil, 0
	}
	if s.r == nil {
		if err := s.Begin(); err != nil {
			return err
		}
	}
	n, err := io.CopyN(io.Discard, s.r, s.asked-s.at)
	s.at += n
	if err != nil {
		return fmt.Errorf("filing: %w", err)
	}
	return nil
}
