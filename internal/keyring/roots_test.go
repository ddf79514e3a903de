package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyservice"
	"catchment/internal/keyservice/keyservicetest"
)

// served are options of a keyring under the key service; with "" under an
// identity, with the way to services.
func served(t *testing.T, uri string) Options {
	t.Helper()
	return Options{Dir: t.TempDir(), KeyService: uri, Connect: func(uri string) (KeyService, error) {
		return keyservice.Open(context.Background(), uri, keyservice.Options{
			Token: func() (string, error) { return keyservicetest.Token, nil }, Namespace: keyservicetest.Namespace, Timeout: 20 * time.Second})
	}}
}

func mustOpen(t *testing.T, o Options) *Keyring {
	t.Helper()
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKeyringUnderVault(t *testing.T) {
	underService(t, keyservicetest.Vault(t, keyservicetest.Namespace))
}

func TestAKeyringUnderAWS(t *testing.T) { underService(t, keyservicetest.AWS(t)) }

// A keyring that a key service opens, and whose accounts it wraps, opens by it
// alone; without it nothing does, and the error says why.
func underService(t *testing.T, at *keyservicetest.Service) {
	o := served(t, at.URI)
	k := mustOpen(t, o)
	if files, _ := os.ReadDir(o.Dir); len(files) != 1 {
		t.Errorf("beside keyring.age lie %v", files)
	}
	id := account.NewID()
	wrapped, keys, err := k.NewAccount(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if wrapped[0] != wrappedByService || WrappedBy(wrapped) != k.Root() || !slices.Equal(k.Roots(), []uint32{k.Root()}) {
		t.Errorf("wrapped by %x, and the root is %x of %x", WrappedBy(wrapped), k.Root(), k.Roots())
	}
	again := mustOpen(t, o)
	if got, err := again.LoadAccount(t.Context(), id, wrapped); err != nil || got.CaptureIDKey() == nil || !bytes.Equal(got.CaptureIDKey(), keys.CaptureIDKey()) {
		t.Errorf("after another start: %v", err)
	}
	_, err = again.LoadAccount(t.Context(), account.NewID(), wrapped)
	wantDamaged(t, "another account's keyset", err)
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 4
		if i%37 != 0 && i > serviceStart {
			continue // each is a call
		}
		if _, err := again.LoadAccount(t.Context(), id, changed); err == nil {
			t.Errorf("byte %d was changed, and it opens", i)
		}
	}
	for mood, kind := range map[keyservicetest.Mood]error{keyservicetest.Sealed: keyservice.ErrAway, keyservicetest.Refuses: keyservice.ErrRefused} {
		at.Set(mood)
		if _, err := Open(o); !errors.Is(err, kind) {
			t.Errorf("a start: %v, want %v", err, kind)
		}
		if _, err := again.LoadAccount(t.Context(), id, wrapped); !errors.Is(err, kind) {
			t.Errorf("a keyset: %v, want %v", err, kind)
		}
		at.Set(keyservicetest.Well)
	}
	at.Replace()
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Errorf("with another key of that name: %v", err)
	}
	_, err = again.LoadAccount(t.Context(), id, wrapped)
	wantDamaged(t, "with another key of that name", err)
	none := o
	none.KeyService = ""
	if _, err := Open(none); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "--kms-uri") {
		t.Errorf("without naming the service: %v", err)
	}
}

