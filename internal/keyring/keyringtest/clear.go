// Package keyringtest is for tests only. Its types have the method sets of
// keyring's and leave the text in clear: with them, the search for clear text
// on disk must find it, or it would prove nothing.
package keyringtest

import (
	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// ClearSealer stands in for keyring.Sealer.
type ClearSealer struct{}

// Seal returns the plaintext as it is.
func (ClearSealer) Seal(_ account.ID, plaintext, _ []byte) (box, data []byte, err error) {
	return []byte("clear"), append([]byte(nil), plaintext...), nil
}

// ClearOpener stands in for keyring.DropOpener.
type ClearOpener struct{}

// Open returns the data as it is.
func (ClearOpener) Open(_ *keyring.AccountKeys, _, data, _ []byte) ([]byte, error) {
	return append([]byte(nil), data...), nil
}

// ClearSubject stands in for keyring.SubjectKey.
type ClearSubject struct{ Whose vault.Subject }

// Subject returns whose key it pretends to be.
func (c ClearSubject) Subject() vault.Subject { return c.Whose }

// Seal puts the text into Data as it is.
func (c ClearSubject) Seal(at vault.Binding, value vault.Personal) vault.Sealed {
	return vault.Sealed{Binding: at, Subject: c.Whose, Data: []byte(reveal.Text(value))}
}
