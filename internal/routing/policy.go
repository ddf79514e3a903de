package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store/offers"
)

// Policy says to whom a project's leads are offered, and in which order. The
// first rule whose condition holds decides; when nobody of it can take the
// lead, its fallback does, and so on to the end of the chain, which is the
// pool's named queue. Its JSON is what a saved round keeps, so names in it stay.
type Policy struct {
	Rules            []Rule      `json:"rules" minItems:"1" maxItems:"50" nullable:"false" doc:"The first one whose condition holds decides. The last one has no condition."`
	Hours            []OpenHours `json:"hours,omitempty" maxItems:"21" doc:"Routing hours in the project's time zone. None: always."`
	Holidays         []string    `json:"holidays,omitempty" maxItems:"400" doc:"Days without offers, YYYY-MM-DD in the project's time zone."`
	CapacityOpen     int64       `json:"capacity_open,omitempty" minimum:"0" maximum:"1000000" doc:"Open leads and offers that one salesperson may have. 0: no limit."`
	CapacityDay      int64       `json:"capacity_day,omitempty" minimum:"0" maximum:"1000000" doc:"Leads that one salesperson may take a day, of the project's time zone. 0: no limit."`
	CoolDownSeconds  int64       `json:"cool_down_seconds,omitempty" minimum:"0" maximum:"86400" doc:"Pause after an accept. 0: none."`
	ReachableSeconds int64       `json:"reachable_seconds,omitempty" minimum:"0" maximum:"604800" doc:"A device of the salesperson must have been seen within these; 120 or more, since use is noted once a minute. 0: not asked."`
	AwayAfter        int64       `json:"away_after_misses,omitempty" minimum:"0" maximum:"1000" doc:"Missing so many offers one after the other sets a salesperson away. 0: never."`

	Clocks []ServiceLevel `json:"clocks,omitempty" maxItems:"12" doc:"Service levels: limits of time with what happens when they run out. None: nothing does."`
}

// Rule is one condition with its people and how they take turns.
type Rule struct {
	Name     string   `json:"name" minLength:"1" maxLength:"80" example:"Everyone"`
	When     string   `json:"when,omitempty" maxLength:"2000" doc:"A condition in CEL over source, project, campaign, medium, country, area, language (text), value (number), hour, weekday (0 Sunday) and tags (list). Empty: always." example:"country == 'GB' && value >= 500000.0"`
	Members  []Share  `json:"members,omitempty" maxItems:"1000" doc:"Of the pool. None: everybody in it, with weight 1."`
	Method   Method   `json:"method" enum:"round_robin,weighted,least_open,first_to_claim" doc:"How they take turns." example:"round_robin"`
	Sticky   bool     `json:"sticky,omitempty" doc:"Who owned the person's last lead goes first, when in the pool and free."`
	Needs    []string `json:"needs,omitempty" maxItems:"20" doc:"Tags that a member must have. \"language:*\" and \"area:*\" stand for those of the lead."`
	Fallback string   `json:"fallback,omitempty" maxLength:"80" doc:"The name of a later rule that is tried when nobody here can take the lead. Empty: it waits, and ends in the pool's named queue." example:"Everyone"`
}

// Share is one member of a rule.
type Share struct {
	User   account.UserID `json:"user_id" doc:"A member of the pool." example:"user_01h455vb4pex5vsknk084sn02q"`
	Weight int64          `json:"weight" minimum:"0" maximum:"1000000" doc:"Share of the leads under method weighted. 0: none, under any method."`
}

// OpenHours is a weekly stretch in which leads are offered.
type OpenHours struct {
	Weekday int `json:"weekday" minimum:"0" maximum:"6" doc:"0 is Sunday." example:"1"`
	Start   int `json:"start_minute" minimum:"0" maximum:"1439" doc:"Of the day." example:"540"`
	End     int `json:"end_minute" minimum:"1" maximum:"1440" doc:"Later than start_minute." example:"1080"`
}

func (p Policy) shifts() []offers.Shift {
	out := make([]offers.Shift, len(p.Hours))
	for i, h := range p.Hours {
		out[i] = offers.Shift(h)
	}
	return out
}

// Method is how the eligible members of a rule take turns.
type Method string

// The methods.
const (
	RoundRobin   Method = "round_robin"    // whose last offer is the oldest
	Weighted     Method = "weighted"       // by weight; who is not eligible neither gains nor loses
	LeastOpen    Method = "least_open"     // who has the fewest open leads and offers
	FirstToClaim Method = "first_to_claim" // all at once; the first to accept has it
)

// DefaultPolicy is what every pool begins with, as version 1.
func DefaultPolicy() Policy { return Policy{Rules: []Rule{{Name: "Everyone", Method: RoundRobin}}} }

// plain reports whether the policy is no more than the rotation, which needs
// nothing beyond the pool and its roster.
func (p Policy) plain() bool {
	if len(p.Rules) != 1 || len(p.Hours)+len(p.Holidays) > 0 || p.CapacityOpen != 0 || p.CapacityDay != 0 || p.CoolDownSeconds != 0 || p.ReachableSeconds != 0 {
		return false
	}
	r := p.Rules[0]
	return r.Method == RoundRobin && len(r.Members) == 0 && !r.Sticky && len(r.Needs) == 0
}

