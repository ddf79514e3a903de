// Package caller carries the address that a request came from, from the gate
// house to whoever limits by it or shows it to its owner. It is personal: it
// is kept in memory or sealed, and never logged.
package caller

import (
	"context"
	"net"
	"net/http"
	"net/netip"
)

type key struct{}

// With notes the caller's address for all who serve the request. Only the gate
// house does: it knows which proxies to believe.
func With(ctx context.Context, a netip.Addr) context.Context {
	return context.WithValue(ctx, key{}, a)
}

// Address is the caller's, without a zone and with an IPv4 address as such;
// the zero Addr where no gate house stands in front.
func Address(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(key{}).(netip.Addr)
	return a
}

// Of is the address that the gate house noted, else the peer's.
func Of(r *http.Request) netip.Addr {
	if a := Address(r.Context()); a.IsValid() {
		return a
	}
	return Peer(r.RemoteAddr)
}

// Here says whether a host, by its name or address, is this machine and no
// other: what goes there is on no wire.
func Here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Peer reads the address of a connection's other end ("192.0.2.1:80"); the
// zero Addr when it is no IP address.
func Peer(remote string) netip.Addr {
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return Plain(p.Addr())
}

// Plain gives an address the one form that it is compared in.
func Plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Network is what one customer of an internet provider has: the address
// itself, or the /64 of an IPv6 address. Limits by address count by it.
func Network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() && !a.Is4In6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}
