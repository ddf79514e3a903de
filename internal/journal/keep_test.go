package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFailedGroupComesAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		acked := appendMany(t, j, 100)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		fails, seen, again := 2, make(map[string]bool), 0
		err := j.Consume(ctx, "reader", func(_ context.Context, d Delivery) error {
			if fails > 0 {
				fails--
				return errors.New("database away")
			}
			for _, m := range d.Messages {
				if m.Redelivered {
					again++
				}
				for _, r := range m.Entries {
					seen[string(r.Data)] = true
				}
			}
			if len(seen) == len(acked) {
				cancel()
			}
			return nil
		})
		if err != nil || len(seen) != len(acked) {
			t.Fatalf("%d of %d: %v", len(seen), len(acked), err)
		}
		if again == 0 || j.Stats().Redelivered == 0 {
			t.Error("nothing was marked as coming again")
		}
	})
}

// Several readers of one name share the work; a name that was there before
// goes on where it stopped.
func TestReadersShareAndGoOn(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		first := appendMany(t, j, 60)
		readAll(t, j, "reader", first)
		waitUntil(t, func() bool { s, err := j.State(context.Background()); return err == nil && s.Pending == 0 })
		second := appendMany(t, j, 60)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		var mu sync.Mutex
		got := make(map[string]int)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_ = j.Consume(ctx, "reader", func(_ context.Context, d Delivery) error {
					mu.Lock()
					defer mu.Unlock()
					for _, m := range d.Messages {
						for _, r := range m.Entries {
							got[string(r.Data)]++
						}
					}
					if len(got) >= len(second) {
						cancel()
					}
					return nil
				})
			})
		}
		wg.Wait()
		for data, n := range got {
			if _, ok := second[data]; !ok || n != 1 {
				t.Errorf("%.10q came %d times", data, n)
			}
		}
		if len(got) != len(second) {
			t.Errorf("%d of %d", len(got), len(second))
		}
	})
}

// Consume outlives a restart of the server.
func TestReaderOutlivesARestart(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var got sync.Map
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = j.Consume(ctx, "reader", func(_ context.Context, d Delivery) error {
			for _, m := range d.Messages {
				for _, r := range m.Entries {
					got.Store(string(r.Data), true)
				}
			}
			return nil
		})
	}()
	before := appendMany(t, j, 20)
	j.server.broken.Store(true)
	j.keeper.alarm()
	waitUntil(t, func() bool { return j.Stats().Restarts == 1 && j.Admit() == nil })
	all := appendMany(t, j, 20)
	maps.Copy(all, before)
	waitUntil(t, func() bool {
		for data := range all {
			if _, ok := got.Load(data); !ok {
				return false
			}
		}
		return true
	})
	cancel()
	<-done
}

func appendOne(t *testing.T, j *Journal, n, size int) uint64 {
	t.Helper()
	e := Entry{Data: append(fmt.Appendf(nil, "%d", n), make([]byte, size)...)}
	e.Leaf = sha256.Sum256(e.Data)
	a, err := j.Append(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return a.Seq
}

func TestTrimKeepsWhatIsNotDone(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		ctx := context.Background()
		for i := range 20 {
			appendOne(t, j, i, 10_000)
		}
		trim := func(upTo uint64, age time.Duration, bytes int64, want int) {
			t.Helper()
			if n, err := j.Trim(ctx, upTo, age, bytes); err != nil || n != want {
				t.Errorf("trim(%d, %v, %d): %d went, want %d; %v", upTo, age, bytes, n, want, err)
			}
		}
		trim(20, time.Hour, 1<<30, 0) // young, and not too much
		trim(0, 0, 0, 0)              // not behind the cursor
		trim(3, 0, 0, 3)              // old enough, up to the cursor
		trim(20, time.Hour, 100_000, 8)
		// A durable reader that has acknowledged nothing holds the rest, whatever
		// the cursor says.
		c := &consumer{j: j, name: "reader"}
		if err := c.attach(ctx); err != nil {
			t.Fatal(err)
		}
		trim(20, 0, 0, 0)
		s, err := j.State(ctx)
		if err != nil || s.First != 12 || s.Last != 20 || s.Pending != 9 || s.OldestUnacked <= 0 || s.Missing != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestRecentIsNewestFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		ctx := context.Background()
		if err := j.Recent(ctx, 10, func(uint64, Record) { t.Error("an empty journal has entries") }); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			appendOne(t, j, i, 10)
		}
		es := []Entry{entry(0), entry(1), entry(2)}
		acks, err := j.AppendAll(ctx, es)
		if err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		recent := func(n int) {
			seqs = nil
			if err := j.Recent(ctx, n, func(seq uint64, _ Record) { seqs = append(seqs, seq) }); err != nil {
				t.Fatal(err)
			}
		}
		recent(50)
		if len(seqs) != 50 || seqs[0] != acks[0].Seq || seqs[49] != acks[0].Seq-47 {
			t.Errorf("%d entries: %v", len(seqs), seqs)
		}
		recent(1_000_000)
		if len(seqs) != 103 || seqs[102] != 1 {
			t.Errorf("%d entries: %v", len(seqs), seqs)
		}
	})
}

