package counts

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// Count is a figure that is one number. Its value stands in packed sums, so a
// new one is added at the end.
type Count uint16

// Figures of leads, counted in the Step in which the lead came in; figures of
// work, counted in the one in which it was done. docs/figures.md defines them.
const (
	FLeads     Count = iota + 1
	FEnquiries       // of those leads
	FOffered         // of those leads, ever offered, …
	FTaken
	FTried
	FReached
	FVisits   // site visits of those leads that took place
	FBookings // of those leads, not cancelled
	FNew      // where those leads stand now
	FFollowUp
	FWon
	FDropped

	FOffers // work: made
	FAccepted
	FDeclined
	FExpired
	FLost
	FAttempts
	FContacts

	FAvailable // presence, in milliseconds
	FEngaged
	FAway

	FReEnquiries // of flows alone
	counted
)

// Clock is a figure that is a distribution of durations.
type Clock uint16

// The clocks.
const (
	SpeedToLead Clock = iota
	TimeToOffer
	TimeToAccept
	FirstResponse
	TimeToContact
	clocks
)

// Clocks lists them.
func Clocks() []Clock {
	return []Clock{SpeedToLead, TimeToOffer, TimeToAccept, FirstResponse, TimeToContact}
}

// Family is a figure of many numbers, each with a name.
type Family byte

// The families.
const (
	FStage  Family = 's' // lead.StageID's text
	FReason Family = 'r' // a code
)

var (
	categoryCounts = map[lead.Category]Count{lead.New: FNew, lead.FollowUp: FFollowUp, lead.Won: FWon, lead.Dropped: FDropped}
	answerCounts   = map[string]Count{string(lead.OfferAccepted): FAccepted, string(lead.OfferDeclined): FDeclined,
		string(lead.OfferExpired): FExpired, string(lead.OfferLost): FLost}
	presenceCounts = map[account.Presence]Count{account.Available: FAvailable, account.Engaged: FEngaged, account.Away: FAway}
)

// InCategory is the count of leads that stand in a category.
func InCategory(k lead.Category) Count { return categoryCounts[k] }

// Present is the count of milliseconds of a presence; 0 for one that is not counted.
func Present(p account.Presence) Count { return presenceCounts[p] }

// Tally is sums: of counts, of clocks by bucket, and of names by family. The
// zero value is empty. Both lists are kept in order.
type Tally struct {
	sums  []sum
	names []nameSum
}

// sum is of a Count, or of one bucket of a clock: clockCodes + its number.
type sum struct {
	code uint16
	n    int64
}

type nameSum struct {
	name string // the family's letter, then the name
	n    int64
}

const (
	clockCodes = 64   // the first code that is a bucket's
	bucketsOf  = 1024 // codes of each clock; Bucket gives less than 1000
	codes      = clockCodes + uint16(clocks)*bucketsOf
)

func clockCode(c Clock, bucket int) uint16 { return clockCodes + uint16(c)*bucketsOf + uint16(bucket) }

// Add adds n to a count.
func (t *Tally) Add(c Count, n int64) { t.add(0, uint16(c), n) }

// AddClock adds n durations of a bucket.
func (t *Tally) AddClock(c Clock, bucket int, n int64) { t.add(0, clockCode(c, bucket), n) }

// AddName adds n to what a family has of the name.
func (t *Tally) AddName(f Family, name string, n int64) { t.addName(string(rune(f))+name, n) }

// add adds to a code that does not lie before the place, and returns its place.
func (t *Tally) add(from int, code uint16, n int64) int {
	for near := from + 8; from < near && from < len(t.sums) && t.sums[from].code < code; from++ {
	}
	i := from + place(t.sums[from:], code)
	if i == len(t.sums) || t.sums[i].code != code {
		t.sums = slices.Insert(t.sums, i, sum{code: code})
	}
	t.sums[i].n += n
	return i
}

