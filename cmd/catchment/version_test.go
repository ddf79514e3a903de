package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// A program is of a release when a list that names its sum is signed by the
// key; a list of another program, another key and a changed list are refused.
func TestVersionVerify(t *testing.T) {
	b, err := thisBuild()
	if err != nil || len(b.SHA256) != 64 || b.Go == "" {
		t.Fatalf("%+v, %v", b, err)
	}
	dir := t.TempDir()
	put := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func(name string) (minisign.PrivateKey, string) {
		public, private, err := minisign.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text, err := public.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		return private, put(name, text)
	}
	private, public := key("catchment.pub")
	_, foreign := key("foreign.pub")
	list := func(name, text string) string {
		put(name+".minisig", minisign.Sign(private, []byte(text)))
		return put(name, []byte(text))
	}
	good := list("SHA256SUMS", b.SHA256+"  catchment-v1-test\n"+strings.Repeat("0", 64)+"  other\n")
	other := list("others", strings.Repeat("0", 64)+"  other\n")
	changed := list("changed", "")
	put("changed", []byte(b.SHA256+"  catchment-v1-test\n"))

	for _, c := range []struct {
		list, key, says string
		status          int
	}{
		{good, public, "catchment-v1-test, as the signed list says", 0},
		{good, foreign, "is not signed by the key", 1},
		{other, public, "none of those", 1},
		{changed, public, "is not signed by the key", 1},
		{filepath.Join(dir, "missing"), public, "no such file", 1},
		{good, good, "the public key", 1},
	} {
		var out strings.Builder
		if status := run([]string{"version", "--verify", c.list, "--key", c.key}, &out, &out); status != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s by %s: status %d, %s", filepath.Base(c.list), filepath.Base(c.key), status, out.String())
		}
	}
	var out strings.Builder
	if status := run([]string{"version", "--verify", good}, &out, &out); status != 2 || !strings.Contains(out.String(), "--key") {
		t.Errorf("without a key: status %d, %s", status, out.String())
	}
}
