// Package lead has the words for what is worked on: persons, enquiries,
// leads, offers, attempts; the states each can be in, and which state may
// follow which. It does no I/O and reads no clock.
package lead

import (
	"time"

	"catchment/internal/ident"
)

// Identifiers.
type (
	ID            = ident.ID[leadKind]
	EnquiryID     = ident.ID[enquiryKind]
	PersonID      = ident.ID[personKind]
	SubmissionID  = ident.ID[submissionKind]
	OfferID       = ident.ID[offerKind]
	RoundID       = ident.ID[roundKind]
	AttemptID     = ident.ID[attemptKind]
	NoteID        = ident.ID[noteKind]
	FileID        = ident.ID[fileKind]
	StageID       = ident.ID[stageKind]
	MergeID       = ident.ID[mergeKind]
	DeadID        = ident.ID[deadKind]
	VisitID       = ident.ID[visitKind]
	SuppressionID = ident.ID[suppressionKind]
	BookingID     = ident.ID[bookingKind]
	AlarmID       = ident.ID[alarmKind]
	RequestID     = ident.ID[requestKind] // of a person about their data
)

// NewID and its siblings make fresh ids.
func NewID() ID                       { return ident.New[leadKind]() }
func NewEnquiryID() EnquiryID         { return ident.New[enquiryKind]() }
func NewPersonID() PersonID           { return ident.New[personKind]() }
func NewSubmissionID() SubmissionID   { return ident.New[submissionKind]() }
func NewOfferID() OfferID             { return ident.New[offerKind]() }
func NewRoundID() RoundID             { return ident.New[roundKind]() }
func NewAttemptID() AttemptID         { return ident.New[attemptKind]() }
func NewNoteID() NoteID               { return ident.New[noteKind]() }
func NewFileID() FileID               { return ident.New[fileKind]() }
func NewStageID() StageID             { return ident.New[stageKind]() }
func NewMergeID() MergeID             { return ident.New[mergeKind]() }
func NewDeadID() DeadID               { return ident.New[deadKind]() }
func NewSuppressionID() SuppressionID { return ident.New[suppressionKind]() }
func NewBookingID() BookingID         { return ident.New[bookingKind]() }
func NewVisitID() VisitID             { return ident.New[visitKind]() }
func NewAlarmID() AlarmID             { return ident.New[alarmKind]() }
func NewRequestID() RequestID         { return ident.New[requestKind]() }

// KeyedEnquiryID is the enquiry's id under an idempotency key: the same on
// every node and after every restart (see ident.Keyed).
func KeyedEnquiryID(key []byte, scope, idempotencyKey string) EnquiryID {
	return ident.Keyed[enquiryKind](key, []byte(scope), []byte(idempotencyKey))
}

// ParseID and its siblings read the text forms.
func ParseID(s string) (ID, error)               { return ident.Parse[leadKind](s) }
func ParseEnquiryID(s string) (EnquiryID, error) { return ident.Parse[enquiryKind](s) }

// OfferIDFrom gives 16 bytes of an offer their kind back.
func OfferIDFrom(b [16]byte) OfferID { return ident.From[offerKind](b) }

func ParseOfferID(s string) (OfferID, error)     { return ident.Parse[offerKind](s) }
func ParsePersonID(s string) (PersonID, error)   { return ident.Parse[personKind](s) }
func ParseStageID(s string) (StageID, error)     { return ident.Parse[stageKind](s) }
func ParseMergeID(s string) (MergeID, error)     { return ident.Parse[mergeKind](s) }
func ParseDeadID(s string) (DeadID, error)       { return ident.Parse[deadKind](s) }
func ParseBookingID(s string) (BookingID, error) { return ident.Parse[bookingKind](s) }
func ParseFileID(s string) (FileID, error)       { return ident.Parse[fileKind](s) }
func ParseVisitID(s string) (VisitID, error)     { return ident.Parse[visitKind](s) }
func ParseAlarmID(s string) (AlarmID, error)     { return ident.Parse[alarmKind](s) }
func ParseRequestID(s string) (RequestID, error) { return ident.Parse[requestKind](s) }
func ParseAttemptID(s string) (AttemptID, error) { return ident.Parse[attemptKind](s) }

