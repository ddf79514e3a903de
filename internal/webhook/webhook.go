// Package webhook tells addresses of an account's choice what happened, by the
// rules of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks). Callers may rely on
// this: each event that a webhook asks for is sent until it is taken, for three
// days, or stands on the webhook's dead list; it is sent at least once and under
// one id; in no promised order. A receiver that is slow, down or lying holds up
// neither another one nor the account.
//
// Each webhook follows the events' positions by a cursor of its own, moved in
// the transaction that keeps what was not taken: only failures become rows.
package webhook

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/events"
	"catchment/internal/keyring"
	"catchment/internal/outward"
	"catchment/internal/store"
	"catchment/internal/store/webhooks"
)

const (
	every     = 500 * time.Millisecond // how often it looks whose turn it is
	answerIn  = 15 * time.Second       // for one message
	mostBody  = 16 << 10               // bytes of an answer that are read; nothing is made of them
	atOnce    = 4                      // messages on their way to one webhook
	page      = 16                     // messages between two writes
	lookAt    = 500                    // events that one step reads
	pages     = 20                     // of one turn; then the webhook waits for its next one
	mostTurns = 256                    // webhooks that are worked for at once, by one process
	mostOfOne = 8                      // of them, of one account
	leaseFor  = 3 * time.Minute        // longer than the slowest step: page/atOnce answers, and a write
)

// Options is what a Deliverer needs.
type Options struct {
	DB       *store.DB
	Feed     *events.Feed
	Accounts *keyring.Accounts
	Bell     alarm.Bell
	Client   outward.Options // where webhooks may be; time and length are the deliverer's
	Agent    string          // the User-Agent
	Log      *slog.Logger
	Now      func() time.Time // default time.Now
	Jitter   func() float64   // from 0 to 1; default: random
}

// Deliverer delivers. Several may run: a webhook is one's at a time.
type Deliverer struct {
	o      Options
	lease  webhooks.Lease
	client *http.Client
	tests  chan struct{}

	mu      sync.Mutex
	busy    map[account.WebhookID]bool
	ofOne   map[account.ID]int
	counts  map[string]int64 // messages, by what came of them
	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	running sync.WaitGroup
}

// New returns a Deliverer that does nothing before Start.
func New(o Options) *Deliverer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = random
	}
	way := o.Client
	way.Time, way.Most, way.Idle = answerIn, mostBody, atOnce
	ctx, cancel := context.WithCancel(context.Background())
	return &Deliverer{o: o, lease: webhooks.NewLease(), client: outward.New(way), tests: make(chan struct{}, atOnce*4),
		busy: map[account.WebhookID]bool{}, ofOne: map[account.ID]int{}, counts: map[string]int64{}, ctx: ctx, cancel: cancel}
}

// Taken and Dead are outcomes beside the classes of docs/webhooks.md, which are
// why a message was not taken at a try.
const (
	Taken = "taken"
	Dead  = "dead" // it is on the dead list: no more tries
)

// Outcomes counts the tries of this process by what came of them, and the
// messages that it put on dead lists.
func (d *Deliverer) Outcomes() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

func (d *Deliverer) count(answers []answer, dead int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range answers {
		d.counts[cmp.Or(a.class, Taken)]++
	}
	if dead > 0 {
		d.counts[Dead] += int64(dead)
	}
}

// Figures count the webhooks of all accounts.
func (d *Deliverer) Figures(ctx context.Context) (f webhooks.Figures, err error) {
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		f, err = webhooks.CountAll(dir)
		return err
	})
	return f, err
}

// Inside are the networks in which a webhook may be reached without TLS.
func (d *Deliverer) Inside() []netip.Prefix { return d.o.Client.Inside }

// Start begins to deliver. After Stop it does nothing.
func (d *Deliverer) Start() {
	d.starts.Do(func() {
		if d.ctx.Err() == nil {
			d.running.Go(d.run)
		}
	})
}

// Stop returns when all is quiet. What is on its way is broken off and sent
// again by whoever comes next.
func (d *Deliverer) Stop() {
	d.cancel()
	d.starts.Do(func() {}) // a Start that comes later finds it done
	d.running.Wait()
	d.client.CloseIdleConnections()
}

func (d *Deliverer) run() {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if _, err := d.look(d.ctx); err != nil && d.ctx.Err() == nil {
			d.o.Log.Warn("webhook: cannot look whose turn it is; it looks again", "error", err)
		}
		select {
		case <-t.C:
		case <-d.ctx.Done():
			return
		}
	}
}

// look begins the turns of those who have something to be told, and returns
// how many began. The turns end by themselves.
func (d *Deliverer) look(ctx context.Context) (begun int, err error) {
	var due []webhooks.Turn
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		due, err = webhooks.Due(dir, d.o.Now(), 2*mostTurns)
		return err
	})
	for _, t := range due {
		if !d.enter(t) {
			continue
		}
		begun++
		d.running.Go(func() {
			defer d.leave(t)
			if err := d.turn(ctx, admit.To(t.Account), t.ID); err != nil && ctx.Err() == nil {
				d.o.Log.Warn("webhook: a turn broke off; it comes again", "account_id", t.Account.String(), "webhook_id", t.ID.String(), "error", err)
			}
		})
	}
	return begun, err
}

// Settle has every webhook that has something to be told take its turn, until
// none is left: for tests, and for a proof that moves the clock.
func (d *Deliverer) Settle(ctx context.Context) error {
	for {
		n, err := d.look(ctx)
		d.running.Wait()
		if err != nil || n == 0 {
			return err
		}
	}
}

func (d *Deliverer) enter(t webhooks.Turn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[t.ID] || len(d.busy) >= mostTurns || d.ofOne[t.Account] >= mostOfOne {
		return false
	}
	d.busy[t.ID] = true
	d.ofOne[t.Account]++
	return true
}

func (d *Deliverer) leave(t webhooks.Turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, t.ID)
	if d.ofOne[t.Account]--; d.ofOne[t.Account] == 0 {
		delete(d.ofOne, t.Account)
	}
}
