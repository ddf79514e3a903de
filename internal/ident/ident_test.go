package ident

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

type thing struct{}

func (thing) Prefix() string { return "prefix" }

// The vectors of the TypeID specification (valid.yml).
func TestSpecification(t *testing.T) {
	for text, want := range map[string]string{
		"prefix_0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
		"prefix_01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
		"prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
	} {
		id, err := Parse[thing](text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if id.UUID() != uuid.MustParse(want) || id.String() != text {
			t.Errorf("%s: got %s and %s", text, id.UUID(), id)
		}
	}
	for _, bad := range []string{"", "prefix_", "prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz", "other_01h455vb4pex5vsknk084sn02q",
		"prefix_01H455VB4PEX5VSKNK084SN02Q", "prefix_01h455vb4pex5vsknk084sn02i", "prefix_01h455vb4pex5vsknk084sn02q0"} {
		if _, err := Parse[thing](bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		id, err := FromBytes[thing](b)
		if err != nil {
			t.Fatal(err)
		}
		if id.IsZero() {
			return
		}
		back, err := Parse[thing](id.String())
		if err != nil || back != id {
			t.Fatalf("%v, %v", back, err)
		}
	})
}

func TestKeyedIsStableAndSeparatesParts(t *testing.T) {
	k := []byte("key")
	a := Keyed[thing](k, []byte("ab"), []byte("c"))
	if a != Keyed[thing](k, []byte("ab"), []byte("c")) {
		t.Error("the same parts gave another id")
	}
	if a == Keyed[thing](k, []byte("a"), []byte("bc")) {
		t.Error("parts run into each other")
	}
	if a.UUID().Version() != 8 || a.UUID().Variant() != uuid.RFC4122 {
		t.Errorf("version %d variant %s", a.UUID().Version(), a.UUID().Variant())
	}
}

func TestJSON(t *testing.T) {
	id := New[thing]()
	b, _ := json.Marshal(id)
	var back ID[thing]
	if err := json.Unmarshal(b, &back); err != nil || back != id {
		t.Fatalf("%s: %v", b, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("prefix_01h455vb4pex5vsknk084sn02q")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse[thing](s)
		if err == nil && !id.IsZero() && id.String() != s {
			t.Errorf("%q came back as %q", s, id)
		}
	})
}
