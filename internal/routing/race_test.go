package routing_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"

	"pgregory.net/rapid"
)

// acceptor is Router.Accept in a transaction, or what a control has instead.
type acceptor func(w *world, o offers.Offer, u account.UserID, now time.Time) error

func accepts(w *world, o offers.Offer, u account.UserID, now time.Time) error {
	return w.try(func(tx *store.Tx) error {
		w.tally.Add("transactions", 1)
		_, err := w.router.Accept(tx, o.ID, u, now)
		return err
	})
}

// race is answers to the same leads at the same time.
type race struct {
	*world
	accept acceptor
	start  chan struct{}
	wg     sync.WaitGroup

	mu    sync.Mutex
	won   map[lead.ID][]account.UserID // who was told that the lead is theirs
	moved map[lead.ID]bool             // transferred
	spans map[lead.ID][]span
}

// span is how long one answer took, and of what kind it was.
type span struct {
	kind       string
	from, till time.Time
}

// Racing accepts, declines, transfers, claims, expiries and rounds, on the
// same leads at the same time: whoever is told that a lead is theirs is the
// only one.
func TestPropertyOneWinner(t *testing.T) {
	propertytest.Checks(t, 5, 70)
	each(t, func(t *testing.T, db *store.DB) {
		tally, watch := propertytest.NewTally(), &propertytest.Watch{}
		defer func() {
			tally.Report(t, propertytest.OneWinner, string(db.Engine()), !watch.Violated(propertytest.OneWinner),
				"leads", "won", "won by another than the first", "answers that overlapped a rival", "rivals refused", "transactions that ran again")
		}()
		rapid.Check(t, func(t *rapid.T) {
			watch.T = t
			runRace(t, watch, db, tally, accepts)
		})
		tally.AtLeast(t, "won", 300)
		tally.AtLeast(t, "answers that overlapped a rival", 500)
		tally.AtLeast(t, "won by another than the first", 20)
		tally.AtLeast(t, "rivals refused", 100)
	})
}

func runRace(t *rapid.T, f fataler, db *store.DB, tally *propertytest.Tally, accept acceptor) {
	people, atOnce := rapid.IntRange(2, 5).Draw(t, "people"), rapid.Int64Range(1, 4).Draw(t, "at once")
	w := newWorld(f, db, people, routing.PoolChange{OffersAtOnce: num(atOnce)})
	r := &race{world: w, accept: accept, start: make(chan struct{}), won: map[lead.ID][]account.UserID{}, moved: map[lead.ID]bool{},
		spans: map[lead.ID][]span{}}
	w.tally = tally
	tally.Case()
	defer w.leave()
	ids := w.arrive(people*int(atOnce) + rapid.IntRange(0, 4).Draw(t, "waiting"))
	w.settle()
	w.pass(44*time.Second + 999*time.Millisecond)
	before := w.now() // when the answers came in; the offers end while they are dealt with
	for _, u := range w.users {
		for _, o := range w.offersOf(u) {
			r.answer(t, o, u, before)
		}
	}
	r.rivals(ids, w.users)
	close(r.start)
	r.wg.Wait()
	w.settle()
	w.check()
	r.judge(ids)
}

// answer has the offer accepted, once or twice, and perhaps declined and
// perhaps transferred at the same time.
func (r *race) answer(t *rapid.T, o offers.Offer, u account.UserID, now time.Time) {
	for range rapid.IntRange(1, 2).Draw(t, "accepts") {
		r.goTry("accept", o.Lead, u, func() error { return r.accept(r.world, o, u, now) })
	}
	if seldom(t, 1, "declined") {
		r.goTry("decline", o.Lead, account.UserID{}, func() error {
			return r.try(func(tx *store.Tx) error {
				r.tally.Add("transactions", 1)
				_, err := r.router.Decline(tx, o.ID, u, "", now)
				return err
			})
		})
	}
	if seldom(t, 2, "transferred") {
		to := rapid.SampledFrom(r.users).Draw(t, "to")
		r.goTry("transfer", o.Lead, account.UserID{}, func() error {
			err := r.try(func(tx *store.Tx) error {
				r.tally.Add("transactions", 1)
				_, err := r.router.Transfer(tx, o.Lead, to, "", "m", now)
				return err
			})
			if err == nil {
				r.mu.Lock()
				r.moved[o.Lead] = true
				r.mu.Unlock()
			}
			return err
		})
	}
}

