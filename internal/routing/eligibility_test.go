package routing_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

var (
	addSession = store.Register("routing_test.session", `INSERT INTO session (account_id, session_id, user_id, token_hash, created_at, seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $5, $6)`)
	whose      = store.Register("routing_test.whose", `SELECT person_id, stage_id FROM lead WHERE account_id = $1 AND lead_id = $2`)
	seeSession = store.Register("routing_test.see_session", `UPDATE session SET seen_at = $3 WHERE account_id = $1 AND user_id = $2`)
)

// why is what the ledger says of everybody in the lead's last decision.
func (w *world) why(id lead.ID) (out map[account.UserID]routing.Reason) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		ds, err := w.router.Explain(tx, id, 100)
		out = map[account.UserID]routing.Reason{}
		if len(ds) > 0 {
			for _, c := range ds[len(ds)-1].Candidates {
				out[c.User] = c.Reason
			}
		}
		return err
	})
	return out
}

// foresee is what a round would decide about the lead now. It keeps nothing.
func (w *world) foresee(id lead.ID) (f routing.Foreseen) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) { f, err = w.router.Foresee(tx, id); return err })
	return f
}

// asForeseen compares it with what the next round then did.
func (w *world) asForeseen(id lead.ID, f routing.Foreseen) {
	w.Helper()
	did := w.why(id)
	if len(did) == 0 || len(did) != len(f.Candidates) {
		w.Errorf("%d are foreseen, the ledger has %d", len(f.Candidates), len(did))
	}
	for _, c := range f.Candidates {
		if did[c.User] != c.Reason || (c.User == f.User) != (c.Reason == routing.Chosen) {
			w.Errorf("foreseen is %s, the ledger says %s, chosen %v", c.Reason, did[c.User], f.User)
		}
	}
}

func (w *world) signIn(u account.UserID, seen time.Time) {
	w.Helper()
	w.write(func(tx *store.Tx) error {
		id := account.NewSessionID()
		hash := id.UUID()
		return tx.Must(addSession, id, u, hash[:], store.Micro(seen), store.Micro(seen.Add(24*time.Hour)))
	})
}

func (w *world) member(u account.UserID, in bool) {
	w.Helper()
	w.write(func(tx *store.Tx) error { return w.router.SetMember(tx, w.pool, u, in, "test", w.now()) })
}

// dayOff gives the user days off; the zero user, everybody.
func (w *world) dayOff(u account.UserID, from, until string) {
	w.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := w.router.AddHoliday(tx, offers.Holiday{User: u, Name: "Off", Off: offers.Off{From: from, Until: until}}, "test", w.now())
		return err
	})
}

func (w *world) noDayOff(u account.UserID) {
	w.Helper()
	w.write(func(tx *store.Tx) error {
		all, err := offers.HolidaysOf(tx, u)
		for _, h := range all {
			if err := w.router.DropHoliday(tx, h.ID, "test", w.now()); err != nil {
				return err
			}
		}
		return err
	})
}

func (w *world) tag(u account.UserID, tags ...string) {
	w.Helper()
	w.write(func(tx *store.Tx) error { return w.router.SetTags(tx, w.pool, u, tags, "test", w.now()) })
}

// exclusion is one way in which the only person present cannot take a lead,
// and how that ends: by what somebody does, or by the clock alone.
type exclusion struct {
	name    string
	reason  routing.Reason
	zone    string // of the project; UTC when empty
	pool    routing.PoolChange
	policy  func(a, b account.UserID) routing.Policy
	exclude func(w *world, b account.UserID)
	lift    func(w *world, b account.UserID)
	after   time.Duration // what passes until the clock lifts it
}

// rotation with something of the policy set.
func with(set func(*routing.Policy)) func(a, b account.UserID) routing.Policy {
	return func(account.UserID, account.UserID) routing.Policy {
		p := one(routing.Rule{Method: routing.RoundRobin})
		set(&p)
		return p
	}
}

func weights(ofA, ofB int64) func(a, b account.UserID) routing.Policy {
	return func(a, b account.UserID) routing.Policy {
		return one(routing.Rule{Method: routing.Weighted, Members: []routing.Share{{User: a, Weight: ofA}, {User: b, Weight: ofB}}})
	}
}

func declares(p account.Presence) func(*world, account.UserID) {
	return func(w *world, b account.UserID) { w.presence(b, p) }
}

func takesOne(w *world, b account.UserID) {
	w.Helper()
	if got := w.accepting(1); got[b] != 1 {
		w.Fatalf("before it is excluded, the person does not get a lead: %v", got)
	}
	w.pass(-time.Second) // that accepting let pass
}

func nothing(*world, account.UserID) {}

