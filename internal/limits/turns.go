package limits

import (
	"context"
	"sync"
	"time"
)

// Turns shares a number of places between those who want them. While there are
// free ones, coming in costs a lock. Then they are given in turn by deficit
// round robin (Shreedhar and Varghese, 1995): as many places to each, however
// many of its requests wait. Who holds and waits for nothing comes first, and
// always finds places, because nobody may have all of them.
//
// It is safe for concurrent use.
type Turns[Who comparable] struct {
	places, each int
	patience     time.Duration

	mu    sync.Mutex
	free  int
	lines map[Who]*line // of those who hold or wait
	round []*line       // those who wait, the next first
}

// line is one who holds or waits.
type line struct {
	held    int
	deficit int // places that it may still have in this round
	waiting []*waiter
}

type waiter struct {
	places int
	served chan struct{} // closed when it has its places
	given  bool
}

// quantum is how many places one has in a round before the next.
const quantum = 32

// NewTurns has so many places, of which one may have each at most (a request
// for more has them when it is its only one). Nobody waits for longer than
// patience.
func NewTurns[Who comparable](places, each int, patience time.Duration) *Turns[Who] {
	return &Turns[Who]{places: places, each: each, patience: patience, free: places, lines: map[Who]*line{}}
}

// Enter takes n places, up to all there are; true when it has them, and then
// Leave must be called with the same. False when there was no turn in time, or
// ctx ended.
func (t *Turns[Who]) Enter(ctx context.Context, who Who, n int) bool {
	w := t.ask(who, n)
	if w == nil {
		return true
	}
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	select {
	case <-w.served:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return !t.withdraw(who, w)
}

// ask gives nil when the places were free.
func (t *Turns[Who]) ask(who Who, n int) *waiter {
	n = min(n, t.places)
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[who]
	if l == nil {
		l = new(line)
		t.lines[who] = l
	}
	if len(t.round) == 0 && t.fits(l, n) {
		t.seat(l, n)
		return nil
	}
	w := &waiter{places: n, served: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	switch {
	case len(l.waiting) > 1:
	case l.held == 0: // it was idle: before those who keep all busy
		l.deficit = quantum
		t.round = append([]*line{l}, t.round...)
	default:
		t.round = append(t.round, l)
	}
	t.serve()
	return w
}

// Leave gives back what Enter took.
func (t *Turns[Who]) Leave(who Who, n int) {
	n = min(n, t.places)
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[who]
	l.held -= n
	t.free += n
	t.forget(who, l)
	t.serve()
}

// Busy is how many places of all are taken.
func (t *Turns[Who]) Busy() (taken, of int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.places - t.free, t.places
}

func (t *Turns[Who]) fits(l *line, n int) bool {
	return n <= t.free && (l.held == 0 || l.held+n <= t.each)
}

func (t *Turns[Who]) seat(l *line, n int) {
	l.held += n
	t.free -= n
}

// serve gives free places to those whose turn it is, until one has its turn
// for whom there are too few, or all have as many as they may.
func (t *Turns[Who]) serve() {
	for full := 0; full < len(t.round); {
		l := t.round[0]
		w := l.waiting[0]
		switch {
		case l.held > 0 && l.held+w.places > t.each:
			full++
			t.rotate()
		case l.deficit < w.places:
			full = 0
			l.deficit += quantum
			t.rotate()
		case w.places > t.free:
			return
		default:
			full = 0
			l.deficit -= w.places
			t.seat(l, w.places)
			w.given = true
			close(w.served)
			t.drop(l, w)
		}
	}
}

func (t *Turns[Who]) rotate() {
	l := t.round[0]
	copy(t.round, t.round[1:])
	t.round[len(t.round)-1] = l
}

// drop takes the waiter out of its line, and an empty line out of the round.
func (t *Turns[Who]) drop(l *line, w *waiter) {
	for i, x := range l.waiting {
		if x == w {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			break
		}
	}
	if len(l.waiting) > 0 {
		return
	}
	l.waiting, l.deficit = nil, 0
	for i, x := range t.round {
		if x == l {
			t.round = append(t.round[:i], t.round[i+1:]...)
			break
		}
	}
}

// withdraw ends the waiting; false when the places were given meanwhile.
func (t *Turns[Who]) withdraw(who Who, w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.given {
		return false
	}
	l := t.lines[who]
	t.drop(l, w)
	t.forget(who, l)
	t.serve() // who is behind may need fewer places
	return true
}

func (t *Turns[Who]) forget(who Who, l *line) {
	if l.held == 0 && len(l.waiting) == 0 {
		delete(t.lines, who)
	}
}
