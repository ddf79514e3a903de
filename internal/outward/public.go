package outward

import "net/netip"

// special lists what is nobody's on the internet, or leads to such an address
// by a rule of translation: IANA's registries of special-purpose addresses
// (RFC 6890 and later), less what they call globally reachable.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	// of IPv6 only this eighth is anybody's; the rest holds loopback, mapped and
	// translated IPv4 (64:ff9b::/96), unique local, link-local and multicast
	"::/3", "4000::/2", "8000::/1",
	"2001::/23",     // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4: an IPv4 address within
	"3fff::/20",     // documentation
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Public reports whether an address is somebody's on the internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// never are addresses that no permission covers: link-local ones, where clouds
// keep their secrets, and what is no host's.
func never(a netip.Addr) bool {
	return !a.IsValid() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) ||
		a == metadata6
}

// metadata6 is where a large cloud keeps its secrets under IPv6; unique local,
// hence within networks that an operator may allow.
var metadata6 = netip.MustParseAddr("fd00:ec2::254")
