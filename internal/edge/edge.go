// Package edge is the gate house in front of every door: transport security,
// how long and how many at once, whom to believe about where a request comes
// from, and what a browser may do with an answer.
//
// Callers may rely on this: what a handler sees has no forwarding header left,
// its caller (package caller) is the peer or what a trusted proxy said and
// nothing else, a connection that gives nothing costs a file descriptor for
// seconds, and no answer goes out without the headers of headers.go. No
// address of a caller is logged.
package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"catchment/internal/caller"
)

// Options is what a Server needs. Handler is the only thing that must be
// given.
type Options struct {
	Handler http.Handler
	Log     *slog.Logger // default slog.Default()

	// Certificates makes it a TLS server; nil for plain HTTP.
	Certificates Certificates

	// PublicURL is where browsers know the doors, as https://leads.example.com:
	// requests from its own pages are not foreign.
	PublicURL string

	// OpenTo tells the routes which any page may call, also with cookies: the
	// capture routes, which read none. None when nil.
	OpenTo func(*http.Request) bool

	// Foreign is told of each change that was refused for coming from a foreign
	// page with cookies. It does not wait. Nobody is told when nil.
	Foreign func()

	// ClassOf tells how long a request may take; Quick for all when nil.
	ClassOf func(*http.Request) Class

	// Proxies are the peers whose word about the caller is taken.
	Proxies Proxies

	// PerNetwork is how many connections a caller's network (an IPv4 address, an
	// IPv6 /64) may have at once, Connections how many there are in all; 512 and
	// 16,384 when zero.
	PerNetwork, Connections int

	// Header is how long a request's head may take, Idle how long a connection
	// waits for its next request; 5 s and a minute when zero.
	Header, Idle time.Duration
}

// Server serves one listener at a time. It is safe for concurrent use.
type Server struct {
	o     Options
	http  *http.Server
	conns *conns
}

// New returns a Server that serves nothing yet.
func New(o Options) *Server {
	o.setDefaults()
	s := &Server{o: o, conns: newConns(o.PerNetwork, o.Connections, o.Proxies)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: o.Header, // of the TLS handshake too
		WriteTimeout:      Quick.Total,
		IdleTimeout:       o.Idle,
		MaxHeaderBytes:    16 << 10,
		ConnState:         s.conns.became,
		ConnContext:       s.conns.context,
		ErrorLog:          slog.NewLogLogger(nameless{o.Log.Handler()}, slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          100,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               30 * time.Second, // finds peers that are gone
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              20 * time.Second, // of one that takes nothing
		},
	}
	return s
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.ClassOf == nil {
		o.ClassOf = func(*http.Request) Class { return Quick }
	}
	if o.OpenTo == nil {
		o.OpenTo = func(*http.Request) bool { return false }
	}
	def(&o.PerNetwork, 512)
	def(&o.Connections, 16_384)
	def(&o.Header, 5*time.Second)
	def(&o.Idle, time.Minute)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// handler is what every request passes, from the outside in.
func (s *Server) handler() http.Handler {
	h := s.refuseForeign(s.o.Handler)
	h = s.nameCaller(h)
	if s.o.Certificates != nil {
		h = s.answerForCertificates(h)
	}
	h = s.limitTime(h)
	return s.addHeaders(h)
}

// answerForCertificates is here too for those who come by the public URL.
func (s *Server) answerForCertificates(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/") || !s.o.Certificates.Plain(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// Serve serves what the listener accepts until Drain, after which it returns
// nil, or until the listener fails.
func (s *Server) Serve(l net.Listener) error {
	l = s.conns.listen(l)
	if s.o.Certificates != nil {
		s.http.TLSConfig = s.o.Certificates.Config()
		l = tls.NewListener(l, s.http.TLSConfig)
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Drain takes no new connections, has the others end after their request, and
// returns when all have ended. With an error it was ctx that ended first, and
// some were cut off.
func (s *Server) Drain(ctx context.Context) error {
	s.LetGo()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}

// LetGo has connections end after the request that they are at, while new ones
// still come in: for the time in which a load balancer finds out.
func (s *Server) LetGo() { s.http.SetKeepAlivesEnabled(false) }

// Stats counts since the start.
func (s *Server) Stats() Stats { return s.conns.stats() }

// nameCaller puts the caller's address into the request's context where a
// proxy has one to tell (else the connection's context has it), and takes away
// every header in which a caller could have written it.
func (s *Server) nameCaller(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := caller.Address(r.Context())
		if s.o.Proxies.trust(peer) {
			if a := s.o.Proxies.callerOf(peer, r.Header); a != peer {
				r = r.WithContext(caller.With(r.Context(), a))
			}
		}
		stripForwarding(r.Header)
		next.ServeHTTP(w, r)
	})
}

// nameless keeps callers' addresses out of what net/http logs: each of its
// messages has them after the same few words.
type nameless struct{ slog.Handler }

var afterWords = regexp.MustCompile(`\b(from client|from|serving|client|remote) \S+`)

// Handle implements slog.Handler.
func (n nameless) Handle(ctx context.Context, r slog.Record) error {
	text := afterWords.ReplaceAllString(strings.TrimSpace(r.Message), "$1 …")
	return n.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "edge: "+text, r.PC))
}
