package journal

import (
	"sync"
	"sync/atomic"
	"time"
)

// keeper watches over a server that stopped answering. While it is suspect,
// nothing is taken: callers are not used to find out whether it is back.
type keeper struct {
	wake    chan struct{}
	mu      sync.Mutex
	wakers  map[int]func() // called after every reconnection
	nextID  int
	suspect atomic.Bool
	silent  int // probes without an answer; only keep uses it
}

func (k *keeper) init() {
	k.wake = make(chan struct{}, 1)
	k.wakers = make(map[int]func())
}

// alarm makes the server suspect until a probe is answered.
func (k *keeper) alarm() {
	k.suspect.Store(true)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) reconnected() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.wakers {
		f()
	}
}

func (k *keeper) onReconnect(f func()) (remove func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := k.nextID
	k.nextID++
	k.wakers[id] = f
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.wakers, id)
	}
}

const probeEvery = 250 * time.Millisecond

// keep runs for the journal's life and brings a suspect server back.
func (j *Journal) keep() {
	for {
		select {
		case <-j.stop:
			return
		case <-j.keeper.wake:
		}
		for j.keeper.suspect.Load() && !j.recoverOnce() {
			select {
			case <-j.stop:
				return
			case <-time.After(probeEvery):
			}
		}
	}
}

// recoverOnce tries one step towards an answering server and reports whether
// it answers again.
func (j *Journal) recoverOnce() bool {
	if j.server != nil && j.server.broken.Load() && !j.restartServer() {
		return false
	}
	if outcome, err := j.probe(); err != nil {
		// Embedded, and twice without an answer: only a restart helps. A
		// message that was not sent just means that it is coming up.
		if outcome != notSent {
			j.keeper.silent++
		}
		if j.server != nil && j.keeper.silent >= 2 {
			j.server.broken.Store(true)
			j.keeper.silent = 0
		}
		return false
	}
	j.keeper.silent = 0
	if j.server != nil && j.server.broken.Load() {
		return false // it failed again since
	}
	j.keeper.suspect.Store(false)
	j.log.Info("journal: takes entries again")
	return true
}

// restartServer waits for room first: a store that is restarted on a full
// disk fails at once.
func (j *Journal) restartServer() bool {
	if j.queue.freeNow() <= 0 {
		return false
	}
	j.log.Warn("journal: restarting the embedded server after a failed write")
	if err := j.server.restart(); err != nil {
		j.server.broken.Store(true)
		j.log.Error("journal: restart", "error", err)
		return false
	}
	j.stats.Restarts.Add(1)
	return true
}
