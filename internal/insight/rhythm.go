package insight

import (
	"time"

	"catchment/internal/store/counts"
)

const (
	learnFrom   = 28 * 24 * time.Hour // how far back a rhythm is learned
	learnAtTime = 7 * 24 * time.Hour  // least time of which it can be
	learnAtN    = 20                  // least enquiries
	weekHours   = 7 * 24

	// leastMissed is the least number of expected enquiries whose absence is a
	// silence: of a source whose enquiries come independently, one gap in 150 is
	// that long by chance.
	leastMissed = 5.0
	// gapFactor is how much longer than the second longest gap so far a silence is.
	// The longest one may have been a fault.
	gapFactor = 1.5
	// leastSilence is what no alarm is worth before.
	leastSilence = 15 * time.Minute
	// walk is how finely due goes through time.
	walk = 15 * time.Minute
)

// Rhythm is how a source's enquiries are spread over the week.
type Rhythm struct {
	Known bool               // enough was seen to tell
	usual [weekHours]float64 // enquiries an hour, by the hour of the week of the zone's wall clock; Sunday midnight first
	gap   float64            // the second longest gap between enquiries, in enquiries expected meanwhile
	zone  *time.Location
}

// span is [from, to).
type span struct{ from, to time.Time }

// learn makes a rhythm of the enquiries of half hours in [from, to), whole
// counts.Steps. What lies in out, when the source was silent, teaches nothing;
// in quiet hours nothing is expected.
func learn(steps map[time.Time]int64, from, to time.Time, zone *time.Location, quiet []counts.Stretch, out []span) Rhythm {
	r := Rhythm{zone: zone}
	var seen [weekHours]float64 // hours that were observed
	var all, n float64
	each := func(f func(at time.Time, n float64)) {
		for at := from; at.Before(to); at = at.Add(counts.Step) {
			if !within(out, at) {
				f(at, float64(steps[at]))
			}
		}
	}
	each(func(at time.Time, k float64) {
		h := hourOfWeek(at, zone)
		r.usual[h] += k
		seen[h] += counts.Step.Hours()
		all, n = all+counts.Step.Hours(), n+k
	})
	r.Known = all >= learnAtTime.Hours() && n >= learnAtN
	r.smooth(&seen)
	// Gaps are told in what was expected meanwhile: a night counts little.
	missed, begun, longest := 0.0, false, 0.0
	each(func(at time.Time, k float64) {
		if !isQuiet(quiet, zone, at) {
			missed += r.usual[hourOfWeek(at, zone)] * counts.Step.Hours()
		}
		if k == 0 {
			return
		}
		if begun && missed > longest {
			longest, r.gap = missed, longest
		} else if begun && missed > r.gap {
			r.gap = missed
		}
		missed, begun = 0, true
	})
	return r
}

// smooth makes rates of sums: an hour of the week was seen a few times only, so
// one time more is taken to have been like that hour of all days.
func (r *Rhythm) smooth(seen *[weekHours]float64) {
	var day, of [24]float64
	for h := range weekHours {
		day[h%24] += r.usual[h]
		of[h%24] += seen[h]
	}
	for h := range weekHours {
		like := 0.0
		if of[h%24] > 0 {
			like = day[h%24] / of[h%24]
		}
		r.usual[h] = (r.usual[h] + like) / (seen[h] + 1)
	}
}

// Zone names the rhythm's time zone.
func (r Rhythm) Zone() string { return r.zone.String() }

// Usual is how many enquiries usually come in the hour of at.
func (r Rhythm) Usual(at time.Time) float64 { return r.usual[hourOfWeek(at, r.zone)] }

// tooMany is how many enquiries have to be missing for the source to be silent.
func (r Rhythm) tooMany(patience int64) float64 {
	return max(leastMissed, gapFactor*r.gap) * float64(patience) / 100
}

// due is when a source whose last enquiry came at last has been silent for too
// long; zero: not within four weeks, or nobody can tell. Quiet hours do not count.
func (r Rhythm) due(w counts.Watch, last time.Time) time.Time {
	if w.Mode == counts.WatchOff || w.Mode == counts.WatchLearned && !r.Known {
		return time.Time{}
	}
	limit, missed, waited := r.tooMany(w.Patience), 0.0, time.Duration(0)
	for at := last; at.Sub(last) < learnFrom; {
		next := at.Truncate(walk).Add(walk)
		if isQuiet(w.Quiet, r.zone, at) {
			at = next
			continue
		}
		if left := time.Duration(w.Minutes)*time.Minute - waited; w.Mode == counts.WatchMinutes && next.Sub(at) >= left {
			return at.Add(left)
		}
		waited += next.Sub(at)
		missed += r.Usual(at) * next.Sub(at).Hours()
		at = next
		if w.Mode == counts.WatchLearned && missed >= limit && waited >= leastSilence {
			return at
		}
	}
	return time.Time{}
}

func within(spans []span, at time.Time) bool {
	for _, s := range spans {
		if !at.Before(s.from) && at.Before(s.to) {
			return true
		}
	}
	return false
}

func hourOfWeek(at time.Time, zone *time.Location) int {
	t := at.In(zone)
	return int(t.Weekday())*24 + t.Hour()
}

func isQuiet(quiet []counts.Stretch, zone *time.Location, at time.Time) bool {
	if len(quiet) == 0 {
		return false
	}
	t := at.In(zone)
	minute := t.Hour()*60 + t.Minute()
	for _, q := range quiet {
		if q.Weekday == int(t.Weekday()) && q.Start <= minute && minute < q.End {
			return true
		}
	}
	return false
}
