package journal_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/journal"
)

// Leads that came one by one are a message each. Two readers that share them
// take all of them.
func TestTwoReadersDrainSingleLeads(t *testing.T) { drainByTwo(t, 2500) }

// The readers must not stand in each other's way either: once they did, at the
// bound on messages in hand, for half a second a group.
func BenchmarkTwoReadersDrainSingleLeads(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(2500/drainByTwo(b, 2500).Seconds(), "leads/s")
	}
}

// drainByTwo says how long two readers took.
func drainByTwo(t testing.TB, leads int64) time.Duration {
	j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), MaxBytes: 1 << 30, Watermark: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(context.Background())
	for range leads {
		if _, err := j.Append(t.Context(), journal.Entry{Data: make([]byte, 300)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 2 {
		wg.Go(func() {
			_ = j.Consume(ctx, "shared", func(_ context.Context, d journal.Delivery) error {
				time.Sleep(10 * time.Millisecond)
				if got.Add(int64(d.Entries())) >= leads {
					cancel()
				}
				return nil
			})
		})
	}
	<-ctx.Done()
	took := time.Since(began)
	wg.Wait()
	if got.Load() < leads {
		t.Errorf("%d of %d leads in %s", got.Load(), leads, took)
	}
	return took
}
