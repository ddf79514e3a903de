package proof

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// proveBench measures the door beside a bare handler, and the way from the
// door to an offer.
func proveBench(ctx context.Context, t *trial) error {
	if slices.Contains(t.Engines, Postgres) {
		if err := t.benchDoor(ctx); err != nil {
			return err
		}
	} else {
		t.note("the door alone is measured with PostgreSQL halted; --engine sqlite leaves that out")
	}
	return t.on(ctx, t.benchOffers)
}

// Pairs of measurements, and connections that the load comes by.
const (
	benchPairs = 5
	benchConns = 64
)

// measured is what one load showed.
type measured struct {
	rate      float64 // leads a second
	p50, p99  float64 // ms
	server    float64 // µs of CPU a lead
	generator float64 // the same, of the load's own process
	answer    int     // mean bytes of a 202
	refused   int
}

// benchDoor compares capture with a bare handler, in alternating pairs. SQL is
// halted meanwhile, so that the process does nothing but capture: what intake
// and routing cost is measured by benchOffers.
func (t *trial) benchDoor(ctx context.Context) error {
	i, err := t.fresh(ctx, Postgres)
	if err != nil {
		return err
	}
	i.cluster.Halt()
	each := t.seconds(4)
	door := func(tag string, rate float64) measured {
		l := i.load(tag, 1<<40, benchConns)
		l.rate = rate
		return t.measure(ctx, l, each, i.cmd.Process.Pid)
	}
	warm := door("warm", 0)
	bare, err := t.startBare(ctx, warm.answer)
	if err != nil {
		return err
	}
	var doors, bares []measured
	for n := range benchPairs {
		b := t.measure(ctx, &load{addr: bare.addr, key: "none", conns: benchConns, book: newLedger(crowd{tag: fmt.Sprint("bare", n), source: "web"}, 1<<40)}, each, bare.pid)
		d := door(fmt.Sprint("door", n), 0)
		doors, bares = append(doors, d), append(bares, b)
		t.say("pair %d: door %.0f/s, %.1f µs CPU a lead; bare %.0f/s, %.1f µs", n+1, d.rate, d.server, b.rate, b.server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	t.doorFigures(doors, bares)
	open := door("open", 2000)
	t.figure("door at 2,000 leads/s, open loop: p50", open.p50, "ms")
	t.figure("door at 2,000 leads/s, open loop: p99", open.p99, "ms")
	now, peak := i.memory()
	t.figure("memory of the process after it", now, "MiB")
	t.figure("memory at its highest", peak, "MiB")
	return nil
}

func (t *trial) doorFigures(doors, bares []measured) {
	pick := func(list []measured, f func(measured) float64) float64 {
		var v []float64
		for _, m := range list {
			v = append(v, f(m))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	rate := func(m measured) float64 { return m.rate }
	cpu := func(m measured) float64 { return m.server }
	t.figure("captured", pick(doors, rate), "leads/s")
	t.figure("captured, p50", pick(doors, func(m measured) float64 { return m.p50 }), "ms")
	t.figure("captured, p99", pick(doors, func(m measured) float64 { return m.p99 }), "ms")
	t.figure("server's CPU a lead", pick(doors, cpu), "µs")
	t.figure("bare handler", pick(bares, rate), "leads/s")
	t.figure("bare handler's CPU a lead", pick(bares, cpu), "µs")
	var ratios []float64
	refused := 0
	for n := range doors {
		ratios = append(ratios, doors[n].server/bares[n].server)
		refused += doors[n].refused
	}
	slices.Sort(ratios)
	ratio := ratios[len(ratios)/2]
	t.aim("CPU, door against bare handler, median of pairs", ratio, "×", "≤ 2.5", ratio <= 2.5)
	t.figure("generator's CPU a lead beside the door", pick(doors, func(m measured) float64 { return m.generator }), "µs")
	t.figure("generator's share of all CPU", 100*pick(doors, func(m measured) float64 { return m.generator / (m.generator + m.server) }), "%")
	t.check("nothing was refused at the door", refused == 0, "%d", refused)
	t.check("control: the bare handler, which keeps nothing, is the cheaper one", pick(bares, cpu) < pick(doors, cpu), "%.1f and %.1f µs", pick(bares, cpu), pick(doors, cpu))
}

// measure loads for so long and counts CPU on both sides.
func (t *trial) measure(ctx context.Context, l *load, d time.Duration, pid int) measured {
	l.book.lean = true
	under, stop := context.WithTimeout(ctx, d)
	defer stop()
	cpu, own, began := processCPU(pid), ownCPU(), time.Now()
	l.run(under, true)
	took := time.Since(began)
	n := float64(max(1, l.book.status(202)))
	q := l.book.times(0.5, 0.99)
	return measured{
		rate: n / took.Seconds(), p50: q[0], p99: q[1],
		server:    float64((processCPU(pid) - cpu).Microseconds()) / n,
		generator: float64((ownCPU() - own).Microseconds()) / n,
		answer:    int(float64(l.book.bytes) / n),
		refused:   l.book.answers() - l.book.status(202),
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type bareServer struct {
	addr string
	pid  int
}

// startBare runs the bare handler in a process of its own.
func (t *trial) startBare(ctx context.Context, answer int) (bareServer, error) {
	cmd := exec.CommandContext(ctx, t.Binary, "prove", "bare-server", "--answer", strconv.Itoa(answer))
	cmd.SysProcAttr = endWithParent()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return bareServer{}, err
	}
	if err := cmd.Start(); err != nil {
		return bareServer{}, err
	}
	t.later(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return bareServer{}, fmt.Errorf("the bare server said nothing: %w", err)
	}
	return bareServer{strings.TrimSpace(line), cmd.Process.Pid}, nil
}

// Leads from the door to an offer, and the team that gets them.
const (
	offerLeads = 40_000
	offerTeam  = 200
)

// benchOffers measures from the first POST to the last offer, and looks
// afterwards at every row that must be there.
func (t *trial) benchOffers(ctx context.Context, e Engine) error {
	i, err := t.fresh(ctx, e)
	if err != nil {
		return err
	}
	label := string(e) + ": "
	t.say("hiring %d salespeople", offerTeam)
	site, err := i.site(ctx, offerTeam)
	if err != nil {
		return err
	}
	leads := offerLeads
	if e == SQLite {
		leads /= 2
	}
	l := i.load("offer", leads, benchConns)
	l.book.crowd.source = site.source
	cpu, sql, own, began := i.cpu(), i.databaseCPU(), ownCPU(), time.Now()
	l.run(ctx, true)
	l.flush(ctx, 30*time.Second)
	posted := time.Since(began)
	took, err := i.untilOffered(ctx, site, leads, began)
	if err != nil {
		return err
	}
	used, base, gen := i.cpu()-cpu, i.databaseCPU()-sql, ownCPU()-own
	aim, word := 5000.0, "≥ 5,000"
	if e == SQLite {
		aim, word = 2500, "≥ 2,500"
	}
	rate := float64(leads) / took.Seconds()
	t.aim(label+"door to offer", rate, "leads/s", word, rate >= aim)
	t.figure(label+"all CPU of all of them, of what the cores give in that time", 100*(used+base+gen).Seconds()/(took.Seconds()*float64(runtime.NumCPU())), "%")
	t.figure(label+"all posted after", posted.Seconds(), "s")
	t.figure(label+"server's CPU a lead, door to offer", float64(used.Microseconds())/float64(leads), "µs")
	if base > 0 {
		t.figure(label+"PostgreSQL's CPU a lead", float64(base.Microseconds())/float64(leads), "µs")
	}
	t.figure(label+"generator's CPU a lead", float64(gen.Microseconds())/float64(leads), "µs")
	_, peak := i.memory()
	t.figure(label+"memory at its highest", peak, "MiB")
	return t.offered(ctx, i, l.book, label)
}

// offered checks what was written: through the API, and in the tables.
func (t *trial) offered(ctx context.Context, i *instance, book *ledger, label string) error {
	if _, err := i.drain(ctx, 60*time.Second); err != nil {
		return err
	}
	if err := t.settle(ctx, i, book, label); err != nil {
		return err
	}
	if err := i.stop(); err != nil {
		return err
	}
	return t.tables(ctx, i, book, label)
}
