package journal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// An embedded journal goes over to a server: every entry has its number and
// bytes there, what was trimmed stays away, and new entries come after.
func TestCopyKeepsNumbers(t *testing.T) {
	from := open(t, Options{Dir: t.TempDir()})
	add := func(j *Journal, n int) Ack {
		t.Helper()
		a, err := j.Append(t.Context(), Entry{Data: fmt.Appendf(nil, "entry %d", n)})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var last Ack
	for n := range 40 {
		last = add(from, n)
	}
	if n, err := from.Trim(t.Context(), 10, -time.Second, 1<<40); err != nil || n != 10 {
		t.Fatalf("trimmed %d: %v", n, err)
	}
	url := external(t)
	to := open(t, Options{URL: url, MaxBytes: 64 << 20})
	c, err := from.CopyTo(t.Context(), to)
	if err != nil || c.Written != 30 || c.Messages != 30 || c.First != 11 || c.Last != last.Seq {
		t.Fatalf("%+v: %v", c, err)
	}
	if again, err := from.CopyTo(t.Context(), to); err != nil || again.Written != 0 || again.Sum != c.Sum {
		t.Errorf("a second copy: %+v: %v", again, err)
	}
	add(from, 40)
	if more, err := from.CopyTo(t.Context(), to); err != nil || more.Written != 1 {
		t.Errorf("the rest: %+v: %v", more, err)
	}
	got := map[uint64]string{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := to.Consume(ctx, "intake", func(_ context.Context, d Delivery) error {
		for _, m := range d.Messages {
			for _, e := range m.Entries {
				got[m.Seq] = string(e.Data)
			}
		}
		if len(got) >= 31 {
			cancel()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(11); seq <= 41; seq++ {
		if want := fmt.Sprintf("entry %d", seq-1); got[seq] != want {
			t.Errorf("number %d is %q, want %q", seq, got[seq], want)
		}
	}
	if a := add(to, 41); a.Seq != 42 {
		t.Errorf("the next entry has number %d", a.Seq)
	}
	// A journal that holds other messages is not taken for the copy.
	if _, err := from.CopyTo(t.Context(), to); err == nil || !strings.Contains(err.Error(), "no copy") {
		t.Errorf("one that is ahead: %v", err)
	}
	add(from, 99)
	if _, err := from.CopyTo(t.Context(), to); err == nil || !strings.Contains(err.Error(), "not the same") {
		t.Errorf("one that differs: %v", err)
	}
}
