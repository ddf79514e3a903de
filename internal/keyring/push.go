package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// PushKey is the house's key towards push services (VAPID, RFC 8292). It is
// derived from a key of the keyring, so nothing more is kept; browsers that
// subscribed under it would have to subscribe anew under another.
type PushKey struct {
	public []byte
	key    hidden[ecdsa.PrivateKey]
}

// PushKey derives it.
func (k *Keyring) PushKey() PushKey {
	for n := 0; ; n++ { // one try in 2³² is no number of the curve
		raw, err := hkdf.Expand(sha256.New, k.keys().Token, fmt.Sprintf("catchment push v1 %d", n), 32)
		if err != nil {
			panic(err) // only the length can be wrong
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
		clear(raw)
		if err != nil {
			continue
		}
		public, err := key.PublicKey.Bytes()
		if err != nil {
			panic(err) // it was just made
		}
		return PushKey{public, hide(key)}
	}
}

// Public is the uncompressed point, 65 bytes: a browser's applicationServerKey.
func (k PushKey) Public() []byte { return append([]byte(nil), k.public...) }

// Sign is ES256 (RFC 7518, 3.4): the two numbers of 32 bytes each.
func (k PushKey) Sign(message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, k.key(), sum[:])
	if err != nil {
		return nil, fmt.Errorf("keyring: sign for a push service: %w", err)
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}
