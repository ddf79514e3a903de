package routing_test

import (
	"testing"
	"time"

	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// Offers a second with 200 salespeople and leads that wait already; the time
// of putting them there is left out. Rows are counted afterwards.
func BenchmarkOffers(b *testing.B) {
	engines := []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}}
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			w := newWorld(b, e.open(b), 200, routing.PoolChange{OffersAtOnce: num(100_000)})
			w.settle()
			const wave = 5000
			total := 0
			b.ResetTimer()
			for b.Loop() {
				b.StopTimer()
				for range wave / 500 {
					w.arrive(500)
					w.pass(time.Millisecond)
				}
				b.StartTimer()
				w.settle()
				total += wave
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "offers/s")
			w.counted(total)
		})
	}
}

// A run with nobody free and 10,000 leads that wait.
func BenchmarkNobodyFree(b *testing.B) {
	for _, e := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(e.name, func(b *testing.B) {
			w := newWorld(b, e.open(b), 20, routing.PoolChange{})
			w.arrive(10_020)
			w.settle()
			b.ResetTimer()
			for b.Loop() {
				w.write(func(tx *store.Tx) error { return w.router.Wanted(tx, w.project, w.now()) })
				w.settle()
			}
		})
	}
}

func (w *world) counted(want int) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		var open, decisions, offered, expire int64
		err := tx.Row(countRows).Scan(&open, &decisions, &offered, &expire)
		if open != int64(want) || decisions != open || offered != open || expire == 0 {
			w.Errorf("%d leads: %d offers, %d decisions, %d offered, %d rounds to end", want, open, decisions, offered, expire)
		}
		return err
	})
}
