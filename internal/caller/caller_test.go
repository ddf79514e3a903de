package caller

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	r, _ := http.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[::ffff:192.0.2.1]:80"
	if a := Of(r); a != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("the peer is %v", a)
	}
	said := netip.MustParseAddr("2001:db8::1")
	if a := Of(r.WithContext(With(r.Context(), said))); a != said {
		t.Errorf("the caller is %v", a)
	}
	r.RemoteAddr = "@"
	if a := Of(r); a.IsValid() {
		t.Errorf("a socket has the address %v", a)
	}
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
		"2001:db8:1:3::":       "2001:db8:1:3::/64",
	} {
		if got := Network(Plain(netip.MustParseAddr(addr))); got.String() != want {
			t.Errorf("%s belongs to %v, want %s", addr, got, want)
		}
	}
	if p := Network(netip.Addr{}); p.IsValid() {
		t.Errorf("no address belongs to %v", p)
	}
}
