package privacy

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"catchment/internal/alarm"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

// The account is told once a week before a request is due, and once when it is
// late, by an alarm and a letter each; an answer ends what was raised.
func TestRequestClock(t *testing.T) {
	each(t, func(w *world) {
		t := w.T
		letters := 0
		r := jobs.NewRunner(w.db, jobs.NewList(&jobstest.Waker{}), slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
		w.p.Register(r)
		r.Handle(alarm.MailJob, func(context.Context, jobs.Job) error { letters++; return nil }) // notify's
		for _, k := range []jobs.Kind{kindWithdraw, kindReturn, kindFile} {
			r.Handle(k, func(context.Context, jobs.Job) error { return nil }) // of other stages
		}
		began := w.at
		drain := func(after time.Duration) {
			t.Helper()
			w.now = began.Add(after)
			if _, err := r.Drain(t.Context(), w.now); err != nil {
				t.Fatal(err)
			}
		}
		stand := func(want ...string) {
			t.Helper()
			all := w.alarms() // newest first
			if len(all) != len(want) {
				t.Fatalf("%d alarms wait, not %v: %+v", len(all), want, all)
			}
			for i, a := range all {
				got := a.Kind
				if !a.EndedAt.IsZero() {
					got += " ended"
				}
				if got != want[i] || a.Times != 1 {
					t.Errorf("alarm %d: %s, %d times; not %s", i, got, a.Times, want[i])
				}
			}
		}
		h := w.human("+442079460101")
		ask, err := w.ask(people.AskAccess, h.id, began)
		w.ok(err)
		drain(Clock - Warning - time.Minute)
		stand()
		drain(Clock - Warning + time.Minute)
		stand("request_due")
		if a := w.alarms()[0]; a.About != ask.ID.String() || a.Detail["asked"] != "access" || a.Detail["request"] != ask.ID.String() {
			t.Errorf("%+v", a)
		}
		drain(Clock - time.Minute)
		stand("request_due")
		drain(Clock + time.Minute)
		stand("request_late", "request_due ended")
		drain(2 * Clock)
		stand("request_late", "request_due ended")
		if letters != 2 || w.count(countJobs, string(ClockJob)) != 0 {
			t.Errorf("%d letters, %d clocks", letters, w.count(countJobs, string(ClockJob)))
		}
		_, err = w.fulfil(ask.ID)
		w.ok(err)
		stand("request_late ended", "request_due ended")

		// Written down after its time, and refused; and one that an erasure ends.
		second := w.human("+442079460102")
		w.at = w.now
		late, err := w.ask(people.AskRectify, second.id, w.now.Add(-Clock-time.Hour))
		w.ok(err)
		soon, err := w.ask(people.AskErase, second.id, w.now.Add(-Clock+24*time.Hour))
		w.ok(err)
		drain(2 * Clock)
		if all := w.alarms(); len(all) != 4 {
			t.Fatalf("%+v", all)
		}
		w.write(func(tx *store.Tx) error {
			_, err := w.p.Refuse(tx, late.ID, "not-identified", "user_admin", w.now)
			return err
		})
		_, err = w.fulfil(soon.ID)
		w.ok(err)
		open := func() (n int) {
			for _, a := range w.alarms() {
				if a.EndedAt.IsZero() {
					n++
				}
			}
			return n
		}
		if open() != 1 {
			t.Error("the erasure has only begun, and its alarm has ended")
		}
		drain(2 * Clock)
		if open() != 0 || w.request(soon.ID).State != people.RequestDone {
			t.Errorf("%d alarms go on, the erasure is %s", open(), w.request(soon.ID).State)
		}
		if letters != 4 {
			t.Errorf("%d letters", letters)
		}
	})
}
