package caller_test

import (
	"net/netip"
	"testing"

	"catchment/internal/caller"
)

func TestNetworks(t *testing.T) {
	n, err := caller.ParseNetworks("192.0.2.0/24, 198.51.100.7, 2001:db8::/48, ::ffff:203.0.113.0/120,")
	if err != nil || len(n) != 4 {
		t.Fatal(n, err)
	}
	for text, in := range map[string]bool{
		"192.0.2.255": true, "192.0.3.0": false, "198.51.100.7": true, "198.51.100.8": false,
		"2001:db8:0:ffff::1": true, "2001:db8:1::1": false, "203.0.113.200": true, "203.0.114.1": false,
		"::ffff:192.0.2.9": true, "::ffff:192.0.3.9": false, // as a dual-stack listener gives IPv4
	} {
		if n.Has(caller.Plain(netip.MustParseAddr(text))) != in {
			t.Errorf("%s: want %v", text, in)
		}
	}
	if n.Has(netip.Addr{}) || !(caller.Networks{}).Has(netip.Addr{}) {
		t.Error("an unknown address may come where anybody may, and nowhere else")
	}
}

func TestNoNetwork(t *testing.T) {
	for _, bad := range []string{"192.0.2.7/24", "2001:db8::1/48", "192.0.2.0/33", "192.0.2", "example.com", "fe80::1%eth0", "fe80::%eth0/64",
		"::ffff:0.0.0.0/95", "0.0.0.0/-1", "192.0.2.0/024"} {
		if n, err := caller.ParseNetworks(bad); err == nil {
			t.Errorf("%q became %v", bad, n)
		}
	}
}

func FuzzNetwork(f *testing.F) {
	for _, s := range []string{"192.0.2.0/24", "2001:db8::/48", "::ffff:203.0.113.0/120", "10.0.0.1", "192.0.2.7/24", "::/0", "fe80::1%x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := caller.ParseNetwork(s)
		if err != nil || caller.HostBits(p) != nil {
			return
		}
		if !p.IsValid() || p.Addr().Is4In6() || !p.Contains(p.Addr()) {
			t.Fatalf("%q became %v", s, p)
		}
		again, err := caller.ParseNetwork(p.String())
		if err != nil || again != p {
			t.Fatalf("%q: %v came back as %v, %v", s, p, again, err)
		}
	})
}
