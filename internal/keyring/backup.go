package keyring

import (
	"context"
	"errors"
	"io"
	"time"

	"filippo.io/age"
)

// Backups, and the keys of the log, are age files. Their file key is wrapped by the root, so that the
// key service, or the local keyring, opens them; another recipient may stand
// beside it.

const (
	backupStanza = "catchment-root"
	backupAAD    = "catchment-backup-v1\n"
	logStanza    = "catchment-log"
	logAAD       = "catchment-log-v1\n"
	rootWait     = 30 * time.Second // for the key service
)

// BackupRecipient seals a backup for this keyring's root.
func (k *Keyring) BackupRecipient() age.Recipient { return rootKey{k, backupStanza, backupAAD} }

// BackupIdentity opens what was sealed for it, also under a root that was
// rotated since, as long as the root's keyset has its key.
func (k *Keyring) BackupIdentity() age.Identity { return rootKey{k, backupStanza, backupAAD} }

// LogRecipient and LogIdentity are the same for the program's own log. Neither
// opens what is the other's.
func (k *Keyring) LogRecipient() age.Recipient { return rootKey{k, logStanza, logAAD} }
func (k *Keyring) LogIdentity() age.Identity   { return rootKey{k, logStanza, logAAD} }

// SealedUnder tells by which root key a backup, or a key of the log, is sealed,
// from the head of the file; 0: by none.
func SealedUnder(sealed io.Reader) uint32 {
	var h head
	_, _ = age.Decrypt(sealed, &h) // it opens nothing
	return h.root
}

// head is an Identity that looks, and opens nothing.
type head struct{ root uint32 }

// Unwrap implements age.Identity.
func (h *head) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == backupStanza || s.Type == logStanza {
			h.root = WrappedBy(s.Body)
		}
	}
	return nil, age.ErrIncorrectIdentity
}

type rootKey struct {
	k           *Keyring
	stanza, aad string
}

// Wrap implements age.Recipient.
func (r rootKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rootWait)
	defer cancel()
	body, err := r.k.root().EncryptWithContext(ctx, fileKey, []byte(r.aad))
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: r.stanza, Body: body}}, nil
}

// Unwrap implements age.Identity.
func (r rootKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != r.stanza {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), rootWait)
		key, err := r.k.root().DecryptWithContext(ctx, s.Body, []byte(r.aad))
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
