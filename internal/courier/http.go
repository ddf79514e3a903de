package courier

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"catchment/internal/outward"
)

// way is how one gateway is reached: at public addresses only, unless the
// gateway's own address is written as an IP address.
func way(u *url.URL) outward.Options {
	return outward.Options{Inside: outward.Stated(u.Hostname()), Header: 10 * time.Second, Idle: 4}
}

const mostAnswer = 64 << 10 // bytes of an answer that are read

// send asks and returns the status with the answer's beginning. An answer that
// broke off has its status all the same.
func send(c *http.Client, r *http.Request) (status int, body []byte, head http.Header, err error) {
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, &Failure{Code: "no_answer", Permanent: errors.Is(err, outward.ErrInside), cause: bare(err)}
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
