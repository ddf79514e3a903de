package demo

import (
	"math/rand/v2"
	"time"
)

// rhythm spaces the visitors: at random, with bursts and pauses like a real
// day's, and the asked rate on average.
type rhythm struct {
	perMinute float64
	rand      *rand.Rand
	mood      int
	left      time.Duration // of the mood
}

// moods have a share of the time, a length, and how fast visitors come; the
// speeds weighted by time make one.
var moods = []struct {
	share    int
	from, to time.Duration
	times    float64
}{
	{share: 6, from: 20 * time.Second, to: 60 * time.Second, times: 0.9},
	{share: 2, from: 6 * time.Second, to: 16 * time.Second, times: 2.8}, // an advert ran
	{share: 2, from: 10 * time.Second, to: 30 * time.Second, times: 0.15},
}

// steady is the mean of the moods' speeds over time, by which the rate is
// divided to come out right.
func steady() float64 {
	sum, time := 0.0, 0.0
	for _, m := range moods {
		w := float64(m.share) * (m.from + m.to).Seconds() / 2
		sum += w * m.times
		time += w
	}
	return sum / time
}

// newRhythm begins in the ordinary mood: who starts the demo wants to see leads.
func newRhythm(perMinute float64, r *rand.Rand) *rhythm {
	return &rhythm{perMinute: perMinute, rand: r, left: moods[0].to}
}

// next is how long to wait for the next visitor.
func (h *rhythm) next() time.Duration {
	var waited time.Duration
	need := h.rand.ExpFloat64() // visitors' worth of time, at speed one
	for {
		if h.left <= 0 {
			h.mood = pick(h.rand, len(moods), func(i int) int { return moods[i].share })
			m := moods[h.mood]
			h.left = m.from + time.Duration(h.rand.Int64N(int64(m.to-m.from)))
		}
		perSecond := h.perMinute / 60 * moods[h.mood].times / steady()
		d := time.Duration(need / perSecond * float64(time.Second))
		if d <= h.left {
			h.left -= d
			return waited + d
		}
		need -= perSecond * h.left.Seconds()
		waited += h.left
		h.left = 0
	}
}
