package signin

import (
	"sync"
	"time"

	"catchment/internal/problem"
	"catchment/internal/vault"
)

// limits slows down guessing: a few tries a minute for each address, known or
// not.
type limits struct {
	mu    sync.Mutex
	tries map[vault.MAC]window
}

type window struct {
	since time.Time
	n     int
}

const (
	triesEach  = 10
	triesEvery = time.Minute
	mostKnown  = 20_000
)

func (l *limits) try(mac vault.MAC, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.tries[mac]
	if now.Sub(w.since) >= triesEvery {
		w = window{since: now}
	}
	if w.n >= triesEach {
		return problem.TooMany("too_many_sign_ins", w.since.Add(triesEvery).Sub(now), "Too many tries for this address. Wait a minute.")
	}
	w.n++
	if l.tries == nil || len(l.tries) >= mostKnown {
		l.tries = map[vault.MAC]window{}
	}
	l.tries[mac] = w
	return nil
}

func (l *limits) good(mac vault.MAC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, mac)
}
