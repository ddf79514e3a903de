package keyring

import (
	"context"
	"errors"
	"time"

	"filippo.io/age"
)

// Backups are age files. Their file key is wrapped by the root, so that the
// key service, or the local keyring, opens them; another recipient may stand
// beside it.

const (
	backupStanza = "catchment-root"
	backupAAD    = "catchment-backup-v1\n"
	backupWait   = 30 * time.Second // for the key service
)

// BackupRecipient seals a backup for this keyring's root.
func (k *Keyring) BackupRecipient() age.Recipient { return backupKey{k} }

// BackupIdentity opens what was sealed for it, also under a root that was
// rotated since, as long as the root's keyset has its key.
func (k *Keyring) BackupIdentity() age.Identity { return backupKey{k} }

type backupKey struct{ k *Keyring }

// Wrap implements age.Recipient.
func (b backupKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	ctx, cancel := context.WithTimeout(context.Background(), backupWait)
	defer cancel()
	body, err := b.k.root().EncryptWithContext(ctx, fileKey, []byte(backupAAD))
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: backupStanza, Body: body}}, nil
}

// Unwrap implements age.Identity.
func (b backupKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != backupStanza {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), backupWait)
		key, err := b.k.root().DecryptWithContext(ctx, s.Body, []byte(backupAAD))
		cancel()
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, ErrDamaged) {
			return nil, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}
