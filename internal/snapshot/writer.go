package snapshot

import (
	"context"
	"encoding/json"
	"fmt"

	"catchment/internal/account"
)

// Bucket is where entries lie. Put is durable on return. Watch gives all that
// is there, calls ready once, then gives every change (nil: gone), from one
// goroutine, until ctx ends; it goes on by itself after an interruption and
// may repeat. The journal's Bucket is one.
type Bucket interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	Watch(ctx context.Context, set func(key string, value []byte), ready func()) error
}

// Writer publishes entries.
type Writer struct {
	bucket Bucket
	seal   func(name string, plain []byte) []byte
}

// NewWriter returns a Writer. seal signs and seals an entry, bound to its
// name: keyring.SealSnapshot.
func NewWriter(b Bucket, seal func(name string, plain []byte) []byte) *Writer {
	return &Writer{b, seal}
}

// Put publishes the account's entry. Readers pass over it unless its Version
// is higher than that of the one they have.
func (w *Writer) Put(ctx context.Context, a Account) error {
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("snapshot: encode the entry of %s: %w", a.ID, err)
	}
	name := entryName(a.ID)
	if _, err := decode(name, plain); err != nil {
		return err
	}
	if err := w.bucket.Put(ctx, name, w.seal(name, plain)); err != nil {
		return fmt.Errorf("snapshot: publish %s: %w", a.ID, err)
	}
	return nil
}

// Remove takes the account's entry away: its keys are unknown from then on.
func (w *Writer) Remove(ctx context.Context, id account.ID) error {
	if err := w.bucket.Delete(ctx, entryName(id)); err != nil {
		return fmt.Errorf("snapshot: remove %s: %w", id, err)
	}
	return nil
}