// Check says what is wrong with a policy; nil when nothing is. Fallbacks only
// go to later rules, so every chain ends.
func (p Policy) Check() error {
	var faults []problem.Field
	fault := func(field, code, format string, args ...any) {
		faults = append(faults, problem.Field{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	if len(p.Rules) == 0 || len(p.Rules) > 50 {
		fault("rules", "length", "Give 1 to 50 rules.")
	}
	place := map[string]int{}
	for i, r := range p.Rules {
		at := fmt.Sprintf("rules.%d.", i)
		if _, double := place[r.Name]; double {
			fault(at+"name", "taken", "Another rule has this name.")
		}
		if n := utf8.RuneCountInString(r.Name); n < 1 || n > 80 || r.Name != strings.TrimSpace(r.Name) {
			fault(at+"name", "length", "Give 1 to 80 characters, without blanks around.")
		}
		place[r.Name] = i
		if i == len(p.Rules)-1 && r.When != "" {
			fault(at+"when", "last_rule", "The last rule takes every lead: leave its condition out.")
		}
		if _, err := compile(r.When); err != nil {
			fault(at+"when", "condition", "%s", err)
		}
		if !slices.Contains([]Method{RoundRobin, Weighted, LeastOpen, FirstToClaim}, r.Method) {
			fault(at+"method", "unknown_method", "Give round_robin, weighted, least_open or first_to_claim.")
		}
		r.checkMembers(at, fault)
	}
	for i, r := range p.Rules {
		if to, ok := place[r.Fallback]; r.Fallback != "" && (!ok || to <= i) {
			fault(fmt.Sprintf("rules.%d.fallback", i), "not_later", "Name a rule further down, so that the chain ends.")
		}
	}
	p.checkRest(fault)
	p.checkClocks(fault)
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return nil
}

type faulter func(field, code, format string, args ...any)

func (r Rule) checkMembers(at string, fault faulter) {
	seen, sum := map[account.UserID]bool{}, int64(0)
	for i, m := range r.Members {
		if seen[m.User] || m.User.IsZero() {
			fault(fmt.Sprintf("%smembers.%d.user_id", at, i), "taken", "Name each member once.")
		}
		seen[m.User] = true
		if m.Weight < 0 || m.Weight > 1_000_000 {
			fault(fmt.Sprintf("%smembers.%d.weight", at, i), "out_of_range", "Give 0 to 1000000.")
		}
		sum += m.Weight
	}
	if len(r.Members) > 1000 || len(r.Members) > 0 && sum == 0 {
		fault(at+"members", "weights", "Give at most 1000 members, one of them with a weight above 0.")
	}
	for i, t := range r.Needs {
		if t == "" || len(t) > 80 || len(r.Needs) > 20 {
			fault(fmt.Sprintf("%sneeds.%d", at, i), "length", "Give at most 20 tags of 1 to 80 characters.")
		}
	}
}

func (p Policy) checkRest(fault faulter) {
	if err := checkShifts(p.shifts()); err != nil {
		fault("hours", "hours", "Give at most %d stretches, weekday 0 (Sunday) to 6, that do not overlap.", maxShifts)
	}
	for i, d := range p.Holidays {
		if _, err := time.Parse(time.DateOnly, d); err != nil || len(p.Holidays) > 400 {
			fault(fmt.Sprintf("holidays.%d", i), "date", "Give at most 400 days as YYYY-MM-DD.")
		}
	}
	for name, n := range map[string][2]int64{"capacity_open": {p.CapacityOpen, 1_000_000}, "capacity_day": {p.CapacityDay, 1_000_000},
		"cool_down_seconds": {p.CoolDownSeconds, 86400}, "reachable_seconds": {p.ReachableSeconds, 604800}, "away_after_misses": {p.AwayAfter, 1000}} {
		if n[0] < 0 || n[0] > n[1] {
			fault(name, "out_of_range", "Give 0 to %d.", n[1])
		}
	}
	if n := p.ReachableSeconds; n > 0 && n < minReachable {
		fault("reachable_seconds", "out_of_range", "Give 0, or %d or more: a device's use is noted once a minute.", minReachable)
	}
}

// minReachable is how long a device that is always there may go without being
// noted: its stream is looked at every 30 seconds, its use noted once a minute.
const minReachable = 120

// next is the place of the rule's fallback, or -1.
func (p Policy) next(i int) int {
	to := p.Rules[i].Fallback
	if to == "" {
		return -1
	}
	for j := i + 1; j < len(p.Rules); j++ {
		if p.Rules[j].Name == to {
			return j
		}
	}
	return -1
}

// openAt tells whether the routing hours are open, and when that changes; zero:
// not within a week.
func (p Policy) openAt(at time.Time, zone *time.Location) (open bool, next time.Time) {
	t := at.In(zone)
	if slices.Contains(p.Holidays, t.Format(time.DateOnly)) {
		return false, midnight(t, 1)
	}
	if len(p.Hours) > 0 {
		h := OnShift(p.shifts(), zone, at)
		open, next = h.On, h.Next
	} else {
		open = true
	}
	if day := midnight(t, 1); len(p.Holidays) > 0 && (next.IsZero() || day.Before(next)) {
		next = day
	}
	return open, next
}

// midnight is when the day begins that is so many after t's. Some zones skip or
// repeat midnight when they change the clock: the day begins with its first
// instant.
func midnight(t time.Time, days int) time.Time {
	want := time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, time.UTC)
	m := time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
	from, until := m.ZoneBounds()
	if m.Day() != want.Day() { // skipped: m is an hour of the day before
		return until.UTC()
	}
	if !from.IsZero() {
		_, now := m.Zone()
		_, before := from.Add(-time.Second).Zone()
		first := m.Add(time.Duration(now-before) * time.Second)
		if before > now && first.Before(from) && first.Day() == want.Day() {
			m = first // repeated: this is the first of the two
		}
	}
	return m.UTC()
}
