package routing_test

import (
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
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
		w.read(func(tx *store.Tx) error {
			board, err := w.router.Board(tx)
			if err == nil && (len(board) != 1 || board[0].Waiting != 1198 || board[0].Offered != 2) {
				t.Errorf("board %+v, with two offers", board)
			}
			return err
		})
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
