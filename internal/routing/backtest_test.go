package routing_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/policies"
)

var (
	roundsOf   = store.Register("routing_test.rounds_of", `SELECT input FROM round WHERE account_id = $1 AND pool_id = $2 ORDER BY decided_at, round_id`)
	spoilRound = store.Register("routing_test.spoil_rounds", `UPDATE round SET input = $2 WHERE account_id = $1`)
)

// backtest is one from a time until now.
func (w *world) backtest(id account.PolicyID, from time.Time) routing.Backtest {
	w.Helper()
	b, err := w.router.Backtest(w.ctx, w.scope, id, from, w.now().Add(time.Second), func(int) error { return nil })
	if err != nil {
		w.Fatalf("%v", err)
	}
	return b
}

// busy is some minutes from nine o'clock on in which people come and go, and
// leads are accepted, missed, and wait.
func (w *world) busy() {
	w.Helper()
	for i := range 12 {
		w.presence(w.users[i%4], []account.Presence{account.Away, account.Available}[i/4%2])
		w.arrive(3 + i%3)
		w.settle()
		for _, u := range w.users {
			for _, o := range w.offersOf(u)[:min(1, len(w.offersOf(u)))] {
				_ = w.accept(o.ID, u)
			}
		}
		w.pass(time.Duration(20+i) * time.Second)
		w.settle()
	}
}

// The back-test of the published policy changes nothing; of another it gives
// what a slow recount gives, which reads the saved rounds itself and decides
// by naive. Policies with other hours have leads wait longer, and shorter.
func TestBacktest(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		pause := []routing.OpenHours{{Weekday: 1, Start: 540, End: 541}, {Weekday: 1, Start: 543, End: 600}}
		for _, hours := range [][]routing.OpenHours{nil, pause} {
			w := governed(t, db, 4, routing.PoolChange{OffersAtOnce: num(2)}, routing.Policy{})
			begin := w.now()
			var members []routing.Share
			for i, u := range w.users {
				members = append(members, routing.Share{User: u, Weight: int64(i)})
			}
			p := one(routing.Rule{Method: routing.Weighted, Members: members})
			p.Hours = hours
			id := w.draft(p)
			w.publish(id)
			w.busy()
			b := w.backtest(id, begin)
			if b.Changed != 0 || b.Decisions < 40 || !reflect.DeepEqual(b.Was, b.Would) || len(b.Changes) != 0 {
				t.Errorf("the published policy changes %d of %d decisions: %+v, %+v", b.Changed, b.Decisions, b.Was, b.Would)
			}
			if (b.Was.AfterHours > 0) != (hours != nil) || b.Was.Offered == 0 {
				t.Errorf("%+v", b.Was)
			}
			open, shut := one(routing.Rule{Method: routing.LeastOpen}), one(routing.Rule{Method: routing.RoundRobin})
			shut.Hours = pause
			for _, other := range []routing.Policy{one(routing.Rule{Method: routing.RoundRobin}), one(routing.Rule{Method: routing.FirstToClaim}),
				one(routing.Rule{Method: routing.Weighted, Members: members[:3]}), open, shut} {
				o := w.backtest(w.draft(other), begin)
				w.sameAsRecount(o, other)
				switch later := o.Would.ToOffer.P90 - o.Was.ToOffer.P90; {
				case hours == nil && len(other.Hours) > 0 && (later <= 0 || o.Would.AfterHours == 0 || o.Would.OverHours.P50 < 10e6):
					t.Errorf("shut for two minutes, and nothing waits longer: %+v, %+v", o.Was, o.Would)
				case hours != nil && len(other.Hours) == 0 && (o.Would.ToOffer.P50 > o.Was.ToOffer.P50 || o.Would.AfterHours != 0):
					t.Errorf("open all the time, and leads wait longer: %+v, %+v", o.Was, o.Would)
				}
			}
		}
	})
}

