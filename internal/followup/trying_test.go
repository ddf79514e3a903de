package followup_test

import (
	"testing"
	"time"

	"catchment/internal/events"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
	"catchment/internal/store/work"
)

func (w *world) begin(who followup.Worker, id lead.ID, by lead.Channel, how lead.Evidence, now time.Time) (t leads.Trying, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error { t, err = w.f.Begin(tx, who, id, by, how, now); return err })
	return t, err
}

func (w *world) end(who followup.Worker, id lead.AttemptID, talk *int64, now time.Time) (t leads.Trying, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error { t, err = w.f.End(tx, who, id, talk, now); return err })
	return t, err
}

func (w *world) result(who followup.Worker, id lead.AttemptID, t followup.Try, now time.Time) (d followup.Done, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error { d, err = w.f.Result(tx, who, id, t, now); return err })
	return d, err
}

// ms is a clock's value; -1: not measured.
func ms(c followup.Clock) int64 {
	if c.MS == nil {
		return -1
	}
	return *c.MS
}

// The app sees an attempt begin and end; the person says how it went.
func TestAnAttemptThatTheAppSees(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		at := func(s int) time.Time { return w.at.Add(2*time.Minute + time.Duration(s)*time.Second) }
		stranger := followup.Worker{Actor: "user_x", User: w.boss.User}
		if _, err := w.begin(stranger, l.ID, lead.ByCall, "", at(0)); code(err) != "not_found" {
			t.Errorf("another one's lead: %v", err)
		}
		if _, err := w.begin(w.owner, l.ID, "pigeon", "", at(0)); code(err) != "channel:not_in_list" {
			t.Error(err)
		}
		if _, err := w.begin(w.owner, l.ID, lead.ByCall, lead.Measured, at(0)); code(err) != "evidence:not_measured" {
			t.Error(err)
		}
		open, err := w.begin(w.owner, l.ID, lead.ByCall, "", at(0))
		w.ok(err)
		got := w.read(l.ID)
		c := followup.ClocksOf(got)
		if !got.AttemptedAt.Equal(at(0)) || c.SpeedToLead.How != lead.Seen || ms(c.FirstResponse) != 60_000 {
			t.Fatalf("the clock does not stop when the attempt begins: %+v", c)
		}
		var due []work.Job
		w.ok(db.Directory(t.Context(), func(d *store.Dir) (err error) { due, _, err = work.Due(d, time.Now().Add(time.Hour), 10); return err }))
		if len(due) != 1 || due[0].Kind != "attempted" {
			t.Errorf("jobs %+v", due)
		}
		again, err := w.begin(w.owner, l.ID, lead.ByCall, "", at(5))
		if w.ok(err); again != open {
			t.Errorf("beginning again gives %+v", again)
		}
		if _, err := w.end(w.owner, open.ID, new(int64(9)), at(60)); code(err) != "talk_ms:not_measured" {
			t.Errorf("an app measures the talk: %v", err)
		}
		for range 2 { // the second one changes nothing
			ended, err := w.end(w.owner, open.ID, nil, at(60))
			if w.ok(err); !ended.EndedAt.Equal(at(60)) {
				t.Errorf("ended %v", ended.EndedAt)
			}
		}
		if _, err := w.result(stranger, open.ID, followup.Try{Disposition: lead.Spoke}, at(90)); code(err) != "not_found" {
			t.Error(err)
		}
		if _, err := w.result(w.owner, open.ID, followup.Try{}, at(90)); code(err) != "disposition:not_in_list" {
			t.Error(err)
		}
		done, err := w.result(w.owner, open.ID, followup.Try{Disposition: lead.Spoke, TalkMS: new(int64(41_000))}, at(90))
		w.ok(err)
		if done.Attempt.ID != open.ID || done.Attempt.Evidence != lead.Seen || done.Attempt.WrapUp.V != 30_000 {
			t.Errorf("%+v", done.Attempt)
		}
		l = w.read(l.ID)
		if l != done.Lead {
			t.Errorf("the answer is %+v, the row %+v", done.Lead, l)
		}
		c = followup.ClocksOf(l)
		if c.TimeToContact.How != lead.Seen || c.TalkTime.How != lead.Said || ms(c.TalkTime) != 41_000 || c.WrapUp.How != lead.Seen || ms(c.WrapUp) != 30_000 {
			t.Errorf("%+v", c)
		}
		if _, err := w.result(w.owner, open.ID, followup.Try{Disposition: lead.Spoke}, at(91)); code(err) != "not_found" {
			t.Errorf("a second result: %v", err)
		}
		// One that nobody ended has no wrap-up, and the sum stays.
		open, err = w.begin(w.owner, l.ID, lead.ByCall, "", at(200))
		w.ok(err)
		done, err = w.result(w.owner, open.ID, followup.Try{Disposition: lead.NoAnswer}, at(260))
		if w.ok(err); done.Attempt.WrapUp.Valid || ms(followup.ClocksOf(done.Lead).WrapUp) != 30_000 {
			t.Errorf("%+v", done.Attempt)
		}
		kinds := map[events.Kind]int{}
		for _, k := range w.emits.kinds() {
			kinds[k]++
		}
		if kinds[events.AttemptBegun] != 2 || kinds[events.AttemptMade] != 2 {
			t.Errorf("%v", kinds)
		}
	})
}

