package proof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// Processes of each role, and salespeople who answer offers meanwhile.
const (
	eachRole   = 3
	rolesTeam  = 6
	rolesRate  = 100 // leads a second at each door
	betweenKil = 1500 * time.Millisecond
)

// proveRoles runs every role several times against one PostgreSQL and one
// NATS, and kills each process in turn while leads come in and salespeople
// answer the same offers at several processes at once.
func proveRoles(ctx context.Context, t *trial) error {
	town, err := t.town(ctx, eachRole)
	if err != nil {
		return err
	}
	s, err := town.web[0].layOut(ctx, rolesTeam)
	if err != nil {
		return err
	}
	if err := town.doors[0].untilKnown(ctx, s); err != nil {
		return err
	}
	race, err := town.race(ctx)
	if err != nil {
		return err
	}
	book := newLedger(crowd{tag: "roles", source: s.source}, phones)
	loads, stop := town.load(ctx, book)
	racing, halt := context.WithCancel(ctx)
	defer halt()
	var racers sync.WaitGroup
	for k := range race.sellers {
		racers.Go(func() { race.run(racing, k) })
	}
	if err := t.killInTurn(ctx, town, book); err != nil {
		return err
	}
	stop()
	halt()
	racers.Wait()
	loads[0].flush(ctx, 30*time.Second)
	t.check("what was refused or cut off is taken when it is repeated", book.outstanding() == 0, "%d of %d leads still open; %d requests cut off", book.outstanding(), book.sent(), book.broken)
	took, err := town.web[0].drain(ctx, 180*time.Second)
	if err != nil {
		return err
	}
	t.figure("leads acknowledged by three doors", float64(book.acknowledged()), "")
	t.figure("until all was in SQL after the last", took.Seconds(), "s")
	if err := t.settleApart(ctx, town, book); err != nil {
		return err
	}
	return t.oneWinner(ctx, town, race)
}

// town is every role as processes of their own.
type town struct {
	t       *trial
	cluster Cluster
	bus     *bus
	founder *instance // stopped; its folder has the keyring
	doors   []*instance
	work    []*instance
	web     []*instance
}

// town founds the companies with one process that is everything, then starts
// the roles apart: three of each, and so many workers.
func (t *trial) town(ctx context.Context, workers int) (*town, error) {
	if t.Postgres == nil {
		return nil, errSkipped{"no PostgreSQL was given"}
	}
	c, err := t.Postgres()
	if err != nil {
		return nil, err
	}
	t.later(c.Stop)
	if err := c.Create(ctx, "catchment", ""); err != nil {
		return nil, err
	}
	w := &town{t: t, cluster: c}
	if w.bus, err = t.startBus(); err != nil {
		return nil, err
	}
	if w.founder, err = w.place(ctx, "founder", w.bus.url(), "--database-url", c.URL("catchment")); err != nil {
		return nil, err
	}
	if err := w.founder.found(ctx); err != nil {
		return nil, err
	}
	if err := w.founder.stop(); err != nil {
		return nil, err
	}
	for n := range eachRole {
		for _, r := range []struct {
			role string
			to   *[]*instance
		}{{"work", &w.work}, {"web", &w.web}, {"capture", &w.doors}} {
			if r.role == "work" && n >= workers {
				continue
			}
			i, err := w.join(ctx, w.bus.url(), r.role, n)
			if err != nil {
				return nil, fmt.Errorf("%s %d: %w", r.role, n, err)
			}
			*r.to = append(*r.to, i)
		}
	}
	t.say("%d doors, %d workers and %d web processes are ready", len(w.doors), len(w.work), len(w.web))
	return w, nil
}

// place makes room for a process on the shared PostgreSQL and on NATS, which it
// reaches at this address.
func (w *town) place(ctx context.Context, name, nats string, args ...string) (*instance, error) {
	args = append([]string{"--nats-url", nats, "--nats-storage", "2"}, args...)
	return w.t.seat(ctx, SQLite, filepath.Join(w.t.dir, name), args...) // without a PostgreSQL of its own
}

