package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"reflect"
	"runtime"
	"unsafe"

	"golang.org/x/crypto/chacha20poly1305"
)

// ratchet is the state s of an epoch's chain of keys. It goes one way: from
// a state follow all later keys and none of the earlier ones.
type ratchet [32]byte

// step returns the key of this place and moves on, overwriting the state:
// key = next(s, 0x01), s = next(s, 0x02).
func (r *ratchet) step(version byte) (key [32]byte) {
	key = next(version, r, 1)
	r.skip(version)
	return key
}

// skip moves on by one without the key.
func (r *ratchet) skip(version byte) { *r = next(version, r, 2) }

// next is SHA-256(s ‖ b): of a secret of fixed length that is random to the last
// bit, one block of the hash is enough. The first version had HMAC-SHA-256(s, b),
// which is four calls of it and eight blocks a lead.
func next(version byte, r *ratchet, b byte) [32]byte {
	if version == firstBoxVersion {
		return hmacByte((*[32]byte)(r), b)
	}
	var in [len(r) + 1]byte
	copy(in[:], r[:])
	in[len(r)] = b
	out := sha256.Sum256(in[:])
	clear(in[:])
	return out
}

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

// singleUse is the cipher of one lead, ChaCha20-Poly1305 (RFC 8439). Its key seals
// one message; a fixed nonce is therefore sound. There is no key schedule to
// make, which for AES-256-GCM, the first version's, costs more than to seal a lead.
// What it is made of holds the key: see sealOnce.
func singleUse(version byte, key *[32]byte) cipher.AEAD {
	aead, err := chacha20poly1305.New(key[:])
	if version == firstBoxVersion {
		var block cipher.Block
		if block, err = aes.NewCipher(key[:]); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		panic(err) // only the length can be wrong
	}
	return aead
}

// sealOnce appends the sealed message to data and leaves nothing of the key:
// the cipher holds it, and stayed on the heap, each lead's, until the collector
// had used its place again. prove sealed found them.
func sealOnce(data []byte, key *[32]byte, plaintext, aad []byte) []byte {
	aead := singleUse(boxVersion, key)
	data = aead.Seal(data, zeroNonce[:], plaintext, aad)
	wipe(aead)
	clear(key[:])
	return data
}

// wipe clears what the pointer in v points to, which is never used again.
func wipe(v any) {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer {
		return // another build of the library: prove sealed tells
	}
	clear(unsafe.Slice((*byte)(p.UnsafePointer()), p.Type().Elem().Size()))
}

// scrub clears the stack below its caller, where calls that have returned left
// what they worked with. Called before them, it grows the stack, so that no
// copy of theirs is left behind in a smaller one.
//
//go:noinline
func scrub() {
	var stack [8 << 10]byte
	for i := range stack {
		stack[i] = 0
	}
	runtime.KeepAlive(&stack)
}

var zeroNonce [12]byte