// sameAsRecount compares a back-test with the slow recount, and gives the
// number of decisions that change, which is not 0.
func (w *world) sameAsRecount(b routing.Backtest, p routing.Policy) int {
	w.Helper()
	r := w.recount(p)
	name := p.Rules[0].Method
	for _, s := range b.Shares {
		if r.shares[s.User] != s.Would {
			w.Errorf("%s: somebody would get %d, the recount says %d", name, s.Would, r.shares[s.User])
		}
	}
	if b.Changed != r.changed || r.changed == 0 || len(b.Changes) != min(r.changed, 100) {
		w.Errorf("%s: %d decisions change, the recount says %d, %d are told", name, b.Changed, r.changed, len(b.Changes))
	}
	slices.Sort(r.waits)
	rank := func(p float64) int64 { return r.waits[int(float64(len(r.waits))*p+0.9999)-1] }
	if b.Would.Offered != len(r.waits) || b.Would.Starved != r.starved || b.Would.ToOffer.P50 != rank(0.5) || b.Would.ToOffer.P90 != rank(0.9) {
		w.Errorf("%s: %+v, the recount says %d offered, %d not, within %d and %d", name, b.Would, len(r.waits), r.starved, rank(0.5), rank(0.9))
	}
	return r.changed
}

// recounted is a back-test by naive.
type recounted struct {
	changed, starved int
	shares           map[account.UserID]int
	waits            []int64 // to the first offer
}

// recount decides the saved rounds again by naive, one list of waiting leads
// and one map of those who were given before in hand.
func (w *world) recount(p routing.Policy) recounted {
	w.Helper()
	out := recounted{shares: map[account.UserID]int{}}
	state, first, known := map[account.UserID]routing.Candidate{}, map[lead.ID]int64{}, map[lead.ID]bool{}
	given, stillWaits := map[lead.ID]bool{}, []routing.Waiting(nil)
	for _, in := range w.saved() {
		did := map[lead.ID][]account.UserID{}
		for i, users := range naive(in) {
			did[in.Leads[i].Lead], known[in.Leads[i].Lead] = users, true
		}
		all := slices.DeleteFunc(stillWaits, func(l routing.Waiting) bool { _, again := did[l.Lead]; return again })
		for _, l := range in.Leads {
			if !given[l.Lead] {
				all = append(all, l)
			}
		}
		slices.SortStableFunc(all, func(a, b routing.Waiting) int { return int(a.WaitingAt - b.WaitingAt) })
		would := w.naively(in, p, all, state)
		stillWaits = nil
		for _, l := range all {
			_, saved := did[l.Lead]
			switch users := would[l.Lead]; {
			case len(users) == 0 && (!saved || len(did[l.Lead]) > 0):
				stillWaits = append(stillWaits, l)
			case len(users) > 0:
				if _, ok := first[l.Lead]; !ok {
					first[l.Lead] = in.At - l.WaitingAt
				}
			}
			for _, u := range would[l.Lead] {
				out.shares[u]++
			}
		}
		for id, users := range did {
			if !slices.Equal(users, would[id]) {
				out.changed++
			}
			given[id] = len(users) == 0 && (given[id] || len(would[id]) > 0)
		}
	}
	for id := range known {
		if wait, ok := first[id]; ok {
			out.waits = append(out.waits, wait)
		} else {
			out.starved++
		}
	}
	return out
}

// naively decides leads of a saved round by a policy of one rule; state is who
// had what before, and is brought up to date.
func (w *world) naively(in routing.Round, p routing.Policy, all []routing.Waiting, state map[account.UserID]routing.Candidate) map[lead.ID][]account.UserID {
	at := time.UnixMicro(in.At).UTC()
	minute := at.Hour()*60 + at.Minute()
	in.Plan = &routing.Plan{Policy: p, Closed: len(p.Hours) > 0 && !slices.ContainsFunc(p.Hours, func(h routing.OpenHours) bool {
		return h.Weekday == int(at.Weekday()) && h.Start <= minute && minute < h.End
	})}
	people, turn := slices.Clone(in.Candidates), in.At
	for i, c := range people {
		if s, ok := state[c.User]; ok {
			people[i].LastOfferAt, people[i].OffersMade, people[i].Credit = s.LastOfferAt, s.OffersMade, s.Credit
		}
		turn = max(turn, people[i].LastOfferAt)
	}
	out := map[lead.ID][]account.UserID{}
	for _, l := range all {
		l.Rule = 0
		for _, k := range naiveOne(in, people, l) {
			turn++
			people[k].LastOfferAt = turn
			people[k].OffersMade++
			people[k].OpenOffers++
			out[l.Lead] = append(out[l.Lead], people[k].User)
		}
	}
	for _, c := range people {
		state[c.User] = c
	}
	return out
}

// saved reads the rounds of the pool, oldest first.
func (w *world) saved() (out []routing.Round) {
	w.Helper()
	var inputs [][]byte
	w.read(func(tx *store.Tx) error {
		inputs = nil
		rows, err := tx.Query(roundsOf, w.pool)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var b []byte
			err := scan(&b)
			inputs = append(inputs, b)
			return err
		})
	})
	for _, b := range inputs {
		in, err := routing.Unpack(b)
		if err != nil {
			w.Fatalf("%v", err)
		}
		out = append(out, in)
	}
	return out
}

