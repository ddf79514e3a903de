// Package receipt is the signed proof that a submission is durable. Whoever
// holds a receipt, the body that was sent and the published keys can check it
// without asking the program that issued it; docs/receipt.md has the encodings
// for other languages. The package does no I/O and reads no clock.
//
// A receipt says: the body with this SHA-256 was received at this time as this
// enquiry, and stood at this index of the commit that the journal acknowledged
// under this stream and sequence. The commit is an RFC 6962 tree; one Ed25519
// signature over its root serves all its leads.
package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"catchment/internal/lead"
)

// Version is the only value of v that this package issues and accepts.
const Version = 1

// MaxSize bounds the leads of one commit, and with it the path (30 hashes).
const MaxSize = 1 << 30

// MaxSeq is the largest sequence: JSON numbers are exact up to 2^53 - 1.
const MaxSeq = 1<<53 - 1

// Hash is a SHA-256 value; its text is 43 characters of base64url.
type Hash [sha256.Size]byte

// Salt is 16 random bytes, fresh for each receipt: without it a leaf hash
// would tell a guessed telephone number from a wrong one.
type Salt [16]byte

// Signature is an Ed25519 signature (RFC 8032).
type Signature [ed25519.SignatureSize]byte

// Receipt is the proof. All fields are compulsory; Path is empty in a commit of
// one lead. Its JSON has exactly these members, in this order when written.
type Receipt struct {
	V          int            `json:"v"`
	ID         lead.EnquiryID `json:"id"`
	ReceivedAt string         `json:"received_at"` // the form of FormatTime; the leaf hashes this very text
	SHA256     Hash           `json:"sha256"`      // of the raw body; for a batch, of the element's raw bytes
	Salt       Salt           `json:"salt"`
	Stream     string         `json:"stream"`
	Seq        uint64         `json:"seq"`
	Index      uint64         `json:"index"` // of the lead in its commit, from 0
	Size       uint64         `json:"size"`  // leads in the commit
	Path       []Hash         `json:"path"`  // from the leaf's sibling up to the root's child
	Root       Hash           `json:"root"`
	KeyID      string         `json:"key_id"`
	Signature  Signature      `json:"signature"`
}

// Errors that Verify and MatchesBody wrap. Each means: do not believe it.
var (
	ErrForm      = errors.New("receipt: not a receipt")
	ErrKey       = errors.New("receipt: no published key fits")
	ErrSignature = errors.New("receipt: the signature does not fit")
	ErrInclusion = errors.New("receipt: the lead is not in the signed commit")
	ErrBody      = errors.New("receipt: the body is not the one received")
)

const timeForm = "2006-01-02T15:04:05.000Z"

// FormatTime gives the one form of a time in a receipt: RFC 3339 in UTC, with
// exactly three decimals (cut, not rounded) and Z. 24 characters.
func FormatTime(t time.Time) string { return t.UTC().Format(timeForm) }

// ParseTime reads the form of FormatTime and no other.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(timeForm, s)
	if err != nil || FormatTime(t) != s {
		return time.Time{}, fmt.Errorf("%w: received_at is not of the form %s", ErrForm, timeForm)
	}
	return t, nil
}

// Leaf is the lead's leaf in the commit's tree:
//
//	SHA-256(0x00 ‖ salt (16) ‖ id (its text, 30) ‖ sha256 (32) ‖ receivedAt (its text, 24))
//
// All parts have fixed lengths, so they cannot run into each other.
func Leaf(salt Salt, id lead.EnquiryID, body Hash, receivedAt string) Hash {
	b := make([]byte, 0, 128)
	b = append(b, rfc6962.RFC6962LeafHashPrefix)
	b = append(b, salt[:]...)
	b = append(b, id.String()...)
	b = append(b, body[:]...)
	b = append(b, receivedAt...)
	return sha256.Sum256(b)
}

const signedPrefix = "catchment-receipt-v1\n"

// SignedMessage is what a commit's signature covers: the prefix, the stream's
// name, seq and size as 8 bytes each, most significant first, and the root.
// Only the name varies in length, so the parts cannot run into each other.
func SignedMessage(stream string, seq, size uint64, root [32]byte) []byte {
	b := make([]byte, 0, len(signedPrefix)+len(stream)+8+8+len(root))
	b = append(b, signedPrefix...)
	b = append(b, stream...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, size)
	return append(b, root[:]...)
}

