package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// The measures: the attackers send what the platform promises to take, all of
// it attacks; the other source's leads come by the dozen.
const (
	firewallPairs  = 5
	firewallFlood  = 1000 // attacks a second from one source
	firewallOthers = 20   // leads a second from another source of the same account
	firewallTeam   = 50   // salespeople who get these
	firewallLeast  = 3000 // suspicious leads a second that the door must take
	firewallDrawn  = 200  // attacks that are looked up afterwards
)

// What attackers write, without what JSON would have to escape.
var attackTexts = []string{
	"1' or '1'='1", "x'; drop table leads; --", "<script>alert(1)</script>", "1 union select password, email from users --",
	"<img src=x onerror=alert(1)>", "javascript:alert(document.cookie)//", "admin'/**/and 1=1#", "<svg/onload=fetch('//attack.example/')>",
}

// proveFirewall floods one source with attacks.
func proveFirewall(ctx context.Context, t *trial) error {
	if err := t.suspiciousDoor(ctx); err != nil {
		return err
	}
	return t.on(ctx, t.attackedSource)
}

// suspiciousDoor has every lead be an attack, as fast as the door takes them. Where there is a
// PostgreSQL it is halted meanwhile, so that the process does nothing but capture.
func (t *trial) suspiciousDoor(ctx context.Context) error {
	engine := SQLite
	if slices.Contains(t.Engines, Postgres) {
		engine = Postgres
	}
	i, err := t.fresh(ctx, engine)
	if err != nil {
		return err
	}
	defer i.kill()
	if i.cluster != nil {
		i.cluster.Halt()
		defer i.cluster.Run()
	} else {
		t.note("the door alone is measured with PostgreSQL halted; with --engine sqlite intake and the inspections work beside it")
	}
	round := func(tag string, says []string) measured {
		l := i.load(tag, 1<<40, benchConns)
		l.book.crowd.says = says
		return t.measure(ctx, l, t.seconds(4), i.cmd.Process.Pid)
	}
	round("warm", attackTexts)
	var rates, plain, cost, base []float64
	refused := 0
	for n := range firewallPairs {
		a, p := round(fmt.Sprint("attack-", n), attackTexts), round(fmt.Sprint("plain-", n), messages[1:2])
		rates, plain, cost, base, refused = append(rates, a.rate), append(plain, p.rate), append(cost, a.server), append(base, p.server), refused+a.refused+p.refused
		t.say("pair %d: attacks %.0f/s, %.0f µs CPU a lead; inert leads %.0f/s, %.0f µs", n+1, a.rate, a.server, p.rate, p.server)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	t.check("every lead an attack: nothing is refused", refused == 0, "%d", refused)
	t.aim("every lead an attack: taken over HTTP, the load on the same cores", middle(rates), "leads/s", fmt.Sprintf("≥ %d", firewallLeast), middle(rates) >= firewallLeast)
	t.figure("every lead an attack: the server's CPU a lead", middle(cost), "µs")
	t.figure("every lead inert: taken", middle(plain), "leads/s")
	t.figure("every lead inert: the server's CPU a lead", middle(base), "µs")
	t.check("control: the attacks are looked at, which costs something", middle(cost) > middle(base), "%.0f and %.0f µs", middle(cost), middle(base))
	return nil
}

// attackedSource compares another source's time to offer beside the flood with that
// beside as many ordinary leads: when many come, intake gathers them for a moment,
// whatever they say, which a source that is alone does not see.
func (t *trial) attackedSource(ctx context.Context, e Engine) error {
	label := string(e) + ": "
	i, err := t.fresh(ctx, e)
	if err != nil {
		return err
	}
	defer i.kill()
	t.say("hiring %d salespeople", firewallTeam)
	others, err := i.site(ctx, firewallTeam)
	if err != nil {
		return err
	}
	a := &attackedSource{t: t, i: i, others: others, each: t.seconds(6)}
	if _, err := a.round(ctx, nil); err != nil { // warm
		return err
	}
	quiet, ordinary, attacked := rounds{name: "alone"}, rounds{name: "beside as many ordinary leads", flood: messages[1:2]}, rounds{name: "beside the attacks", flood: attackTexts, attacks: true}
	for n := range firewallPairs {
		for _, r := range []*rounds{&quiet, &ordinary, &attacked} {
			if err := a.add(ctx, r); err != nil {
				return err
			}
		}
		last := func(v []float64) float64 { return v[len(v)-1] }
		t.say("%sround %d: from the POST to the offer, p50 %.0f ms alone, %.0f beside ordinary leads, %.0f beside attacks; p99 %.0f, %.0f and %.0f", label, n+1,
			last(quiet.p50), last(ordinary.p50), last(attacked.p50), last(quiet.p99), last(ordinary.p99), last(attacked.p99))
	}
	t.check(label+"the other source's leads are all taken and offered", a.refused+a.unoffered == 0, "%d refused, %d not offered", a.refused, a.unoffered)
	t.check(label+"the attacks came, and none was refused", attacked.taken >= firewallPairs*int(0.9*firewallFlood*a.each.Seconds()) && attacked.refused == 0, "%d taken, %d refused", attacked.taken, attacked.refused)
	grown, allowed := growth(ordinary.p50, attacked.p50)
	t.check(label+"median beside attacks: grows by less than 20 % or twice the spread beside as many ordinary leads", grown < allowed,
		"%.1f ms beside ordinary leads, %.1f more beside attacks, %.1f allowed", middle(ordinary.p50), grown, allowed)
	t.check(label+"p99 beside attacks, worst round: less than a second", slices.Max(attacked.p99) < 1000, "%.0f ms", slices.Max(attacked.p99))
	for _, r := range []rounds{quiet, ordinary, attacked} {
		t.figure(label+"from the POST to the offer, "+r.name+": p50, median of the rounds", middle(r.p50), "ms")
		t.figure(label+"from the POST to the offer, "+r.name+": p99, median of the rounds", middle(r.p99), "ms")
	}
	if err := a.held(ctx, label); err != nil {
		return err
	}
	halted, err := a.round(ctx, func(ctx context.Context) {
		_ = pause(ctx, time.Second)
		_ = syscall.Kill(i.cmd.Process.Pid, syscall.SIGSTOP)
		_ = pause(ctx, a.each*2/3)
		_ = syscall.Kill(i.cmd.Process.Pid, syscall.SIGCONT)
	})
	if err != nil {
		return err
	}
	grown, _ = growth(ordinary.p50, []float64{halted.of(0.5)})
	t.check(label+"control: a server that stands still for most of a round is noticed", grown >= allowed && halted.of(0.99) >= 1000, "%.0f ms more, p99 %.0f ms", grown, halted.of(0.99))
	return nil
}

type attackedSource struct {
	t      *trial
	i      *instance
	others site
	each   time.Duration
	n      int

	refused, unoffered int      // of the other source's leads
	drawn              []string // enquiries that were attacks
}

// rounds are those of one kind.
type rounds struct {
	name     string
	flood    []string // what the account's own source sends meanwhile; nothing when nil
	attacks  bool     // and it is attacks
	p50, p99 []float64

	taken, refused int // of the flood
}

// add does one more.
func (a *attackedSource) add(ctx context.Context, r *rounds) error {
	var beside func(context.Context)
	if r.flood != nil {
		beside = func(ctx context.Context) { a.flood(ctx, r) }
	}
	times, err := a.round(ctx, beside)
	r.p50, r.p99 = append(r.p50, times.of(0.5)), append(r.p99, times.of(0.99))
	return err
}

// offerTimes are the times from the POST to the offer, in ms, sorted.
type offerTimes []float64

func (o offerTimes) of(q float64) float64 {
	if len(o) == 0 {
		return 0
	}
	return o[max(0, int(math.Ceil(q*float64(len(o))))-1)]
}

// flood sends what the round wants from the account's own source until ctx ends.
func (a *attackedSource) flood(ctx context.Context, r *rounds) {
	l := a.i.load(fmt.Sprint("flood-", a.n), 1<<40, benchConns)
	l.book.crowd.says, l.rate = r.flood, firewallFlood
	l.run(ctx, true)
	r.taken += l.book.status(http.StatusAccepted)
	r.refused += l.book.answers() - l.book.status(http.StatusAccepted)
	if r.attacks {
		ids := l.book.ids()
		a.drawn = append(a.drawn, ids[:min(len(ids), firewallDrawn/firewallPairs)]...)
	}
}

// round sends the other source's leads for a while, open loop, and asks afterwards when
// each was offered.
func (a *attackedSource) round(ctx context.Context, beside func(context.Context)) (offerTimes, error) {
	a.n++
	under, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if beside != nil {
			beside(under)
		}
	}()
	_ = pause(ctx, time.Second) // it is in full swing
	posted, err := a.post(ctx)
	stop()
	<-done
	if err != nil {
		return nil, err
	}
	return a.offered(ctx, posted)
}