func (w *world) begin(id account.PolicyID) (t routing.Trial, err error) {
	err = w.try(func(tx *store.Tx) (err error) {
		t, err = w.router.BeginBacktest(tx, id, monday, w.now().Add(time.Second), "test", w.now())
		return err
	})
	return t, err
}

func (w *world) trial(id account.BacktestID) (t routing.Trial) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) { t, err = w.router.GetBacktest(tx, id); return err })
	return t
}

// A back-test is a job: begun, told how far it is, and kept with what it
// found, which is what the back-test gives by itself. One runs at a time; one
// that is cancelled on the way stops there and keeps nothing.
func TestBacktestJob(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 4, routing.PoolChange{OffersAtOnce: num(2)}, routing.Policy{})
		w.busy()
		id := w.draft(one(routing.Rule{Method: routing.FirstToClaim}))
		begun, err := w.begin(id)
		if err != nil || begun.State != policies.TestRunning || begun.Rounds < 12 || begun.Found != nil {
			t.Fatalf("%+v %v", begun, err)
		}
		if _, err := w.begin(id); code(err) != "backtest_running" {
			t.Errorf("two at a time: %v", err)
		}
		var told []int64
		w.router.OnTestPage(5, func() { told = append(told, w.trial(begun.ID).Done) })
		w.settle()
		got := w.trial(begun.ID)
		if want := w.backtest(id, monday); got.State != policies.TestDone || got.Done != got.Rounds || got.Found == nil || !same(*got.Found, want) {
			t.Errorf("%+v\nwant %+v", got.Found, want)
		}
		if len(told) < 3 || told[1] != 5 || told[2] != 10 {
			t.Errorf("on the way it tells %v", told)
		}

		second, err := w.begin(id)
		if err != nil {
			t.Fatal(err)
		}
		pages := 0
		w.router.OnTestPage(5, func() {
			if pages++; pages == 2 {
				w.write(func(tx *store.Tx) error { _, err := w.router.CancelBacktest(tx, second.ID, w.now()); return err })
			}
		})
		w.settle()
		if got := w.trial(second.ID); got.State != policies.TestCancelled || got.Found != nil || pages != 2 || got.Done != 5 {
			t.Errorf("cancelled on page 2 of %d: %+v", pages, got)
		}
		if err := w.try(func(tx *store.Tx) error { _, err := w.router.CancelBacktest(tx, second.ID, w.now()); return err }); code(err) != "backtest_ended" {
			t.Errorf("cancelled twice: %v", err)
		}
		w.interrupted(id)
		w.unreadable(id)
		var list []routing.Trial
		w.read(func(tx *store.Tx) (err error) {
			list, err = w.router.Backtests(tx, time.Time{}, account.BacktestID{}, 10)
			return err
		})
		if len(list) != 4 {
			t.Errorf("%d are listed", len(list))
		}
	})
}

// interrupted: the job is stopped on the way, and the next try does it all.
func (w *world) interrupted(id account.PolicyID) {
	w.Helper()
	begun, err := w.begin(id)
	if err != nil {
		w.Fatalf("%v", err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	w.router.OnTestPage(5, stop)
	if _, err := w.runner.Drain(ctx, w.now()); !errors.Is(err, context.Canceled) {
		w.Fatalf("stopped on the way: %v", err)
	}
	if got := w.trial(begun.ID); got.State != policies.TestRunning {
		w.Errorf("stopped on the way it is %s", got.State)
	}
	w.router.OnTestPage(5, func() {})
	w.pass(time.Hour)
	w.settle()
	if got := w.trial(begun.ID); got.State != policies.TestDone || got.Found == nil {
		w.Errorf("after a stop it is %s", got.State)
	}
}

// unreadable: a saved round that is none ends a back-test as failed.
func (w *world) unreadable(id account.PolicyID) {
	w.Helper()
	begun, err := w.begin(id)
	if err != nil {
		w.Fatalf("%v", err)
	}
	w.write(func(tx *store.Tx) error { _, err := tx.Exec(spoilRound, []byte("no round")); return err })
	w.settle()
	if got := w.trial(begun.ID); got.State != policies.TestFailed || got.Found != nil {
		w.Errorf("with rounds that cannot be read it is %s", got.State)
	}
}

func same(a, b routing.Backtest) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