// PersonIDFrom and its siblings give 16 bytes their kind back.
func PersonIDFrom(b [16]byte) PersonID { return ident.From[personKind](b) }
func ImportIDFrom(b [16]byte) ImportID { return ident.From[importKind](b) }
func EnquiryIDOf(b [16]byte) EnquiryID { return ident.From[enquiryKind](b) }
func NoteIDFrom(b [16]byte) NoteID     { return ident.From[noteKind](b) }
func DeadIDFrom(b [16]byte) DeadID     { return ident.From[deadKind](b) }
func FileIDFrom(b [16]byte) FileID     { return ident.From[fileKind](b) }
func VisitIDFrom(b [16]byte) VisitID   { return ident.From[visitKind](b) }

func SubmissionIDFrom(b [16]byte) SubmissionID   { return ident.From[submissionKind](b) }
func SuppressionIDFrom(b [16]byte) SuppressionID { return ident.From[suppressionKind](b) }

// EnquiryIDFrom reads the 16 bytes of an enquiry's id.
func EnquiryIDFrom(b []byte) (EnquiryID, error) { return ident.FromBytes[enquiryKind](b) }

type (
	leadKind        struct{}
	enquiryKind     struct{}
	personKind      struct{}
	submissionKind  struct{}
	offerKind       struct{}
	roundKind       struct{}
	attemptKind     struct{}
	noteKind        struct{}
	fileKind        struct{}
	stageKind       struct{}
	mergeKind       struct{}
	deadKind        struct{}
	suppressionKind struct{}
	bookingKind     struct{}
	visitKind       struct{}
	alarmKind       struct{}
	requestKind     struct{}
)

func (leadKind) Prefix() string        { return "lead" }
func (enquiryKind) Prefix() string     { return "enq" }
func (personKind) Prefix() string      { return "prsn" }
func (submissionKind) Prefix() string  { return "subm" }
func (offerKind) Prefix() string       { return "offr" }
func (roundKind) Prefix() string       { return "rnd" }
func (attemptKind) Prefix() string     { return "attm" }
func (noteKind) Prefix() string        { return "note" }
func (fileKind) Prefix() string        { return "file" }
func (stageKind) Prefix() string       { return "stg" }
func (mergeKind) Prefix() string       { return "mrg" }
func (deadKind) Prefix() string        { return "dead" }
func (suppressionKind) Prefix() string { return "supp" }
func (bookingKind) Prefix() string     { return "book" }
func (visitKind) Prefix() string       { return "visit" }
func (alarmKind) Prefix() string       { return "alrm" }
func (requestKind) Prefix() string     { return "dsr" }

// Category is what every account's own stages have in common.
type Category string

// The categories. A lead is open in the first two and closed in the others.
const (
	New      Category = "new"
	FollowUp Category = "follow-up"
	Won      Category = "won"
	Dropped  Category = "dropped"
)

// Categories lists them in the order of a lead's life.
func Categories() []Category { return []Category{New, FollowUp, Won, Dropped} }

// Open reports whether a lead of this category is still worked on.
func (c Category) Open() bool { return c == New || c == FollowUp }

// Valid reports whether c is one of the four.
func (c Category) Valid() bool { return c.Open() || c == Won || c == Dropped }

// EnquiryState is where an enquiry has got to.
type EnquiryState string

// The states of an enquiry.
const (
	Attached    EnquiryState = "attached"    // it belongs to a lead
	Quarantined EnquiryState = "quarantined" // kept, waits for a look
	Dead        EnquiryState = "dead"        // accepted but not processable; see dead letters
	Erased      EnquiryState = "erased"
)

// VisitState is how a site visit stands.
type VisitState string

// The states of a site visit. A planned one becomes one of the others; a word
// that was wrong is corrected by the next.
const (
	VisitPlanned   VisitState = "planned"
	VisitDone      VisitState = "done"
	VisitNoShow    VisitState = "no-show"
	VisitCancelled VisitState = "cancelled"
)

// Valid reports whether s is one of the list.
func (s VisitState) Valid() bool {
	return s == VisitPlanned || s == VisitDone || s == VisitNoShow || s == VisitCancelled
}

// Held says where an enquiry in quarantine stands.
type Held string

// The states of a quarantined enquiry.
const (
	HeldBack Held = "held"     // nobody has looked yet
	Kept     Held = "kept"     // a human said that it stays here
	Released Held = "released" // a human let it through
)

// RouteState says whose move it is.
type RouteState string

// The states of a lead's way to a salesperson.
const (
	Waiting  RouteState = "waiting"  // for somebody eligible
	Offered  RouteState = "offered"  // an offer is open
	Owned    RouteState = "owned"    // somebody is accountable
	Unrouted RouteState = "unrouted" // never offered: a test lead
)

