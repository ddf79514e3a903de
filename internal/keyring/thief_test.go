package keyring

import (
	"reflect"
	"testing"
)

// A thief copies the Sealer's memory after n leads. Every 32 bytes of it are
// tried as a key and as a state of the ratchet. The first n do not open; the
// control, memory copied before them, opens them.
func TestTheDoorsMemoryOpensNothingOfThePast(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	s := NewSealer(boxOf(keys))
	defer s.Close()
	sealMany(t, s, keys.ID(), 1)
	before := doorMemory(s)
	past := sealMany(t, s, keys.ID(), 20)
	after := doorMemory(s)
	future := sealMany(t, s, keys.ID(), 1)

	if n := thiefOpens(before, past); n != len(past) {
		t.Fatalf("the control opened %d of %d: the thief is not a good one", n, len(past))
	}
	if n := thiefOpens(after, past); n != 0 {
		t.Errorf("memory from after %d leads opened %d of them", len(past), n)
	}
	if thiefOpens(after, future) != 1 {
		t.Error("the copy is not of the running state")
	}
}

func thiefOpens(memory [][]byte, leads []sealedLead) (opened int) {
	for _, l := range leads {
		if thiefOpensOne(memory, l) {
			opened++
		}
	}
	return opened
}

func thiefOpensOne(memory [][]byte, l sealedLead) bool {
	try := func(key [32]byte) bool {
		_, err := singleUse(boxVersion, &key).Open(nil, zeroNonce[:], l.data[dataHeader:], []byte("aad"))
		return err == nil
	}
	for _, m := range memory {
		if len(m) > 64 {
			continue // the box and the public key are public
		}
		for i := 0; i+32 <= len(m); i++ {
			state := ratchet(m[i : i+32])
			if try(state) {
				return true
			}
			for range 32 {
				if try(state.step(boxVersion)) {
					return true
				}
			}
		}
	}
	return false
}

// doorMemory is all that a Sealer holds; reflection does not see into hidden.
func doorMemory(s *Sealer) [][]byte {
	runs := memoryOf(s)
	for _, e := range s.epochs {
		runs = append(runs, memoryOf(e.state())...)
	}
	return runs
}

// memoryOf copies every run of bytes that can be reached from v.
func memoryOf(v any) (runs [][]byte) {
	seen := map[uintptr]bool{}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.Pointer()] {
				seen[v.Pointer()] = true
				walk(v.Elem())
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				walk(it.Key())
				walk(it.Value())
			}
		case reflect.Array, reflect.Slice:
			if v.Type().Elem().Kind() != reflect.Uint8 {
				for i := range v.Len() {
					walk(v.Index(i))
				}
				return
			}
			run := make([]byte, v.Len())
			for i := range run {
				run[i] = byte(v.Index(i).Uint())
			}
			runs = append(runs, run)
		}
	}
	walk(reflect.ValueOf(v))
	return runs
}

// What the Sealer's type can hold is no private key, keyset or opener.
func TestASealerHasNoPlaceForAPrivateKey(t *testing.T) {
	forbidden := map[string]bool{"hpke.PrivateKey": true, "keyring.AccountKeys": true, "keyring.Keyring": true,
		"keyring.SubjectKey": true, "hpke.Sender": true, "keyring.DropOpener": true}
	seen := map[reflect.Type]bool{}
	var found []string
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		if seen[ty] {
			return
		}
		seen[ty] = true
		if forbidden[ty.String()] {
			found = append(found, ty.String())
		}
		switch ty.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
			walk(ty.Elem())
		case reflect.Map:
			walk(ty.Key())
			walk(ty.Elem())
		case reflect.Struct:
			for i := range ty.NumField() {
				walk(ty.Field(i).Type)
			}
		case reflect.Func:
			for i := range ty.NumOut() {
				walk(ty.Out(i))
			}
		}
	}
	walk(reflect.TypeFor[Sealer]())
	if len(found) > 0 {
		t.Errorf("a Sealer can hold %v", found)
	}
	walk(reflect.TypeFor[AccountKeys]()) // the control
	if len(found) < 2 {
		t.Errorf("the search finds no private key in AccountKeys: %v", found)
	}
}
