package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"catchment/internal/store"
)

// The doctor reads the whole journal when no server holds it, and finds one
// flipped bit, also at the second look.
func TestDoctorReadsTheJournal(t *testing.T) {
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	for i := range 20 {
		s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", fmt.Sprintf("+120255501%02d", i)))
	}
	seen := func(status int, words string, flags ...string) {
		t.Helper()
		var out strings.Builder
		if got := run(append([]string{"doctor", "--data", c.Data, "--watermark", "1"}, flags...), &out, io.Discard); got != status || !strings.Contains(out.String(), words) {
			t.Errorf("doctor: status %d, want %d and %q:\n%s", got, status, words, &out)
		}
	}
	seen(0, "a server is running on this folder")
	seen(0, " MiB free\n")
	seen(1, "no more leads are taken; make room", "--watermark", "1000000000")
	s.stop()
	seen(0, "ok    journal: 20 entries in 20 messages")

	flip(t, largestBlock(t, c.Data), func(size int) int { return size / 2 })
	seen(1, "BAD   journal: ")
	seen(1, "gone from the end, up to 20")
	if err := os.Remove(filepath.Join(c.Data, lossFile)); err != nil {
		t.Fatal(err)
	}
	seen(0, "ok    journal: ")

	// A start finds the next one, and says so as loudly.
	s = serve(t, c)
	s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550160"))
	s.stop()
	cut(t, largestBlock(t, c.Data))
	s = serve(t, c)
	if log := s.logs.String(); !strings.Contains(log, "acknowledged messages are gone") {
		t.Errorf("the start does not say it: %s", log)
	}
	if n := metric(t, s, "catchment_journal_gaps"); n == 0 {
		t.Error("no metric says it")
	}
	seen(1, "gone from the end")
	s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550161"))
}

// cut flips a bit near the end of a file, and has the next start read it whole.
func cut(t *testing.T, block string) {
	t.Helper()
	flip(t, block, func(size int) int { return size - 40 })
	if err := os.Remove(filepath.Join(filepath.Dir(block), "index.db")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, where func(size int) int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[where(len(text))] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// largestBlock is the file that holds the leads' messages.
func largestBlock(t *testing.T, dir string) (path string) {
	t.Helper()
	var size int64
	err := filepath.WalkDir(filepath.Join(dir, "journal"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".blk") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			path, size = p, info.Size()
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatal("no block: ", err)
	}
	return path
}
