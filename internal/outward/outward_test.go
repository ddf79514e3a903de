package outward_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"catchment/internal/outward"
)

// One line of IANA's registries of special-purpose addresses each, its first
// and last address, and what stands beside it.
func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.215.14": true, "1.1.1.1": true, "223.255.255.255": true, "9.255.255.255": true, "11.0.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"172.15.255.255": true, "172.32.0.0": true, "192.0.1.0": true, "198.17.255.255": true, "198.20.0.0": true, "126.255.255.255": true, "128.0.0.0": true,
		"2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "2001:200::1": true, "2a00::1": true, "2003::1": true,
		"0.0.0.0": false, "0.255.255.255": false, "10.0.0.0": false, "10.255.255.255": false, "100.64.0.0": false, "100.127.255.255": false,
		"127.0.0.1": false, "127.255.255.255": false, "169.254.169.254": false, "172.16.0.0": false, "172.31.255.255": false, "192.0.0.1": false, "192.0.0.170": false,
		"192.0.2.1": false, "192.88.99.1": false, "192.168.0.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:2::1": false, "2001:10::1": false, "2001:20::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "3fff::1": false, "4000::1": false, "5f00::1": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fec0::1": false, "ff02::1": false, "2606:2800::1%eth0": false,
	} {
		if got := outward.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if outward.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// However an IPv4 address inside is written as IPv6, it is not public.
func TestNoWayRound(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("192.168.0.0/16")}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(inside).Draw(t, "network")
		at := binary.BigEndian.Uint32(p.Addr().AsSlice()) | rapid.Uint32().Draw(t, "host")>>p.Bits()
		four := binary.BigEndian.AppendUint32(nil, at)
		way := rapid.SampledFrom([]struct {
			name string
			put  func(a *[16]byte)
		}{
			{"mapped", func(a *[16]byte) { a[10], a[11] = 255, 255; copy(a[12:], four) }},
			{"compatible", func(a *[16]byte) { copy(a[12:], four) }},
			{"NAT64", func(a *[16]byte) { copy(a[:], []byte{0, 0x64, 0xff, 0x9b}); copy(a[12:], four) }},
			{"6to4", func(a *[16]byte) { a[0], a[1] = 0x20, 2; copy(a[2:], four) }},
			{"Teredo", func(a *[16]byte) {
				a[0], a[1] = 0x20, 1
				for i, b := range four {
					a[12+i] = ^b
				}
			}},
		}).Draw(t, "way")
		var a [16]byte
		way.put(&a)
		if outward.Public(netip.AddrFrom16(a)) || outward.Public(netip.AddrFrom4([4]byte(four))) {
			t.Fatalf("%s: %v is public", way.name, netip.AddrFrom16(a))
		}
	})
}

func FuzzPublic(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::ffff:10.0.0.1", "2a00::1", "fe80::1%1", "1.1.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if err != nil || !outward.Public(a) {
			return
		}
		ip := net.ParseIP(a.String()) // the older package, which judges for itself
		if ip == nil || !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			t.Errorf("%s is public", a)
		}
	})
}

// listener counts connections to loopback.
type listener struct {
	net.Listener
	taken atomic.Int32
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.taken.Add(1)
	}
	return c, err
}

func serve(t *testing.T, addr string, h http.HandlerFunc) (*httptest.Server, *listener) {
	t.Helper()
	at, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: at}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return s, l
}

var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func get(o outward.Options, address string) (string, error) {
	resp, err := outward.New(o).Get(address)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Status + " " + string(body), err
}

