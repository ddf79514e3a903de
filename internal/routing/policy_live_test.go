package routing_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
)

var (
	addEnquiry = store.Register("routing_test.enquiry", `INSERT INTO enquiry (account_id, enquiry_id, lead_id, person_id, project_id, source_id, state, test,
		re_enquiry, conflict, flags, attribution, custom, received_at, created_at)
		SELECT $1, $2, lead_id, person_id, project_id, source_id, 'attached', false, false, false, '[]', $4, $5, created_at, created_at FROM lead
		WHERE account_id = $1 AND lead_id = $3`)
	addPerson = store.Register("routing_test.person", `INSERT INTO person (account_id, person_id, test, country, created_at)
		SELECT $1, person_id, false, 'GB', created_at FROM lead WHERE account_id = $1 AND lead_id = $2`)
)

// governed is a world whose project is there, with a published policy.
func governed(t fataler, db *store.DB, people int, c routing.PoolChange, p routing.Policy) *world {
	return governedIn(t, db, "UTC", people, c, p)
}

// governedIn has the project in a time zone.
func governedIn(t fataler, db *store.DB, zone string, people int, c routing.PoolChange, p routing.Policy) *world {
	w := newWorld(t, db, people, c)
	w.write(func(tx *store.Tx) error {
		if _, err := setup.AddProject(tx, setup.Project{ID: w.project, Slug: "p", Name: "P", TimeZone: zone, Active: true, CreatedAt: w.now()}); err != nil {
			return err
		}
		_, err := setup.AddSource(tx, setup.Source{ID: w.source, Project: w.project, Slug: "web", Name: "Web", Kind: "api", Active: true, CreatedAt: w.now()})
		return err
	})
	if len(p.Rules) > 0 {
		w.publish(w.draft(p))
	}
	return w
}

func (w *world) draft(p routing.Policy) account.PolicyID {
	w.Helper()
	var v routing.Version
	w.write(func(tx *store.Tx) (err error) {
		v, err = w.router.DraftPolicy(tx, w.project, "Test", p, "test", w.now())
		return err
	})
	return v.ID
}

func (w *world) publish(id account.PolicyID) {
	w.Helper()
	w.write(func(tx *store.Tx) error { _, err := w.router.PublishPolicy(tx, id, "test", w.now()); return err })
}

// accepting runs n leads, each accepted at once by whoever has an offer.
func (w *world) accepting(n int) map[account.UserID]int {
	w.Helper()
	got := map[account.UserID]int{}
	for range n {
		w.arrive(1)
		w.settle()
		for _, u := range w.users {
			for _, o := range w.offersOf(u) {
				if err := w.accept(o.ID, u); err != nil {
					w.Fatalf("%v", err)
				}
				got[u]++
			}
		}
		w.pass(time.Second)
	}
	return got
}

func one(r routing.Rule) routing.Policy {
	r.Name = "All"
	return routing.Policy{Rules: []routing.Rule{r}}
}

// Weights hold through the database, and rolling back brings the rotation back.
func TestPolicyCourse(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 2, routing.PoolChange{}, routing.Policy{})
		p := one(routing.Rule{Method: routing.Weighted, Members: []routing.Share{{User: w.users[0], Weight: 3}, {User: w.users[1], Weight: 1}}})
		id := w.draft(p)
		if got := w.accepting(8); got[w.users[0]] != 4 {
			t.Errorf("a draft routes: %v", got)
		}
		w.publish(id)
		if got := w.accepting(16); got[w.users[0]] != 12 {
			t.Errorf("3 to 1 gave %v", got)
		}
		w.check()
		rollback := func(id account.PolicyID) (v routing.Version, err error) {
			err = w.try(func(tx *store.Tx) (err error) { v, err = w.router.RollBackPolicy(tx, id, "test", w.now()); return err })
			return v, err
		}
		back, err := rollback(id)
		if err != nil || back.Version != 1 || !back.Published {
			t.Fatalf("%+v %v", back, err)
		}
		if _, err := rollback(id); code(err) != "not_published" {
			t.Errorf("rolled back twice: %v", err)
		}
		if _, err := rollback(back.ID); code(err) != "first_version" {
			t.Errorf("before the first: %v", err)
		}
		if got := w.accepting(8); got[w.users[0]] != 4 {
			t.Errorf("after the roll-back: %v", got)
		}
		w.check()
	})
}

