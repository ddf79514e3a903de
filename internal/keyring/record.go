package keyring

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
)

// RecordKey signs the checkpoints of accounts' records. It is derived from a
// key that no door has, so nothing more is kept.
type RecordKey struct {
	public ed25519.PublicKey
	key    hidden[ed25519.PrivateKey]
}

// RecordKey derives it.
func (k *Keyring) RecordKey() RecordKey {
	seed, err := hkdf.Expand(sha256.New, k.keys().SnapshotSeed, "catchment record v1", ed25519.SeedSize)
	if err != nil {
		panic(err) // only the length can be wrong
	}
	defer clear(seed)
	key := ed25519.NewKeyFromSeed(seed)
	return RecordKey{key.Public().(ed25519.PublicKey), hide(&key)}
}

// Public is the 32 bytes of RFC 8032.
func (k RecordKey) Public() []byte { return append([]byte(nil), k.public...) }

// Sign returns the Ed25519 signature (RFC 8032) of the message.
func (k RecordKey) Sign(message []byte) []byte { return ed25519.Sign(*k.key(), message) }

// RecordPublicKeys lists the keys for /.well-known/catchment-record-keys.json, oldest first.
func (k *Keyring) RecordPublicKeys() []PublicKey {
	public := k.RecordKey().public
	return []PublicKey{{keyID(public), public, k.keys().Receipt[0].NotBefore}}
}
