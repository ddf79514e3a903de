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
	Next  time.Time // when it changes; zero: not within a week
}

const week = 8 * 24 * time.Hour

// OnShift tells how the shifts stand at the instant. A shift is in wall-clock
// time of the zone: on the day that loses an hour, the minutes that do not
// exist are not worked; on the day that repeats one, both are. Nobody without
// shifts is ever on shift. Shifts that touch (until 24:00, from 00:00) are one.
func OnShift(shifts []offers.Shift, zone *time.Location, at time.Time) Hours {
	h := Hours{On: onWall(shifts, zone, at)}
	if len(shifts) == 0 {
		return h
	}
	edges := boundaries(shifts, zone, at)
	i, _ := slices.BinarySearchFunc(edges, at, time.Time.Compare)
	for j := i; j < len(edges); j++ {
		if edges[j].After(at) && onWall(shifts, zone, edges[j]) != h.On {
			h.Next = edges[j]
			break
		}
	}
	// Going back: the present state began at the last edge whose eve differs.
	for j := min(i, len(edges)-1); j >= 0; j-- {
		if edges[j].After(at) {
			continue
		}
		if onWall(shifts, zone, edges[j].Add(-time.Microsecond)) != h.On {
			h.Since = edges[j]
			break
		}
	}
	return h
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
// which onWall can change: the wall-clock edges of the shifts, read with the
// offset before and after, and the changes of the zone's offset.
func boundaries(shifts []offers.Shift, zone *time.Location, at time.Time) []time.Time {
	var out []time.Time
	here := at.In(zone)
	for d := -8; d <= 8; d++ {
		midnight := time.Date(here.Year(), here.Month(), here.Day()+d, 0, 0, 0, 0, time.UTC)
		_, before := midnight.Add(-24 * time.Hour).In(zone).Zone()
		_, after := midnight.Add(48 * time.Hour).In(zone).Zone()
		for _, s := range shifts {
			if s.Weekday != int(midnight.Weekday()) {
				continue
			}
			for _, m := range []int{s.Start, s.End} {
				wall := midnight.Add(time.Duration(m) * time.Minute)
				out = append(out, wall.Add(-time.Duration(before)*time.Second))
				if after != before {
					out = append(out, wall.Add(-time.Duration(after)*time.Second))
				}
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
