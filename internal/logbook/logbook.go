// Package logbook keeps the program's own log: sealed, for 21 days, and then it
// is gone. Callers may rely on this: a line is written to the supervisor's
// stream as before and kept beside it, nobody waits for that; what writes holds
// no key that opens what is kept; what looks like an address, a number or a
// caller is in neither; how much is kept has a bound, and what goes over it is
// counted, and the log says so.
package logbook

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"catchment/internal/files"
)

// What is kept, and how much of it.
const (
	Keep = 21 * 24 * time.Hour // and up to segmentTime more

	segmentTime = time.Hour
	segmentMost = 1 << 20             // bytes of lines in a segment
	waitMost    = 8                   // segments that wait for a bucket that is away
	hourMost    = 16 << 20            // bytes of lines in an hour
	hourPlain   = hourMost * 3 / 4    // of those below slog.LevelWarn: a flood of them leaves room for faults
	lineMost    = 16 << 10            // bytes of a line, which a stack fits into
	flushEvery  = 5 * time.Second     // so much of the log a stop by force loses
	roundMost   = 24 * time.Hour      // so long one key serves
	least       = slog.LevelInfo      // below it nothing is kept
	about       = slog.LevelError + 1 // what the log says of itself
	partOf      = "catchment/internal/"
)

// Book keeps lines. It takes them from the beginning, and writes them down
// from when Begin has said where to. It is safe for concurrent use.
type Book struct {
	now  func() time.Time
	wake chan struct{}
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	open  *segment   // takes lines; nil: none since the last was full
	full  []*segment // that wait to be written for the last time
	level slog.Level // of the line that is being written
	hour  time.Time
	spent int   // bytes in this hour
	lost  int64 // lines since the log last said so

	writing sync.Mutex // one flush at a time; guards what follows
	bucket  files.Bucket
	to      age.Recipient
	round   *round

	dropped atomic.Int64
}

// segment is a piece of the log, a file of the bucket.
type segment struct {
	start time.Time
	name  string // "" until it is written first; as to, guarded by writing
	to    age.Recipient
	lines []byte
	kept  int // bytes of lines that are in the bucket
}

// New returns a Book. now is time.Now when nil. Close ends it.
func New(now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	run, end := context.WithCancel(context.Background())
	b := &Book{now: now, wake: make(chan struct{}, 1), end: end}
	b.work.Go(func() { b.keep(run) })
	return b
}

// Begin says where the log is kept, and who opens it. Again, it is kept there
// from then on.
func (b *Book) Begin(bucket files.Bucket, to age.Recipient) {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.bucket, b.to, b.round = bucket, to, nil
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range append(slices.Clone(b.full), b.open) {
		if s != nil { // what is not whole yet goes where the rest of it goes
			s.name, s.kept = "", 0
		}
	}
	b.poke()
}

// Dropped counts the lines that were not kept.
func (b *Book) Dropped() int64 { return b.dropped.Load() }

// Close writes down what is left and ends.
func (b *Book) Close() {
	b.end()
	b.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = b.Flush(ctx) // nobody is left to be told
}

func (b *Book) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Handler keeps what goes to next, as far as it is of slog.LevelInfo and above.
func (b *Book) Handler(next slog.Handler) slog.Handler {
	own := slog.NewJSONHandler(b, &slog.HandlerOptions{Level: least, ReplaceAttr: Clean})
	return &handler{b, next, own}
}

type handler struct {
	b         *Book
	next, own slog.Handler
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= least || h.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var err error
	if h.next.Enabled(ctx, r.Level) {
		err = h.next.Handle(ctx, r.Clone())
	}
	if r.Level >= least {
		if part := partAt(r.PC); part != "" {
			r = r.Clone()
			r.AddAttrs(slog.String("part", part))
		}
		h.b.handle(ctx, h.own, r)
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(a []slog.Attr) slog.Handler {
	return &handler{h.b, h.next.WithAttrs(a), h.own.WithAttrs(a)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.b, h.next.WithGroup(name), h.own.WithGroup(name)}
}

// partAt is the package of the house that wrote the line: "intake". Of a line
// of another's, or of the command, it is "".
func partAt(pc uintptr) string {
	if pc == 0 {
		return ""
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	name, ok := strings.CutPrefix(f.Function, partOf)
	if !ok {
		return ""
	}
	if at := strings.IndexByte(name, '.'); at >= 0 {
		name = name[:at]
	}
	return name
}

// handle has own write the line, which Write takes.
func (b *Book) handle(ctx context.Context, own slog.Handler, r slog.Record) {
	b.mu.Lock()
	b.level = r.Level
	_ = own.Handle(ctx, r) // Write gives no error
	b.mu.Unlock()
	if r.Level >= slog.LevelError {
		b.poke() // the program may not live much longer
	}
}

// Write takes a line from a JSON handler. handle holds the lock.
func (b *Book) Write(line []byte) (int, error) {
	now := b.now()
	if hour := now.Truncate(time.Hour); !hour.Equal(b.hour) {
		b.hour, b.spent = hour, 0
	}
	most := hourMost
	switch {
	case b.level < slog.LevelWarn:
		most = hourPlain
	case b.level == about:
		most = math.MaxInt
	}
	if len(line) > lineMost || b.spent+len(line) > most || !b.room(now, len(line)) {
		b.lost++
		b.dropped.Add(1)
		return len(line), nil
	}
	b.spent += len(line)
	b.open.lines = append(b.open.lines, line...)
	return len(line), nil
}

// room has an open segment that takes so many bytes; false when too much waits.
func (b *Book) room(now time.Time, n int) bool {
	b.shut(now, n)
	if b.open == nil {
		if len(b.full) >= waitMost {
			return false
		}
		b.open = &segment{start: now}
	}
	return true
}

// shut closes the open segment when its time is over or so many bytes more
// would be too much.
func (b *Book) shut(now time.Time, n int) {
	s := b.open
	if s == nil {
		return
	}
	if age := now.Sub(s.start); age >= segmentTime || age < 0 || len(s.lines)+n > segmentMost {
		b.full, b.open = append(b.full, s), nil
	}
}

// waiting is what is to be written: a copy of each segment's lines as of now.
func (b *Book) waiting() (list []*segment, lines [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut(b.now(), 0)
	b.full = slices.DeleteFunc(b.full, func(s *segment) bool { return s.kept == len(s.lines) }) // shut, and nothing new
	for _, s := range b.full {
		list, lines = append(list, s), append(lines, s.lines)
	}
	if b.open != nil && len(b.open.lines) > b.open.kept {
		list, lines = append(list, b.open), append(lines, bytes.Clone(b.open.lines))
	}
	return list, lines
}

// written notes what is in the bucket. A segment that is full and whole there
// is let go.
func (b *Book) written(s *segment, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.kept = bytes
	b.full = slices.DeleteFunc(b.full, func(f *segment) bool { return f == s && s.kept == len(s.lines) })
}

// say has the log itself tell of the lines that it has lost. This one line is
// kept over the hour's bound.
func (b *Book) say() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost == 0 || len(b.full) >= waitMost {
		return
	}
	r := slog.NewRecord(b.now(), slog.LevelError, "logbook: lines were not kept: there were too many", 0)
	r.AddAttrs(slog.Int64("lines", b.lost), slog.String("part", "logbook"))
	b.lost, b.level = 0, about
	_ = slog.NewJSONHandler(b, &slog.HandlerOptions{ReplaceAttr: Clean}).Handle(context.Background(), r)
}
