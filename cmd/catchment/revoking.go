package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// tombstones joins the directory to the doors' snapshot: a revoked key has its
// tombstone there, which every node watches and which needs no SQL.
type tombstones struct{ h *house }

// Bury implements directory.Tombstones. It runs between the commit and the
// answer, so it does not wait for long.
func (t tombstones) Bury(k directory.Key) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	stone := snapshot.Tombstone{Key: k.ID, At: k.RevokedAt, Until: k.ExpiresAt, Settled: true}
	for _, hash := range k.Hashes(k.RevokedAt) {
		stone.Hashes = append(stone.Hashes, hash)
	}
	if err := t.h.writer.Revoke(ctx, stone); err != nil {
		t.h.log.Warn("a revoked key has no tombstone; the doors learn of it by their snapshot", "key", k.ID, "error", err)
	}
}

// Buried implements directory.Tombstones.
func (t tombstones) Buried(id account.KeyID, hash access.Hash) (bool, error) {
	select {
	case <-t.h.snapshot.Replayed():
		return t.h.snapshot.Revoked(id, hash), nil
	default:
		return false, problem.Busy("not_ready", time.Second, "This node has not been told yet which keys are revoked.")
	}
}

// knowsRevoked waits until the tombstones are known, so that a start does not
// begin with refusals. Without them keys are refused, not believed.
func (h *house) knowsRevoked(ctx context.Context) {
	select {
	case <-h.snapshot.Replayed():
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		h.log.Warn("which keys are revoked is not known yet; secret keys are refused until it is")
	}
}

// revocations is the folder where the command leaves tombstones for a server
// whose bucket it cannot reach, because the journal is inside the server.
func (c config) revocations() string { return filepath.Join(c.Data, "revoked") }

// leaveTombstone is durable on return.
func (c config) leaveTombstone(name string, sealed []byte) error {
	return leave(c.revocations(), filepath.Base(name), sealed)
}

// leave puts a file for a server into a folder that they share.
func leave(folder, name string, text []byte) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(folder, name), text); err != nil {
		return err
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

const (
	refusedFile = ".refused"
	forgetLater = 24 * time.Hour // clocks differ
)

// keepRevoking takes up what the command left, and has SQL learn of what was
// revoked while it was away.
func (h *house) keepRevoking(run context.Context) {
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for failed := false; ; {
		err := errors.Join(h.takeTombstones(run), h.settleAll(run), h.takeActs(run))
		if err != nil && !failed && run.Err() == nil {
			h.log.Warn("what was done at the command line is not everywhere yet; it is tried again", "error", err)
		}
		failed = err != nil
		select {
		case <-run.Done():
			return
		case <-pace.C:
		}
	}
}

// takeTombstones puts the command's tombstones where every node sees them.
func (h *house) takeTombstones(ctx context.Context) error {
	return eachLeft(h.c.revocations(), func(path string) error { return h.takeTombstone(ctx, path) })
}

// eachLeft gives the files that a command left in a folder.
func eachLeft(folder string, f func(path string) error) error {
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".new") || strings.HasSuffix(file.Name(), refusedFile) {
			continue
		}
		err = errors.Join(err, f(filepath.Join(folder, file.Name())))
	}
	return err
}

func (h *house) takeTombstone(ctx context.Context, path string) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t, err := snapshot.OpenTombstone("revoked/"+filepath.Base(path), sealed, h.door.OpenSnapshot)
	if err != nil {
		return errors.Join(err, os.Rename(path, path+refusedFile))
	}
	complete(h.snapshot, t)
	if err := h.writer.Revoke(ctx, *t); err != nil {
		return err
	}
	h.log.Info("a key is revoked by command", "key", t.Key)
	return os.Remove(path)
}

// complete adds what the snapshot knows of the key.
func complete(r *snapshot.Reader, t *snapshot.Tombstone) {
	if t.Key.IsZero() && len(t.Hashes) > 0 {
		if _, k := r.ByKey(t.Hashes[0]); k != nil {
			t.Key = k.ID
		}
	}
	if hashes, until := r.KeyByID(t.Key); len(hashes) > 0 {
		t.Hashes, t.Until = hashes, until
	}
}

// settleAll has SQL learn of what reached the doors first, and forgets the
// tombstones of keys that have ended by themselves.
func (h *house) settleAll(ctx context.Context) (err error) {
	if !h.ready.Load() {
		return nil
	}
	now := time.Now()
	for _, t := range h.snapshot.Tombstones(func(t *snapshot.Tombstone) bool { return !t.Settled }) {
		if fault := h.settle(ctx, t); fault != nil {
			err = errors.Join(err, fault)
			continue
		}
		t.Settled = true
		err = errors.Join(err, h.writer.Revoke(ctx, t))
	}
	ended := func(t *snapshot.Tombstone) bool {
		return t.Settled && !t.Until.IsZero() && now.After(t.Until.Add(forgetLater))
	}
	for _, t := range h.snapshot.Tombstones(ended) {
		err = errors.Join(err, h.writer.Forget(ctx, t))
	}
	return err
}

// settle puts a tombstone's revocation into SQL and on both records: the
// platform's once, whoever comes first, and the account's if the key was still
// valid there.
func (h *house) settle(ctx context.Context, t snapshot.Tombstone) error {
	var hash snapshot.Hash
	if len(t.Hashes) > 0 {
		hash = t.Hashes[0]
	}
	k, err := h.directory.FindKey(ctx, t.Key, hash)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	if err := h.recordRevocation(ctx, t, k); err != nil || !known {
		return err
	}
	return h.db.Write(ctx, admit.To(k.Account), func(tx *store.Tx) error {
		ended, err := h.directory.RevokeKey(tx, k.ID)
		if err != nil || !ended {
			return err
		}
		now := time.Now()
		h.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, Data: map[string]any{"what": "key", "id": k.ID.String()}})
		return audit.Write(tx, now, audit.Entry{Actor: commandLine, Action: "key.revoked", About: k.ID.String()})
	})
}

// commandLine is who acts on an account's record when somebody does at the
// machine.
const commandLine = "system:command-line"

func (h *house) recordRevocation(ctx context.Context, t snapshot.Tombstone, k directory.Key) error {
	id, err := audit.ParseID(t.Record)
	if err != nil {
		return nil // it was revoked by the API, which records it
	}
	e := audit.Entry{ID: id, Actor: cmp.Or(t.By, commandLine), Action: "key.revoked", About: t.Key.String(), Detail: map[string]any{"asked_at": t.At}}
	if !k.ID.IsZero() {
		e.About, e.Detail = k.ID.String(), map[string]any{"asked_at": t.At, "account": k.Account}
	}
	return h.db.Directory(ctx, func(dir *store.Dir) error { return audit.WritePlatform(dir, t.At, e) })
}
