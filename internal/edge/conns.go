package edge

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/caller"
)

// Stats counts since the start; Open is now.
type Stats struct {
	Open, Accepted, Evicted, Refused uint64
}

// conns knows every connection, so that the one that gives least makes room.
// A limit that refuses the newcomer instead would let whoever came first lock
// all others out.
type conns struct {
	perNetwork, most int
	proxies          Proxies
	began            time.Time

	mu   sync.Mutex
	of   map[netip.Prefix]map[*conn]struct{}
	open map[*conn]struct{}

	accepted, evicted, refused atomic.Uint64
}

func newConns(perNetwork, most int, p Proxies) *conns {
	return &conns{perNetwork: perNetwork, most: most, proxies: p, began: time.Now(),
		of: map[netip.Prefix]map[*conn]struct{}{}, open: map[*conn]struct{}{}}
}

// conn is one connection and what it is at.
type conn struct {
	net.Conn
	all  *conns
	net  netip.Prefix
	peer netip.Addr
	once sync.Once

	idle     atomic.Bool  // between two requests
	since    atomic.Int64 // when it became idle or came for a request, ns after began
	requests atomic.Int32 // in a handler
	reading  atomic.Int32 // of those, waiting for more of their bodies
	readFrom atomic.Int64 // when the last one began to
}

// Close implements net.Conn and takes the connection off the books.
func (c *conn) Close() error {
	c.once.Do(func() { c.all.leave(c) })
	return c.Conn.Close()
}

// A connection is slow when it has not finished a request's head after
// slowHead, or waits for a body for slowBody.
const (
	slowHead = time.Second
	slowBody = 3 * time.Second
)

// state is what a connection is at, the first to go first.
type state int

const (
	headSlow state = iota
	bodySlow
	isIdle
	headSoon
	bodySoon
	works // a handler is at it: it stays
)

// at tells the state, and since when.
func (c *conn) at(now time.Duration) (state, time.Duration) {
	since := time.Duration(c.since.Load())
	requests, reading := c.requests.Load(), c.reading.Load()
	switch {
	case requests > reading:
		return works, since
	case requests > 0:
		since = time.Duration(c.readFrom.Load())
		if now-since >= slowBody {
			return bodySlow, since
		}
		return bodySoon, since
	case c.idle.Load():
		return isIdle, since
	case now-since >= slowHead:
		return headSlow, since
	}
	return headSoon, since
}

// served is when a handler has ended.
func (c *conn) served() {
	c.since.Store(int64(c.all.now()))
	c.requests.Add(-1)
}

func (s *conns) now() time.Duration { return time.Since(s.began) }

// listen gives a listener whose connections are on the books.
func (s *conns) listen(l net.Listener) net.Listener { return &listener{l, s} }

type listener struct {
	net.Listener
	all *conns
}

// Accept implements net.Listener. What there is no room for is closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in := l.all.enter(c); in != nil {
			return in, nil
		}
		abort(c)
	}
}

// abort closes without the kernel keeping what was not sent.
func abort(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}

// enter puts a connection on the books, in place of another when its network
// or the house is full; nil when there is no place to be made.
func (s *conns) enter(raw net.Conn) *conn {
	peer := caller.Peer(raw.RemoteAddr().String())
	c := &conn{Conn: raw, all: s, peer: peer, net: caller.Network(peer)}
	c.since.Store(int64(s.now()))
	out, ok := s.place(c)
	if out != nil {
		s.evicted.Add(1)
		abort(out.Conn)
	}
	if !ok {
		s.refused.Add(1)
		return nil
	}
	s.accepted.Add(1)
	return c
}

func (s *conns) place(c *conn) (out *conn, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.of[c.net]
	switch {
	case len(mine) >= s.perNetwork && !s.proxies.trust(c.peer):
		out = s.slowest(mine)
	case len(s.open) >= s.most:
		out = s.newestSlow()
	default:
		s.add(c)
		return nil, true
	}
	if out == nil {
		return nil, false
	}
	s.remove(out)
	s.add(c)
	return out, true
}

// slowest of one network's connections: the first by state, of those the one
// that has been so for longest; nil when a handler is at every one.
func (s *conns) slowest(mine map[*conn]struct{}) (worst *conn) {
	now := s.now()
	least, began := works, time.Duration(0)
	for c := range mine {
		if st, since := c.at(now); st < least || (st == least && st < works && since < began) {
			worst, least, began = c, st, since
		}
	}
	return worst
}

// looked is how many of the house's connections one newcomer has looked at:
// Go begins a map's iteration at a random place, so it is a sample.
const looked = 512

// newestSlow finds who makes room in a full house: of the slow ones the newest
// (an attack is newer than the customers it meets), else whoever has been idle
// for longest; nil when all do something.
func (s *conns) newestSlow() (out *conn) {
	now, n := s.now(), 0
	best, began := works, time.Duration(0)
	for c := range s.open {
		if n++; n > looked {
			break
		}
		st, since := c.at(now)
		switch {
		case st > isIdle:
		case st < isIdle && (best >= isIdle || since > began), // slow, and the newest
			st == isIdle && (best == works || best == isIdle && since < began):
			out, best, began = c, st, since
		}
	}
	return out
}

func (s *conns) add(c *conn) {
	s.open[c] = struct{}{}
	mine := s.of[c.net]
	if mine == nil {
		mine = map[*conn]struct{}{}
		s.of[c.net] = mine
	}
	mine[c] = struct{}{}
}

func (s *conns) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

func (s *conns) remove(c *conn) {
	delete(s.open, c)
	if mine := s.of[c.net]; mine != nil {
		if delete(mine, c); len(mine) == 0 {
			delete(s.of, c.net)
		}
	}
}

func (s *conns) stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{uint64(len(s.open)), s.accepted.Load(), s.evicted.Load(), s.refused.Load()}
}

// ours finds the connection below TLS.
func ours(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	in, _ := c.(*conn)
	return in
}

// became is told by net/http. Active means there: the first byte of a request.
func (s *conns) became(raw net.Conn, st http.ConnState) {
	c := ours(raw)
	if c == nil || (st != http.StateActive && st != http.StateIdle) {
		return
	}
	c.idle.Store(st == http.StateIdle)
	c.since.Store(int64(s.now()))
}

type connKey struct{}

// context gives every request of the connection its caller and its place in
// the books.
func (s *conns) context(ctx context.Context, raw net.Conn) context.Context {
	c := ours(raw)
	if c == nil {
		return ctx
	}
	return caller.With(context.WithValue(ctx, connKey{}, c), c.peer)
}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
