package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/store/mover"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// A backup is two files of one instant, sealed by age: NAME.data.age, and
// NAME.keys.age with the tables that make the rest readable. The keys live for
// keysKept at most, so that what was deleted is gone from every backup then;
// any older data opens with the newest keys.

// backupConfig is when and where a server backs itself up.
type backupConfig struct {
	BackupTo        string        `name:"backup-to" help:"Folder, or s3://BUCKET/PREFIX?region=…, for sealed backups; none are made when empty." env:"CATCHMENT_BACKUP_TO"`
	BackupEvery     time.Duration `name:"backup-every" help:"How often a server makes one; 0: never by itself." default:"24h" env:"CATCHMENT_BACKUP_EVERY"`
	BackupLogs      time.Duration `name:"backup-logs" help:"How often what SQLite has committed since is put beside the backups; 0: never." default:"10s" env:"CATCHMENT_BACKUP_LOGS"`
	BackupKeep      int           `name:"backup-keep" help:"Days that the data of a backup are kept; keys are kept six." default:"35" env:"CATCHMENT_BACKUP_KEEP"`
	BackupRecipient string        `name:"backup-recipient" help:"age recipient (age1…) who opens backups, too; without one only this installation's keyring does." env:"CATCHMENT_BACKUP_RECIPIENT"`
}

func (c config) checkBackup() error {
	if c.BackupTo == "" {
		return nil
	}
	if err := files.CheckURL(c.BackupTo, c.filesOptions()); err != nil {
		return usage("--backup-to: %v", err)
	}
	if c.BackupEvery != 0 && c.BackupEvery < time.Minute {
		return usage("--backup-every %s: want a minute or more, or 0", c.BackupEvery)
	}
	if c.BackupLogs != 0 && c.BackupLogs < 100*time.Millisecond {
		return usage("--backup-logs %s: want 100ms or more, or 0", c.BackupLogs)
	}
	if c.BackupKeep < 6 || c.BackupKeep > 3650 {
		return usage("--backup-keep %d: want days, from 6 to 3650", c.BackupKeep)
	}
	if _, err := c.recipients(nil); err != nil {
		return usage("--backup-recipient cannot be read as an age recipient")
	}
	return nil
}

const (
	// keysKept is how long the keys of a backup are: shorter than the time within
	// which deleting deletes.
	keysKept   = 6 * 24 * time.Hour
	dataSuffix = ".data.age"
	keysSuffix = ".keys.age"
	backupTime = "20060102T150405Z"
)

func (c backupConfig) recipients(ring *keyring.Keyring) (out []age.Recipient, err error) {
	if c.BackupRecipient != "" {
		if out, err = age.ParseRecipients(strings.NewReader(c.BackupRecipient)); err != nil {
			return nil, err
		}
	}
	if ring != nil {
		out = append(out, ring.BackupRecipient())
	}
	return out, nil
}

// backupBucket is where backups go to.
func (c config) backupBucket(ctx context.Context) (files.Bucket, error) {
	return c.openBucket(ctx, c.BackupTo)
}

// backups lists the names of a bucket's backups that have the part, the oldest
// first.
func backups(ctx context.Context, b files.Bucket, suffix string) (names []string, err error) {
	for f, err := range b.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutSuffix(f.Name, suffix); ok && madeAt(name) != (time.Time{}) {
			names = append(names, name)
		}
	}
	return names, nil
}

// madeAt is when a backup was made, by its name; zero when it is none.
func madeAt(name string) time.Time {
	stamp, _, _ := strings.Cut(name, "-")
	at, err := time.Parse(backupTime, stamp)
	if err != nil {
		return time.Time{}
	}
	return at
}

// made is what a backup holds.
type made struct {
	name  string
	rows  int64
	bytes int64
}

// backup writes one. What is in the bucket under its name is whole.
func (c config) backup(ctx context.Context, b files.Bucket, ring *keyring.Keyring, now time.Time) (m made, err error) {
	var random [4]byte
	_, _ = rand.Read(random[:])
	m.name = now.UTC().Format(backupTime) + "-" + hex.EncodeToString(random[:])
	to, err := c.recipients(ring)
	if err != nil {
		return m, err
	}
	data, err := newSealedFile(ctx, b, m.name+dataSuffix, to)
	if err != nil {
		return m, err
	}
	defer data.abandon()
	keys, err := newSealedFile(ctx, b, m.name+keysSuffix, to)
	if err != nil {
		return m, err
	}
	defer keys.abandon()
	all, err := mover.Dump(ctx, c.storeOptions(), mover.Header{At: now.UTC(), Twin: m.name}, data, keys)
	if err != nil {
		return m, err
	}
	for _, n := range all {
		m.rows += n.Rows
	}
	// The keys first: data without keys would wait for the next backup.
	for _, f := range []*sealedFile{keys, data} {
		n, err := f.finish()
		if err != nil {
			return m, fmt.Errorf("backup: %w", err)
		}
		m.bytes += n
	}
	return m, c.prune(ctx, b, now)
}

