package limits

import (
	"fmt"
	"net/netip"
	"time"

	"catchment/internal/caller"
	"catchment/internal/problem"
)

// Rates are the limits of a house; a zero one does not limit.
type Rates struct {
	Address  Rate // requests from one network: an IPv4 address, an IPv6 /64
	Stranger Rate // of those, what needs no credential, as signing in
	Holder   Rate // requests with one key or of one user
	Account  Rate // requests of one account
	Leads    Rate // leads that one account hands in
	Reports  Rate // reports to the operators from one network
}

// Own is what one account may have instead of the house's limits, a second;
// 0: the house's.
type Own struct {
	Holder  int `json:"holder,omitempty"`
	Account int `json:"account,omitempty"`
	Leads   int `json:"leads,omitempty"`
}

// With is what counts for an account of its own limits.
func (r Rates) With(o Own) Rates {
	for _, x := range []struct {
		to  *Rate
		own int
	}{{&r.Holder, o.Holder}, {&r.Account, o.Account}, {&r.Leads, o.Leads}} {
		if x.own > 0 {
			*x.to = PerSecond(x.own)
		}
	}
	return r
}

// Limits counts for one house. A nil one limits nothing.
type Limits struct {
	rates                                       Rates
	own                                         func(account []byte) Own
	namer                                       *Namer
	now                                         func() time.Time
	addresses, strangers, holders, accounts, in *Table
	reports                                     *Table
}

// New makes the counts, about 4 MiB. Nodes that count together have one secret.
// now is time.Now when nil.
func New(r Rates, secret []byte, now func() time.Time) *Limits {
	if now == nil {
		now = time.Now
	}
	began := now().Add(-time.Second)
	return &Limits{rates: r, own: func([]byte) Own { return Own{} }, namer: NewNamer(secret), now: now,
		addresses: NewTable(1<<16, began), strangers: NewTable(1<<16, began),
		holders: NewTable(1<<14, began), accounts: NewTable(1<<12, began), in: NewTable(1<<12, began), reports: NewTable(1<<12, began)}
}

// Know has accounts' own limits looked up: own gives an account's, at once and
// from many goroutines. It is called before anything is counted.
func (l *Limits) Know(own func(account []byte) Own) { l.own = own }

// Of is what counts for an account with such limits of its own. A nil Limits
// has none.
func (l *Limits) Of(o Own) Rates {
	if l == nil {
		return Rates{}.With(o)
	}
	return l.rates.With(o)
}

// Tables are what nodes share, in the order that all of them use.
func (l *Limits) Tables() []*Table {
	return []*Table{l.addresses, l.strangers, l.holders, l.accounts, l.in, l.reports}
}

// Address counts a request by where it comes from. Loopback is not limited: it
// is this machine, or a proxy on it whose word is not taken, and then everybody.
func (l *Limits) Address(a netip.Addr) error {
	if l == nil {
		return nil
	}
	return l.network(l.addresses, l.rates.Address, "address", "This address sends too many requests.", a)
}

// Stranger counts a request that comes without a credential.
func (l *Limits) Stranger(a netip.Addr) error {
	if l == nil {
		return nil
	}
	return l.network(l.strangers, l.rates.Stranger, "stranger", "This address sends too many requests without a credential.", a)
}

// Report counts what a network reports to the operators.
func (l *Limits) Report(a netip.Addr) error {
	if l == nil {
		return nil
	}
	return l.network(l.reports, l.rates.Reports, "report", "This address sends too many reports.", a)
}

func (l *Limits) network(t *Table, r Rate, name, what string, a netip.Addr) error {
	if !a.IsValid() || a.IsLoopback() {
		return nil
	}
	b := caller.Network(a).Addr().As16()
	return refusal(name, what, r, t.Take(l.namer.Key(name, b[:]), r, 1, l.now()))
}

// Request counts one of a holder (of a key, or a user) and its account; the
// empty account is the platform's, which has no limit of its own.
func (l *Limits) Request(account []byte, holder string) error {
	if l == nil {
		return nil
	}
	rates := l.rates
	if len(account) > 0 {
		rates = rates.With(l.own(account))
	}
	now, key := l.now(), l.namer.Key("holder", []byte(holder))
	wait := l.holders.Take(key, rates.Holder, 1, now)
	if wait > 0 {
		return refusal("holder", "This key or user sends too many requests.", rates.Holder, wait)
	}
	if len(account) == 0 {
		return nil
	}
	if wait = l.accounts.Take(l.namer.Key("account", account), rates.Account, 1, now); wait > 0 {
		l.holders.back(key, rates.Holder, 1, now)
	}
	return refusal("account", "The account's keys and users send too many requests.", rates.Account, wait)
}

// Leads counts what an account hands in; with 0 it only says whether there is
// room for one.
func (l *Limits) Leads(account []byte, n int) error {
	if l == nil {
		return nil
	}
	rate := l.rates.With(l.own(account)).Leads
	key, wait := l.namer.Key("leads", account), time.Duration(0)
	if n == 0 {
		wait = l.in.Ask(key, rate, l.now())
	} else {
		wait = l.in.Take(key, rate, n, l.now())
	}
	return refusal("leads", "The account hands in too many leads at once. Nothing was stored.", rate, wait)
}

// refusal is 429 with the exact wait in whole seconds, and what the limit is, as
// draft-ietf-httpapi-ratelimit-headers-10 writes it; nil without a wait.
func refusal(name, what string, r Rate, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	p := problem.TooMany("too_many_requests", wait, "%s At most %d in %s, and %d at once. Repeat it after Retry-After.", what, r.N, r.Per, r.Burst)
	window := ceil(time.Duration(saturated(r.each(), r.burst())))
	p.Headers = map[string]string{
		"RateLimit-Policy": fmt.Sprintf("%q;q=%d;w=%d", name, r.burst(), window),
		"RateLimit":        fmt.Sprintf("%q;r=0;t=%d", name, ceil(wait)),
	}
	return p
}

func ceil(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
