package proof

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The flood's measures. The other account sends three quarters of the limit.
const (
	floodPairs   = 5
	floodLimit   = 200 // leads a second of one account
	floodTimes   = 20  // so many times its limit one account sends
	floodOther   = 150 // leads a second of the other
	slowConns    = 300
	badSignIns   = 10_000
	slowSpeakers = 10 // loopback addresses that the slow ones come from
)

// proveFlood has attackers at the doors, and looks at what an account that has
// nothing to do with them is answered.
func proveFlood(ctx context.Context, t *trial) error {
	i, err := t.fresh(ctx, SQLite, "--limit-leads", strconv.Itoa(floodLimit), "--trusted-proxies", "127.0.0.1/32")
	if err != nil {
		return err
	}
	f := &flood{t: t, i: i, each: t.seconds(5)}
	f.round(ctx, "warm", nil)
	if err := f.pairs(ctx, "slow connections and bad sign-ins: ", f.strangers); err != nil {
		return err
	}
	tried := f.signIns.Load()
	t.check("bad sign-ins were tried, and each was refused", tried >= badSignIns && f.letIn.Load() == 0, "%d tried, %d let in", tried, f.letIn.Load())
	t.check("slow connections were there in every round", f.slow.Load() >= slowConns*floodPairs, "%d opened", f.slow.Load())
	if err := f.pairs(ctx, "one account at "+strconv.Itoa(floodTimes)+"× its limit: ", f.account); err != nil {
		return err
	}
	t.check("the flooding account was refused what is over its limit", f.over.Load() > f.within.Load(), "%d refused, %d taken", f.over.Load(), f.within.Load())
	t.check("each of those refusals was 429 with Retry-After", f.wrong.Load() == 0, "%d others", f.wrong.Load())
	if err := f.control(ctx); err != nil {
		return err
	}
	return f.withoutLimit(ctx)
}

// flood is the attack and its count.
type flood struct {
	t    *trial
	i    *instance
	each time.Duration
	n    int
	off  []float64 // p99 in ms of the last pairs' quiet rounds

	signIns, letIn, slow atomic.Int64
	over, within, wrong  atomic.Int64
}

type floodRound struct {
	measured
	broken int
}

// round is the other account's leads for a while, with the attack or without.
func (f *flood) round(ctx context.Context, tag string, attack func(context.Context)) floodRound {
	f.n++
	under, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	if attack != nil {
		wg.Go(func() { attack(under) })
		_ = pause(ctx, time.Second) // it is in full swing
	}
	c := f.i.world.Accounts[1]
	l := &load{addr: f.i.listen, key: c.PublishableKey, conns: 16, rate: floodOther,
		book: newLedger(crowd{tag: fmt.Sprint("flood-", tag, f.n), source: c.apiSource()}, 1<<40)}
	m := f.t.measure(ctx, l, f.each, f.i.cmd.Process.Pid)
	stop()
	wg.Wait()
	return floodRound{m, l.book.broken}
}

