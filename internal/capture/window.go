package capture

import (
	"slices"
	"sync"
	"time"

	"catchment/internal/lead"
	"catchment/internal/submission"
)

// keepFor is how long a key is remembered. After it, another body under the
// same key is stored as a second submission of that enquiry (see intake).
const keepFor = 24 * time.Hour

// window remembers which body came under a recent idempotency key: by the
// enquiry's id, which is made of the key. It is bounded in number and time.
type window struct {
	mu   sync.Mutex
	seen map[lead.EnquiryID]*sent
	ring []lead.EnquiryID // in the order they came; full when as long as its capacity
	next int              // where the ring's oldest is, when full
}

type sent struct {
	mac    submission.BodyMAC
	at     time.Time
	flying int  // requests that have it reserved
	stored bool // one of them is, or may be, in the journal
	pushed bool // out of the ring while it was reserved
}

func newWindow(size int) *window {
	return &window{seen: make(map[lead.EnquiryID]*sent), ring: make([]lead.EnquiryID, 0, size)}
}

// reserve claims the id for a body before it is stored: of two bodies at once
// under one key, one wins. false means that another body has it. Every reserve
// that gave true is followed by one settle.
func (w *window) reserve(id lead.EnquiryID, mac submission.BodyMAC, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[id]
	switch {
	case s == nil:
		s = &sent{mac: mac, at: now}
		w.add(id, s)
	case s.flying == 0 && now.Sub(s.at) > keepFor:
		s.mac, s.at, s.stored = mac, now, false // its place in the ring is old; it goes a little early
	case s.mac != mac:
		return false
	}
	s.flying++
	return true
}

// settle ends a reservation. stored is false only when nothing can have been
// stored: then the key is free again, once nobody else is at it.
func (w *window) settle(id lead.EnquiryID, stored bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[id]
	if s == nil {
		return // pushed out meanwhile
	}
	s.flying--
	s.stored = s.stored || stored
	if s.flying == 0 && (s.pushed || !s.stored) {
		delete(w.seen, id) // its place in the ring, if it has one, is passed over
	}
}

// learn takes over what the journal has. Of two bodies under one key the
// earlier counts, as it did when they came.
func (w *window) learn(id lead.EnquiryID, mac submission.BodyMAC, at, now time.Time) {
	if now.Sub(at) > keepFor {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[id]
	if s == nil {
		if len(w.ring) == cap(w.ring) {
			return // newest come first: the rest is older than what fits
		}
		w.add(id, &sent{mac: mac, at: at, stored: true})
		return
	}
	if at.Before(s.at) && s.flying == 0 {
		s.mac, s.at = mac, at
	}
}

// add takes the id in, and pushes the oldest out of a full window.
func (w *window) add(id lead.EnquiryID, s *sent) {
	w.seen[id] = s
	if len(w.ring) < cap(w.ring) {
		w.ring = append(w.ring, id)
		return
	}
	if old := w.ring[w.next]; old != id {
		w.forget(old)
	}
	w.ring[w.next] = id
	w.next = (w.next + 1) % len(w.ring)
}

// forget drops an id, or has the last request that is at it drop it.
func (w *window) forget(id lead.EnquiryID) {
	s := w.seen[id]
	switch {
	case s == nil:
	case s.flying > 0:
		s.pushed = true
	default:
		delete(w.seen, id)
	}
}

// learned ends a series of learn, which came newest first.
func (w *window) learned() {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Reverse(w.ring)
}
