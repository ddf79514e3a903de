package keyring

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// ConcernKey seals what one stranger reported to the operators, and what they
// wrote to it. It is random, so that removing its wrapped form destroys the
// texts; what wraps it is derived from a key that is not rotated, because a
// report may wait for longer than a root key is kept.
type ConcernKey struct{ key SubjectKey }

// NewConcernKey makes the key of the report of this id. The caller stores
// wrapped in the transaction that stores what the key sealed.
func (k *Keyring) NewConcernKey(id [16]byte) (wrapped []byte, key ConcernKey) {
	var fresh [32]byte
	rand.Read(fresh[:])
	defer clear(fresh[:])
	wrapped = append(make([]byte, 0, 1+len(fresh)+28), formatVersion)
	return k.wrapsConcerns().Seal(wrapped, nil, fresh[:], concernAAD(id)), concernKey(id, fresh[:])
}

// OpenConcernKey unwraps what NewConcernKey gave for this report; ErrDamaged.
func (k *Keyring) OpenConcernKey(id [16]byte, wrapped []byte) (ConcernKey, error) {
	if len(wrapped) == 0 || wrapped[0] != formatVersion {
		return ConcernKey{}, fmt.Errorf("key of a report: %w", ErrDamaged)
	}
	fresh, err := k.wrapsConcerns().Open(nil, nil, wrapped[1:], concernAAD(id))
	if err != nil || len(fresh) != 32 {
		return ConcernKey{}, fmt.Errorf("key of a report: %w", ErrDamaged)
	}
	defer clear(fresh)
	return concernKey(id, fresh), nil
}

func (k *Keyring) wrapsConcerns() cipher.AEAD {
	key, err := hkdf.Expand(sha256.New, k.keys().Token, "catchment reports v1", 32)
	if err != nil {
		panic(err) // only the length can be wrong
	}
	defer clear(key)
	return mustGCM(key)
}

func concernKey(id [16]byte, fresh []byte) ConcernKey {
	aead := mustGCM(fresh)
	return ConcernKey{SubjectKey{account.ID{}, vault.Subject(id), hide(&aead)}}
}

func concernAAD(id [16]byte) []byte { return append([]byte("catchment-report-v1\n"), id[:]...) }

// Seal encrypts the text for its place; an empty one gives no bytes.
func (c ConcernKey) Seal(at vault.Binding, text vault.Personal) []byte {
	if sealed := c.key.Seal(at, text).Data; sealed != nil {
		return sealed
	}
	return []byte{}
}

// Open is for whoever has put the opening on the platform's record, or shows
// what was written for the one who asks; ErrDamaged.
func (c ConcernKey) Open(at vault.Binding, sealed []byte) (vault.Personal, error) {
	return c.key.open(vault.Sealed{Binding: at, Data: sealed})
}
