package routing_test

import (
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"

	"pgregory.net/rapid"
)

func problemOf(err error) (*problem.Problem, bool) { return problem.Of(err) }

// A lead's course: offered, missed, offered to the next, declined, queued
// with an alarm, taken up again when somebody comes back, accepted.
func TestCourse(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 2, routing.PoolChange{})
		id := w.arrive(1)[0]
		w.settle()
		w.check()
		first := w.route(id)
		a, b := w.users[0], w.users[1]
		if len(w.offersOf(a)) == 0 {
			a, b = b, a
		}
		if o := w.offersOf(a); len(o) != 1 || o[0].ExpiresAt.Sub(o[0].MadeAt) != 45*time.Second || first.State != lead.Offered {
			t.Fatalf("%v, lead %+v", o, first)
		}
		missed := w.offersOf(a)[0].ID

		w.pass(45 * time.Second)
		if c := code(w.accept(missed, a)); c != "offer_expired" {
			t.Errorf("accepting at the last instant: %q", c)
		}
		w.settle()
		w.check()
		if c := code(w.accept(missed, a)); c != "offer_expired" {
			t.Errorf("accepting an expired offer: %q", c)
		}
		next := w.offersOf(b)
		if len(next) != 1 || len(w.offersOf(a)) != 0 {
			t.Fatalf("offers %v", next)
		}
		if c := code(w.accept(next[0].ID, a)); c != "not_found" {
			t.Errorf("accepting another's offer: %q", c)
		}
		for range 2 {
			if err := w.decline(next[0].ID, b); err != nil {
				t.Fatal(err)
			}
		}
		if c := code(w.accept(next[0].ID, b)); c != "offer_declined" {
			t.Errorf("accepting a declined offer: %q", c)
		}
		w.settle()
		w.check()
		if l := w.route(id); l.State != lead.Waiting || l.QueuedAt.IsZero() || !l.WaitingAt.Equal(l.CreatedAt) {
			t.Fatalf("nobody is left: %+v", l)
		}

		w.pass(time.Minute)
		w.presence(b, account.Away)
		w.presence(b, account.Available) // declined it: not again
		w.settle()
		if l := w.route(id); l.State != lead.Waiting {
			t.Fatalf("offered to who declined it: %+v", l)
		}
		w.presence(a, account.Away)
		w.presence(a, account.Available)
		w.settle()
		w.check()
		again := w.offersOf(a)
		if l := w.route(id); len(again) != 1 || !l.QueuedAt.IsZero() {
			t.Fatalf("who comes back gets it: %v %+v", again, l)
		}
		for range 2 {
			if err := w.accept(again[0].ID, a); err != nil {
				t.Fatal(err)
			}
		}
		w.settle()
		w.check()
		if l := w.route(id); l.State != lead.Owned || l.Owner != a {
			t.Errorf("%+v", l)
		}
		if err := w.decline(again[0].ID, a); code(err) != "offer_accepted" {
			t.Errorf("declining what was accepted: %v", err)
		}
		w.explained(id, a, b)
	})
}

func (w *world) explained(id lead.ID, a, b account.UserID) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		ds, err := w.router.Explain(tx, id, 100)
		var got []string
		for _, d := range ds {
			for _, c := range d.Candidates {
				if c.User == b {
					got = append(got, c.Reason.String())
				}
			}
		}
		want := []string{"later_in_rotation", "chosen", "declined_before", "declined_before"}
		if !slices.Equal(got, want) {
			w.Errorf("the ledger says of the second: %v, want %v", got, want)
		}
		return err
	})
}

func TestTransferClaimWithdraw(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 2, routing.PoolChange{})
		a, b := w.users[0], w.users[1]
		ids := w.arrive(4)
		w.settle() // two are offered, two wait
		of := w.offersOf(a)[0]
		transfer := func(id lead.ID, to account.UserID, reason string) error {
			return w.try(func(tx *store.Tx) error {
				_, err := w.router.Transfer(tx, id, to, reason, "user_manager", w.now())
				return err
			})
		}
		claim := func(id lead.ID, u account.UserID) error {
			return w.try(func(tx *store.Tx) error { _, err := w.router.Claim(tx, id, u, w.now()); return err })
		}
		for range 2 {
			if err := transfer(of.Lead, b, "knows-them"); err != nil {
				t.Fatal(err)
			}
		}
		if c := code(w.accept(of.ID, a)); c != "offer_lost" {
			t.Errorf("accepting what was transferred: %q", c)
		}
		w.settle()
		w.check()
		if l := w.route(of.Lead); l.Owner != b {
			t.Errorf("%+v", l)
		}
		for _, err := range []error{transfer(lead.NewID(), b, ""), claim(lead.NewID(), b), claim(ids[3], account.NewUserID())} {
			if code(err) != "not_found" {
				t.Errorf("what is not there: %v", err)
			}
		}
		if c := code(transfer(ids[3], account.NewUserID(), "")); c != "invalid" {
			t.Errorf("to nobody: %q", c)
		}
		if c := code(transfer(ids[3], a, "Mr Example said")); c != "invalid" {
			t.Errorf("free text as a reason: %q", c)
		}
		waiting := ids[3]
		if l := w.route(waiting); l.State != lead.Waiting {
			t.Fatalf("%+v", l)
		}
		for range 2 {
			if err := claim(waiting, b); err != nil {
				t.Fatal(err)
			}
		}
		if c := code(claim(waiting, a)); c != "lead_taken" {
			t.Errorf("claiming what is owned: %q", c)
		}
		w.settle()
		w.check()

		offered := w.offersOf(a)[0]
		w.write(func(tx *store.Tx) error {
			if err := tx.Must(closeLead, offered.Lead, store.Micro(w.now())); err != nil {
				return err
			}
			return w.list.Add(tx, routing.KindWithdraw, offered.Lead.String(), w.now())
		})
		w.settle()
		w.check()
		if c := code(w.accept(offered.ID, a)); c != "offer_lost" {
			t.Errorf("accepting a closed lead: %q", c)
		}
		if c := code(transfer(offered.Lead, b, "")); c != "lead_closed" {
			t.Errorf("transferring a closed lead: %q", c)
		}
	})
}