// rivals end what is open, offer it to the next, accept it there, and claim
// what waits in between.
func (r *race) rivals(ids []lead.ID, users []account.UserID) {
	r.wg.Go(func() {
		<-r.start
		r.pass(time.Millisecond)
		if _, err := r.runner.Drain(r.ctx, r.now()); err != nil {
			r.Errorf("drain: %v", err)
		}
		for _, u := range users {
			var open []offers.Offer
			if err := r.db.Read(r.ctx, r.scope, func(tx *store.Tx) (err error) { open, err = r.router.Offers(tx, u, r.now()); return err }); err != nil {
				r.Errorf("offers: %v", err)
			}
			for _, o := range open {
				r.goTry("accept of the next", o.Lead, u, func() error { return r.accept(r.world, o, u, r.now()) })
			}
		}
	})
	for i, id := range ids {
		u := users[i%len(users)]
		claim := func() error {
			return r.try(func(tx *store.Tx) error {
				r.tally.Add("transactions", 1)
				_, err := r.router.Claim(tx, id, u, r.now())
				return err
			})
		}
		for range 3 { // they take turns on the connections: one may find the lead waiting
			r.goTry("claim", id, u, claim)
		}
	}
}

// refusals are what a loser may be told.
var refusals = []string{"offer_expired", "offer_lost", "offer_declined", "offer_accepted", "lead_taken"}

// goTry runs f when the race starts; u wins the lead when it succeeds.
func (r *race) goTry(kind string, id lead.ID, u account.UserID, f func() error) {
	r.wg.Go(func() {
		<-r.start
		s := span{kind: kind, from: time.Now()}
		r.tally.Add("answers", 1)
		err := f()
		s.till = time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.spans[id] = append(r.spans[id], s)
		switch {
		case err == nil && !u.IsZero() && !slices.Contains(r.won[id], u):
			r.won[id] = append(r.won[id], u)
			if kind != "accept" {
				r.tally.Add("won by another than the first", 1)
			}
		case err == nil:
		case slices.Contains(refusals, code(err)):
			r.tally.Add("rivals refused", 1)
		default:
			r.Errorf("%s: %v", kind, err)
		}
	})
}

// judge: of each lead one person was told that it is theirs, and it is.
func (r *race) judge(ids []lead.ID) {
	r.Helper()
	r.tally.Add("leads", len(ids))
	for _, id := range ids {
		switch won := r.won[id]; {
		case len(won) > 1:
			r.Errorf("%s: %d people were told that the same lead is theirs", propertytest.OneWinner, len(won))
		case len(won) == 1:
			r.tally.Add("won", 1)
			if l := r.route(id); l.State != lead.Owned || l.Owner != won[0] && !r.moved[id] {
				r.Errorf("%s: the winner does not have the lead: it is %s", propertytest.OneWinner, l.State)
			}
		}
		r.tally.Add("answers that overlapped a rival", overlaps(r.spans[id]))
	}
	r.tally.Add("transactions that ran again", max(r.tally.Of("transactions")-r.tally.Of("answers")-r.tally.Of("transactions that ran again"), 0))
}

// overlaps counts those that ran while another one of another kind did.
func overlaps(all []span) (n int) {
	for i, a := range all {
		if slices.ContainsFunc(all[:i], func(b span) bool { return overlap(a, b) }) || slices.ContainsFunc(all[i+1:], func(b span) bool { return overlap(a, b) }) {
			n++
		}
	}
	return n
}

func overlap(a, b span) bool {
	return a.kind != b.kind && a.from.Before(b.till) && b.from.Before(a.till)
}

// Accepting without the fence ---------------------------------------------------

