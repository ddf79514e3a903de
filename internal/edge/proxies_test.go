package edge

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"catchment/internal/caller"
)

func proxies(t testing.TB, list, header string) Proxies {
	t.Helper()
	p, err := ParseProxies(list, header)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProxies(t *testing.T) {
	p := proxies(t, " 10.0.0.0/8 ,192.0.2.7,2001:db8::/32,, ::ffff:198.51.100.1", "x-forwarded-for")
	for addr, want := range map[string]bool{
		"10.9.8.7": true, "192.0.2.7": true, "192.0.2.8": false, "2001:db8:5::1": true, "2001:db9::1": false, "198.51.100.1": true,
	} {
		if p.trust(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s is trusted: %v", addr, !want)
		}
	}
	for _, bad := range []string{"nginx", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.1-10.0.0.9"} {
		if _, err := ParseProxies(bad, ""); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if (Proxies{}).trust(netip.MustParseAddr("127.0.0.1")) {
		t.Error("nobody is named, and somebody is trusted")
	}
}

// The last proxy, 10.0.0.1, has appended what it saw; all else in the lists is
// what a caller may have invented.
func TestCallerOf(t *testing.T) {
	const peer = "10.0.0.1"
	for _, c := range []struct {
		name, header string
		lines        []string
		want         string
	}{
		{"one proxy", "X-Forwarded-For", []string{"192.0.2.1"}, "192.0.2.1"},
		{"an invented one in front", "X-Forwarded-For", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		{"an invented proxy in front", "X-Forwarded-For", []string{"203.0.113.9, 10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "X-Forwarded-For", []string{"203.0.113.9, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"an invented header line in front", "X-Forwarded-For", []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		{"a caller inside", "X-Forwarded-For", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no header", "X-Forwarded-For", nil, peer},
		{"an empty one", "X-Forwarded-For", []string{""}, peer},
		{"garbage", "X-Forwarded-For", []string{"203.0.113.9, <script>"}, peer},
		{"garbage behind a proxy", "X-Forwarded-For", []string{"203.0.113.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"empty elements", "X-Forwarded-For", []string{"203.0.113.9,,"}, peer},
		{"with a port", "X-Forwarded-For", []string{"203.0.113.9, 192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6", "X-Forwarded-For", []string{"2001:db8::9, 2001:db8::1"}, "2001:db8::1"},
		{"IPv6 with a port", "X-Forwarded-For", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6 in brackets", "X-Forwarded-For", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv4 in brackets", "X-Forwarded-For", []string{"[192.0.2.1]"}, peer},
		{"IPv4 as IPv6", "X-Forwarded-For", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a trusted one as IPv6", "X-Forwarded-For", []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"a zone", "X-Forwarded-For", []string{"fe80::1%eth0"}, "fe80::1"},
		{"not an octet", "X-Forwarded-For", []string{"192.0.2.256"}, peer},
		{"octal", "X-Forwarded-For", []string{"192.0.2.010"}, peer},
		{"the other header is not read", "X-Forwarded-For", nil, peer},
		{"Forwarded", "Forwarded", []string{`for=203.0.113.9, for=192.0.2.1;proto=https;by=10.0.0.1`}, "192.0.2.1"},
		{"Forwarded, in any case", "Forwarded", []string{`Proto=https; FOR=192.0.2.1`}, "192.0.2.1"},
		{"Forwarded, IPv6", "Forwarded", []string{`for="[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"Forwarded, hidden", "Forwarded", []string{`for=203.0.113.9, for=_hidden`}, peer},
		{"Forwarded, unknown", "Forwarded", []string{`for=unknown`}, peer},
		{"Forwarded, without for", "Forwarded", []string{`for=203.0.113.9, proto=https`}, peer},
		{"Forwarded, twice for", "Forwarded", []string{`for=192.0.2.1;for=203.0.113.9`}, peer},
		{"Forwarded, an open quote in front", "Forwarded", []string{`for="203.0.113.9, for=192.0.2.1`}, "192.0.2.1"},
		{"Forwarded, a host that breaks out", "Forwarded", []string{`for=192.0.2.1;host="x,for=203.0.113.9"`}, peer},
		{"Forwarded, a host that breaks out with a parameter", "Forwarded", []string{`for=192.0.2.1;host="x,for=203.0.113.9;a="`}, peer},
		{"Forwarded, with a backslash", "Forwarded", []string{`for="203.0.113.9\"";a=b`}, peer},
		{"a long list", "X-Forwarded-For", []string{strings.Repeat("203.0.113.9, ", 5000) + strings.Repeat("10.0.0.2, ", 40) + "10.0.0.2"}, "10.0.0.2"},
		{"a long word", "X-Forwarded-For", []string{strings.Repeat("1", 1<<16)}, peer},
	} {
		h := http.Header{c.header: c.lines}
		if c.name == "the other header is not read" {
			h = http.Header{"Forwarded": {"for=203.0.113.9"}}
		}
		got := proxies(t, "10.0.0.0/8", c.header).callerOf(netip.MustParseAddr(peer), h)
		if got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// Whatever a caller writes in front, what the trusted proxy appends decides.
func FuzzCallerOf(f *testing.F) {
	for _, s := range []string{"", "203.0.113.9", "10.0.0.9", ",", `"`, `for="`, `a="b,`, "[::1", "for=1.2.3.4;", "\\", "unknown", "10.0.0.2, 10.0.0.3"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	peer, real := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, invented string, line bool) {
		for header, saw := range map[string]string{"X-Forwarded-For": "192.0.2.1", "Forwarded": `for="192.0.2.1:80";proto=https`} {
			lines := []string{invented + ", " + saw}
			if line {
				lines = []string{invented, saw}
			}
			p := proxies(t, "10.0.0.0/8", header)
			if got := p.callerOf(peer, http.Header{header: lines}); got != real {
				t.Fatalf("%s %q: %v", header, lines, got)
			}
			// Alone it is the proxy's own word; it may be anything, and nothing may break.
			if got := p.callerOf(peer, http.Header{header: {invented}}); !got.IsValid() || got != caller.Plain(got) {
				t.Fatalf("%s %q: %v", header, invented, got)
			}
		}
	})
}
