package proof

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
)

// proveWebhooks has receivers of every kind that one does not wish for be told
// what happens, and counts: whether each event came to each, and whether a
// listener on loopback that nobody allowed was ever connected to.
func proveWebhooks(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		h := &hooking{t: t, label: string(e) + ": "}
		for _, act := range []func(context.Context) error{h.begin(e), h.liars, h.rotated, h.killed, h.away, h.beside, h.withoutRetries, h.withoutJudgement} {
			if err := act(ctx); err != nil {
				return err
			}
		}
		t.check(h.label+"no panic in the log", h.i.panics() == 0, "%d", h.i.panics())
		return nil
	})
}

// allowedReceivers is where receivers may be; what listens elsewhere on
// loopback is not to be reached.
const allowedReceivers = "127.0.0.2"

// hooking is the proof on its way.
type hooking struct {
	t     *trial
	i     *instance
	label string
	a     *api
	names *nameServer
	trap  *trap
	sent  int           // leads
	moved time.Duration // by later
	open  []*receiver   // that are told, and are to have everything
}

// begin starts the program with a name server of the proof's own.
func (h *hooking) begin(e Engine) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		if h.names, err = h.t.serveNames(); err != nil {
			return err
		}
		if h.trap, err = h.t.setTrap("127.0.0.1:0"); err != nil {
			return err
		}
		if h.i, err = h.t.fresh(ctx, e, "--allow-networks", allowedReceivers+"/32", "--dns", h.names.address); err != nil {
			return err
		}
		h.a = h.i.api(h.i.world.Accounts[0].SecretKey)
		_, err = h.i.drain(ctx, 60*time.Second)
		return err
	}
}

// hook makes a receiver and a webhook of the first company that leads to it.
func (h *hooking) hook(ctx context.Context, name string, how manner) (*receiver, error) {
	r, err := h.t.receive(name, how)
	if err != nil {
		return nil, err
	}
	h.open = append(h.open, r)
	return r, h.register(ctx, h.a, h.i.world.Accounts[0], r)
}

// register has the company's events told to the receiver from now on.
func (h *hooking) register(ctx context.Context, a *api, c company, r *receiver) error {
	var made struct{ ID, Secret string }
	if err := a.post(ctx, "/v1/webhooks", map[string]any{"url": r.url, "description": r.name}, &made); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	from, err := h.head(ctx, c)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.account, r.from, r.secrets = made.ID, c.ID, from, []string{made.Secret}
	return nil
}

// head is the position that the company's next event will have.
func (h *hooking) head(ctx context.Context, c company) (n int64, err error) {
	id, err := account.ParseID(c.ID)
	if err != nil {
		return 0, err
	}
	db, err := h.i.database()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	of := id.UUID()
	err = db.QueryRowContext(ctx, `SELECT COALESCE(max(next_position), 1) FROM event_head WHERE account_id = $1`, of[:]).Scan(&n)
	return n, err
}

// leads come in, and are in SQL with their events in order.
func (h *hooking) leads(ctx context.Context, n int) error {
	for range n {
		h.sent++
		if err := h.lead(ctx, h.i.world.Accounts[0], h.sent); err != nil {
			return err
		}
	}
	_, err := h.i.drain(ctx, 60*time.Second)
	return err
}

func (h *hooking) lead(ctx context.Context, c company, n int) error {
	return h.i.api(c.PublishableKey).post(ctx, "/v1/leads", map[string]any{"source": c.apiSource(), "person": map[string]string{"name": "Vera Example", "phone": phone(n)}}, nil)
}

