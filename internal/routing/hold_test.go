package routing_test

import (
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
)

func (w *world) personOf(id lead.ID) (p lead.PersonID) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		l, err := leads.LeadByID(tx, id)
		p = l.Person
		return err
	})
	return p
}

// A lead whose person must not be contacted is offered to nobody, says why, is
// not in the named queue, and waits again when the mark is ended.
func TestTheSuppressedAreNotOffered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 2, routing.PoolChange{AlarmSeconds: num(30)})
		for _, u := range w.users {
			w.presence(u, account.Away)
		}
		marked, other := w.arrive(1)[0], w.arrive(1)[0]
		person := w.personOf(marked)
		mark := func(p lead.PersonID) {
			w.write(func(tx *store.Tx) error {
				if err := tx.Must(addPerson, marked); p == person && err != nil {
					return err
				}
				_, err := people.Suppress(tx, people.Suppression{ID: lead.NewSuppressionID(), Person: p, Reason: "asked-not-to", By: "test", From: w.now()})
				return err
			})
		}
		w.settle()
		w.pass(time.Minute)
		w.settle()
		if r := w.route(marked); r.QueuedAt.IsZero() {
			t.Fatalf("the lead is %s and not in the named queue", r.State)
		}
		mark(person)
		w.presence(w.users[0], account.Available)
		w.settle()
		if r := w.route(marked); r.State != lead.Unrouted || !r.QueuedAt.IsZero() {
			t.Errorf("the lead is %s, queued %v", r.State, r.QueuedAt)
		}
		if got := w.reasons(marked); !slices.Equal(got, []string{"suppressed", "suppressed"}) {
			t.Errorf("the ledger says %v", got)
		}
		if r := w.route(other); r.State != lead.Offered {
			t.Errorf("the control: the other one is %s", r.State)
		}
		if n := w.heard(events.LeadUnrouted); n != 1 || w.heard(events.AlarmCleared) != 1 {
			t.Errorf("%d events, the alarm was cleared %d times", n, w.heard(events.AlarmCleared))
		}
		back := func() {
			w.write(func(tx *store.Tx) error { return w.list.Add(tx, routing.KindReturn, person.String(), w.now()) })
			w.settle()
		}
		back() // for nothing: the mark stands
		if r := w.route(marked); r.State != lead.Unrouted {
			t.Errorf("while the mark stands the lead is %s", r.State)
		}
		w.write(func(tx *store.Tx) error { _, err := people.Unsuppress(tx, person, w.now(), "test"); return err })
		w.presence(w.users[1], account.Available)
		back()
		if r := w.route(marked); r.State != lead.Offered {
			t.Errorf("after the mark was ended the lead is %s", r.State)
		}
		w.check()
	})
}