// Whatever people do and whenever, in one order or another: what check says
// holds, and no offer is made outside a shift.
func TestHolds(t *testing.T) {
	few(t, 12)
	each(t, func(t *testing.T, db *store.DB) {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t, db, 0, routing.PoolChange{OffersAtOnce: num(rapid.Int64Range(1, 3).Draw(t, "at once")), AlarmSeconds: num(120)})
			for range rapid.IntRange(1, 4).Draw(t, "people") {
				w.hire(rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "America/New_York"}).Draw(t, "zone"), drawShifts(t))
			}
			for range rapid.IntRange(3, 14).Draw(t, "steps") {
				w.happen(t)
				w.settle()
				w.check()
				w.checkShifts()
			}
		})
	})
}

// few has rapid check n times unless the command line says how often.
func few(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return // asked for
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

func drawShifts(t *rapid.T) []offers.Shift {
	if rapid.Bool().Draw(t, "always on") {
		return routing.AlwaysOn()
	}
	start := rapid.IntRange(0, 23).Draw(t, "start") * 60
	out := routing.AlwaysOn()
	for i := range out {
		out[i].Start, out[i].End = start, min(start+480, 1440)
	}
	return out
}

func (w *world) happen(t *rapid.T) {
	u := rapid.SampledFrom(w.users).Draw(t, "user")
	var err error
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0, 1:
		w.arrive(rapid.IntRange(1, 5).Draw(t, "leads"))
	case 2:
		w.pass(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
	case 3:
		w.pass(time.Duration(rapid.IntRange(1, 40).Draw(t, "quarters")) * 15 * time.Minute)
	case 4, 5:
		if of := w.offersOf(u); len(of) > 0 {
			err = w.accept(of[0].ID, u)
		}
	case 6:
		if of := w.offersOf(u); len(of) > 0 {
			err = w.decline(of[0].ID, u)
		}
	case 7:
		w.presence(u, rapid.SampledFrom([]account.Presence{account.Available, account.Away, account.Engaged, account.LoggedOff}).Draw(t, "presence"))
	case 8:
		if all := w.leads(); len(all) > 0 {
			id := rapid.SampledFrom(all).Draw(t, "lead").Lead
			err = w.try(func(tx *store.Tx) error { _, err := w.router.Transfer(tx, id, u, "", "m", w.now()); return err })
		}
	case 9:
		err = w.try(func(tx *store.Tx) error {
			return w.router.SetMember(tx, w.pool, u, rapid.Bool().Draw(t, "in"), "test", w.now())
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) checkShifts() {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		for _, u := range w.users {
			shifts, err := offers.Shifts(tx, u)
			if err != nil {
				return err
			}
			p, err := offers.PresenceOf(tx, u)
			if err != nil {
				return err
			}
			z, err := time.LoadLocation(p.Zone)
			if err != nil {
				return err
			}
			open, err := offers.OpenOf(tx, u, 100)
			if err != nil {
				return err
			}
			for _, o := range open {
				if !routing.OnShift(shifts, z, o.MadeAt).On {
					w.Errorf("an offer was made at %v, outside the shift", o.MadeAt)
				}
			}
		}
		return nil
	})
}

// Racing answers, transfers, claims, expiries and rounds: one winner a lead.
func TestRaces(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 6, routing.PoolChange{OffersAtOnce: num(4)})
		ids := w.arrive(30)
		w.settle()
		w.pass(44*time.Second + 999*time.Millisecond)
		before := w.now() // when the answers came in; the offers end while they are dealt with
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := map[lead.ID]int{}
		allowed := []string{"", "offer_expired", "offer_lost", "offer_declined", "offer_accepted", "lead_taken"}
		try := func(f func() error) {
			wg.Go(func() {
				if err := f(); err != nil && !slices.Contains(allowed[1:], code(err)) {
					t.Error(err)
				}
			})
		}
		for _, u := range w.users {
			for i, o := range w.offersOf(u) {
				for range 2 {
					try(func() error {
						err := w.try(func(tx *store.Tx) error { _, err := w.router.Accept(tx, o.ID, u, before); return err })
						if err == nil {
							mu.Lock()
							won[o.Lead]++
							mu.Unlock()
						}
						return err
					})
				}
				if i == 0 {
					try(func() error {
						return w.try(func(tx *store.Tx) error { _, err := w.router.Decline(tx, o.ID, u, "", before); return err })
					})
				}
				if i == 1 {
					try(func() error {
						return w.try(func(tx *store.Tx) error {
							_, err := w.router.Transfer(tx, o.Lead, w.users[0], "", "m", w.now())
							return err
						})
					})
				}
			}
		}
		for _, id := range ids[20:] {
			for _, u := range w.users[:2] {
				try(func() error {
					return w.try(func(tx *store.Tx) error { _, err := w.router.Claim(tx, id, u, w.now()); return err })
				})
			}
		}
		try(func() error { w.pass(time.Millisecond); _, err := w.runner.Drain(w.ctx, w.now()); return err })
		wg.Wait()
		w.settle()
		w.check()
		if len(won) == 0 {
			t.Error("nobody won anything: this raced nothing")
		}
	})
}