// A provider's key begins and ends an attempt and measures the talk; whoever
// works the lead gives the result. One that was forgotten does not stay.
func TestAnAttemptThatAProviderMeasures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(10 * time.Minute)
		provider := followup.Worker{Actor: "key_a", All: true, Measures: true}
		open, err := w.begin(provider, l.ID, lead.ByCall, lead.Measured, now)
		w.ok(err)
		_, err = w.end(provider, open.ID, new(int64(0)), now.Add(time.Minute))
		w.ok(err)
		if _, err := w.result(w.owner, open.ID, followup.Try{Disposition: lead.Spoke, TalkMS: new(int64(5))}, now.Add(2*time.Minute)); code(err) != "talk_ms:measured" {
			t.Errorf("somebody says what was measured: %v", err)
		}
		done, err := w.result(w.owner, open.ID, followup.Try{Disposition: lead.Spoke}, now.Add(2*time.Minute))
		w.ok(err)
		c := followup.ClocksOf(done.Lead)
		if done.Attempt.User != w.owner.User || c.SpeedToLead.How != lead.Measured || ms(c.TalkTime) != 0 || c.TalkTime.How != lead.Measured ||
			ms(c.WrapUp) != 60_000 || c.WrapUp.How != lead.Measured {
			t.Errorf("%+v, %+v", done.Attempt, c)
		}
		// What somebody says beside it makes the sum something that was said.
		done, err = w.attempt(w.owner, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke, TalkMS: new(int64(7)), StartedAt: now.Add(-time.Minute)}, now.Add(3*time.Minute))
		w.ok(err)
		if c := followup.ClocksOf(done.Lead); ms(c.TalkTime) != 7 || c.TalkTime.How != lead.Said || c.SpeedToLead.How != lead.Said || c.WrapUp.How != lead.Measured {
			t.Errorf("%+v", c)
		}

		old, err := w.begin(w.owner, l.ID, lead.ByCall, "", now.Add(time.Hour))
		w.ok(err)
		fresh, err := w.begin(w.owner, l.ID, lead.ByCall, "", now.Add(time.Hour+lead.LongestAttempt))
		if w.ok(err); fresh.ID == old.ID {
			t.Error("an attempt goes on for hours")
		}
		if _, err := w.end(w.owner, old.ID, nil, now.Add(8*time.Hour)); code(err) != "not_found" {
			t.Errorf("the forgotten one: %v", err)
		}
	})
}

// Nobody begins to contact who must not be contacted.
func TestNoAttemptAtTheSuppressed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(10 * time.Minute)
		w.write(func(tx *store.Tx) error {
			return second(w.f.Suppress(tx, w.owner, l.Person, "asked-not-to", followup.Try{}.Note, now))
		})
		if _, err := w.begin(w.owner, l.ID, lead.ByCall, "", now); code(err) != "suppressed" {
			t.Errorf("got %v", err)
		}
		// What happened all the same is kept.
		_, err := w.attempt(w.owner, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke}, now)
		w.ok(err)
		w.write(func(tx *store.Tx) error { return w.f.Unsuppress(tx, w.boss, l.Person, "asked-to-call", now) })
		_, err = w.begin(w.owner, l.ID, lead.ByCall, "", now)
		w.ok(err)
	})
}
