package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a client and a server and can hold back what the
// server says, or everything.
type proxy struct {
	ln     net.Listener
	target string
	mu     sync.Mutex
	moved  *sync.Cond
	mute   bool // nothing comes back
	deaf   bool // nothing goes there either
}

func newProxy(t *testing.T, target string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, target: u.Host}
	p.moved = sync.NewCond(&p.mu)
	go p.serve()
	t.Cleanup(func() { ln.Close(); p.set(false, false) })
	return p, "nats://" + ln.Addr().String()
}

func (p *proxy) set(mute, deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute, p.deaf = mute, deaf
	p.moved.Broadcast()
}

func (p *proxy) serve() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", p.target)
		if err != nil {
			c.Close()
			continue
		}
		go p.copy(s, c, &p.deaf)
		go p.copy(c, s, &p.mute)
	}
}

func (p *proxy) copy(to, from net.Conn, held *bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		for *held {
			p.moved.Wait()
		}
		p.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// The server stores the message, its answer is lost: the same id again gives
// one message and a true answer.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	p, addr := newProxy(t, external(t))
	j := open(t, Options{URL: addr, MaxBytes: 1 << 30, PublishTimeout: 300 * time.Millisecond})
	if _, err := j.Append(context.Background(), entry(0)); err != nil {
		t.Fatal(err)
	}
	p.set(true, false)
	time.AfterFunc(time.Second, func() { p.set(false, false) })
	e := entry(1)
	a, err := j.Append(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	checkAck(t, e, a)
	s := j.Stats()
	if s.Timeouts == 0 || s.Duplicates != 1 {
		t.Errorf("timeouts %d, duplicates %d", s.Timeouts, s.Duplicates)
	}
	got := readAll(t, j, "reader", map[string]Ack{string(e.Data): a})
	if got[string(e.Data)] != 1 {
		t.Errorf("stored %d times", got[string(e.Data)])
	}
}

// A server that has gone quiet: those who come are refused within a second,
// nobody is told a lie, and it goes on by itself afterwards.
func TestQuietServerIsRefusedInASecond(t *testing.T) {
	p, addr := newProxy(t, external(t))
	j := open(t, Options{URL: addr, MaxBytes: 1 << 30, PublishTimeout: 300 * time.Millisecond, PublishGiveUp: 2 * time.Second})
	acked := appendMany(t, j, 20)
	p.set(true, true)
	inFlight := make(chan error, 1)
	go func() { _, err := j.Append(context.Background(), entry(1)); inFlight <- err }()
	time.Sleep(50 * time.Millisecond)
	for range 20 {
		began := time.Now()
		_, err := j.Append(context.Background(), entry(2))
		if took := time.Since(began); !errors.As(err, new(ErrBusy)) || took > time.Second {
			t.Fatalf("%v after %v", err, took)
		}
	}
	if j.Admit() == nil {
		t.Error("admits what it would refuse")
	}
	if err := <-inFlight; !busy(err, BusyUnknown) {
		t.Errorf("the one in flight: %v", err)
	}
	p.set(false, false)
	waitUntil(t, func() bool { return j.Admit() == nil })
	for data, a := range appendMany(t, j, 20) {
		acked[data] = a
	}
	readAll(t, j, "reader", acked)
}

func waitUntil(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for 20 s")
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	p, addr := newProxy(t, external(t))
	j := open(t, Options{URL: addr, MaxBytes: 1 << 30, QueueEntries: 10, PublishTimeout: 300 * time.Millisecond, PublishGiveUp: time.Second})
	p.set(true, false)
	var reasons sync.Map
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			_, err := j.Append(context.Background(), entry(i))
			var b ErrBusy
			if !errors.As(err, &b) {
				t.Errorf("got %v", err)
			}
			reasons.Store(b.Reason, true)
		})
	}
	wg.Wait()
	if _, ok := reasons.Load(BusyQueue); !ok {
		t.Error("100 entries fitted into a queue of 10")
	}
	p.set(false, false)
	waitUntil(t, func() bool { return j.Admit() == nil })
}

