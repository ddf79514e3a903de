package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/snapshot"
)

type keysRevokeCmd struct {
	config `embed:""`
	Key    string `arg:"" optional:"" help:"The key's id (key_…)."`
	Hash   string `help:"SHA-256 of the key's text in hex, where only the text is known: printf %s $KEY | sha256sum." placeholder:"HEX"`
}

// Run revokes a key, first at the doors, which need no SQL for it, and then in
// SQL: now, or by whichever server finds it back first.
func (c keysRevokeCmd) Run(w *world) error {
	t, err := c.tombstone()
	if err != nil {
		return err
	}
	if err := c.checkWires(); err != nil {
		return err
	}
	o := c.keyringOptions()
	o.MustExist = true // a tombstone of new keys would be believed by nobody
	ring, err := keyring.Open(o)
	if err != nil {
		return err
	}
	where, err := c.bury(w, ring, &t)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "revoked  %s\ndoors    %s\n", named(t), where)
	if err := c.settle(w, t); err != nil {
		c.logger(w).Debug("SQL", "error", err)
		fmt.Fprintln(w.out, "SQL      away; the first server that finds it back does the rest, and writes the records")
		return nil
	}
	fmt.Fprintln(w.out, "SQL      revoked, and on the record")
	return nil
}

// named is the tombstone's key as the command tells it.
func named(t snapshot.Tombstone) string {
	if t.Key.IsZero() {
		return "hash " + hex.EncodeToString(t.Hashes[0][:])
	}
	return t.Key.String()
}

func (c keysRevokeCmd) tombstone() (t snapshot.Tombstone, err error) {
	t = snapshot.Tombstone{At: time.Now().UTC(), Record: audit.NewID().String(), By: commander()}
	if (c.Key == "") == (c.Hash == "") {
		return t, usage("give the key's id (key_…), or --hash")
	}
	if c.Key != "" {
		if t.Key, err = account.ParseKeyID(c.Key); err != nil {
			return t, usage("%v", err)
		}
		return t, nil
	}
	raw, err := hex.DecodeString(c.Hash)
	if err != nil || len(raw) != len(snapshot.Hash{}) {
		return t, usage("--hash: want SHA-256 in 64 hexadecimal digits, and never the key itself")
	}
	t.Hashes = []snapshot.Hash{snapshot.Hash(raw)}
	return t, nil
}

// bury puts the tombstone where the doors see it. A journal inside a server
// cannot be reached from here: the tombstone is left for the server.
func (c keysRevokeCmd) bury(w *world, ring *keyring.Keyring, t *snapshot.Tombstone) (where string, err error) {
	if c.NATSURL == "" {
		name, sealed, err := snapshot.SealTombstone(*t, ring.SealSnapshot)
		if err != nil {
			return "", err
		}
		return "within a second, by the server on " + c.Data + ", or at its next start", c.leaveTombstone(name, sealed)
	}
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	o := c.journalOptions()
	o.Logger = c.logger(w)
	j, err := journal.Open(ctx, o)
	if err != nil {
		return "", err
	}
	defer j.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was appended
	bucket, err := j.Bucket(ctx, "snapshot")
	if err != nil {
		return "", err
	}
	r := snapshot.NewReader(bucket, ring.OpenSnapshot, o.Logger)
	r.Start()
	defer r.Stop()
	select {
	case <-r.Replayed():
		complete(r, t)
	case <-ctx.Done():
		return "", errors.New("the doors' snapshot cannot be read; nothing was revoked")
	}
	return "every node that reaches NATS, now; the others when they reach it again", snapshot.NewWriter(bucket, ring.SealSnapshot).Revoke(ctx, *t)
}

// settle is the house's, for a command.
func (c keysRevokeCmd) settle(w *world, t snapshot.Tombstone) error {
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	h, err := offline(ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	return h.settle(ctx, t)
}
