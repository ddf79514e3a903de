package journal

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childDir = "JOURNAL_TEST_CHILD_DIR"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child appends for ever and prints the leaf of each entry once it is
// acknowledged.
func child(dir string) {
	j, err := Open(context.Background(), Options{Dir: dir, Logger: quiet})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	lines := make(chan string, 1000)
	for w := range 8 {
		go func() {
			for i := w; ; i += 8 {
				e := entry(i)
				if _, err := j.Append(context.Background(), e); err == nil {
					lines <- hex.EncodeToString(e.Leaf[:])
				}
			}
		}()
	}
	for l := range lines {
		fmt.Println(l)
	}
}

// Killed in the middle of its work again and again, on one folder.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]bool)
	for range 5 {
		for _, l := range runAndKill(t, dir) {
			acked[l] = true
		}
	}
	j := open(t, Options{Dir: dir})
	s := j.Stats()
	if len(acked) == 0 || s.Gaps+s.WentBack != 0 {
		t.Fatalf("%d acknowledged, %+v", len(acked), s)
	}
	n := 0
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = j.Consume(ctx, "reader", func(_ context.Context, d Delivery) error {
		for _, m := range d.Messages {
			n += len(m.Entries)
			for _, r := range m.Entries {
				if sum := sha256.Sum256(r.Data); sum != r.Leaf || r.Err != nil {
					t.Errorf("entry %d of %d is not what was written", r.Index, m.Seq)
				}
				delete(acked, hex.EncodeToString(r.Leaf[:]))
			}
			if m.Seq == j.LastSeq() {
				cancel()
			}
		}
		return nil
	})
	if len(acked) != 0 {
		t.Errorf("%d acknowledged entries are gone, %d are there", len(acked), n)
	}
}

func runAndKill(t *testing.T, dir string) (acked []string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "failed") {
			t.Errorf("child: %s", lines.Text())
		}
		if len(lines.Text()) == 64 { // a line cut by the kill was never read whole
			acked = append(acked, lines.Text())
		}
		if len(acked) == 200 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return acked
}
