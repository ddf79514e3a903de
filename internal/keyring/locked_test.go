package keyring

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func phrase(text string) func() (string, error) { return func() (string, error) { return text, nil } }

// A keyring is put under a passphrase and another one; what a door needs opens
// without it, follows a rotation, and goes when it is not wanted.
func TestTheDoorOpensBesideALockedKeyring(t *testing.T) {
	o := Options{Dir: t.TempDir(), workFactor: 10}
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if needs, err := NeedsPassphrase(o.Dir); needs || err != nil {
		t.Errorf("under an identity: %v, %v", needs, err)
	}
	if _, err := OpenOwnDoor(o.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no door was kept: %v", err)
	}
	if err := k.KeepDoor(); err != nil {
		t.Fatal(err)
	}
	locked := o
	locked.Passphrase = phrase("first of all")
	if err := k.Reseal(locked); err != nil {
		t.Fatal(err)
	}
	if needs, err := NeedsPassphrase(o.Dir); !needs || err != nil {
		t.Errorf("under a passphrase: %v, %v", needs, err)
	}
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Errorf("without the passphrase: %v", err)
	}
	if _, err := k.RotateReceipt(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	door, err := OpenOwnDoor(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(door.ReceiptPublicKeys()), len(k.ReceiptPublicKeys()); got != want || want != 2 {
		t.Errorf("the door knows %d receipt keys of %d", got, want)
	}
	sealed := k.SealSnapshot("entry", []byte("content"))
	if plain, err := door.OpenSnapshot("entry", sealed); err != nil || string(plain) != "content" {
		t.Errorf("snapshot: %q, %v", plain, err)
	}
	// Another process has another passphrase now; this one is told.
	other, err := Open(locked)
	if err != nil {
		t.Fatal(err)
	}
	again := o
	again.Passphrase = phrase("second of all")
	if err := k.Reseal(again); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Reload(); !errors.Is(err, ErrLocked) {
		t.Errorf("reload by the old passphrase: %v", err)
	}
	if err := other.Unlock("first of all"); !errors.Is(err, ErrLocked) {
		t.Errorf("unlock by the old passphrase: %v", err)
	}
	if err := other.Unlock("second of all"); err != nil {
		t.Fatal(err)
	}
	door.Join(other)
	if _, err := k.RotateReceipt(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if changed, err := other.Reload(); !changed || err != nil {
		t.Errorf("reload: %v, %v", changed, err)
	}
	if n := len(door.ReceiptPublicKeys()); n != 3 {
		t.Errorf("a door that joined knows %d receipt keys", n)
	}
	if err := k.DropDoor(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{DoorFile, DoorIdentity} {
		if _, err := os.Stat(filepath.Join(o.Dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}
