package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"filippo.io/age"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"golang.org/x/sys/unix"
)

// RecoveryFile holds what keyring.age holds, for the recovery identities.
const RecoveryFile = "recovery.age"

// RootKey is the name of a root key: "root " and its id, which begins
// everything that it wraps.
func RootKey(id uint32) string { return "root " + strconv.FormatUint(uint64(id), 16) }

// WrappedBy tells which root key wrapped a keyset; 0 for what no root wrapped.
// The prefix is tink's, 0x01 and the key's id, or a service's: 0x02 and its id.
func WrappedBy(wrapped []byte) uint32 {
	if len(wrapped) < 5 || wrapped[0] != 1 && wrapped[0] != wrappedByService {
		return 0
	}
	return binary.BigEndian.Uint32(wrapped[1:5])
}

// Root tells the id of the root key that wraps.
func (k *Keyring) Root() uint32 {
	if r, ok := k.root().(*roots); ok {
		return r.primary
	}
	return 0
}

// Roots lists the ids of all root keys, those included that only unwrap.
func (k *Keyring) Roots() []uint32 {
	if r, ok := k.root().(*roots); ok {
		return slices.Clone(r.ids)
	}
	return nil
}

// Reload reads the file again when another process has changed it. It reports
// whether it had; after an error the keys stay as they were.
func (k *Keyring) Reload() (changed bool, err error) {
	return k.reloadBy(k.from.Load())
}

func (k *Keyring) reloadBy(o *Options) (changed bool, err error) {
	path := filepath.Join(o.Dir, KeyringFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("keyring: %w", err)
	}
	if sha256.Sum256(data) == k.now.Load().digest {
		return false, nil
	}
	now, err := o.parse(path, data)
	if err != nil {
		return false, err
	}
	k.now.Store(now)
	return true, nil
}

// RotateRoot adds a root key to the keyring: it wraps from now on, and the older
// ones, also those of key services, unwrap what they wrapped until DropRoots.
func (k *Keyring) RotateRoot() (id uint32, err error) {
	err = k.change(func(p *platformKeys) error {
		m, err := rootOf(p)
		if err != nil {
			return err
		}
		if id, err = m.Add(aead.AES256GCMKeyTemplate()); err != nil {
			return err
		}
		if err := m.SetPrimary(id); err != nil {
			return err
		}
		p.Wraps = 0
		p.note(RootKey(id))
		return setRoot(p, m)
	})
	return id, err
}

// DropRoots destroys the root keys of these ids. The caller has seen that
// nothing is wrapped by them any more. The one that wraps is refused.
func (k *Keyring) DropRoots(ids ...uint32) error {
	return k.change(func(p *platformKeys) error {
		m, err := rootOf(p)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id == p.wraps(m) {
				return fmt.Errorf("root key %x wraps", id)
			}
			delete(p.Born, RootKey(id))
			if p.dropService(id) {
				continue
			}
			if err := replaceLocal(m, id); err != nil {
				return fmt.Errorf("root key %x: %w", id, err)
			}
		}
		return setRoot(p, m)
	})
}

// RotateReceipt adds a receipt key that signs from the given time on. The older
// public keys stay published: receipts live longer than keys.
func (k *Keyring) RotateReceipt(from time.Time) (id string, err error) {
	err = k.change(func(p *platformKeys) error {
		p.Receipt, id, err = nextSigner(p.Receipt, from)
		return err
	})
	return id, err
}

// SetRecovery names who can open a second copy of the keyring, recovery.age,
// when identity, passphrase or key service are lost: age recipients.
func (k *Keyring) SetRecovery(recipients ...string) error {
	return k.change(func(p *platformKeys) error {
		p.Recovery = recipients
		_, err := p.recipients()
		return err
	})
}

// Recovery lists the recipients.
func (k *Keyring) Recovery() []string { return slices.Clone(k.keys().Recovery) }

