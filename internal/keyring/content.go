package keyring

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"

	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"filippo.io/age"
)

// ContentKey seals one file's content, which is too large for a Sealed. It is
// random, and itself a personal value of the file's row: whoever opens that
// value stands on the record, and with the person's key the content goes too.
//
// The form is age's (c2sp.org/age): 64 KiB pieces of ChaCha20-Poly1305, none
// of which can be changed, moved or left off unnoticed. Its one recipient is
// this key, bound to the file's id.
type ContentKey struct {
	id   [16]byte
	aead hidden[cipher.AEAD]
}

// contentStanza is the kind of age recipient that a ContentKey is.
const contentStanza = "catchment-content"

// NewContentKey makes a key for the content of the thing with the id. The
// caller keeps its text sealed under the person's key.
func NewContentKey(id [16]byte) (ContentKey, vault.Personal) {
	var fresh [32]byte
	rand.Read(fresh[:])
	defer clear(fresh[:])
	return contentKey(id, fresh[:]), vault.Hide(base64.RawURLEncoding.EncodeToString(fresh[:]))
}

// ContentKeyOf reads the text that NewContentKey gave for this id. The error is
// ErrDamaged.
func ContentKeyOf(id [16]byte, text vault.Personal) (ContentKey, error) {
	b, err := base64.RawURLEncoding.DecodeString(reveal.Text(text))
	if err != nil || len(b) != 32 {
		return ContentKey{}, fmt.Errorf("content key: %w", ErrDamaged)
	}
	defer clear(b)
	return contentKey(id, b), nil
}

func contentKey(id [16]byte, key []byte) ContentKey {
	aead := mustGCM(key)
	return ContentKey{id, hide(&aead)}
}

func (k ContentKey) aad() []byte { return append([]byte("catchment-content-v1\n"), k.id[:]...) }

// Wrap implements age.Recipient.
func (k ContentKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: contentStanza, Body: (*k.aead()).Seal(nil, nil, fileKey, k.aad())}}, nil
}

// Unwrap implements age.Identity.
func (k ContentKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != contentStanza {
			continue
		}
		if key, err := (*k.aead()).Open(nil, nil, bytes.Clone(s.Body), k.aad()); err == nil {
			return key, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// Seal writes what is written to it to w, sealed; all of it when Close has
// returned.
func (k ContentKey) Seal(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, k) }

// Open reads what was sealed from its beginning. A piece that was changed is an
// error before any of it is given.
func (k ContentKey) Open(r io.Reader) (io.Reader, error) {
	out, err := age.Decrypt(r, k)
	if err != nil {
		return nil, fmt.Errorf("content: %w: %w", ErrDamaged, err)
	}
	return out, nil
}

// OpenAt reads what was sealed from anywhere, and says how long it is in clear.
// size is how long the sealed form is.
func (k ContentKey) OpenAt(r io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	out, n, err := age.DecryptReaderAt(r, size, k)
	if err != nil {
		return nil, 0, fmt.Errorf("content: %w: %w", ErrDamaged, err)
	}
	return out, n, nil
}
