package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/account"
	"catchment/internal/vault"
)

func TestKeysetRoundTrip(t *testing.T) {
	k := testKeyring(t)
	wrapped, keys := testAccount(t, k)
	back, err := k.LoadAccount(t.Context(), keys.ID(), wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if back.Version() != 1 || !bytes.Equal(back.CaptureIDKey(), keys.CaptureIDKey()) || back.ID() != keys.ID() ||
		!bytes.Equal(back.DropBox().Public, keys.DropBox().Public) || back.DropBox().KeyID != 1 || back.DropBox().Account != keys.ID() {
		t.Error("other keys came back")
	}
	if back.Index(vault.ByPhone, false, "+442079460000") != keys.Index(vault.ByPhone, false, "+442079460000") {
		t.Error("another index came back")
	}
}

func TestKeysetOpensOnlyForItsAccountAndKeyring(t *testing.T) {
	k := memoryKeyring(t)
	wrapped, keys := testAccount(t, k)
	_, err := k.LoadAccount(t.Context(), account.NewID(), wrapped)
	wantDamaged(t, "another account", err)
	_, err = memoryKeyring(t).LoadAccount(t.Context(), keys.ID(), wrapped)
	wantDamaged(t, "another keyring", err)
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		_, err := k.LoadAccount(t.Context(), keys.ID(), bad)
		wantDamaged(t, "changed", err)
	}
	if _, _, err := k.NewAccount(t.Context(), account.ID{}); err == nil {
		t.Error("keys for no account")
	}
}

func TestAKeyServiceThatIsAwayIsNotDamage(t *testing.T) {
	k := memoryKeyring(t)
	wrapped, keys := testAccount(t, k)
	away := errors.New("key service away")
	k.now.Store(&opened{root: brokenRoot{away}, keys: hide(k.keys())})
	if _, err := k.LoadAccount(t.Context(), keys.ID(), wrapped); !errors.Is(err, away) || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if _, _, err := k.NewAccount(t.Context(), keys.ID()); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

func TestRotation(t *testing.T) {
	k := memoryKeyring(t)
	_, old := testAccount(t, k)
	subject := vault.Subject{1}
	wrapped, key := old.NewSubjectKey(subject)
	value := key.Seal(vault.Binding{Table: "person", Field: vault.Name}, vault.Hide("Ada"))
	box, data, err := NewSealer(boxOf(old)).Seal(old.ID(), []byte("lead"), nil)
	if err != nil {
		t.Fatal(err)
	}

	stored, rotated, err := k.Rotate(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.LoadAccount(t.Context(), old.ID(), stored)
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range []*AccountKeys{rotated, again} {
		if now.Version() != 2 || now.DropBox().KeyID != 2 || bytes.Equal(now.DropBox().Public, old.DropBox().Public) {
			t.Error("the keys that seal are not new")
		}
		if now.Index(vault.ByEmail, false, "x") != old.Index(vault.ByEmail, false, "x") || !bytes.Equal(now.CaptureIDKey(), old.CaptureIDKey()) {
			t.Error("what was hashed before cannot be found any more")
		}
		opened, err := now.OpenSubjectKey(subject, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustReveal(t, opened, value); got != "Ada" {
			t.Errorf("got %q", got)
		}
		if plain, err := NewDropOpener().Open(now, box, data, nil); err != nil || string(plain) != "lead" {
			t.Errorf("%q, %v", plain, err)
		}
	}
	fresh, _ := rotated.NewSubjectKey(subject)
	if _, err := old.OpenSubjectKey(subject, fresh); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the old keyset: %v", err)
	}
	box, data, _ = NewSealer(boxOf(rotated)).Seal(old.ID(), []byte("lead"), nil)
	if _, err := NewDropOpener().Open(old, box, data, nil); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the old drop box: %v", err)
	}
	if old.Version() != 1 || len(old.secrets().content.Generations) != 1 {
		t.Error("the old keys were changed")
	}
}

func TestIndexSeparates(t *testing.T) {
	k := memoryKeyring(t)
	_, a := testAccount(t, k)
	_, b := testAccount(t, k)
	fields := []vault.IndexField{vault.ByPhone, vault.ByEmail, vault.ByRawPhone, vault.ByRawEmail, "name_word"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		seen := map[vault.MAC]bool{}
		for _, keys := range []*AccountKeys{a, b} {
			for _, f := range fields {
				for _, test := range []bool{false, true} {
					m := keys.Index(f, test, text)
					if seen[m] {
						t.Fatalf("%s, test %v: the same index elsewhere", f, test)
					}
					if m != keys.Index(f, test, text) {
						t.Fatal("the index changes")
					}
					seen[m] = true
				}
			}
		}
	})
}

func TestAccountsLoadOnceAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := memoryKeyring(t)
		wrapped, keys := testAccount(t, k)
		var loads atomic.Int32
		release := make(chan struct{})
		accounts := NewAccounts(k, func(ctx context.Context, _ account.ID) ([]byte, error) {
			loads.Add(1)
			<-release
			return wrapped, ctx.Err()
		})
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { // the first to come is the first to go
			if _, err := accounts.Get(ctx, keys.ID()); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who left: %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if got, err := accounts.Get(t.Context(), keys.ID()); err != nil || got.ID() != keys.ID() {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if loads.Load() != 1 {
			t.Errorf("%d loads", loads.Load())
		}
		accounts.Forget(keys.ID())
		if _, err := accounts.Get(t.Context(), keys.ID()); err != nil || loads.Load() != 2 {
			t.Errorf("after Forget: %d loads, %v", loads.Load(), err)
		}
		time.Sleep(accountsFor + 1)
		if _, err := accounts.Get(t.Context(), keys.ID()); err != nil || loads.Load() != 3 {
			t.Errorf("after its time: %d loads, %v", loads.Load(), err)
		}
	})
}

func TestForgetDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := memoryKeyring(t)
		old, keys := testAccount(t, k)
		newer, _, err := k.Rotate(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		rows := make(chan []byte, 2)
		rows <- old
		rows <- newer
		accounts := NewAccounts(k, func(context.Context, account.ID) ([]byte, error) {
			row := <-rows
			<-release
			return row, nil
		})
		go accounts.Get(t.Context(), keys.ID())
		synctest.Wait()
		accounts.Forget(keys.ID())
		close(release)
		synctest.Wait()
		got, err := accounts.Get(t.Context(), keys.ID())
		if err != nil || got.Version() != 2 {
			t.Errorf("the keyset from before the rotation was kept: %v", err)
		}
	})
}

func TestAccountsPassErrorsOnAndKeepNone(t *testing.T) {
	k := memoryKeyring(t)
	wrapped, keys := testAccount(t, k)
	away := errors.New("database away")
	fail := true
	accounts := NewAccounts(k, func(context.Context, account.ID) ([]byte, error) {
		if fail {
			return nil, away
		}
		return wrapped, nil
	})
	if _, err := accounts.Get(t.Context(), keys.ID()); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	fail = false
	if _, err := accounts.Get(t.Context(), keys.ID()); err != nil {
		t.Error(err)
	}
}

func TestLRUForgetsTheOldest(t *testing.T) {
	l := newLRU[int, string](2)
	l.put(1, "a")
	l.put(2, "b")
	l.get(1)
	l.put(3, "c")
	l.put(3, "d")
	if _, ok := l.get(2); ok || len(l.items) != 2 || l.order.Len() != 2 {
		t.Error("the one used longest ago is still there")
	}
	if v, ok := l.get(3); !ok || v != "d" {
		t.Errorf("got %q", v)
	}
}

func TestKeysetsThatCannotBeReadAreRefused(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	for what, change := range map[string]func(c *keysetContent){
		"a later format":           func(c *keysetContent) { c.Version = 2 },
		"no generation":            func(c *keysetContent) { c.Generations = nil },
		"a generation twice":       func(c *keysetContent) { c.Generations = append(c.Generations, c.Generations[0]) },
		"generation 0":             func(c *keysetContent) { c.Generations[0].Number = 0 },
		"a short wrapping key":     func(c *keysetContent) { c.Generations[0].Wrap = c.Generations[0].Wrap[:16] },
		"a short drop-box key":     func(c *keysetContent) { c.Generations[0].DropBox = c.Generations[0].DropBox[:16] },
		"a short index key":        func(c *keysetContent) { c.Index = c.Index[:31] },
		"no key for enquiries ids": func(c *keysetContent) { c.CaptureID = nil },
	} {
		content := keys.secrets().content
		content.Generations = slices.Clone(content.Generations)
		change(&content)
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseKeyset(keys.ID(), b); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	good, _ := json.Marshal(keys.secrets().content)
	for _, b := range []string{"", "null", "{}", string(good) + "{}", strings.Replace(string(good), `"v"`, `"w":1,"v"`, 1)} {
		if _, err := parseKeyset(keys.ID(), []byte(b)); err == nil {
			t.Errorf("%.20q was taken", b)
		}
	}
}

func FuzzParseKeyset(f *testing.F) {
	_, keys := testAccount(f, memoryKeyring(f))
	good, _ := json.Marshal(keys.secrets().content)
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), `"n":1`, `"n":0`, 1)))
	f.Add([]byte(`{"v":1,"generations":[{}]}`))
	id := account.NewID()
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseKeyset(id, b)
		if err != nil {
			return
		}
		wrapped, _ := keys.NewSubjectKey(vault.Subject{})
		if _, err := keys.OpenSubjectKey(vault.Subject{}, wrapped); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	b.ReportAllocs()
	for b.Loop() {
		keys.Index(vault.ByPhone, false, "+442079460123")
	}
}

func BenchmarkLoadAccount(b *testing.B) {
	k := memoryKeyring(b)
	wrapped, keys := testAccount(b, k)
	for b.Loop() {
		if _, err := k.LoadAccount(b.Context(), keys.ID(), wrapped); err != nil {
			b.Fatal(err)
		}
	}
}
