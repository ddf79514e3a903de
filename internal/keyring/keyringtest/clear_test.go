package keyringtest

import (
	"bytes"
	"testing"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/vault"
)

type sealer interface {
	Seal(id account.ID, plaintext, aad []byte) (box, data []byte, err error)
}

type opener interface {
	Open(keys *keyring.AccountKeys, box, data, aad []byte) ([]byte, error)
}

type subjectKey interface {
	Subject() vault.Subject
	Seal(vault.Binding, vault.Personal) vault.Sealed
}

// Whoever takes the real one takes the clear one.
var (
	_ = []sealer{(*keyring.Sealer)(nil), ClearSealer{}}
	_ = []opener{(*keyring.DropOpener)(nil), ClearOpener{}}
	_ = []subjectKey{keyring.SubjectKey{}, ClearSubject{}}
)

func TestTextStaysInClear(t *testing.T) {
	text := []byte("Ada Canary")
	box, data, err := ClearSealer{}.Seal(account.NewID(), text, nil)
	if err != nil || !bytes.Equal(data, text) {
		t.Errorf("%q, %v", data, err)
	}
	if back, err := (ClearOpener{}).Open(nil, box, data, nil); err != nil || !bytes.Equal(back, text) {
		t.Errorf("%q, %v", back, err)
	}
	s := ClearSubject{vault.Subject{1}}.Seal(vault.Binding{Table: "person"}, vault.Hide(string(text)))
	if !bytes.Equal(s.Data, text) || s.Subject != (vault.Subject{1}) || s.Binding.Table != "person" {
		t.Errorf("%+v", s)
	}
}
