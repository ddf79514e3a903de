package courier

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"catchment/internal/vault/reveal"
)

// Outbox keeps what would have gone out, in memory, for the demo and for
// tests: everybody who reaches its address reads every code.
type Outbox struct {
	mu    sync.Mutex
	items []OutboxItem
}

// OutboxItem is a message that would have gone out.
type OutboxItem struct {
	To   string    `json:"to"`
	Text string    `json:"text"`
	Code string    `json:"code"`
	At   time.Time `json:"at"`
}

const outboxKeeps = 200

// Carry implements Carrier.
func (o *Outbox) Carry(_ context.Context, m Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items = append(o.items, OutboxItem{reveal.Text(m.To), reveal.Text(m.Text), reveal.Text(m.Code), time.Now().UTC()})
	if len(o.items) > outboxKeeps {
		o.items = slices.Delete(o.items, 0, len(o.items)-outboxKeeps)
	}
	return nil
}

// Items lists the newest messages, newest first.
func (o *Outbox) Items() []OutboxItem {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := slices.Clone(o.items)
	slices.Reverse(out)
	return out
}

// ServeHTTP lists them as JSON.
func (o *Outbox) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	items := o.Items()
	if items == nil {
		items = []OutboxItem{}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items}) // the caller has gone
}
