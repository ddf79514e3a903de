package insight_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/storetest"
)

func each(t *testing.T, do func(t *testing.T, f *firm)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(t, open(t, db)) })
}

// same fails unless the rollups hold what the tables hold.
func (f *firm) same(when string) {
	f.Helper()
	diff, err := f.insight.Difference(context.Background(), f.scope)
	f.ok(err)
	if len(diff) > 0 {
		f.Fatalf("%s: the rollups have too many: %v", when, diff)
	}
	wrong, err := f.insight.FiguresDifference(context.Background(), f.scope)
	f.ok(err)
	if len(wrong) > 0 {
		f.Fatalf("%s: the figures have too many: %v", when, wrong)
	}
}

func (f *firm) catch() {
	f.Helper()
	f.place()
	f.ok(f.insight.Catch(context.Background()))
	f.ok(f.insight.CatchFigures(context.Background()))
}

func (f *firm) total() (s counts.Sums) {
	f.Helper()
	f.read(func(tx *store.Tx) (err error) {
		s, err = counts.Flow(tx, time.Unix(0, 0), time.Now().Add(24*time.Hour))
		return err
	})
	return s
}

// live does one thing after the other that happens to leads.
func (f *firm) live(n int) {
	f.Helper()
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	boss := followup.Worker{Actor: "test", All: true}
	for i := range n {
		f.arrive(i%2, fmt.Sprintf("+44 20 7946 0%03d", rnd.IntN(30)), i%7 == 6)
		offers := f.open()
		if len(offers) < 3 {
			continue
		}
		o := offers[rnd.IntN(len(offers))]
		f.write(func(tx *store.Tx) error {
			var err error
			switch i % 5 {
			case 0:
				_, err = f.router.Decline(tx, o.ID, o.User, "busy", f.now())
			case 1:
				_, err = f.router.Transfer(tx, o.Lead, f.people[0], "", "test", f.now())
			default:
				_, err = f.router.Accept(tx, o.ID, o.User, f.now())
			}
			return err
		})
		if i%5 < 2 {
			continue
		}
		now := f.now().Add(time.Hour) // another hour than the lead's
		f.write(func(tx *store.Tx) error {
			try := followup.Try{Channel: lead.ByCall, Disposition: []lead.Disposition{lead.NoAnswer, lead.Spoke}[i%2]}
			_, err := f.work.Attempt(tx, boss, o.Lead, try, now)
			return err
		})
		for _, c := range [][]lead.Category{{lead.FollowUp}, {lead.FollowUp, lead.Won}, {lead.Dropped, lead.FollowUp, lead.Won}}[i%3] {
			now = now.Add(time.Second)
			f.write(func(tx *store.Tx) error {
				_, err := f.work.SetStage(tx, boss, o.Lead, followup.Move{Category: c, Reason: "test"}, now)
				return err
			})
		}
		if i%4 == 0 {
			f.ahead += time.Minute // whoever did not answer missed it
			f.settle()
		}
		if i%3 == 0 {
			f.place()
		}
		if i%2 == 0 {
			f.ok(f.insight.Catch(context.Background()))
		}
		if i%3 == 1 {
			f.ok(f.insight.CatchFigures(context.Background()))
		}
		f.same(fmt.Sprint("while event ", i, " waits"))
	}
}

func TestRollupsAreWhatARecountGives(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.live(60)
		f.catch()
		f.same("at the end")
		var have counts.Figures
		var want counts.Counts
		f.read(func(tx *store.Tx) (err error) {
			if have, err = counts.KeptFlows(tx); err != nil {
				return err
			}
			want, err = counts.Recount(tx)
			return err
		})
		cells := have.Cells()
		have.TakeCounts(want)
		if have.Less(); cells == 0 || have.Cells() > 0 {
			t.Errorf("of %d cells these differ: %v", cells, have)
		}
		sum := f.total()
		for _, m := range counts.Measures() {
			if sum[m] == 0 {
				t.Errorf("the test makes no %s", m)
			}
		}
		if sum[counts.Leads]+sum[counts.ReEnquiries] != sum[counts.Enquiries] || sum[counts.Contacts] >= sum[counts.Attempts] {
			t.Errorf("these do not fit: %v", sum)
		}
	})
}

