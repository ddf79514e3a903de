package proof

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Rounds without and with the dead ones, and leads in each.
const (
	besidePairs = 3
	besideLeads = 12
)

// beside measures how soon another company is told while this one has webhooks
// that take every place and never answer.
func (h *hooking) beside(ctx context.Context) error {
	other := h.i.world.Accounts[1]
	r, err := h.t.receive("another company's", manner{})
	if err != nil {
		return err
	}
	if err := h.register(ctx, h.i.api(other.SecretKey), other, r); err != nil {
		return err
	}
	var dead []*receiver
	for n := range 12 {
		d, err := h.hook(ctx, fmt.Sprintf("dead %d", n), manner{hold: make(chan struct{})})
		if err != nil {
			return err
		}
		dead = append(dead, d)
	}
	var off, on []float64
	for range besidePairs {
		a, err := h.waits(ctx, other, r)
		if err != nil {
			return err
		}
		if err := h.leads(ctx, 8); err != nil { // which nobody takes
			return err
		}
		if err := h.later(ctx, 10*time.Minute); err != nil { // their rests are over
			return err
		}
		b, err := h.waits(ctx, other, r)
		if err != nil {
			return err
		}
		off, on = append(off, a), append(on, b)
	}
	asked := int64(0)
	for _, d := range dead {
		asked += d.asked.Load()
	}
	grown, allowed := growth(off, on)
	h.t.check(h.label+"beside twelve dead ones another company is told at its usual time", grown < allowed && asked > 0,
		"median of the slowest of each round: %.0f ms, %.0f more beside them, %.0f allowed; the dead were asked %d times", middle(off), grown, allowed, asked)
	pid := h.i.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	timer := time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	defer timer.Stop()
	halted, err := h.waits(ctx, other, r)
	if err != nil {
		return err
	}
	more, allowed := growth(off, []float64{halted})
	h.t.check(h.label+"control: a program that stands still is noticed", more >= allowed, "%.0f ms more, %.0f allowed", more, allowed)
	return h.forget(ctx)
}

// waits is the longest that one of a few leads of the company takes until the
// receiver is told of it, in milliseconds.
func (h *hooking) waits(ctx context.Context, c company, r *receiver) (worst float64, err error) {
	for range besideLeads {
		h.sent++
		before, began := r.created(), time.Now()
		if err := h.lead(ctx, c, h.sent); err != nil {
			return 0, err
		}
		if err := h.i.wait(ctx, time.Minute, "a message", func() bool { return r.created() > before }); err != nil {
			return 0, err
		}
		worst = max(worst, float64(time.Since(began).Milliseconds()))
	}
	return worst, nil
}

// withoutRetries is a control: what waits for another try is taken away, and
// the count must notice.
func (h *hooking) withoutRetries(ctx context.Context) error {
	r, err := h.hook(ctx, "without retries", refusing(http.StatusBadGateway, ""))
	if err != nil {
		return err
	}
	if err := h.leads(ctx, 3); err != nil {
		return err
	}
	if err := h.i.wait(ctx, time.Minute, "tries", func() bool { w, err := h.webhook(ctx, r); return err == nil && w.Waiting > 0 }); err != nil {
		return err
	}
	db, err := h.i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `DELETE FROM webhook_delivery`); err != nil {
		return err
	}
	upTo, err := h.head(ctx, h.i.world.Accounts[0])
	if err != nil {
		return err
	}
	r.becomes(nil)
	before := r.kept()
	if err := h.later(ctx, time.Hour); err != nil {
		return err
	}
	if err := h.leads(ctx, 1); err != nil {
		return err
	}
	if err := h.i.wait(ctx, time.Minute, "its last message", func() bool { return r.kept() > before }); err != nil {
		return err
	}
	lost := len(r.missing(upTo))
	h.t.check(h.label+"control: without what waits for another try events are lost, and missed", lost > 0, "%d of %d", lost, upTo-r.from)
	return nil
}

// withoutJudgement is the other: the operator allows loopback, and the same
// names lead there; and a client that follows redirects is led there, too.
func (h *hooking) withoutJudgement(ctx context.Context) error {
	if err := h.i.stop(); err != nil {
		return err
	}
	at := slices.Index(h.i.args, "--allow-networks")
	h.i.args = slices.Clone(h.i.args)
	h.i.args[at+1] += ",127.0.0.1/32"
	if err := h.i.again(ctx); err != nil {
		return err
	}
	h.a = h.i.api(h.i.world.Accounts[0].SecretKey)
	if _, err := h.inner(ctx); err != nil {
		return err
	}
	if err := h.leads(ctx, 1); err != nil {
		return err
	}
	err := h.i.wait(ctx, 30*time.Second, "the trap", func() bool { return h.trap.taken.Load() > 0 })
	h.t.check(h.label+"control: allowed by the operator, the listener on loopback is reached", err == nil, "%d connections", h.trap.taken.Load())
	before := h.trap.taken.Load()
	r, err := h.t.receive("redirect", mannersOf(h.trap.url())[0])
	if err != nil {
		return err
	}
	resp, err := http.Post(r.url, "application/json", strings.NewReader("{}")) //nolint:gosec // a receiver of the proof's own
	if err == nil {
		resp.Body.Close()
	}
	h.t.check(h.label+"control: a client that follows redirects is led to it", h.trap.taken.Load() > before, "%d connections", h.trap.taken.Load()-before)
	return ctx.Err()
}