// join starts a process of the role: with the keyring, or with a door's keys
// and no database.
func (w *town) join(ctx context.Context, nats, role string, n int) (*instance, error) {
	args := []string{"--role", role}
	if role != "capture" {
		args = append(args, "--database-url", w.cluster.URL("catchment"))
	}
	i, err := w.place(ctx, fmt.Sprintf("%s-%d", role, n), nats, args...)
	if err != nil {
		return nil, err
	}
	i.world = w.founder.world
	if role == "capture" {
		if out, err := w.t.command(ctx, nil, "keys", "door", "--data", w.founder.dir, "--out", i.dir); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	} else {
		for _, name := range []string{"keyring.age", "identity.txt"} {
			if err := copyFile(filepath.Join(w.founder.dir, name), filepath.Join(i.dir, name)); err != nil {
				return nil, err
			}
		}
	}
	return i, i.again(ctx)
}

// load sends the book's leads to all doors; what one did not answer another
// may take. stop returns when all have ended.
func (w *town) load(ctx context.Context, book *ledger) (loads []*load, stop func()) {
	under, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, d := range w.doors {
		l := &load{addr: d.listen, key: d.world.Accounts[0].PublishableKey, conns: 8, rate: rolesRate, book: book}
		loads = append(loads, l)
		wg.Go(func() { l.run(under, true) })
	}
	return loads, func() { cancel(); wg.Wait() }
}

// killInTurn kills every process once, and NATS as well, each under load, and
// starts it again a moment later.
func (t *trial) killInTurn(ctx context.Context, w *town, book *ledger) error {
	idle, killed := 0, 0
	turn := func(name string, kill func(), again func() error) error {
		before := book.acknowledged()
		if err := pause(ctx, betweenKil); err != nil {
			return err
		}
		if book.acknowledged() == before {
			idle++
		}
		kill()
		killed++
		if err := pause(ctx, betweenKil); err != nil {
			return err
		}
		if err := again(); err != nil {
			return fmt.Errorf("%s after its kill: %w", name, err)
		}
		return nil
	}
	for n := range eachRole {
		for _, i := range []*instance{w.work[n], w.doors[n], w.web[n]} {
			if err := turn(filepath.Base(i.dir), i.kill, func() error { return i.again(ctx) }); err != nil {
				return err
			}
		}
		t.say("one more of each role killed; %d leads acknowledged", book.acknowledged())
	}
	if err := turn("NATS", w.bus.kill, w.bus.start); err != nil {
		return err
	}
	t.check("every kill -9 came under load: three of each role, and NATS", idle == 0 && killed == 3*eachRole+1, "%d kills, none acknowledged before in %d", killed, idle)
	return pause(ctx, 3*time.Second)
}

// settleApart is settle where the door and the API are processes of their own.
func (t *trial) settleApart(ctx context.Context, w *town, book *ledger) error {
	acked := book.ids()
	web := w.web[1]
	f, err := audit(ctx, web.api(web.world.Accounts[0].SecretKey), acked)
	if err != nil {
		return err
	}
	t.check("acknowledged leads are there, each once", f.clean() && len(acked) > 0, "%d acknowledged; %s", len(acked), f)
	t.check("no wrong answer", len(book.faults) == 0, "%s of %d answers", counted(book.faults), book.answers())
	keys, err := w.doors[2].receiptKeys(ctx)
	if err != nil {
		return err
	}
	good, fault := verify(book, keys)
	t.check("every receipt of every door verifies", good == len(acked) && fault == nil, "%d of %d%s", good, len(acked), because(fault))
	t.control(ctx, web, book, keys, "")
	panics := 0
	for _, list := range [][]*instance{w.doors, w.work, w.web} {
		for _, i := range list {
			panics += i.panics()
		}
	}
	t.check("no panic in any log", panics == 0, "%d", panics)
	return nil
}

// race is what answers to the same offers, sent to several processes at once,
// were.
type race struct {
	w       *town
	sellers [][]*api // of each, one for each web process, all in one session

	mu       sync.Mutex
	answered map[string]outcome
	raced    int
	faults   []string // answers that can never be right
}

type outcome struct{ accepted, declined bool }

func (w *town) race(ctx context.Context) (*race, error) {
	r := &race{w: w, answered: map[string]outcome{}}
	for n := range rolesTeam {
		a, err := w.web[0].api("").signIn(ctx, fmt.Sprintf("seller-%d@team.example", n), "a-long-password-for-the-proof")
		if err != nil {
			return nil, err
		}
		var all []*api
		for _, i := range w.web {
			all = append(all, i.api(a.token))
		}
		r.sellers = append(r.sellers, all)
	}
	return r, nil
}

