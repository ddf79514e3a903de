package submission

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/lead"
	"catchment/internal/vault"
)

// An envelope is what the door puts into the journal for one lead: a header in
// clear, by which intake can sort and the idempotency window can be rebuilt
// without a key, and the payload sealed to the account's drop box with the
// header as associated data. Nothing in the header is personal.
//
// Version 1, integers big-endian:
//
//	  0   1  version, 1
//	  1  16  account
//	 17  16  enquiry
//	 33  16  source
//	 49  16  project
//	 65  16  key that was used; zeros for a form
//	 81   8  received at, microseconds since 1970 UTC
//	 89   1  format: 1 JSON, 2 form
//	 90   1  flags: 1 test lead, 2 history (of an import; its payload has a Past), 4 a verdict
//	 91  16  keyed hash of the body, see BodyMAC
//	107   1  length of the content type
//	108   n  content type of a form, else empty
//	      1  with flag 4: number of rules, 1 to 16
//	      …  with flag 4: those rules, four bytes each
//	      …  sealed payload
//
// The payload, before it is sealed: version, 1; the receipt's salt, 16 bytes;
// then body, address, user agent, referrer and idempotency key, each after its
// length as an unsigned varint. Version 2, of history, has a sixth text: the
// Past as JSON.
//
// The salt is sealed because everything else of the receipt's leaf except the
// body's hash stands in the journal in clear: with it, a guessed telephone
// number could be told from a wrong one.
const (
	envelopeVersion = 1
	envelopeFixed   = 108
	payloadFixed    = 1 + 16
	payloadPast     = 2 // the version of a payload with a Past

	// MaxContentType bounds the content type that an envelope can hold.
	MaxContentType = 255

	maxTrace = 4 << 10 // bytes of each of the payload's texts beside the body
	maxRules = 16      // of a verdict
)

// ErrEnvelope says that bytes are not an envelope, or not a payload.
var ErrEnvelope = errors.New("submission: not an envelope of a known version")

// BodyMAC is a keyed hash of a raw body: enough to tell a repetition from
// another body under the same idempotency key, and of no use without the key.
type BodyMAC [16]byte

// MACBody hashes a raw body under the account's capture-id key. The prefix
// keeps it apart from the enquiry ids that are made with the same key.
func MACBody(captureIDKey, body []byte) (mac BodyMAC) {
	h := hmac.New(sha256.New, captureIDKey)
	h.Write([]byte("catchment-body-v1\n"))
	h.Write(body)
	var sum [sha256.Size]byte
	copy(mac[:], h.Sum(sum[:0]))
	return mac
}

// Header is the clear part of an envelope.
type Header struct {
	Account     account.ID
	Enquiry     lead.EnquiryID
	Source      account.SourceID
	Project     account.ProjectID
	Key         account.KeyID // zero for a form
	ReceivedAt  time.Time     // to the microsecond
	Format      Kind
	ContentType string // of a form: it says how the body is to be read
	Test        bool
	History     bool // brought from elsewhere: never routed, see Past
	BodyMAC     BodyMAC
	Verdict     Verdict
}

// Verdict is which rules of the firewall spoke of what a lead says: their
// numbers, nothing of the text. The zero value says that none did.
type Verdict string // four bytes a rule, big-endian

// VerdictOf keeps the first rules, as many as an envelope holds.
func VerdictOf(rules []int) Verdict {
	var b []byte
	for _, id := range rules[:min(len(rules), maxRules)] {
		b = binary.BigEndian.AppendUint32(b, uint32(id))
	}
	return Verdict(b)
}

// Rules are the rules' numbers.
func (v Verdict) Rules() (out []int) {
	for b := []byte(v); len(b) >= 4; b = b[4:] {
		out = append(out, int(binary.BigEndian.Uint32(b)))
	}
	return out
}

// Append appends the header's bytes; they are the seal's associated data. It
// panics on a content type over MaxContentType, which the door refuses.
func (h *Header) Append(dst []byte) []byte {
	if len(h.ContentType) > MaxContentType {
		panic("submission: the content type is too long for an envelope")
	}
	dst = append(dst, envelopeVersion)
	for _, id := range [...][16]byte{h.Account.UUID(), h.Enquiry.UUID(), h.Source.UUID(), h.Project.UUID(), h.Key.UUID()} {
		dst = append(dst, id[:]...)
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.ReceivedAt.UnixMicro()))
	dst = append(dst, formatCode(h.Format), flagBits(h))
	dst = append(dst, h.BodyMAC[:]...)
	dst = append(dst, byte(len(h.ContentType)))
	dst = append(dst, h.ContentType...)
	if h.Verdict != "" {
		dst = append(append(dst, byte(len(h.Verdict)/4)), h.Verdict...)
	}
	return dst
}

func formatCode(k Kind) byte {
	if k == AsForm {
		return 2
	}
	return 1
}

func flagBits(h *Header) (bits byte) {
	if h.Test {
		bits |= 1
	}
	if h.History {
		bits |= 2
	}
	if h.Verdict != "" {
		bits |= 4
	}
	return bits
}

// Envelope is a header with its sealed payload. AAD is the header as it stood,
// for the drop box to check; AAD and Data point into the bytes that were parsed.
type Envelope struct {
	Header
	AAD  []byte
	Data []byte
}

