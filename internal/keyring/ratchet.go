package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
)

// ratchet is the state s of an epoch's chain of keys. It goes one way: from
// a state follow all later keys and none of the earlier ones.
type ratchet [32]byte

// step returns the key of this place and moves on, overwriting the state:
// key = HMAC-SHA-256(s, 0x01), s = HMAC-SHA-256(s, 0x02).
func (r *ratchet) step() (key [32]byte) {
	key = hmacByte((*[32]byte)(r), 1)
	r.skip()
	return key
}

// skip moves on by one without the key.
func (r *ratchet) skip() { *r = hmacByte((*[32]byte)(r), 2) }

// hmacByte is HMAC-SHA-256 (RFC 2104) of one byte. crypto/hmac would leave
// what it makes of the key on the heap, where the state that was overwritten
// could be read until the memory is used again; this keeps to the stack.
func hmacByte(key *[32]byte, b byte) [32]byte {
	var inner [sha256.BlockSize + 1]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], key[:])
	copy(outer[:], key[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	inner[sha256.BlockSize] = b
	sum := sha256.Sum256(inner[:])
	copy(outer[sha256.BlockSize:], sum[:])
	out := sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	return out
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
