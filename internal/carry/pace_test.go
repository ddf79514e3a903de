package carry

import (
	"testing"
	"time"
)

// On a machine that takes so many rows a second, what stands in the journal is
// soon about what it takes in fairWait, and never more than twice that.
func TestPaceFollowsTheMachine(t *testing.T) {
	for _, speed := range []int{100, 400, 1500, 5000, 1_000_000} {
		var p pace
		for range 30 {
			p.took(time.Duration(ahead*p.rows()) * time.Second / time.Duration(speed))
		}
		rows := ahead * p.rows()
		if fair := speed * int(fairWait/time.Millisecond) / 1000; rows > max(2*fair, 2*ahead*leastRows) || rows < min(fair/4, ahead*mostRows) {
			t.Errorf("%d rows/s: %d rows in the journal, %d are fair", speed, rows, fair)
		}
		p.took(time.Hour) // it stood still once
		if slower := ahead * p.rows(); slower > max(rows/2, 2*ahead*leastRows) {
			t.Errorf("%d rows/s: %d rows after a stop", speed, slower)
		}
	}
	if n := new(pace).rows(); n > mostRows/5 {
		t.Errorf("it begins with %d rows", n)
	}
}
