package snapshot

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"catchment/internal/account"
)

// Tombstone says that a key is revoked, whatever an account's entry or SQL
// still says: it reaches the doors while SQL is away, and outlives an older
// entry and an older database that came back.
type Tombstone struct {
	Key     account.KeyID `json:"key,omitzero"`      // zero: only a hash is known
	Hashes  []Hash        `json:"hashes,omitempty"`  // of the key's texts, as far as they are known
	At      time.Time     `json:"at"`                // when it was revoked
	Until   time.Time     `json:"until,omitzero"`    // when the key ends by itself; zero: never, or not known
	Settled bool          `json:"settled,omitempty"` // SQL has it
	Record  string        `json:"record,omitempty"`  // id of the entry that the platform's record is to get, once
	By      string        `json:"by,omitempty"`      // who asked for it, for that entry
}

const tombstones = "revoked/"

// Name is the tombstone's place in the bucket: the key's, or the first hash's.
func (t *Tombstone) Name() string {
	if !t.Key.IsZero() {
		return tombstones + t.Key.String()
	}
	if len(t.Hashes) == 0 {
		return ""
	}
	return tombstones + base64.RawURLEncoding.EncodeToString(t.Hashes[0][:])
}

// decodeTombstone reads one that was found under the name and opened.
func decodeTombstone(name string, plain []byte) (*Tombstone, error) {
	t := new(Tombstone)
	if err := json.Unmarshal(plain, t); err != nil {
		return nil, fmt.Errorf("snapshot: %s is not of the expected form", name)
	}
	if t.Name() != name || t.At.IsZero() {
		return nil, fmt.Errorf("snapshot: %s holds another key", name)
	}
	return t, nil
}

// SealTombstone gives a tombstone's name and what is kept under it.
func SealTombstone(t Tombstone, seal func(name string, plain []byte) []byte) (name string, sealed []byte, err error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", nil, fmt.Errorf("snapshot: encode a tombstone: %w", err)
	}
	name = t.Name()
	if name == "" || t.At.IsZero() {
		return "", nil, errors.New("snapshot: a tombstone has a time, and a key or a hash")
	}
	return name, seal(name, plain), nil
}

// OpenTombstone reads what SealTombstone gave.
func OpenTombstone(name string, sealed []byte, open func(name string, sealed []byte) ([]byte, error)) (*Tombstone, error) {
	plain, err := open(name, sealed)
	if err != nil {
		return nil, err
	}
	return decodeTombstone(name, plain)
}

// Revoke puts a tombstone where every door sees it at once. It is durable on
// return.
func (w *Writer) Revoke(ctx context.Context, t Tombstone) error {
	name, sealed, err := SealTombstone(t, w.seal)
	if err != nil {
		return err
	}
	if err := w.bucket.Put(ctx, name, sealed); err != nil {
		return fmt.Errorf("snapshot: revoke: %w", err)
	}
	return nil
}

// Forget takes a tombstone away whose key has ended by itself.
func (w *Writer) Forget(ctx context.Context, t Tombstone) error {
	if err := w.bucket.Delete(ctx, t.Name()); err != nil {
		return fmt.Errorf("snapshot: forget a tombstone: %w", err)
	}
	return nil
}

// Replayed is closed when all that was published has been read once: from
// then on Revoked knows.
func (r *Reader) Replayed() <-chan struct{} { return r.read }

// Revoked reports whether there is a tombstone for the key or the hash. Either
// may be zero.
func (r *Reader) Revoked(id account.KeyID, hash [32]byte) bool {
	return r.now.Load().revoked(id, hash)
}

// Tombstones lists those that keep returns true for.
func (r *Reader) Tombstones(keep func(*Tombstone) bool) (out []Tombstone) {
	for _, t := range r.now.Load().graves {
		if keep(t) {
			out = append(out, *t)
		}
	}
	return out
}

// KeyByID finds the hashes of a key by its id; none when no account has it.
func (r *Reader) KeyByID(id account.KeyID) (hashes []Hash, until time.Time) {
	for _, a := range r.now.Load().accounts {
		for i := range a.Keys {
			if k := &a.Keys[i]; k.ID == id {
				hashes = append(hashes, k.Hash)
				if k.ExpiresAt.After(until) {
					until = k.ExpiresAt
				}
			}
		}
	}
	return hashes, until
}

func (v *view) revoked(id account.KeyID, hash Hash) bool {
	return !id.IsZero() && v.buried[id] || v.buriedHashes[hash]
}

// setTombstone takes one. One that goes is taken back: only what has ended by
// itself is removed.
func (r *Reader) setTombstone(name string, sealed []byte) {
	if sealed == nil {
		r.trust(name)
		delete(r.graves, name)
		r.publish()
		return
	}
	t, err := OpenTombstone(name, sealed, r.open)
	if err != nil {
		r.refuse(name, err)
		return
	}
	r.trust(name)
	if old := r.graves[name]; old != nil { // an earlier one may have known more
		t.Hashes = append(t.Hashes, missing(old.Hashes, t.Hashes)...)
		t.Settled = t.Settled || old.Settled
	}
	r.graves[name] = t
	r.publish()
}

func missing(from, have []Hash) (out []Hash) {
	known := map[Hash]bool{}
	for _, h := range have {
		known[h] = true
	}
	for _, h := range from {
		if !known[h] {
			out = append(out, h)
		}
	}
	return out
}

func isTombstone(name string) bool { return strings.HasPrefix(name, tombstones) }
