package routing_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var (
	addMember = store.Register("routing_test.member", `INSERT INTO member (account_id, user_id, role, state, name, time_zone, presence, presence_at, created_at)
		VALUES ($1, $2, 'salesperson', 'active', 'Sam Example', $3, $4, $5, $5)`)
	allLeads = store.Register("routing_test.leads", `SELECT lead_id, project_id, source_id, test, route_state, owner_id, offer_id,
		waiting_at, queued_at, created_at, closed_at, version FROM lead WHERE account_id = $1 ORDER BY created_at, lead_id`)
	allRounds = store.Register("routing_test.rounds", `SELECT round_id FROM round WHERE account_id = $1 ORDER BY decided_at, round_id`)
	allOpen   = store.Register("routing_test.open", `SELECT user_id, count(*) FROM offer WHERE account_id = $1 AND open GROUP BY user_id`)
	counted   = store.Register("routing_test.counted", `SELECT user_id, open_offers FROM pool_member WHERE account_id = $1 AND pool_id = $2`)
	closeLead = store.Register("routing_test.close", `UPDATE lead SET closed_at = $3, category = 'dropped', version = version + 1
		WHERE account_id = $1 AND lead_id = $2 AND closed_at IS NULL`)
	countRows = store.Register("routing_test.count", `SELECT
		(SELECT count(*) FROM offer WHERE account_id = $1 AND open), (SELECT count(*) FROM decision WHERE account_id = $1),
		(SELECT count(*) FROM lead WHERE account_id = $1 AND route_state = 'offered'), (SELECT count(*) FROM job WHERE account_id = $1 AND kind = 'expire')`)
)

// fataler is *testing.T, *testing.B or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// world is an account with one project and pool, and a clock that only tests move.
type world struct {
	fataler
	ctx     context.Context
	db      *store.DB
	scope   account.Scope
	router  *routing.Router
	runner  *jobs.Runner
	list    *jobs.List
	clock   atomic.Int64
	project account.ProjectID
	source  account.SourceID
	pool    account.PoolID
	users   []account.UserID
	worked  map[account.UserID][]hours // every version of their shifts, the newest last
	tally   *propertytest.Tally        // of a property test
}

// hours are the shifts of a person from an instant on.
type hours struct {
	from   time.Time
	zone   *time.Location
	shifts []offers.Shift
}

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func newWorld(t fataler, db *store.DB, people int, c routing.PoolChange) *world {
	t.Helper()
	w := &world{fataler: t, ctx: context.Background(), db: db, scope: storetest.Account(), project: account.NewProjectID(), source: account.NewSourceID(),
		worked: map[account.UserID][]hours{}}
	w.clock.Store(monday.UnixMicro())
	waker := &jobstest.Waker{}
	w.list = jobs.NewList(waker)
	w.router = routing.New(routing.Options{DB: db, Jobs: w.list, Events: events.NewLog(waker), Now: w.now})
	w.runner = jobs.NewRunner(db, w.list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
	w.router.Register(w.runner)
	w.write(func(tx *store.Tx) error {
		p, err := w.router.CreatePool(tx, w.project, c, "test", w.now())
		w.pool = p.ID
		return err
	})
	for range people {
		w.hire("UTC", routing.AlwaysOn())
	}
	return w
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) write(f func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Write(w.ctx, w.scope, f); err != nil {
		w.Fatalf("%v", err)
	}
}

func (w *world) read(f func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Read(w.ctx, w.scope, f); err != nil {
		w.Fatalf("%v", err)
	}
}

func (w *world) hire(zone string, shifts []offers.Shift) account.UserID {
	w.Helper()
	u := account.NewUserID()
	w.users = append(w.users, u)
	w.keep(u, zone, shifts)
	w.write(func(tx *store.Tx) error {
		if err := tx.Must(addMember, u, zone, account.Available, store.Micro(w.now())); err != nil {
			return err
		}
		if err := w.router.SetShifts(tx, u, shifts, "test", w.now()); err != nil {
			return err
		}
		return w.router.SetMember(tx, w.pool, u, true, "test", w.now())
	})
	return u
}

// arrive is what intake does.
func (w *world) arrive(n int) []lead.ID {
	w.Helper()
	ids := make([]lead.ID, n)
	w.write(func(tx *store.Tx) error {
		all := make([]*leads.Lead, n)
		for i := range all {
			ids[i] = lead.NewID()
			all[i] = &leads.Lead{ID: ids[i], Person: lead.NewPersonID(), Project: w.project, Source: w.source, Stage: lead.NewStageID(), Category: lead.New,
				RouteState: lead.Waiting, WaitingAt: w.now(), Enquiries: 1, CreatedAt: w.now(), EnquiredAt: w.now()}
		}
		if _, err := leads.AddLeads(tx, all); err != nil {
			return err
		}
		return w.router.Wanted(tx, w.project, w.now())
	})
	return ids
}

// settle runs all that is due.
func (w *world) settle() {
	w.Helper()
	if _, err := w.runner.Drain(w.ctx, w.now()); err != nil {
		w.Fatalf("%v", err)
	}
}

func (w *world) offersOf(u account.UserID) (out []offers.Offer) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) { out, err = w.router.Offers(tx, u, w.now()); return err })
	return out
}

