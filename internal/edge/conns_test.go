package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// dialFrom connects from one of the machine's own addresses, each of which is
// a network of its own.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// gone waits until the server has closed the connection.
func gone(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	ne, timeout := err.(net.Error)
	return !timeout || !ne.Timeout()
}

func ask(t *testing.T, c net.Conn, want int) {
	t.Helper()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	var status int
	if _, err := fmt.Fscanf(io.LimitReader(c, 12), "HTTP/1.1 %d", &status); err != nil || status != want {
		t.Errorf("answer %d, %v", status, err)
	}
}

// One address that opens connection upon connection pushes out its own, and
// nobody else's; whoever comes from it with a whole request is still served.
func TestOneAddressHasItsShare(t *testing.T) {
	s, addr := serve(t, Options{Handler: http.NotFoundHandler(), PerNetwork: 3, Connections: 100})
	other := dialFrom(t, "127.0.0.9", addr)
	until(t, "connection of another", func() bool { return s.Stats().Open == 1 })
	for n := range 3 {
		c := dialFrom(t, "127.0.0.7", addr)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHo")
		until(t, "its connection", func() bool { return s.Stats().Accepted == uint64(n+2) })
	}
	ask(t, dialFrom(t, "127.0.0.7", addr), 404)
	if st := s.Stats(); st.Evicted != 1 || st.Refused != 0 || st.Open > 4 {
		t.Errorf("after one too many: %+v", st)
	}
	ask(t, other, 404)
}

// A trusted proxy brings everybody's connections and has no share.
func TestProxiesHaveNoShare(t *testing.T) {
	s, addr := serve(t, Options{Handler: http.NotFoundHandler(), PerNetwork: 1, Proxies: proxies(t, "127.0.0.7", "")})
	for range 3 {
		ask(t, dialFrom(t, "127.0.0.7", addr), 404)
	}
	if st := s.Stats(); st.Evicted+st.Refused != 0 {
		t.Errorf("%+v", st)
	}
	ask(t, dialFrom(t, "127.0.0.8", addr), 404)
	ask(t, dialFrom(t, "127.0.0.8", addr), 404)
	if st := s.Stats(); st.Evicted != 1 {
		t.Errorf("the control, no proxy, was not evicted: %+v", st)
	}
}

// A connection at whose request a handler works stays; the newcomer is refused.
func TestWorkIsNotCutOff(t *testing.T) {
	inside, finish := make(chan struct{}), make(chan struct{})
	s, addr := serve(t, Options{PerNetwork: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		<-finish
		w.WriteHeader(http.StatusNoContent)
	})})
	c := dialFrom(t, "127.0.0.7", addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-inside
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.7")}}
	if late, err := d.Dial("tcp", addr); err == nil { // it may be reset before it knows that it is there
		defer late.Close()
		if _ = late.SetDeadline(time.Now().Add(patience)); !gone(late) {
			t.Error("the newcomer has a place")
		}
	}
	until(t, "refusal", func() bool { return s.Stats().Refused == 1 })
	if st := s.Stats(); st.Refused != 1 || st.Evicted != 0 {
		t.Errorf("%+v", st)
	}
	close(finish)
	var status int
	if _, err := fmt.Fscanf(c, "HTTP/1.1 %d", &status); err != nil || status != 204 {
		t.Errorf("the running request got %d, %v", status, err)
	}
}

// The choice, without sockets: whom a full network and a full house send away.
func TestWhoMakesRoom(t *testing.T) {
	all := newConns(10, 10, Proxies{})
	all.began = time.Now().Add(-time.Hour)
	now := all.now()
	at := func(idle bool, requests, reading int32, ago time.Duration) *conn {
		c := &conn{all: all}
		c.idle.Store(idle)
		c.since.Store(int64(now - ago))
		c.readFrom.Store(int64(now - ago))
		c.requests.Store(requests)
		c.reading.Store(reading)
		return c
	}
	var (
		headOld   = at(false, 0, 0, 4*time.Second)
		headSlow  = at(false, 0, 0, 2*time.Second)
		headNew   = at(false, 0, 0, 100*time.Millisecond)
		bodyOld   = at(false, 1, 1, 8*time.Second)
		bodyNew   = at(false, 1, 1, time.Second)
		idleOld   = at(true, 0, 0, 50*time.Second)
		idleNew   = at(true, 0, 0, time.Second)
		atWork    = at(false, 1, 0, time.Minute)
		halfAWork = at(false, 2, 1, time.Minute) // h2: one of two requests waits for its body
	)
	for _, c := range []struct {
		name           string
		in             []*conn
		network, house *conn
	}{
		{"the slow before all", []*conn{atWork, idleOld, headNew, bodyNew, headOld, headSlow, bodyOld}, headOld, headSlow},
		{"slow bodies", []*conn{atWork, idleOld, headNew, bodyNew, bodyOld}, bodyOld, bodyOld},
		{"the idle", []*conn{atWork, idleNew, idleOld, headNew}, idleOld, idleOld},
		{"who has just come", []*conn{atWork, headNew, bodyNew}, headNew, nil},
		{"work", []*conn{atWork, halfAWork}, nil, nil},
	} {
		all.open = map[*conn]struct{}{}
		for _, in := range c.in {
			all.open[in] = struct{}{}
		}
		if got := all.slowest(all.open); got != c.network {
			t.Errorf("%s: a full network sends away %p, want %p", c.name, got, c.network)
		}
		if got := all.newestSlow(); got != c.house {
			t.Errorf("%s: a full house sends away %p, want %p", c.name, got, c.house)
		}
	}
}

// A full house takes newcomers in place of the newest slow one.
func TestFullHouse(t *testing.T) {
	s, addr := serve(t, Options{Handler: http.NotFoundHandler(), PerNetwork: 10, Connections: 2})
	first := dialFrom(t, "127.0.0.2", addr)
	ask(t, first, 404)
	until(t, "idleness", func() bool { return s.conns.idle() == 1 })
	ask(t, dialFrom(t, "127.0.0.3", addr), 404)
	until(t, "idleness", func() bool { return s.conns.idle() == 2 })
	ask(t, dialFrom(t, "127.0.0.4", addr), 404)
	if !gone(first) {
		t.Error("whoever was idle for longest stays")
	}
	if st := s.Stats(); st.Open != 2 || st.Evicted != 1 {
		t.Errorf("%+v", st)
	}
}

func (s *conns) idle() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if c.idle.Load() {
			n++
		}
	}
	return n
}

func BenchmarkConns(b *testing.B) {
	all := newConns(512, 16384, Proxies{})
	for b.Loop() {
		c := all.enter(fakeConn{})
		all.leave(c)
	}
}

type fakeConn struct{ net.Conn }

func (fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }
