package insight

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/setup"
)

// KindSilence is the job of an account that looks whether its sources still
// bring what they usually do. Its key is SilenceKey.
const (
	KindSilence jobs.Kind = "silence"
	SilenceKey  string    = "sources"
)

const (
	watchActor = "system:insight"
	lookAgain  = 2 * time.Minute  // after the look that found a source silent
	lookBy     = 10 * time.Minute // later than that it is a first look again
	lookOften  = time.Minute      // at most
	lookSeldom = time.Hour        // at least
	lagging    = time.Minute      // events that were not counted for so long hide what came
)

// WatcherOptions are a Watcher's parts. Log and Now may be left out.
type WatcherOptions struct {
	DB     *store.DB
	Jobs   *jobs.List
	Events *events.Log
	Log    *slog.Logger
	Now    func() time.Time // time.Now, but in tests
}

// Watcher notices sources that bring no enquiries any more. A silence is an
// alarm; it takes two looks, two minutes apart, so that our own standstill is
// nobody else's silence. The enquiry that ends one does so in the transaction
// that counts it.
type Watcher struct{ o WatcherOptions }

// NewWatcher returns a Watcher that works through jobs.
func NewWatcher(o WatcherOptions) *Watcher {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Watcher{o}
}

// Register names the handler.
func (w *Watcher) Register(r *jobs.Runner) { r.Handle(KindSilence, w.look) }

// Wanted asks for a look, after the transaction: when a source or how it is
// watched has changed, and when the program starts.
func (w *Watcher) Wanted(tx *store.Tx) error {
	return w.o.Jobs.Add(tx, KindSilence, SilenceKey, w.now())
}

func (w *Watcher) now() time.Time { return store.Clock(w.o.Now()) }

// Health is how a source does.
type Health struct {
	Source  setup.Source
	Watch   counts.Watch
	Rhythm  Rhythm
	LastAt  time.Time       // its last enquiry, to the half hour where nothing better is known; zero: none
	DueAt   time.Time       // when it will have been silent for too long; zero: nobody can tell
	Silence *counts.Silence // that goes on
	Day     int64           // enquiries of the last 24 hours
	watched bool            // it takes leads, and its project is sold
	steps   map[time.Time]int64
	step    time.Time // the half hour of the look
}

// State says in a word how it does: off (not watched), learning, well, silent.
func (h Health) State() string {
	switch {
	case h.Silence != nil:
		return "silent"
	case !h.watched || h.Watch.Mode == counts.WatchOff:
		return "off"
	case h.Watch.Mode == counts.WatchLearned && !h.Rhythm.Known:
		return "learning"
	}
	return "well"
}

// Hour is what came in one hour.
type Hour struct {
	At    time.Time
	N     int64
	Usual float64 // 0 while the rhythm is not known
}

// Hours lists the last week's, the present one last. Usual counts quiet hours, too.
func (h Health) Hours() []Hour {
	out := make([]Hour, weekHours)
	now := h.step.In(h.Rhythm.zone)
	top := h.step.Add(-time.Duration(now.Minute()) * time.Minute) // the zone's hour
	for i := range out {
		at := top.Add(time.Duration(i-weekHours+1) * time.Hour)
		out[i] = Hour{At: at, N: h.between(at, at.Add(time.Hour))}
		if h.Rhythm.Known {
			out[i].Usual = h.Rhythm.Usual(at)
		}
	}
	return out
}

// UsualDay is how many enquiries usually come in the 24 hours that end now.
func (h Health) UsualDay() (n float64) {
	for _, x := range h.Hours()[weekHours-24:] {
		n += x.Usual
	}
	return n
}

func (h Health) between(from, to time.Time) (n int64) {
	for at := from.Truncate(counts.Step); at.Before(to); at = at.Add(counts.Step) {
		n += h.steps[at]
	}
	return n
}

// Healths tells how every source does, the newest first.
func (w *Watcher) Healths(tx *store.Tx, now time.Time) ([]Health, error) {
	all, err := setup.Sources(tx)
	if err != nil {
		return nil, err
	}
	return w.survey(tx, all, now)
}

// HealthOf tells how one source does; store.ErrNone when there is none.
func (w *Watcher) HealthOf(tx *store.Tx, id account.SourceID, now time.Time) (Health, error) {
	s, err := setup.GetSource(tx, id)
	if err != nil {
		return Health{}, err
	}
	list, err := w.survey(tx, []setup.Source{s}, now)
	if err != nil {
		return Health{}, err
	}
	return list[0], nil
}

