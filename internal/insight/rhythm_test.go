package insight

import (
	"math/rand/v2"
	"testing"
	"time"

	"catchment/internal/store/counts"
)

// workdays are enquiries of four weeks: each working day from nine to six,
// about four an hour, in the zone.
func workdays(zone *time.Location, from, to time.Time, seed uint64) map[time.Time]int64 {
	rnd, steps := rand.New(rand.NewPCG(7, seed)), map[time.Time]int64{}
	for at := from; at.Before(to); at = at.Add(counts.Step) {
		if t := at.In(zone); t.Weekday() != time.Sunday && t.Weekday() != time.Saturday && t.Hour() >= 9 && t.Hour() < 18 {
			for range 8 {
				if rnd.Float64() < 0.25 {
					steps[at]++
				}
			}
		}
	}
	return steps
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// A source of working hours may be silent at night and over the weekend, and
// not for hours in the middle of a day.
func TestSilenceFollowsTheRhythm(t *testing.T) {
	zone := mustZone(t, "Europe/London")
	to := time.Date(2026, 6, 29, 0, 0, 0, 0, zone).UTC() // a Monday
	from := to.Add(-learnFrom)
	for seed := range uint64(20) {
		r := learn(workdays(zone, from, to, seed), from, to, zone, nil, nil)
		if !r.Known {
			t.Fatal("four weeks are enough")
		}
		w := counts.DefaultWatch(counts.Watch{}.Source)
		friday := time.Date(2026, 6, 26, 17, 55, 0, 0, zone)
		if due := r.due(w, friday); due.Before(time.Date(2026, 6, 29, 10, 0, 0, 0, zone)) || due.After(time.Date(2026, 6, 29, 17, 0, 0, 0, zone)) {
			t.Errorf("after Friday evening it is silent at %s", due.In(zone))
		}
		noon := time.Date(2026, 6, 24, 11, 0, 0, 0, zone)
		due := r.due(w, noon)
		if waited := due.Sub(noon); waited < 75*time.Minute || waited > 6*time.Hour {
			t.Errorf("after a Wednesday's eleven it is silent at %s", due.In(zone))
		}
		w.Patience = 200
		if later := r.due(w, noon); !later.After(due) {
			t.Errorf("with twice the patience %s, else %s", later, due)
		}
		// Quiet hours are left out: with the afternoon quiet it is the next day.
		w.Patience, w.Quiet = 100, []counts.Stretch{{Weekday: 3, Start: 12 * 60, End: 1440}}
		if due := r.due(w, noon); due.Before(time.Date(2026, 6, 25, 9, 0, 0, 0, zone)) {
			t.Errorf("with a quiet afternoon it is silent at %s", due.In(zone))
		}
	}
}

// Ordinary luck is no silence: a rhythm that was learned from four weeks finds
// none in eight further weeks like them, but a stopped one each time.
func TestSilenceRarelyCriesWolf(t *testing.T) {
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	false1 := 0
	for seed := range uint64(30) {
		steps := workdays(time.UTC, from, from.Add(12*7*24*time.Hour), seed)
		to := from.Add(learnFrom)
		r := learn(steps, from, to, time.UTC, nil, nil)
		w := counts.DefaultWatch(counts.Watch{}.Source)
		last := time.Time{}
		for at := to; at.Before(from.Add(12 * 7 * 24 * time.Hour)); at = at.Add(counts.Step) {
			if steps[at] == 0 {
				continue
			}
			if due := r.due(w, last); !last.IsZero() && due.Before(at) {
				false1++
			}
			last = at
		}
	}
	if false1 > 6 { // of 30 sources in eight weeks each
		t.Errorf("%d false alarms in 240 weeks", false1)
	}
}

func TestRhythmNeedsEnough(t *testing.T) {
	to := time.Date(2026, 6, 29, 0, 0, 0, 0, time.UTC)
	steps := workdays(time.UTC, to.Add(-learnFrom), to, 1)
	for _, c := range []struct {
		name  string
		from  time.Time
		steps map[time.Time]int64
		out   []span
		known bool
	}{
		{"four weeks", to.Add(-learnFrom), steps, nil, true},
		{"six days", to.Add(-6 * 24 * time.Hour), steps, nil, false},
		{"nothing", to.Add(-learnFrom), nil, nil, false},
		{"silent for most of it", to.Add(-learnFrom), steps, []span{{to.Add(-learnFrom), to.Add(-5 * 24 * time.Hour)}}, false},
	} {
		if r := learn(c.steps, c.from, to, time.UTC, nil, c.out); r.Known != c.known {
			t.Errorf("%s: known %v", c.name, r.Known)
		}
	}
}

// A day without anything does not teach a source to be silent for a day; when
// it was told as a silence it teaches nothing at all.
func TestAFaultIsNotLearned(t *testing.T) {
	to := time.Date(2026, 6, 29, 0, 0, 0, 0, time.UTC)
	from := to.Add(-learnFrom)
	steps := workdays(time.UTC, from, to, 3)
	noon := time.Date(2026, 6, 24, 11, 0, 0, 0, time.UTC)
	w := counts.DefaultWatch(counts.Watch{}.Source)
	well := learn(steps, from, to, time.UTC, nil, nil).due(w, noon)
	fault := span{time.Date(2026, 6, 17, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 18, 0, 0, 0, 0, time.UTC)}
	for at := range steps {
		if within([]span{fault}, at) {
			delete(steps, at)
		}
	}
	if due := learn(steps, from, to, time.UTC, nil, nil).due(w, noon); due.Sub(noon) > 2*well.Sub(noon) {
		t.Errorf("after a day's fault it is silent after %s, else %s", due.Sub(noon), well.Sub(noon))
	}
	r, told := learn(steps, from, to, time.UTC, nil, nil), learn(steps, from, to, time.UTC, nil, []span{fault})
	if told.Usual(noon) <= r.Usual(noon) {
		t.Errorf("the usual is %f with the fault left out and %f with it", told.Usual(noon), r.Usual(noon))
	}
}

func TestSilenceAfterMinutes(t *testing.T) {
	zone := mustZone(t, "Asia/Kathmandu") // its hours begin at a quarter
	r := Rhythm{zone: zone}
	w := counts.Watch{Mode: counts.WatchMinutes, Minutes: 90}
	last := time.Date(2026, 6, 24, 17, 10, 0, 0, zone)
	if due := r.due(w, last); !due.Equal(last.Add(90 * time.Minute)) {
		t.Errorf("due %s", due.In(zone))
	}
	w.Quiet = []counts.Stretch{{Weekday: 3, Start: 18 * 60, End: 1440}, {Weekday: 4, Start: 0, End: 9 * 60}}
	if due, want := r.due(w, last), time.Date(2026, 6, 25, 9, 40, 0, 0, zone); !due.Equal(want) {
		t.Errorf("due %s, want %s", due.In(zone), want)
	}
	w.Mode = counts.WatchOff
	if due := r.due(w, last); !due.IsZero() {
		t.Errorf("off, and due %s", due)
	}
}
