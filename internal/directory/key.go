package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/setup"
)

// NewKey is a key to make. Role is a secret key's; Origins and AnyOrigin are a
// publishable one's.
type NewKey struct {
	Kind      string // PublishableKey or SecretKey
	Name      string
	Role      account.Role
	Sources   []account.SourceID // none means every source
	Origins   []string
	AnyOrigin bool      // also without an Origin header
	Networks  []string  // from where a secret key may be used; none: from anywhere
	ExpiresAt time.Time // zero: a secret key ends after KeyLife, a publishable one never
}

// KeyLife is how long a secret key works when nothing else is said, and
// LongestKeyLife how long one may.
const (
	KeyLife        = 365 * 24 * time.Hour
	LongestKeyLife = 5 * KeyLife
)

// LongestOverlap is how long a key's earlier text may go on working.
const LongestOverlap = 90 * 24 * time.Hour

// keyEnd judges when a key is to end.
func (f *faults) keyEnd(kind string, at, now time.Time) time.Time {
	switch {
	case at.IsZero() && kind == SecretKey:
		return now.Add(KeyLife)
	case at.IsZero():
		return time.Time{}
	case !at.After(now):
		f.add("expires_at", "in_the_past", "Send a time in the future.")
	case kind == SecretKey && at.After(now.Add(LongestKeyLife)):
		f.add("expires_at", "too_late", "A secret key ends within five years. Rotate it before.")
	}
	return store.Clock(at)
}

// CreateKey makes a key. Its text is given this once and stored nowhere.
func (d *Directory) CreateKey(tx *store.Tx, n NewKey) (text string, k Key, err error) {
	now := d.now()
	var f faults
	k = Key{Account: tx.Account(), ID: account.NewKeyID(), Kind: n.Kind, Role: n.Role, Sources: n.Sources, AnyOrigin: n.AnyOrigin,
		CreatedAt: now}
	k.Name = f.name("name", n.Name)
	k.Origins = f.origins("origins", n.Origins)
	k.ExpiresAt = f.keyEnd(n.Kind, n.ExpiresAt, now)
	k.Networks = f.keyNetworks(n.Kind, n.Networks)
	prefix := publishablePrefix
	switch n.Kind {
	case PublishableKey:
		if n.Role != "" {
			f.add("role", "not_here", "A publishable key has no role.")
		}
		if len(n.Origins) == 0 && !n.AnyOrigin {
			f.add("origins", "required", "Name the origins of the pages that use the key, such as https://www.example.com.")
		}
	case SecretKey:
		prefix = secretPrefix
		if _, err := f.role(tx, "role", n.Role); err != nil {
			return "", Key{}, err
		}
		if len(n.Origins) > 0 || n.AnyOrigin {
			f.add("origins", "not_here", "A secret key has no origins; it must not be in a page.")
		}
	default:
		f.add("kind", "bad_kind", "Use publishable or secret.")
	}
	if err := f.sources(tx, n.Sources); err != nil {
		return "", Key{}, err
	}
	text, k.Hash = NewToken(prefix)
	k.Tail = text[len(text)-4:]
	if err := access.AddKey(tx, k); err != nil {
		return "", Key{}, err
	}
	return text, k, d.o.Changed(tx)
}

func (f *faults) sources(tx *store.Tx, ids []account.SourceID) error {
	if len(ids) == 0 {
		return f.err()
	}
	all, err := setup.Sources(tx)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if !slices.ContainsFunc(all, func(s Source) bool { return s.ID == id }) {
			f.add(fmt.Sprintf("sources.%d", i), "unknown_source", "Send ids of sources of the account.")
		}
	}
	return f.err()
}

// KeyOf reads a key of the account.
func KeyOf(tx *store.Tx, id account.KeyID) (Key, error) {
	all, err := access.Keys(tx)
	if err != nil {
		return Key{}, err
	}
	i := slices.IndexFunc(all, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, problem.NotFound()
	}
	return all[i], nil
}