// Control: one too many is found.
func TestTheComparisonFindsADifference(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.arrive(0, "+442079460123", false)
		f.catch()
		f.same("before")
		f.write(func(tx *store.Tx) error {
			c := counts.Counts{}
			c.Add(time.Now(), f.project, f.sources[0], counts.Won, 1)
			return counts.Save(tx, c)
		})
		diff, err := f.insight.Difference(context.Background(), f.scope)
		f.ok(err)
		if diff.Cells() != 9 { // of the account, the project and the source: a half hour, its day and its month
			t.Errorf("differences: %v, want nine", diff)
		}
		f.write(func(tx *store.Tx) error {
			more := counts.Figures{}
			p := counts.Part{At: time.Now().Truncate(counts.Step)}
			p.Tally.Add(counts.FLeads, 1)
			more.AddPart(counts.Share{Project: f.project.String()}, p, 1)
			return counts.Change(tx, more)
		})
		wrong, err := f.insight.FiguresDifference(context.Background(), f.scope)
		f.ok(err)
		if len(wrong) == 0 {
			t.Error("one lead too many in the figures is not found")
		}
	})
}

func TestTestLeadsAreNeverCounted(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		for range 3 {
			f.arrive(0, "+442079460123", true)
		}
		f.catch()
		if sum := f.total(); len(sum) != 0 {
			t.Errorf("counted: %v", sum)
		}
		f.same("with test leads only")
	})
}

// Several nodes count each event once.
func TestEachEventCountsOnceWhoeverFollows(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		const n = 40
		var nodes sync.WaitGroup
		stop := make(chan struct{})
		for range 3 {
			in := f.another()
			nodes.Go(func() {
				for {
					if err := in.Catch(context.Background()); err != nil {
						t.Error(err)
					}
					if err := in.CatchFigures(context.Background()); err != nil {
						t.Error(err)
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for i := range n {
			f.arrive(0, fmt.Sprintf("+4420794600%02d", i), false)
			f.place()
		}
		close(stop)
		nodes.Wait()
		f.catch()
		if sum := f.total(); sum[counts.Leads] != n || sum[counts.Enquiries] != n {
			t.Errorf("counted %v, want %d leads", sum, n)
		}
		f.same("after three nodes")
	})
}

// A follower whose events are gone counts anew, and goes on from there.
func TestRebuild(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.live(15)
		f.place()
		f.write(func(tx *store.Tx) error { _, err := tx.Exec(forgetEvents); return err })
		f.arrive(0, "+442079460199", false) // not placed yet
		f.ok(f.insight.Catch(context.Background()))
		f.ok(f.insight.CatchFigures(context.Background()))
		f.same("after the events were lost")
		if f.total()[counts.Leads] == 0 {
			t.Error("nothing was counted anew")
		}
		f.arrive(1, "+442079460198", false)
		f.catch()
		f.same("and going on")
	})
}

var forgetEvents = store.Register("insight_test.forget", `DELETE FROM event_batch WHERE account_id = $1 AND first_position IS NOT NULL`)

// Accounts do not mix, and one that fails does not hold back the others.
func TestAccountsAreCountedApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := open(t, db), &firm{}
		b.T, b.db, b.scope = t, db, storetest.Account()
		a.arrive(0, "+442079460123", false)
		b.write(func(tx *store.Tx) error { return tx.Must(garbage) })
		a.place()
		if err := a.insight.Catch(context.Background()); err == nil {
			t.Error("events that cannot be read pass unseen")
		}
		if got := a.total()[counts.Leads]; got != 1 {
			t.Errorf("%d leads of the healthy account, want 1", got)
		}
		if got := b.total(); len(got) != 0 {
			t.Errorf("another account has counts: %v", got)
		}
	})
}

var garbage = store.Register("insight_test.garbage", `INSERT INTO event_batch (account_id, batch_id, emitted_at, count, events)
	VALUES ($1, $1, 1, 1, '[{')`)

