package signin

import (
	"sync"
	"time"

	"catchment/internal/caller"
	"catchment/internal/problem"
	"catchment/internal/vault"
)

// limits counts what was tried in spans of time, in this process.
type limits struct {
	mu    sync.Mutex
	tries map[string]window
}

type window struct {
	since time.Time
	n     int
}

const (
	triesEach    = 10 // sign-ins for an address or a user, known or not, in triesEvery
	triesEvery   = time.Minute
	networkFails = 200 // refused sign-ins from one network in networkSpan
	mostKnown    = 20_000
)

// try counts one more of the key; wait is 0 while no more than each came in a
// span. n says how many there were.
func (l *limits) try(key string, each int, every time.Duration, now time.Time) (n int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, known := l.tries[key]
	if now.Sub(w.since) >= every || now.Before(w.since) { // a clock that went back begins anew
		w = window{since: now}
	}
	if w.n >= each {
		return w.n, w.since.Add(every).Sub(now)
	}
	w.n++
	if l.tries == nil {
		l.tries = map[string]window{}
	}
	if !known && len(l.tries) >= mostKnown {
		l.evict()
	}
	l.tries[key] = w
	return w.n, 0
}

// evict drops the least of a few: who floods with new addresses pushes out
// those, and not what was counted of others.
func (l *limits) evict() {
	least, at, seen := "", 0, 0
	for key, w := range l.tries {
		if seen == 0 || w.n < at {
			least, at = key, w.n
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(l.tries, least)
}

// full is how long the key's span still lasts when it has no tries left.
func (l *limits) full(key string, each int, every time.Duration, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.tries[key]; w.n >= each && !now.Before(w.since) {
		return w.since.Add(every).Sub(now)
	}
	return 0
}

func (l *limits) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, key)
}

// person counts a sign-in for the address or user behind the mac.
func (l *limits) person(mac vault.MAC, now time.Time) error {
	if _, wait := l.try(string(mac[:]), triesEach, triesEvery, now); wait > 0 {
		return problem.TooMany("too_many_sign_ins", wait, "Too many tries for this address. Wait a minute.")
	}
	return nil
}

// good forgets the tries of somebody who came in.
func (l *limits) good(mac vault.MAC) { l.forget(string(mac[:])) }

// network counts one of the kind from the client's network. An unknown address
// is a network of its own.
func (l *limits) network(c Client, now time.Time, kind string, each int, every time.Duration) error {
	if _, wait := l.try(networkKey(c, kind), each, every, now); wait > 0 {
		return tooManyFrom(wait)
	}
	return nil
}

func networkKey(c Client, kind string) string {
	return kind + " " + caller.Network(caller.Plain(c.Address)).String()
}

func tooManyFrom(wait time.Duration) error {
	return problem.TooMany("too_many_sign_ins", wait, "Too many sign-ins from your network.")
}
