package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"catchment/internal/caller"
	"catchment/internal/edge"
	"catchment/internal/page"

	"github.com/prometheus/client_golang/prometheus"
)

// edgeConfig is what can be set of the gate house.
type edgeConfig struct {
	TLSCert         string `name:"tls-cert" help:"PEM file with the certificate and its chain; read again when it changes." env:"CATCHMENT_TLS_CERT" type:"path"`
	TLSKey          string `name:"tls-key" help:"PEM file with the certificate's key." env:"CATCHMENT_TLS_KEY" type:"path"`
	ACMEDomain      string `name:"acme-domain" help:"Host names to get certificates for, apart by commas." env:"CATCHMENT_ACME_DOMAIN"`
	ACMEEmail       string `name:"acme-email" help:"Where the authority may write to." env:"CATCHMENT_ACME_EMAIL"`
	ACMEDirectory   string `name:"acme-directory" help:"The authority's directory; Let's Encrypt's when empty." env:"CATCHMENT_ACME_DIRECTORY"`
	ACMECA          string `name:"acme-ca" help:"PEM file with what to trust the authority's own TLS by, besides the system's." env:"CATCHMENT_ACME_CA" type:"path"`
	HTTPListen      string `name:"http-listen" help:"Address for plain HTTP, as :80; all it does is send callers to --public-url." env:"CATCHMENT_HTTP_LISTEN"`
	TrustedProxies  string `name:"trusted-proxies" help:"Networks of the proxies in front, apart by commas: their word about the caller's address is taken, and nobody else's." env:"CATCHMENT_TRUSTED_PROXIES"`
	OperatorNets    string `name:"operator-networks" help:"Networks from which operators may come, apart by commas, as 192.0.2.0/24: elsewhere their routes and sessions are refused. Empty: from anywhere." env:"CATCHMENT_OPERATOR_NETWORKS"`
	LeakedPasswords string `name:"leaked-passwords" help:"File of passwords that leaked, as Pwned Passwords gives them out: lines of SHA-1 in hexadecimal, sorted. Nobody may choose one of them. Empty: common ones are refused." type:"path" env:"CATCHMENT_LEAKED_PASSWORDS"`
	Approvals       int    `help:"How many operators approve it, besides the one who asks, before leads are opened without an account's grant. 0: two, and one in the demo." default:"0" env:"CATCHMENT_APPROVALS"`
	ProxyHeader     string `name:"proxy-header" help:"The header in which they write it: ${enum}." enum:"x-forwarded-for,forwarded" default:"x-forwarded-for" env:"CATCHMENT_PROXY_HEADER"`
	Connections     int    `help:"Connections at once, from everybody." default:"16384" env:"CATCHMENT_CONNECTIONS"`
	PerAddress      int    `name:"connections-per-address" help:"Connections at once from one IPv4 address or IPv6 /64; trusted proxies may have more." default:"512" env:"CATCHMENT_CONNECTIONS_PER_ADDRESS"`
	DrainWait       int    `name:"drain-wait" help:"Seconds from saying that it stops (/readyz) to taking no more connections: as long as a load balancer needs to find out." default:"0" env:"CATCHMENT_DRAIN_WAIT"`
}

// checkEdge finds settings of the gate house that do not go together.
func (c config) checkEdge() error {
	if _, err := edge.ParseProxies(c.TrustedProxies, c.ProxyHeader); err != nil {
		return usage("--trusted-proxies: %v", err)
	}
	if _, err := caller.ParseNetworks(c.OperatorNets); err != nil {
		return usage("--operator-networks: %v", err)
	}
	if c.Approvals < 0 || c.Approvals > 20 {
		return usage("--approvals is from 0 to 20")
	}
	if c.Connections < 0 || c.PerAddress < 0 || c.DrainWait < 0 {
		return usage("--connections, --connections-per-address and --drain-wait cannot be below 0")
	}
	if (c.TLS == "files") != (c.TLSCert != "") || (c.TLS == "files") != (c.TLSKey != "") {
		return usage("--tls files, --tls-cert and --tls-key go together")
	}
	if (c.TLS == "acme") != (c.ACMEDomain != "") {
		return usage("--tls acme and --acme-domain go together")
	}
	if c.HTTPListen != "" && c.scheme() == "http" {
		return usage("--http-listen sends callers to TLS, and --tls is off")
	}
	if err := c.checkListen("--listen", c.Listen); err != nil || c.Inner == "" {
		return err
	}
	return c.checkListen("--inner", c.Inner)
}

// operatorNetworks are from where operators may come; check has read them.
func (c config) operatorNetworks() caller.Networks {
	out, _ := caller.ParseNetworks(c.OperatorNets)
	return out
}