// From a local root to a service and back, beside a process that knows the
// keyring from before; old roots go when nothing is under them.
func TestTheRootMovesToAServiceAndBack(t *testing.T) {
	at := keyservicetest.Vault(t, keyservicetest.Namespace)
	o := served(t, "")
	k := mustOpen(t, o)
	beside := mustOpen(t, o)
	id, local := account.NewID(), k.Root()
	wrapped, _, err := k.NewAccount(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	at.Set(keyservicetest.Refuses)
	if _, err := k.RotateRootTo(t.Context(), at.URI); !errors.Is(err, keyservice.ErrRefused) || k.Root() != local {
		t.Errorf("to one that refuses: %v", err)
	}
	at.Set(keyservicetest.Well)
	there, err := k.RotateRootTo(t.Context(), at.URI)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.RotateRootTo(t.Context(), at.URI); err == nil {
		t.Error("twice to the same")
	}
	moved, err := k.Rewrap(t.Context(), id, wrapped)
	if err != nil || WrappedBy(moved) != there || k.Root() != there {
		t.Fatalf("rewrap: %v, by %x", err, WrappedBy(moved))
	}
	if again, err := k.Rewrap(t.Context(), id, moved); again != nil || err != nil {
		t.Errorf("rewrapped twice: %v", err)
	}
	at.Rotate()
	newer, err := k.Rewrap(t.Context(), id, moved)
	if err != nil || newer == nil {
		t.Fatalf("after the service's own rotation: %v", err)
	}
	all := NewAccounts(beside, func(context.Context, account.ID) ([]byte, error) { return newer, nil })
	if _, err := all.Get(t.Context(), id); err != nil {
		t.Errorf("a process that knew the old root alone: %v", err)
	}
	if err := k.DropRoots(there); err == nil {
		t.Error("the root that wraps was dropped")
	}
	if err := k.DropRoots(local); err != nil || !slices.Equal(k.Roots(), []uint32{there}) {
		t.Errorf("roots %x: %v", k.Roots(), err)
	}
	if _, err := k.LoadAccount(t.Context(), id, wrapped); err == nil {
		t.Error("the dropped root still unwraps")
	}
	// The file itself, too.
	lock := o
	lock.KeyService = at.URI
	if err := k.Reseal(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(o.Dir, IdentityFile)); err != nil {
		t.Fatal(err)
	}
	k = mustOpen(t, lock)
	if !slices.ContainsFunc(k.Held(), func(h Held) bool { return h.Service == at.URI && h.Uses && h.Due.IsZero() }) {
		t.Errorf("held: %+v", k.Held())
	}
	back, err := k.RotateRoot()
	if err != nil {
		t.Fatal(err)
	}
	home, err := k.Rewrap(t.Context(), id, newer)
	if err != nil || WrappedBy(home) != back {
		t.Fatalf("back: %v, by %x", err, WrappedBy(home))
	}
	idle := slices.DeleteFunc(k.Roots(), func(id uint32) bool { return id == back })
	if err := k.DropRoots(idle...); err != nil || !slices.Equal(k.Roots(), []uint32{back}) {
		t.Errorf("roots %x: %v", k.Roots(), err)
	}
	if err := k.Reseal(o); err != nil {
		t.Fatal(err)
	}
	at.Stop()
	if _, err := mustOpen(t, o).LoadAccount(t.Context(), id, home); err != nil {
		t.Errorf("without the service: %v", err)
	}
}

// A keyset that a service unwrapped serves while it is away, for as long as was
// said; one that refuses ends it at once; and it is asked again in between.
func TestHowLongAKeysetServes(t *testing.T) {
	at := keyservicetest.Vault(t, keyservicetest.Namespace)
	k := mustOpen(t, served(t, at.URI))
	id := account.NewID()
	wrapped, _, err := k.NewAccount(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a := NewAccounts(k, func(context.Context, account.ID) ([]byte, error) { return wrapped, nil })
	a.now = func() time.Time { return now }
	a.Keep(time.Hour)
	get := func() error { _, err := a.Renew(t.Context(), id); return err }
	settle := func() { _, _, _ = a.flight.Do("again "+id.String(), func() (any, error) { return nil, nil }) }
	if err := get(); err != nil {
		t.Fatal(err)
	}
	calls := at.Calls()
	if err := get(); err != nil || at.Calls() != calls {
		t.Errorf("it was asked %d times again: %v", at.Calls()-calls, err)
	}
	at.Set(keyservicetest.Sealed)
	now = now.Add(59 * time.Minute)
	if err := get(); err != nil {
		t.Errorf("away, after 59 minutes: %v", err)
	}
	waitUntil(t, func() bool { settle(); return at.Calls() > calls })
	now = now.Add(time.Minute)
	if err := get(); !errors.Is(err, keyservice.ErrAway) {
		t.Errorf("away, after an hour: %v", err)
	}
	at.Set(keyservicetest.Well)
	if err := get(); err != nil {
		t.Errorf("back: %v", err)
	}
	calls = at.Calls()
	now = now.Add(31 * time.Minute)
	if err := get(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { settle(); return at.Calls() > calls })
	now = now.Add(58 * time.Minute) // since it was asked: less than an hour
	if err := get(); err != nil {
		t.Errorf("asked in between: %v", err)
	}
	at.Set(keyservicetest.Refuses)
	waitUntil(t, func() bool { settle(); return errors.Is(get(), keyservice.ErrRefused) })
}

func waitUntil(t *testing.T, good func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !good(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

func FuzzUnwrapByService(f *testing.F) {
	r := &roots{services: map[uint32]KeyService{}}
	f.Add([]byte{2, 0, 0, 0, 1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		b[0] = wrappedByService
		if _, err := r.DecryptWithContext(context.Background(), b, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%x: %v", b, err)
		}
	})
}
