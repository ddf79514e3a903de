package routing_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

func TestMarks(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 1, routing.PoolChange{})
		w.arrive(1)
		w.settle()
		u := w.users[0]
		o := w.offersOf(u)[0].ID
		w.write(func(tx *store.Tx) error {
			if err := w.router.Seen(tx, o, u, w.now()); err != nil {
				return err
			}
			return w.router.Acked(tx, o, u) // late: changes nothing
		})
		if got := w.offersOf(u); got[0].State != lead.OfferSeen {
			t.Errorf("%s", got[0].State)
		}
		if err := w.accept(o, u); err != nil {
			t.Error(err)
		}
	})
}

func TestSetup(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 1, routing.PoolChange{})
		for name, f := range map[string]func(*store.Tx) error{
			"pool_exists": func(tx *store.Tx) error {
				_, err := w.router.CreatePool(tx, w.project, routing.PoolChange{}, "m", w.now())
				return err
			},
			"not_found": func(tx *store.Tx) error {
				_, err := w.router.UpdatePool(tx, account.NewPoolID(), routing.PoolChange{}, "m", w.now())
				return err
			},
		} {
			if c := code(w.try(f)); c != name {
				t.Errorf("%q, want %s", c, name)
			}
		}
		empty := ""
		err := w.try(func(tx *store.Tx) error {
			_, err := w.router.UpdatePool(tx, w.pool, routing.PoolChange{Name: &empty, AcceptSeconds: num(1), AlarmSeconds: num(1)}, "m", w.now())
			return err
		})
		if p, _ := problem.Of(err); p == nil || len(p.Errors) != 3 {
			t.Errorf("%v", err)
		}
		for _, bad := range [][]offers.Shift{{{Weekday: 7, End: 1}}, {{Start: 5, End: 5}}, {{End: 1441}}, {{End: 60}, {Start: 59, End: 90}}, make([]offers.Shift, 22)} {
			err := w.try(func(tx *store.Tx) error { return w.router.SetShifts(tx, w.users[0], bad, "m", w.now()) })
			if code(err) != "invalid" {
				t.Errorf("shifts %v: %v", bad, err)
			}
		}
		err = w.try(func(tx *store.Tx) error {
			_, err := w.router.Presence(tx, w.users[0], "asleep", w.now())
			return err
		})
		if code(err) != "invalid" {
			t.Errorf("%v", err)
		}
		var was, is offers.Presence
		w.read(func(tx *store.Tx) (err error) { was, err = offers.PresenceOf(tx, w.users[0]); return err })
		w.pass(time.Minute)
		w.presence(w.users[0], account.Available)
		w.read(func(tx *store.Tx) (err error) { is, err = offers.PresenceOf(tx, w.users[0]); return err })
		if !is.Since.Equal(was.Since) {
			t.Error("declaring the same again moved its beginning")
		}
	})
}

// Nobody's salespeople and leads are another account's.
func TestTwoAccounts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		a, b := newWorld(t, db, 1, routing.PoolChange{}), newWorld(t, db, 1, routing.PoolChange{})
		id := a.arrive(1)[0]
		a.settle()
		b.settle()
		o := a.offersOf(a.users[0])[0].ID
		b.users = append(b.users, a.users[0])
		for name, err := range map[string]error{
			"accept":  b.accept(o, a.users[0]),
			"decline": b.decline(o, a.users[0]),
			"transfer": b.try(func(tx *store.Tx) error {
				_, err := b.router.Transfer(tx, id, b.users[0], "", "m", b.now())
				return err
			}),
			"claim": b.try(func(tx *store.Tx) error { _, err := b.router.Claim(tx, id, b.users[0], b.now()); return err }),
			"presence": b.try(func(tx *store.Tx) error {
				_, err := b.router.Presence(tx, a.users[0], account.Away, b.now())
				return err
			}),
			"seen":   b.try(func(tx *store.Tx) error { return b.router.Seen(tx, o, a.users[0], b.now()) }),
			"pool":   b.try(func(tx *store.Tx) error { _, err := b.router.Roster(tx, a.pool, b.now()); return err }),
			"member": b.try(func(tx *store.Tx) error { return b.router.SetMember(tx, a.pool, b.users[0], true, "m", b.now()) }),
			"shifts": b.try(func(tx *store.Tx) error { return b.router.SetShifts(tx, a.users[0], nil, "m", b.now()) }),
		} {
			if code(err) != "not_found" {
				t.Errorf("%s of another account: %v", name, err)
			}
		}
		b.write(func(tx *store.Tx) error { return b.router.Withdraw(tx, id, b.now()) })
		b.read(func(tx *store.Tx) error {
			of, err := b.router.OffersOf(tx, id)
			if len(of) != 0 {
				t.Errorf("read %v", of)
			}
			return err
		})
		a.check()
		if l := a.route(id); l.State != lead.Offered {
			t.Errorf("%+v", l)
		}
		var none leads.Route
		if err := b.db.Read(b.ctx, b.scope, func(tx *store.Tx) (err error) { none, err = leads.RouteOf(tx, id); return err }); err == nil {
			t.Errorf("read %+v", none)
		}
	})
}