// checkListen refuses plaintext that leaves the machine.
func (c config) checkListen(flag, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("%s %q: want HOST:PORT, for example 127.0.0.1:8080", flag, address)
	}
	if caller.Here(host) || c.scheme() == "https" || c.AllowPlaintext {
		return nil
	}
	return usage("%s %s is not loopback, and --tls is off: give --tls self, files or acme, listen on 127.0.0.1 behind a proxy that has TLS, or say --allow-plaintext", flag, address)
}

// certificates opens what --tls says; nil for off.
func (c config) certificates(log *slog.Logger) (edge.Certificates, error) {
	var out edge.Certificates
	var err error
	switch c.TLS {
	case "self":
		out, err = edge.NewOwn(edge.OwnOptions{Dir: c.tlsFolder(), Hosts: c.hosts(), List: c.publicURL(), Log: log})
	case "files":
		out, err = edge.NewFiles(c.TLSCert, c.TLSKey, log)
	case "acme":
		out, err = edge.NewACME(edge.ACMEOptions{Dir: c.acmeFolder(), Domains: c.domains(), Email: c.ACMEEmail, Directory: c.ACMEDirectory,
			Roots: c.ACMECA, Listen: c.Listen, Plain: c.HTTPListen, Log: log})
	}
	if err != nil {
		return nil, err // out would be a kind without a value
	}
	return out, nil
}

func (c config) tlsFolder() string  { return filepath.Join(c.Data, "tls") }
func (c config) acmeFolder() string { return filepath.Join(c.Data, "acme") }

// domains are those of --acme-domain, and the host of --files-origin.
func (c config) domains() []string {
	out := strings.FieldsFunc(c.ACMEDomain, func(r rune) bool { return r == ',' || r == ' ' })
	if host := c.filesHost(); host != "" && !slices.ContainsFunc(out, func(d string) bool { return strings.EqualFold(d, host) }) {
		out = append(out, host)
	}
	return out
}

// hosts are the names that an own certificate is for: those of the machine,
// and the one in the public URL.
func (c config) hosts() []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(c.PublicURL); err == nil {
		out = append(out, u.Hostname())
	}
	if host := c.filesHost(); host != "" {
		out = append(out, host)
	}
	for _, address := range []string{c.Listen, c.Inner} {
		if host, _, err := net.SplitHostPort(address); err == nil {
			if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
				out = append(out, host)
			}
		}
	}
	if name, err := os.Hostname(); err == nil {
		out = append(out, name)
	}
	return out
}

// publicURL is where the doors are reached from outside.
func (c config) publicURL() string {
	if c.PublicURL == "" {
		if c.TLS == "acme" && len(c.domains()) > 0 {
			return "https://" + c.domains()[0]
		}
		return c.scheme() + "://" + c.Listen
	}
	return strings.TrimSuffix(c.PublicURL, "/")
}

func (c config) scheme() string {
	if c.TLS == "off" || c.TLS == "" {
		return "http"
	}
	return "https"
}

// gate is the program's listeners, with what they show and who passes.
type gate struct {
	certs  edge.Certificates // nil without TLS
	url    string            // of the doors, on this machine
	health string            // of health and metrics; "" for none
	outer  *edge.Server
	inner  *edge.Server
	plain  *edge.Server
	failed chan error

	listeners []net.Listener
}

