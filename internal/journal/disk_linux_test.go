package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A real small file system runs full. With the watermark nothing ever fails;
// without one the store fails and comes back when there is room.
func TestDiskFull(t *testing.T) {
	for _, watermark := range []int64{4 << 20, 1} {
		t.Run(fmt.Sprintf("watermark=%d", watermark), func(t *testing.T) { diskFull(t, watermark) })
	}
}

func diskFull(t *testing.T, watermark int64) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	// Limits out of the way: the disk itself is to run out.
	j := open(t, Options{Dir: filepath.Join(dir, "j"), Watermark: watermark, MaxBytes: 15 << 20,
		PublishTimeout: 300 * time.Millisecond, PublishGiveUp: time.Second})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := fillUp(t, j)
	if watermark > 1 && j.Stats().Restarts+j.Stats().Failed > 0 {
		t.Errorf("the watermark did not hold: %+v", j.Stats())
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool {
		e := entry(7)
		a, err := j.Append(context.Background(), e)
		acked[string(e.Data)] = a
		if err != nil {
			delete(acked, string(e.Data))
		}
		return err == nil
	})
	t.Logf("%d acknowledged, %+v", len(acked), j.Stats())
	readAll(t, j, "reader", acked)
}

func fillUp(t *testing.T, j *Journal) map[string]Ack {
	t.Helper()
	acked := make(map[string]Ack)
	refused := 0
	for i := 0; refused < 20; i++ {
		e := Entry{Data: append(fmt.Appendf(nil, "%d", i), make([]byte, 60_000)...)}
		e.Leaf = sha256.Sum256(e.Data)
		a, err := j.Append(context.Background(), e)
		switch {
		case err == nil:
			acked[string(e.Data)] = a
		case errors.As(err, new(ErrBusy)):
			refused++
			time.Sleep(20 * time.Millisecond)
		default:
			t.Fatal(err)
		}
		if i > 100_000 {
			t.Fatal("the disk never ran full")
		}
	}
	return acked
}

// What a bit flipped on disk takes away is noticed after an unclean stop, and
// its number is not given to another message.
func TestFlippedBitOnDiskIsNoticed(t *testing.T) {
	for _, where := range []float64{0.5, 0.999} {
		t.Run(fmt.Sprint(where), func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, Options{Dir: dir})
			for i := range 100 {
				if _, err := j.Append(context.Background(), entry(i)); err != nil {
					t.Fatal(err)
				}
			}
			last := j.LastSeq()
			killed := filepath.Join(t.TempDir(), "killed")
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			flip(t, killed, where)
			again := open(t, Options{Dir: killed})
			s := again.Stats()
			if s.Gaps+s.WentBack == 0 {
				t.Fatal("nothing noticed")
			}
			a, err := again.Append(context.Background(), entry(1))
			if err != nil || a.Seq <= last {
				t.Errorf("number %d after %d was acknowledged: %v", a.Seq, last, err)
			}
		})
	}
	t.Run("in the middle", flippedInTheMiddle)
	t.Run("with a current index", flippedUnderAnIndex)
	t.Run("control", func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, Options{Dir: dir})
		appendMany(t, j, 100)
		killed := filepath.Join(t.TempDir(), "killed")
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		again := open(t, Options{Dir: killed})
		if s := again.Stats(); s.Gaps+s.WentBack != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The server wrote its index, then a bit flipped: with that index it would
// not look at the block. The marker of an unclean stop makes it look, and so
// does the option.
func flippedUnderAnIndex(t *testing.T) {
	for _, unclean := range []bool{true, false} {
		dir := t.TempDir()
		j := open(t, Options{Dir: dir})
		appendMany(t, j, 100)
		closeIt(t, j)
		if found, _ := filepath.Glob(filepath.Join(dir, indexes)); len(found) == 0 {
			t.Fatal("the server leaves no index any more: forgetIndexes looks in the wrong place")
		}
		flip(t, dir, 0.5)
		if !unclean { // without either the start trusts the index, but Verify reads
			j := open(t, Options{Dir: dir})
			if rep, err := j.Verify(context.Background()); err != nil || rep.Whole() {
				t.Errorf("verify: %+v, %v", rep, err)
			}
			closeIt(t, j)
		}
		if unclean {
			if err := os.WriteFile(filepath.Join(dir, "RUNNING"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, Options{Dir: dir, Scan: !unclean}).Stats()
		if s.Gaps+s.WentBack == 0 {
			t.Errorf("unclean %v: nothing noticed", unclean)
		}
	}
}

// The first of several blocks is damaged: the reader gets all the others.
func flippedInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	acked := make(map[string]Ack)
	for i := range 40 { // blocks are of 8 MiB
		e := Entry{Data: append(fmt.Appendf(nil, "%d", i), make([]byte, 500_000)...)}
		a, err := j.Append(context.Background(), e)
		if err != nil {
			t.Fatal(err)
		}
		acked[string(e.Data)] = a
	}
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	flip(t, killed, 0.5)
	again := open(t, Options{Dir: killed})
	gaps := again.Stats().Gaps
	if gaps == 0 || gaps > 20 {
		t.Fatalf("%d missing", gaps)
	}
	if rep, err := again.Verify(context.Background()); err != nil || rep.Missing != gaps || rep.Broken == 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	for data, a := range acked {
		if a.Seq > 8 && a.Seq <= 17 { // the second half of the first block
			delete(acked, data)
		}
	}
	readAll(t, again, "reader", acked)
}

func flip(t *testing.T, dir string, where float64) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "catchment-journal", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks: %v", err)
	}
	f, err := os.OpenFile(blocks[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Seek(0, io.SeekEnd)
	at := int64(float64(size) * where)
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
