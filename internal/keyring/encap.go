package keyring

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"catchment/internal/vault"
)

// The sender's side of the drop boxes' HPKE suite (RFC 9180; the KEM is
// draft-connolly-cfrg-xwing-kem). crypto/hpke would do it, as it does on the
// recipient's side, but leaves the shared secret, and what was made of it, on
// the heap, where a copy of the door's memory found the first state of an epoch
// and with it every lead of that epoch. Here all of it lies on the stack, which
// scrub clears, or is wiped.
//
// It stays behind what mlkem keeps of its own share; without X25519's that
// leads nowhere.

// suite is the id of MLKEM768-X25519, HKDF-SHA256 and AES-256-GCM.
var suite = [10]byte{'H', 'P', 'K', 'E', 0x64, 0x7a, 0x00, 0x01, 0x00, 0x02}

// encapsulate begins an epoch: a fresh secret that the drop box's private key
// finds again in the box (RFC 9180, 5.3, secret export). HPKE's own context is
// not made; the ratchet takes its place.
func encapsulate(drop vault.DropBox) (box []byte, start *ratchet, err error) {
	start = new(ratchet)
	scrub()
	enc, err := encapsulateInto(start, drop)
	scrub()
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: drop box of %s: %w", drop.Account, err)
	}
	box = make([]byte, boxHeader, boxHeader+len(enc))
	box[0] = boxVersion
	binary.BigEndian.PutUint32(box[1:], drop.KeyID)
	return append(box, enc...), start, nil
}

//go:noinline
func encapsulateInto(start *ratchet, drop vault.DropBox) (enc []byte, err error) {
	if len(drop.Public) != mlkem.EncapsulationKeySize768+32 {
		return nil, errors.New("a public key of another length")
	}
	lattice, err := mlkem.NewEncapsulationKey768(drop.Public[:mlkem.EncapsulationKeySize768])
	if err != nil {
		return nil, err
	}
	curve, err := ecdh.X25519().NewPublicKey(drop.Public[mlkem.EncapsulationKeySize768:])
	if err != nil {
		return nil, err
	}
	var shared [32]byte
	enc, err = xwing(&shared, lattice, curve)
	if err != nil {
		return nil, err
	}
	export(start, &shared, dropBoxInfo(drop.Account, drop.KeyID))
	clear(shared[:])
	return enc, nil
}

// xwing is the KEM's encapsulation: SHA3-256 of both shared secrets, the
// ephemeral and the recipient's X25519 keys, and a label.
func xwing(shared *[32]byte, lattice *mlkem.EncapsulationKey768, curve *ecdh.PublicKey) (enc []byte, err error) {
	fresh := newKey()
	mine, err := ecdh.X25519().NewPrivateKey(fresh)
	clear(fresh)
	if err != nil {
		return nil, err
	}
	defer wipePrivate(mine)
	theirs, err := mine.ECDH(curve)
	if err != nil {
		return nil, err
	}
	secret, enc := lattice.Encapsulate()
	var all [4*32 + 6]byte
	copy(all[:], secret)
	copy(all[32:], theirs)
	copy(all[64:], mine.PublicKey().Bytes())
	copy(all[96:], curve.Bytes())
	copy(all[128:], `\.//^\`)
	*shared = sha3.Sum256(all[:])
	clear(secret)
	clear(theirs)
	clear(all[:])
	return append(enc, mine.PublicKey().Bytes()...), nil
}

// export is HPKE's base mode and its secret export (RFC 9180, 5.1 and 5.3).
func export(out *ratchet, shared *[32]byte, info []byte) {
	var empty, pskID, infoHash, secret, exporter [32]byte
	labeledExtract(&pskID, &empty, "psk_id_hash", nil)
	labeledExtract(&infoHash, &empty, "info_hash", info)
	var context [1 + 2*32]byte // mode 0
	copy(context[1:], pskID[:])
	copy(context[33:], infoHash[:])
	labeledExtract(&secret, shared, "secret", nil)
	labeledExpand(&exporter, &secret, "exp", context[:])
	labeledExpand((*[32]byte)(out), &exporter, "sec", []byte(epochContext(boxVersion)))
	clear(secret[:])
	clear(exporter[:])
}

// labeledExtract and labeledExpand are RFC 9180, 4, for outputs of 32 bytes.
func labeledExtract(out, salt *[32]byte, label string, ikm []byte) {
	m := append([]byte("HPKE-v1"), suite[:]...)
	m = append(append(m, label...), ikm...)
	hmacInto(out, salt, m)
}

func labeledExpand(out, key *[32]byte, label string, info []byte) {
	m := append([]byte{0, 32}, "HPKE-v1"...)
	m = append(append(append(m, suite[:]...), label...), info...)
	hmacInto(out, key, append(m, 1))
}

// hmacInto is HMAC-SHA-256 of a public message, on the stack as hmacByte.
func hmacInto(out, key *[32]byte, message []byte) {
	var inner [sha256.BlockSize + 256]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	if len(message) > 256 {
		panic("keyring: a message of HPKE is longer than any")
	}
	copy(inner[:], key[:])
	copy(outer[:], key[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := sha256.BlockSize + copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], sum[:])
	*out = sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
}

// wipePrivate clears an ephemeral key, which the library gives no way to do.
func wipePrivate(k *ecdh.PrivateKey) {
	f := reflect.ValueOf(k).Elem().FieldByName("privateKey")
	if f.IsValid() && f.Kind() == reflect.Slice {
		clear(f.Bytes())
	}
}
