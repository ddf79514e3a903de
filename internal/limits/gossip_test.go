package limits

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wire is a bus whose messages arrive when the test lets them.
type wire struct {
	cut     bool
	ears    []func([]byte)
	pending [][]byte
}

func (w *wire) Tell(_ string, message []byte) error {
	if w.cut {
		return errors.New("the wire is cut")
	}
	w.pending = append(w.pending, message)
	return nil
}

func (w *wire) Hear(_ string, f func([]byte)) (func(), error) {
	w.ears = append(w.ears, f)
	return func() {}, nil
}

func (w *wire) arrive() {
	for _, m := range w.pending {
		for _, f := range w.ears {
			f(m)
		}
	}
	w.pending = nil
}

// nodes are a fleet on one wire, who know of each other.
type nodes struct {
	wire   *wire
	now    time.Time
	tables []*Table
	all    []*Gossip
}

func newNodes(t interface{ Fatal(...any) }, n int) *nodes {
	f := &nodes{wire: &wire{}, now: start}
	for range n {
		table := NewTable(64, start)
		g := NewGossip(f.wire, func() time.Time { return f.now }, table)
		if _, err := g.Listen(); err != nil {
			t.Fatal(err)
		}
		f.tables, f.all = append(f.tables, table), append(f.all, g)
	}
	f.talk()
	f.talk() // the second time each has heard all
	return f
}

func (f *nodes) talk() {
	for _, g := range f.all {
		g.Tell()
	}
	f.wire.arrive()
	for _, g := range f.all {
		g.count()
	}
}

// together is the bound that fleet states, with what whole numbers round up.
func together(r Rate, n int, d, late time.Duration) float64 {
	perNS := 1 / float64(r.each())
	share := float64(max(1, r.Burst/n))
	return perNS*float64(d+time.Duration(n-1)*late) + share*float64(n) + float64(n-1)*(share/16+1)
}

func TestNodesGiveAboutOneLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "nodes")
		f := newNodes(t, n)
		r := Rate{N: rapid.IntRange(10, 2000).Draw(t, "rate"), Per: time.Second, Burst: rapid.IntRange(50, 500).Draw(t, "burst")}
		given := 0
		const ticks = 100
		for range ticks { // everybody asks everywhere, far too often
			for range 10 {
				f.now = f.now.Add(10 * time.Millisecond)
				for _, table := range f.tables {
					for range 1 + r.N/50 {
						if table.Take(testKey(0), r, 1, f.now) == 0 {
							given++
						}
					}
				}
			}
			f.talk()
		}
		d := ticks * 100 * time.Millisecond
		if limit := together(r, n, d, 100*time.Millisecond); float64(given) > limit {
			t.Fatalf("%d nodes gave %d of %v in %s, at most %.0f", n, given, r, d, limit)
		}
		if least := float64(r.N) * d.Seconds() * 0.7; float64(given) < least {
			t.Fatalf("%d nodes gave %d of %v in %s, at least %.0f", n, given, r, d, least)
		}
	})
}

// Control: nodes that do not talk give a limit each.
func TestSilentNodesAreNoticed(t *testing.T) {
	r := Rate{N: 100, Per: time.Second, Burst: 100}
	given := 0
	for range 3 {
		table := NewTable(64, start)
		for now := start; now.Before(start.Add(10 * time.Second)); now = now.Add(time.Millisecond) {
			if table.Take(testKey(0), r, 1, now) == 0 {
				given++
			}
		}
	}
	if limit := together(r, 3, 10*time.Second, 100*time.Millisecond); float64(given) <= limit {
		t.Errorf("three nodes of their own gave %d, within the bound of %.0f", given, limit)
	}
}

func TestWithoutTheBusEachGivesItsShare(t *testing.T) {
	f := newNodes(t, 4)
	r := Rate{N: 100, Per: time.Second, Burst: 40}
	f.wire.cut = true
	f.now = f.now.Add(2 * lostAfter)
	f.talk()
	given := 0
	for range 1000 {
		f.now = f.now.Add(10 * time.Millisecond)
		for f.tables[0].Take(testKey(0), r, 1, f.now) == 0 {
			given++
		}
	}
	if given < 250 || given > 250+10 {
		t.Errorf("in ten seconds one of four nodes gave %d, its share is 250 and 10 at once", given)
	}
	f.wire.cut = false
	f.talk()
	f.talk()
	f.now = f.now.Add(time.Minute)
	f.talk()
	if got := f.tables[0].fleet.share(r); got.Per != time.Second || got.Burst != 10 {
		t.Errorf("with the bus back it gives %v", got)
	}
}

func TestANodeThatIsGoneLeavesItsShare(t *testing.T) {
	f := newNodes(t, 2)
	r := Rate{N: 100, Per: time.Second, Burst: 40}
	if got := f.tables[0].fleet.share(r).Burst; got != 20 {
		t.Fatalf("one of two lets begin with %d", got)
	}
	f.all = f.all[:1]
	for range 40 {
		f.now = f.now.Add(100 * time.Millisecond)
		f.talk()
	}
	if got := f.tables[0].fleet.share(r).Burst; got != 40 {
		t.Errorf("alone it lets begin with %d", got)
	}
}
