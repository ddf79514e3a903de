package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"catchment/internal/caller"
)

// Proxies are the peers whose word about the caller is taken, and the one
// header in which they write it. One, because a proxy that writes the one
// passes on the other as the caller sent it.
type Proxies struct {
	Nets   []netip.Prefix
	Header string // X-Forwarded-For (when empty) or Forwarded
}

// ParseProxies reads a list of networks and addresses, apart by commas:
// "10.0.0.0/8, 2001:db8::7".
func ParseProxies(list, header string) (p Proxies, err error) {
	p.Header = http.CanonicalHeaderKey(header)
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		n, err := caller.ParseNetwork(word)
		if err != nil {
			return Proxies{}, fmt.Errorf("%q: %w", word, err)
		}
		if n.Bits() == 0 {
			return Proxies{}, fmt.Errorf("%s is everybody: whoever is trusted can say to be anybody", word)
		}
		p.Nets = append(p.Nets, n.Masked())
	}
	return p, nil
}

func (p Proxies) trust(a netip.Addr) bool {
	for _, n := range p.Nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// mostHops bounds what is read of a list that a caller may have begun.
const mostHops = 32

// callerOf reads the list from the right, where the nearest proxy has written
// last: the first address that is not a trusted proxy's is the caller. What
// stands further left came from them and may be invented. At something that is
// no address the reading ends, and the last trusted hop counts as the caller.
func (p Proxies) callerOf(peer netip.Addr, h http.Header) netip.Addr {
	read, name := plainHop, "X-Forwarded-For"
	if p.Header == "Forwarded" {
		read, name = forwardedHop, "Forwarded"
	}
	at, hops := peer, 0
	lines := h[name]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			if hops == mostHops {
				return at
			}
			var word string
			rest, word, more = cutLast(rest)
			a, ok := read(strings.Trim(word, " \t"))
			if !ok {
				return at
			}
			at = a
			if !p.trust(a) {
				return at
			}
		}
	}
	return at
}

// cutLast cuts behind the last comma.
func cutLast(s string) (before, last string, more bool) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// plainHop reads an element of X-Forwarded-For: an address, or with the port
// as some proxies write it.
func plainHop(s string) (netip.Addr, bool) {
	if len(s) > 64 {
		return netip.Addr{}, false
	}
	if p, err := netip.ParseAddrPort(s); err == nil {
		return caller.Plain(p.Addr()), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
		if !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	return caller.Plain(a), err == nil
}

// forwardedHop reads an element of Forwarded (RFC 7239):
//
//	for="[2001:db8::17]:4711";proto=https;by=203.0.113.43
//
// Every parameter has to be well formed. A comma in a quoted value cuts the
// element apart, and what is cut apart has a lone quote: it is not read, so
// that a caller who gets a proxy to quote something gains nothing.
func forwardedHop(s string) (a netip.Addr, found bool) {
	for pair := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !ok {
			return netip.Addr{}, false
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if strings.ContainsAny(value, `"\`) {
			return netip.Addr{}, false
		}
		if !strings.EqualFold(name, "for") {
			continue
		}
		if found { // once an element
			return netip.Addr{}, false
		}
		if a, found = plainHop(value); !found {
			return netip.Addr{}, false
		}
	}
	return a, found
}

// forwarding are the headers in which proxies of one kind or another write
// about the caller and the request, and the request's id, which is ours to give.
var forwarding = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
	"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip",
	"X-Original-Forwarded-For", "X-Request-Id",
}

func stripForwarding(h http.Header) {
	for _, name := range forwarding {
		delete(h, name)
	}
}
