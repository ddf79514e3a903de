package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/store"
)

const keyColumns = `key_id, kind, role, name, key_hash, tail, sources, origins, any_origin, created_at, expires_at, revoked_at, rotated_at, used_at, networks`

var (
	addKey = store.Register("access.key.add", `INSERT INTO api_key (account_id, key_id, kind, role, name, key_hash, tail, sources, origins, any_origin, created_at, expires_at, networks)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`)
	setKeyNetworks = store.Register("access.key.networks", `UPDATE api_key SET networks = $3 WHERE account_id = $1 AND key_id = $2 AND revoked_at IS NULL`)
	revokeKey      = store.Register("access.key.revoke", `UPDATE api_key SET revoked_at = $3 WHERE account_id = $1 AND key_id = $2 AND revoked_at IS NULL`)
	allKeys        = store.Register("access.keys", `SELECT `+keyColumns+` FROM api_key WHERE account_id = $1 ORDER BY created_at DESC, key_id DESC`)
	rotateKey      = store.Register("access.key.rotate", `UPDATE api_key SET key_hash = $4, tail = $5, rotated_at = $6, expires_at = $7, used_at = NULL, warned_at = NULL
		WHERE account_id = $1 AND key_id = $2 AND key_hash = $3 AND revoked_at IS NULL`)
	addGeneration = store.Register("access.generation.add", `INSERT INTO key_generation (account_id, key_id, key_hash, tail, created_at, ends_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	generations = store.Register("access.generations", `SELECT key_id, key_hash, tail, created_at, ends_at, used_at FROM key_generation
		WHERE account_id = $1 ORDER BY created_at DESC, key_hash`)
	warnKey = store.Register("access.key.warn", `UPDATE api_key SET warned_at = $3 WHERE account_id = $1 AND key_id = $2 AND warned_at IS NULL`)

	keyBy        = store.Unbound("access.key.by-hash", `SELECT account_id, `+keyColumns+` FROM api_key WHERE key_hash = $1 AND revoked_at IS NULL`)
	keyByID      = store.Unbound("access.key.by-id", `SELECT account_id, `+keyColumns+` FROM api_key WHERE key_id = $1`)
	generationBy = store.Unbound("access.generation.by-hash", `SELECT key_id, key_hash, tail, created_at, ends_at, used_at FROM key_generation WHERE key_hash = $1`)
	seeKey       = store.Unbound("access.key.seen", `UPDATE api_key SET used_at = $2 WHERE key_hash = $1`)
	seeEarlier   = store.Unbound("access.generation.seen", `UPDATE key_generation SET used_at = $2 WHERE key_hash = $1`)
)

// Key is a publishable or secret key of an account. Its text is nowhere.
type Key struct {
	Account   account.ID
	ID        account.KeyID
	Kind      string       // "publishable" or "secret"
	Role      account.Role // of a secret key
	Name      string
	Hash      Hash               // of the present text
	Tail      string             // the last four characters of the text
	Sources   []account.SourceID // none means every source
	Origins   []string
	AnyOrigin bool
	Networks  caller.Networks // from where a secret key may be used; none: from anywhere
	CreatedAt time.Time
	ExpiresAt time.Time    // zero: never
	RevokedAt time.Time    // zero: it is valid
	RotatedAt time.Time    // since when it has its present text; zero: since it was made
	UsedAt    time.Time    // the present text, at the API, to the minute; zero: not yet
	Earlier   []Generation // the texts it had before, newest first; read by Keys
}

// Generation is a text that a key had before.
type Generation struct {
	Key       account.KeyID
	Hash      Hash
	Tail      string
	CreatedAt time.Time
	EndsAt    time.Time // it works until then
	UsedAt    time.Time // zero: never
}

// Hashes are those of all texts that work at the time, the present one first.
func (k *Key) Hashes(now time.Time) []Hash {
	out := []Hash{k.Hash}
	for _, g := range k.Earlier {
		if now.Before(g.EndsAt) {
			out = append(out, g.Hash)
		}
	}
	return out
}

// AddKey stores a key.
func AddKey(tx *store.Tx, k Key) error {
	sources, origins := []byte("[]"), []byte("[]")
	if len(k.Sources) > 0 {
		sources, _ = json.Marshal(k.Sources) // ids and strings cannot fail
	}
	if len(k.Origins) > 0 {
		origins, _ = json.Marshal(k.Origins)
	}
	return tx.Must(addKey, k.ID, k.Kind, string(k.Role), k.Name, k.Hash[:], k.Tail, string(sources), string(origins), k.AnyOrigin,
		k.CreatedAt.UnixMicro(), store.Micro(k.ExpiresAt), listOf(k.Networks))
}

// SetKeyNetworks says from where a key may be used; store.ErrNone when there is
// no valid one of that id.
func SetKeyNetworks(tx *store.Tx, id account.KeyID, n caller.Networks) error {
	return tx.Must(setKeyNetworks, id, listOf(n))
}

func listOf(n caller.Networks) string {
	text, _ := json.Marshal(n.Strings()) // strings cannot fail
	return string(text)
}

// RotateKey gives a key another text from now on; the present one works until
// ends. store.ErrNone: it is revoked, or was rotated a moment ago.
func RotateKey(tx *store.Tx, k Key, text Hash, tail string, now, ends, expires time.Time) error {
	if err := tx.Must(rotateKey, k.ID, k.Hash[:], text[:], tail, now.UnixMicro(), store.Micro(expires)); err != nil {
		return err
	}
	began := k.RotatedAt
	if began.IsZero() {
		began = k.CreatedAt
	}
	return tx.Must(addGeneration, k.ID, k.Hash[:], k.Tail, began.UnixMicro(), ends.UnixMicro(), store.Micro(k.UsedAt))
}

// RevokeKey ends a key; store.ErrNone when there is no valid one of that id.
func RevokeKey(tx *store.Tx, id account.KeyID, at time.Time) error {
	return tx.Must(revokeKey, id, at.UnixMicro())
}

// WarnKey notes that a key's near end was told. False: it was told before.
func WarnKey(tx *store.Tx, id account.KeyID, at time.Time) (bool, error) {
	n, err := tx.Exec(warnKey, id, at.UnixMicro())
	return n == 1, err
}

// Keys reads all keys of the account, newest first, revoked ones, too, with
// their generations.
func Keys(tx *store.Tx) (out []Key, err error) {
	rows, err := tx.Query(allKeys)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		k := Key{Account: tx.Account()}
		out = append(out, k)
		return out[len(out)-1].scan(scan)
	})
	if err != nil {
		return nil, err
	}
	earlier := map[account.KeyID][]Generation{}
	rows, err = tx.Query(generations)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		g, err := oneGeneration(scan)
		earlier[g.Key] = append(earlier[g.Key], g)
		return err
	})
	for i := range out {
		out[i].Earlier = earlier[out[i].ID]
	}
	return out, err
}

func oneGeneration(scan func(...any) error) (g Generation, err error) {
	var hash []byte
	err = scan(&g.Key, &hash, &g.Tail, store.Time(&g.CreatedAt), store.Time(&g.EndsAt), store.Time(&g.UsedAt))
	copy(g.Hash[:], hash)
	return g, err
}

// KeyBy finds a key that is not revoked by the hash of one of its texts that
// work at the time; store.ErrNone. The key is given as with that text alone:
// of an earlier one it has the hash, the end and the last use.
func KeyBy(d *store.Dir, h Hash, now time.Time) (k Key, err error) {
	k, err = oneKey(d.Row(keyBy, h[:]))
	if !errors.Is(err, store.ErrNone) {
		return k, err
	}
	g, err := oneGeneration(d.Row(generationBy, h[:]).Scan)
	if err != nil {
		return Key{}, err
	}
	if k, err = KeyByID(d, g.Key); err == nil && (!k.RevokedAt.IsZero() || !now.Before(g.EndsAt)) {
		err = store.ErrNone
	}
	k.Hash, k.Tail, k.UsedAt = g.Hash, g.Tail, g.UsedAt
	if k.ExpiresAt.IsZero() || g.EndsAt.Before(k.ExpiresAt) {
		k.ExpiresAt = g.EndsAt
	}
	return k, err
}

// KeyByID finds a key in whatever account, also one that is revoked;
// store.ErrNone. It reads all keys there are.
func KeyByID(d *store.Dir, id account.KeyID) (Key, error) { return oneKey(d.Row(keyByID, id)) }

func oneKey(row store.Row) (k Key, err error) {
	err = k.scan(func(dest ...any) error { return row.Scan(append([]any{&k.Account}, dest...)...) })
	return k, err
}

// SeeKey notes that the text of this hash was used.
func SeeKey(d *store.Dir, h Hash, at time.Time) error {
	n, err := d.Exec(seeKey, h[:], at.UnixMicro())
	if err == nil && n == 0 {
		_, err = d.Exec(seeEarlier, h[:], at.UnixMicro())
	}
	return err
}

func (k *Key) scan(scan func(...any) error) error {
	var role, sources, origins, networks string
	var hash []byte
	err := scan(&k.ID, &k.Kind, &role, &k.Name, &hash, &k.Tail, &sources, &origins, &k.AnyOrigin,
		store.Time(&k.CreatedAt), store.Time(&k.ExpiresAt), store.Time(&k.RevokedAt), store.Time(&k.RotatedAt), store.Time(&k.UsedAt), &networks)
	if err != nil {
		return err
	}
	k.Role = account.Role(role)
	copy(k.Hash[:], hash)
	if err := json.Unmarshal([]byte(sources), &k.Sources); err != nil {
		return fmt.Errorf("access: sources of %s: %w", k.ID, err)
	}
	if err := json.Unmarshal([]byte(origins), &k.Origins); err != nil {
		return fmt.Errorf("access: origins of %s: %w", k.ID, err)
	}
	if err := json.Unmarshal([]byte(networks), &k.Networks); err != nil {
		return fmt.Errorf("access: networks of %s: %w", k.ID, err)
	}
	return nil
}
