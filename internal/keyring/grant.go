package keyring

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// ErrNoGrant: the grant's key is destroyed, or it never had one. What was
// wrapped by it opens nothing any more, wherever a copy lies.
var ErrNoGrant = errors.New("keyring: the grant has no key any more")

// GrantID is the 16 bytes of a grant's id.
type GrantID [16]byte

// Grant is the key of one grant: it wraps the keys of the persons in its scope
// a second time, for whoever has no keyset of the account.
type Grant struct {
	account account.ID
	id      GrantID
	aead    hidden[cipher.AEAD]
}

// Safe keeps secrets outside SQL and its backups, for all nodes: Put is durable
// on return, Get gives nil for what is not there, and what Destroy was asked for
// is written over. The journal's Safe is one.
type Safe interface {
	Put(ctx context.Context, name string, secret []byte) error
	Get(ctx context.Context, name string) ([]byte, error)
	Destroy(ctx context.Context, name string) error
	Names(ctx context.Context) ([]string, error)
}

// Grants keeps the keys of grants, sealed by the keyring, in the safe and nowhere
// else. They are never cached: a destroyed key is gone with the next Get.
type Grants struct {
	ring *Keyring
	safe Safe
}

// NewGrants returns it.
func NewGrants(k *Keyring, safe Safe) *Grants { return &Grants{k, safe} }

// New makes the key of a grant and returns when it is on disk.
func (g *Grants) New(ctx context.Context, of account.ID, id GrantID, until time.Time) (Grant, error) {
	secret := newKey()
	defer clear(secret)
	kept := make([]byte, untilSize, untilSize+len(secret)+28)
	kept[0] = formatVersion
	binary.BigEndian.PutUint64(kept[1:], uint64(until.UnixMicro()))
	if err := g.safe.Put(ctx, id.name(), g.seal().Seal(kept, nil, secret, grantAAD(of, id, vault.Subject{}))); err != nil {
		return Grant{}, fmt.Errorf("keyring: key of a grant: %w", err)
	}
	return newGrant(of, id, secret), nil
}

// Get reads the key of a grant; ErrNoGrant when it was destroyed.
func (g *Grants) Get(ctx context.Context, of account.ID, id GrantID) (Grant, error) {
	kept, err := g.safe.Get(ctx, id.name())
	if err != nil {
		return Grant{}, fmt.Errorf("keyring: key of a grant: %w", err)
	}
	if kept == nil {
		return Grant{}, ErrNoGrant
	}
	if len(kept) < untilSize || kept[0] != formatVersion {
		return Grant{}, fmt.Errorf("key of a grant: %w", ErrDamaged)
	}
	secret, err := g.seal().Open(nil, nil, kept[untilSize:], grantAAD(of, id, vault.Subject{}))
	if err != nil || len(secret) != 32 {
		return Grant{}, fmt.Errorf("key of a grant: %w", ErrDamaged)
	}
	defer clear(secret)
	return newGrant(of, id, secret), nil
}

// Destroy has the key written over; it may be asked for again.
func (g *Grants) Destroy(ctx context.Context, id GrantID) error {
	if err := g.safe.Destroy(ctx, id.name()); err != nil {
		return fmt.Errorf("keyring: key of a grant: %w", err)
	}
	return nil
}

// Overdue lists the grants whose keys should have been destroyed by then.
func (g *Grants) Overdue(ctx context.Context, now time.Time) (out []GrantID, err error) {
	names, err := g.safe.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("keyring: keys of grants: %w", err)
	}
	for _, name := range names {
		b, err := hex.DecodeString(name)
		if err != nil || len(b) != len(GrantID{}) {
			continue
		}
		sealed, err := g.safe.Get(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("keyring: keys of grants: %w", err)
		}
		if len(sealed) > untilSize && !now.Before(untilOf(sealed)) {
			out = append(out, GrantID(b))
		}
	}
	return out, nil
}

// A kept key is version ‖ until (8 bytes, microseconds) ‖ nonce ‖ AES-256-GCM of
// the 32 bytes, bound to account and grant.
const untilSize = 1 + 8

