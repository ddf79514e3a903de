// Package courier carries a short message to a phone or a mailbox. Callers may
// rely on this: whom a message goes to and what it says is in no log and no
// error; what failed for now is tried again, with pauses that grow and vary,
// for as long as the message is worth anything; and nobody waits for it.
package courier

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/vault"
)

// Kind says what a message is for.
type Kind string

// The kinds.
const (
	SignInCode Kind = "sign-in-code"
	Invitation Kind = "invitation"
	Notice     Kind = "notice" // to admins
)

// Message is what is to be carried.
type Message struct {
	ID      string         // the same however often it is tried; made by Send
	To      vault.Personal // a phone in E.164, or an e-mail address: the Carrier's
	Text    vault.Personal
	Code    vault.Personal // the code in Text, if there is one
	Kind    Kind
	Subject string // of an e-mail; nothing personal

	Topic string    // of a push: a later one takes the place of an earlier one that waits
	Until time.Time // what it is worth something until; set by Send
}

// Carrier hands a message over. It returns nil once somebody else has taken
// the responsibility, and a Failure otherwise; any other error counts as one
// that may pass. It may be called by several goroutines, and again for the same
// message: then the message may arrive twice.
type Carrier interface {
	Carry(ctx context.Context, m Message) error
}

// Failure says why a message was not taken. It holds no part of the message.
type Failure struct {
	Permanent bool          // it will never be taken
	Code      string        // the carrier's word for it, such as "21211"
	After     time.Duration // the carrier asks to wait as long; 0: it does not say
	cause     error
}

func (f *Failure) Error() string {
	kind := "for now"
	if f.Permanent {
		kind = "for good"
	}
	s := fmt.Sprintf("courier: not taken %s (%s)", kind, f.Code)
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.cause }

// Permanent reports whether trying again is useless.
func Permanent(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Permanent
}

// Errors of Send.
var (
	ErrFull = errors.New("courier: too many messages are waiting")
	ErrNone = errors.New("courier: there is no carrier")
)

// Options say how a courier works. Zero values take the defaults.
type Options struct {
	Carrier Carrier
	Log     *slog.Logger
	Workers int                                           // 4
	Waiting int                                           // messages at most, 1000
	Each    time.Duration                                 // for one try, 10 s
	Pause   func(ctx context.Context, d time.Duration)    // a timer
	Now     func() time.Time                              // time.Now
	Jitter  func(d time.Duration) (between time.Duration) // from half of d to d and a half
}

// Stats counts messages. All only grow.
type Stats struct{ Delivered, Failed, Tries atomic.Int64 }

// Courier has messages carried in the background. It is safe to share.
type Courier struct {
	o     Options
	queue chan errand
	stats Stats
	end   context.CancelFunc
	work  sync.WaitGroup

	mu     sync.RWMutex
	closed bool
}

type errand struct {
	m     Message
	until time.Time
	done  func(error)
}

// New starts a courier. Close ends it.
func New(o Options) *Courier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.Waiting == 0 {
		o.Waiting = 1000
	}
	if o.Each == 0 {
		o.Each = 10 * time.Second
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d) }
	}
	c := &Courier{o: o, queue: make(chan errand, o.Waiting)}
	run, end := context.WithCancel(context.Background())
	c.end = end
	for range o.Workers {
		c.work.Go(func() { c.run(run) })
	}
	return c
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Send has the message carried, until that time at the latest, and returns at
// once. done, unless nil, is called once with the outcome. A stop of the
// program loses what is waiting: send nothing that must arrive.
func (c *Courier) Send(m Message, until time.Time, done func(error)) error {
	if !c.Ready() {
		return ErrNone
	}
	m.ID, m.Until = "msg_"+crand.Text(), until
	if done == nil {
		done = func(error) {}
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrFull
	}
	select {
	case c.queue <- errand{m, until, done}:
		return nil
	default:
		return ErrFull
	}
}

// Try offers the message to the carrier once and waits for its answer. It is for
// who tries again by other means: what must arrive is a job's.
func (c *Courier) Try(ctx context.Context, m Message) error {
	if !c.Ready() {
		return ErrNone
	}
	m.Until = c.o.Now().Add(c.o.Each)
	err := c.try(ctx, errand{m: m, until: m.Until})
	if err == nil {
		c.stats.Delivered.Add(1)
	} else {
		c.stats.Failed.Add(1)
		c.o.Log.Warn("a message was not carried", "kind", m.Kind, "error", err)
	}
	return err
}

// Ready reports whether there is a carrier; a nil Courier has none.
func (c *Courier) Ready() bool { return c != nil && c.o.Carrier != nil }

// Stats are the counters.
func (c *Courier) Stats() *Stats { return &c.stats }

// Close takes no more messages, lets those that wait have one try each, and
// returns when that is over, after a few seconds at most.
func (c *Courier) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	over := time.AfterFunc(3*time.Second, c.end)
	defer over.Stop()
	c.work.Wait()
	c.end()
}

func (c *Courier) run(ctx context.Context) {
	for e := range c.queue {
		err := c.deliver(ctx, e)
		if err != nil {
			c.stats.Failed.Add(1)
			c.o.Log.Warn("a message was not carried", "kind", e.m.Kind, "error", err)
		} else {
			c.stats.Delivered.Add(1)
		}
		e.done(err)
	}
}

// deliver tries until it is done, useless or too late.
func (c *Courier) deliver(ctx context.Context, e errand) error {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := c.try(ctx, e)
		if err == nil || Permanent(err) {
			return err
		}
		next := c.o.Jitter(wait)
		var f *Failure
		if errors.As(err, &f) {
			next = max(next, f.After)
		}
		if ctx.Err() != nil || c.isClosed() || !c.o.Now().Add(next).Before(e.until) {
			return err
		}
		c.o.Pause(ctx, next)
	}
}

func (c *Courier) isClosed() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.closed
}

func (c *Courier) try(ctx context.Context, e errand) error {
	c.stats.Tries.Add(1)
	ctx, cancel := context.WithTimeout(ctx, min(c.o.Each, max(e.until.Sub(c.o.Now()), time.Millisecond)))
	defer cancel()
	return c.o.Carrier.Carry(ctx, e.m)
}
