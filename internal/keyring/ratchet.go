package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"reflect"
	"runtime"
	"unsafe"
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
// is therefore sound. What it is made of holds the key: see sealOnce.
func singleUse(key *[32]byte) (cipher.Block, cipher.AEAD) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only the length can be wrong
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return block, aead
}

// sealOnce appends the sealed message to data and leaves nothing of the key:
// the round keys begin with it, and stayed on the heap, each lead's, until the
// collector had used their place again. prove sealed found them.
func sealOnce(data []byte, key *[32]byte, plaintext, aad []byte) []byte {
	block, aead := singleUse(key)
	data = aead.Seal(data, zeroNonce[:], plaintext, aad)
	wipe(aead)
	wipe(block)
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