// posted is when each enquiry's first byte was sent.
type postedAt map[string]time.Time

func (a *attackedSource) post(ctx context.Context) (postedAt, error) {
	c := a.i.world.Accounts[0]
	door, some := a.i.api(c.PublishableKey), crowd{tag: fmt.Sprint("other-", a.n), source: a.others.source}
	type answer struct {
		id     string
		began  time.Time
		status int
		err    error
	}
	count := int(a.each.Seconds() * firewallOthers)
	all := make(chan answer, count)
	for n := range count {
		go func() {
			began := time.Now()
			r, err := door.do(ctx, http.MethodPost, "/v1/leads", http.Header{"Idempotency-Key": {some.key(n)}}, some.body(a.n*10_000+n))
			var got struct {
				ID string `json:"id"`
			}
			if err == nil {
				err = json.Unmarshal(r.body, &got)
			}
			all <- answer{got.ID, began, r.status, err}
		}()
		if err := pause(ctx, time.Second/firewallOthers); err != nil {
			return nil, err
		}
	}
	out := postedAt{}
	for range count {
		switch w := <-all; {
		case w.err != nil:
			return nil, fmt.Errorf("a lead of the other source: %w", w.err)
		case w.status != http.StatusAccepted:
			a.refused++
		default:
			out[w.id] = w.began
		}
	}
	return out, nil
}

