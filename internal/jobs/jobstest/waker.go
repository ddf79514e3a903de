// Package jobstest has a Waker for tests that need no journal.
package jobstest

import "sync"

// Waker wakes within the process.
type Waker struct {
	mu   sync.Mutex
	next int
	fs   map[string]map[int]chan struct{}
	mute bool
}

// Wake implements jobs.Waker.
func (w *Waker) Wake(subject string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute {
		return nil
	}
	for _, c := range w.fs[subject] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

// OnWake implements jobs.Waker.
func (w *Waker) OnWake(subject string, f func()) (stop func(), err error) {
	c, done := make(chan struct{}, 1), make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs == nil {
		w.fs = map[string]map[int]chan struct{}{}
	}
	if w.fs[subject] == nil {
		w.fs[subject] = map[int]chan struct{}{}
	}
	w.next++
	n := w.next
	w.fs[subject][n] = c
	go func() {
		for {
			select {
			case <-done:
				return
			case <-c:
				f()
			}
		}
	}()
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.fs[subject], n)
		close(done)
	}), nil
}

// Mute loses every Wake from now on, as a broken connection does.
func (w *Waker) Mute() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute = true
}
