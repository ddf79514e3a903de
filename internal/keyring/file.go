package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"filippo.io/age"

	"catchment/internal/keyservice"
)

// lock is what seals a file of keys: one recipient to write for, and the
// identities that may read.
type lock struct {
	recipient  age.Recipient
	identities []age.Identity
}

// lock gets the lock that o names; mayCreate lets it make the default identity.
func (o Options) lock(mayCreate bool) (lock, error) {
	if o.KeyService != "" {
		return o.serviceLock()
	}
	if o.Passphrase != nil {
		return o.passphraseLock()
	}
	path := o.IdentityFile
	if path == "" {
		path = filepath.Join(o.Dir, IdentityFile)
		if mayCreate {
			if err := createIdentity(path); err != nil {
				return lock{}, err
			}
		}
	}
	return identityLock(path)
}

func (o Options) passphraseLock() (lock, error) {
	phrase, err := o.Passphrase()
	if err != nil {
		return lock{}, fmt.Errorf("keyring: passphrase: %w", err)
	}
	if phrase == "" {
		return lock{}, errors.New("keyring: the passphrase is empty")
	}
	r, err := age.NewScryptRecipient(phrase)
	if err != nil {
		return lock{}, fmt.Errorf("keyring: passphrase: %w", err)
	}
	i, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return lock{}, fmt.Errorf("keyring: passphrase: %w", err)
	}
	if o.workFactor > 0 {
		r.SetWorkFactor(o.workFactor)
		i.SetMaxWorkFactor(o.workFactor)
	}
	return lock{r, []age.Identity{i}}, nil
}

// createIdentity makes an identity file of mode 0600, unless one is there: an
// earlier start may have been stopped before it wrote the keyring.
func createIdentity(path string) error {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return fmt.Errorf("keyring: identity: %w", err)
	}
	says := "this identity opens " + KeyringFile + ". Keep a copy away from the data; without it nothing opens."
	if filepath.Base(path) == DoorIdentity {
		says = "this identity opens " + DoorFile + ", the keys of a door: they open no lead."
	}
	return createFile(path, []byte("# Catchment: "+says+"\n# public key: "+id.Recipient().String()+"\n"+id.String()+"\n"))
}

func identityLock(path string) (lock, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lock{}, fmt.Errorf("keyring: the identity file %s is missing: put it back from its copy, or name another with the identity-file setting", path)
	}
	if err != nil {
		return lock{}, fmt.Errorf("keyring: identity file: %w", err)
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return lock{}, err
	}
	ids, err := age.ParseIdentities(f)
	if err != nil {
		// age quotes the line it cannot read, which may be most of a key.
		return lock{}, fmt.Errorf("keyring: %s is not an age identity file", path)
	}
	r, err := recipientOf(ids[0])
	if err != nil {
		return lock{}, fmt.Errorf("keyring: %s: %w", path, err)
	}
	return lock{r, ids}, nil
}

// checkPrivate refuses a file that others on the machine can read or change.
func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("keyring: identity file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("keyring: %s is not a regular file", f.Name())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("keyring: the identity file %s is open to others (mode %04o): run chmod 600 %[1]s, and make a new identity if others had it", f.Name(), mode)
	}
	return nil
}

func recipientOf(id age.Identity) (age.Recipient, error) {
	switch id := id.(type) {
	case *age.HybridIdentity:
		return id.Recipient(), nil
	case *age.X25519Identity:
		return id.Recipient(), nil
	}
	return nil, errors.New("the first identity is of a kind that cannot seal")
}

// maxKeyFile is far above any keyring: a few keys of some hundred bytes each.
const maxKeyFile = 1 << 20

// What age files begin with: any, one that a passphrase opens, and one that a
// key service opens.
var (
	ageHeader     = []byte("age-encryption.org/v1\n-> ")
	phraseHeader  = append(slices.Clone(ageHeader), "scrypt "...)
	serviceHeader = append(slices.Clone(ageHeader), serviceStanza+"\n"...)
)

// unseal opens the bytes of the file at path and says what is wrong and what
// to do when it cannot.
func (o Options) unseal(path string, data []byte) ([]byte, error) {
	byService := bytes.HasPrefix(data, serviceHeader)
	if byService != (o.KeyService != "") && bytes.HasPrefix(data, ageHeader) {
		return nil, o.otherLock(path, byService)
	}
	byPhrase := bytes.HasPrefix(data, phraseHeader)
	if byPhrase && o.Passphrase == nil {
		return nil, fmt.Errorf("%w: %s is sealed by a passphrase: give it, in place of an identity file", ErrLocked, path)
	}
	if !byPhrase && !byService && o.Passphrase != nil && bytes.HasPrefix(data, ageHeader) {
		return nil, fmt.Errorf("%w: %s is sealed by an identity file: start without a passphrase", ErrLocked, path)
	}
	l, err := o.lock(false)
	if err != nil {
		return nil, err
	}
	plain, err := l.read(data)
	var mismatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &mismatch) && byPhrase:
		return nil, fmt.Errorf("%w: the passphrase does not open %s", ErrLocked, path)
	case errors.As(err, &mismatch) && byService, errors.Is(err, keyservice.ErrWrong):
		return nil, fmt.Errorf("%w: the key of %s does not open %s: it was sealed by another one", ErrLocked, o.KeyService, path)
	case errors.Is(err, keyservice.ErrAway), errors.Is(err, keyservice.ErrRefused):
		return nil, fmt.Errorf("keyring: %s: %w", path, err)
	case errors.As(err, &mismatch):
		return nil, fmt.Errorf("%w: the identity does not open %s: it was sealed for another one", ErrLocked, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %s is damaged (%v): put it back from its backup", ErrDamaged, path, err)
	}
	return plain, nil
}

func (l lock) read(data []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(data), l.identities...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxKeyFile))
}

// write seals plain into a new file at path; a file that is there already wins.
func (l lock) write(path string, plain []byte) error {
	sealed, err := l.seal(plain)
	if err != nil {
		return fmt.Errorf("keyring: seal %s: %w", path, err)
	}
	return createFile(path, sealed)
}

func (l lock) seal(plain []byte) ([]byte, error) { return sealFor(plain, l.recipient) }

func sealFor(plain []byte, to ...age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// createFile writes a file of mode 0600 that is either whole or not there,
// also after a power cut, and leaves one that is there already as it is. A
// hard link, unlike a rename, does not replace its target.
func createFile(path string, data []byte) error {
	temp, err := writeTemp(path, data)
	if err != nil {
		return fmt.Errorf("keyring: write %s: %w", path, err)
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keyring: write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile is createFile for a file that may be there and is then replaced.
func replaceFile(path string, data []byte) error {
	temp, err := writeTemp(path, data)
	if err != nil {
		return fmt.Errorf("keyring: write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return fmt.Errorf("keyring: write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func writeTemp(path string, data []byte) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keyring: sync: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("keyring: sync: %w", err)
	}
	return nil
}