// Hashes gives a journal's path the type it has in a receipt.
func Hashes(path [][32]byte) []Hash {
	out := make([]Hash, len(path))
	for i, h := range path {
		out[i] = h
	}
	return out
}

// Verify reports whether the receipt was issued by the holder of one of the
// keys. It does not look at a body: see MatchesBody.
func Verify(r *Receipt, keys Keys) error {
	if err := r.check(); err != nil {
		return err
	}
	at, err := ParseTime(r.ReceivedAt)
	if err != nil {
		return err
	}
	key, ok := keys.find(r.KeyID)
	if !ok || len(key.PublicKey) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: its key_id is not in the document", ErrKey)
	}
	if !key.Covers(at) {
		return fmt.Errorf("%w: received_at lies outside the key's time", ErrKey)
	}
	if !ed25519.Verify(key.PublicKey, SignedMessage(r.Stream, r.Seq, r.Size, r.Root), r.Signature[:]) {
		return ErrSignature
	}
	return r.included()
}

// included checks the path of the leaf to the root, as RFC 9162, 2.1.3.2.
func (r *Receipt) included() error {
	leaf := Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt)
	path := make([][]byte, len(r.Path))
	for i := range r.Path {
		path[i] = r.Path[i][:]
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, r.Index, r.Size, leaf[:], path, r.Root[:]); err != nil {
		return ErrInclusion // its text would add only hashes
	}
	return nil
}

// MatchesBody reports whether body is the one that was received, to the byte.
func (r *Receipt) MatchesBody(body []byte) error {
	if sha256.Sum256(body) != r.SHA256 {
		return ErrBody
	}
	return nil
}

// check holds what every receipt fulfils, whatever its hashes say.
func (r *Receipt) check() error {
	switch {
	case r.V != Version:
		return fmt.Errorf("%w: v is not %d", ErrForm, Version)
	case r.ID.IsZero():
		return fmt.Errorf("%w: id is missing", ErrForm)
	case !isName(r.Stream):
		return fmt.Errorf("%w: stream is not 1 to 64 letters, digits, _ . or -", ErrForm)
	case !isName(r.KeyID):
		return fmt.Errorf("%w: key_id is not 1 to 64 letters, digits, _ . or -", ErrForm)
	case r.Seq == 0 || r.Seq > MaxSeq:
		return fmt.Errorf("%w: seq is not between 1 and 2^53-1", ErrForm)
	case r.Size == 0 || r.Size > MaxSize:
		return fmt.Errorf("%w: size is not between 1 and 2^30", ErrForm)
	case r.Index >= r.Size:
		return fmt.Errorf("%w: index is not below size", ErrForm)
	case len(r.Path) > maxPath:
		return fmt.Errorf("%w: path is longer than %d", ErrForm, maxPath)
	}
	return nil
}

const (
	maxPath = 30 // log2 of MaxSize
	maxName = 64
)

// isName keeps streams and key ids to characters that need no escape anywhere.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// b64 is base64url without padding (RFC 4648, 5); Strict refuses spare bits
// that are not zero, so that a value has one text.
var b64 = base64.RawURLEncoding.Strict()

// decode64 fills dst. The length is checked first because Go's decoder skips
// line breaks.
func decode64(dst, text []byte) error {
	if len(text) != b64.EncodedLen(len(dst)) {
		return fmt.Errorf("%w: want %d characters of base64url", ErrForm, b64.EncodedLen(len(dst)))
	}
	n, err := b64.Decode(dst, text)
	if err != nil || n != len(dst) {
		return fmt.Errorf("%w: want %d characters of base64url", ErrForm, b64.EncodedLen(len(dst)))
	}
	return nil
}

// The text forms: base64url without padding.

func (h Hash) MarshalText() ([]byte, error)      { return b64.AppendEncode(nil, h[:]), nil }
func (s Salt) MarshalText() ([]byte, error)      { return b64.AppendEncode(nil, s[:]), nil }
func (s Signature) MarshalText() ([]byte, error) { return b64.AppendEncode(nil, s[:]), nil }

func (h *Hash) UnmarshalText(b []byte) error      { return decode64(h[:], b) }
func (s *Salt) UnmarshalText(b []byte) error      { return decode64(s[:], b) }
func (s *Signature) UnmarshalText(b []byte) error { return decode64(s[:], b) }