// RotateKey gives a key a new text, this once. The old one works for the
// overlap, but not beyond the end that it had; with none it ends everywhere as
// a revoked key does. expires is the new end, judged as a new key's; zero
// leaves a publishable key's as it is.
func (d *Directory) RotateKey(tx *store.Tx, id account.KeyID, overlap time.Duration, expires time.Time) (text string, k Key, err error) {
	if k, err = KeyOf(tx, id); err != nil {
		return "", Key{}, err
	}
	now := d.now()
	if !k.RevokedAt.IsZero() {
		return "", Key{}, problem.Conflict("key_revoked", "The key is revoked, and stays so. Make a new one.")
	}
	var f faults
	if expires.IsZero() && k.Kind == PublishableKey && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)) {
		expires = k.ExpiresAt
	}
	expires = f.keyEnd(k.Kind, expires, now)
	if overlap < 0 || overlap > LongestOverlap {
		f.add("overlap_seconds", "out_of_range", "Use 0 to %d seconds, which is 90 days.", int(LongestOverlap.Seconds()))
	}
	if err := f.err(); err != nil {
		return "", Key{}, err
	}
	ends := now.Add(overlap)
	if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(ends) {
		ends = k.ExpiresAt
	}
	prefix := publishablePrefix
	if k.Kind == SecretKey {
		prefix = secretPrefix
	}
	text, hash := NewToken(prefix)
	if err := access.RotateKey(tx, k, hash, text[len(text)-4:], now, ends, expires); err != nil {
		return "", Key{}, err
	}
	d.revoked(tx) // what is believed of the old text gets its end
	if !now.Before(ends) {
		old := Key{Hash: k.Hash, RevokedAt: now, ExpiresAt: k.ExpiresAt}
		tx.AfterCommit(func() { d.o.Tombstones.Bury(old) })
	}
	if k, err = KeyOf(tx, id); err != nil {
		return "", Key{}, err
	}
	return text, k, d.o.Changed(tx)
}

// KeyEndsSoon is how long before its end a key is told of.
const KeyEndsSoon = 14 * 24 * time.Hour

// EndsSoon reports whether a valid key ends within KeyEndsSoon.
func EndsSoon(k Key, now time.Time) bool {
	return k.RevokedAt.IsZero() && !k.ExpiresAt.IsZero() && now.Before(k.ExpiresAt) && now.Add(KeyEndsSoon).After(k.ExpiresAt)
}

// EndingKeys gives each of the account's keys that ends soon, once: it notes
// that it was told.
func (d *Directory) EndingKeys(tx *store.Tx) (out []Key, err error) {
	all, err := access.Keys(tx)
	if err != nil {
		return nil, err
	}
	now := d.now()
	for _, k := range all {
		if !EndsSoon(k, now) {
			continue
		}
		fresh, err := access.WarnKey(tx, k.ID, now)
		if err != nil {
			return nil, err
		}
		if fresh {
			out = append(out, k)
		}
	}
	return out, nil
}

// RevokeKey ends a key, on every node as soon as it is committed. False: it
// was revoked already, and stays so.
func (d *Directory) RevokeKey(tx *store.Tx, id account.KeyID) (bool, error) {
	k, err := KeyOf(tx, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return false, err
	}
	k.RevokedAt = d.now()
	d.revoked(tx)
	tx.AfterCommit(func() { d.o.Tombstones.Bury(k) })
	if err := access.RevokeKey(tx, id, k.RevokedAt); err != nil {
		return false, err
	}
	return true, d.o.Changed(tx)
}

// SeeKeys notes that the texts of these hashes were used: at the capture doors,
// which do not say so themselves.
func (d *Directory) SeeKeys(ctx context.Context, hashes []access.Hash) error {
	return d.o.DB.Directory(ctx, func(dir *store.Dir) error {
		for _, h := range hashes {
			if err := access.SeeKey(dir, h, d.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// FindKey finds a key by its id, or by a hash of its text when the id is zero,
// in whatever account; store.ErrNone.
func (d *Directory) FindKey(ctx context.Context, id account.KeyID, hash access.Hash) (k Key, err error) {
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		if id.IsZero() {
			k, err = access.KeyBy(dir, hash, d.now())
		} else {
			k, err = access.KeyByID(dir, id)
		}
		return err
	})
	return k, err
}
