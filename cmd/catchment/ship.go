package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"catchment/internal/files"
	"catchment/internal/store"

	"filippo.io/age"
)

// Beside its backups a server keeps SQLite's log: in a round, a copy of the
// file (base) and then, every few seconds, what was committed since. A round is
// a day; its files are sealed as backups are, and gone when the keys of backups
// are.
//
//	log/ROUND/base.age
//	log/ROUND/00000001-MICROSECONDS.age
const (
	logPrefix = "log/"
	baseName  = "base.age"
	roundMost = 24 * time.Hour
	logMost   = 16 << 20  // bytes of log after which it is moved into the file
	heldMost  = 256 << 20 // bytes that wait for a bucket that is away
)

// shipper keeps the log outside. stop comes when all others are quiet.
type shipper struct {
	h     *house
	b     files.Bucket
	to    []age.Recipient
	round string
	born  time.Time
	s     *store.Shipping // nil: no round is going on
	n     int             // files after the base
	held  []byte          // what was read and is not outside yet
}

func (h *house) openShipper(ctx context.Context) error {
	if h.c.BackupTo == "" || h.c.BackupLogs == 0 || h.db.Engine() != store.SQLite {
		return nil
	}
	b, err := h.c.backupBucket(ctx)
	if err != nil {
		return err
	}
	to, err := h.c.recipients(h.ring)
	if err != nil {
		return err
	}
	h.shipper = &shipper{h: h, b: b, to: to}
	return nil
}

