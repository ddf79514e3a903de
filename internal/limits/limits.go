// Package limits says how much one caller may have, and of what is short, who
// has it next. It keeps nothing on disk and knows callers by keyed hashes only.
//
// Callers may rely on this: on one node nobody gets more than rate × time +
// burst, whatever is forgotten to bound the memory; a refusal tells the exact
// time after which the same request is let in; and who was idle is never behind
// somebody else's flood.
package limits

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"time"
)

// Rate is how much one caller may have: N in every Per, evenly, and as much as
// Burst at once after a rest. The zero Rate has no limit.
type Rate struct {
	N     int
	Per   time.Duration
	Burst int
}

// PerSecond is n a second, and ten seconds' worth of it at once.
func PerSecond(n int) Rate { return Rate{N: n, Per: time.Second, Burst: 10 * n} }

// None reports whether there is no limit.
func (r Rate) None() bool { return r.N <= 0 }

// each is the time that one unit takes to come back, in ns.
func (r Rate) each() int64 { return max(1, int64(r.Per)/int64(r.N)) }

func (r Rate) burst() int64 { return int64(max(1, r.Burst)) }

// Key is a caller by keyed hash. Two callers share a limit when their hashes
// meet: with a million of them about once in 37 million tables.
type Key uint64

// Namer makes keys. Nodes that count together have the same secret; without it
// nobody can choose a key, nor tell an address from one.
type Namer struct{ secret [32]byte }

// NewNamer takes a secret of up to 32 bytes.
func NewNamer(secret []byte) *Namer {
	n := new(Namer)
	copy(n.secret[:], secret)
	return n
}

// Key names what is counted: its kind ("key", "address"), and whom. Up to 60
// bytes of them both count.
func (n *Namer) Key(kind string, whom []byte) Key {
	var b [96]byte
	at := copy(b[:], n.secret[:])
	b[at] = byte(len(kind))
	at++
	at += copy(b[at:], kind)
	at += copy(b[at:], whom)
	sum := sha256.Sum256(b[:at])
	return Key(binary.LittleEndian.Uint64(sum[:]))
}

const (
	ways    = 8   // slots in a set
	stripes = 256 // locks
)

// set is where the callers of some hashes are. A slot's due is its theoretical
// arrival time (GCRA, ITU-T I.371): everything that was taken is paid for then;
// what is due by now may be forgotten. spill is the highest due that had to be
// forgotten too early: a newcomer begins with it, so that nobody is forgiven
// by being pushed out, and because the least due goes first, it is little.
type set struct {
	spill int64
	key   [ways]Key
	due   [ways]int64 // ns after Table.began
	told  [ways]int64 // of due, what other nodes have not heard of, in ns
}

// Table counts callers of one kind, whose rates should be alike. Its memory is
// fixed. It is safe for concurrent use.
type Table struct {
	began time.Time
	mask  uint64
	sets  []set
	locks [stripes]struct {
		sync.Mutex
		_ [56]byte // a cache line each
	}
	fleet fleet
}

// NewTable has room for at least as many callers that owe something; 26 bytes
// each. began is not after any time that Take is given.
func NewTable(callers int, began time.Time) *Table {
	n := 1
	for n*ways < callers {
		n *= 2
	}
	return &Table{began: began, mask: uint64(n - 1), sets: make([]set, n)}
}

// Take takes n of the caller's rate. 0 means that they were given; else nothing
// was taken, and the same would be given after the wait, and not before, if
// nobody else took of it. More than a burst at once is given to who owes
// nothing, and is owed in full.
func (t *Table) Take(k Key, r Rate, n int, now time.Time) (wait time.Duration) {
	return t.take(k, r, n, now, true)
}

// Ask is Take of one, which it does not take.
func (t *Table) Ask(k Key, r Rate, now time.Time) (wait time.Duration) {
	return t.take(k, r, 1, now, false)
}

func (t *Table) take(k Key, r Rate, n int, now time.Time, keep bool) (wait time.Duration) {
	if r.None() || n <= 0 {
		return 0
	}
	r = t.fleet.share(r)
	at := int64(now.Sub(t.began))
	s, lock := t.lock(k)
	defer lock.Unlock()
	i := s.find(k, at)
	due := max(s.due[i], at)
	cost, burst := saturated(r.each(), int64(n)), saturated(r.each(), r.burst())
	if over := due + min(cost, burst) - at - burst; over > 0 {
		return time.Duration(over)
	}
	if !keep {
		return 0
	}
	s.due[i] = due + cost
	t.fleet.took(s, i, cost, r)
	return 0
}

// back gives back what was taken and not used.
func (t *Table) back(k Key, r Rate, n int, now time.Time) {
	if r.None() {
		return
	}
	r = t.fleet.share(r)
	s, lock := t.lock(k)
	defer lock.Unlock()
	i := s.find(k, int64(now.Sub(t.began)))
	s.due[i] -= saturated(r.each(), int64(n))
	s.told[i] -= saturated(r.each(), int64(n))
}

// give puts on the caller's account what another node gave it, in ns.
func (t *Table) give(k Key, owed int64, now time.Time) {
	at := int64(now.Sub(t.began))
	s, lock := t.lock(k)
	defer lock.Unlock()
	i := s.find(k, at)
	s.due[i] = min(max(s.due[i], at)+owed, at+int64(mostOwed))
}

func (t *Table) lock(k Key) (*set, *sync.Mutex) {
	n := uint64(k) & t.mask
	l := &t.locks[n%stripes].Mutex
	l.Lock()
	return &t.sets[n], l
}

// find gives the caller's slot: its own, else that of whoever owes least.
func (s *set) find(k Key, now int64) int {
	least := 0
	for i := range s.key {
		if s.key[i] == k {
			return i
		}
		if s.due[i] < s.due[least] {
			least = i
		}
	}
	if s.due[least] > now {
		s.spill = max(s.spill, s.due[least])
	}
	s.key[least], s.due[least], s.told[least] = k, s.spill, 0
	return least
}

// saturated multiplies without going round: 50 years are enough.
func saturated(each, n int64) int64 {
	const most = math.MaxInt64 / 4
	if n > 0 && each > most/n {
		return most
	}
	return each * n
}