func exclusions() []exclusion {
	nine := []routing.OpenHours{{Weekday: 1, Start: 540, End: 1080}}
	office := []offers.Shift{{Weekday: 1, Start: 540, End: 1020}}
	return []exclusion{
		{name: "not active in the pool", reason: routing.Inactive,
			exclude: func(w *world, b account.UserID) { w.member(b, false) }, lift: func(w *world, b account.UserID) { w.member(b, true) }},
		{name: "on a day off of their own", reason: routing.OffShift, after: 15 * time.Hour, // midnight
			exclude: func(w *world, b account.UserID) { w.dayOff(b, "2026-03-02", "2026-03-02") }},
		{name: "in a long leave", reason: routing.OffShift, after: 30*24*time.Hour - 9*time.Hour,
			exclude: func(w *world, b account.UserID) { w.dayOff(b, "2026-02-20", "2026-03-31") }},
		{name: "on a day off that is taken back", reason: routing.OffShift,
			exclude: func(w *world, b account.UserID) { w.dayOff(b, "2026-03-01", "2026-03-09") },
			lift:    func(w *world, b account.UserID) { w.noDayOff(b) }},
		{name: "on the account's day off, in the person's zone", reason: routing.OffShift, after: 20 * time.Hour, // midnight in New York
			exclude: func(w *world, _ account.UserID) {
				gone := w.users[1]
				w.member(gone, false)
				w.users[1] = w.hire("America/New_York", routing.AlwaysOn())
				w.dayOff(account.UserID{}, "2026-03-02", "2026-03-02")
			}},
		{name: "on the account's day off that is taken back", reason: routing.OffShift,
			exclude: func(w *world, _ account.UserID) { w.dayOff(account.UserID{}, "2026-03-02", "2026-03-02") },
			lift:    func(w *world, _ account.UserID) { w.noDayOff(account.UserID{}) }},
		{name: "before the shift, in the person's zone", reason: routing.OffShift, after: 5 * time.Hour, // nine o'clock in New York
			exclude: func(w *world, _ account.UserID) {
				gone := w.users[1]
				w.member(gone, false)
				w.users[1] = w.hire("America/New_York", office)
			}},
		{name: "away", reason: routing.IsAway, exclude: declares(account.Away), lift: declares(account.Available)},
		{name: "engaged", reason: routing.IsEngaged, exclude: declares(account.Engaged), lift: declares(account.Available)},
		{name: "logged off", reason: routing.IsLoggedOff, exclude: declares(account.LoggedOff), lift: declares(account.Available)},
		{name: "before the routing hours, in the project's zone", reason: routing.HoursClosed, zone: "America/New_York", after: 5 * time.Hour,
			policy: with(func(p *routing.Policy) { p.Hours = nine }), exclude: nothing},
		{name: "on a holiday, in the project's zone", reason: routing.HoursClosed, zone: "Pacific/Kiritimati", after: 24 * time.Hour,
			policy: with(func(p *routing.Policy) { p.Holidays = []string{"2026-03-03"} }),
			exclude: func(w *world, b account.UserID) {
				takesOne(w, b)        // it is eleven at night there
				w.pass(1 * time.Hour) // and now the day begins
			}},
		{name: "no device answered", reason: routing.Unreachable, policy: with(func(p *routing.Policy) { p.ReachableSeconds = 120 }),
			exclude: func(w *world, b account.UserID) { w.signIn(b, w.now().Add(-121*time.Second)) },
			lift: func(w *world, b account.UserID) {
				w.write(func(tx *store.Tx) error { return tx.Must(seeSession, b, store.Micro(w.now())) })
				w.pass(15 * time.Second) // looked at now and then
			}},
		{name: "accepted a moment ago", reason: routing.CoolingDown, after: 300 * time.Second,
			policy: with(func(p *routing.Policy) { p.CoolDownSeconds = 300 }), exclude: takesOne},
		{name: "as many open leads as allowed", reason: routing.AtCapacity, policy: with(func(p *routing.Policy) { p.CapacityOpen = 1 }), exclude: takesOne,
			lift: func(w *world, b account.UserID) {
				w.write(func(tx *store.Tx) error {
					for _, l := range w.leads() {
						if l.Owner != b {
							continue
						}
						if err := tx.Must(closeLead, l.Lead, store.Micro(w.now())); err != nil {
							return err
						}
						return w.list.Add(tx, routing.KindWithdraw, l.Lead.String(), w.now())
					}
					return nil
				})
			}},
		{name: "as many leads today as allowed, in the project's zone", reason: routing.DayFull, zone: "Asia/Kolkata", after: 9*time.Hour + 30*time.Minute,
			policy: with(func(p *routing.Policy) { p.CapacityDay = 1 }), exclude: takesOne},
		{name: "weight 0", reason: routing.NoWeight, policy: weights(1, 0), exclude: nothing,
			lift: func(w *world, b account.UserID) { w.publish(w.draft(weights(1, 1)(w.users[0], b))) }},
		{name: "not in the rule", reason: routing.NotInRule, exclude: nothing,
			policy: func(a, _ account.UserID) routing.Policy {
				return one(routing.Rule{Method: routing.RoundRobin, Members: []routing.Share{{User: a, Weight: 1}}})
			},
			lift: func(w *world, b account.UserID) { w.publish(w.draft(weights(1, 1)(w.users[0], b))) }},
		{name: "without the skill", reason: routing.LacksTag, exclude: func(w *world, b account.UserID) { w.tag(b, "language:ta") },
			policy: func(account.UserID, account.UserID) routing.Policy {
				return one(routing.Rule{Method: routing.RoundRobin, Needs: []string{"language:hi"}})
			},
			lift: func(w *world, b account.UserID) { w.tag(b, "language:ta", "language:hi") }},
		{name: "has an open offer", reason: routing.Busy, exclude: func(w *world, _ account.UserID) { w.arrive(1); w.settle() },
			lift: func(w *world, b account.UserID) {
				if err := w.accept(w.offersOf(b)[0].ID, b); err != nil {
					w.Fatalf("%v", err)
				}
			}},
	}
}