// survey reads what is known of the sources.
func (w *Watcher) survey(tx *store.Tx, all []setup.Source, now time.Time) ([]Health, error) {
	projects, err := setup.Projects(tx)
	if err != nil {
		return nil, err
	}
	watches, err := counts.Watches(tx)
	if err != nil {
		return nil, err
	}
	open, err := counts.OpenSilences(tx)
	if err != nil {
		return nil, err
	}
	step := now.UTC().Truncate(counts.Step)
	steps, err := counts.SourceSteps(tx, step.Add(-learnFrom), step.Add(counts.Step))
	if err != nil {
		return nil, err
	}
	out := make([]Health, len(all))
	for i, s := range all {
		h := Health{Source: s, Watch: counts.DefaultWatch(s.ID), steps: steps[s.ID], step: step}
		if kept, ok := watches[s.ID]; ok {
			h.Watch = kept
		}
		if x, ok := open[s.ID]; ok {
			h.Silence = &x
		}
		zone := time.UTC
		for _, p := range projects {
			if p.ID == s.Project {
				zone, h.watched = zoneOf(p.TimeZone), s.Active && p.Active
			}
		}
		if err := h.learn(tx, zone, now); err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC // as routing does
	}
	return zone
}

// learn fills in rhythm, last enquiry and when that is too long ago.
func (h *Health) learn(tx *store.Tx, zone *time.Location, now time.Time) (err error) {
	h.LastAt = h.Watch.SeenAt
	if h.LastAt.IsZero() {
		if h.LastAt, err = counts.LastLead(tx, h.Source.ID); err != nil {
			return err
		}
	}
	for at := range h.steps {
		h.LastAt = later(h.LastAt, at)
	}
	silences, err := counts.SilencesSince(tx, h.Source.ID, now.Add(-learnFrom))
	if err != nil {
		return err
	}
	var out []span
	for _, s := range silences {
		end := s.EndedAt
		if end.IsZero() {
			end = now
		}
		out = append(out, span{s.BeganAt, end})
	}
	from := later(h.step.Add(-learnFrom), h.Source.CreatedAt.UTC().Truncate(counts.Step).Add(counts.Step))
	h.Rhythm = learn(h.steps, from, h.step, zone, h.Watch.Quiet, out)
	h.Day = h.between(h.step.Add(counts.Step-24*time.Hour), h.step.Add(counts.Step))
	if h.watched && !h.LastAt.IsZero() {
		h.DueAt = h.Rhythm.due(h.Watch, h.LastAt)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// look is the job.
func (w *Watcher) look(ctx context.Context, j jobs.Job) error {
	now := w.now()
	var all []Health
	var behind bool
	err := w.o.DB.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
		if behind, err = lags(tx, now); err != nil || behind {
			return err
		}
		all, err = w.Healths(tx, now)
		return err
	})
	if err != nil {
		return err
	}
	return w.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if behind {
			return j.Later(tx, now.Add(lookOften))
		}
		next := now.Add(lookSeldom)
		for _, h := range all {
			at, err := w.judge(tx, h, now)
			if err != nil {
				return err
			}
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if len(all) == 0 {
			return j.Done(tx) // the first source asks again
		}
		return j.Later(tx, later(next, now.Add(lookOften)))
	})
}

// lags reports whether there are events that should have been counted by now.
func lags(tx *store.Tx, now time.Time) (bool, error) {
	whole, err := counts.Whole(tx, Follower)
	if err != nil || !whole {
		return !whole, err
	}
	from, err := events.Cursor(tx, Follower)
	if err != nil {
		return false, err
	}
	old := func(e events.Event) bool { return now.Sub(e.At) > lagging }
	next, _, _, err := events.Read(tx, from, 1)
	if err != nil || slices.ContainsFunc(next, func(e events.Positioned) bool { return old(e.Event) }) {
		return err == nil, err
	}
	waiting, err := events.Pending(tx)
	return slices.ContainsFunc(waiting, old), err
}

// judge does what a look at one source asks for, and says when it is to be
// looked at again; zero: whenever.
func (w *Watcher) judge(tx *store.Tx, h Health, now time.Time) (again time.Time, err error) {
	if h.Silence != nil {
		if h.watched && h.Watch.Mode != counts.WatchOff && !h.LastAt.After(h.Silence.BeganAt) {
			return again, nil
		}
		return again, w.end(tx, h.Source.ID, now)
	}
	switch {
	case h.DueAt.IsZero():
		return again, nil
	case now.Before(h.DueAt):
		return h.DueAt, nil
	case isQuiet(h.Watch.Quiet, h.Rhythm.zone, now):
		return now.Add(walk), nil
	}
	if h.Watch.SeenAt.IsZero() { // there may be no row to doubt in
		if err := counts.Saw(tx, map[account.SourceID]time.Time{h.Source.ID: h.LastAt}); err != nil {
			return again, err
		}
		h.Watch.SeenAt = h.LastAt
	}
	doubted := now.Sub(h.Watch.DoubtAt)
	switch sure := !h.Watch.DoubtAt.IsZero() && doubted <= lookBy; {
	case !sure:
		_, err := counts.Doubt(tx, h.Watch, now)
		return now.Add(lookAgain), err
	case doubted < lookAgain:
		return h.Watch.DoubtAt.Add(lookAgain), nil
	}
	if ok, err := counts.Doubt(tx, h.Watch, time.Time{}); err != nil || !ok {
		return now, err // it was seen meanwhile
	}
	return again, w.raise(tx, h, now)
}

