package keyring

import "time"

// RecordKey signs the checkpoints of accounts' records, with the newest key
// whose time has come. No door has one.
func (k *Keyring) RecordKey() Signer { return signerAt(k.keys().records(), time.Now()) }

// RecordPublicKeys lists the keys for /.well-known/catchment-record-keys.json, oldest first.
func (k *Keyring) RecordPublicKeys() []PublicKey { return publicKeys(k.keys().records()) }