// place is where a code stands, or would.
func place(sums []sum, code uint16) int {
	from, to := 0, len(sums)
	for from < to {
		if mid := (from + to) / 2; sums[mid].code < code {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}

func (t *Tally) addName(name string, n int64) {
	i, found := slices.BinarySearchFunc(t.names, name, func(s nameSum, x string) int { return strings.Compare(s.name, x) })
	if !found {
		t.names = slices.Insert(t.names, i, nameSum{name: strings.Clone(name)})
	}
	t.names[i].n += n
}

// Merge adds sign times the other's sums; nil has none.
func (t *Tally) Merge(o *Tally, sign int64) {
	if o == nil {
		return
	}
	at := 0
	for _, s := range o.sums {
		at = t.add(at, s.code, sign*s.n)
	}
	for _, s := range o.names {
		t.addName(s.name, sign*s.n)
	}
}

// Of is the sum of a count. A nil Tally, here and below, is an empty one.
func (t *Tally) Of(c Count) int64 {
	if t == nil {
		return 0
	}
	if i := place(t.sums, uint16(c)); i < len(t.sums) && t.sums[i].code == uint16(c) {
		return t.sums[i].n
	}
	return 0
}

// Named lists what a family has, by name, without zeros.
func (t *Tally) Named(f Family) map[string]int64 {
	out := map[string]int64{}
	if t == nil {
		return out
	}
	for _, s := range t.names {
		if s.name[0] == byte(f) && s.n != 0 {
			out[s.name[1:]] = s.n
		}
	}
	return out
}

// Zero says that there is nothing but zeros.
func (t *Tally) Zero() bool {
	return !slices.ContainsFunc(t.sums, func(s sum) bool { return s.n != 0 }) &&
		!slices.ContainsFunc(t.names, func(s nameSum) bool { return s.n != 0 })
}

// Pack writes the sums that are not zero: how many; of each the difference of
// its code to the one before, and the sum; then names with their lengths and
// sums until the end.
func (t *Tally) Pack() []byte {
	kept := 0
	for _, s := range t.sums {
		if s.n != 0 {
			kept++
		}
	}
	b := binary.AppendUvarint(make([]byte, 0, 8+4*kept+24*len(t.names)), uint64(kept))
	before := uint16(0)
	for _, s := range t.sums {
		if s.n != 0 {
			b = binary.AppendUvarint(b, uint64(s.code-before))
			b = binary.AppendVarint(b, s.n)
			before = s.code
		}
	}
	for _, s := range t.names {
		if s.n != 0 {
			b = binary.AppendUvarint(b, uint64(len(s.name)))
			b = append(b, s.name...)
			b = binary.AppendVarint(b, s.n)
		}
	}
	return b
}

var errPacked = errors.New("counts: these are no packed sums")

// Unpack adds packed sums, sign times. After an error some of them are added.
func (t *Tally) Unpack(b []byte, sign int64) error {
	at := 0
	return unpack(b, func(code uint16, n int64) { at = t.add(at, code, sign*n) }, func(name string, n int64) { t.addName(name, sign*n) })
}

// unpack calls sum with each packed sum, in the order of codes, and name with
// each named one. Nearly all differences and many sums are one byte.
func unpack(b []byte, sum func(code uint16, n int64), name func(name string, n int64)) error {
	left, w := binary.Uvarint(b)
	if w <= 0 || left > uint64(len(b)) {
		return errPacked
	}
	b = b[w:]
	for code := uint64(0); left > 0; left-- {
		var delta uint64
		if len(b) > 0 && b[0] < 0x80 {
			delta, w = uint64(b[0]), 1
		} else if delta, w = binary.Uvarint(b); w <= 0 {
			return errPacked
		}
		n, more := binary.Varint(b[w:])
		if code += delta; more <= 0 || code == 0 || code >= uint64(codes) {
			return errPacked
		}
		b = b[w+more:]
		sum(uint16(code), n)
	}
	for r := (reader{b: b}); len(r.b) > 0; {
		x := r.bytes()
		n := r.varint()
		if r.bad || len(x) < 2 {
			return errPacked
		}
		name(string(x), n)
	}
	return nil
}

// adder sums what reports read: thousands of packed sums. Its codes lie in pages,
// of which few have anything, so that adding is one look-up. The zero value is
// empty.
type adder struct {
	pages [(codes + pageOf - 1) / pageOf]*[pageOf]int64
	named Tally
}

const pageOf = 64

// unpack adds packed sums, sign times. After an error some of them are added.
func (a *adder) unpack(b []byte, sign int64) error {
	return unpack(b, func(code uint16, n int64) {
		page := a.pages[code/pageOf]
		if page == nil {
			page = new([pageOf]int64)
			a.pages[code/pageOf] = page
		}
		page[code%pageOf] += sign * n
	}, func(name string, n int64) { a.named.addName(name, sign*n) })
}

// tally is what was summed.
func (a *adder) tally() Tally {
	t := Tally{names: a.named.names}
	for i, page := range a.pages {
		if page == nil {
			continue
		}
		for j, n := range page {
			if n != 0 {
				t.sums = append(t.sums, sum{uint16(i*pageOf + j), n})
			}
		}
	}
	return t
}

// reader reads what was packed; bad is set once it does not fit.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) took(n int) {
	if n <= 0 {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.took(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.took(n)
	return v
}

// bytes reads a length and what it is of.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
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

// Spread is a distribution of durations: buckets that have any, the shortest first.
type Spread []InBucket

// InBucket is how many durations lie in a bucket.
type InBucket struct {
	Bucket int
	N      int64
}

// Spread reads the distribution of a clock.
func (t *Tally) Spread(c Clock) Spread {
	if t == nil {
		return nil
	}
	first := clockCode(c, 0)
	from := place(t.sums, first)
	of := t.sums[from : from+place(t.sums[from:], first+bucketsOf)]
	out := make(Spread, 0, len(of))
	for _, s := range of {
		if s.n != 0 {
			out = append(out, InBucket{int(s.code - first), s.n})
		}
	}
	return out
}

// Count is how many durations there are.
func (s Spread) Count() (n int64) {
	for _, x := range s {
		n += x.N
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
	for _, x := range s {
		if rank -= x.N; rank <= 0 {
			first, last := BucketSpan(x.Bucket)
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