// First to claim: all are asked, one gets it, the others lose it; a decline
// leaves it to the others; silence of all returns it.
func TestFirstToClaim(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 3, routing.PoolChange{OffersAtOnce: num(2)}, one(routing.Rule{Method: routing.FirstToClaim}))
		open := func() (n int) {
			for _, u := range w.users {
				n += len(w.offersOf(u))
			}
			return n
		}
		id := w.arrive(1)[0]
		w.settle()
		if open() != 3 {
			t.Fatalf("%d are asked", open())
		}
		fence := w.route(id).Offer
		for _, u := range w.users { // the one whose offer is the fence declines
			if o := w.offersOf(u)[0]; o.ID == fence {
				if err := w.decline(o.ID, u); err != nil {
					t.Fatal(err)
				}
			}
		}
		if r := w.route(id); open() != 2 || r.State != lead.Offered || r.Offer == fence {
			t.Fatalf("after a decline %d are open, the lead is %s", open(), r.State)
		}
		var wait sync.WaitGroup
		won := make([]error, len(w.users))
		for i, u := range w.users {
			for _, o := range w.offersOf(u) {
				wait.Go(func() { won[i] = w.accept(o.ID, u) })
			}
			if len(w.offersOf(u)) == 0 {
				won[i] = store.ErrNone
			}
		}
		wait.Wait()
		n := 0
		for _, err := range won {
			if err == nil {
				n++
			} else if c := code(err); err != store.ErrNone && c != "offer_lost" {
				t.Error(err)
			}
		}
		if n != 1 || open() != 0 || w.route(id).State != lead.Owned {
			t.Errorf("%d winners, %d still open", n, open())
		}
		w.settle()
		w.checkOne()
		second := w.arrive(1)[0]
		w.settle()
		if open() != 3 {
			t.Fatalf("%d are asked", open())
		}
		w.write(func(tx *store.Tx) error {
			_, err := w.router.Transfer(tx, second, w.users[0], "", "test", w.now())
			return err
		})
		if open() != 0 {
			t.Errorf("%d offers are open after a transfer", open())
		}
		third := w.arrive(1)[0]
		w.settle()
		w.pass(time.Minute)
		w.settle()
		if r := w.route(third); r.State != lead.Waiting || open() != 0 {
			t.Errorf("after silence the lead is %s, %d open", r.State, open())
		}
		w.checkOne()
	})
}

// checkOne is check without the ledger's rule that each offer is its
// decision's own: here one decision makes several.
func (w *world) checkOne() {
	w.Helper()
	for _, l := range w.leads() {
		w.checkLead(l)
	}
	w.read(func(tx *store.Tx) error {
		roster, err := w.router.Roster(tx, w.pool, w.now())
		if err != nil {
			return err
		}
		for _, m := range roster {
			if m.OpenOffers != 0 {
				w.Errorf("the counter says %d open offers", m.OpenOffers)
			}
		}
		return nil
	})
	w.verifyAll()
}

// verifyAll replays every saved round.
func (w *world) verifyAll() {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		var ids []lead.RoundID
		rows, err := tx.Query(allRounds)
		if err := store.Each(rows, err, func(scan func(...any) error) error {
			var id lead.RoundID
			err := scan(&id)
			ids = append(ids, id)
			return err
		}); err != nil {
			return err
		}
		for _, id := range ids {
			if err := w.router.Verify(tx, id); err != nil {
				w.Errorf("%v", err)
			}
		}
		return nil
	})
}

// Capacity, cool-down and being set away, through the database.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		p := one(routing.Rule{Method: routing.RoundRobin})
		p.CapacityOpen = 2
		w := governed(t, db, 1, routing.PoolChange{}, p)
		if got := w.accepting(5); got[w.users[0]] != 2 {
			t.Errorf("capacity 2 gave %v", got)
		}
		mine := slices.IndexFunc(w.leads(), func(l leads.Route) bool { return l.State == lead.Owned })
		id := w.leads()[mine].Lead
		w.write(func(tx *store.Tx) error {
			if err := tx.Must(closeLead, id, store.Micro(w.now())); err != nil {
				return err
			}
			return w.list.Add(tx, routing.KindWithdraw, id.String(), w.now())
		})
		w.settle()
		if len(w.offersOf(w.users[0])) != 1 {
			t.Error("a closed lead makes no room")
		}

		p = one(routing.Rule{Method: routing.RoundRobin})
		p.CapacityDay, p.CoolDownSeconds, p.AwayAfter = 3, 100, 2
		w = governed(t, db, 1, routing.PoolChange{AcceptSeconds: num(10)}, p)
		if got := w.accepting(2); got[w.users[0]] != 1 {
			t.Errorf("no cool-down: %v", got)
		}
		w.pass(100 * time.Second)
		w.settle()
		if len(w.offersOf(w.users[0])) != 1 {
			t.Error("after the cool-down nothing is offered")
		}
		for range 2 {
			w.arrive(1)
			w.settle()
			w.pass(11 * time.Second)
			w.settle()
		}
		w.read(func(tx *store.Tx) error {
			m, err := w.router.Roster(tx, w.pool, w.now())
			if m[0].Presence != account.Away {
				t.Errorf("after two misses: %s", m[0].Presence)
			}
			return err
		})
	})
}

// Conditions see a lead's attributes; the round keeps them, and replays.
func TestConditionsSeeTheLead(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 2, routing.PoolChange{OffersAtOnce: num(50)}, routing.Policy{})
		w.publish(w.draft(routing.Policy{Rules: []routing.Rule{
			{Name: "Big", When: "value >= 500 && campaign == 'spring' && country == 'GB' && source == 'web' && 'vip' in tags", Method: routing.RoundRobin,
				Members: []routing.Share{{User: w.users[1], Weight: 1}}},
			{Name: "Rest", Method: routing.RoundRobin, Members: []routing.Share{{User: w.users[0], Weight: 1}}}}}))
		big, small := w.arrive(1)[0], w.arrive(1)[0]
		w.write(func(tx *store.Tx) error {
			for id, value := range map[lead.ID]string{big: "600", small: "400"} {
				if err := tx.Must(addPerson, id); err != nil {
					return err
				}
				if err := tx.Must(addEnquiry, lead.NewEnquiryID(), id, `{"utm_campaign":"spring"}`, `{"value":`+value+`,"tags":["vip"]}`); err != nil {
					return err
				}
			}
			return nil
		})
		w.settle()
		if a, b := w.offersOf(w.users[1]), w.offersOf(w.users[0]); len(a) != 1 || a[0].Lead != big || len(b) != 1 || b[0].Lead != small {
			t.Errorf("%v, %v", a, b)
		}
		w.check()
	})
}
