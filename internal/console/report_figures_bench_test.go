package console

import (
	"testing"

	"catchment/internal/store/counts"
)

// BenchmarkRow makes the row of somebody with a year of leads: a report has up to 500.
func BenchmarkRow(b *testing.B) {
	var t counts.Tally
	for _, c := range counts.Clocks() {
		for bucket := range 350 {
			t.AddClock(c, bucket, int64(1+bucket%7))
		}
	}
	r := &figureReader{}
	b.ReportAllocs()
	for b.Loop() {
		r.row(nil, "x", &t, nil)
	}
}
