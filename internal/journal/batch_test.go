package journal

import (
	"bytes"
	"errors"
	"testing"
)

func sampleBatch() ([]byte, []Entry) {
	es := []Entry{entry(0), entry(1), entry(3), {Data: []byte("no box")}, {}}
	at := newChain()
	at.number, at.prev[0] = 7, 9
	return encodeBatch(at, es[:2], es[2:]), es
}

func TestBatchRoundTrip(t *testing.T) {
	b, es := sampleBatch()
	h, rs, err := decodeBatch(b)
	if err != nil || h.Number != 7 || h.Prev[0] != 9 || len(rs) != len(es) {
		t.Fatalf("%+v, %d records, %v", h, len(rs), err)
	}
	for i, r := range rs {
		e := es[i]
		if r.Err != nil || r.Index != i || r.Leaf != e.Leaf || !bytes.Equal(r.Data, e.Data) || !bytes.Equal(r.Box, e.Box) {
			t.Errorf("record %d: %v", i, r.Err)
		}
	}
	if n := bytes.Count(b, box(0)); n != 1 {
		t.Errorf("a shared box is stored %d times", n)
	}
}

// Every flipped bit is found, and costs the entries that it is in, no others
// unless it is in a length.
func TestFlippedBitIsFound(t *testing.T) {
	b, es := sampleBatch()
	for i := headerSize; i < len(b); i++ {
		c := bytes.Clone(b)
		c[i] ^= 0x10
		_, rs, err := decodeBatch(c)
		if err != nil {
			continue
		}
		whole := len(rs) == len(es)
		for k := range rs {
			whole = whole && rs[k].Err == nil
		}
		if whole {
			t.Fatalf("byte %d: nothing noticed", i)
		}
	}
	at := bytes.Index(b, es[1].Data)
	c := bytes.Clone(b)
	c[at] ^= 1
	_, rs, err := decodeBatch(c)
	if err != nil || !errors.Is(rs[1].Err, ErrDamaged) || rs[0].Err != nil || rs[2].Err != nil {
		t.Errorf("one damaged entry: %v", err)
	}
}

func TestTruncatedBatchIsAnError(t *testing.T) {
	b, _ := sampleBatch()
	for n := range len(b) {
		if _, _, err := decodeBatch(b[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, _, err := decodeBatch(append(b, 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	small := []Entry{{Box: []byte("box"), Data: []byte("a")}, {Box: []byte("box"), Data: []byte("b")}, {}}
	b := encodeBatch(chain{number: 1}, small) // small: minimising a large one takes all the time
	f.Add(b)
	f.Add(b[:headerSize])
	f.Add(encodeBatch(newChain()))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rs, err := decodeBatch(b)
		if err != nil {
			return
		}
		es := make([]Entry, len(rs))
		for i, r := range rs {
			if r.Err != nil {
				return
			}
			es[i] = Entry{Box: r.Box, Data: r.Data, Leaf: r.Leaf}
		}
		again := encodeBatch(chain{writer: h.Writer, number: h.Number, prev: h.Prev}, es)
		_, back, err := decodeBatch(again)
		if err != nil || len(back) != len(rs) {
			t.Fatalf("encoded again: %d of %d, %v", len(back), len(rs), err)
		}
		for i := range back {
			if back[i].Err != nil || !bytes.Equal(back[i].Data, rs[i].Data) || !bytes.Equal(back[i].Box, rs[i].Box) {
				t.Fatalf("record %d changed", i)
			}
		}
	})
}
