package logbook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"catchment/internal/files"
)

// The bucket has, for each process and day, a round:
//
//	ROUND/key.age                     the round's key, sealed by the keyring
//	ROUND/TIME-NUMBER.age             lines from that time on, sealed to the round's key
//
// A segment is written again while it grows, so what is opened is one file.
const (
	timeForm = "20060102T150405Z"
	KeyName  = "key.age" // of the file that has a round's key
	suffix   = ".age"
	fileMost = segmentMost + 4096 // bytes of what is sealed; compressing can add a little
)

// round is what a process writes in a day: it holds what seals, and not what opens.
type round struct {
	name string
	born time.Time
	to   age.Recipient
	n    int
}

// keep writes until the context ends.
func (b *Book) keep(run context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-run.Done():
			return
		case <-tick.C:
		case <-b.wake:
		}
		ctx, cancel := context.WithTimeout(run, 20*time.Second)
		_ = b.Flush(ctx) // what is not written waits, and what cannot wait is counted
		cancel()
	}
}

// Flush writes down what was taken so far. Before Begin it does nothing.
func (b *Book) Flush(ctx context.Context) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.bucket == nil {
		return nil
	}
	b.say()
	list, lines := b.waiting()
	for i, s := range list {
		if err := b.put(ctx, s, lines[i]); err != nil {
			return fmt.Errorf("logbook: %w", err)
		}
		b.written(s, len(lines[i]))
	}
	return nil
}

func (b *Book) put(ctx context.Context, s *segment, lines []byte) error {
	if s.name == "" {
		if err := b.begin(ctx, s.start); err != nil {
			return err
		}
		b.round.n++
		s.name, s.to = fmt.Sprintf("%s/%s-%06d%s", b.round.name, s.start.UTC().Format(timeForm), b.round.n, suffix), b.round.to
	}
	sealed, err := seal(lines, s.to)
	if err != nil {
		return err
	}
	return b.bucket.Put(ctx, s.name, bytes.NewReader(sealed))
}

// begin has a round for what starts then.
func (b *Book) begin(ctx context.Context, start time.Time) error {
	if r := b.round; r != nil && !start.Before(r.born) && start.Before(r.born.Add(roundMost)) {
		return nil
	}
	own, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	r := &round{name: start.UTC().Format(timeForm) + "-" + hex.EncodeToString(random[:]), born: start, to: own.Recipient()}
	sealed, err := seal([]byte(own.String()), b.to)
	if err != nil {
		return err
	}
	if err := b.bucket.Put(ctx, r.name+"/"+KeyName, bytes.NewReader(sealed)); err != nil {
		return err
	}
	b.round = r
	return nil
}

func seal(plain []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(segmentMost))
	if err != nil {
		return nil, err
	}
	_, err = z.Write(plain)
	err = errors.Join(err, z.Close(), w.Close())
	return out.Bytes(), err
}

func open(ctx context.Context, b files.Bucket, name string, by age.Identity) ([]byte, error) {
	sealed, err := files.Read(ctx, b, name, fileMost)
	if err != nil {
		return nil, err
	}
	return unseal(sealed, by)
}

func unseal(sealed []byte, by age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), by)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4*segmentMost))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(io.LimitReader(z, segmentMost))
}

// kept is a file of the log.
type kept struct {
	name, round string
	start       time.Time // of its first line; of a key the round's
	key         bool
}

// parse reads a name; false: it is none of ours.
func parse(name string) (k kept, ok bool) {
	dir, file, ok := strings.Cut(name, "/")
	if !ok {
		return k, false
	}
	k.name, k.round = name, dir
	text, _, _ := strings.Cut(dir, "-")
	if file == KeyName {
		k.key = true
	} else if text, _, ok = strings.Cut(file, "-"); !ok || !strings.HasSuffix(file, suffix) {
		return k, false
	}
	var err error
	k.start, err = time.Parse(timeForm, text)
	return k, err == nil
}

// end is later than all lines of a segment: its name has whole seconds.
func (k kept) end() time.Time { return k.start.Add(segmentTime + time.Second) }

// over reports whether the file's time is over: a segment's when its last line
// is as old as that, a key's when that of its round's last segment is.
func (k kept) over(now time.Time) bool {
	last := k.end()
	if k.key {
		last = last.Add(roundMost)
	}
	return !now.Before(last.Add(Keep))
}

// Rewrap seals the keys of rounds anew where old says so of a key's file, and
// returns how many it were. The lines are not touched. A key that does not open
// stays as it is.
func Rewrap(ctx context.Context, b files.Bucket, by age.Identity, to age.Recipient, old func(sealed io.Reader) bool) (n int, err error) {
	for f, err := range b.List(ctx, "") {
		if err != nil {
			return n, fmt.Errorf("logbook: %w", err)
		}
		if k, ok := parse(f.Name); !ok || !k.key {
			continue
		}
		is, err := files.Read(ctx, b, f.Name, fileMost)
		if errors.Is(err, files.ErrNone) || err == nil && !old(bytes.NewReader(is)) {
			continue
		}
		var plain, again []byte
		if err == nil {
			plain, err = unseal(is, by)
		}
		if none := new(age.NoIdentityMatchError); errors.As(err, &none) {
			continue
		}
		if err == nil {
			again, err = seal(plain, to)
		}
		if err == nil {
			err = b.Put(ctx, f.Name, bytes.NewReader(again))
		}
		if err != nil {
			return n, fmt.Errorf("logbook: %w", err)
		}
		n++
	}
	return n, nil
}

// Prune removes what is older than Keep, and returns how many files it were.
func Prune(ctx context.Context, b files.Bucket, now time.Time) (n int, err error) {
	for f, err := range b.List(ctx, "") {
		if err != nil {
			return n, fmt.Errorf("logbook: %w", err)
		}
		k, ok := parse(f.Name)
		if !ok || !k.over(now) {
			continue
		}
		if err := b.Remove(ctx, f.Name); err != nil {
			return n, fmt.Errorf("logbook: %w", err)
		}
		n++
	}
	return n, nil
}
