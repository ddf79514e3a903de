// Package outward makes the clients by which the server asks addresses that
// somebody else has entered: an account's webhooks and identity provider, a
// browser's push service, the gateway of codes. Callers may rely on this: no
// proxy is used and no redirect followed; an address is judged when it is
// connected to, after its name was looked up, so that no name, and no name
// that changes, leads inside; certificates are checked; and an answer has an
// end, however the other side behaves. It stands on the lowest floor, because
// cellars and stages use it and it needs none of them.
package outward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Errors of a client, to be found with errors.Is.
var (
	ErrInside = errors.New("outward: the name leads to an address inside")
	ErrPort   = errors.New("outward: that port is another protocol's")
	ErrClear  = errors.New("outward: without TLS only an address that the operator allows is asked")
	ErrLong   = errors.New("outward: the answer is too long")
)

const (
	connectTime = 5 * time.Second // for looking up and connecting, and again for TLS
	mostHeader  = 64 << 10        // bytes of an answer's header
)

// Options say how far a client goes. The zero value is the strictest one.
type Options struct {
	Inside   []netip.Prefix // addresses inside that may be connected to, at any port, also without TLS
	Resolver *net.Resolver  // nil: the system's
	Time     time.Duration  // for a whole answer; 0: as the request's context says
	Header   time.Duration  // until an answer begins; 0: as Time says
	Most     int64          // bytes of a body, more is ErrLong; 0: a megabyte
	Idle     int            // connections kept to one host; 0: 2
}

// Everywhere is Inside for a closed network: all but what is never asked.
var Everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// Stated is Inside for an address that the operator has written as such; none
// for a name.
func Stated(host string) []netip.Prefix {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	a = a.Unmap()
	return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
}

// New returns a client. It is safe for concurrent use.
func New(o Options) *http.Client {
	if o.Most == 0 {
		o.Most = 1 << 20
	}
	if o.Idle == 0 {
		o.Idle = 2
	}
	return &http.Client{
		Timeout:       o.Time,
		Transport:     &ways{secure: o.transport(o.maySecurely), clear: o.transport(o.mayInClear), most: o.Most},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Knock connects to where the client would ask, and hangs up.
func Knock(ctx context.Context, u *url.URL, o Options) error {
	port, may := "443", o.maySecurely
	if u.Scheme != "https" {
		port, may = "80", o.mayInClear
	}
	if p := u.Port(); p != "" {
		port = p
	}
	c, err := o.dialer(may).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return c.Close()
}

func (o Options) dialer(may func(netip.AddrPort) error) *net.Dialer {
	return &net.Dialer{Timeout: connectTime, Resolver: o.Resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		p, err := netip.ParseAddrPort(address)
		if err != nil {
			return ErrInside
		}
		return may(p)
	}}
}

func (o Options) transport(may func(netip.AddrPort) error) *http.Transport {
	return &http.Transport{DialContext: o.dialer(may).DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTime, Proxy: nil,
		ResponseHeaderTimeout: o.Header, MaxIdleConnsPerHost: o.Idle, MaxIdleConns: 100, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: mostHeader}
}

func (o Options) maySecurely(p netip.AddrPort) error {
	if o.inside(p.Addr()) {
		return nil
	}
	if !Public(p.Addr()) {
		return ErrInside
	}
	if p.Port() != 443 && p.Port() < 1024 { // what answers there speaks something else
		return ErrPort
	}
	return nil
}

func (o Options) mayInClear(p netip.AddrPort) error {
	if o.inside(p.Addr()) {
		return nil
	}
	if !Public(p.Addr()) {
		return ErrInside
	}
	return ErrClear
}

func (o Options) inside(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" || never(a) {
		return false
	}
	for _, p := range o.Inside {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ways asks with TLS or without, by the address, and ends bodies that are too long.
type ways struct {
	secure, clear *http.Transport
	most          int64
}

// RoundTrip implements http.RoundTripper.
func (w *ways) RoundTrip(r *http.Request) (*http.Response, error) {
	way := w.secure
	if r.URL.Scheme != "https" {
		way = w.clear
	}
	resp, err := way.RoundTrip(r)
	if err == nil {
		resp.Body = &bounded{resp.Body, w.most}
	}
	return resp, err
}

// CloseIdleConnections is what http.Client's calls.
func (w *ways) CloseIdleConnections() {
	w.secure.CloseIdleConnections()
	w.clear.CloseIdleConnections()
}

type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrLong
	}
	return n, err
}

// Class names in a word why a client gave no answer, for those who entered the
// address: nothing of what was looked up or sent stands in it.
func Class(err error) string {
	var name *net.DNSError
	var timeout interface{ Timeout() bool }
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dial *net.OpError
	switch {
	case errors.Is(err, ErrInside), errors.Is(err, ErrPort), errors.Is(err, ErrClear):
		return "address_refused"
	case errors.Is(err, ErrLong):
		return "answer_too_long"
	case errors.As(err, &certificate), errors.As(err, &host), errors.As(err, &authority), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "no_tls"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &name):
		return "no_such_name"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "no_connection"
	}
	return "no_answer"
}

// Resolver asks the name server at the address (HOST:PORT); the system's when
// it is empty.
func Resolver(addr string) *net.Resolver {
	r := &net.Resolver{}
	if addr != "" {
		r.PreferGo = true
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
	}
	return r
}
