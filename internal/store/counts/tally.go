package counts

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Tally is sums by measure: "leads", "stage/stg_…", "speed/57". It is kept
// packed, because a report adds up thousands of them.
type Tally map[string]*int64

// Add adds n to the measure.
func (t Tally) Add(m string, n int64) {
	if p, ok := t[m]; ok {
		*p += n
		return
	}
	t[m] = &n
}

// Of is the sum of a measure; 0 when it is not there.
func (t Tally) Of(m string) int64 {
	if p, ok := t[m]; ok {
		return *p
	}
	return 0
}

// Merge adds sign times the other's sums.
func (t Tally) Merge(o Tally, sign int64) {
	for m, n := range o {
		t.Add(m, sign**n)
	}
}

// Under lists the sums of a family, "stage" for "stage/…", by what follows it.
// Zero is left out.
func (t Tally) Under(family string) map[string]int64 {
	out := map[string]int64{}
	for m, n := range t {
		if rest, ok := strings.CutPrefix(m, family+"/"); ok && *n != 0 {
			out[rest] = *n
		}
	}
	return out
}

// Pack writes it as name length, name, number, in the order of the names;
// without zeros.
func (t Tally) Pack() []byte {
	b := []byte{} // never nil, which would be NULL
	for _, m := range slices.Sorted(maps.Keys(t)) {
		if n := *t[m]; n != 0 {
			b = binary.AppendUvarint(b, uint64(len(m)))
			b = append(b, m...)
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

var errPacked = errors.New("counts: these are no packed sums")

// Unpack adds packed sums to t, sign times.
func (t Tally) Unpack(b []byte, sign int64) error {
	for len(b) > 0 {
		size, w := binary.Uvarint(b)
		if w <= 0 || size > uint64(len(b)-w) {
			return errPacked
		}
		name := b[w : w+int(size)]
		b = b[w+int(size):]
		n, w := binary.Varint(b)
		if w <= 0 {
			return errPacked
		}
		b = b[w:]
		if p, ok := t[string(name)]; ok { // the compiler makes no string for this
			*p += sign * n
			continue
		}
		t.Add(string(name), sign*n)
	}
	return nil
}

// Durations are counted in buckets, sixteen to each doubling, so that a
// quantile read off them is at most half a bucket away: BucketError of its
// value, and exact below 32 ms.
const (
	perDoubling = 16
	// BucketError is how far a quantile can be from the exact one, as a part of it.
	BucketError = 1.0 / (2 * perDoubling)
)

// Bucket is the number of the bucket that a duration in milliseconds falls in.
func Bucket(ms int64) int {
	if ms < 2*perDoubling {
		return int(max(ms, 0))
	}
	shift := bits.Len64(uint64(ms)) - 5
	return shift*perDoubling + int(ms>>shift)
}

// BucketSpan is the first and the last millisecond of a bucket.
func BucketSpan(bucket int) (first, last int64) {
	if bucket < 2*perDoubling {
		return int64(bucket), int64(bucket)
	}
	shift := bucket/perDoubling - 1
	first = int64(perDoubling+bucket%perDoubling) << shift
	return first, first + 1<<shift - 1
}

// Spread is a distribution of durations, by bucket.
type Spread map[int]int64

// Spread reads the distribution of a clock.
func (t Tally) Spread(clock string) Spread {
	out := Spread{}
	for text, n := range t.Under(clock) {
		if bucket, err := strconv.Atoi(text); err == nil && bucket >= 0 && bucket < 64*perDoubling {
			out[bucket] += n
		}
	}
	return out
}

// Count is how many durations there are.
func (s Spread) Count() (n int64) {
	for _, c := range s {
		n += c
	}
	return n
}

// Quantile is the duration, in milliseconds, that the part q (0.5, 0.9) of all
// does not exceed: the middle of the bucket in which the ⌈q·n⌉th lies. It is
// false when nothing was measured.
func (s Spread) Quantile(q float64) (ms int64, ok bool) {
	n := s.Count()
	if n <= 0 {
		return 0, false
	}
	rank := Rank(n, q)
	for _, bucket := range slices.Sorted(maps.Keys(s)) {
		if rank -= s[bucket]; rank <= 0 {
			first, last := BucketSpan(bucket)
			return (first + last) / 2, true
		}
	}
	return 0, false
}

// Rank is which of n sorted durations is the quantile, counted from 1.
func Rank(n int64, q float64) int64 {
	rank := int64(q * float64(n))
	if float64(rank) < q*float64(n) {
		rank++
	}
	return min(max(rank, 1), n)
}
