// Package filestest runs an S3 service for tests, in this process, that wants
// its callers' signatures and can be away, refuse and break off.
package filestest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"catchment/internal/keyservice/awstest"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Mood is how a service answers.
type Mood int

// The moods.
const (
	Well    Mood = iota
	Sick         // 503
	Refuses      // the caller may not
	Drops        // it closes the connection
)

// Service is one that runs. Its methods may be called at any time.
type Service struct {
	URL string // of a bucket with a prefix, for files.Open

	mu    sync.Mutex
	mood  Mood
	calls []string
}

// Set changes how it answers.
func (s *Service) Set(m Mood) { s.mu.Lock(); defer s.mu.Unlock(); s.mood = m }

// Calls are the methods that it was asked by, in order.
func (s *Service) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.calls...)
}

// S3 runs one, and puts into the test's environment what its client needs.
func S3(t *testing.T) *Service {
	t.Helper()
	memory := s3mem.New()
	if err := memory.CreateBucket("leads"); err != nil {
		t.Fatal(err)
	}
	s, inner := &Service{}, gofakes3.New(memory, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		m := s.mood
		s.calls = append(s.calls, r.Method)
		s.mu.Unlock()
		switch {
		case m == Drops:
			panic(http.ErrAbortHandler)
		case m == Sick:
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		case !awstest.Signed(r, body, "s3"):
			refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
		case m == Refuses:
			refuse(w, http.StatusForbidden, "AccessDenied")
		default:
			r.Body = io.NopCloser(bytes.NewReader(body))
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	awstest.Env(t)
	s.URL = "s3://leads/house/one?region=" + awstest.Region + "&endpoint=" + server.URL
	return s
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>example</Message></Error>")
}
