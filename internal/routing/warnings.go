package routing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// surroundings are what a policy is looked at against: the people of its pool
// and what leads can say.
type surroundings struct {
	people  []person
	zone    *time.Location // the project's
	at      time.Time
	project string          // its slug
	sources map[string]bool // slugs of the account's
}

// person is a member of the pool who could work: active in both.
type person struct {
	user   account.UserID
	tags   []string
	shifts []offers.Shift
	zone   *time.Location
}

// Warning is one thing that a manager may not have meant: in English, and by
// what a reader's own language can say it from.
type Warning struct {
	Code  string `json:"code" enum:"nobody_active,holidays_over,rule_unreached,no_source,other_project,bad_country,never_hour,never_weekday,nobody_of_rule,no_tag,never_on_shift,fallback_same" doc:"What is wrong."`
	Rule  string `json:"rule,omitempty" doc:"The rule that it is about."`
	Value string `json:"value,omitempty" doc:"What of the rule: the source, project, country, hour or weekday that no lead has, the tag that nobody has, or the rule that it falls back to."`
	Text  string `json:"text" doc:"It in English." example:"Rule \"Spring\" has nobody whose shifts are in the routing hours."`
}

// Warnings says what a manager may not have meant: rules that no lead reaches,
// people who are not there, fallbacks that help nobody. A policy with warnings
// can be published; leads that nobody can take wait, and raise the alarm.
func (r *Router) Warnings(tx *store.Tx, v Version, now time.Time) ([]Warning, error) {
	pool, err := offers.PoolOf(tx, v.Project)
	if errors.Is(err, store.ErrNone) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	roster, err := offers.Roster(tx, pool.ID)
	if err != nil {
		return nil, err
	}
	project, err := setup.GetProject(tx, v.Project)
	if err != nil {
		return nil, err
	}
	all, err := setup.Sources(tx)
	if err != nil {
		return nil, err
	}
	s := surroundings{zone: r.zone(project.TimeZone), at: now, project: project.Slug, sources: map[string]bool{}}
	for _, source := range all {
		s.sources[source.Slug] = true
	}
	for _, m := range roster {
		if m.Active && m.State == "active" {
			s.people = append(s.people, person{m.User, m.Tags, m.Shifts, r.zone(m.Zone)})
		}
	}
	return v.Rules.warnings(s), nil
}

func (p Policy) warnings(s surroundings) (out []Warning) {
	warn := func(code, rule, value, format string, args ...any) {
		out = append(out, Warning{code, rule, value, fmt.Sprintf(format, args...)})
	}
	if len(s.people) == 0 {
		warn("nobody_active", "", "", "Nobody in the pool is active: every lead waits.")
	}
	if len(p.Holidays) > 0 && !slices.ContainsFunc(p.Holidays, func(d string) bool { return d >= s.at.In(s.zone).Format(time.DateOnly) }) {
		warn("holidays_over", "", "", "All holidays are over.")
	}
	reached := p.reached()
	for i, r := range p.Rules {
		if !reached[i] {
			warn("rule_unreached", r.Name, "", "Rule %q takes no lead: an earlier rule takes all that would come to it, and it is nobody's fallback.", r.Name)
			continue
		}
		for _, why := range impossible(r.When, s) {
			warn(why.code, r.Name, why.value, "Rule %q takes no lead: %s.", r.Name, why.text)
		}
		if len(s.people) > 0 {
			p.warnOfPeople(r, s, warn)
		}
	}
	return out
}

// reached says which rules a lead can come to, by condition or as a fallback.
func (p Policy) reached() []bool {
	out, seen, all := make([]bool, len(p.Rules)), map[string]bool{}, false
	for i, r := range p.Rules {
		when := strings.TrimSpace(r.When)
		out[i] = out[i] || !all && !seen[when]
		all, seen[when] = all || when == "" || when == "true", true
		if to := p.next(i); out[i] && to >= 0 {
			out[to] = true
		}
	}
	return out
}

// members are those of the rule who could work and have a weight.
func (r Rule) members(s surroundings) (out []person) {
	for _, x := range s.people {
		in := len(r.Members) == 0 || slices.ContainsFunc(r.Members, func(m Share) bool { return m.User == x.user && m.Weight > 0 })
		if in {
			out = append(out, x)
		}
	}
	return out
}