// pairs alternates quiet and attacked rounds, and compares.
func (f *flood) pairs(ctx context.Context, label string, attack func(context.Context)) error {
	var off, on []float64
	refused, broken := 0, 0
	for n := range floodPairs {
		a, b := f.round(ctx, "off", nil), f.round(ctx, "on", attack)
		off, on = append(off, a.p99), append(on, b.p99)
		refused, broken = refused+b.refused, broken+b.broken
		f.t.say("pair %d: p99 %.1f ms without, %.1f ms with; the server's CPU a lead %.0f and %.0f µs", n+1, a.p99, b.p99, a.server, b.server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	f.off = off
	grown, allowed := growth(off, on)
	f.t.check(label+"another account's leads are all taken", refused == 0 && broken == 0, "%d refused, %d without an answer", refused, broken)
	f.t.check(label+"its p99 grows by less than 20 % or twice the control's spread", grown < allowed, "%.1f ms without, %.1f more with, %.1f allowed", middle(off), grown, allowed)
	return nil
}

// growth is how much the median p99 rose, and by how much it may.
func growth(off, on []float64) (grown, allowed float64) {
	return middle(on) - middle(off), max(0.2*middle(off), 2*(slices.Max(off)-slices.Min(off)))
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// control keeps the door from answering for a second: what is compared above
// must show it.
func (f *flood) control(ctx context.Context) error {
	pid := f.i.cmd.Process.Pid
	halted := f.round(ctx, "halted", func(ctx context.Context) {
		_ = pause(ctx, 2*time.Second)
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		_ = pause(ctx, f.each/3)
		_ = syscall.Kill(pid, syscall.SIGCONT)
	})
	grown, allowed := growth(f.off, []float64{halted.p99})
	f.t.check("control: a door that stands still is noticed", grown >= allowed, "%.1f ms more, %.1f allowed", grown, allowed)
	return ctx.Err()
}

// withoutLimit is the other control: the limit is what held the account back.
func (f *flood) withoutLimit(ctx context.Context) error {
	if err := f.i.stop(); err != nil {
		return err
	}
	f.i.args = []string{"--limit-leads", "0"}
	if err := f.i.again(ctx); err != nil {
		return err
	}
	f.within.Store(0)
	f.over.Store(0)
	r := f.round(ctx, "open", f.account)
	may := int64(float64(floodLimit) * (f.each.Seconds() + 1))
	f.t.check("control: without the limit the account takes more than it may", f.within.Load() > 2*may && f.over.Load() == 0,
		"%d taken of %d that it might, %d refused", f.within.Load(), may, f.over.Load())
	f.t.figure("without the limit: another account's p99", r.p99, "ms")
	return ctx.Err()
}

// strangers are the slow connections and the bad sign-ins.
func (f *flood) strangers(ctx context.Context) {
	var wg sync.WaitGroup
	for n := range slowConns {
		wg.Go(func() {
			for ctx.Err() == nil {
				f.trickle(ctx, n)
				_ = pause(ctx, 100*time.Millisecond)
			}
		})
	}
	// A few more than are needed, in even steps, so that what is measured is the
	// server and not the generator.
	perRound := badSignIns*11/10/floodPairs + 1
	tick := (&load{rate: float64(perRound) / f.each.Seconds()}).ticks(ctx)
	for n := range 200 { // more than wait for a password to be hashed
		wg.Go(func() {
			var c wire
			defer c.close()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick:
					f.signIn(&c, n)
				}
			}
		})
	}
	wg.Wait()
}

// trickle opens a connection and gives a byte now and then, of a head or of a
// body, until the server has enough.
func (f *flood) trickle(ctx context.Context, n int) {
	d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n%slowSpeakers))}}
	c, err := d.DialContext(ctx, "tcp", f.i.listen)
	if err != nil {
		return
	}
	defer c.Close()
	f.slow.Add(1)
	say := "POST /v1/leads HTTP/1.1\r\nHost: leads.example.com\r\nX-Slow: "
	if n%2 == 1 {
		say = "POST /v1/leads HTTP/1.1\r\nHost: leads.example.com\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nAuthorization: Bearer " +
			f.i.world.Accounts[0].PublishableKey + "\r\n\r\n{"
	}
	for _, err = io.WriteString(c, say); err == nil && ctx.Err() == nil; _, err = io.WriteString(c, "a") {
		_ = pause(ctx, 500*time.Millisecond)
	}
}

// signIn tries a password for somebody, from one of many addresses that a
// proxy tells of.
func (f *flood) signIn(c *wire, n int) {
	if c.c == nil && c.dial(f.i.listen) != nil {
		return
	}
	k := f.signIns.Add(1)
	body := `{"email":"guess-` + strconv.FormatInt(k%500, 10) + `@example.com","password":"not the right password"}`
	_ = c.c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := fmt.Fprintf(c.c, "POST /v1/sessions HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: 203.0.113.%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		f.i.listen, n%50, len(body), body)
	if err != nil {
		c.close()
		return
	}
	r, err := c.read()
	if err != nil {
		c.close()
		return
	}
	if r.status < 400 {
		f.letIn.Add(1)
	}
}

// account sends so many times what it may.
func (f *flood) account(ctx context.Context) {
	c := f.i.world.Accounts[0]
	l := &load{addr: f.i.listen, key: c.PublishableKey, conns: 256, rate: floodLimit * floodTimes,
		book: newLedger(crowd{tag: fmt.Sprint("loud-", f.n), source: c.apiSource()}, 1<<40)}
	l.book.lean = true
	l.run(ctx, true)
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	f.within.Add(int64(l.book.statuses[202]))
	f.wrong.Add(int64(l.book.bare503))
	for code, n := range l.book.codes {
		f.over.Add(int64(n))
		if !strings.HasPrefix(code, "429 ") {
			f.wrong.Add(int64(n))
		}
	}
}