// OfferState is where an offer has got to.
type OfferState string

// The states of an offer, in their order; the last five are final.
const (
	OfferQueued   OfferState = "queued"
	OfferPushed   OfferState = "pushed"
	OfferAcked    OfferState = "acked"
	OfferSeen     OfferState = "seen"
	OfferAccepted OfferState = "accepted"
	OfferDeclined OfferState = "declined"
	OfferExpired  OfferState = "expired"
	OfferLost     OfferState = "lost"
	OfferError    OfferState = "error"
)

// Open reports whether the offer can still be accepted.
func (s OfferState) Open() bool { return s.rank() < offerFinal }

const offerFinal = 4

func (s OfferState) rank() int {
	switch s {
	case OfferQueued:
		return 0
	case OfferPushed:
		return 1
	case OfferAcked:
		return 2
	case OfferSeen:
		return 3
	}
	return offerFinal
}

// MayBecome reports whether next may follow s: forward through the open
// states, skipping any, and from every open state to every final one.
func (s OfferState) MayBecome(next OfferState) bool {
	return s.Open() && next.rank() > s.rank()
}

// Channel is how an attempt was made.
type Channel string

// The channels.
const (
	ByCall     Channel = "call"
	ByWhatsApp Channel = "whatsapp"
	BySMS      Channel = "sms"
	ByEmail    Channel = "email"
	InPerson   Channel = "in-person"
)

// Valid reports whether c is one of the list.
func (c Channel) Valid() bool {
	return c == ByCall || c == ByWhatsApp || c == BySMS || c == ByEmail || c == InPerson
}

// Evidence is how well something about an attempt is known.
type Evidence string

// The grades, the weakest first.
const (
	Said     Evidence = "said"     // somebody told it
	Seen     Evidence = "seen"     // the program itself took part in it
	Measured Evidence = "measured" // a telephone provider reported it
	// NotMeasured is the grade of what nothing has measured. It stands in
	// answers and in no row.
	NotMeasured Evidence = "not_measured"
)

// Valid reports whether e is one of the three that something can be known by.
func (e Evidence) Valid() bool { return e == Said || e == Seen || e == Measured }

// Weaker is the weaker of two grades.
func (e Evidence) Weaker(o Evidence) Evidence {
	if e == Said || o == Measured {
		return e
	}
	return o
}

// LongestAttempt is how long an attempt that was begun counts as going on. A
// phone that was switched off never ends one.
const LongestAttempt = 4 * time.Hour

// Disposition is the result of an attempt.
type Disposition string

// The dispositions. Reached tells which of them are a contact.
const (
	Interested    Disposition = "interested"
	NotInterested Disposition = "not-interested"
	CallBack      Disposition = "call-back"
	Spoke         Disposition = "spoke"
	NoAnswer      Disposition = "no-answer"
	LineBusy      Disposition = "busy"
	WrongNumber   Disposition = "wrong-number"
	Unreachable   Disposition = "unreachable"
	Sent          Disposition = "sent"
)

// Dispositions lists them.
func Dispositions() []Disposition {
	return []Disposition{Interested, NotInterested, CallBack, Spoke, NoAnswer, LineBusy, WrongNumber, Unreachable, Sent}
}

// Valid reports whether d is one of the list.
func (d Disposition) Valid() bool {
	for _, x := range Dispositions() {
		if x == d {
			return true
		}
	}
	return false
}

// Reached reports whether the attempt reached the person.
func (d Disposition) Reached() bool {
	return d == Interested || d == NotInterested || d == CallBack || d == Spoke
}

// Missed reports whether the attempt should have reached the person and did
// not. A message that was sent is neither missed nor a contact.
func (d Disposition) Missed() bool {
	return d == NoAnswer || d == LineBusy || d == Unreachable
}

// Flag marks something odd that was kept rather than refused.
type Flag string

// The flags of an enquiry.
const (
	PhoneUnparseable  Flag = "phone_unparseable"
	PhoneImpossible   Flag = "phone_impossible"
	EmailUnparseable  Flag = "email_unparseable"
	NameOdd           Flag = "name_odd"
	ControlCharacters Flag = "control_characters"
	UnknownProject    Flag = "unknown_project"
	ManyCustom        Flag = "many_custom_fields"
	ConsentTimeOdd    Flag = "consent_time_odd"
	HoneypotFilled    Flag = "honeypot_filled" // a form's field that people cannot see
)