func (p Policy) warnOfPeople(r Rule, s surroundings, warn func(code, rule, value, format string, args ...any)) {
	able := r.members(s)
	if len(able) == 0 {
		warn("nobody_of_rule", r.Name, "", "Rule %q has nobody who is active and has a weight.", r.Name)
		return
	}
	for _, need := range r.Needs {
		has := func(tag string) bool { return tag == need }
		if kind, any := strings.CutSuffix(need, "*"); any {
			has = func(tag string) bool { return strings.HasPrefix(tag, kind) }
		}
		able = slices.DeleteFunc(able, func(x person) bool { return !slices.ContainsFunc(x.tags, has) })
		if len(able) == 0 {
			warn("no_tag", r.Name, need, "Rule %q asks for %s, and nobody of it has that.", r.Name, need)
			return
		}
	}
	if !p.everOpen(able, s) {
		warn("never_on_shift", r.Name, "", "Rule %q has nobody whose shifts are in the routing hours.", r.Name)
	}
	if to := slices.IndexFunc(p.Rules, func(x Rule) bool { return x.Name == r.Fallback }); r.Fallback != "" && to >= 0 && p.Rules[to].addsNobody(r, s) {
		warn("fallback_same", r.Name, r.Fallback, "Rule %q falls back to %q, where nobody else is.", r.Name, r.Fallback)
	}
}

// addsNobody reports whether everybody of the rule is among the other's, and
// the other asks no more of them.
func (r Rule) addsNobody(other Rule, s surroundings) bool {
	in := map[account.UserID]bool{}
	for _, x := range other.members(s) {
		in[x.user] = true
	}
	more := slices.ContainsFunc(other.Needs, func(t string) bool { return !slices.Contains(r.Needs, t) })
	return !more && !slices.ContainsFunc(r.members(s), func(x person) bool { return !in[x.user] })
}

// everOpen looks through a week by quarters of an hour for one in which leads
// are offered and one of the people is on shift. Holidays are left out.
func (p Policy) everOpen(people []person, s surroundings) bool {
	hours := p.shifts()
	for at := s.at.Truncate(15 * time.Minute); at.Before(s.at.Add(7 * 24 * time.Hour)); at = at.Add(15 * time.Minute) {
		if len(hours) > 0 && !onWall(hours, s.zone, at) {
			continue
		}
		if slices.ContainsFunc(people, func(x person) bool { return onWall(x.shifts, x.zone, at) }) {
			return true
		}
	}
	return false
}

var letters = regexp.MustCompile(`^[A-Z]{2}$`)

// never is a comparison that no lead meets.
type never struct{ code, value, text string }

// impossible says of a condition that is one comparison, or several that must
// all hold, which of them no lead can meet.
func impossible(when string, s surroundings) (out []never) {
	env, err := environment()
	if err != nil || when == "" {
		return nil
	}
	parsed, issues := env.Compile(when)
	if issues != nil && issues.Err() != nil {
		return nil
	}
	var all func(e ast.Expr)
	all = func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch args := call.Args(); call.FunctionName() {
		case "_&&_":
			for _, a := range args {
				all(a)
			}
		case "_==_":
			if why := neverEqual(args[0], args[1], s); why.code != "" {
				out = append(out, why)
			} else if why := neverEqual(args[1], args[0], s); why.code != "" {
				out = append(out, why)
			}
		}
	}
	all(parsed.NativeRep().Expr())
	return out
}

func neverEqual(name, value ast.Expr, s surroundings) never {
	if name.Kind() != ast.IdentKind || value.Kind() != ast.LiteralKind {
		return never{}
	}
	switch v := value.AsLiteral().(type) {
	case types.String:
		return neverText(name.AsIdent(), string(v), s)
	case types.Int:
		if n := int64(v); name.AsIdent() == "hour" && (n < 0 || n > 23) || name.AsIdent() == "weekday" && (n < 0 || n > 6) {
			return never{"never_" + name.AsIdent(), strconv.FormatInt(n, 10), fmt.Sprintf("%s is never %d", name.AsIdent(), n)}
		}
	}
	return never{}
}

func neverText(name, text string, s surroundings) never {
	switch {
	case name == "source" && !s.sources[text]:
		return never{"no_source", text, fmt.Sprintf("there is no source %q", text)}
	case name == "project" && text != s.project:
		return never{"other_project", text, fmt.Sprintf("the project is %q, not %q", s.project, text)}
	case name == "country" && text != "" && !letters.MatchString(text):
		return never{"bad_country", text, fmt.Sprintf("a country is two capital letters, such as \"GB\", not %q", text)}
	}
	return never{}
}
