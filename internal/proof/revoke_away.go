package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// cutOffRounds is how often a node is cut off. What it believes of a key is
// asked again every five seconds, so that three rounds hardly all end at once.
const cutOffRounds = 3

// cutOff is the control: a web process that NATS does not reach goes on
// accepting a revoked key, which must be noticed; and what bounds that must
// hold, that SQL is asked again.
func (r *revoking) cutOff(ctx context.Context) error {
	wire, err := r.t.cutter(r.w.bus.address)
	if err != nil {
		return err
	}
	far := "nats://" + wire.address()
	web, err := r.w.join(ctx, far, "web", eachRole)
	if err != nil {
		return err
	}
	door, err := r.w.join(ctx, far, "capture", eachRole)
	if err != nil {
		return err
	}
	var worst time.Duration
	var back time.Duration
	stuck, taken := 0, 0
	for n := range cutOffRounds {
		k, err := r.key(ctx, "secret", time.Time{})
		if err != nil {
			return err
		}
		tries := r.hammers("secret", k.Key, []*instance{door}, []*instance{web})
		got, err := r.away(ctx, n, k, tries, wire)
		if err != nil {
			return err
		}
		worst, back = max(worst, got.web), max(back, got.back)
		taken += got.taken
		if s := tries[1].state(); s.refused == 0 {
			stuck++
		}
	}
	r.t.check("control: a web process cut off from NATS goes on accepting a revoked key, and is noticed", worst > r.slowest("secret key, by the API"),
		"%.0f ms, where the slowest that NATS reaches took %.0f ms", ms(worst), ms(r.slowest("secret key, by the API")))
	r.t.check("what bounds it holds: SQL is asked again within 5 s", worst <= revokedWithin && stuck == 0, "%.0f ms; never refused in %d of %d rounds", ms(worst), stuck, cutOffRounds)
	r.t.check("a door cut off from NATS acknowledges nothing", taken == 0, "%d leads acknowledged with a revoked key", taken)
	r.t.check("back again it refuses within 5 s of its first acknowledgement", back <= revokedWithin, "%.0f ms", ms(back))
	return errors.Join(web.stop(), door.stop())
}

// wayBack is one round of it.
type wayBack struct {
	web   time.Duration // that the web process went on after the revocation
	taken int           // leads that the door acknowledged while it was cut off
	back  time.Duration // from its first such lead after its return to its last
}

func (r *revoking) away(ctx context.Context, n int, k made, tries []*hammer, wire *cutter) (got wayBack, err error) {
	under, stop := context.WithCancel(ctx)
	wait := strike(under, tries)
	defer wait()
	defer stop()
	door, web := tries[0], tries[1]
	if !until(ctx, 20*time.Second, func() bool { return door.state().accepted >= 3 && web.state().accepted >= 3 }) {
		return got, fmt.Errorf("not accepted before: %s, %s", door, web)
	}
	wire.cut()
	defer wire.mend()
	quiet := func() bool { return door.state().codes[http.StatusServiceUnavailable] >= 3 }
	if !until(ctx, 20*time.Second, quiet) {
		return got, fmt.Errorf("the door goes on without NATS: %s", door)
	}
	door.forget()
	web.forget()
	before := door.state().accepted
	at, err := r.byAPI(ctx, n, k)
	if err != nil {
		return got, err
	}
	until(ctx, revokedWithin+3*time.Second, func() bool { return web.state().refused >= 10 })
	got.web, got.taken = max(0, web.state().last.Sub(at)), door.state().accepted-before
	wire.mend()
	var first time.Time
	known := func() bool {
		s := door.state()
		if first.IsZero() && s.accepted > before {
			first = time.Now()
		}
		return s.refused >= 10
	}
	if !until(ctx, 20*time.Second, known) {
		return got, fmt.Errorf("back again, the door does not refuse: %s", door)
	}
	if !first.IsZero() {
		got.back = door.state().last.Sub(first)
	}
	return got, nil
}

// slowest is the worst of a kind, at any node.
func (r *revoking) slowest(kind string) (worst time.Duration) {
	for name, all := range r.times {
		if strings.HasPrefix(name, kind+" at ") {
			worst = max(worst, time.Duration(slices.Max(all)*float64(time.Millisecond)))
		}
	}
	return worst
}

