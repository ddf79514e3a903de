package routing_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

var allEvents = store.Register("routing_test.events", `SELECT events FROM event_batch WHERE account_id = $1 ORDER BY batch_id`)

// kinds lists what was emitted, leaving out changes of the set-up.
func (w *world) kinds() (out []events.Kind) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(allEvents)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var text string
			if err := scan(&text); err != nil {
				return err
			}
			var evs []events.Event
			if err := json.Unmarshal([]byte(text), &evs); err != nil {
				return err
			}
			for _, e := range evs {
				if e.Kind != events.SetupChanged {
					out = append(out, e.Kind)
				}
			}
			return nil
		})
	})
	return out
}

// The alarm is raised once, when the queue fills, and cleared once, when it is
// empty; every step of a lead is an event.
func TestEvents(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 1, routing.PoolChange{AlarmSeconds: num(30)})
		u := w.users[0]
		w.presence(u, account.Away)
		w.arrive(1)
		w.settle()
		w.pass(time.Second)
		w.arrive(1)
		w.settle()
		w.pass(29 * time.Second)
		w.settle() // the first is overdue
		w.pass(time.Second)
		w.settle() // the second
		w.presence(u, account.Available)
		w.settle()
		for range 2 {
			o := w.offersOf(u)[0]
			if err := w.accept(o.ID, u); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		w.check()
		want := []events.Kind{events.PresenceChanged, events.LeadWaiting, events.LeadWaiting, events.LeadQueued, events.AlarmRaised, events.LeadQueued,
			events.PresenceChanged, events.OfferMade, events.OfferAccepted, events.LeadAssigned,
			events.AlarmCleared, events.OfferMade, events.OfferAccepted, events.LeadAssigned}
		if got := w.kinds(); !slices.Equal(got, want) {
			t.Errorf("events\n%v, want\n%v", got, want)
		}
	})
}

// A project without a pool, and a pool without people, keep leads waiting;
// making the pool and hiring somebody is reason enough to look again.
func TestNobodyThere(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 0, routing.PoolChange{})
		home, pool := w.project, w.pool
		w.project = account.NewProjectID()
		id := w.arrive(1)[0]
		w.settle()
		if l := w.route(id); l.State != lead.Waiting {
			t.Errorf("%+v", l)
		}
		w.write(func(tx *store.Tx) error {
			p, err := w.router.CreatePool(tx, w.project, routing.PoolChange{}, "test", w.now())
			w.pool = p.ID
			return err
		})
		w.settle()
		w.check()
		u := w.hire("UTC", routing.AlwaysOn())
		w.settle()
		w.check()
		if of := w.offersOf(u); len(of) != 1 || of[0].Lead != id {
			t.Errorf("%v", of)
		}
		w.project, w.pool = home, pool
	})
}

// Somebody in two pools has no more open offers than allowed, though both
// pools decide at the same time, and is offered the other pool's lead when free.
func TestTwoPools(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, routing.PoolChange{})
		first, second := w.project, account.NewProjectID()
		w.write(func(tx *store.Tx) error {
			p, err := w.router.CreatePool(tx, second, routing.PoolChange{}, "test", w.now())
			if err != nil {
				return err
			}
			for _, u := range w.users {
				if err := w.router.SetMember(tx, p.ID, u, true, "test", w.now()); err != nil {
					return err
				}
			}
			return nil
		})
		w.settle()
		for range 8 {
			w.arrive(2)
			w.project = second
			w.arrive(2)
			w.project = first
			done := make(chan error)
			for range 2 {
				go func() { _, err := w.runner.Drain(w.ctx, w.now()); done <- err }()
			}
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			w.settle()
			for _, u := range w.users {
				of := w.offersOf(u)
				if len(of) != 1 {
					t.Fatalf("%d offers at once", len(of))
				}
				if err := w.accept(of[0].ID, u); err != nil {
					t.Fatal(err)
				}
			}
			w.pass(time.Second)
		}
		w.settle()
		for _, l := range w.leads() {
			w.checkLead(l)
		}
	})
}

// A decision that was tampered with does not verify.
func TestVerifyNotices(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 2, routing.PoolChange{})
		id := w.arrive(1)[0]
		w.settle()
		var ds []offers.Decision
		w.read(func(tx *store.Tx) (err error) { ds, err = offers.DecisionsOf(tx, id, 10); return err })
		w.write(func(tx *store.Tx) error { return tx.Must(tamper, id, []byte("EE")) })
		err := w.db.Read(w.ctx, w.scope, func(tx *store.Tx) error { return w.router.Verify(tx, ds[0].Round) })
		if err == nil {
			t.Error("reasons were changed and nobody noticed")
		}
	})
}

var tamper = store.Register("routing_test.tamper", `UPDATE decision SET reasons = $3 WHERE account_id = $1 AND lead_id = $2`)

// A lead that was taken between the reading and the writing of a round is not
// offered: the round runs again. Two salespeople drain a queue while others claim from it.
func TestClaimsAgainstRounds(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 4, routing.PoolChange{OffersAtOnce: num(50)})
		for _, u := range w.users {
			w.presence(u, account.Away)
		}
		ids := w.arrive(150)
		w.settle()
		for _, u := range w.users[:2] {
			w.presence(u, account.Available)
		}
		done := make(chan error)
		go func() { _, err := w.runner.Drain(w.ctx, w.now()); done <- err }()
		claimed := 0
		for _, id := range ids {
			err := w.try(func(tx *store.Tx) error { _, err := w.router.Claim(tx, id, w.users[3], w.now()); return err })
			switch code(err) {
			case "":
				if err != nil {
					t.Fatal(err)
				}
				claimed++
			case "lead_taken":
			default:
				t.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.settle()
		w.check()
		var owned int
		for _, l := range w.leads() {
			if l.State == lead.Owned {
				owned++
			}
		}
		if owned != claimed {
			t.Errorf("%d claimed, %d owned", claimed, owned)
		}
	})
}

// Every owner's interval follows the one before, also when clocks disagree.
func TestAssignmentsInOrder(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, routing.PoolChange{})
		id := w.arrive(1)[0]
		for i := range 5 {
			w.write(func(tx *store.Tx) error {
				_, err := w.router.Transfer(tx, id, w.users[i%3], "", "m", monday.Add(-time.Duration(i)*time.Minute))
				return err
			})
		}
		var as []leads.Assignment
		w.read(func(tx *store.Tx) (err error) { as, err = leads.Assignments(tx, id); return err })
		if len(as) != 5 {
			t.Fatalf("%d owners", len(as))
		}
		for i := 1; i < len(as); i++ {
			if !as[i-1].Until.Equal(as[i].From) || !as[i-1].From.Before(as[i].From) {
				t.Errorf("%v then %v", as[i-1], as[i])
			}
		}
		w.settle()
		w.check()
	})
}
