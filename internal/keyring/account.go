package keyring

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// keysetContent is an account's keyset before it is wrapped, as JSON. A
// rotation adds a generation, and Shed takes keys out of old ones; the other
// keys stay as they are, because what they hashed stays in the tables.
type keysetContent struct {
	Version     int          `json:"v"`
	Generations []generation `json:"generations"` // oldest first; the last one seals
	Index       []byte       `json:"index"`       // the blind-index keys are derived from it
	CaptureID   []byte       `json:"capture_id"`  // HMAC-SHA-256 key of enquiry ids
	Born        time.Time    `json:"made_at,omitzero"`
}

type generation struct {
	Number  uint32    `json:"n"`                  // in wrapped subject keys and drop boxes
	Wrap    []byte    `json:"wrap,omitempty"`     // AES-256-GCM key over subject keys; none: destroyed
	DropBox []byte    `json:"drop_box,omitempty"` // HPKE private key (RFC 9180, 7.1.2); none: destroyed
	Born    time.Time `json:"made_at,omitzero"`   // zero: before this was noted
}

// AccountKeys is an account's keyset, ready for use.
type AccountKeys struct {
	id      account.ID
	newest  uint32
	dropBox vault.DropBox
	secrets hidden[accountSecrets]
	newer   func(generation uint32) *AccountKeys // of a cached keyset: one that has the generation, or nil
}

type accountSecrets struct {
	content keysetContent
	wraps   map[uint32]cipher.AEAD // by generation
	boxes   map[uint32]hpke.PrivateKey
	index   map[vault.IndexField][]byte
}

// The drop box's HPKE suite. The KEM is X-Wing: it stands as long as either
// X25519 or ML-KEM-768 does.
func dropBoxKEM() hpke.KEM { return hpke.MLKEM768X25519() }

// NewAccount makes the keyset of a new account. The caller stores wrapped
// under AccountKeys.Version before it seals anything.
func (k *Keyring) NewAccount(ctx context.Context, id account.ID) (wrapped []byte, keys *AccountKeys, err error) {
	if k.rootEnded(time.Now()) {
		return nil, nil, ErrEnded
	}
	g, err := newGeneration(1)
	if err != nil {
		return nil, nil, err
	}
	return k.wrapAccount(ctx, id, keysetContent{
		Born:        g.Born,
		Version:     formatVersion,
		Generations: []generation{g},
		Index:       newKey(),
		CaptureID:   newKey(),
	})
}

// FindingKeys are the keys by which an account finds again what it has: those of
// blind indexes, and of enquiries' ids under idempotency keys. An archive of the
// whole account carries them beside the texts; NewAccountLike takes them.
type FindingKeys struct {
	Index     []byte `json:"index"`
	CaptureID []byte `json:"capture_id"`
}

// FindingKeys gives them to whoever may have everything of the account.
func (a *AccountKeys) FindingKeys() FindingKeys {
	c := a.secrets().content
	return FindingKeys{slices.Clone(c.Index), slices.Clone(c.CaptureID)}
}

// NewAccountLike is NewAccount for an account that comes from elsewhere: its
// keys to seal with are new, and what was indexed is found as before.
func (k *Keyring) NewAccountLike(ctx context.Context, id account.ID, find FindingKeys) (wrapped []byte, keys *AccountKeys, err error) {
	if k.rootEnded(time.Now()) {
		return nil, nil, ErrEnded
	}
	g, err := newGeneration(1)
	if err != nil {
		return nil, nil, err
	}
	return k.wrapAccount(ctx, id, keysetContent{Born: g.Born, Version: formatVersion, Generations: []generation{g}, Index: find.Index, CaptureID: find.CaptureID})
}

// Rotate gives the account new keys to seal with; what the old ones sealed
// still opens. The caller stores wrapped under the new Version, publishes the
// new DropBox and lets its Accounts Forget the account.
func (k *Keyring) Rotate(ctx context.Context, keys *AccountKeys) (wrapped []byte, rotated *AccountKeys, err error) {
	g, err := newGeneration(keys.newest + 1)
	if err != nil {
		return nil, nil, err
	}
	content := keys.secrets().content
	content.Generations = append(slices.Clip(content.Generations), g)
	return k.wrapAccount(ctx, keys.id, content)
}

func newGeneration(n uint32) (generation, error) {
	private, err := dropBoxKEM().GenerateKey()
	if err != nil {
		return generation{}, fmt.Errorf("keyring: new drop box: %w", err)
	}
	box, err := private.Bytes()
	if err != nil {
		return generation{}, fmt.Errorf("keyring: new drop box: %w", err)
	}
	return generation{Number: n, Wrap: newKey(), DropBox: box, Born: time.Now().UTC().Truncate(time.Second)}, nil
}