// withoutSQL revokes while PostgreSQL is halted, and starts a node meanwhile.
func (r *revoking) withoutSQL(ctx context.Context) error {
	var keys []made
	for range r.rounds {
		for _, sort := range []string{"publishable", "secret"} {
			k, err := r.key(ctx, sort, time.Time{})
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
	}
	spare, err := r.key(ctx, "secret", time.Time{})
	if err != nil {
		return err
	}
	control := r.hammers("secret", spare.Key, r.w.doors, r.w.web)
	under, stop := context.WithCancel(ctx)
	wait := strike(under, control)
	if !until(ctx, 20*time.Second, func() bool { return every(control, func(h *hammer) bool { return h.state().accepted >= 3 }) }) {
		stop()
		return fmt.Errorf("the spare key is not accepted: %s", tell(control, func(*hammer) bool { return false }))
	}
	r.w.cluster.Halt()
	defer r.w.cluster.Run() //nolint:errcheck // only where something else went wrong
	before := control[0].state().accepted
	for _, h := range control {
		h.forget()
	}
	err = r.halted(ctx, keys)
	s := control[0].state()
	stop()
	wait()
	if err != nil {
		return err
	}
	r.t.check("control: a key that is not revoked hands in leads all the while", s.accepted > before && s.refused == 0, "%d leads while SQL was away, %d refused", s.accepted-before, s.refused)
	if err := r.startedLater(ctx, keys, spare); err != nil {
		return err
	}
	return r.w.cluster.Run()
}

// halted is the rounds while SQL is away. Only doors can accept meanwhile; a
// web process must say that it refuses the key, and not that SQL is away.
func (r *revoking) halted(ctx context.Context, keys []made) error {
	for k, sort := range []string{"publishable", "secret"} {
		var c course
		name := sort + " key, by command while SQL is away"
		for n := range r.rounds {
			one := keys[2*n+k]
			tries := r.hammers(sort, one.Key, r.w.doors, nil)
			var web []*hammer
			if sort == "secret" {
				web = r.hammers(sort, one.Key, nil, r.w.web)
			}
			wait := func() {}
			err := r.round(ctx, name, tries, func(ctx context.Context) (time.Time, error) {
				at, err := r.byCommand(ctx, n, one)
				after, stop := context.WithTimeout(ctx, revokedWithin)
				ended := strike(after, web)
				wait = func() {
					until(ctx, revokedWithin, func() bool { return every(web, func(h *hammer) bool { return h.state().refused >= 3 }) })
					stop()
					ended()
				}
				return at, err
			}, &c)
			wait()
			if err != nil {
				return err
			}
			for _, h := range web {
				c.nodes[h.node] = true
				if h.state().refused == 0 || h.state().accepted > 0 {
					c.stuck = append(c.stuck, h.String())
				}
			}
		}
		c.judge(r.t, name, r.rounds)
	}
	return nil
}

// startedLater starts a door and a web process anew, without SQL: they know
// what was revoked before.
func (r *revoking) startedLater(ctx context.Context, keys []made, spare made) error {
	door, web := r.w.doors[2], r.w.web[2]
	door.kill()
	web.kill()
	if err := door.again(ctx); err != nil {
		return err
	}
	if err := web.start("serve"); err != nil {
		return err
	}
	if err := web.wait(ctx, 60*time.Second, "an answer", func() bool { return web.probe("/healthz") == http.StatusOK }); err != nil {
		return err
	}
	wrong := 0
	for _, k := range keys {
		one := r.hammers("secret", k.Key, []*instance{door}, []*instance{web})
		if strings.HasPrefix(k.Key, "cpk_") {
			one = one[:1]
		}
		for _, h := range one {
			h.once(ctx, 0)
			if h.state().refused != 1 {
				wrong++
			}
		}
	}
	control := r.hammers("secret", spare.Key, []*instance{door}, []*instance{web})
	for _, h := range control {
		h.once(ctx, 0)
	}
	r.t.check("a door and a web process that start later, without SQL, refuse all of them from their first answer", wrong == 0, "%d keys, %d wrong answers", len(keys), wrong)
	r.t.check("control: they do not refuse what is not revoked", control[0].state().accepted == 1 && control[1].state().refused == 0, "%s, %s", control[0], control[1])
	return nil
}

// afterwards looks whether SQL and the record have every revocation, once, and
// tells the times.
func (r *revoking) afterwards(ctx context.Context) error {
	open := map[string]bool{}
	began := time.Now()
	for time.Since(began) < time.Minute {
		clear(open)
		for _, id := range r.keys {
			open[id] = true
		}
		err := pages(ctx, r.admin, "/v1/keys", func(k struct{ ID, State string }) {
			if k.State == "revoked" {
				delete(open, k.ID)
			}
		})
		if err == nil && len(open) == 0 {
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	r.t.check("SQL is back: it has every revocation", len(open) == 0, "%d of %d keys not, %.1f s after", len(open), len(r.keys), time.Since(began).Seconds())
	onRecord := map[string]int{}
	err := pages(ctx, r.admin, "/v1/record?action=key.revoked", func(e struct{ About string }) { onRecord[e.About]++ })
	if err != nil {
		return err
	}
	once := 0
	for _, id := range r.keys {
		if onRecord[id] == 1 {
			once++
		}
	}
	r.t.check("the account's record has each of them, once", once == len(r.keys), "%d of %d", once, len(r.keys))
	var names []string
	for name := range r.times {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r.t.figure(name+", slowest", slices.Max(r.times[name]), "ms")
	}
	return nil
}
