// Package keyservice wraps small secrets by a key that never leaves its
// service: AWS KMS, or the transit engine of Vault and OpenBao. What it gives
// back opens there alone, and only for the same associated data. No error
// contains a secret, a token or a ciphertext.
package keyservice

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"catchment/internal/caller"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrAway: the service did not answer, or cannot work just now; another try
	// may succeed.
	ErrAway = errors.New("the key service is away")
	// ErrRefused: it answers and does not let us: credentials, rights, or the key
	// is disabled or gone.
	ErrRefused = errors.New("the key service refuses")
	// ErrWrong: the ciphertext is not this key's, was changed, or belongs to
	// other associated data.
	ErrWrong = errors.New("the key service's key does not open this")
)

// Options are what a URI does not say.
type Options struct {
	// Plaintext allows a service off loopback without TLS.
	Plaintext bool
	// CA is a PEM file with the authority of the service's certificate; the
	// system's when empty. Vault only.
	CA string
	// Token gives the token for Vault at each call: an agent renews it.
	Token func() (string, error)
	// Namespace of Vault; none when empty.
	Namespace string
	// Timeout of one call; 5 s when 0.
	Timeout time.Duration
}

// Service is a key of a key service. It is safe for concurrent use. It has
// tink's AEADWithContext, so that it can stand where that does.
type Service struct {
	uri     string
	timeout time.Duration
	way     way

	ok, away, refused, wrong atomic.Int64
	down                     atomic.Bool
	nanos                    atomic.Int64
}

// way is one kind of service. Its errors are of the three kinds.
type way interface {
	encrypt(ctx context.Context, plain, aad []byte) ([]byte, error)
	decrypt(ctx context.Context, sealed, aad []byte) ([]byte, error)
}

// The schemes of URIs.
const (
	awsScheme   = "aws-kms://"
	vaultScheme = "hcvault://"
)

// Forms says what a URI looks like.
const Forms = "aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID or hcvault://HOST[:PORT]/transit/keys/NAME"

// Check reports what is wrong with a URI, without calling anybody.
func Check(uri string) error {
	switch {
	case strings.HasPrefix(uri, awsScheme):
		_, err := regionOf(strings.TrimPrefix(uri, awsScheme))
		return err
	case strings.HasPrefix(uri, vaultScheme):
		_, _, err := vaultPath(uri)
		return err
	}
	return fmt.Errorf("keyservice: want %s", Forms)
}

// Open makes the client of the key that the URI names. It calls nobody yet.
func Open(ctx context.Context, uri string, o Options) (*Service, error) {
	if err := Check(uri); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	s := &Service{uri: uri, timeout: o.Timeout}
	var err error
	if arn, ok := strings.CutPrefix(uri, awsScheme); ok {
		s.way, err = openAWS(ctx, arn, o)
	} else {
		s.way, err = openVault(uri, o)
	}
	return s, err
}

// URI names the service and the key; it has no secret.
func (s *Service) URI() string { return s.uri }

// EncryptWithContext wraps up to 4 KiB, bound to the associated data.
func (s *Service) EncryptWithContext(ctx context.Context, plain, aad []byte) (out []byte, err error) {
	err = s.call(ctx, func(ctx context.Context) error { out, err = s.way.encrypt(ctx, plain, aad); return err })
	return out, err
}

// DecryptWithContext opens what EncryptWithContext gave for the same data.
func (s *Service) DecryptWithContext(ctx context.Context, sealed, aad []byte) (out []byte, err error) {
	err = s.call(ctx, func(ctx context.Context) error { out, err = s.way.decrypt(ctx, sealed, aad); return err })
	return out, err
}

// Rewrap has the service wrap anew what an older version of its key wrapped,
// without showing it; changed is false when it is of the newest already, or the
// service knows no such thing: AWS keeps its old key material for ever.
func (s *Service) Rewrap(ctx context.Context, sealed, aad []byte) (out []byte, changed bool, err error) {
	v, ok := s.way.(*vault)
	if !ok {
		return sealed, false, nil
	}
	err = s.call(ctx, func(ctx context.Context) error { out, err = v.rewrap(ctx, sealed, aad); return err })
	if err != nil || versionOf(out) == versionOf(sealed) {
		return sealed, false, err
	}
	return out, true, nil
}

func (s *Service) call(ctx context.Context, f func(context.Context) error) error {
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := f(within)
	s.nanos.Add(int64(time.Since(began)))
	switch {
	case err == nil:
		s.ok.Add(1)
	case errors.Is(err, ErrWrong):
		s.wrong.Add(1)
	case errors.Is(err, ErrRefused):
		s.refused.Add(1)
	case ctx.Err() != nil: // the caller hung up: that says nothing of the service
		return fmt.Errorf("keyservice: %w", ctx.Err())
	default:
		s.away.Add(1)
	}
	s.down.Store(err != nil && !errors.Is(err, ErrWrong))
	if err == nil {
		return nil
	}
	return fmt.Errorf("keyservice: %s: %w", s.uri, err)
}

// Stats counts calls by their outcome.
type Stats struct {
	OK, Away, Refused, Wrong int64
	Down                     bool // the last call found it away or refusing
	Waited                   time.Duration
}

// Stats tells how it went so far.
func (s *Service) Stats() Stats {
	return Stats{s.ok.Load(), s.away.Load(), s.refused.Load(), s.wrong.Load(), s.down.Load(), time.Duration(s.nanos.Load())}
}

// Try wraps something and opens it again: what Open does not find out.
func (s *Service) Try(ctx context.Context) error {
	aad := []byte("catchment-try-v1\n")
	sealed, err := s.EncryptWithContext(ctx, []byte("catchment"), aad)
	if err != nil {
		return err
	}
	plain, err := s.DecryptWithContext(ctx, sealed, aad)
	if err == nil && string(plain) != "catchment" {
		err = fmt.Errorf("keyservice: %s: %w", s.uri, ErrWrong)
	}
	return err
}

// checkTLS refuses an address off loopback to which the way is not encrypted.
func (o Options) checkTLS(u *url.URL) error {
	if u.Scheme == "https" || o.Plaintext || caller.Here(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("keyservice: %s is not loopback, and the connection would not be encrypted: use https, or say --allow-plaintext", u.Hostname())
}
