package routing_test

import (
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"

	"pgregory.net/rapid"
)

var (
	allOffers = store.Register("routing_test.offers", `SELECT offer_id, user_id, state, made_at FROM offer WHERE account_id = $1`)
	noLedger  = store.Register("routing_test.no_ledger", `SELECT count(*) FROM offer o
		LEFT JOIN decision d ON d.account_id = $1 AND d.lead_id = o.lead_id AND d.round_id = o.round_id
		LEFT JOIN round r ON r.account_id = $1 AND r.round_id = o.round_id
		WHERE o.account_id = $1 AND (d.offer_id IS NULL OR d.offer_id <> o.offer_id OR d.user_id IS NULL OR d.user_id <> o.user_id
			OR r.decided_at IS NULL OR r.decided_at <> o.made_at)`)
	noJobs  = store.Register("routing_test.no_jobs", `DELETE FROM job WHERE account_id = $1`)
	tallied = store.Register("routing_test.tallied", `SELECT
		(SELECT count(*) FROM offer WHERE account_id = $1), (SELECT count(*) FROM offer WHERE account_id = $1 AND state = 'expired'),
		(SELECT count(*) FROM lead WHERE account_id = $1), (SELECT count(*) FROM decision WHERE account_id = $1),
		(SELECT count(*) FROM decision d WHERE d.account_id = $1 AND d.user_id IS NOT NULL AND EXISTS (
			SELECT 1 FROM decision e JOIN round x ON x.account_id = $1 AND x.round_id = e.round_id
			JOIN round y ON y.account_id = $1 AND y.round_id = d.round_id
			WHERE e.account_id = $1 AND e.lead_id = d.lead_id AND e.user_id IS NULL AND x.decided_at <= y.decided_at))`)
)

// Whatever people do and whenever, in one order or another: nothing waits
// while somebody eligible is free, no offer is made outside a shift, and each
// saved decision is the one that replaying it gives.
func TestPropertyStories(t *testing.T) {
	propertytest.Checks(t, 12, 100)
	each(t, func(t *testing.T, db *store.DB) {
		tally, watch := propertytest.NewTally(), &propertytest.Watch{}
		engine := string(db.Engine())
		defer func() {
			good := func(property string) bool { return !watch.Violated(property) }
			tally.Report(t, propertytest.NobodyWaits, engine, good(propertytest.NobodyWaits), "leads", "waits looked at", "offers after a wait")
			tally.Report(t, propertytest.InShift, engine, good(propertytest.InShift), "offers", "offers while others were off shift", "changes of shifts")
			tally.Report(t, propertytest.Replayed, engine, good(propertytest.Replayed), "decisions", "offers", "expired", "rounds replayed")
		}()
		rapid.Check(t, func(t *rapid.T) {
			watch.T = t
			w := drawWorld(t, watch, db)
			w.tally = tally
			w.story(t)
			w.count()
		})
		tally.AtLeast(t, "offers", 300)
		tally.AtLeast(t, "waits looked at", 500)
		tally.AtLeast(t, "offers after a wait", 30)
		tally.AtLeast(t, "offers while others were off shift", 50)
		tally.AtLeast(t, "changes of shifts", 20)
		tally.AtLeast(t, "expired", 50)
		tally.AtLeast(t, "rounds replayed", 500)
	})
}

// drawWorld is a pool of some people with some hours.
func drawWorld(t *rapid.T, f fataler, db *store.DB) *world {
	w := newWorld(f, db, 0, routing.PoolChange{OffersAtOnce: num(rapid.Int64Range(1, 3).Draw(t, "at once")), AlarmSeconds: num(120)})
	for range rapid.IntRange(1, 4).Draw(t, "people") {
		w.hire(rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "America/New_York"}).Draw(t, "zone"), drawShifts(t))
	}
	return w
}

// story has some things happen, and checks after each.
func (w *world) story(t *rapid.T) {
	w.tally.Case()
	defer w.leave()
	w.arrive(rapid.IntRange(1, 5).Draw(t, "leads at first"))
	steps := rapid.IntRange(3, 14).Draw(t, "steps")
	for i := range steps + 1 {
		if i > 0 {
			w.happen(t)
		}
		w.settle()
		w.check()
		w.checkShifts()
	}
}

