package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// OpenDoor reads DIR/door.age, which SaveDoor wrote. It never makes keys.
func OpenDoor(o Options) (*Door, error) {
	path := filepath.Join(o.Dir, DoorFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: door keys: %w", err)
	}
	plain, err := o.unseal(path, data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	k, err := parseDoor(plain)
	if err != nil {
		return nil, fmt.Errorf("keyring: %s: %w", path, err)
	}
	return newDoor(hide(k)), nil
}

// LimitsSecret is what nodes of one house name callers by when they count them
// together; nothing is sealed under it.
func (d *Door) LimitsSecret() []byte { return d.keys().limits() }

func parseDoor(plain []byte) (*doorKeys, error) {
	var k doorKeys
	if err := decodeStrict(plain, &k); err != nil {
		return nil, err
	}
	return &k, k.check()
}

// SealSnapshot signs and then seals one entry of the doors' snapshot: the
// result is version ‖ nonce ‖ AES-256-GCM(signature ‖ plain). Signature and
// ciphertext are bound to the entry's name, so that whoever holds the bucket
// cannot pass off one entry as another. An older state of the same entry still
// opens: the content must carry what tells old from new.
func (k *Keyring) SealSnapshot(name string, plain []byte) []byte {
	p := k.keys()
	at := p.snapshotAt(time.Now())
	signature := ed25519.Sign(ed25519.NewKeyFromSeed(p.snapshotSeeds()[at]), snapshotMessage(name, plain))
	aead := mustGCM(p.snapshots()[at].Seal)
	out := make([]byte, 1, 1+aead.Overhead()+len(signature)+len(plain))
	out[0] = formatVersion
	return aead.Seal(out, nil, append(signature, plain...), snapshotMessage(name, nil))
}

// OpenSnapshot opens what SealSnapshot gave for this name, or returns ErrDamaged.
func (d *Door) OpenSnapshot(name string, sealed []byte) ([]byte, error) {
	return d.keys().openSnapshot(name, sealed)
}

// OpenSnapshot is the door's, for a process that holds the whole keyring.
func (k *Keyring) OpenSnapshot(name string, sealed []byte) ([]byte, error) {
	return k.keys().openSnapshot(name, sealed)
}

func (k *doorKeys) openSnapshot(name string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != formatVersion {
		return nil, fmt.Errorf("snapshot %q: %w", name, ErrDamaged)
	}
	all := k.snapshots()
	if forDoors(name) {
		all = all[k.DoorsFrom:]
	}
	for _, s := range slices.Backward(all) {
		if plain, ok := s.open(name, sealed[1:]); ok {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("snapshot %q: %w", name, ErrDamaged)
}

func (s snapshotKey) open(name string, sealed []byte) (plain []byte, ok bool) {
	signed, err := mustGCM(s.Seal).Open(nil, nil, sealed, snapshotMessage(name, nil))
	if err != nil || len(signed) < ed25519.SignatureSize {
		return nil, false
	}
	signature, plain := signed[:ed25519.SignatureSize], signed[ed25519.SignatureSize:]
	return plain, ed25519.Verify(s.Public, snapshotMessage(name, plain), signature)
}

// snapshotMessage is what is signed; with no content, the associated data.
func snapshotMessage(name string, plain []byte) []byte {
	m := make([]byte, 0, 64+len(name)+len(plain))
	m = append(m, "catchment-snapshot-v1\n"...)
	m = appendPrefixed(m, name)
	return append(m, plain...)
}

// mustGCM is AES-256-GCM with a random 96-bit nonce in front of each
// ciphertext. It panics on a key that is not 32 bytes long.
func mustGCM(key []byte) cipher.AEAD {
	if len(key) != 32 {
		panic("keyring: an AES-256 key has 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only the length can be wrong
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// appendPrefixed appends the text after its length, so that the parts of a
// message cannot run into each other.
func appendPrefixed(b []byte, s string) []byte {
	n := len(s)
	b = append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(b, s...)
}
