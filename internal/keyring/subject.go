package keyring

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"catchment/internal/account"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// A wrapped subject key is version ‖ generation (4 bytes, big-endian) ‖ nonce
// ‖ AES-256-GCM of the 32 random bytes, bound to the account and the subject.
const wrappedHeader = 1 + 4

// SubjectKey seals what is personal to one person or user. It is random, not
// derived, so that destroying its wrapped form destroys what it sealed.
type SubjectKey struct {
	account account.ID
	subject vault.Subject
	aead    hidden[cipher.AEAD]
}

// NewSubjectKey makes a key for the subject. The caller stores wrapped in the
// transaction that stores what the key sealed.
func (a *AccountKeys) NewSubjectKey(subject vault.Subject) (wrapped []byte, key SubjectKey) {
	var fresh [32]byte
	rand.Read(fresh[:])
	defer clear(fresh[:])
	return a.wrapSubject(subject, fresh[:]), a.subjectKey(subject, fresh[:])
}

func (a *AccountKeys) wrapSubject(subject vault.Subject, fresh []byte) []byte {
	wrapped := make([]byte, wrappedHeader, wrappedHeader+len(fresh)+28)
	wrapped[0] = formatVersion
	binary.BigEndian.PutUint32(wrapped[1:], a.newest)
	var aad [subjectAADSize]byte
	return a.secrets().wraps[a.newest].Seal(wrapped, nil, fresh, a.subjectAAD(aad[:0], subject))
}

// OpenSubjectKey unwraps what NewSubjectKey gave for this subject. The error
// is ErrDamaged or ErrUnknownKey.
func (a *AccountKeys) OpenSubjectKey(subject vault.Subject, wrapped []byte) (SubjectKey, error) {
	if len(wrapped) < wrappedHeader || wrapped[0] != formatVersion {
		return SubjectKey{}, fmt.Errorf("subject key: %w", ErrDamaged)
	}
	fresh, err := a.unwrapSubject(subject, wrapped)
	if err != nil {
		return SubjectKey{}, err
	}
	defer clear(fresh)
	return a.subjectKey(subject, fresh), nil
}

// unwrapSubject gives the key's 32 bytes. A keyset that was cached before a
// rotation asks for a newer one.
func (a *AccountKeys) unwrapSubject(subject vault.Subject, wrapped []byte) ([]byte, error) {
	generation := binary.BigEndian.Uint32(wrapped[1:])
	aead, ok := a.secrets().wraps[generation]
	if !ok && a.newer != nil {
		if next := a.newer(generation); next != nil {
			aead, ok = next.secrets().wraps[generation]
		}
	}
	if !ok {
		return nil, fmt.Errorf("subject key: %w", ErrUnknownKey)
	}
	var aad [subjectAADSize]byte
	fresh, err := aead.Open(nil, nil, wrapped[wrappedHeader:], a.subjectAAD(aad[:0], subject))
	if err != nil || len(fresh) != 32 {
		return nil, fmt.Errorf("subject key: %w", ErrDamaged)
	}
	return fresh, nil
}

// RewrapSubject wraps a subject's key anew, by the newest generation; nil when
// it is of that already. What the key seals stays as it is.
func (a *AccountKeys) RewrapSubject(subject vault.Subject, wrapped []byte) ([]byte, error) {
	if len(wrapped) < wrappedHeader || wrapped[0] != formatVersion {
		return nil, fmt.Errorf("subject key: %w", ErrDamaged)
	}
	if binary.BigEndian.Uint32(wrapped[1:]) == a.newest {
		return nil, nil
	}
	fresh, err := a.unwrapSubject(subject, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(fresh)
	return a.wrapSubject(subject, fresh), nil
}

func (a *AccountKeys) subjectKey(subject vault.Subject, key []byte) SubjectKey {
	aead := mustGCM(key)
	return SubjectKey{a.id, subject, hide(&aead)}
}

const (
	subjectAADPrefix = "catchment-subject-key-v1\n"
	subjectAADSize   = len(subjectAADPrefix) + 32
)

func (a *AccountKeys) subjectAAD(b []byte, subject vault.Subject) []byte {
	id := a.id.UUID()
	b = append(b, subjectAADPrefix...)
	b = append(b, id[:]...)
	return append(b, subject[:]...)
}

// Subject returns whose key it is.
func (k SubjectKey) Subject() vault.Subject { return k.subject }

// Seal encrypts the value for its place: version ‖ nonce ‖ AES-256-GCM. An
// empty value gives empty Data. A length of the text can be told from Data.
func (k SubjectKey) Seal(at vault.Binding, value vault.Personal) vault.Sealed {
	s := vault.Sealed{Binding: at, Subject: k.subject}
	if value.Empty() {
		return s
	}
	text, aead := reveal.Text(value), *k.aead()
	s.Data = make([]byte, 1, 1+aead.Overhead()+len(text))
	s.Data[0] = formatVersion
	var aad [128]byte
	s.Data = aead.Seal(s.Data, nil, []byte(text), k.valueAAD(aad[:0], at))
	return s
}

// open is for the Opener, which has written the record.
func (k SubjectKey) open(s vault.Sealed) (vault.Personal, error) {
	if s.Empty() {
		return vault.Personal{}, nil
	}
	if s.Data[0] != formatVersion {
		return vault.Personal{}, ErrDamaged
	}
	var aad [128]byte
	text, err := (*k.aead()).Open(nil, nil, s.Data[1:], k.valueAAD(aad[:0], s.Binding))
	if err != nil {
		return vault.Personal{}, ErrDamaged
	}
	return vault.Hide(string(text)), nil
}

// valueAAD is table ‖ account ‖ row ‖ field; the two texts carry their lengths.
func (k SubjectKey) valueAAD(b []byte, at vault.Binding) []byte {
	id := k.account.UUID()
	b = append(b, "catchment-value-v1\n"...)
	b = appendPrefixed(b, at.Table)
	b = append(b, id[:]...)
	b = append(b, at.Row[:]...)
	return appendPrefixed(b, string(at.Field))
}