// run has one salesperson answer offers, each at all web processes at once:
// some accept, and now and then one declines.
func (r *race) run(ctx context.Context, seller int) {
	for ctx.Err() == nil {
		var page struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
		}
		all := r.sellers[seller]
		if err := all[rand.IntN(len(all))].get(ctx, "/v1/offers", &page); err != nil || len(page.Items) == 0 {
			_ = pause(ctx, 50*time.Millisecond)
			continue
		}
		for _, o := range page.Items {
			r.one(ctx, all, o.ID)
		}
	}
}

func (r *race) one(ctx context.Context, all []*api, offer string) {
	var wg sync.WaitGroup
	decliner := rand.IntN(2 * len(all)) // half the time nobody declines
	for k, a := range all {
		wg.Go(func() {
			what := "accept"
			if k == decliner {
				what = "decline"
			}
			err := a.call(ctx, http.MethodPost, "/v1/offers/"+offer+"/"+what, nil, nil)
			r.mu.Lock()
			defer r.mu.Unlock()
			got := r.answered[offer]
			var no refusal
			if errors.As(err, &no) && no.status != http.StatusConflict && no.status < 500 {
				r.faults = append(r.faults, no.Error())
			}
			if err == nil {
				got.accepted = got.accepted || what == "accept"
				got.declined = got.declined || what == "decline"
			}
			r.answered[offer] = got
		})
	}
	wg.Wait()
	r.mu.Lock()
	r.raced++
	r.mu.Unlock()
}

// oneWinner looks into the database: what the salespeople were told is there,
// and no lead has two of it.
func (t *trial) oneWinner(ctx context.Context, w *town, r *race) error {
	both, accepted, declined := 0, 0, 0
	for _, o := range r.answered {
		if o.accepted && o.declined {
			both++
		}
		if o.accepted {
			accepted++
		}
		if o.declined {
			declined++
		}
	}
	t.check("no offer was both accepted and declined", both == 0 && accepted > 0 && declined > 0, "%d offers raced at %d processes: %d accepted, %d declined, %d both", r.raced, eachRole, accepted, declined, both)
	t.check("no wrong answer to a salesperson", len(r.faults) == 0, "%s", counted(r.faults))
	db, err := openURL(w.cluster.URL("catchment"))
	if err != nil {
		return err
	}
	defer db.Close()
	twice, won, err := winners(ctx, db)
	if err != nil {
		return err
	}
	t.check("one winner per offer: no lead was accepted twice or has two owners", twice == 0 && won >= accepted, "%d accepted in the database, %d told so; %d leads with two", won, accepted, twice)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it is never committed
	_, err = tx.ExecContext(ctx, `INSERT INTO assignment (account_id, lead_id, from_at, user_id, reason, by_actor, until_at)
		SELECT account_id, lead_id, from_at + 1, user_id, reason, by_actor, NULL FROM assignment WHERE until_at IS NULL LIMIT 1`)
	if err != nil {
		return err
	}
	twice, _, err = winners(ctx, tx)
	t.check("control: a second owner is found", err == nil && twice == 1, "%d%s", twice, because(err))
	return nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// winners counts leads with two accepted offers at once, two owners at once, or
// an owner that is not the one of its assignment; and the accepted offers.
func winners(ctx context.Context, db querier) (twice, accepted int, err error) {
	for _, q := range []struct {
		to   *int
		text string
	}{
		{&accepted, `SELECT count(*) FROM offer WHERE state = 'accepted'`},
		{&twice, `SELECT count(DISTINCT lead_id) FROM (
			SELECT lead_id FROM offer WHERE state = 'accepted' GROUP BY lead_id HAVING count(*) > 1
			UNION ALL SELECT lead_id FROM assignment WHERE until_at IS NULL GROUP BY lead_id HAVING count(*) > 1
			UNION ALL SELECT l.lead_id FROM lead l JOIN offer o ON o.account_id = l.account_id AND o.lead_id = l.lead_id
				WHERE o.state = 'accepted' AND l.owner_id IS DISTINCT FROM o.user_id) AS wrong`},
	} {
		err = errors.Join(err, db.QueryRowContext(ctx, q.text).Scan(q.to))
	}
	return twice, accepted, err
}