// Each exclusion, through the database on both engines: the lead waits, the
// ledger gives the reason, and the same lead goes to the same person as soon
// as the reason is gone (by the clock: not a second earlier).
func TestEveryExclusion(t *testing.T) {
	for _, x := range exclusions() {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				zone := x.zone
				if zone == "" {
					zone = "UTC"
				}
				w := governedIn(t, db, zone, 2, x.pool, routing.Policy{})
				w.presence(w.users[0], account.Away)
				if x.policy != nil {
					w.publish(w.draft(x.policy(w.users[0], w.users[1])))
				}
				x.exclude(w, w.users[1])
				b := w.users[1]
				id := w.arrive(1)[0]
				foreseen := w.foresee(id)
				w.settle()
				if r, why := w.route(id), w.why(id)[b]; r.State != lead.Waiting || why != x.reason {
					t.Fatalf("the lead is %s, the ledger says %s", r.State, why)
				}
				w.asForeseen(id, foreseen)
				if again := foreseen.Again; x.lift == nil && (!again.After(w.now()) || again.After(w.now().Add(x.after))) {
					t.Errorf("it changes after %s, and %s is foreseen", x.after, again.Sub(w.now()))
				}
				if x.lift != nil {
					x.lift(w, b)
				} else {
					w.pass(x.after - time.Second)
					w.settle()
					if r := w.route(id); r.State != lead.Waiting {
						t.Fatalf("a second too early the lead is %s", r.State)
					}
					w.pass(time.Second)
				}
				foreseen = w.foresee(id)
				w.settle()
				w.asForeseen(id, foreseen)
				got := w.offersOf(b)
				if r, why := w.route(id), w.why(id)[b]; r.State != lead.Offered || len(got) != 1 || got[0].Lead != id || why != routing.Chosen {
					t.Errorf("afterwards the lead is %s, the ledger says %s", r.State, why)
				}
				w.verifyAll()
			})
		})
	}
}

// Who missed or declined a lead: the one is offered it again when they come
// back, the other never; somebody else gets it at once.
func TestOfferedBefore(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := governed(t, db, 2, routing.PoolChange{AcceptSeconds: num(15)}, one(routing.Rule{Method: routing.Weighted}))
		a, b := w.users[0], w.users[1]
		w.presence(a, account.Away)
		missed := w.arrive(1)[0]
		w.settle()
		w.pass(16 * time.Second)
		w.settle()
		if why := w.why(missed); why[b] != routing.AlreadyOffered || w.route(missed).State != lead.Waiting {
			t.Fatalf("missed: %s", why[b])
		}
		w.presence(b, account.Away)
		w.presence(b, account.Available)
		w.settle()
		of := w.offersOf(b)
		if len(of) != 1 || of[0].Lead != missed {
			t.Fatalf("who comes back is offered %v", of)
		}
		if err := w.decline(of[0].ID, b); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.presence(b, account.Away)
		w.presence(b, account.Available)
		w.settle()
		if why := w.why(missed); why[b] != routing.DeclinedBefore || w.route(missed).State != lead.Waiting {
			t.Fatalf("declined: %s", why[b])
		}
		w.presence(a, account.Available)
		w.settle()
		if why := w.why(missed); why[a] != routing.Chosen || why[b] != routing.DeclinedBefore {
			t.Errorf("the other: %s, who declined: %s", why[a], why[b])
		}
		w.verifyAll()
	})
}

