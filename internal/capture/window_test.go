package capture

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/lead"
	"catchment/internal/submission"
)

func TestWindowForgetsTheOldest(t *testing.T) {
	w, now := newWindow(3), time.Now()
	ids := make([]lead.EnquiryID, 5)
	for i := range ids {
		ids[i] = lead.NewEnquiryID()
		if !w.reserve(ids[i], submission.BodyMAC{1}, now) {
			t.Fatal("refused a new key")
		}
		w.settle(ids[i], true)
	}
	for i, id := range ids {
		if known := w.seen[id] != nil; known != (i >= 2) {
			t.Errorf("key %d: known %v", i, known)
		}
	}
	if w.reserve(ids[4], submission.BodyMAC{2}, now) || !w.reserve(ids[0], submission.BodyMAC{2}, now) {
		t.Error("want the newest taken and the oldest free")
	}
	if len(w.seen) > 3 {
		t.Errorf("remembers %d of 3", len(w.seen))
	}
}

func TestWindowEndsAfterADay(t *testing.T) {
	w, now := newWindow(10), time.Now()
	id := lead.NewEnquiryID()
	w.reserve(id, submission.BodyMAC{1}, now)
	w.settle(id, true)
	if w.reserve(id, submission.BodyMAC{2}, now.Add(keepFor)) {
		t.Error("forgotten within the day")
	}
	if !w.reserve(id, submission.BodyMAC{2}, now.Add(keepFor+time.Second)) {
		t.Error("remembered after the day")
	}
}

func TestWindowLearnsTheEarlierBody(t *testing.T) {
	w, now := newWindow(2), time.Now()
	a, b, c := lead.NewEnquiryID(), lead.NewEnquiryID(), lead.NewEnquiryID()
	w.learn(a, submission.BodyMAC{2}, now, now)
	w.learn(a, submission.BodyMAC{1}, now.Add(-time.Hour), now)
	w.learn(b, submission.BodyMAC{1}, now.Add(-2*time.Hour), now)
	w.learn(c, submission.BodyMAC{1}, now.Add(-3*time.Hour), now) // no room: it is the oldest
	w.learn(c, submission.BodyMAC{1}, now.Add(-30*time.Hour), now)
	w.learned()
	if w.reserve(a, submission.BodyMAC{2}, now) {
		t.Error("the later body counts")
	}
	w.reserve(c, submission.BodyMAC{3}, now)
	if w.seen[b] != nil || w.seen[a] == nil {
		t.Error("not the oldest was pushed out")
	}
}

// Whatever happens in whatever order: at one time an id has one body, what
// may be stored is not given to another body, and the memory is bounded.
func TestWindowProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 4
		w, now := newWindow(size), time.Now()
		ids := make([]lead.EnquiryID, 8)
		for i := range ids {
			ids[i] = lead.NewEnquiryID()
		}
		type flight struct {
			id  lead.EnquiryID
			mac submission.BodyMAC
		}
		var flying []flight
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(flying) > 0 && rapid.Bool().Draw(t, "settle") {
				i := rapid.IntRange(0, len(flying)-1).Draw(t, "which")
				w.settle(flying[i].id, rapid.Bool().Draw(t, "stored"))
				flying = append(flying[:i], flying[i+1:]...)
				continue
			}
			f := flight{ids[rapid.IntRange(0, len(ids)-1).Draw(t, "id")], submission.BodyMAC{byte(rapid.IntRange(0, 1).Draw(t, "body"))}}
			got := w.reserve(f.id, f.mac, now)
			for _, o := range flying {
				if o.id == f.id && got != (o.mac == f.mac) {
					t.Fatalf("two bodies at once")
				}
			}
			if got {
				flying = append(flying, f)
			}
		}
		for _, f := range flying {
			w.settle(f.id, true)
		}
		if len(w.seen) > size {
			t.Fatalf("remembers %d of %d", len(w.seen), size)
		}
	})
}
