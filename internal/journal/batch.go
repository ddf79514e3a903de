package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Message format, version 1. One message is one commit and needs nothing
// outside itself to be read. Integers are big endian, "n" is an unsigned
// varint as in encoding/binary.
//
//	 0   4  "CJB" and the version, 1
//	 4  16  writer: random, new at every start and after every commit that failed
//	20   8  number of the batch within its writer, from 1
//	28  32  SHA-256 of the writer's previous message; zeros for number 1
//	60   n  number of boxes; each: n length, bytes
//	     n  number of entries; each:
//	        n  0 for no box, else its place in the table, from 1
//	       32  leaf hash
//	        n  length, bytes
//	        4  CRC-32C of leaf ‖ box ‖ bytes
//
// The CRC finds what changed in one entry and leaves the others readable; the
// chain finds a message that is missing between two that are there. A message
// without entries is a filler: it takes up a sequence number (see RaiseTo).
const (
	batchMagic  = "CJB\x01"
	headerSize  = 60
	maxBoxes    = MaxBatchEntries
	leafSize    = sha256.Size
	crcSize     = 4
	entryMinLen = 1 + leafSize + 1 + crcSize
)

// MaxBatchEntries is the most entries that one message holds, and so the most
// that AppendAll takes.
const MaxBatchEntries = 1000

// Errors that a reader of the journal meets.
var (
	// ErrDamaged marks an entry whose checksum does not fit, or a message that
	// is not of the format.
	ErrDamaged = errors.New("journal: damaged")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Entry is what the journal keeps: bytes that it cannot read, the box that
// was sealed with them (shared by many entries and then stored once a
// message; nil for none), and the leaf that stands for them in the receipt.
type Entry struct {
	Box  []byte
	Data []byte
	Leaf [32]byte
}

func (e *Entry) size() int { return len(e.Box) + len(e.Data) + leafSize + 16 }

// Record is an entry as it was read back. With Err set (ErrDamaged) the bytes
// are what is left and must not be trusted; Index -1 then means that the
// whole message, in Data, could not be read.
type Record struct {
	Index int
	Box   []byte
	Data  []byte
	Leaf  [32]byte
	Err   error
}

// chain is a writer's place in its sequence of batches.
type chain struct {
	writer [16]byte
	number uint64
	prev   [32]byte
}

// batchHeader is what stands before the boxes.
type batchHeader struct {
	Writer [16]byte
	Number uint64
	Prev   [32]byte
}

// encodeBatch writes one message for the entries of groups, in order.
func encodeBatch(at chain, groups ...[]Entry) []byte {
	size, count := headerSize+2*binary.MaxVarintLen32, 0
	table := newBoxTable()
	for _, g := range groups {
		for i := range g {
			size += len(g[i].Data) + leafSize + 16
			table.add(g[i].Box)
		}
		count += len(g)
	}
	size += table.bytes

	b := make([]byte, 0, size)
	b = append(b, batchMagic...)
	b = append(b, at.writer[:]...)
	b = binary.BigEndian.AppendUint64(b, at.number)
	b = append(b, at.prev[:]...)
	b = table.append(b)
	b = binary.AppendUvarint(b, uint64(count))
	for _, g := range groups {
		for i := range g {
			b = appendEntry(b, &g[i], table.add(g[i].Box))
		}
	}
	return b
}

func appendEntry(b []byte, e *Entry, box int) []byte {
	b = binary.AppendUvarint(b, uint64(box))
	b = append(b, e.Leaf[:]...)
	b = binary.AppendUvarint(b, uint64(len(e.Data)))
	b = append(b, e.Data...)
	return binary.BigEndian.AppendUint32(b, entrySum(&e.Leaf, e.Box, e.Data))
}

func entrySum(leaf *[32]byte, box, data []byte) uint32 {
	sum := crc32.Update(0, castagnoli, leaf[:])
	sum = crc32.Update(sum, castagnoli, box)
	return crc32.Update(sum, castagnoli, data)
}

// boxTable gives each distinct box a place, from 1.
type boxTable struct {
	places map[string]int
	list   [][]byte
	last   []byte // most entries repeat the one before: skip the map
	place  int
	bytes  int
}

func newBoxTable() *boxTable { return &boxTable{places: make(map[string]int)} }

func (t *boxTable) add(box []byte) int {
	if len(box) == 0 {
		return 0
	}
	if len(t.last) == len(box) && (&t.last[0] == &box[0] || bytes.Equal(t.last, box)) {
		return t.place
	}
	place, ok := t.places[string(box)]
	if !ok {
		t.list = append(t.list, box)
		place = len(t.list)
		t.places[string(box)] = place
		t.bytes += len(box) + binary.MaxVarintLen32
	}
	t.last, t.place = box, place
	return place
}

func (t *boxTable) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(t.list)))
	for _, box := range t.list {
		b = binary.AppendUvarint(b, uint64(len(box)))
		b = append(b, box...)
	}
	return b
}

// decodeBatch reads a message. Slices of the result point into b. An error
// means that the message as a whole is unreadable; a damaged entry has its
// own error and leaves the others whole.
func decodeBatch(b []byte) (batchHeader, []Record, error) {
	var h batchHeader
	if len(b) < headerSize || string(b[:4]) != batchMagic {
		return h, nil, fmt.Errorf("%w: not a batch of version 1", ErrDamaged)
	}
	copy(h.Writer[:], b[4:20])
	h.Number = binary.BigEndian.Uint64(b[20:28])
	copy(h.Prev[:], b[28:60])
	r := reader{b: b[headerSize:]}
	boxes := r.boxes()
	records := r.records(boxes)
	if r.bad || len(r.b) != 0 {
		return h, nil, fmt.Errorf("%w: lengths do not fit", ErrDamaged)
	}
	return h, records, nil
}

// reader takes pieces off the front of b; after the first that is not there
// it is bad and gives nothing more.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint(limit int) int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(limit) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, 0)
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) boxes() [][]byte {
	n := r.uvarint(maxBoxes)
	boxes := make([][]byte, 0, min(n, len(r.b)))
	for range n {
		boxes = append(boxes, r.take(r.uvarint(len(r.b))))
		if r.bad {
			return nil
		}
	}
	return boxes
}

func (r *reader) records(boxes [][]byte) []Record {
	n := r.uvarint(MaxBatchEntries)
	out := make([]Record, 0, min(n, len(r.b)/entryMinLen+1))
	for i := range n {
		rec := Record{Index: i}
		if place := r.uvarint(len(boxes)); place > 0 {
			rec.Box = boxes[place-1]
		}
		copy(rec.Leaf[:], r.take(leafSize))
		rec.Data = r.take(r.uvarint(len(r.b)))
		sum := r.take(crcSize)
		if r.bad {
			return nil
		}
		if binary.BigEndian.Uint32(sum) != entrySum(&rec.Leaf, rec.Box, rec.Data) {
			rec.Err = fmt.Errorf("%w: entry %d: checksum", ErrDamaged, i)
		}
		out = append(out, rec)
	}
	return out
}
