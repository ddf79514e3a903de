package journal

import (
	"context"
	"testing"
	"time"
)

// Of a stream of single entries a group is what gathered since the one before;
// one of many is followed at once.
func TestGroupsGather(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	ctx := context.Background()
	var readers [2]*consumer
	for i := range readers {
		readers[i] = &consumer{j: j, name: "reader", turn: j.turnOf("reader"), perMessage: 1}
		if err := readers[i].attach(ctx); err != nil {
			t.Fatal(err)
		}
	}
	gather := func(c *consumer, want int) {
		t.Helper()
		g, err := c.gather(ctx)
		if err != nil || g.delivery.Entries() != want {
			t.Fatalf("%d entries in a group, want %d; %v", g.delivery.Entries(), want, err)
		}
	}
	appendMany(t, j, 1)
	gather(readers[0], 1)
	appendMany(t, j, 1)
	appendMany(t, j, 1)
	appendMany(t, j, 1)
	next := readers[0].turn.next
	gather(readers[1], 3)
	if early := time.Until(next); early > 0 {
		t.Errorf("the other reader's group began %v early", early)
	}
	many := make([]Entry, gatherMany)
	for i := range many {
		many[i] = Entry{Data: []byte("x")}
	}
	if _, err := j.AppendAll(ctx, many); err != nil {
		t.Fatal(err)
	}
	gather(readers[0], gatherMany)
	if wait := time.Until(readers[0].turn.next); wait > 0 {
		t.Errorf("after a group of many the next one waits %v", wait)
	}
}
