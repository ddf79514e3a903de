package caller

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Networks are where callers may come from. None: from anywhere. Their text is
// CIDR (RFC 4632, RFC 4291 section 2.3): "192.0.2.0/24", "2001:db8::/48".
type Networks []netip.Prefix

// Has reports whether a caller of this address, in its plain form, may come.
// An unknown one (the zero Addr) may only where anybody may.
func (n Networks) Has(a netip.Addr) bool {
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return len(n) == 0
}

// Strings is their text; never nil.
func (n Networks) Strings() []string {
	out := make([]string, len(n))
	for i, p := range n {
		out[i] = p.String()
	}
	return out
}

var errNoNetwork = errors.New("neither an address nor a network like 192.0.2.0/24")

// ParseNetwork reads a network, or a single address as the network of itself.
// IPv4 written as IPv6 (::ffff:192.0.2.0/120) becomes plain IPv4. Bits behind
// the network's stay: see HostBits.
func ParseNetwork(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errNoNetwork
	}
	if !p.Addr().Is4In6() {
		return p, nil
	}
	if p.Bits() < 96 { // it would hold more than IPv4, and match none of it
		return netip.Prefix{}, errNoNetwork
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), nil
}

// HostBits is the error for a network that is written with bits behind its own,
// as 192.0.2.7/24: which of the two was meant cannot be told. Nil for others.
func HostBits(p netip.Prefix) error {
	if p == p.Masked() {
		return nil
	}
	return fmt.Errorf("names a host and a network: write %s for the network, %s for the host", p.Masked(), p.Addr())
}

// ParseNetworks reads a list, apart by commas, as on a command line.
func ParseNetworks(list string) (out Networks, err error) {
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		p, err := ParseNetwork(word)
		if err == nil {
			err = HostBits(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		out = append(out, p)
	}
	return out, nil
}