// ParseEnvelope reads an envelope. An id that must be there is not zero, and
// encoding the header again gives the same bytes.
func ParseEnvelope(b []byte) (*Envelope, error) {
	if len(b) < envelopeFixed || b[0] != envelopeVersion {
		return nil, ErrEnvelope
	}
	end := envelopeFixed + int(b[envelopeFixed-1])
	if len(b) < end {
		return nil, fmt.Errorf("%w: cut short", ErrEnvelope)
	}
	start := end
	if b[90]&4 != 0 {
		if start++; len(b) < start || b[start-1] == 0 || b[start-1] > maxRules {
			return nil, fmt.Errorf("%w: a verdict of too few rules or too many", ErrEnvelope)
		}
		if start += 4 * int(b[start-1]); len(b) < start {
			return nil, fmt.Errorf("%w: cut short", ErrEnvelope)
		}
	}
	e := &Envelope{AAD: b[:start:start], Data: b[start:]}
	h := &e.Header
	if start > end {
		h.Verdict = Verdict(b[end+1 : start])
	}
	readID(&h.Account, b[1:])
	readID(&h.Enquiry, b[17:])
	readID(&h.Source, b[33:])
	readID(&h.Project, b[49:])
	readID(&h.Key, b[65:])
	h.ReceivedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(b[81:]))).UTC()
	h.BodyMAC = BodyMAC(b[91:107])
	h.ContentType = string(b[envelopeFixed:end])
	switch b[89] {
	case 1:
		h.Format = AsJSON
	case 2:
		h.Format = AsForm
	default:
		return nil, fmt.Errorf("%w: unknown format", ErrEnvelope)
	}
	if b[90] > 7 {
		return nil, fmt.Errorf("%w: unknown flags", ErrEnvelope)
	}
	h.Test, h.History = b[90]&1 != 0, b[90]&2 != 0
	if h.Account.IsZero() || h.Enquiry.IsZero() || h.Source.IsZero() || h.Project.IsZero() {
		return nil, fmt.Errorf("%w: an id is missing", ErrEnvelope)
	}
	return e, nil
}

func readID[K ident.Kind](id *ident.ID[K], b []byte) {
	*id, _ = ident.FromBytes[K](b[:16]) // fails on another length only
}

// Payload is what was sealed: the submission as it came, and what the door saw
// of its sender. Everything in it is personal.
type Payload struct {
	Salt           [16]byte // of the receipt
	Body           []byte   // points into the bytes that were parsed
	IP             vault.Personal
	UserAgent      vault.Personal
	Referrer       vault.Personal // the Referer header
	IdempotencyKey vault.Personal // senders put names and numbers into it
	Past           vault.Personal // JSON of a Past; empty but for history
}

// Past is what a lead of history brings with it: where it stood elsewhere. The
// importer has found the ids in the account.
type Past struct {
	Owner    account.UserID `json:"owner"`
	Stage    lead.StageID   `json:"stage"`
	Category lead.Category  `json:"category"`
	Reason   string         `json:"reason,omitempty"`
	Note     string         `json:"note,omitempty"` // personal
}

// AppendPayload appends the payload's bytes, to be sealed at once. The texts
// are cut after four kibibytes each; the body never is.
func AppendPayload(dst []byte, salt [16]byte, body []byte, ip, userAgent, referrer, idempotencyKey string) []byte {
	return appendPayload(dst, envelopeVersion, salt, body, ip, userAgent, referrer, idempotencyKey)
}

// AppendPast is AppendPayload for history, of whose sender nothing was seen.
// past is the JSON of a Past and not cut.
func AppendPast(dst []byte, salt [16]byte, body, past []byte) []byte {
	dst = appendPayload(dst, payloadPast, salt, body, "", "", "", "")
	dst = binary.AppendUvarint(dst, uint64(len(past)))
	return append(dst, past...)
}

func appendPayload(dst []byte, version byte, salt [16]byte, body []byte, ip, userAgent, referrer, idempotencyKey string) []byte {
	dst = append(dst, version)
	dst = append(dst, salt[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	dst = append(dst, body...)
	for _, s := range [...]string{ip, userAgent, referrer, idempotencyKey} {
		s = s[:min(len(s), maxTrace)]
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// ParsePayload reads what AppendPayload wrote. Its errors name no value.
func ParsePayload(b []byte) (*Payload, error) {
	if len(b) < payloadFixed || b[0] != envelopeVersion && b[0] != payloadPast {
		return nil, ErrEnvelope
	}
	texts := 4 + int(b[0]) // version 2 has one more
	p := &Payload{Salt: [16]byte(b[1:payloadFixed])}
	b = b[payloadFixed:]
	var parts [6][]byte
	for i := range texts {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > math.MaxInt32 || int(n) > len(b)-used {
			return nil, fmt.Errorf("%w: the payload is cut short", ErrEnvelope)
		}
		end := used + int(n)
		parts[i], b = b[used:end:end], b[end:]
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: something follows the payload", ErrEnvelope)
	}
	p.Body = parts[0]
	p.IP, p.UserAgent = vault.Hide(string(parts[1])), vault.Hide(string(parts[2]))
	p.Referrer, p.IdempotencyKey = vault.Hide(string(parts[3])), vault.Hide(string(parts[4]))
	p.Past = vault.Hide(string(parts[5]))
	return p, nil
}
