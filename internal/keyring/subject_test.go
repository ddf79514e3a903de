package keyring

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"catchment/internal/vault"
)

func TestSealedRoundTrip(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	wrapped, key := keys.NewSubjectKey(vault.Subject{7})
	back, err := keys.OpenSubjectKey(vault.Subject{7}, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if back.Subject() != key.Subject() {
		t.Error("another subject")
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		at := drawBinding(t, "at")
		s := key.Seal(at, vault.Hide(text))
		if s.Binding != at || s.Subject != key.subject || s.Empty() != (text == "") {
			t.Fatalf("sealed for %+v as %+v", at, s)
		}
		if len(text) > 8 && bytes.Contains(s.Data, []byte(text)) {
			t.Fatal("in clear")
		}
		p, err := back.open(s)
		if err != nil || revealed(p) != text {
			t.Fatalf("%q came back as %q, %v", text, revealed(p), err)
		}
	})
	a, b := key.Seal(vault.Binding{}, vault.Hide("x")), key.Seal(vault.Binding{}, vault.Hide("x"))
	if bytes.Equal(a.Data, b.Data) {
		t.Error("equal texts can be told")
	}
}

func drawBinding(t *rapid.T, label string) vault.Binding {
	name := rapid.StringMatching(`[a-z]{0,6}`)
	return vault.Binding{
		Table: name.Draw(t, label+" table"),
		Row:   [16]byte(rapid.SliceOfN(rapid.ByteMax(1), 16, 16).Draw(t, label+" row")),
		Field: vault.Field(name.Draw(t, label+" field")),
	}
}

func TestAnotherBindingDoesNotOpen(t *testing.T) {
	_, keys := testAccount(t, memoryKeyring(t))
	_, key := keys.NewSubjectKey(vault.Subject{7})
	rapid.Check(t, func(t *rapid.T) {
		at, other := drawBinding(t, "at"), drawBinding(t, "other")
		s := key.Seal(at, vault.Hide("Ada"))
		s.Binding = other
		if _, err := key.open(s); (err == nil) != (at == other) {
			t.Fatalf("sealed for %v, opened for %v: %v", at, other, err)
		}
		// The same letters, divided otherwise.
		all := at.Table + string(at.Field)
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		s.Binding = vault.Binding{Table: all[:cut], Row: at.Row, Field: vault.Field(all[cut:])}
		if _, err := key.open(s); (err == nil) != (s.Binding == at) {
			t.Fatalf("sealed for %v, opened for %v: %v", at, s.Binding, err)
		}
	})
}

func TestAnotherAccountSubjectOrByteDoesNotOpen(t *testing.T) {
	k := memoryKeyring(t)
	_, keys := testAccount(t, k)
	_, others := testAccount(t, k)
	wrapped, key := keys.NewSubjectKey(vault.Subject{7})
	_, err := others.OpenSubjectKey(vault.Subject{7}, wrapped)
	wantDamaged(t, "another account's keys", err)
	_, err = keys.OpenSubjectKey(vault.Subject{8}, wrapped)
	wantDamaged(t, "another subject", err)
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		if _, err := keys.OpenSubjectKey(vault.Subject{7}, bad); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknownKey) {
			t.Errorf("byte %d of the wrapped key: %v", i, err)
		}
		_, err = keys.OpenSubjectKey(vault.Subject{7}, wrapped[:i])
		wantDamaged(t, "cut", err)
	}

	s := key.Seal(vault.Binding{Table: "person", Field: vault.Name}, vault.Hide("Ada"))
	moved := key
	moved.account = others.ID()
	_, err = moved.open(s)
	wantDamaged(t, "the same key in another account", err)
	_, another := keys.NewSubjectKey(vault.Subject{7})
	_, err = another.open(s)
	wantDamaged(t, "another key of the same subject", err)
	for i := range s.Data {
		bad := s
		bad.Data = bytes.Clone(s.Data)
		bad.Data[i] ^= 1
		_, err := key.open(bad)
		wantDamaged(t, "changed", err)
		if i > 0 {
			bad.Data = s.Data[:i]
			_, err = key.open(bad)
			wantDamaged(t, "cut", err)
		}
	}
}

func FuzzOpenSealed(f *testing.F) {
	v := readVectors(f)[0]
	keys, wrapped, good, at := v.keys(f), v.Wrapped, v.Value, vectorBinding
	key, err := keys.OpenSubjectKey(vectorSubject, wrapped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped, good)
	f.Add([]byte{1}, []byte{1})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, w, data []byte) {
		if _, err := keys.OpenSubjectKey(vectorSubject, w); (err == nil) != bytes.Equal(w, wrapped) {
			t.Errorf("a forged key was taken, or a good one refused: %v", err)
		}
		_, err := key.open(vault.Sealed{Binding: at, Subject: vectorSubject, Data: data})
		if (err == nil) != (len(data) == 0 || bytes.Equal(data, good)) {
			t.Errorf("a forged value was taken, or a good one refused: %v", err)
		}
	})
}

var benchBinding = vault.Binding{Table: "enquiry", Row: [16]byte{1}, Field: vault.Message}

func BenchmarkSubjectSeal(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	_, key := keys.NewSubjectKey(vault.Subject{7})
	value := vault.Hide(string(make([]byte, 200)))
	b.ReportAllocs()
	for b.Loop() {
		key.Seal(benchBinding, value)
	}
}

func BenchmarkNewSubjectKey(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	b.ReportAllocs()
	for b.Loop() {
		keys.NewSubjectKey(vault.Subject{7})
	}
}

func BenchmarkOpenSubjectKeyAndFourValues(b *testing.B) {
	_, keys := testAccount(b, memoryKeyring(b))
	wrapped, key := keys.NewSubjectKey(vault.Subject{7})
	s := key.Seal(benchBinding, vault.Hide("+442079460123"))
	b.ReportAllocs()
	for b.Loop() {
		k, _ := keys.OpenSubjectKey(vault.Subject{7}, wrapped)
		for range 4 {
			if _, err := k.open(s); err != nil {
				b.Fatal(err)
			}
		}
	}
}