// One open offer at a time, unless the pool's policy says more.
func TestOffersAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for _, most := range []int64{1, 3} {
			w := governed(t, db, 1, routing.PoolChange{OffersAtOnce: num(most)}, one(routing.Rule{Method: routing.LeastOpen}))
			ids := w.arrive(4)
			w.settle()
			if open := w.offersOf(w.users[0]); int64(len(open)) != most {
				t.Errorf("%d open offers, allowed are %d", len(open), most)
			}
			busy := 0
			for _, id := range ids {
				if w.why(id)[w.users[0]] == routing.Busy {
					busy++
				}
			}
			if int64(busy) != 4-most {
				t.Errorf("of %d leads the ledger says that the person is busy", busy)
			}
		}
	})
}

// again is another enquiry of a lead's person, after that lead was closed.
func (w *world) again(was lead.ID) lead.ID {
	w.Helper()
	id := lead.NewID()
	w.write(func(tx *store.Tx) error {
		if err := tx.Must(closeLead, was, store.Micro(w.now())); err != nil {
			return err
		}
		next := &leads.Lead{ID: id, Project: w.project, Source: w.source, Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: w.now(), Enquiries: 1, CreatedAt: w.now(), EnquiredAt: w.now()}
		if err := tx.Row(whose, was).Scan(&next.Person, &next.Stage); err != nil {
			return err
		}
		if _, err := leads.AddLeads(tx, []*leads.Lead{next}); err != nil {
			return err
		}
		return w.router.Wanted(tx, w.project, w.now())
	})
	w.settle()
	return id
}

// The sticky owner goes ahead of the method and leaves the balance of the
// others alone; without sticky, or when the owner is away, the method decides.
func TestStickyOwner(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct {
			name         string
			sticky, away bool
			owner, other routing.Reason
		}{
			{"sticky", true, false, routing.Chosen, routing.LaterInTurn},
			{"not sticky", false, false, routing.LaterInTurn, routing.Chosen},
			{"sticky, the owner away", true, true, routing.IsAway, routing.Chosen},
		} {
			w := governed(t, db, 2, routing.PoolChange{}, routing.Policy{})
			owner, other := w.users[0], w.users[1]
			p := weights(1, 1000)(owner, other) // in a round with both, the balance moves
			p.Rules[0].Sticky = c.sticky
			w.publish(w.draft(p))
			w.presence(other, account.Away)
			first := w.arrive(1)[0]
			w.settle()
			if err := w.accept(w.offersOf(owner)[0].ID, owner); err != nil {
				t.Fatal(err)
			}
			w.presence(other, account.Available)
			if c.away {
				w.presence(owner, account.Away)
			}
			w.pass(time.Minute)
			before := w.credits()
			why := w.why(w.again(first))
			if why[owner] != c.owner || why[other] != c.other {
				t.Errorf("%s: the owner: %s, the other: %s", c.name, why[owner], why[other])
			}
			if same := before == w.credits(); !c.away && same != c.sticky {
				t.Errorf("%s: the balance is as it was: %v", c.name, same)
			}
			w.verifyAll()
		}
	})
}

// credits is the balance of the two.
func (w *world) credits() (out [2]int64) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		m, err := w.router.Roster(tx, w.pool, w.now())
		for _, x := range m {
			if x.User == w.users[0] {
				out[0] = x.Credit
			} else {
				out[1] = x.Credit
			}
		}
		return err
	})
	return out
}

// Least open: who has fewer open leads, though it is the other's turn; by
// rotation it is the other.
func TestLeastOpen(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		for method, chosen := range map[routing.Method]int{routing.LeastOpen: 1, routing.RoundRobin: 0} {
			w := governed(t, db, 2, routing.PoolChange{}, routing.Policy{})
			w.presence(w.users[0], account.Away)
			takesOne(w, w.users[1]) // so that it is the other's turn
			w.presence(w.users[1], account.Away)
			ids := w.arrive(3)
			w.write(func(tx *store.Tx) error {
				for _, id := range ids {
					if _, err := w.router.Transfer(tx, id, w.users[0], "", "test", w.now()); err != nil {
						return err
					}
				}
				return nil
			})
			w.publish(w.draft(one(routing.Rule{Method: method, Members: []routing.Share{{User: w.users[0], Weight: 1}, {User: w.users[1], Weight: 1}}})))
			w.presence(w.users[0], account.Available)
			w.presence(w.users[1], account.Available)
			id := w.arrive(1)[0]
			w.settle()
			if why := w.why(id); why[w.users[chosen]] != routing.Chosen || why[w.users[1-chosen]] != routing.LaterInTurn {
				t.Errorf("%s: 3 open leads: %s, 1 open lead: %s", method, why[w.users[0]], why[w.users[1]])
			}
		}
	})
}
