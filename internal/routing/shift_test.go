package routing_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"catchment/internal/routing"
	"catchment/internal/store/offers"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestOnShift(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	on := func(day, start, end int) offers.Shift { return offers.Shift{Weekday: day, Start: start, End: end} }
	office := []offers.Shift{on(1, 540, 1020), on(2, 540, 1020), on(5, 1320, 1440), on(6, 0, 120)} // Mon, Tue 9–17; Fri 22 to Sat 2
	early := []offers.Shift{on(0, 60, 240)}                                                        // Sunday 1:00–4:00
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, c := range []struct {
		name        string
		shifts      []offers.Shift
		at          string
		on          bool
		since, next string
	}{
		{"before it", office, "2026-03-02T07:59:59Z", false, "2026-02-28T01:00:00Z", "2026-03-02T08:00:00Z"},
		{"its first instant", office, "2026-03-02T08:00:00Z", true, "2026-03-02T08:00:00Z", "2026-03-02T16:00:00Z"},
		{"its end", office, "2026-03-02T16:00:00Z", false, "2026-03-02T16:00:00Z", "2026-03-03T08:00:00Z"},
		{"over midnight it is one", office, "2026-03-07T00:30:00Z", true, "2026-03-06T21:00:00Z", "2026-03-07T01:00:00Z"},
		// 29 March 2026: 2:00 becomes 3:00 in Berlin, so 1–4 is two hours long.
		{"a day without its hour", early, "2026-03-29T00:30:00Z", true, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"},
		// 25 October 2026: 3:00 becomes 2:00, so 1–4 is four hours long.
		{"a day with an hour twice", early, "2026-10-25T01:30:00Z", true, "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"},
		{"nobody without shifts", nil, "2026-03-02T08:00:00Z", false, "", ""},
		{"round the clock", routing.AlwaysOn(), "2026-03-29T01:00:00Z", true, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := routing.OnShift(c.shifts, berlin, at(c.at))
			if h.On != c.on {
				t.Errorf("on: %v", h.On)
			}
			for _, x := range []struct {
				what, want string
				got        time.Time
			}{{"since", c.since, h.Since}, {"next", c.next, h.Next}} {
				if x.want == "" && !x.got.IsZero() || x.want != "" && !x.got.Equal(at(x.want)) {
					t.Errorf("%s: %v, want %s", x.what, x.got.UTC(), x.want)
				}
			}
		})
	}
}

// Between Since and Next the state is the same, and at both it changes,
// found by asking about each minute.
func TestOnShiftHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/St_Johns"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		shifts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) offers.Shift {
			start := rapid.IntRange(0, 47).Draw(t, "start") * 30
			return offers.Shift{Weekday: rapid.IntRange(0, 6).Draw(t, "day"), Start: start, End: min(start+30*rapid.IntRange(1, 30).Draw(t, "long"), 1440)}
		}), 1, 5).Draw(t, "shifts")
		at := time.Date(2026, time.Month(rapid.SampledFrom([]int{3, 4, 10, 11, 7}).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "d"), 0, rapid.IntRange(0, 1439).Draw(t, "m"), 0, 0, time.UTC)
		h := routing.OnShift(shifts, z, at)
		on := func(x time.Time) bool { return routing.OnShift(shifts, z, x).On }
		if !h.Next.IsZero() && (!h.Next.After(at) || on(h.Next) == h.On || on(h.Next.Add(-time.Minute)) != h.On) {
			t.Fatalf("at %v next %v", at, h.Next)
		}
		if !h.Since.IsZero() && (h.Since.After(at) || on(h.Since) != h.On || on(h.Since.Add(-time.Minute)) == h.On) {
			t.Fatalf("at %v since %v", at, h.Since)
		}
		for x := at; x.Before(at.Add(6*time.Hour)) && (h.Next.IsZero() || x.Before(h.Next)); x = x.Add(15 * time.Minute) {
			if on(x) != h.On {
				t.Fatalf("at %v it is not as at %v, but next is %v", x, at, h.Next)
			}
		}
	})
}

// Days off against a count of every quarter of an hour that knows nothing of
// edges: whether somebody works, and when that next changes, also when a leave
// is longer than a week or the clock is changed in it.
func TestWorkingOnDaysOff(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		var shifts []offers.Shift
		for _, day := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 7, rapid.ID).Draw(t, "days") {
			start := rapid.IntRange(0, 47).Draw(t, "start") * 30
			shifts = append(shifts, offers.Shift{Weekday: day, Start: start, End: min(start+30*rapid.IntRange(1, 48).Draw(t, "long"), 1440)})
		}
		at := time.Date(2026, time.Month(rapid.SampledFrom([]int{3, 4, 9, 10, 11}).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "d"), rapid.IntRange(0, 23).Draw(t, "h"), 15*rapid.IntRange(0, 3).Draw(t, "q"), 0, 0, time.UTC)
		var off []offers.Off
		for range rapid.IntRange(0, 3).Draw(t, "offs") {
			from := at.AddDate(0, 0, rapid.IntRange(-12, 12).Draw(t, "from"))
			off = append(off, offers.Off{From: from.Format(time.DateOnly), Until: from.AddDate(0, 0, rapid.IntRange(0, 25).Draw(t, "until")).Format(time.DateOnly)})
		}
		works := func(x time.Time) bool {
			x = x.In(z)
			day, minute, in := x.Format(time.DateOnly), x.Hour()*60+x.Minute(), false
			for _, s := range shifts {
				in = in || s.Weekday == int(x.Weekday()) && s.Start <= minute && minute < s.End
			}
			for _, o := range off {
				in = in && (day < o.From || o.Until < day)
			}
			return in
		}
		h := routing.Working(shifts, off, z, at)
		if h.On != works(at) {
			t.Fatalf("at %v on: %v", at, h.On)
		}
		var next time.Time
		for x := at; x.Before(at.AddDate(0, 0, 60)) && next.IsZero(); x = x.Add(15 * time.Minute) {
			if works(x) != h.On {
				next = x
			}
		}
		if !h.Next.Equal(next) {
			t.Fatalf("at %v off %v, shifts %v: next is %v, counted %v", at, off, shifts, h.Next.UTC(), next)
		}
		if !h.Since.IsZero() && (h.Since.After(at) || works(h.Since) != h.On || works(h.Since.Add(-time.Minute)) == h.On) {
			t.Fatalf("at %v since %v", at, h.Since)
		}
		// The control: who forgets the days off is found out.
		if plain := routing.OnShift(shifts, z, at); plain.On != h.On || !plain.Next.Equal(h.Next) {
			found++
		}
	})
	if found == 0 {
		t.Error("an answer without days off would not be noticed")
	}
}
