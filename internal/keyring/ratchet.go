package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
)

// ratchet is the state s of an epoch's chain of keys. It goes one way: from
// a state follow all later keys and none of the earlier ones.
type ratchet [32]byte

// step returns the key of this place and moves on, overwriting the state:
// key = HMAC-SHA-256(s, 0x01), s = HMAC-SHA-256(s, 0x02).
func (r *ratchet) step() (key [32]byte) {
	h := hmac.New(sha256.New, r[:])
	h.Write([]byte{1})
	h.Sum(key[:0])
	h.Reset()
	h.Write([]byte{2})
	h.Sum(r[:0])
	return key
}

// skip moves on by one without the key.
func (r *ratchet) skip() {
	h := hmac.New(sha256.New, r[:])
	h.Write([]byte{2})
	h.Sum(r[:0])
}

// singleUse is AES-256-GCM under a key that seals one message; a fixed nonce
// is therefore sound.
func singleUse(key *[32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only the length can be wrong
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

var zeroNonce [12]byte
