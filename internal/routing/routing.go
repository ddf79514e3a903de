// Package routing decides who gets a lead and who is next, and it alone
// resolves offers. A lead is offered to one person of its project's pool at a
// time, in rotation by the oldest last offer; whoever accepts first owns it,
// and nobody else can. Silence or a decline has it offered to the next one;
// when nobody is left it stands in the pool's named queue, with an alarm,
// until somebody comes back.
//
// Deciding is a pure function (Decide). Doing is jobs: "route" (key: project)
// loads, decides and saves rounds; "expire" (key: round) ends offers;
// "alarm" (key: project) watches how long leads wait; "withdraw" (key: lead)
// takes out one that was closed; "clocks" (key: project) and "attempted" (key:
// lead) keep the service-level clocks of the policy. Each works in one
// transaction a round, and may run twice; "backtest" (key: its id) tries a
// policy on the saved rounds. Whatever frees a person or a lead adds "route" in its own
// transaction, so nothing waits while somebody eligible is free.
package routing

import (
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// The kinds of routing's jobs.
const (
	KindRoute    jobs.Kind = "route"    // key: the project's id
	KindExpire   jobs.Kind = "expire"   // key: the round's id
	KindAlarm    jobs.Kind = "alarm"    // key: the project's id
	KindWithdraw jobs.Kind = "withdraw" // key: the lead's id; whoever closes a lead adds it
	KindBacktest jobs.Kind = "backtest" // key: the back-test's id
)

// notify's jobs: the pushes of a round (key: its id), and of an alarm (key: its
// id, or the project's of a queue). Stages meet in jobs, so the names stand in both.
const (
	kindNotify      jobs.Kind = "notify"
	kindNotifyAlarm jobs.Kind = "notify-alarm"
)

// Router offers leads. It is safe for concurrent use, and several may work on
// one database.
type Router struct {
	db     *store.DB
	jobs   *jobs.List
	events *events.Log
	log    *slog.Logger
	now    func() time.Time
	decide func(Round) Outcome // Decide; controls of tests put a worse one

	zones sync.Map // name → *time.Location
	hours hoursCache

	policies sync.Map // account.PolicyID → *compiled; a version is never changed

	testPage int    // rounds that a back-test reads at a time
	testStep func() // after each page; tests look in
}

// Options are a Router's parts; Log and Now may be left out.
type Options struct {
	DB     *store.DB
	Jobs   *jobs.List
	Events *events.Log
	Log    *slog.Logger
	Now    func() time.Time // time.Now, but in tests
}

// New returns a Router that does nothing until its jobs run.
func New(o Options) *Router {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Router{db: o.DB, jobs: o.Jobs, events: o.Events, log: o.Log, now: o.Now, decide: Decide, testPage: testPage}
}

// Register names routing's handlers to the runner.
func (r *Router) Register(run *jobs.Runner) {
	run.Handle(KindRoute, r.route)
	run.Handle(KindExpire, r.expire)
	run.Handle(KindAlarm, r.alarm)
	run.Handle(KindWithdraw, r.withdraw)
	run.Handle(KindBacktest, r.runBacktest)
	run.Handle(KindClocks, r.clocks)
	run.Handle(KindReturn, r.returned)
	run.Handle(KindAttempted, r.attempted)
	run.Handle(KindHandOver, r.handOverMore)
}

// Wanted asks for a round of the project, after the transaction: intake when
// leads came in, and everything that frees somebody.
func (r *Router) Wanted(tx *store.Tx, p account.ProjectID, now time.Time) error {
	return r.jobs.Add(tx, KindRoute, p.String(), now)
}

// clock is the router's, as a column keeps it.
func (r *Router) clock() time.Time { return store.Clock(r.now()) }

func parseProject(key string) (account.ProjectID, error) { return account.ParseProjectID(key) }

func parseRound(key string) (id lead.RoundID, err error) {
	err = id.UnmarshalText([]byte(key))
	return id, err
}

// zone gives the location of a name; UTC when it is unknown here.
func (r *Router) zone(name string) *time.Location {
	if z, ok := r.zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		r.log.Warn("routing: a member's time zone is unknown, using UTC", "zone", name)
		z = time.UTC
	}
	r.zones.Store(name, z)
	return z
}