func untilOf(kept []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(kept[1:untilSize]))).UTC()
}

func (id GrantID) name() string { return hex.EncodeToString(id[:]) }

func (g *Grants) seal() cipher.AEAD {
	key, err := hkdf.Expand(sha256.New, g.ring.keys().Token, "catchment grants v1", 32)
	if err != nil {
		panic(err) // only the length can be wrong
	}
	defer clear(key)
	return mustGCM(key)
}

func newGrant(of account.ID, id GrantID, secret []byte) Grant {
	aead := mustGCM(secret)
	return Grant{of, id, hide(&aead)}
}

// grantAAD binds what a grant's key seals to account, grant and subject; the key
// itself has no subject.
func grantAAD(of account.ID, id GrantID, subject vault.Subject) []byte {
	a := of.UUID()
	b := append([]byte("catchment-grant-v1\n"), a[:]...)
	b = append(b, id[:]...)
	return append(b, subject[:]...)
}

// Lend wraps a subject's key a second time, by the grant's. It is the account's
// side that lends: whoever holds its keyset.
func (a *AccountKeys) Lend(to Grant, subject vault.Subject, wrapped []byte) ([]byte, error) {
	if to.account != a.id {
		return nil, fmt.Errorf("keyring: a grant of another account: %w", ErrDamaged)
	}
	if len(wrapped) < wrappedHeader || wrapped[0] != formatVersion {
		return nil, fmt.Errorf("subject key: %w", ErrDamaged)
	}
	fresh, err := a.unwrapSubject(subject, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(fresh)
	return (*to.aead()).Seal([]byte{formatVersion}, nil, fresh, grantAAD(to.account, to.id, subject)), nil
}

// subjectKey unwraps what Lend gave.
func (g Grant) subjectKey(subject vault.Subject, lent []byte) (SubjectKey, error) {
	if len(lent) == 0 || lent[0] != formatVersion {
		return SubjectKey{}, fmt.Errorf("lent key: %w", ErrDamaged)
	}
	fresh, err := (*g.aead()).Open(nil, nil, lent[1:], grantAAD(g.account, g.id, subject))
	if err != nil || len(fresh) != 32 {
		return SubjectKey{}, fmt.Errorf("lent key: %w", ErrDamaged)
	}
	defer clear(fresh)
	aead := mustGCM(fresh)
	return SubjectKey{g.account, subject, hide(&aead)}, nil
}

// GrantOpener opens by a grant alone: it has no account's keyset. Its entries
// name the grant.
type GrantOpener struct {
	Grants *Grants
	// Record writes the entry and returns after its commit; it refuses what the
	// grant does not allow, or not any more.
	Record func(context.Context, Opening) error
	// Lent gives the keys that the grant wraps, of those subjects that have one.
	Lent func(context.Context, account.Scope, GrantID, []vault.Subject) (map[vault.Subject][]byte, error)
}

// Open is Opener.Open under a grant. The error is ErrNoGrant once its key is
// destroyed.
func (o *GrantOpener) Open(ctx context.Context, scope account.Scope, id GrantID, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (Opened, error) {
	var grant Grant
	by := Opener{
		Record: func(ctx context.Context, e Opening) (err error) {
			if grant, err = o.Grants.Get(ctx, scope.Account(), id); err != nil {
				return err // before the record says that something was opened
			}
			e.Grant = id
			return o.Record(ctx, e)
		},
		unwrapped: func(ctx context.Context, subjects []vault.Subject) (map[vault.Subject]*SubjectKey, error) {
			lent, err := o.Lent(ctx, scope, id, subjects)
			if err != nil {
				return nil, fmt.Errorf("keyring: read the lent keys: %w", err)
			}
			keys := make(map[vault.Subject]*SubjectKey, len(lent))
			for subject, l := range lent {
				key, err := grant.subjectKey(subject, l)
				if err != nil {
					keys[subject] = nil
					continue
				}
				keys[subject] = &key
			}
			return keys, nil
		},
	}
	return by.Open(ctx, scope, actor, purpose, sealed...)
}
