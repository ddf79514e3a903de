package keyring

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"filippo.io/age"
)

// A backup opens with the keyring that it was sealed for, also after the file
// was opened anew, and with no other.
func TestBackupsOpenWithTheirKeyring(t *testing.T) {
	dir := t.TempDir()
	own, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, own.BackupRecipient())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "rows")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Dir: dir, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed.Bytes()), other.BackupIdentity(), again.BackupIdentity())
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || string(plain) != "rows" {
		t.Errorf("%q, %v", plain, err)
	}
	var none *age.NoIdentityMatchError
	if _, err := age.Decrypt(bytes.NewReader(sealed.Bytes()), other.BackupIdentity()); !errors.As(err, &none) {
		t.Errorf("with another keyring: %v", err)
	}
}