func TestBucketReplaysThenFollows(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		b, err := j.Bucket(ctx, "snapshot")
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(b.Put(ctx, "one", []byte("1")))
		must(b.Put(ctx, "one", []byte("1b")))
		must(b.Put(ctx, "two", []byte("2")))
		var mu sync.Mutex
		now := make(map[string]string)
		var readyWith atomic.Int64
		readyWith.Store(-1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.Watch(ctx, func(key string, value []byte) {
				mu.Lock()
				defer mu.Unlock()
				if now[key] = string(value); value == nil {
					delete(now, key)
				}
			}, func() {
				mu.Lock()
				defer mu.Unlock()
				readyWith.Store(int64(len(now)))
			})
		}()
		is := func(want map[string]string) func() bool {
			return func() bool { mu.Lock(); defer mu.Unlock(); return maps.Equal(now, want) }
		}
		waitUntil(t, func() bool { return readyWith.Load() >= 0 })
		if readyWith.Load() != 2 || !is(map[string]string{"one": "1b", "two": "2"})() {
			t.Errorf("ready with %d: %v", readyWith.Load(), now)
		}
		must(b.Delete(ctx, "two"))
		must(b.Put(ctx, "three", []byte{}))
		waitUntil(t, is(map[string]string{"one": "1b", "three": ""}))
		if j.server != nil {
			must(j.server.restart())
			waitUntil(t, func() bool { return b.Put(ctx, "four", []byte("4")) == nil })
			must(b.Delete(ctx, "one"))
			waitUntil(t, is(map[string]string{"three": "", "four": "4"}))
		}
		if v, err := b.Get(ctx, "one"); (v == nil) != (j.server != nil) || err != nil {
			t.Errorf("get: %q, %v", v, err)
		}
		cancel()
		<-done
	})
}

func TestWake(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		var calls, others atomic.Int64
		stop, err := j.OnWake("jobs", func() { calls.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.OnWake("other", func() { others.Add(1) }); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if err := j.Wake("jobs"); err != nil {
				t.Fatal(err)
			}
		}
		waitUntil(t, func() bool { return calls.Load() > 0 })
		if j.server != nil { // a Wake may have been lost meanwhile: everybody is woken
			if err := j.server.restart(); err != nil {
				t.Fatal(err)
			}
			waitUntil(t, func() bool { return others.Load() == 1 })
		} else if others.Load() != 0 {
			t.Error("a subject woke another")
		}
		stop()
		stop()
	})
}

// Closing with a reader at work and callers in the queue ends both.
func TestCloseEndsEverything(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		var running atomic.Bool
		ended := make(chan error, 1)
		go func() {
			ended <- j.Consume(context.Background(), "reader", func(context.Context, Delivery) error {
				running.Store(true)
				time.Sleep(100 * time.Millisecond)
				running.Store(false)
				return nil
			})
		}()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if _, err := j.Append(context.Background(), entry(i)); err != nil && !busy(err, BusyClosing) {
					t.Errorf("append: %v", err)
				}
			})
		}
		waitUntil(t, running.Load)
		closeIt(t, j)
		wg.Wait()
		if running.Load() {
			t.Error("Close returned while a group was handled")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseInAHurryLeavesTheMarker(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	acked := appendMany(t, j, 10)
	block := make(chan struct{})
	started := make(chan struct{})
	go func() {
		_ = j.Consume(context.Background(), "stuck", func(context.Context, Delivery) error {
			close(started)
			<-block
			return nil
		})
	}()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := j.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	close(block)
	j.closing.Do(func() {})
	again := open(t, Options{Dir: dir})
	readAll(t, again, "reader", acked)
}
