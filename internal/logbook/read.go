package logbook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"

	"catchment/internal/files"
)

// pageMost is how many bytes of lines are looked through for one page.
const pageMost = 64 << 20

// Line is one line of the log.
type Line struct {
	At      time.Time
	ID      [16]byte // orders lines of one time
	Level   slog.Level
	Part    string // the package that wrote it; "": the command, or a library
	Message string
	Account string                     // whom it names, as text; "": nobody
	Request string                     // the request's id
	Attrs   map[string]json.RawMessage // the rest
}

// Name is the line's id as text.
func (l Line) Name() string { return hex.EncodeToString(l.ID[:]) }

// Want chooses lines: of the time from From, before Until, and, where they are
// not empty, of at least a level, of one part, one account, one request.
type Want struct {
	From, Until time.Time
	Level       slog.Level
	Part        string
	Account     string
	Request     string
}

// Place is where a page ends.
type Place struct {
	At time.Time
	ID [16]byte
}

// Reader opens what is kept. Who has one reads everything: privacy.Logs does,
// and asks for an approval first.
type Reader struct {
	bucket files.Bucket
	by     age.Identity
	most   int // pageMost, but in tests
}

// NewReader returns it; by is the other half of Begin's to.
func NewReader(bucket files.Bucket, by age.Identity) *Reader { return &Reader{bucket, by, pageMost} }

// Page gives up to limit lines, newest first, that come after the place; the
// zero place is the beginning. next is where the page after it begins, nil when
// there is none. A page may be short, or empty, with a next: so much was looked
// through.
func (r *Reader) Page(ctx context.Context, w Want, after Place, limit int) (lines []Line, next *Place, err error) {
	segments, err := r.segments(ctx, w, after)
	if err != nil {
		return nil, nil, err
	}
	keys, looked := map[string]age.Identity{}, 0
	for i, s := range segments {
		if len(lines) > limit && lines[limit].At.After(s.end()) {
			break // what follows is older than all of this page
		}
		if looked > r.most && len(lines) <= limit && !s.end().After(segments[i-1].start) {
			return lines, &Place{At: s.end()}, nil // all lines so far are younger than what follows
		}
		text, err := r.open(ctx, s, keys)
		if errors.Is(err, files.ErrNone) {
			continue // its time came meanwhile
		}
		if err != nil {
			return nil, nil, fmt.Errorf("logbook: %w", err)
		}
		looked += len(text)
		lines = choose(append(lines, linesOf(s.name, text)...), w, after)
		lines = lines[:min(len(lines), limit+1)]
	}
	if len(lines) > limit {
		lines = lines[:limit]
		next = &Place{lines[limit-1].At, lines[limit-1].ID}
	}
	return lines, next, nil
}

// segments lists those that may have such lines, newest first.
func (r *Reader) segments(ctx context.Context, w Want, after Place) (out []kept, err error) {
	until := w.Until
	if !after.At.IsZero() && after.At.Before(until) {
		until = after.At.Add(time.Microsecond)
	}
	for f, err := range r.bucket.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("logbook: %w", err)
		}
		k, ok := parse(f.Name)
		if ok && !k.key && k.start.Before(until) && k.end().After(w.From) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b kept) int { return cmp.Or(b.start.Compare(a.start), cmp.Compare(b.name, a.name)) })
	return out, nil
}

func (r *Reader) open(ctx context.Context, s kept, keys map[string]age.Identity) ([]byte, error) {
	if keys[s.round] == nil {
		text, err := open(ctx, r.bucket, s.round+"/"+KeyName, r.by)
		if err != nil {
			return nil, err
		}
		if keys[s.round], err = age.ParseX25519Identity(string(text)); err != nil {
			return nil, errors.New("the key of a day's log is damaged")
		}
	}
	return open(ctx, r.bucket, s.name, keys[s.round])
}

// choose keeps what is wanted and comes after the place, newest first.
func choose(all []Line, w Want, after Place) []Line {
	all = slices.DeleteFunc(all, func(l Line) bool {
		return l.At.Before(w.From) || !l.At.Before(w.Until) || l.Level < w.Level ||
			w.Part != "" && l.Part != w.Part || w.Account != "" && l.Account != w.Account || w.Request != "" && l.Request != w.Request ||
			!after.At.IsZero() && order(l, Line{At: after.At, ID: after.ID}) <= 0
	})
	slices.SortFunc(all, order)
	return all
}

// order is negative when a comes before b: it is newer.
func order(a, b Line) int {
	return cmp.Or(b.At.Compare(a.At), bytes.Compare(b.ID[:], a.ID[:]))
}

// linesOf reads a segment. What is no line, such as the rest of one, is passed over.
func linesOf(name string, text []byte) (out []Line) {
	hash := sha256.Sum256([]byte(name))
	for n, one := range bytes.Split(text, []byte("\n")) {
		l, ok := lineOf(one)
		if !ok {
			continue
		}
		copy(l.ID[:8], hash[:])
		binary.BigEndian.PutUint64(l.ID[8:], uint64(n))
		out = append(out, l)
	}
	return out
}

func lineOf(text []byte) (l Line, ok bool) {
	if len(text) == 0 || json.Unmarshal(text, &l.Attrs) != nil {
		return l, false
	}
	take := func(name string) (s string) {
		raw, has := l.Attrs[name]
		if has && json.Unmarshal(raw, &s) == nil {
			delete(l.Attrs, name)
		}
		return s
	}
	at, err := time.Parse(time.RFC3339Nano, take(slog.TimeKey))
	if err != nil {
		return l, false
	}
	l.At = at.UTC().Truncate(time.Microsecond)
	_ = l.Level.UnmarshalText([]byte(take(slog.LevelKey))) // one that is unknown counts as INFO
	l.Message, l.Part, l.Request = take(slog.MessageKey), take("part"), take("request_id")
	l.Account = cmp.Or(take("account_id"), take("account"))
	return l, true
}
