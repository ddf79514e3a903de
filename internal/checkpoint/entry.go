// Package checkpoint is the form of an account's record outside the database:
// what of an entry is hashed, the tree of these hashes (RFC 6962), the signed
// checkpoints of the tree, and the verifier of an exported record, which asks
// nobody. docs/audit.md has it for other languages. The package does no I/O
// but reading what it is given, and reads no clock.
package checkpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
)

// Format names the encodings of this version.
const Format = "catchment-record-v1"

// Hash is a SHA-256 value; its text is 43 characters of base64url.
type Hash [sha256.Size]byte

// Salt is random, so that the hash of a payload that is gone tells nothing.
type Salt [16]byte

var b64 = base64.RawURLEncoding.Strict()

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return b64.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads 43 characters.
func (h *Hash) UnmarshalText(text []byte) error { return unmarshal(h[:], text) }

// MarshalText implements encoding.TextMarshaler.
func (s Salt) MarshalText() ([]byte, error) { return b64.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads 22 characters.
func (s *Salt) UnmarshalText(text []byte) error { return unmarshal(s[:], text) }

func unmarshal(into, text []byte) error {
	b, err := b64.AppendDecode(nil, text)
	if err != nil || len(b) != len(into) {
		return fmt.Errorf("want base64url of %d bytes", len(into))
	}
	copy(into, b)
	return nil
}

const timeForm = "2006-01-02T15:04:05.000000Z"

// FormatTime gives the one form of an entry's time: RFC 3339 in UTC with six
// decimals and Z.
func FormatTime(t time.Time) string { return t.UTC().Format(timeForm) }

// Entry is what is hashed of one entry. All texts are as the export shows them.
type Entry struct {
	ID     string `json:"id"`
	At     string `json:"at"`     // FormatTime
	Writer string `json:"writer"` // "": from before there were chains
	N      uint64 `json:"n"`      // place in the writer's chain, from 1
	Prev   Hash   `json:"prev"`   // leaf of the writer's entry before it; zero: it is the first

	Payload
}

// Payload is what an entry says. A rule may drop it and keep its hash.
type Payload struct {
	Salt    Salt   `json:"salt"`
	Actor   string `json:"actor"`
	Action  string `json:"action"`
	Purpose string `json:"purpose"`
	About   string `json:"about"`
	Detail  string `json:"detail"` // JSON, byte for byte as it was written
}

// Hash is SHA-256(salt ‖ text(actor) ‖ text(action) ‖ text(purpose) ‖
// text(about) ‖ text(detail)), text(x) being the length of x as 4 bytes, most
// significant first, and x.
func (p Payload) Hash() Hash {
	b := append([]byte(nil), p.Salt[:]...)
	for _, s := range []string{p.Actor, p.Action, p.Purpose, p.About, p.Detail} {
		b = appendText(b, s)
	}
	return sha256.Sum256(b)
}

// Leaf is the entry's leaf in the account's tree: SHA-256(0x00 ‖ format ‖ 0x0A
// ‖ text(account) ‖ text(id) ‖ text(at) ‖ text(writer) ‖ n (8 bytes) ‖ prev ‖
// payload), the last being Payload.Hash.
func (e Entry) Leaf(account string) Hash { return e.leaf(account, e.Payload.Hash()) }

func (e Entry) leaf(account string, payload Hash) Hash {
	b := append([]byte(Format), '\n')
	for _, s := range []string{account, e.ID, e.At, e.Writer} {
		b = appendText(b, s)
	}
	b = binary.BigEndian.AppendUint64(b, e.N)
	b = append(b, e.Prev[:]...)
	b = append(b, payload[:]...)
	return Hash(rfc6962.DefaultHasher.HashLeaf(b))
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