func (w *world) route(id lead.ID) (r leads.Route) {
	w.Helper()
	w.read(func(tx *store.Tx) (err error) { r, err = leads.RouteOf(tx, id); return err })
	return r
}

func (w *world) try(f func(*store.Tx) error) error { return w.db.Write(w.ctx, w.scope, f) }

func (w *world) accept(o lead.OfferID, u account.UserID) error {
	return w.try(func(tx *store.Tx) error { _, err := w.router.Accept(tx, o, u, w.now()); return err })
}

func (w *world) decline(o lead.OfferID, u account.UserID) error {
	return w.try(func(tx *store.Tx) error { _, err := w.router.Decline(tx, o, u, "too-busy", w.now()); return err })
}

func (w *world) presence(u account.UserID, p account.Presence) {
	w.Helper()
	w.write(func(tx *store.Tx) error { _, err := w.router.Presence(tx, u, p, w.now()); return err })
}

func (w *world) leads() (out []leads.Route) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		rows, err := tx.Query(allLeads)
		out = nil
		return store.Each(rows, err, func(scan func(...any) error) error {
			var r leads.Route
			err := scan(&r.Lead, &r.Project, &r.Source, &r.Test, &r.State, &r.Owner, &r.Offer, store.Time(&r.WaitingAt),
				store.Time(&r.QueuedAt), store.Time(&r.CreatedAt), store.Time(&r.ClosedAt), &r.Version)
			out = append(out, r)
			return err
		})
	})
	return out
}

// check is what must hold whenever the jobs have been done.
func (w *world) check() {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		roster, err := w.router.Roster(tx, w.pool, w.now())
		if err != nil {
			return err
		}
		pool, err := offers.GetPool(tx, w.pool)
		if err != nil {
			return err
		}
		if err := w.checkCounters(tx, roster, pool); err != nil {
			return err
		}
		return w.checkRounds(tx)
	})
	for _, l := range w.leads() {
		w.checkLead(l)
	}
}

func (w *world) checkCounters(tx *store.Tx, roster []routing.Member, pool offers.Pool) error {
	gather := func(st *store.Stmt, args ...any) (map[account.UserID]int64, error) {
		out := map[account.UserID]int64{}
		rows, err := tx.Query(st, args...)
		return out, store.Each(rows, err, func(scan func(...any) error) error {
			var u account.UserID
			var n int64
			err := scan(&u, &n)
			out[u] = n
			return err
		})
	}
	open, err := gather(allOpen)
	if err != nil {
		return err
	}
	kept, err := gather(counted, w.pool)
	if err != nil {
		return err
	}
	for _, m := range roster {
		if open[m.User] != kept[m.User] || open[m.User] != m.OpenOffers {
			w.Errorf("%d open offers, the counter says %d, the roster %d", open[m.User], kept[m.User], m.OpenOffers)
		}
		if open[m.User] > pool.OffersAtOnce {
			w.Errorf("%d open offers at once, the pool allows %d", open[m.User], pool.OffersAtOnce)
		}
	}
	return nil
}

