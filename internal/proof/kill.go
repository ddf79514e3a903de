package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// proveKill kills the program under load, again and again.
func proveKill(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		return t.killAgainAndAgain(ctx, i, string(e)+": ")
	})
}

func (t *trial) killAgainAndAgain(ctx context.Context, i *instance, label string) error {
	rounds := t.Rounds
	if rounds == 0 {
		rounds = 20
	}
	l := i.load("kill", phones, 32)
	l.rate = min(1500, float64(phones)/2/float64(rounds)) // lasts to the end, however quick the machine
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	if err := t.killRounds(ctx, i, l.book, rounds); err != nil {
		return err
	}
	stop()
	<-ended
	l.flush(ctx, 30*time.Second)
	t.check(label+"what was refused or cut off is taken when it is repeated", l.book.outstanding() == 0, "%d of %d leads still open; %d requests cut off",
		l.book.outstanding(), l.book.sent(), l.book.broken)
	took, err := i.drain(ctx, 120*time.Second)
	if err != nil {
		return err
	}
	t.figure(label+"leads acknowledged", float64(l.book.acknowledged()), "")
	t.figure(label+"until all was in SQL after the last", took.Seconds(), "s")
	t.check(label+"no panic in the log", i.panics() == 0, "%d", i.panics())
	return t.settle(ctx, i, l.book, label)
}

func (t *trial) killRounds(ctx context.Context, i *instance, book *ledger, rounds int) error {
	var back []time.Duration
	idle := 0
	for n := range rounds {
		before := book.acknowledged()
		// Somewhere between the first commits and the thick of it.
		if err := pause(ctx, time.Duration(200+rand.IntN(800))*time.Millisecond); err != nil {
			return err
		}
		if book.acknowledged() == before {
			idle++
		}
		i.kill()
		began := time.Now()
		if err := i.again(ctx); err != nil {
			return fmt.Errorf("start after kill %d: %w", n+1, err)
		}
		back = append(back, time.Since(began))
		if n%5 == 4 || n == rounds-1 {
			t.say("killed %d times; %d leads acknowledged", n+1, book.acknowledged())
		}
	}
	t.check(string(i.engine)+": every kill came under load", idle == 0, "%d of %d kills, none acknowledged since the one before in %d", rounds, rounds, idle)
	q := quantiles(back, 0.5, 1)
	t.figure(fmt.Sprintf("%s: ready again after kill -9, median of %d", i.engine, rounds), q[0], "ms")
	t.figure(fmt.Sprintf("%s: ready again, slowest", i.engine), q[1], "ms")
	return nil
}

// load aims a load generator at the instance's first company.
func (i *instance) load(tag string, most, conns int) *load {
	c := i.world.Accounts[0]
	return &load{addr: i.listen, key: c.PublishableKey, conns: conns, book: newLedger(crowd{tag: tag, source: c.apiSource()}, most)}
}

// apiSource is a source that JSON comes by; the demo's forms say so in their
// slugs.
func (c company) apiSource() string {
	for _, s := range c.Sources {
		if len(s.Slug) < 5 || s.Slug[len(s.Slug)-5:] != "-form" {
			return s.ID
		}
	}
	return c.Sources[0].ID
}

// formSource is one that visitors' forms come by.
func (c company) formSource() string {
	for _, s := range c.Sources {
		if len(s.Slug) > 5 && s.Slug[len(s.Slug)-5:] == "-form" {
			return s.ID
		}
	}
	return c.Sources[0].ID
}