// keep ships until the context ends; stop does the rest.
func (p *shipper) keep(run context.Context) {
	tick := time.NewTicker(p.h.c.BackupLogs)
	defer tick.Stop()
	said := false
	for {
		err := p.pass(run, time.Now())
		if err != nil && run.Err() == nil && !said {
			p.h.log.Warn("what is committed is not kept beside the backups; it is tried again", "error", err)
		}
		said = err != nil
		select {
		case <-run.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *shipper) pass(ctx context.Context, now time.Time) error {
	if p.s != nil && now.Sub(p.born) >= roundMost {
		if err := p.ship(ctx, now); err != nil {
			return err
		}
		p.end()
	}
	if p.s == nil {
		if err := p.begin(ctx, now); err != nil {
			p.end()
			return err
		}
		return p.prune(ctx, now)
	}
	err := p.ship(ctx, now)
	if err == nil && p.s.Size() > logMost {
		if err = p.s.Move(ctx); errors.Is(err, store.ErrBusy) {
			err = nil
		}
	}
	if errors.Is(err, store.ErrGap) || len(p.held) > heldMost {
		p.h.log.Warn("a part of SQLite's log is not known, another program has moved it, or too much waits: a new round begins", "error", err)
		p.end()
		return nil
	}
	return err
}

// begin copies the file. What Next gives right after it belongs to the base:
// see Shipping.Copy.
func (p *shipper) begin(ctx context.Context, now time.Time) (err error) {
	if p.s, err = p.h.db.Ship(ctx, p.h.storeOptions().Path); err != nil {
		return err
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	p.round, p.born, p.n, p.held = now.UTC().Format(backupTime)+"-"+hex.EncodeToString(random[:]), now, 0, nil
	f, err := newSealedFile(ctx, p.b, logPrefix+p.round+"/"+baseName, p.to)
	if err != nil {
		return err
	}
	defer f.abandon()
	if err := p.s.Copy(ctx, f); err != nil {
		return err
	}
	if _, err := f.finish(); err != nil {
		return err
	}
	if err := p.read(); err != nil {
		return err
	}
	return p.file(ctx, time.Now()) // also when it has nothing: it says that the base is whole
}

// ship puts outside what was committed since the last time.
func (p *shipper) ship(ctx context.Context, now time.Time) error {
	before := len(p.held)
	if err := p.read(); err != nil {
		return err
	}
	if len(p.held) == 0 {
		return nil
	}
	if before > 0 && len(p.held) > heldMost {
		return fmt.Errorf("%d MiB wait", len(p.held)>>20)
	}
	return p.file(ctx, now)
}

func (p *shipper) read() error {
	for {
		piece, err := p.s.Next()
		if err != nil || piece == nil {
			return err
		}
		p.held = append(binary.BigEndian.AppendUint32(p.held, uint32(len(piece))), piece...)
	}
}

func (p *shipper) file(ctx context.Context, now time.Time) error {
	f, err := newSealedFile(ctx, p.b, fmt.Sprintf("%s%s/%08d-%016d.age", logPrefix, p.round, p.n+1, now.UnixMicro()), p.to)
	if err != nil {
		return err
	}
	defer f.abandon()
	if _, err := f.Write(p.held); err != nil {
		return err
	}
	if _, err := f.finish(); err != nil {
		return err
	}
	p.n, p.held = p.n+1, nil
	return nil
}

func (p *shipper) end() {
	if p.s != nil {
		if err := p.s.Close(); err != nil {
			p.h.log.Warn("SQLite does not move its log by itself", "error", err)
		}
	}
	p.s, p.held = nil, nil
}

// stop ships what the last ones wrote.
func (p *shipper) stop() {
	if p.s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.ship(ctx, time.Now()); err != nil {
		p.h.log.Warn("the last of what was committed is not beside the backups", "error", err)
	}
	p.end()
}

// prune removes rounds with whatever is older than the keys of backups may be.
func (p *shipper) prune(ctx context.Context, now time.Time) (err error) {
	for f, fault := range p.b.List(ctx, logPrefix) {
		if fault != nil {
			return errors.Join(err, fault)
		}
		round, _, _ := strings.Cut(strings.TrimPrefix(f.Name, logPrefix), "/")
		if at := madeAt(round); !at.IsZero() && round != p.round && now.Sub(at) >= keysKept-roundMost {
			err = errors.Join(err, p.b.Remove(ctx, f.Name))
		}
	}
	return err
}

// kept is a round that can be restored.
type kept struct {
	round string
	files []string // after the base, in order
	until time.Time
}

// keptRound finds the newest round that reaches at, and its files until then;
// at zero: all there is. nil: there is none.
func keptRound(ctx context.Context, b files.Bucket, at time.Time) (*kept, error) {
	based, rounds := map[string]bool{}, map[string]*kept{}
	for f, err := range b.List(ctx, logPrefix) {
		if err != nil {
			return nil, err
		}
		round, name, ok := strings.Cut(strings.TrimPrefix(f.Name, logPrefix), "/")
		if !ok || madeAt(round).IsZero() {
			continue
		}
		if name == baseName {
			based[round] = true
			continue
		}
		var n int
		var micro int64
		if _, err := fmt.Sscanf(name, "%08d-%016d.age", &n, &micro); err != nil {
			continue
		}
		r := rounds[round]
		if r == nil {
			r = &kept{round: round}
			rounds[round] = r
		}
		if when := time.UnixMicro(micro); n == len(r.files)+1 && (at.IsZero() || !when.After(at)) {
			r.files, r.until = append(r.files, f.Name), when
		}
	}
	var best *kept
	for name, r := range rounds {
		if based[name] && len(r.files) > 0 && (best == nil || r.until.After(best.until)) {
			best = r
		}
	}
	return best, nil
}

// bring writes the database's file as the round has it.
func (k *kept) bring(ctx context.Context, b files.Bucket, path string, by []age.Identity) error {
	if err := k.write(ctx, b, logPrefix+k.round+"/"+baseName, path, by); err != nil {
		return err
	}
	for _, name := range k.files {
		if err := k.apply(ctx, b, name, path, by); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
	}
	return wholeFile(ctx, path)
}

func (k *kept) write(ctx context.Context, b files.Bucket, name, path string, by []age.Identity) error {
	plain, done, err := openSealed(ctx, b, name, by...)
	if err != nil {
		return err
	}
	defer done()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, plain)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	return nil
}

func (k *kept) apply(ctx context.Context, b files.Bucket, name, path string, by []age.Identity) error {
	plain, done, err := openSealed(ctx, b, name, by...)
	if err != nil {
		return err
	}
	defer done()
	for {
		var size [4]byte
		if _, err := io.ReadFull(plain, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var piece bytes.Buffer // grows with what is there, whatever the size says
		if n, err := io.CopyN(&piece, plain, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
			return fmt.Errorf("it ends after %d bytes: %w", n, err)
		}
		if err := store.ApplyPiece(path, piece.Bytes()); err != nil {
			return err
		}
	}
}

// wholeFile has SQLite look at every page.
func wholeFile(ctx context.Context, path string) error {
	db, err := store.OpenFile(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var said string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check").Scan(&said); err != nil || said != "ok" {
		return fmt.Errorf("the restored database is damaged: %.80s %w", said, errors.Join(err, errFailed))
	}
	return nil
}

// restoreKept fills the place of SQLite's file from the newest round, if that
// has more than the newest backup, or what was there at a time.
func (c restoreCmd) restoreKept(w *world, b files.Bucket, by []age.Identity) (done bool, err error) {
	ctx := w.ctx
	if c.DatabaseURL != "" || c.Name != "" {
		if !c.At.IsZero() {
			return false, usage("--at is for SQLite, and without --name: PostgreSQL's point in time is its provider's")
		}
		return false, nil
	}
	k, err := keptRound(ctx, b, c.At)
	if err != nil {
		return false, err
	}
	if k == nil {
		if !c.At.IsZero() {
			return false, fmt.Errorf("no log is kept that reaches %s", c.At.Format(time.RFC3339))
		}
		return false, nil
	}
	names, err := backups(ctx, b, dataSuffix)
	if err != nil {
		return false, err
	}
	if c.At.IsZero() && len(names) > 0 && madeAt(slices.Max(names)).After(k.until) {
		return false, nil
	}
	path := c.storeOptions().Path
	half := path + ".restoring"
	for _, name := range []string{half, half + "-wal", half + "-shm"} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return false, err
		}
	}
	if err := k.bring(ctx, b, half, by); err != nil {
		return false, err
	}
	for _, name := range []string{path + "-wal", path + "-shm"} { // of an empty database
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return false, err
		}
	}
	if err := os.Rename(half, path); err != nil {
		return false, err
	}
	if _, _, err := store.Migrate(ctx, c.storeOptions()); err != nil {
		return false, err
	}
	fmt.Fprintf(w.out, "restored as of %s, from the log in %d files after a copy of %s\n", k.until.UTC().Format("2006-01-02T15:04:05.000Z"), len(k.files), filepath.Base(k.round))
	return true, nil
}
