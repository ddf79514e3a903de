package routing

import (
	"fmt"
	"slices"
	"time"
)

// Clock names what a service level measures.
type Clock string

// The clocks.
const (
	OfferToAccept    Clock = "offer_to_accept"    // from the first offer until somebody owns the lead
	AcceptToAttempt  Clock = "accept_to_attempt"  // from taking it until the first attempt since
	AttemptToContact Clock = "attempt_to_contact" // from the owner's first attempt until the first contact
)

// Then is what happens when a clock runs out.
type Then string

// What can happen.
const (
	Alert    Then = "alert"    // an alarm, which a manager sees and clears
	Reassign Then = "reassign" // the lead goes to somebody else
	Both     Then = "both"
)

// The hours that a clock counts.
const (
	WallClock = "wall_clock"
	Business  = "business" // the policy's routing hours without its holidays, in the project's time zone
)

// ServiceLevel is a clock with its limit. A lead's clock keeps the version of
// the policy under which it began.
type ServiceLevel struct {
	Clock   Clock  `json:"clock" enum:"offer_to_accept,accept_to_attempt,attempt_to_contact" doc:"What is measured." example:"accept_to_attempt"`
	Seconds int64  `json:"seconds" minimum:"1" maximum:"2592000" doc:"The limit." example:"900"`
	Hours   string `json:"hours,omitempty" enum:"wall_clock,business" doc:"business counts the policy's routing hours only, without its holidays. wall_clock when left out." example:"business"`
	Then    Then   `json:"then" enum:"alert,reassign,both" doc:"What happens when it runs out. reassign takes the lead from who was silent and routes it again without them." example:"both"`
}

const (
	maxLevels       = 12
	maxLevelSeconds = 30 * 86400
	// justTried is how long after an attempt nobody loses the lead.
	justTried = 15 * time.Minute
	// dueHorizon bounds the search for business hours that hardly ever come.
	dueHorizon = 3 * 366 * 24 * time.Hour
)

func (l ServiceLevel) alerts() bool { return l.Then != Reassign }
func (l ServiceLevel) takes() bool  { return l.Then != Alert }

// takes reports whether one of the policy's clocks takes leads from people.
func (p Policy) takes() bool { return slices.ContainsFunc(p.Clocks, ServiceLevel.takes) }

func (p Policy) checkClocks(fault faulter) {
	if len(p.Clocks) > maxLevels {
		fault("clocks", "length", "Give at most %d clocks.", maxLevels)
	}
	for i, l := range p.Clocks {
		at := fmt.Sprintf("clocks.%d.", i)
		if !slices.Contains([]Clock{OfferToAccept, AcceptToAttempt, AttemptToContact}, l.Clock) {
			fault(at+"clock", "unknown_clock", "Give offer_to_accept, accept_to_attempt or attempt_to_contact.")
		}
		if l.Seconds < 1 || l.Seconds > maxLevelSeconds {
			fault(at+"seconds", "out_of_range", "Give 1 to %d.", maxLevelSeconds)
		}
		if !slices.Contains([]string{"", WallClock, Business}, l.Hours) {
			fault(at+"hours", "unknown_hours", "Give wall_clock or business.")
		}
		if !slices.Contains([]Then{Alert, Reassign, Both}, l.Then) {
			fault(at+"then", "unknown_then", "Give alert, reassign or both.")
		}
		if slices.ContainsFunc(p.Clocks[:i], func(o ServiceLevel) bool { return o.Clock == l.Clock && o.Then == l.Then }) {
			fault(at+"then", "taken", "Another entry says the same of this clock.")
		}
	}
}

// words says it as a manager would.
func (l ServiceLevel) words() string {
	within := inWords(time.Duration(l.Seconds) * time.Second)
	if l.Hours == Business {
		within += " of routing hours"
	}
	what := map[Clock]string{
		OfferToAccept:    "If nobody has accepted a lead within %s of its first offer",
		AcceptToAttempt:  "If who took a lead has not tried to reach the person within %s",
		AttemptToContact: "If nobody has been reached within %s of the owner's first attempt",
	}[l.Clock]
	then := map[Then]string{
		Alert:    "an alarm is raised",
		Reassign: "the lead is taken back and offered to somebody else",
		Both:     "an alarm is raised, and the lead is taken back and offered to somebody else",
	}[l.Then]
	return fmt.Sprintf(what, within) + ", " + then + "."
}

// inWords says a span in the largest units that give whole numbers.
func inWords(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= u.unit && d%u.unit == 0 {
			return count(int64(d/u.unit), u.name)
		}
	}
	return count(int64(d/time.Second), "second")
}

// DueAt is when a clock that began at the instant runs out: after so much time,
// or after so much of the policy's routing hours in the zone. What would take
// more than three years to come is due then.
func (p Policy) DueAt(l ServiceLevel, began time.Time, zone *time.Location) time.Time {
	left := time.Duration(l.Seconds) * time.Second
	if l.Hours != Business {
		return began.Add(left)
	}
	for at := began; ; {
		open, next := p.openAt(at, zone)
		if !next.After(at) {
			next = at.Add(7 * 24 * time.Hour) // openAt looks a week ahead: nothing changes before
		}
		if open {
			if span := next.Sub(at); span < left {
				left -= span
			} else {
				return at.Add(left)
			}
		}
		if at = next; at.Sub(began) > dueHorizon {
			return at
		}
	}
}

// Standing is how a lead stands when one of its clocks may have run out.
type Standing struct {
	Now, Began, Due time.Time
	Over            bool      // closed, or its person must not be contacted, or it is gone
	Owned           bool      // somebody is accountable
	Tried           time.Time // the latest attempt: begun or told; zero: none
	Trying          bool      // an attempt is going on
	Contacted       bool      // somebody reached the person
}

// Verdict is what becomes of the clock. The zero one fires nothing.
type Verdict struct {
	End   bool      // it has nothing to wait for
	Later time.Time // not now, but then; zero: now
	Alert bool
	Take  bool // the lead is taken from who has it
}

// Judge decides about a clock that has not fired. What it waits for beats it,
// however late it is looked at. Nobody who has just tried loses a lead: that
// is put off until a quarter of an hour after the attempt.
func (l ServiceLevel) Judge(s Standing) Verdict {
	if s.Over || l.met(s) {
		return Verdict{End: true}
	}
	if s.Now.Before(s.Due) {
		return Verdict{Later: s.Due}
	}
	if l.takes() {
		if s.Trying {
			return Verdict{Later: s.Now.Add(justTried)}
		}
		if free := s.Tried.Add(justTried); !s.Tried.IsZero() && s.Now.Before(free) {
			return Verdict{Later: free}
		}
	}
	return Verdict{Alert: l.alerts(), Take: l.takes()}
}

func (l ServiceLevel) met(s Standing) bool {
	switch l.Clock {
	case OfferToAccept:
		return s.Owned
	case AcceptToAttempt:
		return !s.Owned || !s.Tried.IsZero() && !s.Tried.Before(s.Began)
	}
	return !s.Owned || s.Contacted
}
