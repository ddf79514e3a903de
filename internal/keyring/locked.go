package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A keyring under a passphrase that nobody has given yet is locked. What a door
// needs may lie beside it, under an identity of its own, so that a server that
// waits for the passphrase takes leads meanwhile; it opens none of them.

// NeedsPassphrase reports whether the keyring of the folder is sealed by a
// passphrase; false when there is none.
func NeedsPassphrase(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, KeyringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keyring: %w", err)
	}
	defer f.Close()
	begin := make([]byte, len(phraseHeader))
	n, err := f.Read(begin)
	return err == nil && bytes.Equal(begin[:n], phraseHeader), nil
}

// Unlock opens the keyring that k was read from by another passphrase, which
// k reads it with from now on: after somebody changed it.
func (k *Keyring) Unlock(passphrase string) error {
	o := *k.from.Load()
	o.Passphrase = func() (string, error) { return passphrase, nil }
	path := filepath.Join(o.Dir, KeyringFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	now, err := o.parse(path, data)
	if err != nil {
		return err
	}
	k.from.Store(&o)
	k.now.Store(now)
	return nil
}

// KeepDoor writes door.age and door.txt beside the keyring, and has them follow
// its changes: for OpenOwnDoor.
func (k *Keyring) KeepDoor() error {
	dir := k.from.Load().Dir
	path := filepath.Join(dir, DoorIdentity)
	if err := createIdentity(path); err != nil {
		return err
	}
	l, err := identityLock(path)
	if err != nil {
		return err
	}
	return k.writeDoor(dir, l)
}

// DropDoor removes what KeepDoor wrote.
func (k *Keyring) DropDoor() error {
	dir := k.from.Load().Dir
	if !hasOwnDoor(dir) {
		return nil // a door.age of another identity is not ours
	}
	return errors.Join(os.Remove(filepath.Join(dir, DoorFile)), os.Remove(filepath.Join(dir, DoorIdentity)))
}

// RenewDoor writes the door's keys anew after another process changed the
// keyring, where KeepDoor has written them.
func (k *Keyring) RenewDoor() error {
	if !hasOwnDoor(k.from.Load().Dir) {
		return nil
	}
	return k.KeepDoor()
}

// OpenOwnDoor opens the door's keys that KeepDoor left in the folder. The error
// is fs.ErrNotExist when it did not.
func OpenOwnDoor(dir string) (*Door, error) {
	if !hasOwnDoor(dir) {
		return nil, fmt.Errorf("keyring: there are no keys of a door in %s: %w", dir, fs.ErrNotExist)
	}
	return OpenDoor(Options{Dir: dir, IdentityFile: filepath.Join(dir, DoorIdentity)})
}

func hasOwnDoor(dir string) bool {
	for _, name := range []string{DoorFile, DoorIdentity} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}
