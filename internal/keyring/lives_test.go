package keyring

import (
	"context"
	"errors"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// A root past its end makes no account, and opens what it has wrapped. Before
// that it warns; another root key ends both.
func TestARootHasAnEnd(t *testing.T) {
	k := testKeyring(t)
	wrapped, keys := testAccount(t, k)
	aged := func(years int) {
		k.keys().Born[RootKey(k.Root())] = time.Now().AddDate(-years, 0, -2)
	}
	late := func() (due, refused bool) {
		for _, h := range k.Held() {
			d, r := h.Late(time.Now())
			due, refused = due || d, refused || r
		}
		return due, refused
	}
	if due, refused := late(); due || refused {
		t.Error("a new key is late")
	}
	aged(1)
	if due, refused := late(); !due || refused {
		t.Error("after a year it is due, and not refused")
	}
	aged(2)
	if _, refused := late(); !refused {
		t.Error("after two years it is not refused")
	}
	if _, _, err := k.NewAccount(t.Context(), account.NewID()); !errors.Is(err, ErrEnded) {
		t.Errorf("an account was made: %v", err)
	}
	if _, err := k.LoadAccount(t.Context(), keys.ID(), wrapped); err != nil {
		t.Errorf("what is there does not open: %v", err)
	}
	if _, err := k.RotateRoot(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.NewAccount(t.Context(), account.NewID()); err != nil {
		t.Error(err)
	}
}

// What one process changes in the file another sees: at Reload, and when it
// meets a keyset that an unknown root wrapped.
func TestAnotherProcessSeesARotation(t *testing.T) {
	k := testKeyring(t)
	other, err := Open(*k.from.Load())
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := other.Reload(); changed || err != nil {
		t.Fatal("nothing was changed", err)
	}
	door := other.Door()
	if _, err := k.RotateRoot(); err != nil {
		t.Fatal(err)
	}
	wrapped, keys := testAccount(t, k)
	if _, err := other.LoadAccount(t.Context(), keys.ID(), wrapped); !errors.Is(err, ErrDamaged) {
		t.Fatalf("the control: the old keyring knows the new root: %v", err)
	}
	a := NewAccounts(other, func(context.Context, account.ID) ([]byte, error) { return wrapped, nil })
	if _, err := a.Get(t.Context(), keys.ID()); err != nil {
		t.Errorf("a keyset under the new root: %v", err)
	}
	if _, err := k.RotateReceipt(time.Now().Add(-time.Hour)); err == nil {
		t.Error("a receipt key began before the one before it")
	}
	id, err := k.RotateReceipt(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := other.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if len(door.ReceiptPublicKeys()) != 2 || door.ReceiptSigner().KeyID == id {
		t.Error("a receipt key is published before it signs")
	}
	if s := door.keys().receiptSigner(time.Now().Add(2 * time.Hour)); s.KeyID != id {
		t.Error("its time came, and it does not sign")
	}
}

// A keyset that was cached before a rotation opens what came after it; while
// it cannot be read again it serves on.
func TestACachedKeysetAfterARotation(t *testing.T) {
	k := memoryKeyring(t)
	wrapped, first := testAccount(t, k)
	away := false
	a := NewAccounts(k, func(context.Context, account.ID) ([]byte, error) {
		if away {
			return nil, errors.New("away")
		}
		return wrapped, nil
	})
	cached, err := a.Get(t.Context(), first.ID())
	if err != nil {
		t.Fatal(err)
	}
	next, rotated, err := k.Rotate(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	subject := vault.Subject{7}
	under, _ := rotated.NewSubjectKey(subject)
	if _, err := first.OpenSubjectKey(subject, under); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("the control: %v", err)
	}
	if _, err := cached.OpenSubjectKey(subject, under); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("before the table has it: %v", err)
	}
	wrapped = next
	if _, err := cached.OpenSubjectKey(subject, under); err != nil {
		t.Errorf("the newer keyset was not asked for: %v", err)
	}
	away = true
	a.cache.put(first.ID(), cachedKeys{keys: cached, read: time.Now().Add(-time.Minute)})
	if _, err := a.Get(t.Context(), first.ID()); err != nil {
		t.Errorf("it does not serve on: %v", err)
	}
	a.cache.put(first.ID(), cachedKeys{keys: cached, read: time.Now().Add(-accountsFor - time.Second)})
	if _, err := a.Get(t.Context(), first.ID()); err == nil {
		t.Error("it serves for ever")
	}
}
