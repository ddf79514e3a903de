package journal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAppend tells entries/s and microseconds an entry at a number of
// callers who wait for their answer before they send again.
func BenchmarkAppend(b *testing.B) {
	// A run that matches BenchmarkAppendAll too writes gigabytes: -benchtime 2s, not a count.
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchAppend(b, callers) })
	}
}

func benchAppend(b *testing.B, callers int) {
	j := open(b, Options{Dir: b.TempDir()})
	data, shared := make([]byte, 450), box(1)
	leaf := sha256.Sum256(data)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := j.Append(context.Background(), Entry{Box: shared, Data: data, Leaf: leaf}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	b.ReportMetric(float64(b.N)/took.Seconds(), "entries/s")
	b.ReportMetric(float64(b.N)/float64(j.Stats().Commits), "entries/commit")
}

func BenchmarkAppendAll(b *testing.B) {
	j := open(b, Options{Dir: b.TempDir()})
	es := make([]Entry, 100)
	for i := range es {
		es[i] = entry(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.AppendAll(context.Background(), es); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(es))/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkConsume tells entries/s that come out, of a journal with commits of
// a hundred.
func BenchmarkConsume(b *testing.B) {
	j := open(b, Options{Dir: b.TempDir()})
	es := make([]Entry, 100)
	for i := range es {
		es[i] = entry(i)
	}
	for range 200 {
		if _, err := j.AppendAll(context.Background(), es); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	n := 0
	for i := range b.N {
		left := 200 * len(es)
		ctx, cancel := context.WithCancel(context.Background())
		_ = j.Consume(ctx, fmt.Sprintf("r%d", i), func(_ context.Context, d Delivery) error {
			n += d.Entries()
			if left -= d.Entries(); left <= 0 {
				cancel()
			}
			return nil
		})
		cancel()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}
