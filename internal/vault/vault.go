// Package vault has the words for personal data: Personal (clear), Sealed
// (ciphertext), and who may turn one into the other. keyring implements them.
//
// A Personal cannot be printed, logged, encoded, compared or bound to SQL; its
// text comes out only through vault/reveal, whose importers archtest lists.
package vault

import (
	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/vault/internal/clear"
)

// Personal is clear text about a person. The zero Personal is empty. See
// vault/internal/clear for why it is a closure.
type Personal = clear.Text

// Hide takes clear text into custody.
func Hide(s string) Personal { return clear.Hide(s) }

// Field names a personal value within its row. It is part of what a
// ciphertext is bound to, so a value moved to another field does not open.
type Field string

// The fields that hold personal data.
const (
	Name    Field = "name"
	Phone   Field = "phone"
	Email   Field = "email"
	Message Field = "message"
	Custom  Field = "custom" // the custom fields that their source does not mark non-personal, as one JSON object
	Note    Field = "note"
	Spot    Field = "place"    // where a site visit is
	Proof   Field = "evidence" // of a suppression: what was said or written
	Raw     Field = "raw"      // a submission's body as it came
	Trace   Field = "trace"    // IP address, user agent, referrer, query strings, as one JSON object
	Consent Field = "consent"  // evidence of permission, as one JSON object

	FileName Field = "file_name"   // of a lead's file: what it is called
	Content  Field = "content_key" // and the key that opens what is in it

	Device  Field = "device"  // of a session: browser and system
	Network Field = "network" // of a session: where it began

	KeyShare Field = "share" // of a device: our half of the key to what it keeps
	Pushing  Field = "push"  // of a push subscription: where it goes, and the browser's keys

	ClientSecret Field = "client_secret" // of an account at its identity provider; nobody's, and sealed all the same
)

// Binding is what a ciphertext belongs to: it opens only there.
type Binding struct {
	Table string   // "person", "enquiry", "submission", "note", "member"
	Row   [16]byte // the row's id
	Field Field
}

// Subject is whose key seals a value: a person's, or a user's own.
// Both are 16-byte ids with a row in person_key or member_key.
type Subject [16]byte

// Wrapped is a subject's key as it stands in its table: sealed by a generation
// of the account's keyset.
type Wrapped struct {
	Subject Subject
	Key     []byte
}

// Sealed is ciphertext together with what is needed to open it. Data holds a
// version byte, a nonce, and AES-256-GCM output; the empty Data stands for an
// empty value.
type Sealed struct {
	Binding Binding
	Subject Subject
	Data    []byte
	Mask    bool // an opening gives the masked form alone: see Mask
}

// Empty reports whether there is nothing to open.
func (s Sealed) Empty() bool { return len(s.Data) == 0 }

// Purpose is the stated reason for an opening, kept on the record.
type Purpose string

// The purposes that the program itself states. Callers of the API may state
// others in the Catchment-Purpose header, up to 100 letters, digits and " -_.:".
const (
	ForIntake    Purpose = "intake"      // drop box to person's key, once a batch
	ForContact   Purpose = "contact"     // the session's task of a salesperson
	ForOversight Purpose = "oversight"   // the session's task of a manager or admin
	ForOwnUse    Purpose = "own-profile" // a user's own name, and where they are signed in
	ForSignIn    Purpose = "sign-in"     // a user's phone, to send a code to it
	ForDevice    Purpose = "device-key"  // the share of a user's device, for that device
	ForPush      Purpose = "push"        // where a user's pushes go, to send one there
	ForMail      Purpose = "mail"        // an admin's e-mail address, to write there
)

// Valid reports whether the purpose may be put on the record.
func (p Purpose) Valid() bool {
	if len(p) == 0 || len(p) > 100 {
		return false
	}
	for _, c := range p {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == ' ', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}

// IndexField is one family of blind-index keys.
type IndexField string

// What a person can be found by. The raw ones index a value that could not be
// read as a phone number or an address.
const (
	ByPhone    IndexField = "phone"
	ByEmail    IndexField = "email"
	ByRawPhone IndexField = "phone_raw"
	ByRawEmail IndexField = "email_raw"
)

// MAC is a blind index: HMAC-SHA-256 under a key of the account and field,
// cut to 16 bytes. It serves equality and nothing else.
type MAC [16]byte

// DropBox is an account's public half: all that the capture door needs to
// seal, and nothing that opens. KeyID changes when the pair is rotated.
type DropBox struct {
	Account account.ID
	KeyID   uint32
	Public  []byte // HPKE public key, X25519 + ML-KEM-768
}

// OpeningID identifies one entry of the record of openings.
type OpeningID = ident.ID[openingKind]

// NewOpeningID returns a fresh one.
func NewOpeningID() OpeningID { return ident.New[openingKind]() }

type openingKind struct{}

func (openingKind) Prefix() string { return "open" }
