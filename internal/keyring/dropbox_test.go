package keyring

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/account"
	"catchment/internal/vault"
)

type sealedLead struct{ box, data, plain []byte }

func sealMany(t testing.TB, s *Sealer, id account.ID, n int) []sealedLead {
	t.Helper()
	leads := make([]sealedLead, n)
	for i := range leads {
		plain := fmt.Appendf(nil, "lead number %d", i)
		box, data, err := s.Seal(id, plain, []byte("aad"))
		if err != nil {
			t.Fatal(err)
		}
		leads[i] = sealedLead{box, data, plain}
	}
	return leads
}

func wantOpens(t testing.TB, o *DropOpener, keys *AccountKeys, l sealedLead) {
	t.Helper()
	plain, err := o.Open(keys, l.box, l.data, []byte("aad"))
	if err != nil || !bytes.Equal(plain, l.plain) {
		t.Fatalf("want %q, got %q, %v", l.plain, plain, err)
	}
}

func TestTheRatchetsHMACIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		b := rapid.Byte().Draw(t, "byte")
		h := hmac.New(sha256.New, key[:])
		h.Write([]byte{b})
		if got := hmacByte(&key, b); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("got %x", got)
		}
	})
}

func TestDropBoxInAnyOrder(t *testing.T) {
	_, keys := testAccount(t, testKeyring(t))
	s := NewSealer(boxOf(keys))
	defer s.Close()
	leads := sealMany(t, s, keys.ID(), 3*markEvery+5)
	for _, l := range leads {
		if !bytes.Equal(l.box, leads[0].box) {
			t.Fatal("an epoch has one box")
		}
		if bytes.Contains(l.data, l.plain) || bytes.Contains(l.box, l.plain) {
			t.Fatal("in clear")
		}
	}
	inOrder, backwards, shuffled := NewDropOpener(), NewDropOpener(), NewDropOpener()
	for i := range leads {
		wantOpens(t, inOrder, keys, leads[i])
		wantOpens(t, backwards, keys, leads[len(leads)-1-i])
	}
	for _, i := range rand.Perm(len(leads)) {
		wantOpens(t, shuffled, keys, leads[i])
		wantOpens(t, shuffled, keys, leads[i]) // delivered again
	}
}

func TestDropBoxProperty(t *testing.T) {
	k := memoryKeyring(t)
	_, keys := testAccount(t, k)
	_, others := testAccount(t, k)
	s := NewSealer(boxOf(keys))
	defer s.Close()
	opener := NewDropOpener()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		other := rapid.SliceOf(rapid.Byte()).Draw(t, "other aad")
		box, data, err := s.Seal(keys.ID(), plain, aad)
		if err != nil {
			t.Fatal(err)
		}
		got, err := opener.Open(keys, box, data, aad)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%q came back as %q: %v", plain, got, err)
		}
		if _, err := opener.Open(keys, box, data, other); (err == nil) != bytes.Equal(aad, other) {
			t.Fatalf("bound to %q, opened for %q: %v", aad, other, err)
		}
		if _, err := opener.Open(others, box, data, aad); !errors.Is(err, ErrDamaged) {
			t.Fatalf("another account: %v", err)
		}
	})
}

// An epoch is bound to the account itself, not only to its key.
func TestTheSameKeyInAnotherAccountDoesNotOpen(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	content, err := json.Marshal(keys.secrets().content)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := parseKeyset(account.NewID(), content)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSealer(boxOf(keys))
	defer s.Close()
	l := sealMany(t, s, keys.ID(), 1)[0]
	_, err = NewDropOpener().Open(copied, l.box, l.data, []byte("aad"))
	wantDamaged(t, "a copied key", err)
	wrapped, _ := keys.NewSubjectKey(vault.Subject{1})
	_, err = copied.OpenSubjectKey(vault.Subject{1}, wrapped)
	wantDamaged(t, "a copied wrapping key", err)
}

