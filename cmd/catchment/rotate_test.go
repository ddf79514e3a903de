package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/logbook"
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
	keepLine(t, dir, firstLine)
	backups := filepath.Join(t.TempDir(), "backups")
	do(t, 0, append([]string{"backup", "--backup-to", backups}, data...)...)
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
	if out := verb(0, "rewrap"); !strings.HasPrefix(out, "3 keys wrapped anew") { // the keyset, its admin and a day's log
		t.Errorf("rewrap: %s", out)
	}
	if out := verb(0, "rewrap"); !strings.HasPrefix(out, "0 keys") {
		t.Errorf("rewrap again: %s", out)
	}
	if out := verb(0, "expire", "--backup-to", backups); !strings.Contains(out, "root "+root+"  kept: 2 files of backups") || strings.Contains(out, "is destroyed") {
		t.Errorf("expire, with a backup under the old root: %s", out)
	}
	if out := verb(0, "expire", "--lose", "--backup-to", backups); !strings.Contains(out, "root "+root+" is destroyed") {
		t.Errorf("expire: %s", out)
	}
	if got := keptLines(t, dir); !slices.Equal(got, []string{firstLine}) {
		t.Errorf("the log after its root: %v", got)
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

// What is kept of the log under an old root holds it back until its keys were
// sealed anew; of SQLite's log it is enough to look at a few files.
func TestRootsThatAreStillNeeded(t *testing.T) {
	dir := t.TempDir()
	ring, err := keyring.Open(keyring.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var c keysExpireCmd
	c.Data, c.BackupTo = dir, filepath.Join(t.TempDir(), "backups")
	out, err := files.Open(t.Context(), c.BackupTo, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) {
		t.Helper()
		f, err := newSealedFile(t.Context(), out, name, []age.Recipient{ring.BackupRecipient()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.finish(); err != nil {
			t.Fatal(err)
		}
	}
	keepLine(t, dir, firstLine)
	roots := []uint32{ring.Root()}
	const round = logPrefix + "20260302T094020Z-00000000/"
	put(round + baseName)
	for n := range 40 { // three roots, one after the other
		put(fmt.Sprintf("%s%08d-%016d.age", round, n+1, n+1))
		if n == 3 || n == 17 {
			id, err := ring.RotateRoot()
			if err != nil {
				t.Fatal(err)
			}
			roots = append(roots, id)
		}
	}
	under, err := c.sealedOutside(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n, id := range roots {
		want := underRoot{shipped: 1}
		if n == 0 {
			want.logKeys = 1
		}
		if under[id] != want {
			t.Errorf("root %d: %+v, want %+v", n, under[id], want)
		}
	}
	var said strings.Builder
	w := &world{ctx: t.Context(), out: &said, err: &said}
	if err := c.dropRoots(w, ring, nil); err != nil || strings.Contains(said.String(), "destroyed") || strings.Count(said.String(), "kept: ") != 2 {
		t.Errorf("%s %v", said.String(), err)
	}
	for name, err := range out.List(t.Context(), "") {
		if err == nil {
			err = out.Remove(t.Context(), name.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	said.Reset()
	if err := c.dropRoots(w, ring, nil); err != nil || strings.Count(said.String(), "kept: 1 keys of the log") != 1 || strings.Count(said.String(), "is destroyed") != 1 {
		t.Errorf("without backups: %s %v", said.String(), err)
	}
	if n, err := c.rewrapLog(w); n != 1 || err != nil {
		t.Errorf("rewrapped: %d %v", n, err)
	}
	said.Reset()
	if err := c.dropRoots(w, ring, nil); err != nil || strings.Count(said.String(), "is destroyed") != 1 {
		t.Errorf("after it: %s %v", said.String(), err)
	}
	if got := keptLines(t, dir); len(got) != 1 {
		t.Errorf("the log: %v", got)
	}
}

const firstLine = "kept under the first root"

// keepLine keeps a line of the log in a data folder, as a server does.
func keepLine(t *testing.T, dir, line string, more ...any) {
	t.Helper()
	book := logbook.New(nil)
	defer book.Close()
	book.Begin(logIn(t, dir), openedRing(t, dir).LogRecipient())
	slog.New(book.Handler(slog.DiscardHandler)).Warn(line, more...)
	if err := book.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func keptLines(t *testing.T, dir string) (out []string) {
	t.Helper()
	now := time.Now()
	lines, _, err := logbook.NewReader(logIn(t, dir), openedRing(t, dir).LogIdentity()).Page(t.Context(), logbook.Want{From: now.Add(-time.Hour), Until: now.Add(time.Hour)}, logbook.Place{}, 10)
	if err != nil {
		t.Error(err)
	}
	for _, l := range lines {
		out = append(out, l.Message)
	}
	return out
}

func logIn(t *testing.T, dir string) files.Bucket {
	t.Helper()
	b, err := files.Open(t.Context(), filepath.Join(dir, logFolder), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openedRing(t *testing.T, dir string) *keyring.Keyring {
	t.Helper()
	ring, err := keyring.Open(keyring.Options{Dir: dir, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	return ring
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
