package web

import (
	"testing"
	"time"
)

// Of two acts of one phone the later stays the later, however long each was on
// its way.
func TestASlowWayDoesNotReorder(t *testing.T) {
	first := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	second := first.Add(time.Millisecond)
	told := func(off, way time.Duration, at time.Time) time.Time {
		sent := second.Add(time.Minute)
		v := &Visit{At: sent.Add(way), Clock: sent.Add(off)}
		said := at.Add(off)
		got, err := v.Happened(&said)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, off := range []time.Duration{0, time.Second, -time.Second} {
		slow, fast := told(off, 4*time.Second, first), told(off, 0, second)
		if !slow.Before(fast) {
			t.Errorf("off by %s: the first comes out at %s, the second at %s", off, slow, fast)
		}
	}
	// The controls: a clock that is wrong is put right, either way.
	for _, off := range []time.Duration{-72 * time.Hour, -10 * time.Second, 10 * time.Second, 72 * time.Hour} {
		if got := told(off, 0, first); !got.Equal(first) {
			t.Errorf("off by %s: %s, want %s", off, got, first)
		}
	}
}
