package routing_test

import (
	"slices"
	"sync"
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

var countClocks = store.Register("routing_test.clocks", `SELECT count(*) FROM service_clock WHERE account_id = $1`)

// timed is a governed world whose policy has these clocks.
func timed(t fataler, db *store.DB, people int, levels ...routing.ServiceLevel) *world {
	p := routing.DefaultPolicy()
	p.Clocks = levels
	return governed(t, db, people, routing.PoolChange{AcceptSeconds: num(600)}, p)
}

func level(c routing.Clock, seconds int64, then routing.Then) routing.ServiceLevel {
	return routing.ServiceLevel{Clock: c, Seconds: seconds, Then: then}
}

// taken has a lead come in and be accepted at once; it says by whom.
func (w *world) taken() (lead.ID, account.UserID) {
	w.Helper()
	id := w.arrive(1)[0]
	w.settle()
	return id, w.acceptLead(id)
}

func (w *world) acceptLead(id lead.ID) account.UserID {
	w.Helper()
	for _, u := range w.users {
		for _, o := range w.offersOf(u) {
			if o.Lead != id {
				continue
			}
			if err := w.accept(o.ID, u); err != nil {
				w.Fatalf("%v", err)
			}
			return u
		}
	}
	w.Fatalf("nobody is offered %v", id)
	return account.UserID{}
}

// tries keeps an attempt as package followup does, and runs what is due.
func (w *world) tries(id lead.ID, u account.UserID, began time.Time, d lead.Disposition) error {
	w.Helper()
	err := w.try(func(tx *store.Tx) error {
		l, err := leads.LeadByID(tx, id)
		if err != nil {
			return err
		}
		a := leads.Attempt{ID: lead.NewAttemptID(), Lead: id, User: u, Channel: lead.ByCall, Disposition: d, Reached: d.Reached(),
			Evidence: "said", StartedAt: began, CreatedAt: w.now()}
		if err := leads.WorkAddAttempt(tx, &l, a); err != nil {
			return err
		}
		return w.list.Add(tx, routing.KindAttempted, id.String(), w.now())
	})
	return err
}

func (w *world) alarms(cleared bool) (out []offers.Clock) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) {
		out, err = w.router.Alarms(tx, cleared, account.UserID{}, false, time.Time{}, lead.AlarmID{}, 100)
		return err
	})
	return out
}

func (w *world) heard(k events.Kind) (n int) {
	for _, x := range w.kinds() {
		if x == k {
			n++
		}
	}
	return n
}

func (w *world) reasons(id lead.ID) (out []string) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		ds, err := w.router.Explain(tx, id, 100)
		if len(ds) > 0 {
			for _, c := range ds[len(ds)-1].Candidates {
				out = append(out, c.Reason.String())
			}
		}
		return err
	})
	slices.Sort(out)
	return out
}

// Silence after accepting raises the alarm once and gives the lead to somebody
// else; the ledger says why not to the same one.
func TestSilenceAfterAccepting(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := timed(t, db, 2, level(routing.AcceptToAttempt, 300, routing.Both))
		id, silent := w.taken()
		w.pass(299 * time.Second)
		w.settle()
		if r := w.route(id); r.Owner != silent || len(w.alarms(false)) != 0 {
			t.Fatalf("a second too early: %s, %d alarms", r.State, len(w.alarms(false)))
		}
		w.pass(time.Second)
		w.settle()
		r := w.route(id)
		if r.State != lead.Offered || len(w.offersOf(silent)) != 0 {
			t.Fatalf("the lead is %s, the silent one has %d offers", r.State, len(w.offersOf(silent)))
		}
		if got := w.reasons(id); !slices.Equal(got, []string{"chosen", "was_silent"}) {
			t.Errorf("the ledger says %v", got)
		}
		w.settle()
		list := w.alarms(false)
		if len(list) != 1 || list[0].User != silent || !list[0].Taken || list[0].Lead != id || w.heard(events.AlarmRaised) != 1 {
			t.Fatalf("alarms %+v, %d events", list, w.heard(events.AlarmRaised))
		}
		// Whoever gets it has a clock of their own, and the first one is never asked again.
		second := w.acceptLead(id)
		w.pass(300 * time.Second)
		w.settle()
		if r := w.route(id); r.State != lead.Waiting || r.QueuedAt.IsZero() {
			t.Errorf("both were silent, and the lead is %s, queued %v", r.State, r.QueuedAt)
		}
		if got := w.reasons(id); !slices.Equal(got, []string{"was_silent", "was_silent"}) {
			t.Errorf("the ledger says %v", got)
		}
		if list := w.alarms(false); len(list) != 2 || list[0].User != second {
			t.Errorf("%d alarms, the newest about %v", len(list), list[0].User)
		}
		w.presence(silent, account.Away)
		w.pass(time.Hour)
		w.presence(silent, account.Available) // a new spell does not bring it back
		w.settle()
		if len(w.offersOf(silent)) != 0 {
			t.Error("the silent one is offered it again")
		}
		w.verifyAll()
		clear := func(actor string) error {
			return w.try(func(tx *store.Tx) error { _, err := w.router.ClearAlarm(tx, list[0].ID, actor, w.now()); return err })
		}
		for range 2 {
			if err := clear("user_boss"); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.alarms(false)) != 1 || len(w.alarms(true)) != 1 || w.alarms(true)[0].ClearedBy != "user_boss" {
			t.Errorf("after clearing one: %d stand, %d are cleared", len(w.alarms(false)), len(w.alarms(true)))
		}
		w.read(func(tx *store.Tx) error {
			if _, err := w.router.ClearAlarm(tx, lead.NewAlarmID(), "x", w.now()); code(err) != "not_found" {
				t.Errorf("an alarm that never was: %v", err)
			}
			return nil
		})
	})
}