func (a *attackedSource) offered(ctx context.Context, posted postedAt) (out offerTimes, err error) {
	api := a.i.api(a.i.world.Accounts[0].SecretKey)
	end := time.Now().Add(30 * time.Second)
	for id, began := range posted {
		for {
			var e seen
			var l struct {
				OfferedAt *time.Time `json:"offered_at"`
			}
			if err := api.get(ctx, "/v1/enquiries/"+id, &e); err != nil && time.Now().After(end) {
				return nil, err
			}
			if e.LeadID != "" {
				if err := api.get(ctx, "/v1/leads/"+e.LeadID, &l); err != nil {
					return nil, err
				}
			}
			if l.OfferedAt != nil {
				out = append(out, ms(l.OfferedAt.Sub(began)))
				break
			}
			if time.Now().After(end) {
				a.unoffered++
				break
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// held looks up some of the attacks: none may be lost, and none be anybody's
// lead.
func (a *attackedSource) held(ctx context.Context, label string) error {
	api := a.i.api(a.i.world.Accounts[0].SecretKey)
	states := map[string]int{}
	for _, id := range a.drawn {
		var e seen
		err := a.i.wait(ctx, 60*time.Second, "an attack in the database", func() bool { return api.get(ctx, "/v1/enquiries/"+id, &e) == nil && e.State != "" })
		if err != nil {
			return err
		}
		states[e.State]++
	}
	a.t.check(label+"attacks are held: none is lost, none a lead", len(a.drawn) > 0 && states["quarantined"] == len(a.drawn), "%d drawn: %v", len(a.drawn), states)
	return nil
}
