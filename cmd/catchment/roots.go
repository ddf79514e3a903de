package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/logbook"
)

// dropRoots destroys the root keys that wrap no account's keyset any more, and
// under which nothing lies outside the tables.
func (c keysExpireCmd) dropRoots(w *world, ring *keyring.Keyring, used map[uint32]bool) error {
	idle := slices.DeleteFunc(ring.Roots(), func(id uint32) bool { return used[id] || id == ring.Root() })
	if len(idle) == 0 {
		return nil
	}
	under, err := c.sealedOutside(w.ctx)
	if err != nil && !c.Lose {
		return fmt.Errorf("no root key is destroyed, because what is sealed under it cannot be told: %w", err)
	}
	if c.BackupTo == "" {
		fmt.Fprintln(w.out, "root: backups were not looked at, because no --backup-to is set here")
	}
	if !c.Lose {
		idle = slices.DeleteFunc(idle, func(id uint32) bool {
			if o := under[id]; o != (underRoot{}) {
				fmt.Fprintf(w.out, "%s  kept: %s\n", keyring.RootKey(id), o)
				return true
			}
			return false
		})
	}
	if err := ring.DropRoots(idle...); err != nil {
		return err
	}
	for _, id := range idle {
		fmt.Fprintf(w.out, "%s is destroyed\n", keyring.RootKey(id))
	}
	return nil
}

// underRoot counts what is sealed under a root key and lies in no table.
type underRoot struct{ logKeys, backups, shipped int }

// String says what holds the root key back, and until when.
func (o underRoot) String() string {
	var all []string
	if o.logKeys > 0 {
		all = append(all, fmt.Sprintf("%d keys of the log are sealed under it; run catchment keys rewrap", o.logKeys))
	}
	if o.backups > 0 {
		all = append(all, fmt.Sprintf("%d files of backups are; they go --backup-keep days after they were made", o.backups))
	}
	if o.shipped > 0 {
		all = append(all, fmt.Sprintf("%d rounds of SQLite's log are; they go six days after they began", o.shipped))
	}
	return strings.Join(all, "; ") + " (--lose destroys it all the same)"
}

// sealedOutside looks at the heads of all files that are sealed by a root key.
func (c config) sealedOutside(ctx context.Context) (map[uint32]underRoot, error) {
	out := map[uint32]underRoot{}
	if b, err := c.keptLog(ctx); err != nil {
		return nil, err
	} else if b != nil {
		for f, err := range b.List(ctx, "") {
			if err != nil {
				return nil, err
			}
			if path.Base(f.Name) != logbook.KeyName {
				continue
			}
			id, err := sealedUnder(ctx, b, f.Name)
			if err != nil {
				return nil, err
			}
			o := out[id]
			o.logKeys++
			out[id] = o
		}
	}
	if c.BackupTo == "" {
		return out, nil
	}
	b, err := c.backupBucket(ctx)
	if err != nil {
		return nil, err
	}
	return out, backupsUnder(ctx, b, out)
}

// backupsUnder counts files of backups, and rounds of SQLite's log that have
// any file under a root key.
func backupsUnder(ctx context.Context, b files.Bucket, out map[uint32]underRoot) error {
	rounds := map[string][]string{} // pieces in their order
	for f, err := range b.List(ctx, "") {
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(f.Name, logPrefix):
			rounds[path.Dir(f.Name)] = append(rounds[path.Dir(f.Name)], f.Name)
		case strings.HasSuffix(f.Name, dataSuffix), strings.HasSuffix(f.Name, keysSuffix):
			id, err := sealedUnder(ctx, b, f.Name)
			if err != nil {
				return err
			}
			o := out[id]
			o.backups++
			out[id] = o
		}
	}
	for _, names := range rounds {
		slices.SortFunc(names, func(a, b string) int { return strings.Compare(inOrder(a), inOrder(b)) })
		ids := map[uint32]bool{}
		if err := idsAmong(ctx, b, names, ids); err != nil {
			return err
		}
		for id := range ids {
			o := out[id]
			o.shipped++
			out[id] = o
		}
	}
	return nil
}

// inOrder has a round's copy come before its pieces.
func inOrder(name string) string {
	if path.Base(name) == baseName {
		return ""
	}
	return name
}

// idsAmong collects the root keys of files that were made one after another: a
// root key that has gone does not come back, so what lies between two of the
// same is the same. A round has thousands.
func idsAmong(ctx context.Context, b files.Bucket, names []string, ids map[uint32]bool) error {
	if len(names) == 0 {
		return nil
	}
	first, err := sealedUnder(ctx, b, names[0])
	if err != nil {
		return err
	}
	last, err := sealedUnder(ctx, b, names[len(names)-1])
	if err != nil {
		return err
	}
	ids[first], ids[last] = true, true
	if first == last || len(names) < 3 {
		return nil
	}
	half := len(names) / 2
	return errors.Join(idsAmong(ctx, b, names[:half], ids), idsAmong(ctx, b, names[half:], ids))
}

// sealedUnder reads a file's head; 0: by no root key, or it has gone meanwhile.
func sealedUnder(ctx context.Context, b files.Bucket, name string) (uint32, error) {
	f, err := b.Get(ctx, name)
	if errors.Is(err, files.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return keyring.SealedUnder(f), nil
}

// rewrapLog seals the keys of what is kept of the log by the present root key.
func (c config) rewrapLog(w *world) (int, error) {
	b, err := c.keptLog(w.ctx)
	if err != nil || b == nil {
		return 0, err
	}
	ring, err := c.openRing()
	if err != nil {
		return 0, err
	}
	root := ring.Root()
	return logbook.Rewrap(w.ctx, b, ring.LogIdentity(), ring.LogRecipient(), func(sealed io.Reader) bool { return keyring.SealedUnder(sealed) != root })
}

// keptLog is the log's bucket; nil when there is none, and none is made.
func (c config) keptLog(ctx context.Context) (files.Bucket, error) {
	if c.LogTo == logOff {
		return nil, nil
	}
	if c.LogTo == "" {
		if _, err := os.Stat(filepath.Join(c.Data, logFolder)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	return c.logBucket(ctx)
}