// An attempt in time beats the clock, also when its job and the clock's come
// late and in the other order.
func TestAnAttemptBeatsTheClock(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := timed(t, db, 2, level(routing.AcceptToAttempt, 300, routing.Both))
		id, owner := w.taken()
		other, control := w.taken()
		w.pass(299 * time.Second)
		if err := w.tries(id, owner, w.now(), lead.NoAnswer); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour) // nothing ran meanwhile, as after a kill
		w.settle()
		if r := w.route(id); r.Owner != owner {
			t.Errorf("the lead of who tried is %s", r.State)
		}
		if r := w.route(other); r.Owner == control {
			t.Error("the control: who did not try keeps the lead")
		}
		if list := w.alarms(false); len(list) != 1 || list[0].Lead != other {
			t.Errorf("alarms %+v", list)
		}
	})
}

// An attempt and the alarm at the same moment: one of them is first, and both
// agree about it.
func TestAttemptAndAlarmAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := timed(t, db, 2, level(routing.AcceptToAttempt, 60, routing.Both))
		for range 6 {
			id, owner := w.taken()
			w.pass(time.Minute)
			var wait sync.WaitGroup
			var tried error
			wait.Go(func() { tried = w.tries(id, owner, w.now(), lead.NoAnswer) })
			wait.Go(w.settle)
			wait.Wait()
			if tried != nil {
				t.Fatal(tried)
			}
			w.settle()
			alarms := 0
			for _, a := range w.alarms(false) {
				if a.Lead == id {
					alarms++
				}
			}
			if r := w.route(id); alarms > 1 || (alarms == 0) != (r.Owner == owner) {
				t.Errorf("%d alarms, and the lead is %s of %v (it was of %v)", alarms, r.State, r.Owner, owner)
			}
			w.write(func(tx *store.Tx) error { // out of the way of the next one
				if err := tx.Must(closeLead, id, store.Micro(w.now())); err != nil {
					return err
				}
				return w.list.Add(tx, routing.KindWithdraw, id.String(), w.now())
			})
			w.settle()
		}
		w.checkOne()
	})
}

// Nobody accepts: the clock runs from the first offer through all reroutes.
func TestNobodyAccepts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		p := routing.DefaultPolicy()
		p.Clocks = []routing.ServiceLevel{level(routing.OfferToAccept, 100, routing.Both)}
		w := governed(t, db, 3, routing.PoolChange{AcceptSeconds: num(60)}, p)
		id := w.arrive(1)[0]
		w.settle()
		w.pass(60 * time.Second)
		w.settle() // the second one is asked
		r := w.route(id)
		var asked account.UserID
		for _, u := range w.users {
			if len(w.offersOf(u)) > 0 {
				asked = u
			}
		}
		w.pass(39 * time.Second)
		w.settle()
		if len(w.alarms(false)) != 0 || w.route(id).Offer != r.Offer {
			t.Fatal("a second too early")
		}
		w.pass(time.Second)
		w.settle()
		if list := w.alarms(false); len(list) != 1 || list[0].User != asked || !list[0].Taken {
			t.Fatalf("alarms %+v", list)
		}
		if after := w.route(id); after.State != lead.Offered || after.Offer == r.Offer || len(w.offersOf(asked)) != 0 {
			t.Errorf("the lead is %s, and the one who was asked has %d offers", after.State, len(w.offersOf(asked)))
		}
		w.acceptLead(id)
		w.pass(time.Hour)
		w.settle()
		if list := w.alarms(false); len(list) != 1 || list[0].EndedAt.IsZero() {
			t.Errorf("after it was accepted: %+v", list)
		}
		w.check()
	})
}

