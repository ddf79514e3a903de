package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/files"
	"catchment/internal/ledger"

	"github.com/alecthomas/kong"
)

// bucketConfig is where what has to outlive this machine and its database is
// kept.
type bucketConfig struct {
	BucketURL string `name:"bucket-url" help:"Folder, or s3://BUCKET/PREFIX?region=…&endpoint=…, that signed checkpoints of accounts' records and the deletion ledger are copied to; nowhere when empty." env:"CATCHMENT_BUCKET_URL"`
}

func (c config) filesOptions() files.Options { return files.Options{Plaintext: c.AllowPlaintext} }

func (c config) openBucket(ctx context.Context, where string) (files.Bucket, error) {
	if !files.Elsewhere(where) {
		where = kong.ExpandPath(where)
	}
	return files.Open(ctx, where, c.filesOptions())
}

func (c config) checkBucket() error {
	if err := files.CheckURL(c.BucketURL, c.filesOptions()); err != nil {
		return usage("--bucket-url: %v", err)
	}
	return nil
}

// outside copies to the bucket what has to outlive this machine and its
// database: checkpoints, each under its account and size, none ever replaced,
// so that a bucket that keeps what it has (object lock) keeps the record
// honest; and the deletion ledger, sealed. Nothing waits for it.
type outside struct {
	to     files.Bucket
	log    *slog.Logger
	ledger string // its file
	seal   func(name string, plain []byte) []byte

	mu      sync.Mutex
	waiting map[string]signedNote // by account: the newest that is not copied yet
	wake    chan struct{}
	copied  int64 // bytes of the ledger
}

type signedNote struct{ name, text string }

const (
	copyFor   = 20 * time.Second // how long one copy may take
	copyAgain = 30 * time.Second // after one failed, and to look at the ledger
)

const deletedPrefix = "deleted/"

func checkpointName(c checkpoint.Checkpoint) string {
	return fmt.Sprintf("checkpoints/%s/%020d.txt", c.Account, c.Size)
}