func (k *Keyring) wrapAccount(ctx context.Context, id account.ID, content keysetContent) ([]byte, *AccountKeys, error) {
	if id.IsZero() {
		return nil, nil, errors.New("keyring: an account keyset needs an account")
	}
	plain, err := json.Marshal(content)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: keyset: %w", err)
	}
	defer clear(plain)
	keys, err := parseKeyset(id, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: keyset of %s: %w", id, err)
	}
	wrapped, err := k.root().EncryptWithContext(ctx, plain, keysetAAD(id))
	if err != nil {
		return nil, nil, fmt.Errorf("keyring: wrap the keyset of %s: %w", id, err)
	}
	return wrapped, keys, nil
}

// LoadAccount unwraps what NewAccount or Rotate gave for this account. It is
// slow (a fraction of a millisecond here, a round trip with a key service):
// use it through Accounts. It is
// ErrDamaged when wrapped was changed, or wrapped by another keyring or for
// another account.
func (k *Keyring) LoadAccount(ctx context.Context, id account.ID, wrapped []byte) (*AccountKeys, error) {
	plain, err := k.root().DecryptWithContext(ctx, wrapped, keysetAAD(id))
	if errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("the keyset of %s was changed, or wrapped by another keyring: %w", id, err)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: unwrap the keyset of %s: %w", id, err)
	}
	defer clear(plain)
	keys, err := parseKeyset(id, plain)
	if err != nil {
		return nil, fmt.Errorf("keyring: keyset of %s: %w", id, err)
	}
	return keys, nil
}

func keysetAAD(id account.ID) []byte {
	return append([]byte("catchment-account-keyset-v1\n"), id.Bytes()...)
}

// parseKeyset reads a keyset's content and makes its keys ready.
func parseKeyset(id account.ID, plain []byte) (*AccountKeys, error) {
	var c keysetContent
	if err := decodeStrict(plain, &c); err != nil {
		return nil, err
	}
	if c.Version != formatVersion {
		return nil, fmt.Errorf("format %d is not known to this version of the program", c.Version)
	}
	if len(c.Index) != 32 || len(c.CaptureID) != 32 || len(c.Generations) == 0 {
		return nil, errors.New("a key is missing or has the wrong length")
	}
	secrets := &accountSecrets{
		content: c,
		wraps:   map[uint32]cipher.AEAD{},
		boxes:   map[uint32]hpke.PrivateKey{},
		index:   map[vault.IndexField][]byte{},
	}
	keys := &AccountKeys{id: id, secrets: hide(secrets)}
	for _, g := range c.Generations {
		if err := keys.add(g); err != nil {
			return nil, err
		}
	}
	if secrets.wraps[keys.newest] == nil || secrets.boxes[keys.newest] == nil {
		return nil, errors.New("the newest generation lacks a key")
	}
	for _, f := range []vault.IndexField{vault.ByPhone, vault.ByEmail, vault.ByRawPhone, vault.ByRawEmail} {
		secrets.index[f] = secrets.deriveIndex(f)
	}
	return keys, nil
}

func (a *AccountKeys) add(g generation) error {
	if g.Number <= a.newest || len(g.Wrap) != 32 && len(g.Wrap) != 0 {
		return errors.New("the key generations are not in order")
	}
	a.newest = g.Number
	if len(g.Wrap) > 0 {
		a.secrets().wraps[g.Number] = mustGCM(g.Wrap)
	}
	if len(g.DropBox) == 0 {
		return nil
	}
	private, err := dropBoxKEM().NewPrivateKey(g.DropBox)
	if err != nil {
		return errors.New("a drop-box key cannot be read")
	}
	a.secrets().boxes[g.Number] = private
	a.dropBox = vault.DropBox{Account: a.id, KeyID: g.Number, Public: private.PublicKey().Bytes()}
	return nil
}

// ID returns whose keys they are.
func (a *AccountKeys) ID() account.ID { return a.id }

// Version is the number of the newest generation: the keyset_version of the
// rows that are written with these keys.
func (a *AccountKeys) Version() uint32 { return a.newest }

// DropBox returns the public half of the newest drop box, for the snapshot.
func (a *AccountKeys) DropBox() vault.DropBox {
	d := a.dropBox
	d.Public = slices.Clone(d.Public)
	return d
}

// CaptureIDKey returns the key for ident.Keyed of an enquiry under an
// Idempotency-Key. The doors get it in the sealed snapshot.
func (a *AccountKeys) CaptureIDKey() []byte { return slices.Clone(a.secrets().content.CaptureID) }

// Index returns the blind index of a normalised value. Test leads live in an
// index of their own: they never meet a real person.
func (a *AccountKeys) Index(field vault.IndexField, test bool, normalised string) vault.MAC {
	key, ok := a.secrets().index[field]
	if !ok {
		key = a.secrets().deriveIndex(field)
	}
	world := "live\n"
	if test {
		world = "test\n"
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(world))
	h.Write([]byte(normalised))
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return vault.MAC(sum[:16])
}

// deriveIndex gives each field a key of its own; a new field needs no rotation.
func (s *accountSecrets) deriveIndex(field vault.IndexField) []byte {
	return mac(s.content.Index, "catchment-index-v1\n"+string(field))
}
