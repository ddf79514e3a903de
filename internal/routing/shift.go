package routing

import (
	"slices"
	"time"

	"catchment/internal/store/offers"
)

// Hours is how a person's shifts stand at an instant.
type Hours struct {
	On    bool
	Since time.Time // when the present state began; zero: over a week ago
	Next  time.Time // when it changes; zero: not within a week, or not while days off last
}

const week = 8 * 24 * time.Hour

// OnShift tells how the shifts stand at the instant, without days off.
func OnShift(shifts []offers.Shift, zone *time.Location, at time.Time) Hours {
	return Working(shifts, nil, zone, at)
}

// Working tells how the shifts stand at the instant. A shift is in wall-clock
// time of the zone: on the day that loses an hour, the minutes that do not
// exist are not worked; on the day that repeats one, both are. Nobody without
// shifts is ever on shift. Shifts that touch (until 24:00, from 00:00) are one.
// On a day off, by the same wall clock, nothing is worked.
func Working(shifts []offers.Shift, off []offers.Off, zone *time.Location, at time.Time) Hours {
	on := func(t time.Time) bool {
		return onWall(shifts, zone, t) && !dayOff(off, t.In(zone).Format(time.DateOnly))
	}
	h := Hours{On: on(at)}
	if len(shifts) == 0 {
		return h
	}
	edges := boundaries(shifts, off, zone, at)
	h.Next = firstOther(edges, at, h.On, on)
	// Going back: the present state began at the last edge whose eve differs.
	for _, e := range slices.Backward(edges) {
		if !e.After(at) && on(e.Add(-time.Microsecond)) != h.On {
			h.Since = e
			break
		}
	}
	// Days off may be longer than a week: their end is looked for all the same.
	for from := at; h.Next.IsZero() && ahead(off, from.In(zone).Format(time.DateOnly)); {
		from = from.Add(week)
		h.Next = firstOther(boundaries(shifts, off, zone, from), at, h.On, on)
	}
	return h
}

// firstOther is the first edge after the instant at which it is otherwise.
func firstOther(edges []time.Time, at time.Time, was bool, on func(time.Time) bool) time.Time {
	for _, e := range edges {
		if e.After(at) && on(e) != was {
			return e
		}
	}
	return time.Time{}
}

func dayOff(off []offers.Off, day string) bool {
	return slices.ContainsFunc(off, func(o offers.Off) bool { return o.From <= day && day <= o.Until })
}

// ahead reports whether some of the days off are that day or later.
func ahead(off []offers.Off, day string) bool {
	return slices.ContainsFunc(off, func(o offers.Off) bool { return day <= o.Until })
}

func onWall(shifts []offers.Shift, zone *time.Location, at time.Time) bool {
	t := at.In(zone)
	minute := t.Hour()*60 + t.Minute()
	for _, s := range shifts {
		if s.Weekday == int(t.Weekday()) && s.Start <= minute && minute < s.End {
			return true
		}
	}
	return false
}

// boundaries lists, in order, every instant within a week on each side at
// which it can change: the wall-clock edges of the shifts and of the days off,
// read with the offset before and after, and the changes of the zone's offset.
func boundaries(shifts []offers.Shift, off []offers.Off, zone *time.Location, at time.Time) []time.Time {
	var out []time.Time
	here := at.In(zone)
	for d := -8; d <= 8; d++ {
		midnight := time.Date(here.Year(), here.Month(), here.Day()+d, 0, 0, 0, 0, time.UTC)
		_, before := midnight.Add(-24 * time.Hour).In(zone).Zone()
		_, after := midnight.Add(48 * time.Hour).In(zone).Zone()
		add := func(minute int) {
			wall := midnight.Add(time.Duration(minute) * time.Minute)
			out = append(out, wall.Add(-time.Duration(before)*time.Second))
			if after != before {
				out = append(out, wall.Add(-time.Duration(after)*time.Second))
			}
		}
		day, eve := midnight.Format(time.DateOnly), midnight.AddDate(0, 0, -1).Format(time.DateOnly)
		if slices.ContainsFunc(off, func(o offers.Off) bool { return o.From == day || o.Until == eve }) {
			add(0)
		}
		for _, s := range shifts {
			if s.Weekday == int(midnight.Weekday()) {
				add(s.Start)
				add(s.End)
			}
		}
	}
	for t := at.Add(-week); ; {
		_, end := t.In(zone).ZoneBounds()
		if end.IsZero() || end.After(at.Add(week)) {
			break
		}
		out = append(out, end)
		t = end
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
