package firewall

import (
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
)

// What an operator is told of without asking. The rules are of one process and
// in its memory: what it has seen since its start.
const (
	burstSpan  = 5 * time.Minute
	burstLeast = 50 // hits at one door within the span
	burstTimes = 5  // as many as is usual there: the mean of the hour before
	usualSpan  = time.Hour

	aimLeast = 30 // hits at one account within burstSpan
	aimShare = 5  // and all others together have less than a fifth of them

	learning = time.Hour        // rules that speak in a process' first hour are known
	calm     = 15 * time.Minute // without cause, and an alarm is over
	keepOver = 24 * time.Hour   // what is over is listed
)

// What is remembered is bounded, whatever is sent.
const (
	mostSamples  = 20
	mostAccounts = 1000 // of a minute
	mostAlarms   = 200
)

// Door is where rules spoke.
type Door string

// The doors.
const (
	AtCapture Door = "capture"
	AtOthers  Door = "other"
)

// AlarmKind says what is unusual.
type AlarmKind string

// The kinds.
const (
	Burst      AlarmKind = "burst"       // far more hits at a door than usual
	NewRule    AlarmKind = "new_rule"    // a rule spoke that had not before
	OneAccount AlarmKind = "one_account" // attacks are aimed at one account
)

// Alarm is what an operator should look at. It ends by itself.
type Alarm struct {
	Kind     AlarmKind
	Door     Door
	Rule     int        // of NewRule
	Account  account.ID // of OneAccount
	Hits     int        // since it was raised
	RaisedAt time.Time
	AgainAt  time.Time // when there was cause last
	EndedAt  time.Time // zero: it is still so
}

// Sample is a hit, without anything of what was sent and by whom.
type Sample struct {
	At        time.Time
	Door      Door
	Rules     []int
	Account   account.ID // zero at the other doors
	Reference string     // of the request in the log, "" at the capture door
}

// Lookout counts hits and notices what is unusual. It is safe for concurrent
// use; nil notices nothing.
type Lookout struct {
	now    func() time.Time
	raised func(Alarm)

	mu      sync.Mutex
	began   time.Time
	known   map[int]bool
	minutes map[int64]*minute
	alarms  map[about]*Alarm
	samples []Sample // newest last
}

type about struct {
	kind    AlarmKind
	door    Door
	rule    int
	account account.ID
}

// minute is what happened within one.
type minute struct {
	doors    map[Door]int
	accounts map[account.ID]int
}

// NewLookout tells raised of each alarm, once.
func NewLookout(now func() time.Time, raised func(Alarm)) *Lookout {
	return &Lookout{now: now, raised: raised, began: now(), known: map[int]bool{}, minutes: map[int64]*minute{}, alarms: map[about]*Alarm{}}
}

// hit notes that rules spoke.
func (l *Lookout) hit(s Sample) {
	s.Rules = slices.DeleteFunc(slices.Clone(s.Rules), func(id int) bool { return id < 1000 }) // no rules, see TooLarge
	if l == nil || len(s.Rules) == 0 {
		return
	}
	l.mu.Lock()
	s.At = l.now()
	l.samples = append(l.samples, s)
	l.samples = l.samples[max(0, len(l.samples)-mostSamples):]
	l.count(s)
	l.settle(s.At)
	var fresh []Alarm
	for _, a := range l.causes(s) {
		if l.raise(a, s.At) {
			fresh = append(fresh, *l.alarms[a])
		}
	}
	l.mu.Unlock()
	for _, a := range fresh {
		l.raised(a)
	}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (l *Lookout) count(s Sample) {
	at := minuteOf(s.At)
	m := l.minutes[at]
	if m == nil {
		m = &minute{map[Door]int{}, map[account.ID]int{}}
		l.minutes[at] = m
		for old := range l.minutes {
			if old < at-minutesIn(usualSpan+burstSpan) {
				delete(l.minutes, old)
			}
		}
	}
	m.doors[s.Door]++
	if _, ok := m.accounts[s.Account]; s.Door == AtCapture && (ok || len(m.accounts) < mostAccounts) {
		m.accounts[s.Account]++
	}
}

func minutesIn(d time.Duration) int64 { return int64(d / time.Minute) }

// causes are what this hit gives cause for.
func (l *Lookout) causes(s Sample) (out []about) {
	now := minuteOf(s.At)
	lately, before, here, all := 0, 0, 0, 0
	for at, m := range l.minutes {
		if at > now-minutesIn(burstSpan) {
			lately += m.doors[s.Door]
			here += m.accounts[s.Account]
			all += m.doors[AtCapture]
		} else {
			before += m.doors[s.Door]
		}
	}
	usual := before / int(usualSpan/burstSpan)
	if lately >= burstLeast && lately >= burstTimes*usual {
		out = append(out, about{kind: Burst, door: s.Door})
	}
	if s.Door == AtCapture && here >= aimLeast && (all-here)*aimShare < all {
		out = append(out, about{kind: OneAccount, door: s.Door, account: s.Account})
	}
	for _, id := range s.Rules {
		a := about{kind: NewRule, door: s.Door, rule: id}
		if !l.known[id] && s.At.Sub(l.began) >= learning || l.alarms[a] != nil && l.alarms[a].EndedAt.IsZero() {
			out = append(out, a)
		}
		l.known[id] = true
	}
	return out
}

// raise reports whether the alarm is a new one.
func (l *Lookout) raise(a about, now time.Time) bool {
	if x := l.alarms[a]; x != nil && x.EndedAt.IsZero() {
		x.AgainAt = now
		x.Hits++
		return false
	}
	if len(l.alarms) >= mostAlarms {
		return false
	}
	l.alarms[a] = &Alarm{Kind: a.kind, Door: a.door, Rule: a.rule, Account: a.account, Hits: 1, RaisedAt: now, AgainAt: now}
	return true
}

// settle ends what had no cause for a while, and forgets what is long over.
func (l *Lookout) settle(now time.Time) {
	for k, a := range l.alarms {
		if end := a.AgainAt.Add(calm); a.EndedAt.IsZero() && !now.Before(end) {
			a.EndedAt = end
		}
		if !a.EndedAt.IsZero() && now.Sub(a.EndedAt) >= keepOver {
			delete(l.alarms, k)
		}
	}
}

// Alarms are those that stand and those of the last day, newest first, and the
// last hits, newest first.
func (l *Lookout) Alarms() (alarms []Alarm, last []Sample) {
	if l == nil {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(l.now())
	for _, a := range l.alarms {
		alarms = append(alarms, *a)
	}
	slices.SortFunc(alarms, func(a, b Alarm) int {
		if c := b.RaisedAt.Compare(a.RaisedAt); c != 0 {
			return c
		}
		return a.Rule - b.Rule
	})
	last = slices.Clone(l.samples)
	slices.Reverse(last)
	return alarms, last
}
