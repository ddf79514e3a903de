package edge

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/edge/acmetest"
	"catchment/internal/logtest"
)

func authority(t *testing.T) (a *acmetest.Authority, trust string) {
	t.Helper()
	a, err := acmetest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	trust = filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, a.Trust(), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, trust
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Certificates come by either challenge from an authority over the real
// protocol, are kept over a restart, and a renewal is shown without one.
func TestACME(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			ca, trust := authority(t)
			doors, plain := listen(t), listen(t)
			o := ACMEOptions{Dir: t.TempDir(), Domains: []string{"leads.example.com"}, Email: "ops@example.com", Directory: ca.Directory(),
				Roots: trust, Listen: doors.Addr().String(), Log: logTo(io.Discard)}
			if challenge == "http-01" {
				o.Plain, ca.HTTP = plain.Addr().String(), plain.Addr().String()
			} else {
				ca.TLSALPN = doors.Addr().String()
			}
			certs, err := NewACME(o)
			if err != nil {
				t.Fatal(err)
			}
			defer certs.Close()
			redirects := NewPlain(certs, "https://leads.example.com", o.Log)
			go func() { _ = redirects.Serve(plain) }()
			s := New(Options{Handler: http.HandlerFunc(names), Certificates: certs, Log: o.Log})
			go func() { _ = s.Serve(doors) }()
			defer func() { _ = s.Drain(t.Context()); _ = redirects.Drain(t.Context()) }()

			roots := x509.NewCertPool()
			roots.AddCert(ca.Root())
			c := client(doors.Addr().String(), &tls.Config{RootCAs: roots})
			until(t, "certificate", func() bool { return !certs.State().Ends.IsZero() })
			if resp, said := get(t, c, "https://leads.example.com/"); said != "HTTP/2.0" || len(ca.Refused()) != 0 {
				t.Errorf("%s over %x; the authority refused %q", said, resp.TLS.Version, ca.Refused())
			}
			if st := certs.State(); st.Problem != "" || len(st.Names) != 1 {
				t.Errorf("state %+v", st)
			}
			if _, err := c.Get("https://other.example.com/"); err == nil {
				t.Error("another name has a certificate")
			}
			if resp, _ := get(t, client(plain.Addr().String(), nil), "http://leads.example.com/.well-known/acme-challenge/none"); resp.StatusCode != http.StatusPermanentRedirect {
				t.Errorf("what is no challenge of ours is answered with %d", resp.StatusCode)
			}
			again, err := NewACME(o)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			again.Config()
			until(t, "kept certificate", func() bool { return !again.State().Ends.IsZero() })
			if n := ca.Issued(); n != 1 {
				t.Errorf("a restart has got certificate %d", n)
			}
			if err := certs.magic.RenewCertSync(t.Context(), "leads.example.com", true); err != nil {
				t.Fatal(err)
			}
			if ca.Issued() != 2 {
				t.Errorf("after a renewal %d certificates are issued", ca.Issued())
			}
		})
	}
}

// An authority that cannot come to the domain gives nothing: the server stands,
// says why, and tries again.
func TestACMERefused(t *testing.T) {
	ca, trust := authority(t)
	nobody := listen(t)
	ca.TLSALPN = nobody.Addr().String()
	nobody.Close()
	doors := listen(t)
	var logs logtest.Lines
	certs, err := NewACME(ACMEOptions{Dir: t.TempDir(), Domains: []string{"leads.example.com"}, Directory: ca.Directory(), Roots: trust,
		Listen: doors.Addr().String(), Log: logTo(&logs)})
	if err != nil {
		t.Fatal(err)
	}
	defer certs.Close()
	if p := certs.State().Problem; !strings.Contains(p, "no certificate for leads.example.com") {
		t.Errorf("before it has begun the state is %q", p)
	}
	s := New(Options{Handler: http.HandlerFunc(names), Certificates: certs, Log: logTo(io.Discard)})
	go func() { _ = s.Serve(doors) }()
	defer func() { _ = s.Drain(t.Context()) }()
	until(t, "refusal", func() bool { return len(ca.Refused()) > 0 })
	until(t, "problem", func() bool { return strings.Contains(certs.State().Problem, "authorization") })
	if !strings.Contains(logs.String(), "leads.example.com") {
		t.Errorf("the log does not tell which domain: %s", logs.String())
	}
	if st := certs.State(); st.Problem == "" || !st.Ends.IsZero() || ca.Issued() != 0 {
		t.Errorf("state %+v, %d issued", st, ca.Issued())
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", doors.Addr().String(), &tls.Config{ServerName: "leads.example.com", InsecureSkipVerify: true})
	if err == nil {
		conn.Close()
		t.Error("it shows a certificate that nobody gave")
	}
}