var (
	takeAnyway = store.Register("routing_test.take_anyway", `UPDATE lead SET route_state = 'owned', owner_id = $3, offer_id = NULL,
		waiting_at = NULL, queued_at = NULL, version = version + 1 WHERE account_id = $1 AND lead_id = $2`)
	acceptAnyway = store.Register("routing_test.accept_anyway", `UPDATE offer SET state = 'accepted', open = false, resolved_at = $3
		WHERE account_id = $1 AND offer_id = $2`)
)

// lost is what Accept says of an offer that was resolved.
var lost = problem.Conflict("offer_lost", "The lead has gone to somebody else.")

// unfenced looks whether the offer is open, and then takes the lead, whatever
// has happened to it in between.
func unfenced(between func()) acceptor {
	return func(w *world, o offers.Offer, u account.UserID, now time.Time) error {
		err := w.db.Read(w.ctx, w.scope, func(tx *store.Tx) error {
			o, err := offers.Get(tx, o.ID)
			if err == nil && (!o.Open || !now.Before(o.ExpiresAt)) {
				return lost
			}
			return err
		})
		if err != nil {
			return err
		}
		between()
		return w.try(func(tx *store.Tx) error {
			w.tally.Add("transactions", 1)
			if err := tx.Must(takeAnyway, o.Lead, u); err != nil {
				return err
			}
			if err := tx.Must(acceptAnyway, o.ID, store.Micro(now)); err != nil {
				return err
			}
			return leads.RouteAssign(tx, leads.Assignment{Lead: o.Lead, User: u, From: now, Reason: "accepted", By: u.String()})
		})
	}
}

// Control: the offer ends and the next one accepts while an accept without the
// fence hesitates. Both are told that the lead is theirs, each time noticed.
func TestPropertyOneWinnerControl(t *testing.T) {
	propertytest.Checks(t, 3, 5)
	each(t, func(t *testing.T, db *store.DB) {
		tally, noticed := propertytest.NewTally(), 0
		rapid.Check(t, func(t *rapid.T) {
			tally.Case()
			watch := &propertytest.Watch{}
			w := newWorld(watch, db, rapid.IntRange(2, 4).Draw(t, "people"), routing.PoolChange{})
			defer w.leave()
			w.arrive(1)
			w.settle()
			slow, o := w.holder(t)
			hesitates := func() {
				w.pass(time.Minute)
				w.settle()
				quick, next := w.holder(t)
				if err := accepts(w, next, quick, w.now()); err != nil || quick == slow {
					t.Fatalf("the next one cannot accept: %v", err)
				}
			}
			if err := unfenced(hesitates)(w, o, slow, w.now()); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.check()
			if watch.Violated(propertytest.OneWinner) {
				noticed++
			}
		})
		tally.Control(t, propertytest.OneWinner, string(db.Engine()), "an accept without the fence hesitates", noticed, tally.Cases())
	})
}

// holder is who has the one open offer.
func (w *world) holder(t *rapid.T) (account.UserID, offers.Offer) {
	for _, u := range w.users {
		if of := w.offersOf(u); len(of) > 0 {
			return u, of[0]
		}
	}
	t.Fatal("nobody has the offer")
	return account.UserID{}, offers.Offer{}
}

// Control: the race itself, with accepts that have no fence. Chance decides
// whether two meet; within a few races they do, or the race is none.
func TestPropertyRaceControl(t *testing.T) {
	propertytest.Checks(t, 1, 1)
	each(t, func(t *testing.T, db *store.DB) {
		tally, noticed := propertytest.NewTally(), 0
		hesitates := func() { time.Sleep(rand.N(20 * time.Millisecond)) }
		for range 40 {
			watch := &propertytest.Watch{}
			rapid.Check(t, func(t *rapid.T) { runRace(t, watch, db, tally, unfenced(hesitates)) })
			if watch.Violated(propertytest.OneWinner) {
				noticed = 1
				break
			}
		}
		tally.Control(t, propertytest.OneWinner, string(db.Engine()), "racing accepts without the fence (until noticed)", noticed, 1)
	})
}