// openOutside reads what the bucket knows of deletions, so that a machine that
// is new does not serve what was deleted.
func (h *house) openOutside(ctx context.Context) error {
	if h.c.BucketURL == "" {
		return nil
	}
	b, err := h.c.openBucket(ctx, h.c.BucketURL)
	if err != nil {
		return err
	}
	h.outside = &outside{to: b, log: h.log, ledger: h.c.ledgerFile(), seal: h.ring.SealSnapshot, waiting: map[string]signedNote{}, wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(ctx, copyFor)
	defer cancel()
	n, err := takeDeleted(ctx, b, h.ring.OpenSnapshot, h.ledger)
	switch {
	case err != nil && !errors.Is(err, files.ErrAway) && !errors.Is(err, files.ErrRefused) && ctx.Err() == nil:
		return err
	case err != nil:
		h.log.Warn("the copy of the deletion ledger in the bucket could not be read; deletions that only it has are not known", "error", err)
	case n > 0:
		h.log.Info("the bucket's copy of the deletion ledger was read", "entries", n)
	}
	return h.outside.again(filepath.Join(h.c.Data, checkpointFolder), h.ownCheckpoint())
}

// takeDeleted adds to the ledger what the newest copy in the bucket has.
func takeDeleted(ctx context.Context, b files.Bucket, open func(name string, sealed []byte) ([]byte, error), to *ledger.Ledger) (n int, err error) {
	newest := ""
	for f, err := range b.List(ctx, deletedPrefix) {
		if err != nil {
			return 0, err
		}
		newest = f.Name
	}
	if newest == "" {
		return 0, nil
	}
	sealed, err := files.Read(ctx, b, newest, 1<<30)
	if err != nil {
		return 0, err
	}
	text, err := open(newest, sealed)
	if err != nil {
		return 0, fmt.Errorf("the copy of the deletion ledger in the bucket: %w", err)
	}
	list, err := ledger.Read(text)
	for _, e := range list {
		if err = to.Add(ctx, e); err != nil {
			break
		}
	}
	return len(list), err
}

// add has a checkpoint copied soon.
func (o *outside) add(c checkpoint.Checkpoint, text string) {
	o.mu.Lock()
	o.waiting[c.Account] = signedNote{checkpointName(c), text}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// pass copies what waits. The first fault ends it: the others would have it too.
func (o *outside) pass(ctx context.Context) error {
	o.mu.Lock()
	all := maps.Clone(o.waiting)
	o.mu.Unlock()
	for account, n := range all {
		if err := o.copy(ctx, n); err != nil {
			return err
		}
		o.mu.Lock()
		if o.waiting[account] == n {
			delete(o.waiting, account)
		}
		o.mu.Unlock()
	}
	return o.copyLedger(ctx)
}

func (o *outside) copy(ctx context.Context, n signedNote) error {
	ctx, cancel := context.WithTimeout(ctx, copyFor)
	defer cancel()
	err := o.to.Add(ctx, n.name, []byte(n.text))
	if !errors.Is(err, files.ErrThere) {
		return err
	}
	kept, err := files.Read(ctx, o.to, n.name, 1<<16)
	if err == nil && signedOf(string(kept)) != signedOf(n.text) {
		o.log.Error("THE BUCKET HAS ANOTHER CHECKPOINT of as many entries: the record was written anew, or another installation writes there", "file", n.name)
	}
	return err
}

// signedOf is what a checkpoint says of the tree: without time and signatures.
func signedOf(note string) string {
	lines := strings.SplitN(note, "\n", 4)
	return strings.Join(lines[:min(3, len(lines))], "\n")
}

// copyLedger copies the whole file when it has grown, and removes older copies
// where the bucket lets it.
func (o *outside) copyLedger(ctx context.Context) error {
	text, err := os.ReadFile(o.ledger)
	if err != nil || int64(len(text)) == o.copied || len(text) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, copyFor)
	defer cancel()
	name := fmt.Sprintf("%s%020d", deletedPrefix, len(text))
	if err := o.to.Add(ctx, name, o.seal(name, text)); err != nil && !errors.Is(err, files.ErrThere) {
		return err
	}
	o.copied = int64(len(text))
	for f, err := range o.to.List(ctx, deletedPrefix) {
		if err != nil {
			return err
		}
		if f.Name < name {
			if err := o.to.Remove(ctx, f.Name); err != nil {
				o.log.Debug("an older copy of the deletion ledger stays in the bucket", "error", err)
			}
		}
	}
	return nil
}

// keep copies until the context ends.
func (o *outside) keep(run context.Context) {
	tick := time.NewTicker(copyAgain)
	defer tick.Stop()
	for said := false; ; {
		wake := o.wake
		err := o.pass(run)
		if err != nil {
			wake = nil // it is asked again later, not sooner
			if run.Err() == nil && !said {
				o.log.Warn("checkpoints and deletions are not copied to the bucket; they wait", "error", err)
			}
		}
		said = err != nil
		select {
		case <-run.Done():
			return
		case <-tick.C:
		case <-wake:
		}
	}
}

// stop copies what still waits, for a short while.
func (o *outside) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := o.pass(ctx); err != nil {
		o.log.Warn("some checkpoints are copied to the bucket after the next start", "error", err)
	}
}

// again offers the newest checkpoint of each account, as this machine has it:
// one may have been signed just before the process ended.
func (o *outside) again(folder string, own func(note string) (checkpoint.Checkpoint, error)) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	for _, name := range names {
		text, fault := os.ReadFile(name)
		if fault == nil {
			var c checkpoint.Checkpoint
			if c, fault = own(string(text)); fault == nil {
				o.add(c, string(text))
			}
		}
		if fault != nil {
			o.log.Error("a kept checkpoint cannot be read", "file", filepath.Base(name), "error", fault)
		}
	}
	return err
}

// bucket tells whether the bucket does what it is needed for.
func (d *doctor) bucket() {
	if d.c.BucketURL == "" {
		d.warn("no --bucket-url is set: checkpoints of the record and the deletion ledger are on this machine alone (docs/audit.md)")
		return
	}
	ctx, cancel := context.WithTimeout(d.w.ctx, copyFor)
	defer cancel()
	b, err := d.c.openBucket(ctx, d.c.BucketURL)
	if err == nil {
		err = files.Check(ctx, b)
	}
	if err != nil {
		d.bad("the bucket: %v", err)
		return
	}
	d.ok("the bucket takes files and gives them back")
}
