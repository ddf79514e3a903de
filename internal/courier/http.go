package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// newHTTP is a client for one gateway: it follows no redirect, which could
// lead inside, uses no proxy, and connects to public addresses only, unless
// the gateway's own address is written as an IP address. Link-local ones, where
// clouds keep their secrets, are never connected to.
func newHTTP(u *url.URL) *http.Client {
	stated, err := netip.ParseAddr(u.Hostname())
	inside := err == nil && !stated.IsUnspecified()
	d := &net.Dialer{Timeout: 5 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		p, err := netip.ParseAddrPort(address)
		if err != nil || !mayConnect(p.Addr(), inside) {
			return errInside
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: 10 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errInside = errors.New("courier: the gateway's name leads to an address inside; write the address itself to mean it")

// shared is RFC 6598, between a provider and its customers.
var shared = netip.MustParsePrefix("100.64.0.0/10")

func mayConnect(a netip.Addr, inside bool) bool {
	a = a.Unmap()
	if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	return inside || !a.IsLoopback() && !a.IsPrivate() && !shared.Contains(a)
}

const mostAnswer = 64 << 10 // bytes of an answer that are read

// send asks and returns the status with the answer's beginning. An answer that
// broke off has its status all the same.
func send(c *http.Client, r *http.Request) (status int, body []byte, head http.Header, err error) {
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, &Failure{Code: "no_answer", Permanent: errors.Is(err, errInside), cause: bare(err)}
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, mostAnswer)) // the status has said it
	return resp.StatusCode, body, resp.Header, nil
}

// bare leaves the address out of an error: a gateway's may hold a secret.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// judge turns a status into a Failure, nil for success. code is the gateway's
// own word, "" for none.
func judge(status int, head http.Header, code string) error {
	if status/100 == 2 {
		return nil
	}
	f := &Failure{Code: code, Permanent: status/100 == 3 || status/100 == 4 && status != http.StatusRequestTimeout &&
		status != http.StatusTooEarly && status != http.StatusTooManyRequests}
	if f.Code == "" {
		f.Code = strconv.Itoa(status)
	}
	if s, err := strconv.Atoi(head.Get("Retry-After")); err == nil && s > 0 && s < 3600 {
		f.After = time.Duration(s) * time.Second
	}
	return f
}

// secure refuses an address over which secrets would go in clear. An IP
// address of this machine is not a way that anybody listens at.
func secure(u *url.URL) error {
	a, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && err == nil && a.IsLoopback() {
		return nil
	}
	return fmt.Errorf("courier: the gateway's address must begin with https://")
}