// leave takes away what the account still has to do: the runner of the next
// case works for every account of the database.
func (w *world) leave() {
	w.Helper()
	w.write(func(tx *store.Tx) error { _, err := tx.Exec(noJobs); return err })
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
	step := 0
	for range 4 { // evenly: rapid's ranges prefer their ends
		step *= 2
		if rapid.Bool().Draw(t, "step") {
			step++
		}
	}
	switch step {
	case 0, 1, 2:
		w.arrive(rapid.IntRange(1, 5).Draw(t, "leads"))
	case 3, 4:
		w.pass(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
	case 5, 6:
		w.pass(time.Duration(rapid.IntRange(1, 40).Draw(t, "quarters")) * 15 * time.Minute)
	case 7, 8:
		if of := w.offersOf(u); len(of) > 0 {
			err = w.accept(of[0].ID, u)
		}
	case 9, 10:
		if of := w.offersOf(u); len(of) > 0 {
			err = w.decline(of[0].ID, u)
		}
	case 11, 12:
		w.presence(u, drawPresence(t))
	case 13:
		if all := w.leads(); len(all) > 0 {
			id := rapid.SampledFrom(all).Draw(t, "lead").Lead
			err = w.try(func(tx *store.Tx) error { _, err := w.router.Transfer(tx, id, u, "", "m", w.now()); return err })
		}
	case 14:
		err = w.try(func(tx *store.Tx) error {
			return w.router.SetMember(tx, w.pool, u, !seldom(t, 2, "out"), "test", w.now())
		})
	case 15:
		w.change(u, drawShifts(t))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// change gives the person other shifts, from a new instant on.
func (w *world) change(u account.UserID, shifts []offers.Shift) {
	w.Helper()
	w.pass(time.Microsecond)
	w.keep(u, w.worked[u][0].zone.String(), shifts)
	w.write(func(tx *store.Tx) error { return w.router.SetShifts(tx, u, shifts, "test", w.now()) })
	w.tally.Add("changes of shifts", 1)
}

func (w *world) keep(u account.UserID, name string, shifts []offers.Shift) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		w.Fatalf("%v", err)
	}
	w.worked[u] = append(w.worked[u], hours{w.now(), zone, shifts})
}

// works says whether the person worked at the instant: the clock on the wall,
// against the shifts that held then. It shares no code with routing.
func (w *world) works(u account.UserID, at time.Time) bool {
	versions := w.worked[u]
	for len(versions) > 1 && versions[len(versions)-1].from.After(at) {
		versions = versions[:len(versions)-1]
	}
	v := versions[len(versions)-1]
	wall := at.In(v.zone)
	return slices.ContainsFunc(v.shifts, func(s offers.Shift) bool {
		day := time.Date(2000, 1, 1, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
		midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		into := day.Sub(midnight)
		return time.Weekday(s.Weekday) == wall.Weekday() && into >= time.Duration(s.Start)*time.Minute && into < time.Duration(s.End)*time.Minute
	})
}

// checkShifts: no offer, open or not, was made outside its person's shift; and
// who is on shift now is what routing thinks.
func (w *world) checkShifts() {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		roster, err := w.router.Roster(tx, w.pool, w.now())
		for _, m := range roster {
			if m.OnShift != w.works(m.User, w.now()) {
				w.Errorf("%s: at %v routing has somebody on shift %v", propertytest.InShift, w.now(), m.OnShift)
			}
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(allOffers)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var o offers.Offer
			if err := scan(&o.ID, &o.User, &o.State, store.Time(&o.MadeAt)); err != nil {
				return err
			}
			if !w.works(o.User, o.MadeAt) {
				w.Errorf("%s: an offer, now %s, was made at %v", propertytest.InShift, o.State, o.MadeAt)
			}
			return nil
		})
	})
}

// checkLedger: what was done is what was saved: each offer has its decision,
// for the same person at the same time.
func (w *world) checkLedger(tx *store.Tx) error {
	var n int
	err := tx.Row(noLedger).Scan(&n)
	if n != 0 {
		w.Errorf("%s: %d offers differ from their decision", propertytest.Replayed, n)
	}
	return err
}

// count adds what the story came to.
func (w *world) count() {
	w.Helper()
	var made, expired, all, decisions, again int
	w.read(func(tx *store.Tx) error {
		if err := tx.Row(tallied).Scan(&made, &expired, &all, &decisions, &again); err != nil {
			return err
		}
		rows, err := tx.Query(allOffers)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var o offers.Offer
			if err := scan(&o.ID, &o.User, &o.State, store.Time(&o.MadeAt)); err != nil {
				return err
			}
			if slices.ContainsFunc(w.users, func(u account.UserID) bool { return !w.works(u, o.MadeAt) }) {
				w.tally.Add("offers while others were off shift", 1)
			}
			return nil
		})
	})
	w.tally.Add("offers", made)
	w.tally.Add("expired", expired)
	w.tally.Add("leads", all)
	w.tally.Add("decisions", decisions)
	w.tally.Add("offers after a wait", again)
}

// What must hold of any round, at once and for many more cases: nobody
// ineligible is chosen, nobody eligible is left out, the chosen one's turn it
// was, the limit holds, the input is not changed, and what was saved decides
// the same.
func TestPropertyDecide(t *testing.T) {
	propertytest.Checks(t, 100, 2000)
	tally, watch := propertytest.NewTally(), &propertytest.Watch{}
	defer func() {
		for _, p := range []string{propertytest.NobodyWaits, propertytest.InShift, propertytest.Replayed} {
			tally.Report(t, p, "pure", !watch.Violated(p), "decisions", "chosen", "off shift", "waits")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		watch.T = t
		in := drawRound(t)
		out := routing.Decide(in)
		checkRound(watch, in, out)
		tally.Case()
		tally.Add("decisions", len(out.Decisions))
		for _, d := range out.Decisions {
			if d.Chosen == routing.Nobody {
				tally.Add("waits", 1)
			} else {
				tally.Add("chosen", 1)
			}
			tally.Add("off shift", countReason(d, routing.OffShift))
		}
	})
	for _, what := range []string{"chosen", "off shift", "waits"} {
		tally.AtLeast(t, what, 40)
	}
}

func countReason(d routing.Decision, r routing.Reason) (n int) {
	for _, b := range d.Reasons {
		if routing.Reason(b) == r {
			n++
		}
	}
	return n
}
