package proof

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ledger is what the load generator holds the program to: which leads were
// sent, and for which it was told that they are safe.
type ledger struct {
	crowd crowd
	max   int  // leads at most
	lean  bool // keep counts and times alone: for measuring, not for comparing

	mu       sync.Mutex
	next     int // first lead that was never sent
	again    []int
	open     int // being sent, or to be sent again
	acks     map[int]ack
	repeats  int      // acknowledged leads that were sent again on purpose
	faults   []string // answers that can never be right
	statuses map[int]int
	codes    map[string]int // of refusals
	broken   int            // requests without an answer
	took     []time.Duration
	at       []time.Time   // when each of them was answered
	slowest  time.Duration // of a refusal
	bare503  int           // without Retry-After
	bytes    int64         // of all 202s
}

// ack is an acknowledgement, as it came.
type ack struct {
	id      string
	receipt []byte
}

func newLedger(c crowd, most int) *ledger {
	return &ledger{crowd: c, max: most, acks: map[int]ack{}, statuses: map[int]int{}, codes: map[string]int{}}
}

// take gives the next lead to send: first what was not acknowledged, else a
// new one unless closed. Now and then it is one that was acknowledged before,
// whose answer must be the same id.
func (l *ledger) take(fresh bool) (n int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := len(l.again); k > 0 {
		n = l.again[k-1]
		l.again = l.again[:k-1]
		return n, true
	}
	if !fresh {
		return 0, false
	}
	if !l.lean && l.next > 100 && rand.IntN(200) == 0 {
		n = rand.IntN(l.next)
		if _, known := l.acks[n]; known {
			l.repeats++
			l.open++
			return n, true
		}
	}
	if l.next >= l.max {
		return 0, false
	}
	l.next++
	l.open++
	return l.next - 1, true
}

// acked records a 202.
func (l *ledger) acked(n int, id string, receipt []byte, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	l.statuses[202]++
	l.took = append(l.took, took)
	l.at = append(l.at, time.Now())
	l.bytes += int64(len(receipt) + len(`{"id":"","receipt":}`) + len(id))
	if l.lean {
		return
	}
	if old, known := l.acks[n]; known && old.id != id {
		l.faults = append(l.faults, "the same key and body gave "+old.id+" and then "+id)
	}
	l.acks[n] = ack{id, receipt}
}

// refused records another answer; the lead is to be sent again.
func (l *ledger) refused(n, status int, code string, retryAfter bool, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
	l.codes[code]++
	l.slowest = max(l.slowest, took)
	if (status == 503 || status == 429) && !retryAfter {
		l.bare503++
	}
	if status != 503 && status != 429 {
		l.faults = append(l.faults, "a good lead was answered with "+code)
		l.open-- // a repeat would get the same
		return
	}
	l.again = append(l.again, n)
}

// lost records that no answer came.
func (l *ledger) lost(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken++
	l.again = append(l.again, n)
}

// outstanding counts leads that were sent and are not acknowledged yet.
func (l *ledger) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

func (l *ledger) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

func (l *ledger) status(code int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[code]
}

// ids lists the acknowledged enquiries' ids.
func (l *ledger) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, 0, len(l.acks))
	for _, a := range l.acks {
		out = append(out, a.id)
	}
	return out
}

// all gives a copy of the acknowledgements.
func (l *ledger) all() map[int]ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[int]ack, len(l.acks))
	for n, a := range l.acks {
		out[n] = a
	}
	return out
}

// times gives the quantiles of the answers' times, in milliseconds.
func (l *ledger) times(qs ...float64) []float64 {
	l.mu.Lock()
	took := slices.Clone(l.took)
	l.mu.Unlock()
	return quantiles(took, qs...)
}

// answeredBy is how many acknowledgements had come by then.
func (l *ledger) answeredBy(at time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := slices.BinarySearchFunc(l.at, at, time.Time.Compare)
	return n
}

// timesOf is times of the acknowledgements from the one number to the other.
func (l *ledger) timesOf(from, to int, qs ...float64) []float64 {
	l.mu.Lock()
	took := slices.Clone(l.took[from:to])
	l.mu.Unlock()
	return quantiles(took, qs...)
}

func quantiles(took []time.Duration, qs ...float64) []float64 {
	slices.Sort(took)
	out := make([]float64, len(qs))
	for i, q := range qs {
		if len(took) > 0 {
			k := min(int(q*float64(len(took))), len(took)-1)
			out[i] = float64(took[k].Microseconds()) / 1000
		}
	}
	return out
}
