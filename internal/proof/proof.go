// Package proof puts the program's promises to the test: it starts fresh
// instances as processes of their own, loads them, kills them, takes their
// database or their disk away, and compares what they acknowledged with what
// the API says afterwards. It is a client of the program like any other and
// shares with it only the forms of a receipt.
//
// Callers may rely on this: every proof has a control, a deliberate fault that
// it must find, and a proof whose control finds nothing fails; what could not
// be tried on this machine is said to be skipped, never to hold.
package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Engine is where an instance keeps its SQL.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Cluster is a PostgreSQL that a proof may halt and look into.
type Cluster interface {
	URL(database string) string
	Create(ctx context.Context, name, template string) error
	Halt()
	Run() error
	Stop()
	Folder() string
}

// Options says where and how long to prove.
type Options struct {
	Binary   string    // the program under test
	Out      io.Writer // progress, for people
	Engines  []Engine
	Seconds  int    // of load, or of an outage; 0: each proof's own
	Rounds   int    // of kills; 0: 20
	Seed     uint64 // of what is drawn; 0: another each time
	Leads    int    // before a move, 0: 100,000; in reports and lists, 0: 1,000,000
	Rows     int    // of an import; 0: 100,000
	Postgres func() (Cluster, error)
}

// Check is one thing that must hold.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Got  string `json:"got"`
}

// Figure is something that was measured. Aim is what it should be, in words,
// "" when there is none; Met says whether it is.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Aim   string  `json:"aim,omitempty"`
	Met   *bool   `json:"met,omitempty"`
}

// Result is what one proof found.
type Result struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	OK      bool     `json:"ok"`
	Skipped string   `json:"skipped,omitempty"`
	Checks  []Check  `json:"checks"`
	Figures []Figure `json:"figures"`
	Notes   []string `json:"notes,omitempty"`
	Grid    *grid    `json:"grid,omitempty"`
	Seconds float64  `json:"seconds"`
}

// Report is what all of them found.
type Report struct {
	OK     bool     `json:"ok"`
	Proofs []Result `json:"proofs"`
}

type proof struct {
	name, about string
	run         func(ctx context.Context, t *trial) error
}

func proofs() []proof {
	return []proof{
		{"first-lead", "one lead, from a curl to an offer, with its receipt", proveFirstLead},
		{"kill", "kill -9 under load loses and doubles nothing", proveKill},
		{"sql-away", "the door works while the database is away", proveSQLAway},
		{"disk-full", "a full disk is refused at the door, and got over", proveDiskFull},
		{"sealed", "nothing personal stands in clear in any file", proveSealed},
		{"logs", "nothing personal stands in the program's log, which several operators open together, and which is gone after 21 days", proveLogs},
		{"tenants", "an account reaches nothing of another's", proveTenants},
		{"rights", "every route answers every kind of credential as docs/rights.md says, and shows nothing that is not theirs", proveRights},
		{"openings", "no sequence of roles, grants, times and routes gives a text without a right and an entry on the record", proveOpenings},
		{"edge", "scanners find nothing at the doors, and nobody can keep others waiting", proveEdge},
		{"scanners", "sqlmap and wapiti find nothing behind any route, and find the holes of the control", proveScanners},
		{"delete", "a person who was erased, and an account that was ended, are in no file, and a backup from before does not bring them back", proveDelete},
		{"grant", "support reads by a grant alone; revoked while it reads, nothing opens any more, nor with a copy from before", proveGrant},
		{"move", "a grown SQLite goes over to PostgreSQL while leads come in", proveMove},
		{"roles", "three processes of each role: kill any, nothing is lost, one winner per offer", proveRoles},
		{"revoke", "what is revoked is refused on every node within 5 s, also without SQL", proveRevoke},
		{"tamper", "a record that was changed by SQL is found out by two verifiers", proveTamper},
		{"attack", "guessing, spraying, pumping, fixation, foreign pages, false headers: each tried, stopped, and on the record", proveAttack},
		{"reports", "figures of a million leads are what a recount gives, in milliseconds", proveReports},
		{"lists", "a page of leads among a million comes in less than 100 ms by every filter, and is what the figures count", proveLists},
		{"webhooks", "receivers that are down, slow, lying or led inside: no event is lost, and nothing is reached that should not be", proveWebhooks},
		{"import", "a long file comes in once, through kills, in flat memory; history is not offered, and captured leads do not wait behind a live one", proveImport},
		{"rotate", "every key is rotated under load, and whoever does it is killed: no request fails, no lead is lost", proveRotate},
		{"flood", "attackers at the doors do not keep others waiting", proveFlood},
		{"firewall", "a flood of attacks from one source is taken and held, and another source's leads are offered as fast as before", proveFirewall},
		{"desk", "from a lead's POST to its offer on the screen, at a thousand leads a second", proveDesk},
		{"uploads", "files that are made to do harm, too large, too slow and too many: each has its answer, and what is kept is harmless", proveUploads},
		{"bench", "how much the door and the offers cost", proveBench},
	}
}

