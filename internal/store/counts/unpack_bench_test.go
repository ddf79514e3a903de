package counts

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkUnpack adds the cells of forty people over a year up: what a report
// by salesperson reads.
func BenchmarkUnpack(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var cells [][]byte
	for range 2000 {
		var t Tally
		for c := Count(1); c < counted; c++ {
			t.Add(c, 1+r.Int64N(300))
		}
		for _, c := range Clocks() {
			for range 40 {
				t.AddClock(c, max(0, 100+int(60*r.NormFloat64())), 1+r.Int64N(3))
			}
		}
		cells = append(cells, t.Pack())
	}
	b.ReportAllocs()
	for b.Loop() {
		var sums [40]adder
		for i, c := range cells {
			if err := sums[i%40].unpack(c, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
}
