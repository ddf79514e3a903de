package insight_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/insight"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/setup"
)

// age makes the sources older, so that there is time to learn of.
var age = store.Register("insight_test.age", `UPDATE source SET created_at = created_at - $2 WHERE account_id = $1`)

// brings gives the first source four enquiries each half hour of the last four
// weeks, and one of a moment ago over the whole course.
func (f *firm) brings() {
	f.arrive(0, "+44 20 7946 0001", false)
	f.write(func(tx *store.Tx) error {
		_, err := tx.Exec(age, (60 * 24 * time.Hour).Microseconds())
		f.ok(err)
		c := counts.Counts{}
		for at := time.Now().Add(-28 * 24 * time.Hour); at.Before(time.Now().Add(-time.Hour)); at = at.Add(counts.Step) {
			c.Add(at, f.project, f.sources[0], counts.Enquiries, 4)
		}
		return counts.Save(tx, c)
	})
	f.place()
	f.ok(f.insight.Catch(context.Background()))
}

// counted has all that happened counted, after what is due was done.
func (f *firm) counted() {
	f.Helper()
	f.settle()
	f.place()
	f.ok(f.insight.Catch(context.Background()))
}

func (f *firm) looks() {
	f.Helper()
	f.counted()
	f.write(func(tx *store.Tx) error { return f.watcher.Wanted(tx) })
	f.settle()
}

func (f *firm) health(source int) (h insight.Health) {
	f.Helper()
	f.read(func(tx *store.Tx) (err error) {
		h, err = f.watcher.HealthOf(tx, f.sources[source], f.now())
		return err
	})
	return h
}

func (f *firm) alarms(cleared bool) (out []alarm.Alarm) {
	f.Helper()
	f.read(func(tx *store.Tx) (err error) {
		out, err = alarm.Page(tx, cleared, time.Time{}, lead.AlarmID{}, 10)
		return err
	})
	return out
}

// A source that brings eight an hour is silent after a while; one look is not
// enough, nor is a look while events wait to be counted; the next enquiry ends
// it, and a manager's look takes it off the list.
func TestASourceFallsSilent(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.brings()
		f.looks()
		h := f.health(0)
		if h.State() != "well" || h.LastAt.IsZero() || h.DueAt.IsZero() || h.DueAt.Sub(h.LastAt) > 2*time.Hour {
			t.Fatalf("%s, last %s, due %s", h.State(), h.LastAt, h.DueAt)
		}
		if other := f.health(1); other.State() != "learning" {
			t.Errorf("the one that brought nothing: %s", other.State())
		}
		f.ahead = time.Until(h.DueAt) + time.Hour // what is learned meanwhile puts it off a little
		f.looks()
		if got := f.alarms(false); len(got) != 0 {
			t.Fatalf("after one look: %v", got)
		}
		f.ahead += 2*time.Minute + time.Second
		f.counted()
		f.looks()
		got := f.alarms(false)
		if len(got) != 1 || got[0].Source != f.sources[0] || f.health(0).Silence == nil || !f.health(0).Silence.BeganAt.Equal(h.LastAt) || f.health(0).State() != "silent" {
			t.Fatalf("after two looks: %v, %s", got, f.health(0).State())
		}
		f.looks()
		if again := f.alarms(false); len(again) != 1 {
			t.Errorf("raised again: %v", again)
		}
		if told := f.told(); !slices.Contains(told, events.AlarmRaised) || slices.Contains(told, events.AlarmEnded) {
			t.Errorf("events: %v", told)
		}
		f.arrive(0, "+44 20 7946 0002", false)
		f.place()
		f.ok(f.insight.Catch(context.Background()))
		if h := f.health(0); h.State() != "well" || h.Silence != nil {
			t.Errorf("after the next enquiry: %s", h.State())
		}
		if got := f.alarms(false); len(got) != 1 || got[0].EndedAt.IsZero() {
			t.Errorf("it waits for a look, and has ended: %v", got)
		}
		f.arrive(0, "+44 20 7946 0003", false) // what has ended does not end again
		f.place()
		f.ok(f.insight.Catch(context.Background()))
		if told := slices.DeleteFunc(f.told(), func(k events.Kind) bool { return k != events.AlarmEnded }); len(told) != 1 {
			t.Errorf("it ended %d times", len(told))
		}
	})
}

func (f *firm) told() (kinds []events.Kind) {
	f.place()
	f.read(func(tx *store.Tx) error {
		evs, _, _, err := events.Read(tx, 1, 10_000)
		for _, e := range evs {
			kinds = append(kinds, e.Kind)
		}
		return err
	})
	return kinds
}

