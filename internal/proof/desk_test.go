package proof

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestWhatATripTook(t *testing.T) {
	var s seenOffers
	if s.of(onScreen, 0.99) != 0 || inTime(s.of(onScreen, 0.99)) == nil {
		t.Error("what nobody saw was in time")
	}
	for n := 100; n > 0; n-- {
		s.trips = append(s.trips, trip{onScreen: float64(10 * n), decided: 1})
	}
	for q, want := range map[float64]float64{0: 10, 0.5: 500, 0.99: 990, 1: 1000} {
		if got := s.of(onScreen, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if inTime(990) != nil || inTime(1000) == nil || s.slowest() != s.trips[0] {
		t.Error("the promise, or the slowest")
	}
}

// What the browser is told is passed on whole, late when it shall be, and each
// offer in it is known since before that.
func TestTheStreamPassesWhole(t *testing.T) {
	const text = "retry: 2000\n\nid: 4\nevent: offer.made\ndata: {\"kind\":\"offer.made\",\"offer_id\":\"offr_a\"}\n\n" +
		":\n\nid: 5\nevent: lead.created\ndata: {\"kind\":\"lead.created\",\"offer_id\":\"offr_b\"}\n\nhalf a li"
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		s := &screen{told: map[string]time.Time{}}
		s.delay.Store(int64(delay))
		began := time.Now()
		got, err := io.ReadAll(s.followed(io.NopCloser(strings.NewReader(text))))
		if err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
		if at := s.told["offr_a"]; len(s.told) != 1 || at.Before(began) || time.Since(at) < delay {
			t.Errorf("late by %v: %v", delay, s.told)
		}
	}
}

func TestWhoseTheProcessorsWere(t *testing.T) {
	at := time.Now()
	before := use{at: at}
	after := use{at: at.Add(time.Second), server: time.Second, browser: time.Second / 2, own: 0, machine: 2 * time.Second}
	s := after.since(before)
	if s.server != 2*s.browser || s.own != 0 || s.others != s.browser {
		t.Errorf("%+v", s)
	}
}
