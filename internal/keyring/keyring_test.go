package keyring

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
)

func TestOpenMakesOnceAndReadsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(Options{Dir: dir, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	if first.ReceiptSigner().KeyID != second.ReceiptSigner().KeyID || first.LoginIndex("a@example.com") != second.LoginIndex("a@example.com") {
		t.Error("the second start has other keys")
	}
	for _, name := range []string{KeyringFile, IdentityFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeysAreNotInTheFileInClear(t *testing.T) {
	dir := t.TempDir()
	k, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	file, _ := os.ReadFile(filepath.Join(dir, KeyringFile))
	for _, secret := range [][]byte{k.keys().SnapshotSeed, k.keys().LoginIndex, k.keys().Token, k.keys().SnapshotSeal, k.keys().Receipt[0].Seed, []byte("receipt_signing")} {
		if bytes.Contains(file, secret) {
			t.Error("the file holds a key in clear")
		}
	}
}

func TestManyStartsAtOnceGetOneKeyring(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			k, err := Open(Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ReceiptSigner().KeyID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("different keyrings: %v", ids)
		}
	}
}

func TestAStartThatWasStoppedAfterTheIdentity(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, IdentityFile)
	if err := createIdentity(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the identity was replaced")
	}
}

func TestMissingFilesAreNotMadeAnew(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, IdentityFile)); err != nil {
		t.Fatal(err)
	}
	wantError(t, Options{Dir: dir}, nil, "identity file", "missing")
	if _, err := os.Stat(filepath.Join(dir, IdentityFile)); err == nil {
		t.Error("a new identity was made beside an old keyring")
	}
	empty := t.TempDir()
	wantError(t, Options{Dir: empty, MustExist: true}, nil, KeyringFile, "backup")
	wantError(t, Options{Dir: empty, IdentityFile: filepath.Join(empty, "mine.txt")}, nil, "mine.txt", "missing")
	if files, _ := os.ReadDir(empty); len(files) > 0 {
		t.Errorf("a refused start left %v", files)
	}
}

func TestIdentityOpenToOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, IdentityFile)
	for _, mode := range []os.FileMode{0o644, 0o640, 0o660, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		wantError(t, Options{Dir: dir}, nil, "chmod 600", path)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

func TestWrongAndOwnIdentity(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other.txt")
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := createIdentity(other); err != nil {
		t.Fatal(err)
	}
	wantError(t, Options{Dir: dir, IdentityFile: other}, ErrLocked, "sealed for another")

	// The classic kind of identity, as age-keygen writes it, with the new kind behind it.
	id, _ := age.GenerateX25519Identity()
	old, _ := os.ReadFile(filepath.Join(dir, IdentityFile))
	mine := filepath.Join(t.TempDir(), "mine.txt")
	if err := os.WriteFile(mine, append([]byte(id.String()+"\n"), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, IdentityFile: mine}); err != nil {
		t.Errorf("the second identity of the file: %v", err)
	}
	if _, err := Open(Options{Dir: t.TempDir(), IdentityFile: mine}); err != nil {
		t.Errorf("a new keyring under an own identity: %v", err)
	}
}

func TestAnUnreadableIdentityIsNotQuoted(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, IdentityFile)
	text, _ := os.ReadFile(path)
	secret := string(text[bytes.Index(text, []byte("AGE-SECRET-KEY")):])
	if err := os.WriteFile(path, []byte(strings.TrimSpace(secret)+"QQ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: dir})
	if err == nil || strings.Contains(err.Error(), secret[:30]) {
		t.Errorf("got %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	asked := 0
	with := func(phrase string) Options {
		return Options{Dir: dir, workFactor: 10, Passphrase: func() (string, error) { asked++; return phrase, nil }}
	}
	first, err := Open(with("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	second, err := Open(with("correct horse"))
	if err != nil || second.ReceiptSigner().KeyID != first.ReceiptSigner().KeyID {
		t.Errorf("the second start: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, IdentityFile)); err == nil {
		t.Error("a passphrase needs no identity file")
	}
	wantError(t, with("wrong horse"), ErrLocked, "passphrase does not open")
	wantError(t, with(""), nil, "empty")
	wantError(t, Options{Dir: dir}, ErrLocked, "sealed by a passphrase")
	gone := errors.New("no terminal")
	wantError(t, Options{Dir: dir, Passphrase: func() (string, error) { return "", gone }}, gone)

	sealed := t.TempDir()
	if _, err := Open(Options{Dir: sealed}); err != nil {
		t.Fatal(err)
	}
	o := with("correct horse")
	o.Dir = sealed
	wantError(t, o, ErrLocked, "sealed by an identity file")
}

func TestEveryChangedByteOfTheFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, KeyringFile)
	good, _ := os.ReadFile(path)
	o := Options{Dir: dir}
	l, err := o.lock(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.read(good); err != nil { // the control
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, err := l.read(bad); err == nil {
			t.Fatalf("byte %d of %d was changed unseen", i, len(good))
		}
	}
	for _, bad := range [][]byte{nil, good[:1], good[:len(good)/2], good[:len(good)-1], append(bytes.Clone(good), 0)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(o); err == nil {
			t.Errorf("a file of %d bytes in place of %d was taken", len(bad), len(good))
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, bad) {
			t.Error("a damaged keyring was written over")
		}
	}
}

func wantError(t *testing.T, o Options, is error, words ...string) {
	t.Helper()
	_, err := Open(o)
	if err == nil {
		t.Errorf("want an error with %q", words)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("want %v, got %v", is, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in: %v", w, err)
		}
	}
}

func TestPlatformMACs(t *testing.T) {
	k, other := memoryKeyring(t), memoryKeyring(t)
	if again := k.LoginIndex("a@example.com"); again != k.LoginIndex("a@example.com") || k.LoginIndex("a@example.com") == k.LoginIndex("b@example.com") {
		t.Error("the login index is not one")
	}
	if k.LoginIndex("a@example.com") == other.LoginIndex("a@example.com") {
		t.Error("the login index has no key")
	}
	if k.TokenMAC("session", "x") == k.TokenMAC("link", "x") || k.TokenMAC("session", "x") == other.TokenMAC("session", "x") {
		t.Error("a token of one kind or keyring passes for another")
	}
}

func TestReceiptKeys(t *testing.T) {
	k := memoryKeyring(t)
	k.keys().Receipt = append(k.keys().Receipt, receiptKey{Seed: newKey()})
	s := k.ReceiptSigner()
	public := k.ReceiptPublicKeys()
	if len(public) != 2 || public[1].KeyID != s.KeyID || public[0].KeyID == s.KeyID {
		t.Fatalf("the newest key does not sign: %s of %v", s.KeyID, public)
	}
	if !ed25519.Verify(public[1].Key, []byte("message"), s.Sign([]byte("message"))) {
		t.Error("the signature does not verify")
	}
}

func TestSnapshot(t *testing.T) {
	k := memoryKeyring(t)
	door := k.Door()
	sealed := k.SealSnapshot("sources", []byte("state"))
	if bytes.Contains(sealed, []byte("state")) {
		t.Error("not sealed")
	}
	for _, open := range []func(string, []byte) ([]byte, error){door.OpenSnapshot, k.OpenSnapshot} {
		plain, err := open("sources", sealed)
		if err != nil || string(plain) != "state" {
			t.Errorf("%q, %v", plain, err)
		}
		_, err = open("keys", sealed)
		wantDamaged(t, "under another name", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x10
		_, err := door.OpenSnapshot("sources", bad)
		wantDamaged(t, "changed", err)
		_, err = door.OpenSnapshot("sources", sealed[:i])
		wantDamaged(t, "cut", err)
	}
}

func TestADoorCannotForgeASnapshot(t *testing.T) {
	k := memoryKeyring(t)
	forger := newKeyring(Options{}, nil, &platformKeys{doorKeys: *k.Door().keys(), SnapshotSeed: newKey()})
	_, err := k.OpenSnapshot("sources", forger.SealSnapshot("sources", []byte("state")))
	wantDamaged(t, "signed by another key", err)
}

func TestDoorFile(t *testing.T) {
	k := memoryKeyring(t)
	o := Options{Dir: filepath.Join(t.TempDir(), "door")}
	if _, err := OpenDoor(o); err == nil {
		t.Error("a door was opened without keys")
	}
	for range 2 { // the second replaces the first
		if err := k.SaveDoor(o); err != nil {
			t.Fatal(err)
		}
	}
	door, err := OpenDoor(o)
	if err != nil {
		t.Fatal(err)
	}
	if door.ReceiptSigner().KeyID != k.ReceiptSigner().KeyID || len(door.ReceiptPublicKeys()) != 1 {
		t.Error("the door signs with another key")
	}
	if plain, err := door.OpenSnapshot("s", k.SealSnapshot("s", []byte("x"))); err != nil || string(plain) != "x" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, KeyringFile)); err == nil {
		t.Error("the door's folder holds a keyring")
	}
	file, _ := os.ReadFile(filepath.Join(o.Dir, DoorFile))
	plain, err := o.unseal("door.age", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"root", "snapshot_signing", "login_index", `"token"`} {
		if strings.Contains(string(plain), word) {
			t.Errorf("the door's file holds %s", word)
		}
	}
}

func TestContentsThatCannotBeReadAreRefused(t *testing.T) {
	good, err := newPlatform()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(k *platformKeys){
		"a later format":              func(k *platformKeys) { k.Version = 2 },
		"no root":                     func(k *platformKeys) { k.Root = json.RawMessage(`{}`) },
		"no receipt key":              func(k *platformKeys) { k.Receipt = nil },
		"a short receipt key":         func(k *platformKeys) { k.Receipt[0].Seed = k.Receipt[0].Seed[:31] },
		"a short sealing key":         func(k *platformKeys) { k.SnapshotSeal = k.SnapshotSeal[:16] },
		"another snapshot key's half": func(k *platformKeys) { k.SnapshotPublic = newKey() },
		"no login index":              func(k *platformKeys) { k.LoginIndex = nil },
		"a short token key":           func(k *platformKeys) { k.Token = k.Token[:31] },
		"nothing":                     func(*platformKeys) {}, // the control
	} {
		var k platformKeys
		if err := json.Unmarshal(good, &k); err != nil {
			t.Fatal(err)
		}
		change(&k)
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := parsePlatform(b); (err == nil) != (what == "nothing") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParsePlatform(f *testing.F) {
	good, err := newPlatform()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"v":1`), []byte(`"v":2`), 1))
	f.Add([]byte(`{"v":1,"root":{},"receipt_signing":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, root, err := parsePlatform(b); err == nil {
			newKeyring(Options{}, root, k).SealSnapshot("s", nil) // what was taken can be used
		}
		if k, err := parseDoor(b); err == nil {
			(newDoor(hide(k))).ReceiptSigner()
		}
	})
}