func TestChangedDropBoxes(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	s := NewSealer(boxOf(keys))
	defer s.Close()
	l := sealMany(t, s, keys.ID(), 3)[2]
	warm := NewDropOpener()
	wantOpens(t, warm, keys, l)
	refuse := func(what string, box, data []byte) {
		t.Helper()
		for _, o := range []*DropOpener{warm, NewDropOpener()} {
			if _, err := o.Open(keys, box, data, []byte("aad")); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknownKey) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	for i := range l.data {
		bad := bytes.Clone(l.data)
		bad[i] ^= 1
		refuse("data changed", l.box, bad)
		refuse("data cut", l.box, l.data[:i])
	}
	for i := 0; i < len(l.box); i += 1 + i/8 { // each costs a decapsulation
		bad := bytes.Clone(l.box)
		bad[i] ^= 1
		refuse("box changed", bad, l.data)
		refuse("box cut", l.box[:i], l.data)
	}
	other := bytes.Clone(l.data)
	other[0] = firstBoxVersion
	older := bytes.Clone(l.box)
	older[0] = firstBoxVersion
	refuse("data of another version than its box", l.box, other)
	refuse("all of another version", older, other)
	refuse("a version to come", append([]byte{boxVersion + 1}, l.box[1:]...), append([]byte{boxVersion + 1}, l.data[1:]...))
	refuse("box too long", append(bytes.Clone(l.box), 0), l.data)
	if len(warm.boxes.items) != 1 {
		t.Errorf("forged boxes are remembered: %d", len(warm.boxes.items))
	}
}

func TestTheLastIndexOpensAtABoundedCost(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	box, state, err := encapsulate(keys.DropBox())
	if err != nil {
		t.Fatal(err)
	}
	e := &epoch{keyID: 1, timer: time.NewTimer(time.Hour), box: box, state: hide(state)}
	s := NewSealer(boxOf(keys))
	s.epochs[keys.ID()] = e
	first := sealMany(t, s, keys.ID(), 1)[0]
	for e.next < EpochLeads-1 {
		e.take()
	}
	last := sealMany(t, s, keys.ID(), 1)[0]
	if binary.BigEndian.Uint16(last.data[1:]) != EpochLeads-1 || !bytes.Equal(last.box, first.box) {
		t.Fatal("not the last of its epoch")
	}
	next := sealMany(t, s, keys.ID(), 1)[0]
	if bytes.Equal(next.box, first.box) || binary.BigEndian.Uint16(next.data[1:]) != 0 {
		t.Error("a full epoch went on")
	}
	if *e.state() != (ratchet{}) {
		t.Error("a full epoch was not wiped")
	}
	o := NewDropOpener()
	for _, l := range []sealedLead{last, first, next, last} {
		wantOpens(t, o, keys, l)
	}
	opened, _ := o.boxes.get(boxName{keys.ID(), string(last.box)})
	if len(opened.marks) != EpochLeads/markEvery {
		t.Errorf("%d states kept", len(opened.marks))
	}
}

func TestAnIdleEpochIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, keys := testAccount(t, memoryKeyring(t))
		s := NewSealer(boxOf(keys))
		first := sealMany(t, s, keys.ID(), 1)[0]
		e := s.epochs[keys.ID()]
		time.Sleep(EpochAge - time.Second)
		second := sealMany(t, s, keys.ID(), 1)[0]
		if !bytes.Equal(first.box, second.box) {
			t.Error("an epoch ended early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.epochs) != 0 || *e.state() != (ratchet{}) {
			t.Error("an old epoch is still there")
		}
		third := sealMany(t, s, keys.ID(), 1)[0]
		if bytes.Equal(first.box, third.box) {
			t.Error("an old epoch was used again")
		}
		e = s.epochs[keys.ID()]
		s.Close()
		s.Close()
		if *e.state() != (ratchet{}) {
			t.Error("Close left a key")
		}
		if _, _, err := s.Seal(keys.ID(), nil, nil); err == nil {
			t.Error("a closed sealer sealed")
		}
	})
}

