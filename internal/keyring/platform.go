package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// platformKeys is the content of keyring.age, as JSON. All of it is secret.
type platformKeys struct {
	Version int             `json:"v"`
	Root    json.RawMessage `json:"root"` // a tink keyset of AES-256-GCM keys
	doorKeys
	SnapshotSeed []byte       `json:"snapshot_signing"`            // Ed25519 seed; none: destroyed
	LaterSeeds   [][]byte     `json:"snapshots_signing,omitempty"` // of LaterSnapshots
	Record       []receiptKey `json:"record_signing,omitempty"`    // oldest first; none: made of SnapshotSeed
	LoginIndex   []byte       `json:"login_index"`                 // HMAC-SHA-256 key
	Token        []byte       `json:"token"`                       // HMAC-SHA-256 key of what stays: TOTP seeds, recovery codes, providers' subjects, push
	Flows        []flowKey    `json:"flows,omitempty"`             // oldest first; none: Token

	// Born says when keys were made, by their names; of a keyring from before
	// this was noted, the first receipt key tells.
	Born map[string]time.Time `json:"born,omitempty"`
	// Services are the key services that wrap accounts' keysets; Wraps is the id
	// of the one that does, 0 for the local root.
	Services []service `json:"services,omitempty"`
	Wraps    uint32    `json:"wraps,omitempty"`
	// Recovery are the age recipients for whom recovery.age is written.
	Recovery []string `json:"recovery,omitempty"`
}

// doorKeys is what a door needs of it; alone, the content of door.age.
type doorKeys struct {
	Receipt        []receiptKey `json:"receipt_signing"`  // oldest first; the last whose time has come signs
	SnapshotSeal   []byte       `json:"snapshot_sealing"` // AES-256-GCM key
	SnapshotPublic []byte       `json:"snapshot_public"`  // Ed25519 public key

	LaterSnapshots []snapshotKey `json:"snapshots,omitempty"`  // that came after it, oldest first
	DoorsFrom      int           `json:"doors_from,omitempty"` // the first of them all whose entries doors take
	Limits         []byte        `json:"limits,omitempty"`     // none: made of SnapshotSeal
}

type receiptKey struct {
	Seed      []byte    `json:"seed"` // Ed25519 seed
	NotBefore time.Time `json:"not_before"`
}

const formatVersion = 1

// newPlatform makes the content of a new keyring.
func newPlatform() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("keyring: new root key: %w", err)
	}
	var root bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&root)); err != nil {
		return nil, fmt.Errorf("keyring: new root key: %w", err)
	}
	seed, now := newKey(), time.Now().UTC().Truncate(time.Second)
	k := platformKeys{
		Version: formatVersion,
		Root:    root.Bytes(),
		doorKeys: doorKeys{
			Receipt:        []receiptKey{{Seed: newKey(), NotBefore: now}},
			SnapshotSeal:   newKey(),
			SnapshotPublic: publicOf(seed),
		},
		SnapshotSeed: seed,
		Record:       []receiptKey{{Seed: newKey(), NotBefore: now}},
		Flows:        []flowKey{{newKey(), now}},
		LoginIndex:   newKey(),
		Token:        newKey(),
		Born:         map[string]time.Time{RootKey(handle.KeysetInfo().GetPrimaryKeyId()): now, "snapshot": now, "login": now, "factors": now},
	}
	return json.Marshal(k)
}

// newKey gives 32 fresh random bytes. crypto/rand does not fail.
func newKey() []byte {
	k := make([]byte, 32)
	rand.Read(k)
	return k
}

// parsePlatform reads the content of keyring.age.
func parsePlatform(plain []byte) (*platformKeys, Root, error) {
	var k platformKeys
	if err := decodeStrict(plain, &k); err != nil {
		return nil, nil, err
	}
	if err := k.check(); err != nil {
		return nil, nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(k.Root)))
	if err != nil {
		return nil, nil, errors.New("the root key cannot be read")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, nil, errors.New("the root key is not an AEAD key")
	}
	clear(k.Root)
	k.Root = nil
	var ids []uint32
	for _, key := range handle.KeysetInfo().GetKeyInfo() {
		ids = append(ids, key.GetKeyId())
	}
	return &k, localRoot{primitive, handle.KeysetInfo().GetPrimaryKeyId(), ids}, nil
}

func (k *platformKeys) check() error {
	if k.Version != formatVersion {
		return fmt.Errorf("format %d is not known to this version of the program", k.Version)
	}
	for _, key := range [][]byte{k.LoginIndex, k.Token} {
		if len(key) != 32 {
			return errors.New("a key has the wrong length")
		}
	}
	if err := k.doorKeys.check(); err != nil {
		return err
	}
	return k.checkTurns()
}