func (w *world) checkRounds(tx *store.Tx) error {
	var ids []lead.RoundID
	rows, err := tx.Query(allRounds)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id lead.RoundID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := w.router.Verify(tx, id); err != nil {
			w.Errorf("%s: %v", propertytest.Replayed, err)
		}
	}
	w.tally.Add("rounds replayed", len(ids))
	return w.checkLedger(tx)
}

func (w *world) checkLead(l leads.Route) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		tried, err := w.router.OffersOf(tx, l.Lead)
		if err != nil {
			return err
		}
		var open []offers.Offer
		accepted := 0
		for _, o := range tried {
			if o.Open {
				open = append(open, o)
			}
			if o.State == lead.OfferAccepted {
				accepted++
			}
			if o.Open != o.State.Open() || o.Open != o.ResolvedAt.IsZero() {
				w.Errorf(propertytest.OneWinner+": an offer is %s, open %v, resolved %v", o.State, o.Open, o.ResolvedAt)
			}
		}
		owners, err := leads.Assignments(tx, l.Lead)
		if err != nil {
			return err
		}
		now := 0
		for i, a := range owners {
			if a.Until.IsZero() {
				now++
				if a.User != l.Owner || i != len(owners)-1 {
					w.Errorf(propertytest.OneWinner+": the owner is %v, the assignment says %v", l.Owner, a.User)
				}
			}
		}
		if accepted > 1 || len(open) > 1 || now > 1 {
			w.Errorf(propertytest.OneWinner+": %d winners, %d open offers, %d owners", accepted, len(open), now)
		}
		if (l.State == lead.Owned) != (now == 1) || (l.State == lead.Offered) != (len(open) == 1) || (l.State == lead.Waiting) != !l.WaitingAt.IsZero() {
			w.Errorf(propertytest.OneWinner+": lead is %s with %d owners, %d open offers, waiting since %v", l.State, now, len(open), l.WaitingAt)
		}
		if len(open) == 1 && open[0].ID != l.Offer || len(open) == 0 && !l.Offer.IsZero() {
			w.Errorf(propertytest.OneWinner+": the fence is %v, open are %v", l.Offer, open)
		}
		if l.State == lead.Waiting && l.ClosedAt.IsZero() {
			return w.checkWaits(tx, l, tried)
		}
		return nil
	})
}

// checkWaits: nothing waits while somebody eligible is free.
func (w *world) checkWaits(tx *store.Tx, l leads.Route, tried []offers.Offer) error {
	roster, err := w.router.Roster(tx, w.pool, w.now())
	if err != nil {
		return err
	}
	pool, err := offers.GetPool(tx, w.pool)
	if err != nil {
		return err
	}
	w.tally.Add("waits looked at", 1)
	for _, m := range roster {
		may := m.Active && m.OnShift && m.Presence == account.Available && m.OpenOffers < pool.OffersAtOnce
		for _, o := range tried {
			if o.User == m.User && (o.State == lead.OfferDeclined || o.MadeAt.UnixMicro() >= m.Since) {
				may = false
			}
		}
		if may {
			w.Errorf(propertytest.NobodyWaits+": %v waits since %v while %v is free", l.Lead, l.WaitingAt, m.User)
		}
	}
	if age := w.now().Sub(l.WaitingAt); age > time.Duration(pool.AlarmSeconds+2)*time.Second && l.QueuedAt.IsZero() {
		w.Errorf(propertytest.NobodyWaits+": a lead waits for %v and is not in the named queue", age)
	}
	ds, err := w.router.Explain(tx, l.Lead, 100)
	if err == nil && (len(ds) == 0 || !ds[len(ds)-1].User.IsZero()) {
		w.Errorf(propertytest.Replayed+": the ledger does not say why %v waits", l.Lead)
	}
	return err
}

func code(err error) string {
	if p, ok := problemOf(err); ok {
		return p.Code
	}
	return ""
}

func each(t *testing.T, f func(t *testing.T, db *store.DB)) { t.Helper(); storetest.Each(t, f) }

func num(n int64) *int64 { return &n }