func TestRotationAndUnknownAccountsAtTheDoor(t *testing.T) {
	k := memoryKeyring(t)
	_, keys := testAccount(t, k)
	_, rotated, err := k.Rotate(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	drop := keys.DropBox()
	s := NewSealer(func(id account.ID) (vault.DropBox, bool) { return drop, id == keys.ID() })
	defer s.Close()
	before := sealMany(t, s, keys.ID(), 1)[0]
	old := s.epochs[keys.ID()]
	drop = rotated.DropBox()
	after := sealMany(t, s, keys.ID(), 1)[0]
	if bytes.Equal(before.box, after.box) || *old.state() != (ratchet{}) {
		t.Error("the old key is still in use")
	}
	wantOpens(t, NewDropOpener(), rotated, before)
	wantOpens(t, NewDropOpener(), rotated, after)
	if _, _, err := s.Seal(account.NewID(), nil, nil); !errors.Is(err, ErrNoDropBox) {
		t.Errorf("an unknown account: %v", err)
	}
	drop.KeyID, drop.Public = 9, drop.Public[:10]
	if _, _, err := s.Seal(keys.ID(), nil, nil); err == nil || len(s.epochs) != 0 {
		t.Errorf("a broken public key: %v", err)
	}
	drop = rotated.DropBox()
	wantOpens(t, NewDropOpener(), rotated, sealMany(t, s, keys.ID(), 1)[0])
}

func TestManyDoorsAndWorkersAtOnce(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	opener := NewDropOpener()
	leads := make(chan sealedLead, 4000)
	var wg sync.WaitGroup
	for range 2 {
		s := NewSealer(boxOf(keys))
		defer s.Close()
		for range 4 {
			wg.Go(func() {
				for range 250 {
					box, data, err := s.Seal(keys.ID(), []byte("lead"), []byte("aad"))
					if err != nil {
						t.Error(err)
					}
					leads <- sealedLead{box, data, []byte("lead")}
				}
			})
		}
	}
	wg.Wait()
	close(leads)
	var mu sync.Mutex
	places := map[string]bool{}
	for range 4 {
		wg.Go(func() {
			for l := range leads {
				plain, err := opener.Open(keys, l.box, l.data, []byte("aad"))
				if err != nil || string(plain) != "lead" {
					t.Errorf("%q, %v", plain, err)
				}
				mu.Lock()
				places[string(l.box)+string(l.data[:dataHeader])] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(places) != 2000 {
		t.Errorf("%d places for 2000 leads: a key was used twice", len(places))
	}
}

// Give it -fuzzminimizetime 20x: to make a box of 1,125 bytes shorter takes a
// minute and teaches nothing.
func FuzzDropBoxOpen(f *testing.F) {
	vectors := readVectors(f) // fixed keys: coverage must not change from run to run
	var keys []*AccountKeys
	for _, v := range vectors {
		keys = append(keys, v.keys(f))
		f.Add(v.Box, v.Data)
		f.Add(v.Box, v.Later)
		f.Add(v.Box, v.Data[:dataHeader])
		f.Add(v.Box[:boxHeader], []byte{v.Box[0], 0, 255})
	}
	f.Add([]byte{}, []byte{})
	openers := []*DropOpener{NewDropOpener(), NewDropOpener()} // the vectors are of one account, and boxes are remembered by it
	f.Fuzz(func(t *testing.T, box, data []byte) {
		for i, v := range vectors {
			_, err := openers[i].Open(keys[i], box, data, []byte(v.AAD))
			genuine := bytes.Equal(box, v.Box) && (bytes.Equal(data, v.Data) || bytes.Equal(data, v.Later))
			if (err == nil) != genuine {
				t.Errorf("version %d: a forged lead was taken, or a good one refused: %v", i+1, err)
			}
		}
	})
}

func BenchmarkDropBoxSeal(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	s := NewSealer(boxOf(keys))
	defer s.Close()
	plain, aad := make([]byte, 400), make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Seal(keys.ID(), plain, aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDropBoxOpenInOrder(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	s := NewSealer(boxOf(keys))
	defer s.Close()
	leads := sealMany(b, s, keys.ID(), 10_000)
	o := NewDropOpener()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l := leads[i%len(leads)]
		if _, err := o.Open(keys, l.box, l.data, []byte("aad")); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	for b.Loop() {
		if _, _, err := encapsulate(keys.DropBox()); err != nil {
			b.Fatal(err)
		}
	}
}
