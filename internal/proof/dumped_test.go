package proof

import (
	"crypto/hpke"
	"encoding/hex"
	"testing"
)

// Random keys do, and what else stands in memory mostly does not.
func TestWhatLooksRandom(t *testing.T) {
	text := [32]byte([]byte("an example of thirty-two letters"))
	if looksRandom(&text) {
		t.Error("a text passes for a key")
	}
	for range 1000 {
		private, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		b, err := private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		key := [32]byte(b[:32])
		if !looksRandom(&key) {
			t.Fatalf("a key does not: %x", key)
		}
	}
}

// The thief's way from HPKE's shared secret to the first state is the door's:
// the figures are those of internal/keyring.
func TestTheThiefKnowsHPKE(t *testing.T) {
	var shared [32]byte
	for i := range shared {
		shared[i] = byte(i)
	}
	if got := hex.EncodeToString(exported(scheduled(shared[:], "info"))); got != "037907addcc0d790e6aebfce6d63674cb42acf658f94b5406304aa779c3cc868" {
		t.Errorf("%s", got)
	}
}
