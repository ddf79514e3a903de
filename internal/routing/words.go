package routing

import (
	"fmt"
	"strings"
	"time"

	"catchment/internal/account"
)

// Words renders the policy as a manager would say it, a sentence a line. names
// are what colleagues call the users.
func (p Policy) Words(names map[account.UserID]string) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i, r := range p.Rules {
		add("%d. %s: %s", i+1, r.Name, r.words(names, i == len(p.Rules)-1 && i > 0))
	}
	if len(p.Hours) > 0 {
		var spans []string
		for _, s := range p.Hours {
			spans = append(spans, fmt.Sprintf("%s %s to %s", time.Weekday(s.Weekday), clock(s.Start), clock(s.End)))
		}
		add("Leads are offered only in the routing hours, in the project's time zone: %s.", strings.Join(spans, "; "))
	}
	if len(p.Holidays) > 0 {
		add("Nothing is offered on %s.", strings.Join(p.Holidays, ", "))
	}
	if p.CapacityOpen > 0 {
		add("Nobody has more than %s.", count(p.CapacityOpen, "open lead"))
	}
	if p.CapacityDay > 0 {
		add("Nobody takes more than %s a day.", count(p.CapacityDay, "lead"))
	}
	if p.CoolDownSeconds > 0 {
		add("After an accept a salesperson gets no offer for %s.", time.Duration(p.CoolDownSeconds)*time.Second)
	}
	if p.ReachableSeconds > 0 {
		add("Only salespeople with a device seen in the last %s get offers.", time.Duration(p.ReachableSeconds)*time.Second)
	}
	if p.AwayAfter > 0 {
		add("Who misses %s one after the other is set away.", count(p.AwayAfter, "offer"))
	}
	for _, l := range p.Clocks {
		out = append(out, l.words())
	}
	return append(out, "What nobody can take waits, oldest first, and ends in the pool's named queue with an alarm.")
}

func (r Rule) words(names map[account.UserID]string, last bool) string {
	var b strings.Builder
	switch {
	case r.When != "":
		fmt.Fprintf(&b, "when %s, the lead goes to ", r.When)
	case last:
		b.WriteString("every other lead goes to ")
	default:
		b.WriteString("every lead goes to ")
	}
	if r.Sticky {
		b.WriteString("who owned the person's last lead if they are free, else to ")
	}
	b.WriteString(r.people(names))
	if len(r.Needs) > 0 {
		fmt.Fprintf(&b, " with %s", strings.Join(r.Needs, " and "))
	}
	switch r.Method {
	case RoundRobin:
		b.WriteString(", in turn")
	case Weighted:
		b.WriteString(", by weight among those present")
	case LeastOpen:
		b.WriteString(", to whoever has the fewest open leads")
	case FirstToClaim:
		b.WriteString(", all at once: the first to accept has it")
	}
	if r.Fallback != "" {
		fmt.Fprintf(&b, "; when none of them can take it, rule %q is tried", r.Fallback)
	}
	return b.String() + "."
}

func (r Rule) people(names map[account.UserID]string) string {
	if len(r.Members) == 0 {
		return "everybody in the pool"
	}
	all := make([]string, len(r.Members))
	for i, m := range r.Members {
		name := names[m.User]
		if name == "" {
			name = m.User.String()
		}
		if all[i] = name; r.Method == Weighted || m.Weight == 0 {
			all[i] = fmt.Sprintf("%s (weight %d)", name, m.Weight)
		}
	}
	return strings.Join(all, ", ")
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
