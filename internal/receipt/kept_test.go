package receipt

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

// From what is kept of it, and the body, comes the very receipt that was given.
func TestKeptGivesTheSameReceipt(t *testing.T) {
	at := day.Add(9 * time.Hour)
	sign := func(message []byte) ([]byte, string) { return ed25519.Sign(testKey(1), message), "rk-2026" }
	for size := 1; size <= 17; size++ {
		for index := range size {
			given := one(size, index)
			text, err := json.Marshal(Kept{given.Salt, given.Index, given.Size, given.Path})
			if err != nil {
				t.Fatal(err)
			}
			var kept Kept
			if err := json.Unmarshal(text, &kept); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			received := at.Add(time.Duration(index) * time.Millisecond)
			again, err := kept.Again(given.ID, received, body(index), given.Stream, given.Seq, sign)
			if err != nil {
				t.Fatalf("size %d index %d: %v", size, index, err)
			}
			if want, got := AppendJSON(nil, given), AppendJSON(nil, again); string(want) != string(got) {
				t.Fatalf("size %d index %d:\n%s\n%s", size, index, want, got)
			}
			// The control: of another body, time or place it is another one.
			other, err := kept.Again(given.ID, received, body(index+1), given.Stream, given.Seq, sign)
			if err != nil || other.Root == given.Root {
				t.Fatalf("another body has the same root, %v", err)
			}
		}
	}
}

func TestKeptThatDoesNotFit(t *testing.T) {
	sign := func(message []byte) ([]byte, string) { return ed25519.Sign(testKey(1), message), "rk-2026" }
	r := one(5, 2)
	for name, k := range map[string]Kept{
		"a path too short":  {r.Salt, 2, 5, r.Path[1:]},
		"outside the tree":  {r.Salt, 5, 5, r.Path},
		"a tree of nothing": {Salt: r.Salt},
	} {
		if _, err := k.Again(r.ID, day, body(2), r.Stream, r.Seq, sign); !errors.Is(err, ErrInclusion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzKept(f *testing.F) {
	r := one(7, 3)
	text, _ := json.Marshal(Kept{r.Salt, r.Index, r.Size, r.Path})
	f.Add(text)
	f.Add([]byte(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA","index":0,"size":1}`))
	f.Add([]byte(`{"path":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var k, again Kept
		if err := json.Unmarshal(text, &k); err != nil {
			return
		}
		out, err := json.Marshal(k)
		if err != nil || json.Unmarshal(out, &again) != nil || again.Salt != k.Salt || again.Index != k.Index || again.Size != k.Size || !slices.Equal(again.Path, k.Path) {
			t.Fatalf("%s came back as %s, %v", text, out, err)
		}
	})
}
