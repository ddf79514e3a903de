package followup_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/store/work"
	"catchment/internal/vault"
)

func TestAnAttemptSetsTheFirsts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(30 * time.Minute)
		_, err := w.attempt(w.owner, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.NoAnswer, StartedAt: w.at.Add(10 * time.Minute)}, now)
		w.ok(err)
		got := w.read(l.ID)
		if !got.AttemptedAt.Equal(w.at.Add(10*time.Minute)) || !got.ContactedAt.IsZero() {
			t.Fatalf("attempted %v, contacted %v: no answer is an attempt and no contact", got.AttemptedAt, got.ContactedAt)
		}
		// Reported later, begun earlier: it was the first.
		d, err := w.attempt(w.owner, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke, StartedAt: w.at.Add(5 * time.Minute), TalkMS: new(int64(0))}, now)
		w.ok(err)
		got = w.read(l.ID)
		first := w.at.Add(5 * time.Minute)
		if !got.AttemptedAt.Equal(first) || !got.ContactedAt.Equal(first) || got.Version != l.Version+2 {
			t.Fatalf("attempted %v, contacted %v, version %d", got.AttemptedAt, got.ContactedAt, got.Version)
		}
		if d.Lead.Version != got.Version || !d.Lead.ContactedAt.Equal(got.ContactedAt) {
			t.Errorf("the answer says version %d and contact %v", d.Lead.Version, d.Lead.ContactedAt)
		}
		var list []leads.Attempt
		w.write(func(tx *store.Tx) (err error) {
			list, err = leads.WorkAttempts(tx, l.ID, time.Time{}, lead.AttemptID{}, 10)
			return err
		})
		if len(list) != 2 || list[0].Disposition != lead.NoAnswer || list[0].Talk.Valid || !list[1].Talk.Valid || list[1].Talk.V != 0 || list[1].Evidence != lead.Said {
			t.Fatalf("newest first, and 0 is not unknown: %+v", list)
		}
		if k := w.emits.kinds(); !slices.Equal(k, []events.Kind{events.AttemptMade, events.AttemptMade}) {
			t.Errorf("events %v", k)
		}
	})
}

func TestAttemptInOneCall(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(time.Minute)
		try := followup.Try{Channel: lead.ByCall, Disposition: lead.CallBack, Note: vault.Hide("call at six"),
			Next: &followup.Next{At: now.Add(time.Hour), What: followup.Visit}, Move: &followup.Move{Category: lead.FollowUp}}
		d, err := w.attempt(w.owner, l.ID, try, now)
		w.ok(err)
		got := w.read(l.ID)
		if got.Stage != w.stages["contacted"] || got.Category != lead.FollowUp || !got.NextAt.Equal(now.Add(time.Hour)) || got.NextWhat != "visit" || d.Note.IsZero() {
			t.Fatalf("%+v", got)
		}
		want := []events.Kind{events.AttemptMade, events.NoteAdded, events.LeadNextAction, events.LeadStageChanged}
		if k := w.emits.kinds(); !slices.Equal(k, want) {
			t.Errorf("events %v", k)
		}
		// All or nothing: a stage that asks for a reason refuses the attempt too.
		try.Move = &followup.Move{Stage: w.stages["lost"]}
		if _, err := w.attempt(w.owner, l.ID, try, now); code(err) != "stage.reason:required" {
			t.Fatalf("got %v", err)
		}
		if after := w.read(l.ID); after.Version != got.Version {
			t.Errorf("a refused attempt left something: version %d, was %d", after.Version, got.Version)
		}
		// The follow-up is done by an attempt that comes shortly before it.
		_, err = w.attempt(w.owner, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.NoAnswer}, now.Add(50*time.Minute))
		w.ok(err)
		if after := w.read(l.ID); !after.NextAt.IsZero() || after.NextWhat != "" {
			t.Errorf("the follow-up stands: %v", after.NextAt)
		}
	})
}

func TestAttemptsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(time.Hour)
		good := followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke}
		for want, change := range map[string]func(*followup.Try){
			"channel:not_in_list":       func(t *followup.Try) { t.Channel = "pigeon" },
			"disposition:not_in_list":   func(t *followup.Try) { t.Disposition = "" },
			"evidence:not_in_list":      func(t *followup.Try) { t.Evidence = "sworn" },
			"evidence:not_measured":     func(t *followup.Try) { t.Evidence = lead.Measured },
			"evidence:not_seen":         func(t *followup.Try) { t.Evidence = lead.Seen },
			"ended_at:out_of_order":     func(t *followup.Try) { t.EndedAt = now.Add(-time.Minute) },
			"talk_ms:out_of_range":      func(t *followup.Try) { t.TalkMS = new(int64(-1)) },
			"started_at:in_the_future":  func(t *followup.Try) { t.StartedAt = now.Add(followup.Skew + time.Second) },
			"started_at:before_enquiry": func(t *followup.Try) { t.StartedAt = w.at.Add(-followup.Skew - time.Second) },
			"next.at:in_the_past":       func(t *followup.Try) { t.Next = &followup.Next{At: now.Add(-time.Hour)} },
			"next.at:too_far":           func(t *followup.Try) { t.Next = &followup.Next{At: now.AddDate(5, 0, 0)} },
			"next.what:not_in_list":     func(t *followup.Try) { t.Next = &followup.Next{At: now.Add(time.Hour), What: "Asha"} },
			"stage.stage:unknown_stage": func(t *followup.Try) { t.Move = &followup.Move{Stage: lead.NewStageID()} },
			"stage.reason:bad_reason":   func(t *followup.Try) { t.Move = &followup.Move{Category: lead.Won, Reason: "0100 555"} },
		} {
			try := good
			change(&try)
			if _, err := w.attempt(w.owner, l.ID, try, now); code(err) != want {
				t.Errorf("want %s, got %s", want, code(err))
			}
		}
		if got := w.read(l.ID); got.Version != l.Version || len(w.emits.all) != 0 {
			t.Errorf("refusals changed the lead: version %d, events %v", got.Version, w.emits.kinds())
		}
		// Within the skew a time is moved.
		good.StartedAt = now.Add(time.Minute)
		d, err := w.attempt(w.owner, l.ID, good, now)
		if w.ok(err); !d.Attempt.StartedAt.Equal(now) {
			t.Errorf("begun %v, now is %v", d.Attempt.StartedAt, now)
		}
		key := followup.Worker{Actor: "key_a", All: true}
		if _, err := w.attempt(key, l.ID, followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke, Evidence: lead.Measured}, now); code(err) != "evidence:not_measured" {
			t.Errorf("a key without the right measures: %v", err)
		}
		key.Measures = true
		good.Evidence, good.StartedAt = lead.Measured, w.at.Add(-time.Minute)
		d, err = w.attempt(key, l.ID, good, now)
		if w.ok(err); !d.Attempt.StartedAt.Equal(w.at) || !d.Attempt.User.IsZero() {
			t.Errorf("begun %v by %v", d.Attempt.StartedAt, d.Attempt.User)
		}
	})
}

func TestOthersLeadsAreNotThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(time.Hour)
		other := followup.Worker{Actor: "user_other", User: account.NewUserID()}
		key := followup.Worker{Actor: "key_a"} // a key of a role without the right, and of nobody
		unowned := w.leadOf(lead.NewPersonID(), account.NewProjectID(), account.UserID{})
		foreign := storetest.Account()
		try := followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke}
		for name, err := range map[string]error{
			"another's":   second(w.attempt(other, l.ID, try, now)),
			"by nobody":   second(w.attempt(key, l.ID, try, now)),
			"of nobody":   second(w.attempt(key, unowned.ID, try, now)),
			"never was":   second(w.attempt(w.boss, lead.NewID(), try, now)),
			"stage":       second(w.move(other, l.ID, followup.Move{Category: lead.Won}, now)),
			"its account": db.Write(t.Context(), foreign, func(tx *store.Tx) error { return second(w.f.Attempt(tx, w.boss, l.ID, try, now)) }),
			"note":        db.Write(t.Context(), w.scope, func(tx *store.Tx) error { return second(w.f.Note(tx, other, l.ID, vault.Hide("a"), now)) }),
			"next": db.Write(t.Context(), w.scope, func(tx *store.Tx) error {
				return second(w.f.NextAction(tx, other, l.ID, followup.Next{At: now.Add(time.Hour)}, now))
			}),
		} {
			if code(err) != "not_found" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.attempt(w.boss, l.ID, try, now); err != nil {
			t.Errorf("who may work every lead: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestStagesCloseAndReopen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(time.Hour)
		if _, err := w.move(w.owner, l.ID, followup.Move{Stage: w.stages["lost"]}, now); code(err) != "reason:required" {
			t.Fatalf("got %v", err)
		}
		w.write(func(tx *store.Tx) error {
			return second(w.f.NextAction(tx, w.owner, l.ID, followup.Next{At: now.Add(time.Hour)}, now))
		})
		got, err := w.move(w.owner, l.ID, followup.Move{Stage: w.stages["lost"], Reason: "Too expensive"}, now)
		w.ok(err)
		if again := w.read(l.ID); got != again {
			t.Errorf("the answer is %+v, the row %+v", got, again)
		}
		if !got.ClosedAt.Equal(now) || got.Reason != "too-expensive" || got.Category != lead.Dropped || !got.NextAt.IsZero() {
			t.Fatalf("%+v", got)
		}
		// From one closed stage to another it stays closed since then.
		got, err = w.move(w.owner, l.ID, followup.Move{Stage: w.stages["booked"]}, now.Add(time.Minute))
		if w.ok(err); !got.ClosedAt.Equal(now) {
			t.Errorf("closed %v", got.ClosedAt)
		}
		second := w.leadOf(l.Person, l.Project, w.owner.User)
		if _, err := w.move(w.owner, l.ID, followup.Move{Category: lead.New}, now); code(err) != "open_lead_exists" {
			t.Fatalf("got %v", err)
		}
		_, err = w.move(w.owner, second.ID, followup.Move{Stage: w.stages["nobody"]}, now)
		w.ok(err)
		got, err = w.move(w.owner, l.ID, followup.Move{Category: lead.New}, now)
		w.ok(err)
		if !got.ClosedAt.IsZero() || got.Stage != w.stages["new"] {
			t.Errorf("%+v", got)
		}
		version := got.Version
		got, err = w.move(w.owner, l.ID, followup.Move{Stage: w.stages["new"]}, now)
		if w.ok(err); got.Version != version {
			t.Error("moving a lead to where it is changed it")
		}
		var history []leads.StageChange
		w.write(func(tx *store.Tx) (err error) { history, err = leads.WorkChanges(tx, l.ID, 10); return err })
		if len(history) != 3 || history[0].To != w.stages["lost"] || history[0].Reason != "too-expensive" || history[1].From != w.stages["lost"] ||
			!slices.IsSortedFunc(history, func(a, b leads.StageChange) int { return a.At.Compare(b.At) }) {
			t.Errorf("%+v", history)
		}
	})
}

func TestClosingAWaitingLeadTakesItOutOfRouting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.leadOf(lead.NewPersonID(), account.NewProjectID(), account.UserID{})
		now := w.at.Add(time.Hour)
		_, err := w.move(w.boss, l.ID, followup.Move{Stage: w.stages["nobody"]}, now)
		w.ok(err)
		var due []work.Job
		w.ok(db.Directory(t.Context(), func(d *store.Dir) (err error) { due, _, err = work.Due(d, time.Now().Add(time.Hour), 10); return err }))
		if len(due) != 1 || due[0].Kind != "withdraw" || due[0].Key != l.ID.String() {
			t.Errorf("jobs %+v", due)
		}
		if _, err := w.move(w.boss, l.ID, followup.Move{Category: lead.New}, now); code(err) != "not_owned" {
			t.Errorf("reopened, and nobody would be offered it: %v", err)
		}
	})
}

func TestAChangedLeadIsReadAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		stale := l
		w.write(func(tx *store.Tx) error { return leads.WorkSetNext(tx, &l, w.at.Add(time.Hour), "call", time.Now()) })
		err := db.Write(t.Context(), w.scope, func(tx *store.Tx) error {
			if err := leads.WorkSetNext(tx, &stale, w.at, "visit", time.Now()); !errors.Is(err, store.ErrAgain) {
				t.Errorf("a stale lead was written: %v", err)
			}
			return nil
		})
		w.ok(err)
		if got := w.read(l.ID); got.NextWhat != "call" {
			t.Errorf("next is %s", got.NextWhat)
		}
	})
}

func TestNotesAreSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		const canary = "prefers calls after six"
		w.write(func(tx *store.Tx) error { return second(w.f.Note(tx, w.owner, l.ID, vault.Hide(canary), w.at)) })
		var notes []leads.Note
		w.write(func(tx *store.Tx) (err error) {
			notes, err = leads.WorkNotes(tx, l.ID, time.Time{}, lead.NoteID{}, 10)
			return err
		})
		if len(notes) != 1 || notes[0].Text.Empty() || strings.Contains(string(notes[0].Text.Data), canary) {
			t.Fatalf("%d notes", len(notes))
		}
		erased := w.leadOf(lead.NewPersonID(), account.NewProjectID(), w.owner.User) // a person without a key
		err := db.Write(t.Context(), w.scope, func(tx *store.Tx) error { return second(w.f.Note(tx, w.owner, erased.ID, vault.Hide(canary), w.at)) })
		if code(err) != "person_erased" {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever is told of a lead whose person is being erased waits for the
// erasure, and what it would have lost is refused.
func TestWhatIsToldWaitsForAnErasure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, tell := range map[string]func(w *world, tx *store.Tx, id lead.ID) error{
			"note": func(w *world, tx *store.Tx, id lead.ID) error {
				return second(w.f.Note(tx, w.owner, id, vault.Hide("prefers mornings"), w.at))
			},
			"booking": func(w *world, tx *store.Tx, id lead.ID) error {
				return second(w.f.Book(tx, w.owner, id, followup.Deal{Value: 1, Currency: "GBP"}, time.Now()))
			},
			"visit": func(w *world, tx *store.Tx, id lead.ID) error {
				return second(w.f.PlanVisit(tx, w.owner, id, followup.Plan{At: time.Now().Add(time.Hour), Place: vault.Hide("the gate")}, time.Now()))
			},
		} {
			w := newWorld(t, db)
			l := w.lead()
			held, goOn, told := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			erased := make(chan error, 1)
			go func() {
				erased <- db.Write(t.Context(), w.scope, func(tx *store.Tx) error {
					if err := people.HoldAlone(tx, []lead.PersonID{l.Person}); err != nil {
						return err
					}
					close(held)
					<-goOn
					return people.Erase(tx, []lead.PersonID{l.Person}, time.Now())
				})
			}()
			<-held
			go func() {
				told <- db.Write(t.Context(), w.scope, func(tx *store.Tx) error { return tell(w, tx, l.ID) })
			}()
			select {
			case err := <-told:
				t.Errorf("%s: did not wait: %v", name, err)
				told <- err
			case <-time.After(150 * time.Millisecond):
			}
			close(goOn)
			w.ok(<-erased)
			if err := <-told; code(err) != "person_erased" {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestAttemptsAtOnceAreAllKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		l := w.lead()
		now := w.at.Add(time.Hour)
		const n = 8
		errs := make(chan error, n)
		for i := range n {
			go func() {
				try := followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke, StartedAt: w.at.Add(time.Duration(n-i) * time.Minute)}
				errs <- second(w.attempt(w.owner, l.ID, try, now))
			}()
		}
		for range n {
			w.ok(<-errs)
		}
		got := w.read(l.ID)
		if got.Version != l.Version+n || !got.AttemptedAt.Equal(w.at.Add(time.Minute)) {
			t.Errorf("version %d after %d, first attempt %v", got.Version, l.Version, got.AttemptedAt)
		}
	})
}