// Names lists the proofs in the order in which all of them run.
func Names() []string {
	var out []string
	for _, p := range proofs() {
		out = append(out, p.name)
	}
	return out
}

// Known reports whether name is a proof, or "all".
func Known(name string) bool {
	for _, n := range Names() {
		if n == name {
			return true
		}
	}
	return name == "all"
}

// Prove runs the named proofs one after the other, or all of them. The error
// says that ctx ended; what fails is in the report.
func Prove(ctx context.Context, name string, o Options) (Report, error) {
	report := Report{OK: true}
	for _, p := range proofs() {
		if name != "all" && name != p.name {
			continue
		}
		res := prove(ctx, p, o)
		report.Proofs = append(report.Proofs, res)
		report.OK = report.OK && res.OK
		if ctx.Err() != nil {
			report.OK = false
			return report, ctx.Err()
		}
	}
	return report, nil
}

// errSkipped ends a proof that this machine cannot carry out.
type errSkipped struct{ why string }

func (e errSkipped) Error() string { return e.why }

func prove(ctx context.Context, p proof, o Options) Result {
	t := &trial{Options: o, began: time.Now(), res: &Result{Name: p.name, About: p.about, Checks: []Check{}, Figures: []Figure{}}}
	t.say("%s", p.about)
	err := t.setUp()
	if err == nil {
		err = p.run(ctx, t)
	}
	t.tearDown()
	var skipped errSkipped
	switch {
	case errors.As(err, &skipped):
		t.res.Skipped = skipped.why
	case err != nil:
		t.check("ran to its end", false, "%v", err)
	}
	t.res.OK = true
	for _, c := range t.res.Checks {
		t.res.OK = t.res.OK && c.OK
	}
	t.res.Seconds = time.Since(t.began).Seconds()
	return *t.res
}

// trial is one proof on its way: what it has started and what it has found.
type trial struct {
	Options
	res     *Result
	began   time.Time
	dir     string // all that its instances write, but for PostgreSQL's files
	cleanUp []func()
	count   int // of instances
}

func (t *trial) setUp() (err error) {
	t.dir, err = os.MkdirTemp("", "catchment-prove-")
	return err
}

// tearDown stops all that was started, the last one first, and removes it.
func (t *trial) tearDown() {
	for i := len(t.cleanUp) - 1; i >= 0; i-- {
		t.cleanUp[i]()
	}
	t.cleanUp = nil
	_ = os.RemoveAll(t.dir)
}

func (t *trial) later(f func()) { t.cleanUp = append(t.cleanUp, f) }

// say tells whoever watches how far it is.
func (t *trial) say(format string, args ...any) {
	fmt.Fprintf(t.Out, "%7.1fs  %-10s  %s\n", time.Since(t.began).Seconds(), t.res.Name, fmt.Sprintf(format, args...))
}

// check records what must hold, and says so when it does not.
func (t *trial) check(name string, ok bool, format string, args ...any) {
	got := fmt.Sprintf(format, args...)
	t.res.Checks = append(t.res.Checks, Check{name, ok, got})
	word := "ok  "
	if !ok {
		word = "FAIL"
	}
	t.say("%s %s: %s", word, name, got)
}

func (t *trial) figure(name string, value float64, unit string) {
	t.res.Figures = append(t.res.Figures, Figure{Name: name, Value: value, Unit: unit})
	t.say("     %s: %s %s", name, number(value), unit)
}

// aim records a figure with what it should be. An aim that is missed on a busy
// machine is no broken promise, so it is shown and does not fail the proof.
func (t *trial) aim(name string, value float64, unit, aim string, met bool) {
	t.res.Figures = append(t.res.Figures, Figure{name, value, unit, aim, &met})
	word := "met"
	if !met {
		word = "MISSED"
	}
	t.say("     %s: %s %s (aim %s: %s)", name, number(value), unit, aim, word)
}

func (t *trial) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	t.res.Notes = append(t.res.Notes, s)
	t.say("     %s", s)
}

// seconds is how long something lasts that the caller may have set.
func (t *trial) seconds(usual int) time.Duration {
	if t.Seconds > 0 {
		usual = t.Seconds
	}
	return time.Duration(usual) * time.Second
}

// on runs f once for each engine that is asked for.
func (t *trial) on(ctx context.Context, f func(ctx context.Context, e Engine) error) error {
	for _, e := range t.Engines {
		if err := f(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	return nil
}

// counted is how many there are, with the first of them.
func counted(ids []string) string {
	if len(ids) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", len(ids), some(ids))
}

func some(ids []string) string {
	if len(ids) > 3 {
		return strings.Join(ids[:3], " ") + " …"
	}
	return strings.Join(ids, " ")
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
