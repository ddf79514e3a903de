package logbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"catchment/internal/clocktest"
	"catchment/internal/files"
)

// began is when the tests' clocks stand first.
var began = time.Date(2026, 3, 2, 9, 40, 20, 0, time.UTC)

// WithAttrs keeps the test's time.
func (h *timed) WithAttrs(a []slog.Attr) slog.Handler { return &timed{h.Handler.WithAttrs(a), h.clock} }

// book is one with a folder.
type book struct {
	*Book
	clock  *clocktest.Clock
	dir    string
	bucket files.Bucket
	own    *age.X25519Identity
	stderr bytes.Buffer
	log    *slog.Logger
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func newBook(t fataler, dir string) *book {
	t.Helper()
	in, err := files.Open(context.Background(), dir, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := newBookIn(in, clocktest.At(began), identity(t))
	b.dir = dir
	return b
}

func newBookIn(in files.Bucket, at *clocktest.Clock, own *age.X25519Identity) *book {
	b := &book{Book: New(at.Now), clock: at, bucket: in, own: own}
	b.log = slog.New(&timed{b.Handler(slog.NewTextHandler(&b.stderr, &slog.HandlerOptions{ReplaceAttr: Clean})), at})
	return b
}

func identity(t fataler) *age.X25519Identity {
	t.Helper()
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// timed gives lines the test's time.
type timed struct {
	slog.Handler
	clock *clocktest.Clock
}

func (h *timed) Handle(ctx context.Context, r slog.Record) error {
	r.Time = h.clock.Now()
	return h.Handler.Handle(ctx, r)
}

func (b *book) begin() { b.Begin(b.bucket, b.own.Recipient()) }

func (b *book) flush(t fataler) {
	t.Helper()
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// all reads everything, limit lines a page.
func (b *book) all(t fataler, w Want, limit int) (out []Line) {
	t.Helper()
	if w.Until.IsZero() {
		w.From, w.Until = b.clock.Now().Add(-365*24*time.Hour), b.clock.Now().Add(time.Hour)
	}
	r := NewReader(b.bucket, b.own)
	for after := (&Place{}); after != nil; {
		lines, next, err := r.Page(context.Background(), w, *after, limit)
		if err != nil {
			t.Fatal(err)
		}
		out, after = append(out, lines...), next
	}
	return out
}

func messages(lines []Line) (out []string) {
	for _, l := range lines {
		out = append(out, l.Message)
	}
	return out
}

// What was logged is kept from the first line on, also what came before Begin,
// opens for who has the key alone, and is found by part, level, account and request.
func TestALineIsKept(t *testing.T) {
	b := newBook(t, t.TempDir())
	b.log.Info("early", "request_id", "req_1")
	b.flush(t)
	if n := len(tree(t, b.dir)); n != 0 {
		t.Fatalf("%d files before anybody said where to", n)
	}
	b.begin()
	b.clock.Pass(time.Second)
	b.log.Debug("too fine")
	b.log.With("account_id", "acct_1").Warn("odd", "tries", 3)
	b.clock.Pass(time.Second)
	b.log.Error("broken", "account", "acct_2", "error", errors.New("no room"))
	b.flush(t)
	lines := b.all(t, Want{}, 2)
	if got := messages(lines); !slices.Equal(got, []string{"broken", "odd", "early"}) {
		t.Fatal(got)
	}
	if l := lines[0]; l.Part != "logbook" || l.Level != slog.LevelError || l.Account != "acct_2" || string(l.Attrs["error"]) != `"no room"` || !l.At.Equal(b.clock.Now()) {
		t.Errorf("%+v", l)
	}
	w := Want{From: b.clock.Now().Add(-time.Hour), Until: b.clock.Now().Add(time.Hour)}
	for want, change := range map[string]func(w *Want){
		"broken odd":       func(w *Want) { w.Level = slog.LevelWarn },
		"odd":              func(w *Want) { w.Account = "acct_1" },
		"early":            func(w *Want) { w.Request = "req_1" },
		"broken odd early": func(w *Want) { w.Part = "logbook" },
		"":                 func(w *Want) { w.Part = "intake" },
		"odd early":        func(w *Want) { w.Until = b.clock.Now() },
		"broken":           func(w *Want) { w.From = b.clock.Now() },
	} {
		one := w
		change(&one)
		if got := strings.Join(messages(b.all(t, one, 10)), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for name, text := range tree(t, b.dir) {
		for _, word := range []string{"broken", "early", "acct_1", "AGE-SECRET-KEY"} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s shows %q", name, word)
			}
		}
	}
	stranger, _ := age.GenerateX25519Identity()
	if _, _, err := NewReader(b.bucket, stranger).Page(t.Context(), w, Place{}, 10); err == nil {
		t.Error("it opens for a stranger")
	}
	b.log.Info("last")
	b.Close()
	if got := messages(b.all(t, Want{}, 10)); got[0] != "last" {
		t.Errorf("after the end: %v", got)
	}
}

// Nothing that looks personal is in either log, whatever a library quotes; the
// control is a line of ids and figures, which stays as it is.
func TestNothingPersonal(t *testing.T) {
	b := newBook(t, t.TempDir())
	b.begin()
	op := &net.OpError{Op: "write", Net: "tcp", Source: addr("127.0.0.1:8080"), Addr: addr("203.0.113.9:4431"), Err: errors.New("broken pipe")}
	b.log.Error("refused", "error", fmt.Errorf("550 <ada.canary@example.com> unknown: %w", op), "to", "call +44 20 7946 0101 or +442079460101",
		"url", "https://leads.example.com/f/src_1?name=Ada&phone=1", "v6", "read tcp [::1]:80->[2001:db8::9]:4431: reset", "peer", stringer("ben.canary@example.com"))
	b.log.Info("kept as it is", "lead", "lead_01h455vb4pex5vsknk084sn02q", "n", 442012345678, "dial", "dial tcp 10.0.0.5:5432: refused")
	b.log.Info("ada.canary@example.com in the message")
	b.flush(t)
	var kept strings.Builder
	for _, l := range b.all(t, Want{}, 10) {
		fmt.Fprint(&kept, l.Message, " ")
		for name, v := range l.Attrs {
			fmt.Fprintf(&kept, "%s=%s ", name, v)
		}
	}
	for where, text := range map[string]string{"kept": kept.String(), "stderr": b.stderr.String()} {
		for _, canary := range []string{"canary", "203.0.113.9", "2001:db8", "7946", "Ada"} {
			if strings.Contains(text, canary) {
				t.Errorf("%s has %q: %s", where, canary, text)
			}
		}
		for _, word := range []string{"550", "broken pipe", "lead_01h455vb4pex5vsknk084sn02q", "442012345678", "10.0.0.5:5432"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s lost %q: %s", where, word, text)
			}
		}
	}
	b.Close()
}

type stringer string

func (s stringer) String() string { return string(s) }

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// memory is a bucket without a disk, for many tries.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (m *memory) Put(_ context.Context, name string, body io.Reader) error {
	text, err := io.ReadAll(body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = text
	return err
}

func (m *memory) Add(ctx context.Context, name string, body []byte) error {
	return m.Put(ctx, name, bytes.NewReader(body))
}

func (m *memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.files[name]
	if !ok {
		return nil, files.ErrNone
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func (m *memory) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memory) List(context.Context, string) iter.Seq2[files.File, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.files))
	return func(yield func(files.File, error) bool) {
		for _, n := range names {
			if !yield(files.File{Name: n}, nil) {
				return
			}
		}
	}
}

// little is how much longer than Keep a line may be there.
const little = segmentTime + 2*time.Minute

// After 21 days and a little nothing of a line is left, and before it is; the
// property tries any sequence of lines, times, ends of the program and looks.
func TestGoneAfterItsTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		at, own, in := clocktest.At(began), identity(r), &memory{files: map[string][]byte{}}
		b := newBookIn(in, at, own)
		b.begin()
		defer func() { b.Close() }()
		written := map[string]time.Time{}
		step := rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Minute, 5 * time.Hour, 30 * time.Hour, 9 * 24 * time.Hour})
		for n := range rapid.IntRange(1, 6).Draw(r, "steps") {
			word := fmt.Sprintf("word-%d", n)
			b.log.Info(word)
			written[word] = at.Now()
			b.flush(r)
			if rapid.Bool().Draw(r, "again") {
				b.Close()
				b = newBookIn(in, at, own)
				b.begin()
			}
			at.Pass(step.Draw(r, "step"))
			prune(r, b)
			have := messages(b.all(r, Want{}, 5))
			for word, then := range written {
				switch age := at.Now().Sub(then); {
				case age < Keep && !slices.Contains(have, word):
					r.Fatalf("%s is gone after %s", word, age)
				case age > Keep+little && slices.Contains(have, word):
					r.Fatalf("%s is there after %s", word, age)
				}
			}
		}
		b.Close()
		at.Pass(Keep + roundMost + little)
		prune(r, b)
		if len(in.files) != 0 {
			r.Fatalf("left: %d files", len(in.files))
		}
	})
}

