// Package checkpointtest is for tests only: it has keys that sign checkpoints
// as the keyring's do.
package checkpointtest

import (
	"crypto/ed25519"
	"time"

	"catchment/internal/receipt"
)

// Key signs.
type Key struct{ private ed25519.PrivateKey }

// New is the key of this seed, of 32 bytes.
func New(seed string) Key { return Key{ed25519.NewKeyFromSeed([]byte(seed))} }

// Own is the key that the tests' records are signed with.
func Own() Key { return New("a seed of thirty-two bytes: test") }

// Public is the half that verifies.
func (k Key) Public() []byte { return k.private.Public().(ed25519.PublicKey) }

// Sign signs msg.
func (k Key) Sign(msg []byte) []byte { return ed25519.Sign(k.private, msg) }

// Published is the list of public keys as readers have it, this one in it since then.
func (k Key) Published(since time.Time) receipt.Keys {
	return receipt.Keys{{ID: "test", PublicKey: k.Public(), NotBefore: since}}
}
