package journal

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a killed process had in hand comes again at once, not after AckWait:
// a lead that was captured a moment before the kill is offered a moment after
// the start.
func TestInHandAtAKillComesAtOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	appendMany(t, j, 50)
	inHand, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = j.Consume(ctx, "reader", func(context.Context, Delivery) error {
			close(inHand)
			<-release
			cancel()
			return nil
		})
	}()
	<-inHand
	killed := filepath.Join(t.TempDir(), "killed")
	pending := func() int { // until the server's copy on disk knows that they are in hand
		c, err := j.stream.Consumer(ctx, "reader")
		if err != nil {
			t.Fatal(err)
		}
		return c.CachedInfo().NumAckPending
	}()
	time.Sleep(2 * time.Second) // the server writes its readers' state behind
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	close(release)
	<-done
	if pending == 0 {
		t.Fatal("nothing was in hand")
	}

	again := open(t, Options{Dir: killed})
	c, err := again.stream.Consumer(context.Background(), "reader")
	if err != nil || c.CachedInfo().NumAckPending == 0 {
		t.Skipf("the store did not remember what was in hand (%v): nothing to give back", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), ackWait/2)
	defer cancel()
	got := 0
	_ = again.Consume(ctx, "reader", func(_ context.Context, d Delivery) error {
		if got += d.Entries(); got >= 50 {
			cancel()
		}
		return nil
	})
	if got < 50 {
		t.Errorf("%d of 50 within half of AckWait", got)
	}
}
