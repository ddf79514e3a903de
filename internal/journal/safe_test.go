package journal

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was destroyed is in no file of the server any more; the control finds it
// there before.
func TestASafeDestroys(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		j := open(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := j.Safe(ctx, "grants")
		must(err)
		secret := []byte("a secret that nobody may find afterwards")
		must(s.Put(ctx, "one", secret))
		must(s.Put(ctx, "two", []byte("another")))
		again, err := j.Safe(ctx, "grants")
		must(err)
		if got, err := again.Get(ctx, "one"); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%q, %v", got, err)
		}
		if o.Dir != "" && !inFiles(t, o.Dir, secret) {
			t.Error("control: before, the secret is in no file")
		}
		must(s.Destroy(ctx, "one"))
		must(s.Destroy(ctx, "one"))
		must(s.Destroy(ctx, "never"))
		if got, err := again.Get(ctx, "one"); err != nil || got != nil {
			t.Errorf("%q, %v", got, err)
		}
		if names, err := s.Names(ctx); err != nil || len(names) != 1 || names[0] != "two" {
			t.Errorf("%v, %v", names, err)
		}
		if o.Dir != "" && inFiles(t, o.Dir, secret) {
			t.Error("the secret is in a file still")
		}
	})
}

func inFiles(t *testing.T, dir string, text []byte) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // files come and go beside us
		}
		content, err := os.ReadFile(path)
		found = found || err == nil && bytes.Contains(content, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
