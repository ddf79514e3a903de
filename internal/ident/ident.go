// Package ident holds the identifiers: a UUID whose Go type says what it
// names, and whose text form (TypeID, https://github.com/jetify-com/typeid,
// specification 0.3) says the same to a reader: "lead_01h455vb4pex5vsknk084sn02q".
//
// Identifiers carry no order that a caller may rely on; lists sort by time.
package ident

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Kind names what an identifier identifies. It is implemented by empty struct
// types beside the words they belong to, so that a lead's id cannot be passed
// where a person's is wanted.
type Kind interface{ Prefix() string }

// ID is a UUID that names a K. The zero ID names nothing.
type ID[K Kind] struct{ u uuid.UUID }

// New returns a fresh UUIDv7.
func New[K Kind]() ID[K] {
	return ID[K]{uuid.Must(uuid.NewV7())}
}

// Keyed returns the UUIDv8 (RFC 9562, 5.8) made of the first 122 free bits of
// HMAC-SHA-256(key, parts), each part preceded by its length. The same key and
// parts give the same id on every node and after every restart.
func Keyed[K Kind](key []byte, parts ...[]byte) ID[K] {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		n := len(p)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(p)
	}
	var id ID[K]
	copy(id.u[:], h.Sum(nil))
	id.u[6] = id.u[6]&0x0f | 0x80
	id.u[8] = id.u[8]&0x3f | 0x80
	return id
}

// FromBytes reads the 16 bytes that Bytes gave.
func FromBytes[K Kind](b []byte) (ID[K], error) {
	u, err := uuid.FromBytes(b)
	if err != nil {
		return ID[K]{}, fmt.Errorf("%s id: want 16 bytes, got %d", prefix[K](), len(b))
	}
	return ID[K]{u}, nil
}

// From makes an identifier of a UUID's 16 bytes.
func From[K Kind](b [16]byte) ID[K] { return ID[K]{b} }

// Parse reads the text form. It refuses another kind's prefix.
func Parse[K Kind](s string) (ID[K], error) {
	p := prefix[K]()
	n := len(p)
	if len(s) != n+1+26 || s[:n] != p || s[n] != '_' {
		return ID[K]{}, fmt.Errorf("not an id of the form %s_…", p)
	}
	u, ok := decode(s[n+1:])
	if !ok {
		return ID[K]{}, fmt.Errorf("not an id of the form %s_…", p)
	}
	return ID[K]{u}, nil
}

// MustParse is Parse for text that is part of the program.
func MustParse[K Kind](s string) ID[K] {
	id, err := Parse[K](s)
	if err != nil {
		panic(err)
	}
	return id
}

func prefix[K Kind]() string { var k K; return k.Prefix() }

// IsZero reports whether the id names nothing.
func (id ID[K]) IsZero() bool { return id.u == uuid.Nil }

// Bytes returns the 16 bytes of the UUID.
func (id ID[K]) Bytes() []byte { return append([]byte(nil), id.u[:]...) }

// UUID returns the identifier without its kind.
func (id ID[K]) UUID() uuid.UUID { return id.u }

// String returns the text form; "" for the zero id.
func (id ID[K]) String() string {
	if id.IsZero() {
		return ""
	}
	return prefix[K]() + "_" + encode(id.u)
}

// MarshalText implements encoding.TextMarshaler.
func (id ID[K]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is the zero id.
func (id *ID[K]) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID[K]{}
		return nil
	}
	got, err := Parse[K](string(b))
	if err != nil {
		return err
	}
	*id = got
	return nil
}

// Value implements driver.Valuer: 16 bytes, or NULL for the zero id.
func (id ID[K]) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.u[:], nil
}

// Scan implements sql.Scanner for 16 bytes, PostgreSQL's uuid text, or NULL.
func (id *ID[K]) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ID[K]{}
		return nil
	case []byte:
		if len(v) == 16 {
			copy(id.u[:], v)
			return nil
		}
		return id.u.UnmarshalText(v)
	case string:
		return id.u.UnmarshalText([]byte(v))
	case [16]byte:
		id.u = v
		return nil
	}
	return errors.New("ident: cannot scan this type into an id")
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// encode writes 128 bits as 26 digits of base 32, most significant first.
func encode(u uuid.UUID) string {
	var out [26]byte
	var acc uint
	bits := 2 // two zero bits in front make 130, which is 26 × 5
	n := 0
	for _, b := range u {
		acc = acc<<8 | uint(b)
		bits += 8
		for bits >= 5 {
			bits -= 5
			out[n] = alphabet[acc>>bits&31]
			n++
		}
	}
	return string(out[:])
}

func decode(s string) (u uuid.UUID, ok bool) {
	if s[0] > '7' {
		return u, false // over 128 bits
	}
	var acc uint
	bits := -2
	n := 0
	for i := range len(s) {
		d := digits[s[i]]
		if d < 0 {
			return u, false
		}
		acc = acc<<5 | uint(d)
		bits += 5
		if bits >= 8 {
			bits -= 8
			u[n] = byte(acc >> bits)
			n++
		}
	}
	return u, true
}

// digits is what each byte is worth as a digit, -1 for none: followers of the
// events read several ids in each.
var digits = func() (d [256]int8) {
	for i := range d {
		d[i] = -1
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = int8(i)
	}
	return d
}()
