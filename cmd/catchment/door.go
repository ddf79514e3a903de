package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"catchment/internal/keyring"
)

type keysCmd struct {
	Door   keysDoorCmd   `cmd:"" help:"Write the keys of a door, for a machine that runs --role capture."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke a key at every door, also while SQL is away."`

	Status   keysStatusCmd   `cmd:"" help:"What keys there are, since when and until when."`
	Rotate   keysRotateCmd   `cmd:"" help:"Make new keys: root, account or receipt."`
	Rewrap   keysRewrapCmd   `cmd:"" help:"Wrap the small keys by the newest ones, beside a working server."`
	Expire   keysExpireCmd   `cmd:"" help:"Destroy old keys under which nothing is left."`
	Recovery keysRecoveryCmd `cmd:"" help:"Name who can open the keyring when all else is lost."`
	Recover  keysRecoverCmd  `cmd:"" help:"Make the keyring anew, by a recovery identity."`

	Lock       keysLockCmd       `cmd:"" help:"Seal the keyring by what the settings name: a key service, or an identity file."`
	Passphrase keysPassphraseCmd `cmd:"" help:"Put the keyring under a passphrase, change it, or take it off."`
	Unlock     keysUnlockCmd     `cmd:"" help:"Give the passphrase to a server that waits for it."`
}

type keysDoorCmd struct {
	config `embed:""`
	Out    string `help:"Folder to write door.age and its own identity.txt to: the data folder of the door's machine." required:"" type:"path" placeholder:"DIR"`
}

// Run writes what a process that only captures may hold: it signs receipts and
// reads the snapshot, and opens no lead. The door gets an identity of its own,
// so that the one which opens everything stays where it is.
func (c keysDoorCmd) Run(w *world) error {
	if same(c.Out, c.Data) || exists(filepath.Join(c.Out, keyring.KeyringFile)) || same(filepath.Join(c.Out, keyring.IdentityFile), c.Identity) {
		return usage("--out %s holds keys that open everything, and a door must have none: name a folder of its own", c.Out)
	}
	o := c.keyringOptions()
	o.MustExist = true // a door of new keys would fit nothing
	ring, err := keyring.Open(o)
	if err != nil {
		return err
	}
	if err := c.act(w, "keys.door", "", nil); err != nil {
		return err
	}
	if err := ring.SaveDoor(keyring.Options{Dir: c.Out}); err != nil {
		return err
	}
	fmt.Fprintf(w.out, `%s and %s are written.
Move both to the data folder of the machine that captures, over a safe way, and start there:
  catchment serve --role capture --nats-url …
They sign receipts and open no lead. Write them anew after the receipt key was rotated.
`, filepath.Join(c.Out, keyring.DoorFile), filepath.Join(c.Out, keyring.IdentityFile))
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// same tells whether two paths name one file that is there.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