func TestCallerWhoLeavesTheQueue(t *testing.T) {
	p, addr := newProxy(t, external(t))
	j := open(t, Options{URL: addr, MaxBytes: 1 << 30})
	p.set(true, false)
	go func() { _, _ = j.Append(context.Background(), entry(0)) }()
	waitUntil(t, func() bool { return j.Admit() != nil || inFlight(j) })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := j.Append(ctx, entry(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := j.Stats().QueuedEntries; n != 0 {
		t.Errorf("%d entries are still queued", n)
	}
	p.set(false, false)
}

func inFlight(j *Journal) bool {
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	return !j.queue.flightSince.IsZero()
}

func TestWatermarkRefuses(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir(), Watermark: 1 << 60})
	if _, err := j.Append(context.Background(), entry(1)); !busy(err, BusyDisk) {
		t.Errorf("append: %v", err)
	}
	if err := j.Admit(); !busy(err, BusyDisk) {
		t.Errorf("admit: %v", err)
	}
	if n := j.LastSeq(); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestFullStreamRefusesUntilTrimmed(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		o.MaxBytes = 1 << 20
		j := open(t, o)
		acked := make(map[string]Ack)
		var err error
		for i := 0; err == nil; i++ {
			e := Entry{Data: append(fmt.Appendf(nil, "%d", i), make([]byte, 50_000)...)}
			e.Leaf = sha256.Sum256(e.Data)
			var a Ack
			if a, err = j.Append(context.Background(), e); err == nil {
				acked[string(e.Data)] = a
			}
		}
		if !busy(err, BusyFull) || len(acked) < 10 {
			t.Fatalf("after %d: %v", len(acked), err)
		}
		readAll(t, j, "reader", acked)
		trimmed := 0
		waitUntil(t, func() bool { // acknowledgements arrive behind the reader, so in one step or several
			n, err := j.Trim(context.Background(), j.LastSeq(), 0, 0)
			trimmed += n
			return err == nil && trimmed == len(acked)
		})
		waitUntil(t, func() bool {
			_, err := j.Append(context.Background(), entry(1))
			return err == nil
		})
	})
}

// A store that failed is restarted while callers go on; nothing that was
// acknowledged is lost, and what was in flight is not stored twice.
func TestFailedStoreIsRestarted(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	acked := make(map[string]Ack)
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; ctx.Err() == nil; i += 8 {
				e := entry(i)
				if a, err := j.Append(context.Background(), e); err == nil {
					mu.Lock()
					acked[string(e.Data)] = a
					mu.Unlock()
				}
			}
		})
	}
	for n := range uint64(3) {
		time.Sleep(100 * time.Millisecond)
		j.server.broken.Store(true)
		j.keeper.alarm()
		waitUntil(t, func() bool { return j.Stats().Restarts == n+1 && j.Admit() == nil })
	}
	cancel()
	wg.Wait()
	for data, n := range readAll(t, j, "reader", acked) {
		if n != 1 {
			t.Errorf("%.12q is stored %d times", data, n)
		}
	}
	if rep, err := j.Verify(context.Background()); err != nil || !rep.Whole() {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestRaiseTo(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		ctx := context.Background()
		for _, to := range []uint64{1_000_000, 1_000_050, 3} { // empty, by fillers, nothing to do
			if err := j.RaiseTo(ctx, to); err != nil {
				t.Fatal(err)
			}
			a, err := j.Append(ctx, entry(1))
			if err != nil || a.Seq <= to {
				t.Fatalf("%d after %d: %v", a.Seq, to, err)
			}
		}
		if err := j.RaiseTo(ctx, 9_000_000); err == nil {
			t.Error("eight million fillers were written")
		}
		if rep, err := j.Verify(ctx); err != nil || !rep.Whole() || rep.Entries != 3 {
			t.Errorf("%+v, %v", rep, err)
		}
	})
}

func TestUnsignedIsNotAcknowledged(t *testing.T) {
	var fail atomic.Bool
	fail.Store(true)
	j := open(t, Options{Dir: t.TempDir(), Seal: func(string, uint64, int, [32]byte) ([]byte, string, error) {
		if fail.Load() {
			return nil, "", errors.New("no key")
		}
		return []byte("s"), "k", nil
	}})
	if _, err := j.Append(context.Background(), entry(1)); !busy(err, BusyUnknown) {
		t.Errorf("got %v", err)
	}
	fail.Store(false)
	if _, err := j.Append(context.Background(), entry(1)); err != nil {
		t.Error(err)
	}
}