// Recover makes keyring.age anew, under the lock of o, from recovery.age and
// its identity. It replaces a keyring that does not open; one that does is
// refused, so that nothing newer is lost.
func Recover(o Options, identity io.Reader) error {
	if _, err := Open(Options{Dir: o.Dir, Passphrase: o.Passphrase, IdentityFile: o.IdentityFile, MustExist: true}); err == nil {
		return errors.New("keyring: the keyring opens; there is nothing to recover")
	}
	ids, err := age.ParseIdentities(identity)
	if err != nil {
		return errors.New("keyring: this is no age identity file") // the error quotes it
	}
	path := filepath.Join(o.Dir, RecoveryFile)
	sealed, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("keyring: %w: without it a lost root is lost, and with it every account's data", err)
	}
	plain, err := lock{identities: ids}.read(sealed)
	var mismatch *age.NoIdentityMatchError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%w: this identity does not open %s", ErrLocked, path)
	}
	if err != nil {
		return fmt.Errorf("%w: %s is damaged", ErrDamaged, path)
	}
	defer clear(plain)
	if _, _, err := parsePlatform(bytes.Clone(plain)); err != nil {
		return fmt.Errorf("keyring: %s: %w", path, err)
	}
	l, err := o.lock(true)
	if err != nil {
		return err
	}
	out, err := l.seal(plain)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return replaceFile(filepath.Join(o.Dir, KeyringFile), out)
}

// Reseal writes the keyring under the lock of o, in the place of the one that
// it was read under: another passphrase, identity or key service.
func (k *Keyring) Reseal(o Options) error {
	return k.changeUnder(o, func(*platformKeys) error { return nil })
}

// change has f edit the content of keyring.age and writes it in one step, under
// the lock it was read under. Two changes at once wait for each other.
func (k *Keyring) change(f func(*platformKeys) error) error { return k.changeUnder(*k.from.Load(), f) }

func (k *Keyring) changeUnder(o Options, f func(*platformKeys) error) error {
	from := k.from.Load()
	unlock, err := from.alone()
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(from.Dir, KeyringFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	plain, err := from.unseal(path, data)
	if err != nil {
		return err
	}
	defer clear(plain)
	var p platformKeys
	if err := decodeStrict(plain, &p); err != nil {
		return fmt.Errorf("keyring: %s: %w", path, err)
	}
	if err := f(&p); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return k.save(o, path, &p)
}

// save writes the recovery copy first: a stop between the two leaves one that
// knows more than the keyring, never less.
func (k *Keyring) save(o Options, path string, p *platformKeys) error {
	plain, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	defer clear(plain)
	if _, _, err := parsePlatform(bytes.Clone(plain)); err != nil {
		return fmt.Errorf("keyring: what would be written could not be read: %w", err)
	}
	to, err := p.recipients()
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if len(to) > 0 {
		sealed, err := sealFor(plain, to...)
		if err != nil {
			return fmt.Errorf("keyring: recovery: %w", err)
		}
		if err := replaceFile(filepath.Join(filepath.Dir(path), RecoveryFile), sealed); err != nil {
			return err
		}
	}
	l, err := o.lock(true)
	if err != nil {
		return err
	}
	sealed, err := l.seal(plain)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if err := replaceFile(path, sealed); err != nil {
		return err
	}
	now, err := o.parse(path, sealed)
	if err != nil {
		return err
	}
	k.from.Store(&o)
	k.now.Store(now)
	return k.RenewDoor()
}

// alone keeps other processes from changing the file meanwhile.
func (o Options) alone() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(o.Dir, "keyring.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return func() { f.Close() }, nil
}

// recipients reads Recovery.
func (p *platformKeys) recipients() (out []age.Recipient, err error) {
	for _, text := range p.Recovery {
		r, err := age.ParseRecipients(bytes.NewReader([]byte(text)))
		if err != nil || len(r) != 1 {
			return nil, errors.New("a recovery recipient is one age1… each")
		}
		out = append(out, r[0])
	}
	return out, nil
}

// note keeps when a key was made.
func (p *platformKeys) note(name string) {
	if p.Born == nil {
		p.Born = map[string]time.Time{}
	}
	p.Born[name] = time.Now().UTC().Truncate(time.Second)
}

func rootOf(p *platformKeys) (*keyset.Manager, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(p.Root)))
	if err != nil {
		return nil, errors.New("the root key cannot be read")
	}
	return keyset.NewManagerFromHandle(h), nil
}

func setRoot(p *platformKeys, m *keyset.Manager) error {
	h, err := m.Handle()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&out)); err != nil {
		return errors.New("the root key cannot be written")
	}
	p.Root = out.Bytes()
	return nil
}
