package proof

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// proveSQLAway halts PostgreSQL under load. (SQLite lives in the process and
// cannot be away without it.)
func proveSQLAway(ctx context.Context, t *trial) error {
	if !slices.Contains(t.Engines, Postgres) {
		return errSkipped{"SQLite is in the process and cannot be away without it"}
	}
	i, err := t.fresh(ctx, Postgres)
	if err != nil {
		return err
	}
	away := t.seconds(60)
	l := i.load("away", 60_000, 16)
	l.rate = min(500, float64(l.book.max)/2/away.Seconds())
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	before := l.book.acknowledged()
	t.say("halting PostgreSQL for %s under %.0f leads/s", away, l.rate)
	i.cluster.Halt()
	for gone := time.Duration(0); gone < away; gone += 10 * time.Second {
		if err := pause(ctx, min(10*time.Second, away-gone)); err != nil {
			return err
		}
		t.say("SQL away; %d leads acknowledged, %d answers of 503", l.book.acknowledged(), l.book.status(503))
	}
	during := l.book.acknowledged() - before
	t.check("leads are taken while SQL is away", during > int(l.rate*away.Seconds()/2), "%d in %s", during, away)
	stop()
	<-ended
	if err := t.startWithoutSQL(ctx, i); err != nil {
		return err
	}
	t.check("no capture was refused for it", l.book.status(503) == 0, "%d answers of 503", l.book.status(503))
	q := l.book.times(0.5, 0.99)
	t.figure("answers, p50", q[0], "ms")
	t.figure("answers, p99", q[1], "ms")
	if err := i.cluster.Run(); err != nil {
		return err
	}
	began := time.Now()
	l.flush(ctx, 30*time.Second)
	if _, err := i.drainWhenBack(ctx, 180*time.Second); err != nil {
		return err
	}
	t.figure("until all of it was in SQL and offered", time.Since(began).Seconds(), "s")
	return t.settle(ctx, i, l.book, "")
}

// startWithoutSQL shows that a process that starts while SQL is away takes
// leads, from the last snapshot. The lead is in the ledger of another crowd:
// the control of the comparison is that its absence would be seen.
func (t *trial) startWithoutSQL(ctx context.Context, i *instance) error {
	if err := i.stop(); err != nil {
		return err
	}
	began := time.Now()
	if err := i.start("serve"); err != nil {
		return err
	}
	if err := i.ready(ctx, 30*time.Second); err != nil {
		t.check("a process that starts while SQL is away takes leads", false, "%v", err)
		return nil
	}
	test := crowd{tag: "start", source: i.world.Accounts[0].apiSource(), test: true} // a test lead: the comparison leaves it out
	r, err := i.api(i.world.Accounts[0].PublishableKey).do(ctx, http.MethodPost, "/v1/leads", http.Header{"Idempotency-Key": {test.key(0)}}, test.body(0))
	if err != nil {
		return err
	}
	t.check("a process that starts while SQL is away takes leads", r.status == 202, "%d, %.1f s after its start", r.status, time.Since(began).Seconds())
	r, err = i.api(i.world.Accounts[0].SecretKey).do(ctx, http.MethodGet, "/v1/leads", nil, nil)
	if err != nil {
		return err
	}
	t.check("control: what needs SQL is refused meanwhile", r.status == 503, "GET /v1/leads answers %d", r.status)
	return nil
}

// drainWhenBack is drain for an instance that still looks for its database.
func (i *instance) drainWhenBack(ctx context.Context, within time.Duration) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < within {
		if _, err := i.operator(ctx); err == nil {
			return i.drain(ctx, within)
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return i.drain(ctx, time.Second)
}