// While events wait to be counted nobody can tell what came: no look decides.
func TestALaggingCountRaisesNothing(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.brings()
		f.arrive(1, "+44 20 7946 0003", false) // not counted
		f.place()
		f.ahead = 20 * time.Hour
		for range 2 {
			f.write(func(tx *store.Tx) error { return f.watcher.Wanted(tx) })
			f.settle()
			f.ahead += 3 * time.Minute
		}
		if got := f.alarms(false); len(got) != 0 {
			t.Fatalf("raised behind the events: %v", got)
		}
		f.looks()
		f.ahead += 3 * time.Minute
		f.looks()
		if got := f.alarms(false); len(got) != 1 {
			t.Errorf("with all counted: %v", got)
		}
	})
}

// Stopping a source, or its watch, ends its silence; test leads end none.
func TestHowASourceIsWatched(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.brings()
		watch := counts.Watch{Source: f.sources[0], Mode: counts.WatchMinutes, Minutes: 600, Patience: 100}
		set := func() error {
			return f.db.Write(context.Background(), f.scope, func(tx *store.Tx) error { return f.watcher.SetWatch(tx, watch, "test", f.now()) })
		}
		f.ok(set())
		if h := f.health(0); !h.DueAt.Equal(h.LastAt.Add(10 * time.Hour)) {
			t.Errorf("last %s, due %s", h.LastAt, h.DueAt)
		}
		silent := func() {
			f.looks()
			f.ahead += 3 * time.Minute
			f.looks()
			if f.health(0).State() != "silent" {
				t.Fatal("it is not silent")
			}
		}
		f.ahead = 11 * time.Hour
		silent()
		f.arrive(0, "+44 20 7946 0004", true)
		f.place()
		f.ok(f.insight.Catch(context.Background()))
		if f.health(0).State() != "silent" {
			t.Error("a test lead ended it")
		}
		watch.Mode = counts.WatchOff
		f.ok(set())
		f.settle()
		if h := f.health(0); h.State() != "off" || h.Silence != nil {
			t.Errorf("with the watch off: %s", h.State())
		}
		watch.Mode = counts.WatchMinutes
		f.ok(set())
		silent()
		f.write(func(tx *store.Tx) error {
			s, err := setup.GetSource(tx, f.sources[0])
			s.Active = false
			return firstErr(err, setup.SetSource(tx, s))
		})
		f.looks()
		if h := f.health(0); h.State() != "off" || h.Silence != nil {
			t.Errorf("stopped: %s", h.State())
		}
		for _, wrong := range []counts.Watch{{Mode: "often", Minutes: 60, Patience: 100}, {Mode: counts.WatchMinutes, Minutes: 1, Patience: 100},
			{Mode: counts.WatchLearned, Minutes: 60, Patience: 1}, {Mode: counts.WatchOff, Minutes: 60, Patience: 100, Quiet: []counts.Stretch{{Start: 5, End: 5}}}} {
			wrong.Source = f.sources[0]
			watch = wrong
			if _, ok := problem.Of(set()); !ok {
				t.Errorf("%+v was taken", wrong)
			}
		}
		var written []string
		f.read(func(tx *store.Tx) error {
			for _, action := range []string{"source.silent", "source.watch"} {
				list, err := audit.List(tx, audit.Filter{Action: action}, audit.Place{}, 10)
				f.ok(err)
				if len(list) > 0 {
					written = append(written, action)
				}
			}
			return nil
		})
		if len(written) != 2 {
			t.Errorf("on the record: %v", written)
		}
	})
}

func firstErr(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// The hours of the last week are the zone's, and end with the present one.
func TestHoursOfASource(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.brings()
		h := f.health(0)
		hours := h.Hours()
		if last := hours[len(hours)-1]; len(hours) != 168 || last.At.After(time.Now()) || time.Since(last.At) >= time.Hour {
			t.Fatalf("%d hours, the last one begins %s", len(hours), hours[len(hours)-1].At)
		}
		if x := hours[20]; x.N != 8 || x.Usual < 7.5 || x.Usual > 8.5 {
			t.Errorf("an hour of eight: %+v", x)
		}
		if h.Day < 170 || h.UsualDay() < 180 || h.UsualDay() > 200 {
			t.Errorf("a day has %d, usually %f", h.Day, h.UsualDay())
		}
	})
}
