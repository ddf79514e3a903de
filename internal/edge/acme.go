package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// ACMEOptions says which names to get certificates for, and from whom.
type ACMEOptions struct {
	Dir       string   // where account, keys and certificates are kept
	Domains   []string // what the certificates are for
	Email     string   // where the authority may write to; "" for none
	Directory string   // of the authority; Let's Encrypt's when empty
	Roots     string   // PEM file with what to trust the authority's own TLS by, besides the system's; "" for nothing more
	Listen    string   // the doors' address, for tls-alpn-01; the authority comes to port 443 of the domain
	Plain     string   // the plain listener's, for http-01 on port 80; "" for none
	Log       *slog.Logger
}

// ACME gets certificates from an authority (RFC 8555) and renews them after
// two thirds of their time. It begins when a server asks for its Config; until
// the first certificate is there, handshakes fail. What goes wrong is tried
// again by itself, and the old certificate is shown meanwhile.
type ACME struct {
	o      ACMEOptions
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
	ctx    context.Context
	cancel context.CancelFunc
	begin  sync.Once
	end    sync.Once

	mu      sync.Mutex
	problem string
}

// NewACME reads what was got before; it asks the authority for nothing yet.
func NewACME(o ACMEOptions) (*ACME, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if len(o.Domains) == 0 {
		return nil, errors.New("edge: no domain to get a certificate for")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	roots, err := rootsWith(o.Roots)
	if err != nil {
		return nil, err
	}
	a := &ACME{o: o}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	logger := zap.New(zapTo{o.Log, a.failed})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{Logger: logger,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }})
	a.magic = certmagic.New(a.cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: o.Dir}, Logger: logger, OnEvent: a.note,
		OCSP: certmagic.OCSPConfig{DisableStapling: true}}) // authorities stop offering it
	host, port := split(o.Listen)
	_, plain := split(o.Plain)
	template := certmagic.ACMEIssuer{CA: o.Directory, TestCA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: roots, Logger: logger,
		ListenHost: host, AltTLSALPNPort: port, AltHTTPPort: plain, DisableHTTPChallenge: o.Plain == ""}
	if o.Directory == "" {
		template.CA, template.TestCA = certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
	}
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

func split(address string) (host string, port int) {
	host, text, _ := net.SplitHostPort(address)
	port, _ = strconv.Atoi(text)
	return host, port
}

// rootsWith is the system's pool with more in it; nil for the system's alone.
func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("edge: %s has no certificate in it", file)
	}
	return pool, nil
}

// failed keeps the last failure until a certificate has come.
func (a *ACME) failed(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problem = why
}

func (a *ACME) note(_ context.Context, event string, _ map[string]any) error {
	if event == "cert_obtained" {
		a.failed("")
	}
	return nil
}

// Config implements Certificates.
func (a *ACME) Config() *tls.Config {
	a.begin.Do(func() {
		if err := a.magic.ManageAsync(a.ctx, a.o.Domains); err != nil {
			a.o.Log.Error("edge: certificates cannot be got", "error", err)
		}
	})
	c := modern()
	c.NextProtos = append(c.NextProtos, acmez.ACMETLS1Protocol)
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" { // by address: as for the first domain
			h := *hello
			h.ServerName = a.o.Domains[0]
			hello = &h
		}
		return a.magic.GetCertificate(hello)
	}
	return c
}

// State implements Certificates. Of several certificates it tells the one that
// ends first; a domain that has none yet is a problem.
func (a *ACME) State() State {
	a.mu.Lock()
	s := State{Problem: a.problem}
	a.mu.Unlock()
	for _, d := range a.o.Domains {
		found := a.cache.AllMatchingCertificates(strings.ToLower(d))
		if len(found) == 0 && s.Problem == "" {
			s.Problem = "no certificate for " + d + " yet"
		}
		for _, c := range found {
			s.Names = append(s.Names, d)
			if s.Ends.IsZero() || c.Leaf.NotAfter.Before(s.Ends) {
				s.Ends = c.Leaf.NotAfter
			}
		}
	}
	return s
}

// Plain implements Certificates: http-01.
func (a *ACME) Plain(w http.ResponseWriter, r *http.Request) bool {
	return a.issuer.HandleHTTPChallenge(w, r)
}

// Close implements Certificates.
func (a *ACME) Close() {
	a.end.Do(func() {
		a.cancel()
		a.cache.Stop()
	})
}

// InACME tells about what lies in an ACME's folder for the domain, for those
// who look from outside.
func InACME(dir, domain string) State {
	// certmagic's FileStorage: a folder for each authority, in it one for each name.
	found, _ := filepath.Glob(filepath.Join(dir, "certificates", "*", domain, domain+".crt"))
	out := State{Problem: "none was got yet"}
	for _, cert := range found {
		if s := InFiles(cert, strings.TrimSuffix(cert, ".crt")+".key"); s.Ends.After(out.Ends) {
			out = s
		}
	}
	return out
}

// zapTo brings certmagic's log into ours, from warnings up: it names domains
// and authorities.
type zapTo struct {
	log    *slog.Logger
	failed func(why string) // for what is logged as an error
}

// Enabled implements zapcore.LevelEnabler.
func (z zapTo) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (z zapTo) With(f []zapcore.Field) zapcore.Core { return zapTo{z.log.With(attrs(f)...), z.failed} }

// Check implements zapcore.Core.
func (z zapTo) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return c.AddCore(e, z)
	}
	return c
}

// Write implements zapcore.Core.
func (z zapTo) Write(e zapcore.Entry, f []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
		why := e.Message
		for _, x := range f {
			if err, ok := x.Interface.(error); ok {
				why += ": " + err.Error()
			}
		}
		z.failed(why)
	}
	z.log.Log(context.Background(), level, "edge: certificates: "+e.Message, attrs(f)...)
	return nil
}

// Sync implements zapcore.Core.
func (z zapTo) Sync() error { return nil }

func attrs(fields []zapcore.Field) (out []any) {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		if f.Key != "remote" { // a caller's address
			f.AddTo(m)
		}
	}
	for k, v := range m.Fields {
		out = append(out, slog.Any(k, v))
	}
	return out
}
