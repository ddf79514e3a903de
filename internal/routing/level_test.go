package routing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/routing"

	"pgregory.net/rapid"
)

// plainDue counts open minutes one by one: the wall clock of the zone says
// whether a minute is open, and nothing else is asked.
func plainDue(p routing.Policy, l routing.ServiceLevel, began time.Time, zone *time.Location, holidays bool) (time.Time, bool) {
	left := l.Seconds / 60
	for at := began; at.Before(began.Add(40 * 24 * time.Hour)); at = at.Add(time.Minute) {
		if left == 0 {
			return at, true
		}
		here := at.In(zone)
		open := len(p.Hours) == 0
		for _, h := range p.Hours {
			minute := here.Hour()*60 + here.Minute()
			open = open || h.Weekday == int(here.Weekday()) && h.Start <= minute && minute < h.End
		}
		if holidays && slices.Contains(p.Holidays, here.Format(time.DateOnly)) {
			open = false
		}
		if open {
			left--
		}
	}
	return time.Time{}, false
}

// Days around which clocks are changed, also at midnight, and calm ones.
var changes = []struct{ zone, day string }{
	{"Europe/Berlin", "2026-03-29"}, {"Europe/Berlin", "2026-10-25"}, {"America/New_York", "2026-03-08"}, {"America/New_York", "2026-11-01"},
	{"America/Havana", "2026-03-08"}, {"America/Havana", "2026-11-01"}, {"Asia/Beirut", "2026-03-29"}, {"Asia/Beirut", "2026-10-25"},
	{"Australia/Lord_Howe", "2026-04-05"}, {"Australia/Lord_Howe", "2026-10-04"}, {"Asia/Kolkata", "2026-06-10"}, {"UTC", "2026-12-31"},
}

func drawHours(t *rapid.T) (out []routing.OpenHours) {
	for day := range 7 {
		if !rapid.Bool().Draw(t, "works") {
			continue
		}
		start := rapid.IntRange(0, 1400).Draw(t, "start")
		out = append(out, routing.OpenHours{Weekday: day, Start: start, End: rapid.IntRange(start+1, 1440).Draw(t, "end")})
	}
	return out
}

func TestDueAtCountsRoutingHours(t *testing.T) {
	bitten, compared := 0, 0
	places := map[string]*time.Location{}
	for _, c := range changes {
		places[c.zone] = zone(t, c.zone)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		place := places[c.zone]
		day, _ := time.Parse(time.DateOnly, c.day)
		p := routing.Policy{Rules: routing.DefaultPolicy().Rules, Hours: drawHours(t)}
		for range rapid.IntRange(0, 3).Draw(t, "holidays") {
			p.Holidays = append(p.Holidays, day.AddDate(0, 0, rapid.IntRange(-2, 4).Draw(t, "holiday")).Format(time.DateOnly))
		}
		l := routing.ServiceLevel{Clock: routing.AcceptToAttempt, Hours: routing.Business, Then: routing.Alert, Seconds: 60 * rapid.Int64Range(1, 3000).Draw(t, "minutes")}
		began := day.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "began")) * time.Minute)
		want, ok := plainDue(p, l, began, place, true)
		if !ok {
			return // hardly ever open
		}
		compared++
		if got := p.DueAt(l, began, place); !got.Equal(want) {
			t.Fatalf("%s, %s, hours %v, holidays %v: due %s, counted %s", c.zone, began, p.Hours, p.Holidays, got, want)
		}
		// The control: who forgets the holidays is found out.
		if other, ok := plainDue(p, l, began, place, false); ok && !other.Equal(want) {
			bitten++
		}
		l.Hours = routing.WallClock
		if got := p.DueAt(l, began, place); !got.Equal(began.Add(time.Duration(l.Seconds) * time.Second)) {
			t.Fatalf("by the wall clock it is due %s", got)
		}
	})
	if compared < 50 || bitten == 0 {
		t.Errorf("%d compared; a count without holidays differs in %d: it would not be noticed", compared, bitten)
	}
}

// What never opens is due at last, and does not search for ever.
func TestDueAtEnds(t *testing.T) {
	p := routing.DefaultPolicy()
	p.Hours = []routing.OpenHours{{Weekday: 0, Start: 120, End: 121}} // a minute a week
	l := routing.ServiceLevel{Clock: routing.AcceptToAttempt, Hours: routing.Business, Then: routing.Alert, Seconds: 30 * 86400}
	got := p.DueAt(l, monday, zone(t, "Europe/Berlin"))
	if d := got.Sub(monday); d < 3*365*24*time.Hour || d > 4*365*24*time.Hour {
		t.Errorf("due after %s", d)
	}
}