// prune destroys keys after six days and data after --backup-keep.
func (c config) prune(ctx context.Context, b files.Bucket, now time.Time) (err error) {
	for _, p := range []struct {
		suffix string
		keep   time.Duration
	}{{keysSuffix, keysKept}, {dataSuffix, time.Duration(c.BackupKeep) * 24 * time.Hour}} {
		names, fault := backups(ctx, b, p.suffix)
		err = errors.Join(err, fault)
		for _, name := range names {
			if now.Sub(madeAt(name)) >= p.keep {
				err = errors.Join(err, b.Remove(ctx, name+p.suffix))
			}
		}
	}
	return err
}

// sealedFile compresses and seals into a file that appears when it is whole.
type sealedFile struct {
	seal io.WriteCloser
	zip  *zstd.Encoder
	pipe *io.PipeWriter
	size int64      // bytes that went into the pipe
	done chan error // of Put; nil when it has been taken
}

func newSealedFile(ctx context.Context, b files.Bucket, name string, to []age.Recipient) (*sealedFile, error) {
	from, pipe := io.Pipe()
	s := &sealedFile{pipe: pipe, done: make(chan error, 1)}
	go func() {
		err := b.Put(ctx, name, from)
		from.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		s.done <- err
	}()
	var err error
	if s.seal, err = age.Encrypt(counted{s}, to...); err == nil {
		s.zip, err = zstd.NewWriter(s.seal, zstd.WithEncoderConcurrency(1))
	}
	if err != nil {
		s.abandon()
		return nil, fmt.Errorf("backup: seal: %w", err)
	}
	return s, nil
}

type counted struct{ *sealedFile }

func (c counted) Write(b []byte) (int, error) {
	n, err := c.pipe.Write(b)
	c.size += int64(n)
	return n, err
}

// Write implements io.Writer.
func (s *sealedFile) Write(b []byte) (int, error) { return s.zip.Write(b) }

// finish returns when the file is there, whole.
func (s *sealedFile) finish() (size int64, err error) {
	if err := errors.Join(s.zip.Close(), s.seal.Close()); err != nil {
		return 0, err
	}
	_ = s.pipe.Close()
	err = <-s.done
	s.done = nil
	return s.size, err
}

var errAbandoned = errors.New("abandoned")

// abandon leaves nothing of what was not finished.
func (s *sealedFile) abandon() {
	if s.done != nil {
		_ = s.pipe.CloseWithError(errAbandoned)
		<-s.done
	}
}

// openSealed reads a part of a backup.
func openSealed(ctx context.Context, b files.Bucket, name string, by ...age.Identity) (io.Reader, func(), error) {
	f, err := b.Get(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	plain, err := age.Decrypt(f, by...)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s does not open: %w", name, err)
	}
	z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return z, func() { z.Close(); f.Close() }, nil
}

// keepBackingUp makes a backup when the newest in the folder is old enough,
// whoever made it.
func (h *house) keepBackingUp(run context.Context) {
	if h.c.BackupTo == "" || h.c.BackupEvery == 0 {
		return
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := h.backUpWhenDue(run, time.Now()); err != nil && run.Err() == nil {
			h.log.Error("no backup could be made; it is tried again", "error", err)
		}
		select {
		case <-run.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *house) backUpWhenDue(ctx context.Context, now time.Time) error {
	b, err := h.c.backupBucket(ctx)
	if err != nil {
		return err
	}
	names, err := backups(ctx, b, dataSuffix)
	if err != nil {
		return err
	}
	if len(names) > 0 && now.Sub(madeAt(names[len(names)-1])) < h.c.BackupEvery {
		return h.c.prune(ctx, b, now)
	}
	m, err := h.c.backup(ctx, b, h.ring, now)
	if err != nil {
		return err
	}
	h.log.Info("backed up", "name", m.name, "rows", m.rows, "bytes", m.bytes, "seconds", int(time.Since(now).Seconds()))
	return nil
}

type backupCmd struct {
	config `embed:""`
}

// Run makes a backup now, beside a running server or without one.
func (c backupCmd) Run(w *world) error {
	if c.BackupTo == "" {
		return usage("give --backup-to, the folder or bucket that backups go to")
	}
	if err := errors.Join(c.checkBackup(), c.notMoved()); err != nil {
		return err
	}
	ring, err := c.ownRing()
	if err != nil {
		return err
	}
	if err := c.act(w, "installation.backup", "", nil); err != nil {
		return err
	}
	b, err := c.backupBucket(w.ctx)
	if err != nil {
		return err
	}
	m, err := c.backup(w.ctx, b, ring, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s  %d rows, %d bytes in two files\nThe keyring is not in it: keep %s and what opens it elsewhere.\n", m.name, m.rows, m.bytes, filepath.Join(c.Data, keyring.KeyringFile))
	return nil
}

// ownRing opens the keyring that is there; it makes none.
func (c config) ownRing() (*keyring.Keyring, error) {
	o := c.keyringOptions()
	o.MustExist = true
	return keyring.Open(o)
}
