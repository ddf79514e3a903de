package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/eventlog"
)

// watchEvery is how often watchers are told to look unasked: a wake can be lost.
const watchEvery = 2 * time.Second

// Feed is how followers read positions and learn of new ones.
type Feed struct {
	db  *store.DB
	w   Waker
	log *slog.Logger

	mu      sync.Mutex
	watched map[account.ID]*watched
}

// watched is an account that somebody watches: one subscription for all.
type watched struct {
	wakes map[chan struct{}]bool
	stop  func()
}

// NewFeed returns a feed. It holds nothing unless somebody watches.
func NewFeed(db *store.DB, w Waker, log *slog.Logger) *Feed {
	return &Feed{db: db, w: w, log: log, watched: map[account.ID]*watched{}}
}

// Read is events.Read in a transaction of its own.
func (f *Feed) Read(ctx context.Context, s account.Scope, from int64, limit int) (evs []Positioned, next int64, reset bool, err error) {
	err = f.db.Read(ctx, s, func(tx *store.Tx) error {
		evs, next, reset, err = Read(tx, from, limit)
		return err
	})
	return evs, next, reset, err
}

// Head is the position that the account's next event will get: where a
// follower begins that wants only what is new.
func (f *Feed) Head(ctx context.Context, s account.Scope) (next int64, err error) {
	err = f.db.Read(ctx, s, func(tx *store.Tx) error {
		next, err = eventlog.Head(tx)
		return err
	})
	return next, err
}

// Watch returns a channel that gets a signal when there may be new positions
// in the account, several in a row being one, and now and then unasked. The
// caller reads from where it was, until nothing comes, and waits again. stop
// ends it.
func (f *Feed) Watch(s account.Scope) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	id := s.Account()
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.watched[id]
	if w == nil {
		w = &watched{wakes: map[chan struct{}]bool{}}
		w.stop = f.follow(id, w)
		f.watched[id] = w
	}
	w.wakes[c] = true
	return c, sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(w.wakes, c)
		if len(w.wakes) == 0 && f.watched[id] == w {
			delete(f.watched, id)
			w.stop()
		}
	})
}

// follow signals the watchers of an account.
func (f *Feed) follow(id account.ID, w *watched) (stop func()) {
	unwake, err := f.w.OnWake(placed(id), func() { f.signal(w) })
	if err != nil {
		f.log.Warn("events: nobody wakes the followers; they look now and then", "every", watchEvery, "error", err)
		unwake = func() {}
	}
	done := make(chan struct{})
	go func() {
		t := time.NewTicker(watchEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f.signal(w)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		unwake()
	}
}

func (f *Feed) signal(w *watched) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range w.wakes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