func (w *Watcher) raise(tx *store.Tx, h Health, now time.Time) error {
	ok, err := counts.AddSilence(tx, counts.Silence{Source: h.Source.ID, RaisedAt: now, BeganAt: h.LastAt})
	if err != nil || !ok {
		return err
	}
	a := alarm.Alarm{About: h.Source.ID.String(), Project: h.Source.Project, Source: h.Source.ID,
		Detail: map[string]any{"source": h.Source.Name, "since": h.LastAt}}
	if err := w.bell().Raise(tx, alarm.Silent, a, now); err != nil {
		return err
	}
	return audit.Write(tx, now, audit.Entry{Actor: watchActor, Action: "source.silent", About: h.Source.ID.String(), Detail: map[string]any{"since": h.LastAt}})
}

func (w *Watcher) end(tx *store.Tx, source account.SourceID, now time.Time) error {
	if ok, err := counts.EndSilence(tx, source, now); err != nil || !ok {
		return err
	}
	return w.bell().End(tx, alarm.Silent, source.String(), now)
}

func (w *Watcher) bell() alarm.Bell { return alarm.Bell{Events: w.o.Events, Jobs: w.o.Jobs} }

// heard notes what sources brought, and ends their silences. It runs in the
// transaction that counts it.
func (w *Watcher) heard(tx *store.Tx, at map[account.SourceID]time.Time) error {
	if len(at) == 0 {
		return nil
	}
	if err := counts.Saw(tx, at); err != nil {
		return err
	}
	open, err := counts.OpenSilences(tx)
	for id, s := range open {
		if err == nil && at[id].After(s.BeganAt) {
			err = w.end(tx, id, w.now())
		}
	}
	return err
}

// maxQuiet is plenty: three stretches a day.
const maxQuiet = 21

// SetWatch has a source watched otherwise. 404: no such source; 422 says what
// is wrong.
func (w *Watcher) SetWatch(tx *store.Tx, to counts.Watch, actor string, now time.Time) error {
	if _, err := setup.GetSource(tx, to.Source); err != nil {
		if errors.Is(err, store.ErrNone) {
			return problem.NotFound()
		}
		return err
	}
	if err := checkWatch(to); err != nil {
		return err
	}
	if err := counts.SetWatch(tx, to); err != nil {
		return err
	}
	w.o.Events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, Source: to.Source, Data: map[string]any{"what": "watch", "id": to.Source.String()}})
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "source.watch", About: to.Source.String(),
		Detail: map[string]any{"mode": to.Mode, "minutes": to.Minutes, "patience": to.Patience, "quiet": len(to.Quiet)}}); err != nil {
		return err
	}
	return w.Wanted(tx)
}

func checkWatch(to counts.Watch) error {
	var faults []problem.Field
	fault := func(field, code, detail string) {
		faults = append(faults, problem.Field{Field: field, Code: code, Detail: detail})
	}
	if !slices.Contains([]counts.WatchMode{counts.WatchLearned, counts.WatchMinutes, counts.WatchOff}, to.Mode) {
		fault("mode", "unknown_mode", "Give learned, minutes or off.")
	}
	if to.Minutes < 5 || to.Minutes > 28*1440 {
		fault("minutes", "out_of_range", "Give 5 to 40320.")
	}
	if to.Patience < 25 || to.Patience > 1000 {
		fault("patience", "out_of_range", "Give 25 to 1000.")
	}
	if len(to.Quiet) > maxQuiet {
		fault("quiet", "too_many", "Give at most 21 stretches a week.")
	}
	for _, q := range to.Quiet {
		if q.Weekday < 0 || q.Weekday > 6 || q.Start < 0 || q.End > 1440 || q.Start >= q.End {
			fault("quiet", "out_of_range", "Give weekday 0 (Sunday) to 6, start_minute 0 to 1439 and a later end_minute up to 1440.")
			break
		}
	}
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return nil
}