// With everybody available, shares are within one of each other.
func TestFairShares(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 7, routing.PoolChange{OffersAtOnce: num(3)})
		got := map[account.UserID]int{}
		for i := range 20 {
			w.arrive(1 + i%5)
			w.settle()
			for _, u := range w.users {
				for _, o := range w.offersOf(u) {
					if err := w.accept(o.ID, u); err != nil {
						t.Fatal(err)
					}
					got[u]++
				}
			}
			w.pass(time.Second)
		}
		least, most := 1000, 0
		for _, u := range w.users {
			least, most = min(least, got[u]), max(most, got[u])
		}
		if most-least > 1 || most == 0 {
			t.Errorf("shares %v", got)
		}
		w.check()
	})
}

// A backlog waits through the night at no cost, raises the alarm once, and is
// drained oldest first when somebody comes back.
func TestBacklog(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, routing.PoolChange{OffersAtOnce: num(2), AlarmSeconds: num(60)})
		for _, u := range w.users {
			w.presence(u, account.LoggedOff)
		}
		var ids []lead.ID
		for range 3 {
			ids = append(ids, w.arrive(400)...)
			w.pass(time.Second)
		}
		w.settle()
		var before, after int64
		rows := func(n *int64) {
			var x int64
			w.read(func(tx *store.Tx) error { return tx.Row(countRows).Scan(&x, n, &x, &x) })
		}
		rows(&before)
		if before != int64(len(ids)) {
			t.Errorf("%d decisions say why %d leads wait", before, len(ids))
		}
		for range 5 {
			w.write(func(tx *store.Tx) error { return w.router.Wanted(tx, w.project, w.now()) })
			w.settle()
		}
		if rows(&after); after != before {
			t.Errorf("asking again wrote %d decisions more", after-before)
		}
		w.pass(2 * time.Minute)
		w.settle()
		w.read(func(tx *store.Tx) error {
			board, err := w.router.Board(tx)
			if err == nil && (len(board) != 1 || board[0].Waiting != 1200 || board[0].Queued != 1200 || board[0].Offered != 0 || !board[0].Oldest.Equal(monday)) {
				t.Errorf("board %+v", board)
			}
			return err
		})
		w.presence(w.users[1], account.Available)
		w.settle()
		var drained []lead.ID
		for range 10 {
			for _, o := range w.offersOf(w.users[1]) {
				drained = append(drained, o.Lead)
				if err := w.accept(o.ID, w.users[1]); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
		}
		oldest := slices.Clone(ids[:400])
		for i, id := range drained {
			if !slices.Contains(oldest, id) {
				t.Errorf("the %dth drained was not among the oldest", i)
			}
		}
		if len(drained) != 20 {
			t.Errorf("%d drained", len(drained))
		}
	})
}

// A shift that begins is a reason to look.
func TestShiftBegins(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 0, routing.PoolChange{})
		shifts := routing.AlwaysOn()
		for i := range shifts {
			shifts[i].Start, shifts[i].End = 600, 660 // 10:00 to 11:00
		}
		u := w.hire("UTC", shifts)
		w.arrive(1)
		w.settle()
		if len(w.offersOf(u)) != 0 {
			t.Fatal("offered before the shift")
		}
		w.pass(time.Hour - time.Microsecond)
		w.settle()
		if len(w.offersOf(u)) != 0 {
			t.Fatal("offered before the shift")
		}
		w.pass(time.Microsecond)
		w.settle()
		if len(w.offersOf(u)) != 1 {
			t.Fatal("not offered when the shift began")
		}
		w.pass(time.Minute)
		w.settle() // missed
		w.check()
		w.pass(24 * time.Hour)
		w.settle()
		if len(w.offersOf(u)) != 1 {
			t.Fatal("what was missed yesterday is not offered in the new shift")
		}
	})
}
