package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// do runs a verb and gives what it said.
func do(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out strings.Builder
	if status := run(args, &out, &out); status != want {
		t.Fatalf("%v: status %d, want %d: %s", args, status, want, out.String())
	}
	return out.String()
}

// The root, an account's keys and the receipt key are rotated, what is under
// the old root is moved, and the old root goes. Then the identity is lost, and
// a recovery identity, no other, brings the keyring back.
func TestKeysAreRotatedAndRecovered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	data := []string{"--data", dir}
	verb := func(want int, args ...string) string {
		t.Helper()
		return do(t, want, append(append([]string{"keys"}, args...), data...)...)
	}
	do(t, 0, append([]string{"account", "create", "--name", "Example Homes", "--admin-email", "ada@example.com"}, data...)...)
	if out := verb(0, "status"); !strings.Contains(out, "NO RECOVERY") || !strings.Contains(out, "generation 1") {
		t.Errorf("status: %s", out)
	}
	long := time.Now().Add(-6 * aYear)
	if err := os.Chtimes(filepath.Join(dir, "identity.txt"), long, long); err != nil {
		t.Fatal(err)
	}
	if out := verb(0, "status"); !strings.Contains(line(out, "identity"), "overdue: catchment keys passphrase") {
		t.Errorf("an old identity: %s", out)
	}
	mine, other := newIdentity(t), newIdentity(t)
	verb(0, "recovery", mine.Recipient().String())
	root := strings.Fields(line(verb(0, "status"), "root"))[1]
	verb(0, "rotate", "account")
	verb(0, "rotate", "root")
	verb(0, "rotate", "receipt", "--from", "1h")
	verb(1, "rotate", "receipt", "--from", "0s") // one waits already
	for _, what := range []string{"record", "snapshot", "tokens"} {
		if out := verb(0, "rotate", what, "--from", "1h"); !strings.HasPrefix(out, what+" key ") {
			t.Errorf("%s: %s", what, out)
		}
		verb(1, "rotate", what)
		if out := verb(0, "status"); strings.Count(out, "\n"+what) != 2 || !strings.Contains(out, "begins on") {
			t.Errorf("status: %s", out)
		}
	}
	if out := verb(0, "expire"); !strings.Contains(out, "kept: generation 1") || strings.Contains(out, "is destroyed") {
		t.Errorf("expire before rewrap: %s", out)
	}
	if out := verb(0, "rewrap"); !strings.HasPrefix(out, "2 keys wrapped anew") { // the keyset and its admin
		t.Errorf("rewrap: %s", out)
	}
	if out := verb(0, "rewrap"); !strings.HasPrefix(out, "0 keys") {
		t.Errorf("rewrap again: %s", out)
	}
	if out := verb(0, "expire"); !strings.Contains(out, "root "+root+" is destroyed") {
		t.Errorf("expire: %s", out)
	}
	if out := verb(0, "status"); strings.Contains(out, root) || !strings.Contains(out, "generation 2") || strings.Contains(out, "NO RECOVERY") {
		t.Errorf("status: %s", out)
	}
	verb(1, "recover", "--recovery", writeIdentity(t, mine)) // the keyring opens
	if err := os.Remove(filepath.Join(dir, "identity.txt")); err != nil {
		t.Fatal(err)
	}
	verb(1, "status")
	verb(1, "recover", "--recovery", writeIdentity(t, other))
	verb(0, "recover", "--recovery", writeIdentity(t, mine))
	if out := verb(0, "status"); !strings.Contains(out, "generation 2") {
		t.Errorf("recovered: %s", out)
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func writeIdentity(t *testing.T, id *age.X25519Identity) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "recovery.txt")
	if err := os.WriteFile(name, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return ""
}
