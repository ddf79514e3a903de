package keyring

import (
	"encoding/hex"
	"testing"

	"catchment/internal/vault"
)

// What the sender makes by itself the library's recipient finds again, for any
// key; a public key of another kind is refused.
func TestEncapsulationIsTheLibrarys(t *testing.T) {
	k := memoryKeyring(t)
	for range 20 {
		_, keys := testAccount(t, k)
		box, start, err := encapsulate(keys.DropBox())
		if err != nil {
			t.Fatal(err)
		}
		opened, err := decapsulate(keys, box)
		if err != nil || opened.state != *start {
			t.Fatal("the library finds another secret", err)
		}
	}
	_, keys := testAccount(t, k)
	drop := keys.DropBox()
	for _, bad := range [][]byte{nil, drop.Public[:1215], append(drop.Public, 0), make([]byte, 1216)} {
		if _, _, err := encapsulate(vault.DropBox{Account: drop.Account, KeyID: 1, Public: bad}); err == nil && len(bad) != 1216 {
			t.Errorf("%d bytes were taken for a key", len(bad))
		}
	}
}

// The same figures stand in internal/proof, whose thief goes this way.
func TestTheScheduleOfASecret(t *testing.T) {
	var shared [32]byte
	for i := range shared {
		shared[i] = byte(i)
	}
	var out ratchet
	export(&out, &shared, []byte("info"))
	if got := hex.EncodeToString(out[:]); got != "037907addcc0d790e6aebfce6d63674cb42acf658f94b5406304aa779c3cc868" {
		t.Errorf("%s", got)
	}
}
