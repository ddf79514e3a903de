// Package propertytest carries the figures of a property test from `go test`
// to the table of `make properties`: what was checked, how often, on what, and
// whether its controls (the same checks of a sabotaged system) noticed.
package propertytest

import (
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The properties that the table must have, on both engines and each with a
// control. Their order is the table's.
const (
	OneWinner   = "one winner"
	NobodyWaits = "nothing waits while somebody eligible is free"
	InShift     = "no offer outside a shift"
	Replayed    = "a replayed decision equals the saved one"
	Redelivered = "journal redelivered anyhow gives the same leads"

	Shares   = "shares are within 2 % of the weights, people coming and going"
	Neutral  = "absence is neutral: nobody gets far ahead or behind"
	Capacity = "capacity is never exceeded"
	Sticky   = "the sticky owner comes first"
	Fallback = "a chain of fallbacks ends with the first who can"
	Oldest   = "a backlog drains oldest first"
	Starving = "no lead starves"
)

// Properties lists them.
func Properties() []string {
	return []string{OneWinner, NobodyWaits, InShift, Replayed, Redelivered, Shares, Neutral, Capacity, Sticky, Fallback, Oldest, Starving}
}

// Those of `make policies`, on both engines and each with a control.
const (
	Replays   = "saved decisions replay to the same answers"
	Unchanged = "the back-test of the published policy changes nothing"
	Recounted = "the back-test of a changed policy is what the slow recount gives"
)

// Policies lists them.
func Policies() []string { return []string{Replays, Unchanged, Recounted} }

// Mark begins a line of test output that has a Row's JSON behind it.
const Mark = "PROPERTY "

// Row is a line of the table.
type Row struct {
	Property string `json:"property"`
	Engine   string `json:"engine"`            // sqlite, postgres; pure: no database
	Control  string `json:"control,omitempty"` // the sabotage; empty: the system as it is
	Cases    int    `json:"cases"`
	Checked  string `json:"checked"` // what, with numbers
	Good     bool   `json:"good"`    // it held; of a control: it was noticed
	Millis   int64  `json:"ms"`
}

// Tally counts what a test looked at. It is safe for concurrent use.
type Tally struct {
	Note string // stands before the counts: which way of several was checked

	mu    sync.Mutex
	began time.Time
	cases int
	names []string
	n     map[string]int
}

// NewTally begins to count, and the time.
func NewTally() *Tally { return &Tally{began: time.Now(), n: map[string]int{}} }

// Case counts a case. It and Add do nothing to no Tally.
func (c *Tally) Case() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cases++
}

// Cases is how many cases were counted.
func (c *Tally) Cases() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cases
}

// Add counts n of what.
func (c *Tally) Add(what string, n int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.n[what]; !ok {
		c.names = append(c.names, what)
	}
	c.n[what] += n
}

// Of is how many of what were counted.
func (c *Tally) Of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

// AtLeast fails the test when fewer than n of what were counted a hundred
// cases: it then passed because it looked at nothing. In a few cases chance
// rules, and it says nothing.
func (c *Tally) AtLeast(t testing.TB, what string, n int) {
	t.Helper()
	c.mu.Lock()
	got, cases := c.n[what], c.cases
	c.mu.Unlock()
	if cases >= 100 && got*100 < n*cases {
		t.Errorf("vacuous: %d %s in %d cases, want %d a hundred", got, what, cases, n)
	}
}

// checked writes the counts of these in words; all when none are named.
func (c *Tally) checked(what []string) string {
	if len(what) == 0 {
		what = c.names
	}
	parts := make([]string, len(what))
	for i, w := range what {
		parts[i] = fmt.Sprintf("%d %s", c.n[w], w)
	}
	text := strings.Join(parts, ", ")
	if c.Note != "" {
		text = c.Note + ": " + text
	}
	return text
}

// Report prints the row of a property that held (good) or did not.
func (c *Tally) Report(t testing.TB, property, engine string, good bool, what ...string) {
	t.Helper()
	c.report(t, Row{Property: property, Engine: engine, Good: good}, what)
}

// Control prints the row of a control, and fails the test when a case of the
// sabotage went unnoticed or when none was tried: noticed and sabotaged are
// numbers of cases.
func (c *Tally) Control(t testing.TB, property, engine, sabotage string, noticed, sabotaged int) {
	t.Helper()
	good := sabotaged > 0 && noticed == sabotaged
	if !good {
		t.Errorf("%s: %s: noticed in %d of %d sabotaged cases", property, sabotage, noticed, sabotaged)
	}
	c.Add("noticed", noticed)
	c.Add("sabotaged", sabotaged)
	c.report(t, Row{Property: property, Engine: engine, Control: sabotage, Good: good}, []string{"noticed", "sabotaged"})
}

func (c *Tally) report(t testing.TB, r Row, what []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Cases, r.Checked, r.Millis = c.cases, c.checked(what), time.Since(c.began).Milliseconds()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s%s", Mark, b)
}

// Checks has rapid check few cases, or, when the command line says how many
// (-rapid.checks), a share of that: times as many, in percent.
func Checks(t testing.TB, few, times int) int {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	n, given := few, false
	flag.Visit(func(set *flag.Flag) { given = given || set == f })
	if given {
		asked, err := strconv.Atoi(was)
		if err != nil {
			t.Fatal(err)
		}
		n = max(asked*times/100, 1)
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
	return n
}

// Watch stands between a check and its test and remembers which properties
// were violated: a violation's text begins with the property's name. With no
// test behind it (T nil) it only remembers: so a control looks at a sabotaged
// system. It is safe for concurrent use.
type Watch struct {
	T interface {
		Helper()
		Errorf(format string, args ...any)
		Fatalf(format string, args ...any)
	}
	mu   sync.Mutex
	seen map[string]string // property → its first violation
}

// Helper does what testing.T's does.
func (w *Watch) Helper() {
	if w.T != nil {
		w.T.Helper()
	}
}

// Errorf takes a violation.
func (w *Watch) Errorf(format string, args ...any) {
	w.Helper()
	text := fmt.Sprintf(format, args...)
	property, _, _ := strings.Cut(text, ":")
	w.mu.Lock()
	defer w.mu.Unlock() // rapid's T is for one goroutine at a time
	if w.seen == nil {
		w.seen = map[string]string{}
	}
	if _, ok := w.seen[property]; !ok {
		w.seen[property] = text
	}
	if w.T != nil {
		w.T.Errorf("%s", text)
	}
}

// Fatalf takes an error that is no violation.
func (w *Watch) Fatalf(format string, args ...any) {
	w.Helper()
	if w.T == nil {
		panic("propertytest: " + fmt.Sprintf(format, args...))
	}
	w.T.Fatalf(format, args...)
}

// Violated reports whether the property was.
func (w *Watch) Violated(property string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[property] != ""
}
