package mover

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
)

// class is what a column holds, by PostgreSQL's name for it.
type class string

const (
	classID    class = "uuid"
	classBytes class = "bytea"
	classInt   class = "int8"
	classBool  class = "bool"
	classText  class = "text"
)

// same brings what either engine gives for a column to one form: nil, int64,
// bool, string or []byte (ids too).
func (c class) same(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		if c == classID && len(x) != 16 {
			return nil, fmt.Errorf("an id of %d bytes", len(x))
		}
		if c == classID || c == classBytes {
			return append([]byte{}, x...), nil // never nil: that would be NULL
		}
	case [16]byte:
		if c == classID {
			return x[:], nil
		}
	case int64:
		if c == classInt {
			return x, nil
		}
		if c == classBool && (x == 0 || x == 1) {
			return x == 1, nil
		}
	case bool:
		if c == classBool {
			return x, nil
		}
	case string:
		if c == classText {
			return x, nil
		}
	}
	return nil, fmt.Errorf("a %T in a column of %s", v, c)
}

// lite is the value as SQLite takes it.
func lite(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return int64(1)
		}
		return int64(0)
	}
	return v
}

// post is the value of a column as PostgreSQL takes it.
func (c class) post(v any) any {
	if b, ok := v.([]byte); ok && c == classID {
		return [16]byte(b)
	}
	return v
}

// appendValue writes a value so that no two rows have the same bytes: a mark
// of its kind, and its length where that varies.
func appendValue(b []byte, v any) []byte {
	switch x := v.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(x))
	case bool:
		if x {
			return append(b, 't')
		}
		return append(b, 'f')
	case string:
		return append(binary.BigEndian.AppendUint32(append(b, 's'), uint32(len(x))), x...)
	case []byte:
		return append(binary.BigEndian.AppendUint32(append(b, 'b'), uint32(len(x))), x...)
	}
	return append(b, 'n')
}

func appendRow(b []byte, row []any) []byte {
	for _, v := range row {
		b = appendValue(b, v)
	}
	return b
}

// Sum is a checksum of rows in any order: the sum, in four lanes of 64 bits,
// of each row's SHA-256. Rows of a table differ in their keys, so that no two
// cancel out.
type Sum [4]uint64

func (s *Sum) add(row []any, scratch []byte) []byte {
	scratch = appendRow(scratch[:0], row)
	h := sha256.Sum256(scratch)
	for i := range s {
		s[i] += binary.BigEndian.Uint64(h[8*i:])
	}
	return scratch
}

// Add puts another's rows beside.
func (s *Sum) Add(o Sum) {
	for i := range s {
		s[i] += o[i]
	}
}

// String is the first lane and a half, in hexadecimal: enough to be compared
// by eye.
func (s Sum) String() string { return fmt.Sprintf("%016x%08x", s[0], uint32(s[1])) }

func (s Sum) bytes() []byte {
	var b []byte
	for _, x := range s {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return b
}

func sumOf(b []byte) (s Sum) {
	for i := range s {
		if len(b) >= 8*i+8 {
			s[i] = binary.BigEndian.Uint64(b[8*i:])
		}
	}
	return s
}

// Counted is how many rows there are, and their checksum.
type Counted struct {
	Rows int64
	Sum  Sum
}

func (c *Counted) add(o Counted) {
	c.Rows += o.Rows
	c.Sum.Add(o.Sum)
}

// negative is what takes as many away.
func (c Counted) negative() Counted {
	out := Counted{Rows: -c.Rows}
	for i, x := range c.Sum {
		out.Sum[i] = -x
	}
	return out
}

func count(rows [][]any) Counted {
	c := Counted{Rows: int64(len(rows))}
	var scratch []byte
	for _, r := range rows {
		scratch = c.Sum.add(r, scratch)
	}
	return c
}

// appendKey writes a key's value so that bytes compare as both engines compare
// the values: a place in a table is then one column.
func appendKey(b []byte, v any) []byte {
	switch x := v.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(x)^1<<63)
	case bool:
		if x {
			return append(b, 't')
		}
		return append(b, 'f')
	case string:
		return appendEscaped(append(b, 's'), []byte(x))
	case []byte:
		return appendEscaped(append(b, 'b'), x)
	}
	return append(b, 'n')
}

func appendEscaped(b, x []byte) []byte {
	b = append(b, bytes.ReplaceAll(x, []byte{0}, []byte{0, 0xff})...)
	return append(b, 0, 0)
}

// keyOf reads what appendKey wrote.
func keyOf(b []byte) (out []any, err error) {
	for len(b) > 0 {
		mark := b[0]
		b = b[1:]
		switch mark {
		case 'i':
			if len(b) < 8 {
				return nil, errKey
			}
			out, b = append(out, int64(binary.BigEndian.Uint64(b)^1<<63)), b[8:]
		case 't', 'f':
			out = append(out, mark == 't')
		case 's', 'b':
			end := endOf(b)
			if end < 0 {
				return nil, errKey
			}
			x := bytes.ReplaceAll(b[:end], []byte{0, 0xff}, []byte{0})
			b = b[end+2:]
			if mark == 's' {
				out = append(out, string(x))
			} else {
				out = append(out, append([]byte{}, x...))
			}
		default:
			return nil, errKey
		}
	}
	return out, nil
}

var errKey = fmt.Errorf("mover: a place that nobody wrote")

func endOf(b []byte) int {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		if b[i+1] == 0 {
			return i
		}
		i++ // an escaped zero
	}
	return -1
}

// column gives one column of the rows as an array that PostgreSQL unnests.
func (c class) column(rows [][]any, n int) any {
	switch c {
	case classID:
		out := make(pgtype.FlatArray[pgtype.UUID], len(rows))
		for i, r := range rows {
			if b, ok := r[n].([]byte); ok {
				out[i] = pgtype.UUID{Bytes: [16]byte(b), Valid: true}
			}
		}
		return out
	case classBytes:
		out := make(pgtype.FlatArray[[]byte], len(rows))
		for i, r := range rows {
			out[i], _ = r[n].([]byte)
		}
		return out
	case classInt:
		out := make(pgtype.FlatArray[pgtype.Int8], len(rows))
		for i, r := range rows {
			out[i].Int64, out[i].Valid = r[n].(int64)
		}
		return out
	case classBool:
		out := make(pgtype.FlatArray[pgtype.Bool], len(rows))
		for i, r := range rows {
			out[i].Bool, out[i].Valid = r[n].(bool)
		}
		return out
	}
	out := make(pgtype.FlatArray[pgtype.Text], len(rows))
	for i, r := range rows {
		out[i].String, out[i].Valid = r[n].(string)
	}
	return out
}
