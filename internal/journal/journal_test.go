package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t testing.TB, o Options) *Journal {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	j, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeIt(t, j) })
	return j
}

func closeIt(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// external starts a NATS server as it would stand elsewhere.
func external(t testing.TB) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: maxMessage,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// onBoth runs the test on the embedded server and on an external one. The
// options given to it can be used to open the same journal again.
func onBoth(t *testing.T, f func(t *testing.T, o Options)) {
	t.Run("embedded", func(t *testing.T) { f(t, Options{Dir: t.TempDir()}) })
	t.Run("external", func(t *testing.T) { f(t, Options{URL: external(t), MaxBytes: 1 << 30}) })
}

func entry(n int) Entry {
	data := fmt.Appendf(nil, "entry %d ", n)
	pad := make([]byte, 300)
	_, _ = rand.Read(pad)
	data = append(data, pad...)
	return Entry{Box: box(n % 3), Data: data, Leaf: sha256.Sum256(data)}
}

func box(n int) []byte { return bytes.Repeat([]byte{byte(n + 1)}, 1120) }

func checkAck(t *testing.T, e Entry, a Ack) {
	t.Helper()
	path := make([][]byte, len(a.Path))
	for i := range a.Path {
		path[i] = a.Path[i][:]
	}
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(a.Index), uint64(a.Size), e.Leaf[:], path, a.Root[:])
	if err != nil {
		t.Errorf("entry %d of %d in %d: %v", a.Index, a.Size, a.Seq, err)
	}
}

// appendMany appends n entries from several goroutines and returns what was
// acknowledged, by data.
func appendMany(t testing.TB, j *Journal, n int) map[string]Ack {
	t.Helper()
	var mu sync.Mutex
	acked := make(map[string]Ack)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				e := entry(i)
				a, err := j.Append(context.Background(), e)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				acked[string(e.Data)] = a
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked
}

// readAll consumes until every wanted entry has come, and gives how often
// each came.
func readAll(t testing.TB, j *Journal, name string, want map[string]Ack) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	got := make(map[string]int)
	missing := len(want)
	err := j.Consume(ctx, name, func(_ context.Context, d Delivery) error {
		for _, m := range d.Messages {
			for _, r := range m.Entries {
				if r.Err != nil {
					t.Errorf("entry: %v", r.Err)
				}
				if a, ok := want[string(r.Data)]; ok && got[string(r.Data)] == 0 {
					missing--
					if a.Seq != m.Seq || a.Index != r.Index {
						t.Errorf("acknowledged as %d/%d, read as %d/%d", a.Seq, a.Index, m.Seq, r.Index)
					}
				}
				got[string(r.Data)]++
			}
		}
		if missing == 0 {
			cancel()
		}
		return nil
	})
	if err != nil || missing != 0 {
		t.Fatalf("%d of %d entries did not come (%v)", missing, len(want), err)
	}
	return got
}

func TestAppendProvesAndComesOut(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		o.Seal = func(stream string, seq uint64, size int, root [32]byte) ([]byte, string, error) {
			return fmt.Appendf(nil, "%s/%d/%d/%x", stream, seq, size, root), "k1", nil
		}
		j := open(t, o)
		acked := appendMany(t, j, 400)
		shared := 0
		for data, a := range acked {
			checkAck(t, Entry{Leaf: sha256.Sum256([]byte(data))}, a)
			if want := fmt.Sprintf("%s/%d/%d/%x", j.Stream(), a.Seq, a.Size, a.Root); string(a.Signature) != want || a.KeyID != "k1" {
				t.Fatalf("signature %q, want %q", a.Signature, want)
			}
			if a.Size > 1 {
				shared++
			}
		}
		if shared == 0 {
			t.Error("16 callers never shared a commit")
		}
		got := readAll(t, j, "reader", acked)
		for data, n := range got {
			if n != 1 {
				t.Errorf("%.12q came %d times", data, n)
			}
		}
		if rep, err := j.Verify(context.Background()); err != nil || !rep.Whole() || rep.Entries != 400 {
			t.Errorf("verify: %+v, %v", rep, err)
		}
	})
}

func TestAppendAllIsOneMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		es := make([]Entry, MaxBatchEntries)
		for i := range es {
			es[i] = entry(i)
			es[i].Data = append(es[i].Data, make([]byte, 5000)...) // over 5 MiB in all
			es[i].Leaf = sha256.Sum256(es[i].Data)
		}
		acks, err := j.AppendAll(context.Background(), es)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range acks {
			if a.Seq != acks[0].Seq || a.Index != i || a.Size != len(es) {
				t.Fatalf("ack %d: %d/%d of %d", i, a.Seq, a.Index, a.Size)
			}
			checkAck(t, es[i], a)
		}
		if _, err := j.AppendAll(context.Background(), append(es, entry(0))); !errors.Is(err, ErrTooLarge) {
			t.Errorf("1,001 entries: %v", err)
		}
		if _, err := j.Append(context.Background(), Entry{Data: make([]byte, maxMessage)}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("8 MiB: %v", err)
		}
	})
}

// A copy of the folder of a running journal is what a kill leaves behind.
func TestCopyOfARunningStoreHoldsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	acked := appendMany(t, j, 200)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the copy is made while more is being written
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_, _ = j.Append(context.Background(), entry(10_000+i))
			}
		}
	})
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	again := open(t, Options{Dir: killed})
	readAll(t, again, "reader", acked)
	appendMany(t, again, 20)
}

func TestReopenGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		acked := appendMany(t, j, 50)
		last := j.LastSeq()
		closeIt(t, j)
		closeIt(t, j) // any order, any number
		if _, err := j.Append(context.Background(), entry(1)); !busy(err, BusyClosing) {
			t.Errorf("append after close: %v", err)
		}
		if err := j.Consume(context.Background(), "x", nil); !busy(err, BusyClosing) {
			t.Errorf("consume after close: %v", err)
		}
		again := open(t, o)
		if again.LastSeq() != last {
			t.Errorf("last %d, was %d", again.LastSeq(), last)
		}
		a, err := again.Append(context.Background(), entry(99))
		if err != nil || a.Seq <= last {
			t.Errorf("seq %d after %d: %v", a.Seq, last, err)
		}
		readAll(t, again, "reader", acked)
	})
}

func busy(err error, reason string) bool {
	var b ErrBusy
	return errors.As(err, &b) && b.Reason == reason && b.RetryAfter >= time.Second
}

func TestFolderIsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	if _, err := Open(context.Background(), Options{Dir: dir, Logger: quiet}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second opening: %v", err)
	}
	if _, err := j.Append(context.Background(), entry(1)); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	closeIt(t, j)
	open(t, Options{Dir: dir})
}

func TestEveryTreeSizeProves(t *testing.T) {
	for n := 1; n <= 70; n++ {
		leaves := make([][32]byte, n)
		for i := range leaves {
			leaves[i] = sha256.Sum256([]byte{byte(i)})
		}
		tr := newTree(leaves)
		for i := range leaves {
			checkAck(t, Entry{Leaf: leaves[i]}, Ack{Index: i, Size: n, Path: tr.path(i), Root: tr.root()})
		}
	}
}
