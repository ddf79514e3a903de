package keyring

import (
	"context"
	"errors"
	"testing"

	"catchment/internal/account"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

func testKeyring(t testing.TB) *Keyring {
	t.Helper()
	k, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// memoryKeyring has no file, for tests that need many.
func memoryKeyring(t testing.TB) *Keyring {
	t.Helper()
	plain, err := newPlatform()
	if err != nil {
		t.Fatal(err)
	}
	keys, root, err := parsePlatform(plain)
	if err != nil {
		t.Fatal(err)
	}
	return newKeyring(Options{}, root, keys)
}

func testAccount(t testing.TB, k *Keyring) (wrapped []byte, keys *AccountKeys) {
	t.Helper()
	wrapped, keys, err := k.NewAccount(t.Context(), account.NewID())
	if err != nil {
		t.Fatal(err)
	}
	return wrapped, keys
}

// boxOf gives a Sealer the drop box of these keys and no other.
func boxOf(keys *AccountKeys) func(account.ID) (vault.DropBox, bool) {
	drop := keys.DropBox()
	return func(id account.ID) (vault.DropBox, bool) { return drop, id == keys.ID() }
}

func wantDamaged(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%s: want ErrDamaged, got %v", what, err)
	}
}

func mustReveal(t testing.TB, key SubjectKey, s vault.Sealed) string {
	t.Helper()
	p, err := key.open(s)
	if err != nil {
		t.Fatal(err)
	}
	return reveal.Text(p)
}

// brokenRoot is a key service that is away.
type brokenRoot struct{ err error }

func (b brokenRoot) EncryptWithContext(context.Context, []byte, []byte) ([]byte, error) {
	return nil, b.err
}
func (b brokenRoot) DecryptWithContext(context.Context, []byte, []byte) ([]byte, error) {
	return nil, b.err
}

func revealed(p vault.Personal) string { return reveal.Text(p) }
