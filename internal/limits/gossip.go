package limits

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// Bus carries short messages between the nodes of a house, now or never:
// nobody waits for one, and one that is lost is not repeated. Hear gets its own
// node's messages too, from one goroutine, until stop. *journal.Journal is one.
type Bus interface {
	Tell(subject string, message []byte) error
	Hear(subject string, f func(message []byte)) (stop func(), err error)
}

// fleet is what a table knows of the other nodes. Each node lets a caller begin
// with its share of the burst, and charges it what the others tell that they
// gave. While the bus is away each gives its share of the rate, too.
//
// The bound: with messages that arrive within d, n nodes together give at most
// rate × (time + (n-1) × d) + burst × (1 + (n-1)/n × 1/16), the last term
// because what is a sixteenth of a share or less is not told at once.
type fleet struct {
	nodes atomic.Int32 // others that were heard lately
	away  atomic.Bool
	on    atomic.Bool // somebody listens: else nothing is kept to be told

	mu   sync.Mutex
	news []news
}

type news struct {
	key  Key
	owed int64 // ns
}

// mostNews bounds what is told at once; what does not fit is told later, by
// whoever takes again.
const mostNews = 4096

// mostOwed bounds what one message can lay on a caller; rates have bursts of
// less.
const mostOwed = 24 * time.Hour

func (f *fleet) share(r Rate) Rate {
	n := int(f.nodes.Load()) + 1
	if n == 1 {
		return r
	}
	r.Burst = max(1, r.Burst/n)
	if f.away.Load() {
		r.Per *= time.Duration(n)
	}
	return r
}

// took notes what is to be told. The caller holds the set's lock.
func (f *fleet) took(s *set, i int, cost int64, r Rate) {
	if !f.on.Load() {
		return
	}
	s.told[i] += cost
	if s.told[i] < saturated(r.each(), r.burst())/16 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.news) < mostNews {
		owed := min(s.told[i], int64(mostOwed))
		f.news = append(f.news, news{s.key[i], owed})
		s.told[i] -= owed
	}
}

func (f *fleet) take() []news {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.news
	f.news = nil
	return out
}

const (
	tellEvery  = 100 * time.Millisecond
	heardLast  = 3 * time.Second // a node that was not heard for so long is gone
	lostAfter  = time.Second     // without one's own words the bus is away
	gossipForm = 1
)

// Gossip shares the counts of tables with the other nodes of the bus. Nodes
// give the same tables in the same order, and their Namers one secret.
type Gossip struct {
	bus    Bus
	tables []*Table
	self   [8]byte
	now    func() time.Time

	mu    sync.Mutex
	heard map[[8]byte]time.Time // nodes, this one too
}

const subject = "limits"

// NewGossip makes one that is silent until Run. now is time.Now when nil.
func NewGossip(bus Bus, now func() time.Time, tables ...*Table) *Gossip {
	if now == nil {
		now = time.Now
	}
	g := &Gossip{bus: bus, tables: tables, now: now, heard: map[[8]byte]time.Time{}}
	rand.Read(g.self[:])
	return g
}

// Run gossips until ctx ends.
func (g *Gossip) Run(ctx context.Context) error {
	stop, err := g.Listen()
	if err != nil {
		return err
	}
	defer stop()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.Tell()
		}
	}
}

// Listen begins to count what others tell.
func (g *Gossip) Listen() (stop func(), err error) {
	stop, err = g.bus.Hear(subject, g.hear)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.heard[g.self] = g.now()
	g.mu.Unlock()
	for _, t := range g.tables {
		t.fleet.on.Store(true)
	}
	return stop, nil
}

// Tell tells the others what was given since the last time, also when that is
// nothing: so they know of this node, and this node of the bus.
func (g *Gossip) Tell() {
	for first, i := true, 0; i < len(g.tables); i++ {
		list := g.tables[i].fleet.take()
		if len(list) == 0 && !first {
			continue
		}
		first = false
		_ = g.bus.Tell(subject, appendNews(make([]byte, 0, 10+16*len(list)), g.self, i, list)) // a lost bus shows in count
	}
	g.count()
}

// count looks who is there.
func (g *Gossip) count() {
	g.mu.Lock()
	now, others := g.now(), int32(0)
	away := now.Sub(g.heard[g.self]) > lostAfter
	for id, at := range g.heard {
		switch {
		case id == g.self:
		case !away && now.Sub(at) > heardLast: // while the bus is away all are taken to be there still
			delete(g.heard, id)
		default:
			others++
		}
	}
	g.mu.Unlock()
	for _, t := range g.tables {
		t.fleet.nodes.Store(others)
		t.fleet.away.Store(away)
	}
}

func (g *Gossip) hear(message []byte) {
	from, table, list, ok := parseNews(message)
	if !ok || table >= len(g.tables) {
		return // of a newer program
	}
	now := g.now()
	g.mu.Lock()
	g.heard[from] = now
	g.mu.Unlock()
	if from == g.self {
		return
	}
	for _, n := range list {
		g.tables[table].give(n.key, n.owed, now)
	}
}

// appendNews writes form ‖ node ‖ table ‖ (key ‖ owed)*, big-endian.
func appendNews(b []byte, from [8]byte, table int, list []news) []byte {
	b = append(b, gossipForm)
	b = append(b, from[:]...)
	b = append(b, byte(table))
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, uint64(n.key))
		b = binary.BigEndian.AppendUint64(b, uint64(n.owed))
	}
	return b
}

func parseNews(b []byte) (from [8]byte, table int, list []news, ok bool) {
	if len(b) < 10 || b[0] != gossipForm || (len(b)-10)%16 != 0 || (len(b)-10)/16 > mostNews {
		return from, 0, nil, false
	}
	copy(from[:], b[1:])
	for rest := b[10:]; len(rest) > 0; rest = rest[16:] {
		owed := int64(binary.BigEndian.Uint64(rest[8:]))
		if owed < 0 || owed > int64(mostOwed) {
			return from, 0, nil, false
		}
		list = append(list, news{Key(binary.BigEndian.Uint64(rest)), owed})
	}
	return from, int(b[9]), list, true
}
