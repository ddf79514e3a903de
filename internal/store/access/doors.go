package access

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// DoorKey is a key that is not revoked, as the doors' snapshot has it.
type DoorKey struct {
	ID        account.KeyID
	Kind      string // publishable, secret
	Role      account.Role
	Hash      [32]byte // SHA-256 of its text
	Sources   []account.SourceID
	Origins   []string
	AnyOrigin bool
	ExpiresAt time.Time
}

var doorKeys = store.Register("access.doors.keys", `SELECT key_id, kind, role, key_hash, sources, origins, any_origin, expires_at
	FROM api_key WHERE account_id = $1 AND revoked_at IS NULL ORDER BY key_id`)

// DoorKeys lists them.
func DoorKeys(tx *store.Tx) ([]DoorKey, error) {
	var out []DoorKey
	rows, err := tx.Query(doorKeys)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		k, err := scanDoorKey(scan)
		out = append(out, k)
		return err
	})
	return out, err
}

func scanDoorKey(scan func(...any) error) (k DoorKey, err error) {
	var hash []byte
	var role, sources, origins string
	if err := scan(&k.ID, &k.Kind, &role, &hash, &sources, &origins, &k.AnyOrigin, store.Time(&k.ExpiresAt)); err != nil {
		return k, err
	}
	if len(hash) != len(k.Hash) {
		return k, fmt.Errorf("access: the hash of key %s has %d bytes", k.ID, len(hash))
	}
	k.Role = account.Role(role)
	copy(k.Hash[:], hash)
	if err := json.Unmarshal([]byte(sources), &k.Sources); err != nil {
		return k, fmt.Errorf("access: sources of key %s: %w", k.ID, err)
	}
	if err := json.Unmarshal([]byte(origins), &k.Origins); err != nil {
		return k, fmt.Errorf("access: origins of key %s: %w", k.ID, err)
	}
	return k, nil
}