// Running, it is a second behind at most, and quiet once Stop returns.
func TestItFollows(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.places.Start()
		defer f.places.Stop()
		f.insight.Start()
		f.arrive(0, "+442079460123", false)
		for end := time.Now().Add(5 * time.Second); f.total()[counts.Leads] != 1; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not counted within five seconds")
			}
		}
		f.insight.Stop()
		f.insight.Stop()
		f.insight.Start()
		f.arrive(0, "+442079460124", false)
		idle := f.another()
		idle.Stop() // before Start
		idle.Start()
		if got := f.total()[counts.Leads]; got != 1 {
			t.Errorf("%d leads counted after Stop", got)
		}
	})
}

// A booking counts for its lead until it is cancelled.
func TestBookingsAreCounted(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.arrive(0, "+442079460123", false)
		o := f.open()[0]
		f.write(func(tx *store.Tx) error { _, err := f.router.Accept(tx, o.ID, o.User, f.now()); return err })
		bookings := func() (n int64) {
			f.catch()
			f.same("with a booking")
			f.read(func(tx *store.Tx) error {
				by, err := counts.Between(tx, counts.OfUser, time.Now().Add(-2*time.Hour).Truncate(time.Hour), time.Now().Add(2*time.Hour).Truncate(time.Hour))
				if by[o.User.String()] != nil {
					n = by[o.User.String()].Of(counts.FBookings)
				}
				return err
			})
			return n
		}
		if n := bookings(); n != 0 {
			t.Errorf("%d bookings before the first", n)
		}
		boss := followup.Worker{Actor: "test", All: true}
		var id lead.BookingID
		f.write(func(tx *store.Tx) error {
			b, err := f.work.Book(tx, boss, o.Lead, followup.Deal{Unit: "A-1", Value: 100, Currency: "EUR"}, f.now())
			id = b.ID
			return err
		})
		if n := bookings(); n != 1 {
			t.Errorf("%d bookings, want 1", n)
		}
		f.write(func(tx *store.Tx) error { _, err := f.work.CancelBooking(tx, boss, id, "test", f.now()); return err })
		if n := bookings(); n != 0 {
			t.Errorf("%d bookings after it was cancelled", n)
		}
	})
}

// A lead of history that is tried here counts, and has no clock.
func TestHistoryCountsWithoutClocks(t *testing.T) {
	each(t, func(t *testing.T, f *firm) {
		f.arrive(0, "+442079460123", false)
		o := f.open()[0]
		f.write(func(tx *store.Tx) error { _, err := f.router.Accept(tx, o.ID, o.User, f.now()); return err })
		boss := followup.Worker{Actor: "test", All: true}
		try := func() {
			f.write(func(tx *store.Tx) error {
				_, err := f.work.Attempt(tx, boss, o.Lead, followup.Try{Channel: lead.ByCall, Disposition: lead.Spoke}, f.now())
				return err
			})
			f.catch()
			f.same("after an attempt")
		}
		measured := func() (leads, tried, n int64) {
			f.read(func(tx *store.Tx) error {
				sum, err := counts.Total(tx, time.Now().Add(-2*time.Hour).Truncate(counts.Step), time.Now().Add(2*time.Hour).Truncate(counts.Step))
				leads, tried, n = sum.Of(counts.FLeads), sum.Of(counts.FTried), sum.Spread(counts.SpeedToLead).Count()
				return err
			})
			return leads, tried, n
		}
		try()
		if leads, tried, n := measured(); leads != 1 || tried != 1 || n != 1 { // control
			t.Errorf("%d leads, %d tried, %d measured, want one of each", leads, tried, n)
		}
		f.write(func(tx *store.Tx) error { return tx.Must(asHistory, o.Lead) })
		try()
		if leads, tried, n := measured(); leads != 1 || tried != 1 || n != 0 {
			t.Errorf("of history: %d leads, %d tried, %d measured, want none measured", leads, tried, n)
		}
	})
}

var asHistory = store.Register("insight_test.history", `UPDATE lead SET history = true WHERE account_id = $1 AND lead_id = $2`)