// The same on a disk: no byte is left in the folder.
func TestNoByteIsLeft(t *testing.T) {
	b := newBook(t, t.TempDir())
	b.begin()
	b.log.Info("canary")
	b.flush(t)
	b.clock.Pass(Keep - time.Minute)
	prune(t, b)
	if got := messages(b.all(t, Want{}, 5)); !slices.Equal(got, []string{"canary"}) {
		t.Errorf("before its time is over: %v", got)
	}
	b.clock.Pass(little)
	prune(t, b)
	if left := tree(t, b.dir); len(left) != 1 || len(b.all(t, Want{}, 5)) != 0 {
		t.Errorf("after its time: %d files", len(left))
	}
	b.clock.Pass(roundMost)
	prune(t, b)
	if left := tree(t, b.dir); len(left) != 0 {
		t.Errorf("with its key: %v", slices.Collect(maps.Keys(left)))
	}
	b.Close()
}

func prune(t fataler, b *book) {
	t.Helper()
	if _, err := Prune(context.Background(), b.bucket, b.clock.Now()); err != nil {
		t.Fatal(err)
	}
}

// tree reads every file below the folder.
func tree(t fataler, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A flood fills its hour and no more, faults still fit, what is lost is counted
// and said, and the next hour begins anew.
func TestAFloodHasABound(t *testing.T) {
	b := newBookIn(&memory{files: map[string][]byte{}}, clocktest.At(began), identity(t))
	b.begin()
	long := strings.Repeat("x", lineMost-1000)
	for n := range hourPlain/len(long) + 10 {
		b.log.Info(long)
		b.clock.Pass(time.Millisecond)
		if n%200 == 0 {
			b.flush(t)
		}
	}
	b.flush(t)
	lost := b.Dropped()
	if lost == 0 {
		t.Fatal("nothing was dropped")
	}
	b.log.Error("a fault in the flood")
	b.log.Error(strings.Repeat("y", lineMost))
	b.flush(t)
	lines := b.all(t, Want{From: b.clock.Now().Add(-time.Minute), Until: b.clock.Now().Add(time.Minute), Level: slog.LevelError}, 500)
	if got := messages(lines); !slices.Contains(got, "a fault in the flood") || b.Dropped() != lost+1 {
		t.Errorf("%v, dropped %d", got, b.Dropped())
	}
	var said int
	for _, l := range lines {
		if n := 0; l.Part == "logbook" && l.Attrs["lines"] != nil {
			fmt.Sscan(string(l.Attrs["lines"]), &n)
			said += n
		}
	}
	if int64(said) != b.Dropped() {
		t.Errorf("the log says %d lines, %d were lost", said, b.Dropped())
	}
	b.clock.Pass(time.Hour)
	b.log.Info("a new hour")
	b.flush(t)
	if got := messages(b.all(t, Want{From: b.clock.Now(), Until: b.clock.Now().Add(time.Minute)}, 5)); len(got) != 1 {
		t.Errorf("the next hour: %v", got)
	}
	b.Close()
}

// away is a bucket that does not answer.
type away struct {
	files.Bucket
	is atomic.Bool
}

func (a *away) Put(ctx context.Context, name string, body io.Reader) error {
	if a.is.Load() {
		return files.ErrAway
	}
	return a.Bucket.Put(ctx, name, body)
}

// A bucket that is away loses nothing for a while, then lines, counted; nobody waits.
func TestABucketAway(t *testing.T) {
	b := newBook(t, t.TempDir())
	a := &away{Bucket: b.bucket}
	a.is.Store(true)
	b.Begin(a, b.own.Recipient())
	for n := range waitMost {
		b.log.Warn(fmt.Sprint("line ", n))
		if err := b.Flush(t.Context()); !errors.Is(err, files.ErrAway) {
			t.Fatal(err)
		}
		b.clock.Pass(segmentTime)
	}
	b.log.Warn("one too many") // its segment has no place
	a.is.Store(false)
	b.flush(t)
	b.log.Warn("as before")
	b.flush(t)
	got := messages(b.all(t, Want{}, 100))
	// the Book's own writer may have been there first: where its own line stands is open
	if own := slices.Index(got, "logbook: lines were not kept: there were too many"); own < 0 {
		t.Errorf("the log does not say what it lost: %v", got)
	} else {
		got = slices.Delete(got, own, own+1)
	}
	want := []string{"as before"}
	for n := range waitMost {
		want = slices.Insert(want, 1, fmt.Sprint("line ", n))
	}
	if !slices.Equal(got, want) || b.Dropped() != 1 {
		t.Errorf("%v, dropped %d", got, b.Dropped())
	}
	b.Close()
}

// What was looked through for one page has a bound: the page is short and says
// where it goes on, and nothing is passed over.
func TestALongLookIsCut(t *testing.T) {
	b := newBook(t, t.TempDir())
	b.begin()
	for n := range 6 {
		b.log.Info("dull")
		if n%3 == 0 {
			b.log.Error(fmt.Sprint("found ", n))
		}
		b.flush(t)
		b.clock.Pass(3 * time.Hour)
	}
	r := NewReader(b.bucket, b.own)
	r.most = 1
	w := Want{From: b.clock.Now().Add(-time.Hour * 1000), Until: b.clock.Now(), Level: slog.LevelError}
	var got []string
	pages := 0
	for after := (&Place{}); after != nil; pages++ {
		lines, next, err := r.Page(t.Context(), w, *after, 10)
		if err != nil {
			t.Fatal(err)
		}
		got, after = append(got, messages(lines)...), next
	}
	if !slices.Equal(got, []string{"found 3", "found 0"}) || pages != 6 {
		t.Errorf("%v in %d pages", got, pages)
	}
	b.Close()
}

// Two processes that write to one place are read as one log.
func TestTwoWriters(t *testing.T) {
	b := newBook(t, t.TempDir())
	other := newBookIn(b.bucket, b.clock, b.own)
	b.begin()
	other.begin()
	var want []string
	for n := range 10 {
		word := fmt.Sprint("line ", n)
		[]*slog.Logger{b.log, other.log}[n%2].Info(word)
		want = append([]string{word}, want...)
		b.clock.Pass(10 * time.Minute)
	}
	b.Close()
	other.Close()
	for _, limit := range []int{1, 3, 10, 11} {
		if got := messages(b.all(t, Want{}, limit)); !slices.Equal(got, want) {
			t.Errorf("%d a page: %v", limit, got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"time":"2026-03-02T09:40:20Z","level":"WARN","msg":"odd","part":"intake","account":"acct_1","request_id":"req_1","n":1}`))
	f.Add([]byte(`{"time":"2026-03-02T09:40:20Z","level":7,"msg":[]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if l, ok := lineOf(text); ok && l.At.IsZero() && !bytes.Contains(text, []byte("0001-01-01")) {
			t.Errorf("%q has no time", text)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("20260302T094020Z-0a1b2c3d/20260302T094020Z-000001.age")
	f.Add("20260302T094020Z-0a1b2c3d/key.age")
	f.Fuzz(func(t *testing.T, name string) {
		if k, ok := parse(name); ok && (k.name != name || k.start.IsZero() && !strings.Contains(name, "00010101")) {
			t.Errorf("%q: %+v", name, k)
		}
	})
}
