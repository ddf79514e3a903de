package limits_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"catchment/internal/journal"
	"catchment/internal/limits"
)

// Over the real bus: what one node gave is not given again by another.
func TestNodesOverNATS(t *testing.T) {
	j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), MaxBytes: 1 << 26, Watermark: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(context.Background())
	r := limits.Rate{N: 1, Per: time.Minute, Burst: 100}
	key, began := limits.NewNamer([]byte("secret")).Key("test", []byte("somebody")), time.Now()
	one, two := limits.NewTable(64, began), limits.NewTable(64, began)
	var gossips []*limits.Gossip
	for _, table := range []*limits.Table{one, two} {
		g := limits.NewGossip(j, nil, table)
		stop, err := g.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		gossips = append(gossips, g)
	}
	for end := time.Now().Add(30 * time.Second); one.Take(key, r, 1, time.Now()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it gives for ever")
		}
	}
	for end := time.Now().Add(30 * time.Second); two.Ask(key, r, time.Now()) == 0; time.Sleep(time.Millisecond) {
		gossips[0].Tell()
		gossips[1].Tell() // so that both know that they are two, who have half of the burst each
		if time.Now().After(end) {
			t.Fatal("the other node never heard of it")
		}
	}
}