// What listens on loopback is not even connected to, by address or by name,
// with TLS or without; the control is that it is where the operator allows it.
func TestNothingInsideIsReached(t *testing.T) {
	s, l := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, address := range []string{s.URL, "https://127.0.0.1:" + port, "http://localhost:" + port, "https://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://127.1:" + port, "http://0.0.0.0:" + port} {
		for _, o := range []outward.Options{{}, {Inside: elsewhere}} {
			if got, err := get(o, address); err == nil || outward.Class(err) != "address_refused" && outward.Class(err) != "no_such_name" {
				t.Errorf("%s: %q, %v", address, got, err)
			}
		}
	}
	u, _ := url.Parse(s.URL)
	if err := outward.Knock(t.Context(), u, outward.Options{}); !errors.Is(err, outward.ErrInside) {
		t.Errorf("Knock: %v", err)
	}
	if n := l.taken.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	if got, err := get(outward.Options{Inside: here}, s.URL); err != nil || got != "200 OK inside" || l.taken.Load() != 1 {
		t.Errorf("the control: %q, %v", got, err)
	}
	if err := outward.Knock(t.Context(), u, outward.Options{Inside: outward.Stated("127.0.0.1")}); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// No permission covers where clouds keep their secrets.
func TestSomeIsNeverReached(t *testing.T) {
	for _, a := range []string{"http://169.254.169.254/latest", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "http://224.0.0.1/"} {
		if _, err := get(outward.Options{Inside: outward.Everywhere}, a); !errors.Is(err, outward.ErrInside) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// A public address is asked with TLS alone, and at no other protocol's port.
// Nothing goes out: the address is judged before.
func TestPortsAndTLS(t *testing.T) {
	for a, want := range map[string]error{"http://93.184.215.14/": outward.ErrClear, "https://93.184.215.14:25/": outward.ErrPort, "https://93.184.215.14:80/": outward.ErrPort} {
		if _, err := get(outward.Options{}, a); !errors.Is(err, want) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestRedirectsAreAnswers(t *testing.T) {
	inner, l := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })
	s, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusTemporaryRedirect)
	})
	if got, err := get(outward.Options{Inside: here}, s.URL); err != nil || !strings.HasPrefix(got, "307") || l.taken.Load() != 0 {
		t.Errorf("%q, %v, %d connections", got, err, l.taken.Load())
	}
}

// No proxy of the environment is asked.
func TestNoProxy(t *testing.T) {
	proxy, l := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "proxy") })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	for _, a := range []string{"http://hooks.example.com/", "https://hooks.example.com/"} {
		if got, err := get(outward.Options{Resolver: outward.Resolver(names(t, func(int) string { return "127.0.0.3" })), Inside: here}, a); err == nil || l.taken.Load() != 0 {
			t.Errorf("%s: %q", a, got)
		}
	}
}

func TestEveryAnswerEnds(t *testing.T) {
	let := make(chan struct{})
	t.Cleanup(func() { close(let) }) // before the servers are closed
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"a body without end": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "answer_too_long"},
		"a header without end": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "no_answer"},
		"broken off":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no_answer"},
		"silent":               {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout"},
	} {
		s, _ := serve(t, "127.0.0.1:0", c.handler)
		o := outward.Options{Inside: here, Most: 10_000}
		if name == "silent" {
			o.Time = 50 * time.Millisecond
		}
		if got, err := get(o, s.URL); outward.Class(err) != c.want {
			t.Errorf("%s: %.40q, %v (%s)", name, got, err, outward.Class(err))
		}
	}
	s, _ := serve(t, "127.0.0.1:0", nil)
	for address, want := range map[string]string{strings.Replace(s.URL, "http", "https", 1): "no_tls", "http://nobody.example.com/": "no_such_name"} {
		if _, err := get(outward.Options{Inside: here, Resolver: outward.Resolver(names(t, func(int) string { return "" }))}, address); outward.Class(err) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// names is a name server that answers its n-th question of an address with
// what at says; "" for none.
func names(t *testing.T, at func(n int) string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	up, ended := make(chan struct{}), make(chan struct{})
	server := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			n++
			if a := at(n); a != "" {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(a)})
			} else {
				m.Rcode = dns.RcodeNameError
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return pc.LocalAddr().String()
}

// A name that was good when it was entered and leads inside later, and one
// that leads to a good address and inside at once, reach nothing inside.
func TestNamesThatChange(t *testing.T) {
	_, inner := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })
	_, port, _ := net.SplitHostPort(inner.Addr().String())
	_, good := serve(t, "127.0.0.2:"+port, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "good") })
	o := outward.Options{Inside: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Resolver: outward.Resolver(names(t, func(n int) string {
		return map[bool]string{true: "127.0.0.2", false: "127.0.0.1"}[n == 1]
	}))}
	address := "http://hooks.example.com:" + port
	if got, err := get(o, address); err != nil || got != "200 OK good" {
		t.Fatalf("the control: %q, %v", got, err)
	}
	if got, err := get(o, address); outward.Class(err) != "address_refused" || inner.taken.Load() != 0 || good.taken.Load() != 1 {
		t.Errorf("%q, %v, %d connections inside", got, err, inner.taken.Load())
	}
}

func TestClassOfContexts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/", nil)
	_, err := outward.New(outward.Options{Inside: here}).Do(r)
	if c := outward.Class(err); c == "" || c == "timeout" {
		t.Errorf("%q for %v", c, err)
	}
}