// complete waits until the receivers have had every event up to now. Where the
// clock is moved, it is by ten minutes, again and again, and then by more: tries
// are further and further apart.
func (h *hooking) complete(ctx context.Context, what string, moving bool, all ...*receiver) error {
	upTo, err := h.head(ctx, h.i.world.Accounts[0])
	if err != nil {
		return err
	}
	missing := func() (n int) {
		for _, r := range all {
			n += len(r.missing(upTo))
		}
		return n
	}
	began := time.Now()
	moves := 0
	for moved := began; missing() > 0 && time.Since(began) < 2*time.Minute; {
		if moving && time.Since(moved) > 700*time.Millisecond {
			if err := h.later(ctx, 10*time.Minute*time.Duration(1+moves/10)); err != nil {
				return err
			}
			moved = time.Now()
			moves++
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for _, r := range all {
		lost := r.missing(upTo)
		h.t.check(h.label+what+r.name, len(lost) == 0 && r.wrong() == "" && upTo > r.from, "%d events, lost %d; asked %d times%s", upTo-r.from, len(lost), r.asked.Load(), r.wrong())
	}
	return nil
}

// liars are receivers that answer as they should not, a few times each, and
// then as they should.
func (h *hooking) liars(ctx context.Context) error {
	liars := mannersOf(h.trap.url())
	for _, m := range liars {
		if _, err := h.hook(ctx, m.name, m); err != nil {
			return err
		}
	}
	after, err := h.hook(ctx, "503 with Retry-After: 3000", refusing(http.StatusServiceUnavailable, "3000"))
	if err != nil {
		return err
	}
	ended, err := h.hook(ctx, "410", refusing(http.StatusGone, ""))
	if err != nil {
		return err
	}
	changing, second, err := h.changing(ctx)
	if err != nil {
		return err
	}
	inner, err := h.inner(ctx)
	if err != nil {
		return err
	}
	if err := h.leads(ctx, 25); err != nil {
		return err
	}
	good := append(slices.Clone(h.open[:len(liars)]), changing)
	if err := h.complete(ctx, "", true, good...); err != nil {
		return err
	}
	if err := h.asWished(ctx, after, ended); err != nil {
		return err
	}
	after.becomes(nil)
	if err := h.complete(ctx, "", true, after); err != nil {
		return err
	}
	class, err := h.lastClass(ctx, inner)
	if err != nil {
		return err
	}
	h.t.check(h.label+"a name that leads inside is refused, and said to be", class == "address_refused", "%s", class)
	h.t.check(h.label+"the changing name was looked up anew, and led inside", h.names.inside.Load() > 3, "%d of its answers named loopback", h.names.inside.Load())
	h.t.check(h.label+"what listens on loopback was not connected to", h.trap.taken.Load()+second.taken.Load() == 0, "%d connections", h.trap.taken.Load()+second.taken.Load())
	h.open = []*receiver{}
	return h.forget(ctx)
}

// changing is a receiver by a name that leads to it and to loopback in turn, and
// the listener there.
func (h *hooking) changing(ctx context.Context) (*receiver, *trap, error) {
	r, err := h.t.receive("a name that changes to loopback", manner{closes: true})
	if err != nil {
		return nil, nil, err
	}
	there, err := h.t.setTrap("127.0.0.1:" + r.port)
	if err != nil {
		return nil, nil, err
	}
	r.url = "http://" + changingName + ":" + r.port
	h.open = append(h.open, r)
	return r, there, h.register(ctx, h.a, h.i.world.Accounts[0], r)
}

// inner is a webhook by a name that leads to the trap.
func (h *hooking) inner(ctx context.Context) (*receiver, error) {
	r := &receiver{name: "a name inside", url: "http://" + insideName + ":" + h.trap.port}
	return r, h.register(ctx, h.a, h.i.world.Accounts[0], r)
}

// asWished looks whether those who asked to be left alone were.
func (h *hooking) asWished(ctx context.Context, after, ended *receiver) error {
	asked := ended.asked.Load()
	if err := h.leads(ctx, 3); err != nil {
		return err
	}
	if err := h.later(ctx, 2*24*time.Hour); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	w, err := h.webhook(ctx, ended)
	if err != nil {
		return err
	}
	h.t.check(h.label+"410: it is not told any more", w.State == "gone" && ended.asked.Load() == asked, "%s; asked %d times, then %d more", w.State, asked, ended.asked.Load()-asked)
	most := after.longest()
	h.t.check(h.label+"Retry-After is kept", most > 0 && most <= webhookPage, "%d requests between two rests at most", most)
	return nil
}

// webhookPage is how many messages are on their way before their answers are
// written down.
const webhookPage = 16

// told is a webhook as the API shows it.
type told struct {
	State   string
	Waiting int
	Dead    int
	Recent  []struct{ Class string }
}

func (h *hooking) webhook(ctx context.Context, r *receiver) (w told, err error) {
	return w, h.a.get(ctx, "/v1/webhooks/"+r.id, &w)
}

func (h *hooking) lastClass(ctx context.Context, r *receiver) (string, error) {
	w, err := h.webhook(ctx, r)
	if err != nil || len(w.Recent) == 0 {
		return "", err
	}
	return w.Recent[0].Class, nil
}

// forget removes all webhooks of the first company.
func (h *hooking) forget(ctx context.Context) error {
	var ids []string
	err := pages(ctx, h.a, "/v1/webhooks", func(w struct{ ID string }) { ids = append(ids, w.ID) })
	for _, id := range ids {
		if err == nil {
			err = h.a.call(ctx, http.MethodDelete, "/v1/webhooks/"+id, nil, nil)
		}
	}
	return err
}

// rotated changes a secret while messages go out: whoever has the old one, or
// the new one, can check each.
func (h *hooking) rotated(ctx context.Context) error {
	r, err := h.hook(ctx, "a secret that is rotated in the midst", manner{})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var leadErr error
	wg.Go(func() { leadErr = h.leads(ctx, 40) })
	var made struct{ Secret string }
	for r.asked.Load() < 10 && leadErr == nil && ctx.Err() == nil {
		_ = pause(ctx, 5*time.Millisecond)
	}
	err = h.a.post(ctx, "/v1/webhooks/"+r.id+"/rotate", nil, &made)
	wg.Wait()
	if err != nil || leadErr != nil {
		return fmt.Errorf("rotate: %v, leads: %w", err, leadErr)
	}
	if err := h.complete(ctx, "", false, r); err != nil { // the old secret checks all
		return err
	}
	old := r.signedBy(made.Secret)
	if err := h.leads(ctx, 3); err != nil {
		return err
	}
	if err := h.complete(ctx, "with the new secret: ", false, r); err != nil {
		return err
	}
	if err := h.later(ctx, 25*time.Hour); err != nil {
		return err
	}
	r.also(old)
	if err := h.leads(ctx, 3); err != nil {
		return err
	}
	if err := h.complete(ctx, "a day later: ", false, r); err != nil {
		return err
	}
	h.t.check(h.label+"control: a day later the old secret checks no message", r.checkedBy(old) == 0 && r.checkedBy(made.Secret) > 0, "%d by the old one, %d by the new one", r.checkedBy(old), r.checkedBy(made.Secret))
	return nil
}

// killed ends the program while messages are on their way.
func (h *hooking) killed(ctx context.Context) error {
	held := manner{hold: make(chan struct{})}
	r, err := h.hook(ctx, "the program killed while it delivers", held)
	if err != nil {
		return err
	}
	const rounds = 3
	for n := range rounds {
		held.hold = make(chan struct{})
		r.becomes(&held)
		began := r.asked.Load()
		if err := h.leads(ctx, 15); err != nil {
			return err
		}
		if err := h.i.wait(ctx, time.Minute, "messages on their way", func() bool { return r.asked.Load() > began }); err != nil {
			return err
		}
		h.i.kill()
		close(held.hold)
		r.becomes(nil)
		if err := h.i.again(ctx); err != nil {
			return fmt.Errorf("start after kill %d: %w", n+1, err)
		}
		h.a = h.i.api(h.i.world.Accounts[0].SecretKey)
		if err := h.later(ctx, 10*time.Minute); err != nil { // the dead one's lease is over
			return err
		}
	}
	if err := h.complete(ctx, "", true, h.open...); err != nil {
		return err
	}
	h.t.check(h.label+"what was on its way is sent again under its id", r.repeated() > 0, "%d messages twice, after %d kills", r.repeated(), rounds)
	return nil
}

// away are receivers that are down for a day and for ninety hours.
func (h *hooking) away(ctx context.Context) error {
	down := refusing(http.StatusBadGateway, "")
	day, err := h.hook(ctx, "down for a day", down)
	if err != nil {
		return err
	}
	long, err := h.hook(ctx, "down for 90 hours", down)
	if err != nil {
		return err
	}
	since := time.Now().Add(h.moved)
	hours := func(rounds int, step time.Duration) error {
		for range rounds {
			if err := h.leads(ctx, 3); err != nil {
				return err
			}
			if err := pause(ctx, 700*time.Millisecond); err != nil { // a turn or two
				return err
			}
			if err := h.later(ctx, step); err != nil {
				return err
			}
		}
		return nil
	}
	if err := hours(24, time.Hour); err != nil {
		return err
	}
	asked := day.asked.Load()
	day.becomes(nil)
	if err := h.later(ctx, 10*time.Minute); err != nil {
		return err
	}
	began := time.Now()
	if err := h.complete(ctx, "", false, day); err != nil {
		return err
	}
	h.t.figure(h.label+"down for a day: all is there, after at most ten minutes' rest and", time.Since(began).Seconds(), "s")
	h.t.check(h.label+"down for a day: it was not asked for each event", asked < 24*6, "%d times in 24 hours", asked)
	if err := hours(11, 6*time.Hour); err != nil {
		return err
	}
	return h.ninety(ctx, long, since)
}

// ninety looks at the one that was down for longer than is tried: what it has
// not had is on its dead list, and comes when somebody says so.
func (h *hooking) ninety(ctx context.Context, long *receiver, since time.Time) error {
	var w told
	for n := 0; n < 30 && w.Dead == 0; n++ { // what is too old moves to the dead list once in ten minutes
		if err := h.later(ctx, 11*time.Minute); err != nil {
			return err
		}
		err := pause(ctx, 1200*time.Millisecond)
		if err == nil {
			w, err = h.webhook(ctx, long)
		}
		if err != nil {
			return err
		}
	}
	var alarms struct{ Items []struct{ Kind string } }
	if err := h.a.get(ctx, "/v1/alarms", &alarms); err != nil {
		return err
	}
	rung := slices.ContainsFunc(alarms.Items, func(x struct{ Kind string }) bool { return x.Kind == "webhook" })
	h.t.check(h.label+"down for 90 hours: the account has an alarm, and a dead list", rung && w.Dead > 0, "alarm %v, %d dead, %d waiting", rung, w.Dead, w.Waiting)
	long.becomes(nil)
	if err := h.later(ctx, time.Hour); err != nil {
		return err
	}
	if err := h.i.wait(ctx, time.Minute, "its first message", func() bool { return long.kept() > 0 }); err != nil {
		return err
	}
	if err := h.a.post(ctx, "/v1/webhooks/"+long.id+"/replay", map[string]any{"since": since.Add(-h.moved - time.Minute).UTC()}, nil); err != nil {
		return err
	}
	if err := h.complete(ctx, "replayed: ", true, long); err != nil {
		return err
	}
	return h.complete(ctx, "all the while: ", false, h.open...)
}
