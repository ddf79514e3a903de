package totp

import (
	"testing"
	"time"
)

// The last of appendix B of RFC 6238, with six digits.
func TestTheCodeOfTheStandard(t *testing.T) {
	code, err := Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", time.Unix(20000000000, 0))
	if err != nil || code != "353130" {
		t.Errorf("%s, %v", code, err)
	}
	if _, err := Code("no base 32!", time.Unix(0, 0)); err == nil {
		t.Error("a seed that is none has codes")
	}
}

// Three codes at once, each of another step; the fourth waits until it is taken.
func TestNoCodeIsGivenTwice(t *testing.T) {
	var a Apps
	now := time.Unix(1000*30+10, 0)
	for i, want := range []struct {
		step int64
		wait time.Duration
	}{{999, 0}, {1000, 0}, {1001, 0}, {1002, 20 * time.Second}, {1003, 50 * time.Second}} {
		at, wait := a.take("A", now)
		if at.Unix()/30 != want.step || max(wait, 0) != want.wait {
			t.Errorf("code %d: step %d in %s, want %d in %s", i, at.Unix()/30, wait, want.step, want.wait)
		}
	}
	if at, _ := a.take("B", now); at.Unix()/30 != 999 {
		t.Error("another seed waits for the first")
	}
	if at, _ := a.take("A", now.Add(time.Hour)); at.Unix()/30 != 1119 {
		t.Error("an hour later it is not the step before that one")
	}
}