func (k *doorKeys) check() error {
	if len(k.Receipt) == 0 {
		return errors.New("no receipt key")
	}
	for _, r := range k.Receipt {
		if len(r.Seed) != ed25519.SeedSize {
			return errors.New("a key has the wrong length")
		}
	}
	for _, s := range k.snapshots() {
		if len(s.Seal) != 32 || len(s.Public) != ed25519.PublicKeySize {
			return errors.New("a key has the wrong length")
		}
	}
	if k.DoorsFrom < 0 || k.DoorsFrom > len(k.LaterSnapshots) || len(k.Limits) != 0 && len(k.Limits) != 32 {
		return errors.New("the snapshot's keys are not of the form")
	}
	return nil
}

// decodeStrict reads one JSON value and nothing after it. Its errors name no
// value: the input is keys.
func decodeStrict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(into) != nil || d.InputOffset() != int64(len(b)) {
		return errors.New("the content is not of the expected form")
	}
	return nil
}

// Signer signs receipts, or checkpoints of records. KeyID tells a verifier which public key to take.
type Signer struct {
	KeyID string
	key   hidden[ed25519.PrivateKey]
}

// Sign returns the Ed25519 signature (RFC 8032) of the message.
func (s Signer) Sign(message []byte) []byte { return ed25519.Sign(*s.key(), message) }

// Public is the 32 bytes of RFC 8032.
func (s Signer) Public() []byte { return s.key().Public().(ed25519.PublicKey) }

// PublicKey is one that verifies receipts.
type PublicKey struct {
	KeyID     string
	Key       ed25519.PublicKey
	NotBefore time.Time
}

// keyID names an Ed25519 key by the first 8 bytes of its public half's SHA-256, in hex.
func keyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// receiptSigner is of the newest key whose time has come: a new one is
// published for a while before it signs.
func (k *doorKeys) receiptSigner(now time.Time) Signer { return signerAt(k.Receipt, now) }

func signerAt(all []receiptKey, t time.Time) Signer {
	at := all[0]
	for _, r := range all[1:] {
		if !r.NotBefore.After(t) {
			at = r
		}
	}
	key := ed25519.NewKeyFromSeed(at.Seed)
	return Signer{keyID(key.Public().(ed25519.PublicKey)), hide(&key)}
}

func (k *doorKeys) receiptPublicKeys() []PublicKey { return publicKeys(k.Receipt) }

func publicKeys(all []receiptKey) (out []PublicKey) {
	for _, r := range all {
		public := publicOf(r.Seed)
		out = append(out, PublicKey{keyID(public), public, r.NotBefore})
	}
	return out
}

// ReceiptSigner returns the signer with the newest receipt key that may sign by now.
func (k *Keyring) ReceiptSigner() Signer { return k.keys().receiptSigner(time.Now()) }

// ReceiptSignerAt returns the signer that signed receipts at that time.
func (k *Keyring) ReceiptSignerAt(t time.Time) Signer { return signerAt(k.keys().Receipt, t) }

// ReceiptPublicKeys lists the keys for /.well-known/catchment-receipt-keys.json, oldest first.
func (k *Keyring) ReceiptPublicKeys() []PublicKey { return k.keys().receiptPublicKeys() }

// Door returns what a process that only captures may hold: it signs receipts
// and reads snapshots, and neither makes a snapshot nor opens a lead.
func (k *Keyring) Door() *Door { return newDoor(k.doorKeys) }

func (k *Keyring) doorKeys() *doorKeys { return &k.keys().doorKeys }

// Door holds a door's keys.
type Door struct {
	from *atomic.Pointer[hidden[doorKeys]]
}

func newDoor(keys hidden[doorKeys]) *Door { return &Door{stored(&keys)} }

func (d *Door) keys() *doorKeys { return (*d.from.Load())() }

// Join has the door use the keyring's keys from now on, also those that it
// will have: of a door that was opened before the keyring was.
func (d *Door) Join(k *Keyring) { keys := hidden[doorKeys](k.doorKeys); d.from.Store(&keys) }

// ReceiptSigner returns the signer with the newest receipt key that may sign by now.
func (d *Door) ReceiptSigner() Signer { return d.keys().receiptSigner(time.Now()) }

// ReceiptPublicKeys lists the keys that verify receipts, oldest first.
func (d *Door) ReceiptPublicKeys() []PublicKey { return d.keys().receiptPublicKeys() }

// SaveDoor writes a door's keys to DIR/door.age under the lock of o, for a
// machine that only captures. It replaces an older one.
func (k *Keyring) SaveDoor(o Options) error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("keyring: door keys: %w", err)
	}
	l, err := o.lock(true)
	if err != nil {
		return err
	}
	return k.writeDoor(o.Dir, l)
}

func (k *Keyring) writeDoor(dir string, l lock) error {
	plain, err := json.Marshal(k.keys().doorKeys)
	if err != nil {
		return fmt.Errorf("keyring: door keys: %w", err)
	}
	defer clear(plain)
	sealed, err := l.seal(plain)
	if err != nil {
		return fmt.Errorf("keyring: door keys: %w", err)
	}
	return replaceFile(filepath.Join(dir, DoorFile), sealed)
}
