package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"catchment/internal/files"
	"catchment/internal/files/filestest"
)

func open(t *testing.T, where string) files.Bucket {
	t.Helper()
	b, err := files.Open(t.Context(), where, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFolder(t *testing.T) { course(t, open(t, filepath.Join(t.TempDir(), "new", "bucket"))) }

func TestS3(t *testing.T) { course(t, open(t, filestest.S3(t).URL)) }

func read(t *testing.T, b files.Bucket, name string) string {
	t.Helper()
	text, err := files.Read(t.Context(), b, name, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names(t *testing.T, b files.Bucket, prefix string) (out []string) {
	t.Helper()
	for f, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Size != int64(len(read(t, b, f.Name))) || f.At.IsZero() {
			t.Errorf("%+v has %d bytes", f, len(read(t, b, f.Name)))
		}
		out = append(out, f.Name)
	}
	return out
}

// What one bucket promises, every bucket does.
func course(t *testing.T, b files.Bucket) {
	ctx := t.Context()
	must := func(err, kind error) {
		t.Helper()
		if !errors.Is(err, kind) {
			t.Errorf("%v, want %v", err, kind)
		}
	}
	must(files.Check(ctx, b), nil)
	_, err := b.Get(ctx, "a/b.txt")
	must(err, files.ErrNone)
	must(b.Remove(ctx, "a/b.txt"), nil)

	must(b.Add(ctx, "a/b.txt", []byte("one")), nil)
	must(b.Add(ctx, "a/b.txt", []byte("two")), files.ErrThere)
	if got := read(t, b, "a/b.txt"); got != "one" {
		t.Errorf("a second Add has changed it to %q", got)
	}
	must(b.Put(ctx, "a/b.txt", strings.NewReader("three")), nil)
	if got := read(t, b, "a/b.txt"); got != "three" {
		t.Errorf("Put left %q", got)
	}
	large := make([]byte, 40<<20+7) // in parts, where there are parts
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	must(b.Put(ctx, "a/large", io.MultiReader(bytes.NewReader(large))), nil)
	if got := read(t, b, "a/large"); got != string(large) {
		t.Errorf("a large file came back as %d bytes", len(got))
	}
	_, err = files.Read(ctx, b, "a/large", 1000)
	if err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("more was read than wanted: %v", err)
	}

	must(b.Add(ctx, "ab", nil), nil)
	must(b.Add(ctx, "a/b/c", []byte("1")), nil)
	if got, want := names(t, b, "a/"), []string{"a/b.txt", "a/b/c", "a/large"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if got, want := names(t, b, ""), []string{"a/b.txt", "a/b/c", "a/large", "ab"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if got := names(t, b, "a/b"); len(got) != 2 {
		t.Errorf("a prefix may end within a name: %v", got)
	}

	// A body that breaks off leaves what was there, and says its own reason.
	broken := errors.New("broken off")
	for _, before := range []int{10, 40 << 20} {
		err = b.Put(ctx, "a/b.txt", io.MultiReader(bytes.NewReader(large[:before]), fails{broken}))
		must(err, broken)
	}
	must(b.Put(ctx, "a/none", io.MultiReader(strings.NewReader("half"), fails{broken})), broken)
	if got := read(t, b, "a/b.txt"); got != "three" {
		t.Errorf("a body that broke off left %d bytes", len(got))
	}
	_, err = b.Get(ctx, "a/none")
	must(err, files.ErrNone)
	if got := names(t, b, "a/"); len(got) != 3 {
		t.Errorf("a body that broke off is listed: %v", got)
	}

	for _, name := range []string{"", "/a", "a/", "a//b", "..", "../x", "a/../b", ".x", "a/.x", "a b", "ä", `a\b`, "a\x00", strings.Repeat("n", 513)} {
		_, got := b.Get(ctx, name)
		for _, err := range []error{got, b.Put(ctx, name, strings.NewReader("x")), b.Add(ctx, name, nil), b.Remove(ctx, name)} {
			if err == nil || errors.Is(err, files.ErrNone) {
				t.Errorf("the name %q: %v", name, err)
			}
		}
	}

	must(b.Remove(ctx, "a/b.txt"), nil)
	if got := names(t, b, "a/b"); len(got) != 1 {
		t.Errorf("after removing: %v", got)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	must(b.Put(gone, "late", strings.NewReader("x")), context.Canceled)
	if got := names(t, b, "late"); len(got) != 0 {
		t.Errorf("a caller who was gone left %v", got)
	}
}

type fails struct{ err error }

func (f fails) Read([]byte) (int, error) { return 0, f.err }

// Each kind of fault is told from the others, and is over when it is over.
func TestFaults(t *testing.T) {
	s := filestest.S3(t)
	b := open(t, s.URL)
	for mood, kind := range map[filestest.Mood]error{filestest.Sick: files.ErrAway, filestest.Drops: files.ErrAway, filestest.Refuses: files.ErrRefused, filestest.Well: nil} {
		s.Set(mood)
		if err := files.Check(t.Context(), b); !errors.Is(err, kind) {
			t.Errorf("mood %d: %v, want %v", mood, err, kind)
		}
		for _, err := range b.List(t.Context(), "") {
			if !errors.Is(err, kind) {
				t.Errorf("mood %d: %v, want %v", mood, err, kind)
			}
		}
	}
	s.Set(filestest.Well)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	if err := files.Check(t.Context(), open(t, s.URL)); !errors.Is(err, files.ErrRefused) {
		t.Errorf("with another secret: %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if err := files.Check(t.Context(), open(t, s.URL)); !errors.Is(err, files.ErrRefused) || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("without credentials: %v", err)
	}
}

func TestWhere(t *testing.T) {
	for where, says := range map[string]string{
		"s3://leads":                                         "",
		"s3://leads/a/b?region=eu-west-1":                    "",
		"s3://leads?endpoint=https://s3.example.com":         "",
		"s3://leads?endpoint=http://127.0.0.1:9000":          "",
		"s3://leads?endpoint=http://s3.example.com":          "encrypted",
		"s3://leads?endpoint=s3.example.com":                 "https://HOST",
		"s3://me:secret@leads":                               "credentials",
		"s3://leads/../x":                                    "prefix",
		"s3://leads?zone=1":                                  "zone",
		"s3://":                                              "want a folder",
		"gs://leads":                                         "want a folder",
		"https://leads.s3.amazonaws.com/":                    "want a folder",
		"s3://leads?region=a&region=b":                       "region",
		"s3://leads?endpoint=https://u:p@s3.example.com":     "https://HOST",
		"s3://leads?endpoint=https://s3.example.com/?a=b%23": "https://HOST",
	} {
		err := files.CheckURL(where, files.Options{})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", where, err, says)
		}
	}
	if err := files.CheckURL("s3://leads?endpoint=http://s3.example.com", files.Options{Plaintext: true}); err != nil {
		t.Error(err)
	}
}

// A link inside the folder leads nowhere else, and nothing that is no file of
// ours is listed.
func TestFolderStays(t *testing.T) {
	outside, inside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(inside, "way")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	b := open(t, inside)
	for _, name := range []string{"way/secret", "link"} {
		if f, err := b.Get(t.Context(), name); err == nil {
			f.Close()
			t.Errorf("%s was read", name)
		}
	}
	if err := b.Put(t.Context(), "way/new", strings.NewReader("x")); err == nil {
		t.Error("a file was written outside")
	}
	if got := names(t, b, ""); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "a/b", "../a", "a/../../b", ".", "a/.b", "a\x00b", "con", strings.Repeat("a/", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		above := t.TempDir()
		b, err := files.Open(t.Context(), filepath.Join(above, "in"), files.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(t.Context(), name, []byte("x")); err == nil {
			if got := names(t, b, ""); !slices.Equal(got, []string{name}) {
				t.Errorf("%q is listed as %q", name, got)
			}
		}
		if in, _ := os.ReadDir(above); len(in) != 1 {
			t.Errorf("%q leads outside: %v", name, in)
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"s3://leads/a?region=eu-west-1&endpoint=https://s3.example.com", "s3://a/%2e%2e/b", "s3://[::1]/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, where string) {
		if err := files.CheckURL(where, files.Options{}); err == nil && files.Elsewhere(where) && strings.Contains(where, "endpoint=http://") {
			if !strings.Contains(where, "localhost") && !strings.Contains(where, "127.") && !strings.Contains(where, "[") {
				t.Errorf("%q is taken without TLS", where)
			}
		}
	})
}