func TestJudge(t *testing.T) {
	at := func(min int) time.Time { return monday.Add(time.Duration(min) * time.Minute) }
	level := func(c routing.Clock, then routing.Then) routing.ServiceLevel {
		return routing.ServiceLevel{Clock: c, Seconds: 1800, Then: then}
	}
	due := routing.Standing{Now: at(30), Began: at(0), Due: at(30), Owned: true}
	with := func(f func(*routing.Standing)) routing.Standing { s := due; f(&s); return s }
	for _, c := range []struct {
		name  string
		level routing.ServiceLevel
		s     routing.Standing
		want  routing.Verdict
	}{
		{"silent", level(routing.AcceptToAttempt, routing.Both), due, routing.Verdict{Alert: true, Take: true}},
		{"alert only", level(routing.AcceptToAttempt, routing.Alert), due, routing.Verdict{Alert: true}},
		{"reassign only", level(routing.AcceptToAttempt, routing.Reassign), due, routing.Verdict{Take: true}},
		{"not yet", level(routing.AcceptToAttempt, routing.Both), with(func(s *routing.Standing) { s.Now = at(29) }), routing.Verdict{Later: at(30)}},
		{"tried in time", level(routing.AcceptToAttempt, routing.Both), with(func(s *routing.Standing) { s.Tried = at(29) }), routing.Verdict{End: true}},
		{"tried late, looked at later", level(routing.AcceptToAttempt, routing.Both), with(func(s *routing.Standing) { s.Now, s.Tried = at(50), at(40) }), routing.Verdict{End: true}},
		{"tried by the one before", level(routing.AcceptToAttempt, routing.Alert), with(func(s *routing.Standing) { s.Tried = at(-1) }), routing.Verdict{Alert: true}},
		{"closed", level(routing.AcceptToAttempt, routing.Both), with(func(s *routing.Standing) { s.Over = true }), routing.Verdict{End: true}},
		{"nobody owns it", level(routing.AcceptToAttempt, routing.Both), with(func(s *routing.Standing) { s.Owned = false }), routing.Verdict{End: true}},
		{"accepted", level(routing.OfferToAccept, routing.Both), due, routing.Verdict{End: true}},
		{"not accepted", level(routing.OfferToAccept, routing.Both), with(func(s *routing.Standing) { s.Owned = false }), routing.Verdict{Alert: true, Take: true}},
		{"reached", level(routing.AttemptToContact, routing.Both), with(func(s *routing.Standing) { s.Contacted = true }), routing.Verdict{End: true}},
		{"not reached", level(routing.AttemptToContact, routing.Both), with(func(s *routing.Standing) { s.Tried = at(15) }), routing.Verdict{Alert: true, Take: true}},
		{"has just tried", level(routing.AttemptToContact, routing.Both), with(func(s *routing.Standing) { s.Tried = at(16) }), routing.Verdict{Later: at(31)}},
		{"is trying", level(routing.AttemptToContact, routing.Reassign), with(func(s *routing.Standing) { s.Trying = true }), routing.Verdict{Later: at(45)}},
		{"has just tried, an alarm harms nobody", level(routing.AttemptToContact, routing.Alert), with(func(s *routing.Standing) { s.Tried = at(29) }), routing.Verdict{Alert: true}},
	} {
		if got := c.level.Judge(c.s); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestClocksAreCheckedAndTold(t *testing.T) {
	p := routing.DefaultPolicy()
	p.Clocks = []routing.ServiceLevel{
		{Clock: routing.OfferToAccept, Seconds: 300, Then: routing.Alert},
		{Clock: routing.AcceptToAttempt, Seconds: 900, Hours: routing.Business, Then: routing.Both},
		{Clock: routing.AttemptToContact, Seconds: 2 * 86400, Then: routing.Reassign}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(p.Words(nil), "\n")
	for _, want := range []string{"If nobody has accepted a lead within 5 minutes of its first offer, an alarm is raised.",
		"If who took a lead has not tried to reach the person within 15 minutes of routing hours, an alarm is raised, and the lead is taken back and offered to somebody else.",
		"If nobody has been reached within 2 days of the owner's first attempt, the lead is taken back and offered to somebody else."} {
		if !strings.Contains(words, want) {
			t.Errorf("%s\nlacks: %s", words, want)
		}
	}
	for want, l := range map[string]routing.ServiceLevel{
		"clocks.3.clock":   {Clock: "offer", Seconds: 1, Then: routing.Alert},
		"clocks.3.seconds": {Clock: routing.OfferToAccept, Then: routing.Both},
		"clocks.3.hours":   {Clock: routing.OfferToAccept, Seconds: 1, Hours: "office", Then: routing.Both},
		"clocks.3.then":    {Clock: routing.OfferToAccept, Seconds: 1, Then: "shout"},
	} {
		bad := p
		bad.Clocks = append(slices.Clone(p.Clocks), l)
		if got, ok := problemOf(bad.Check()); !ok || len(got.Errors) != 1 || got.Errors[0].Field != want {
			t.Errorf("%s: %+v", want, got)
		}
	}
	p.Clocks = append(p.Clocks, p.Clocks[0])
	if p.Check() == nil {
		t.Error("the same clock twice is taken")
	}
}