// The person is not reached: the clock runs from the owner's first attempt,
// and never takes the lead from who has just tried.
func TestNobodyIsReached(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := timed(t, db, 2, level(routing.AttemptToContact, 3600, routing.Both))
		id, owner := w.taken()
		reached, happy := w.taken()
		first := w.now()
		for _, x := range []struct {
			id lead.ID
			u  account.UserID
		}{{id, owner}, {reached, happy}} {
			if err := w.tries(x.id, x.u, first, lead.NoAnswer); err != nil {
				t.Fatal(err)
			}
		}
		w.settle()
		w.pass(50 * time.Minute)
		for _, x := range []struct {
			id lead.ID
			u  account.UserID
			d  lead.Disposition
		}{{id, owner, lead.LineBusy}, {reached, happy, lead.Spoke}} {
			if err := w.tries(x.id, x.u, w.now(), x.d); err != nil {
				t.Fatal(err)
			}
		}
		w.settle()
		w.pass(10 * time.Minute) // an hour after the first, ten minutes after the latest
		w.settle()
		if r := w.route(id); r.Owner != owner || len(w.alarms(false)) != 0 {
			t.Fatalf("who has just tried lost the lead: it is %s", r.State)
		}
		w.pass(5 * time.Minute)
		w.settle()
		if r := w.route(id); r.State != lead.Offered || len(w.offersOf(owner)) != 0 {
			t.Errorf("the lead is %s", r.State)
		}
		if r := w.route(reached); r.Owner != happy {
			t.Errorf("the lead of who reached the person is %s", r.State)
		}
		if list := w.alarms(false); len(list) != 1 || list[0].Lead != id || !list[0].BeganAt.Equal(first) {
			t.Errorf("alarms %+v", list)
		}
	})
}

// Business hours and holidays are the project's: a lead taken on Friday
// evening is due on the next working day, also when the Monday is the account's
// day off, or becomes it while the clock runs.
func TestClocksInRoutingHours(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for _, whose := range []string{"the policy", "the account", "the account since"} {
			t.Run(whose, func(t *testing.T) { clocksOverMonday(t, db, whose) })
		}
	})
}

func clocksOverMonday(t *testing.T, db *store.DB, whose string) {
	const monday = "2026-03-09"
	p := routing.DefaultPolicy()
	for day := 1; day <= 5; day++ {
		p.Hours = append(p.Hours, routing.OpenHours{Weekday: day, Start: 9 * 60, End: 18 * 60})
	}
	if whose == "the policy" {
		p.Holidays = []string{monday}
	}
	p.Clocks = []routing.ServiceLevel{{Clock: routing.AcceptToAttempt, Seconds: 3600, Hours: routing.Business, Then: routing.Alert}}
	w := governed(t, db, 1, routing.PoolChange{AcceptSeconds: num(600)}, p)
	w.clock.Store(time.Date(2026, 3, 6, 17, 30, 0, 0, time.UTC).UnixMicro())
	if whose == "the account" {
		w.dayOff(account.UserID{}, monday, monday)
	}
	id, _ := w.taken()
	if whose == "the account since" {
		w.dayOff(account.UserID{}, monday, monday)
	}
	w.clock.Store(time.Date(2026, 3, 10, 9, 29, 59, 0, time.UTC).UnixMicro())
	w.settle()
	if n := len(w.alarms(false)); n != 0 {
		t.Fatalf("%d alarms before the hour was over", n)
	}
	w.pass(time.Second)
	w.settle()
	if list := w.alarms(false); len(list) != 1 || list[0].Lead != id || list[0].Taken || w.route(id).State != lead.Owned {
		t.Errorf("alarms %+v, the lead is %s", list, w.route(id).State)
	}
}

// A clock keeps the version under which it began; closing, a transfer and a
// policy without clocks leave nothing behind that rings.
func TestClocksKeepTheirVersion(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := timed(t, db, 2, level(routing.AcceptToAttempt, 300, routing.Alert))
		old, _ := w.taken()
		closed, _ := w.taken()
		moved, _ := w.taken()
		w.publish(w.draft(routing.DefaultPolicy()))
		free, _ := w.taken()
		w.write(func(tx *store.Tx) error {
			if err := tx.Must(closeLead, closed, store.Micro(w.now())); err != nil {
				return err
			}
			if err := w.list.Add(tx, routing.KindWithdraw, closed.String(), w.now()); err != nil {
				return err
			}
			to := w.users[0]
			if w.route(moved).Owner == to {
				to = w.users[1]
			}
			_, err := w.router.Transfer(tx, moved, to, "", "test", w.now())
			return err
		})
		w.settle()
		w.pass(time.Hour)
		w.settle()
		if list := w.alarms(false); len(list) != 1 || list[0].Lead != old {
			t.Errorf("alarms %+v; %v began without clocks", list, free)
		}
		w.read(func(tx *store.Tx) error {
			var n int
			if err := tx.Row(countClocks).Scan(&n); err != nil || n != 1 {
				t.Errorf("%d rows are left of four leads, one alarm: %v", n, err)
			}
			return nil
		})
	})
}
