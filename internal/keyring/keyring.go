// Package keyring implements the vault: it keeps the keys and is the only
// place where personal data turns into ciphertext and back.
//
// The keys hang together like this (docs/decisions/0003-keys.md):
//
//	identity file or passphrase
//	  └ keyring.age        the root key and the platform's own keys
//	      └ account keyset one for each account, wrapped by the root; its caller stores it
//	          └ subject key one for each person or user, wrapped by the keyset; its caller stores it
//	              └ values  a name, a phone number, …
//
// A caller may rely on this: what a Sealer, a SubjectKey or a keyset sealed
// opens only in the place it was sealed for, a changed byte is refused, no
// error contains a key or a person's data, and all types are safe for
// concurrent use unless they say otherwise.
//
// The package does no SQL: rows with wrapped keys reach it through small
// functions that its callers hand over.
package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/tink"

	"catchment/internal/vault"
)

// Root wraps and unwraps account keysets: by the keys in keyring.age, or by a
// key service. Each call may be a network round trip: it stays off the path of
// a lead.
type Root = tink.AEADWithContext

// KeyService is a key of a key service: keyservice.Service. Its errors say
// keyservice.ErrAway, ErrRefused or ErrWrong.
type KeyService interface {
	Root
	Rewrap(ctx context.Context, sealed, aad []byte) (out []byte, changed bool, err error)
}

// Errors that callers tell apart with errors.Is.
var (
	// ErrLocked: the identity or the passphrase does not fit the keyring file.
	ErrLocked = errors.New("keyring: locked")
	// ErrDamaged: a ciphertext was changed, or belongs to another place, account or key.
	ErrDamaged = errors.New("keyring: the ciphertext does not open here")
	// ErrUnknownKey: a ciphertext names a key generation that this keyset does
	// not have; a keyset cached before a rotation says so too.
	ErrUnknownKey = errors.New("keyring: no key of this generation")
	// ErrGone, from a load of Accounts: the account was ended, and its keys are
	// not to be used any more.
	ErrGone = errors.New("keyring: the account was ended")
	// ErrEnded: the root key is past its end, see LifeOf. What it wrapped opens;
	// no account is made under it.
	ErrEnded = errors.New("keyring: the root key has ended: run catchment keys rotate root")
)

// Names of the files in Options.Dir.
const (
	KeyringFile  = "keyring.age"
	IdentityFile = "identity.txt"
	DoorFile     = "door.age"
	// DoorIdentity opens the door.age beside a keyring that waits for its
	// passphrase, see KeepDoor.
	DoorIdentity = "door.txt"
)

// Options says where the keys lie and what seals them.
type Options struct {
	// Dir holds keyring.age. It is made with mode 0700 when absent.
	Dir string
	// Passphrase, when set, is asked once and seals the file in place of an
	// identity (age's scrypt recipient, about a second).
	Passphrase func() (string, error)
	// IdentityFile is an age identity file; empty means Dir/identity.txt,
	// which is made at the first start. One that is named here is never made.
	IdentityFile string
	// KeyService is the URI of the key service that opens the keyring, in place
	// of identity and passphrase, and wraps accounts' keysets of a new one; empty
	// for none. Connect gives the client of a URI, also for those that only the
	// keyring names.
	KeyService string
	Connect    func(uri string) (KeyService, error)
	// MustExist refuses to make a new keyring: set it when there is data that
	// was sealed under an old one.
	MustExist bool

	workFactor int // log2 of scrypt's cost, for tests; 0 is age's default
}

// Keyring is an opened keyring file: the local root and the platform's keys.
type Keyring struct {
	from *atomic.Pointer[Options] // replaced by Reseal and Unlock
	now  *atomic.Pointer[opened]  // replaced by Reload
}

// opened is one state of the file.
type opened struct {
	root   Root
	keys   hidden[platformKeys]
	digest [sha256.Size]byte // of the file, to tell whether it was changed
}

func newKeyring(o Options, root Root, keys *platformKeys) *Keyring {
	if all, err := o.roots(root, keys); err == nil {
		root = all
	}
	return &Keyring{stored(&o), stored(&opened{root: root, keys: hide(keys)})}
}

func stored[T any](v *T) *atomic.Pointer[T] {
	p := new(atomic.Pointer[T])
	p.Store(v)
	return p
}

func (k *Keyring) keys() *platformKeys { return k.now.Load().keys() }
func (k *Keyring) root() Root          { return k.now.Load().root }

// Open reads the keyring of o.Dir, or makes one there at the first start. Two
// processes that start at once get the same one. What was just made has been
// read back from disk before Open returns.
func Open(o Options) (*Keyring, error) {
	if o.Passphrase != nil {
		o.Passphrase = sync.OnceValues(o.Passphrase) // making and reading back ask once
	}
	path := filepath.Join(o.Dir, KeyringFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := o.create(path); err != nil {
			return nil, err
		}
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	now, err := o.parse(path, data)
	if err != nil {
		return nil, err
	}
	return &Keyring{stored(&o), stored(now)}, nil
}

// parse opens what was read from the file at path.
func (o Options) parse(path string, data []byte) (*opened, error) {
	plain, err := o.unseal(path, data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	keys, local, err := parsePlatform(plain)
	if err != nil {
		return nil, fmt.Errorf("keyring: %s: %w", path, err)
	}
	root, err := o.roots(local, keys)
	if err != nil {
		return nil, fmt.Errorf("keyring: %s: %w", path, err)
	}
	return &opened{root, hide(keys), sha256.Sum256(data)}, nil
}

// create makes the file unless another process makes it first.
func (o Options) create(path string) error {
	if o.MustExist {
		return fmt.Errorf("keyring: %s is missing, but there is data sealed under it: put it back from its backup; a new one cannot open what the old one sealed", path)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	l, err := o.lock(true)
	if err != nil {
		return err
	}
	plain, err := o.newContent()
	if err != nil {
		return err
	}
	defer clear(plain)
	return l.write(path, plain)
}

// LoginIndex is the blind index by which a user is found at sign-in, before
// the account is known. Give it a normalised address.
func (k *Keyring) LoginIndex(normalised string) vault.MAC {
	var m vault.MAC
	copy(m[:], mac(k.keys().LoginIndex, normalised))
	return m
}

// TokenMAC is what the directory keeps of a session token or a one-time link
// ("session", "admin-link", …): a token of one kind is none of another, and a
// copy of the table lets nobody in.
func (k *Keyring) TokenMAC(kind, token string) [32]byte {
	return [32]byte(mac(k.keys().Token, kind+"\x00"+token))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// localRoot gives tink's local AEAD the shape of one over the network.
type localRoot struct {
	aead    tink.AEAD
	primary uint32
	ids     []uint32 // of all its keys
}

func (r localRoot) EncryptWithContext(_ context.Context, plain, aad []byte) ([]byte, error) {
	return r.aead.Encrypt(plain, aad)
}

func (r localRoot) DecryptWithContext(_ context.Context, sealed, aad []byte) ([]byte, error) {
	plain, err := r.aead.Decrypt(sealed, aad)
	if err != nil {
		return nil, ErrDamaged // there is no other reason without a network
	}
	return plain, nil
}
