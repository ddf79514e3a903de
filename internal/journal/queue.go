package journal

import (
	"sync"
	"time"
)

// request is one call of Append or AppendAll on its way.
type request struct {
	entries []Entry
	bytes   int
	at      time.Time
	taken   bool        // by the committer; guarded by queue.mu
	done    chan result // one result, never closed
	one     [1]Entry    // room for the usual single entry
}

type result struct {
	acks []Ack
	err  error
}

// queue is what waits for the committer, and knows when to refuse more.
type queue struct {
	o    *Options
	mu   sync.Mutex
	wake chan struct{} // to the committer: need is reached, or closed

	waiting []*request
	entries int
	bytes   int
	need    int // requests that are worth a wake-up

	closed    bool
	down      bool      // no connection to the server
	fullUntil time.Time // the stream said that it is full

	flightSince time.Time // zero when nothing is in flight
	flightBytes int
	commitTime  time.Duration // moving average

	dir       string // "" with an external server
	watermark int64
	free      int64 // at sampled
	sampled   time.Time
	written   int64 // since sampled
}

const (
	maxBatchBytes = 512 << 10
	sampleEvery   = 100 * time.Millisecond
	retryAfter    = time.Second
	sweepEvery    = 50 * time.Millisecond
)

func (q *queue) init(o *Options) {
	q.o, q.need = o, 1
	q.wake = make(chan struct{}, 1)
}

func (q *queue) watch(dir string, watermark int64) { q.dir, q.watermark = dir, watermark }

func (q *queue) connected(yes bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.down = !yes
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// put queues the request, or says at once why not.
func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.at = time.Now()
	if reason := q.refuse(r.at, len(r.entries), r.bytes); reason != "" {
		return ErrBusy{retryAfter, reason}
	}
	q.waiting = append(q.waiting, r)
	q.entries += len(r.entries)
	q.bytes += r.bytes
	if len(q.waiting) >= q.need {
		q.signal()
	}
	return nil
}

// refuse gives the reason why n more entries would not be taken now, or "".
// The caller holds mu.
func (q *queue) refuse(now time.Time, n, bytes int) string {
	switch {
	case q.closed:
		return BusyClosing
	case q.down:
		return BusyServer
	case now.Before(q.fullUntil):
		return BusyFull
	case q.entries+n > q.o.QueueEntries || q.bytes+bytes > q.o.QueueBytes:
		return BusyQueue
	case q.estimate(now) > q.o.MaxWait:
		return BusySlow
	case q.room(now) < int64(bytes):
		return BusyDisk
	}
	return ""
}

// estimate is how long a new request would wait: the commit in flight, then
// those in front of it, then its own.
func (q *queue) estimate(now time.Time) time.Duration {
	if q.flightSince.IsZero() && len(q.waiting) == 0 {
		return 0 // however slow commits are, the next one starts now
	}
	var wait time.Duration
	if !q.flightSince.IsZero() {
		wait = max(q.commitTime, now.Sub(q.flightSince))
	}
	batches := 1 + max(q.entries/MaxBatchEntries, q.bytes/maxBatchBytes)
	return wait + time.Duration(batches)*q.commitTime
}

// room is how many bytes may be written before free space reaches the
// watermark, what is already promised taken off. The caller holds mu.
func (q *queue) room(now time.Time) int64 {
	if q.dir == "" {
		return 1 << 62
	}
	if now.Sub(q.sampled) >= sampleEvery {
		q.sample(now)
	}
	return q.free - q.written - int64(q.bytes+q.flightBytes) - q.watermark
}

func (q *queue) sample(now time.Time) {
	free, _, err := diskSpace(q.dir)
	if err != nil {
		free = 0 // not knowing is no reason to promise anything
	}
	q.free, q.sampled, q.written = free, now, 0
}

// take removes the next batch from the queue: whole requests, up to 1,000
// entries or 512 KiB, at least one.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, entries, bytes := 0, 0, 0
	for _, r := range q.waiting {
		if n > 0 && (entries+len(r.entries) > MaxBatchEntries || bytes+r.bytes > maxBatchBytes) {
			break
		}
		r.taken = true
		n++
		entries += len(r.entries)
		bytes += r.bytes
	}
	group := append([]*request(nil), q.waiting[:n]...)
	q.drop(n, entries, bytes)
	if n > 0 {
		q.flightSince, q.flightBytes = time.Now(), bytes
	}
	return group
}

// drop removes the first n requests. The caller holds mu.
func (q *queue) drop(n, entries, bytes int) {
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.entries -= entries
	q.bytes -= bytes
}

// landed ends the commit in flight.
func (q *queue) landed(ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	took := time.Since(q.flightSince)
	if q.commitTime == 0 {
		q.commitTime = took
	}
	// A commit that hung until it was given up says nothing about the next:
	// the keeper's probe clears the way before there is one.
	q.commitTime += (min(took, q.o.MaxWait) - q.commitTime) / 8
	if ok {
		q.written += int64(q.flightBytes)
	}
	q.flightSince, q.flightBytes = time.Time{}, 0
}

func (q *queue) full() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fullUntil = time.Now().Add(500 * time.Millisecond)
}

// withdraw takes the request out of the queue; false when the committer has it.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.taken {
		return false
	}
	for i, w := range q.waiting {
		if w == r {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.entries -= len(r.entries)
			q.bytes -= r.bytes
			return true
		}
	}
	return true // swept already
}

// expire answers those that have waited longer than anybody should.
func (q *queue) expire(now time.Time, limit time.Duration, reason string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, entries, bytes := 0, 0, 0
	for _, r := range q.waiting {
		if now.Sub(r.at) < limit {
			break
		}
		r.done <- result{err: ErrBusy{retryAfter, reason}}
		n++
		entries += len(r.entries)
		bytes += r.bytes
	}
	q.drop(n, entries, bytes)
	return n
}

// abandon answers all that wait: the journal is closing without them.
func (q *queue) abandon() { q.expire(time.Now(), -1, BusyClosing) }

// sweep runs for the journal's life.
func (j *Journal) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-j.stop:
			return
		case now := <-tick.C:
			n := j.queue.expire(now, j.o.MaxWait+j.o.MaxWait/8, BusySlow)
			j.stats.Refused.Add(uint64(n))
		}
	}
}

// freeNow is the room above the watermark, looked up now.
func (q *queue) freeNow() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sampled = time.Time{}
	return q.room(time.Now())
}
