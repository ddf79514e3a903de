package demo

import (
	"math/rand/v2"
	"testing"
	"time"
)

// On average the visitors come at the rate that was asked for, and not evenly.
func TestRhythm(t *testing.T) {
	for _, rate := range []float64{5, 40, 600} {
		h := newRhythm(rate, rand.New(rand.NewPCG(1, 2)))
		const long = 24 * time.Hour
		var now time.Duration
		visitors := 0
		minutes := map[int]int{}
		for now < long {
			d := h.next()
			if d < 0 {
				t.Fatalf("waits %v", d)
			}
			now += d
			visitors++
			minutes[int(now.Minutes())]++
		}
		if got := float64(visitors) / long.Minutes(); got < 0.93*rate || got > 1.07*rate {
			t.Errorf("asked for %v a minute, got %.1f", rate, got)
		}
		busy, calm := 0, 0
		for m := range int(long.Minutes()) {
			if n := float64(minutes[m]); n > 1.5*rate {
				busy++
			} else if n < 0.6*rate {
				calm++
			}
		}
		if busy < 50 || calm < 50 {
			t.Errorf("at %v a minute: %d busy and %d calm minutes a day", rate, busy, calm)
		}
	}
}