// openGate listens on every address. It answers nothing before begin.
func openGate(c *config, log *slog.Logger, outer, inner http.HandlerFunc, foreign func()) (g *gate, begin func(), err error) {
	g = &gate{failed: make(chan error, 3)}
	listen := func(flag, address string) net.Listener {
		if address == "" || err != nil {
			return nil
		}
		l, fault := net.Listen("tcp", address)
		if fault != nil {
			err = fmt.Errorf("%s: %w (another address, or %s= for none)", flag, fault, flag)
			return nil
		}
		g.listeners = append(g.listeners, l)
		return l
	}
	doors, health, plain := listen("--listen", c.Listen), listen("--inner", c.Inner), listen("--http-listen", c.HTTPListen)
	if err == nil {
		c.Listen = doors.Addr().String()
		if plain != nil {
			c.HTTPListen = plain.Addr().String()
		}
		g.certs, err = c.certificates(log)
	}
	if err != nil {
		g.abandon()
		return nil, nil, err
	}
	g.make(*c, log, outer, inner, foreign, plain != nil)
	if health != nil {
		g.health = "http://" + health.Addr().String()
		if !caller.Here(hostOf(c.Inner)) {
			g.health = c.scheme() + "://" + health.Addr().String()
		}
	}
	return g, func() { g.serve(g.outer, doors); g.serve(g.inner, health); g.serve(g.plain, plain) }, nil
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

// make builds the servers. Health and metrics go without TLS on loopback: who
// asks there is this machine.
func (g *gate) make(c config, log *slog.Logger, outer, inner http.HandlerFunc, foreign func(), plain bool) {
	g.url = c.scheme() + "://" + c.Listen
	proxies, _ := edge.ParseProxies(c.TrustedProxies, c.ProxyHeader) // check has read it
	g.outer = edge.New(edge.Options{Handler: outer, Log: log, Certificates: g.certs, PublicURL: c.publicURL(),
		OpenTo: openToPages, Foreign: foreign, ClassOf: classOf, Proxies: proxies, PerNetwork: c.PerAddress, Connections: c.Connections})
	o := edge.Options{Handler: inner, Log: log, PerNetwork: 64, Connections: 256}
	if !caller.Here(hostOf(c.Inner)) {
		o.Certificates = g.certs
	}
	g.inner = edge.New(o)
	if plain {
		g.plain = edge.NewPlain(g.certs, c.publicURL(), log)
	}
}

func (g *gate) serve(s *edge.Server, l net.Listener) {
	if l != nil {
		go func() {
			if err := s.Serve(l); err != nil {
				g.failed <- err
			}
		}()
	}
}

// drain lets running requests of the doors finish until ctx ends. Health still
// answers.
func (g *gate) drain(ctx context.Context) error {
	if g.plain != nil {
		_ = g.plain.Drain(ctx) // a redirect is over at once
	}
	return g.outer.Drain(ctx)
}

// abandon gives the addresses back, of a server that never began.
func (g *gate) abandon() {
	for _, l := range g.listeners {
		l.Close()
	}
	if g.certs != nil {
		g.certs.Close()
	}
}

func (g *gate) close() {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_ = g.inner.Drain(gone) // probes may be cut off
	if g.certs != nil {
		g.certs.Close()
	}
}

// metrics counts connections, and tells when the certificate ends and whether
// something is in the way of the next one.
func (g *gate) metrics() []prometheus.Collector {
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "catchment", Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "catchment", Name: name, Help: help}, f)
	}
	out := []prometheus.Collector{
		gauge("connections_open", "Connections to the doors.", func() float64 { return float64(g.outer.Stats().Open) }),
		counter("connections_accepted_total", "Connections that were let in.", func() float64 { return float64(g.outer.Stats().Accepted) }),
		counter("connections_evicted_total", "Slow or idle connections that made room for others.", func() float64 { return float64(g.outer.Stats().Evicted) }),
		counter("connections_refused_total", "Connections for which there was no room.", func() float64 { return float64(g.outer.Stats().Refused) }),
	}
	if g.certs == nil {
		return out
	}
	return append(out,
		gauge("certificate_end_seconds", "When the doors' certificate ends, in seconds since 1970; 0 while there is none.", func() float64 {
			if end := g.certs.State().Ends; !end.IsZero() {
				return float64(end.Unix())
			}
			return 0
		}),
		gauge("certificate_problem", "1 while the doors' next certificate cannot be taken or got.", func() float64 {
			if g.certs.State().Problem != "" {
				return 1
			}
			return 0
		}))
}

// trust is how this program calls its own doors; nil without TLS.
func (g *gate) trust() *tls.Config {
	if g.certs == nil {
		return nil
	}
	return edge.Local(g.certs)
}

// openToPages are the routes that pages of any origin call: a form post
// brings the cookies that its browser has for us, and capture reads none.
func openToPages(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/f/") || r.URL.Path == "/v1/leads" || r.URL.Path == "/v1/leads:batch"
}

// classOf tells the few routes that may take long.
func classOf(r *http.Request) edge.Class {
	switch p := r.URL.Path; {
	case p == "/v1/events":
		return edge.Stream
	case (strings.HasPrefix(p, "/v1/imports/") || strings.HasPrefix(p, "/v1/exports/")) && (strings.HasSuffix(p, "/file") || strings.HasSuffix(p, "/result")):
		return edge.File
	case strings.HasPrefix(p, "/v1/leads/") && strings.Contains(p, "/files"), p == "/v1/images", strings.HasPrefix(p, page.Prefix):
		return edge.File
	}
	return edge.Quick
}

// greet says where the doors are, and what clients need to trust them.
func (s *server) greet(w *world) {
	fmt.Fprintf(w.out, "Catchment %s on %s (API: %s/docs)\n", version, s.gate.url, s.gate.url)
	if own, ok := s.gate.certs.(*edge.Own); ok {
		fmt.Fprintf(w.out, "TLS by an authority of its own: give %s to clients (curl --cacert)\n", own.Authority())
	}
}
