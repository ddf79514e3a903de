// Package events says what happened. A transaction ends with what it emits;
// once it is committed, a sequencer gives each event its position in its
// account: 1, 2, 3, … A follower that reads positions one after the other
// skips nothing, however late a transaction commits and however many nodes
// write. Events hold ids and nothing personal.
package events

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/eventlog"

	fastjson "github.com/go-json-experiment/json"
)

// Kind says what happened.
type Kind string

// The kinds. docs/api.md says what each one carries in Data.
const (
	EnquiryAttached         Kind = "enquiry.attached"
	EnquiryConflict         Kind = "enquiry.conflict"
	EnquiryDead             Kind = "enquiry.dead"
	LeadCreated             Kind = "lead.created"
	LeadReEnquired          Kind = "lead.re_enquired"
	LeadWaiting             Kind = "lead.waiting"
	LeadUnrouted            Kind = "lead.unrouted"
	LeadQueued              Kind = "lead.queued"
	LeadAssigned            Kind = "lead.assigned"
	LeadTransferred         Kind = "lead.transferred"
	LeadStageChanged        Kind = "lead.stage_changed"
	LeadNextAction          Kind = "lead.next_action"
	OfferMade               Kind = "offer.made"
	OfferSeen               Kind = "offer.seen"
	OfferAccepted           Kind = "offer.accepted"
	OfferDeclined           Kind = "offer.declined"
	OfferExpired            Kind = "offer.expired"
	OfferLost               Kind = "offer.lost"
	AttemptBegun            Kind = "attempt.begun"
	AttemptMade             Kind = "attempt.made"
	NoteAdded               Kind = "note.added"
	PresenceChanged         Kind = "presence.changed"
	PersonPossibleDuplicate Kind = "person.possible_duplicate"
	PersonMerged            Kind = "person.merged"
	PersonUnmerged          Kind = "person.unmerged"
	SetupChanged            Kind = "setup.changed"
	AlarmRaised             Kind = "alarm.raised"
	AlarmCleared            Kind = "alarm.cleared"
	AlarmEnded              Kind = "alarm.ended"

	VisitPlanned       Kind = "visit.planned"
	VisitDone          Kind = "visit.done"
	VisitNoShow        Kind = "visit.no_show"
	VisitCancelled     Kind = "visit.cancelled"
	BookingMade        Kind = "booking.made"
	BookingCancelled   Kind = "booking.cancelled"
	LeadTagged         Kind = "lead.tagged"
	PersonSuppressed   Kind = "person.suppressed"
	PersonUnsuppressed Kind = "person.unsuppressed"
	PersonCorrected    Kind = "person.corrected"
	EnquiryQuarantined Kind = "enquiry.quarantined"
	EnquiryReleased    Kind = "enquiry.released"
	EnquiryKept        Kind = "enquiry.kept"
	KeyEnding          Kind = "key.ending"
	RecoveryUsed       Kind = "recovery.used"
	DeviceRevoked      Kind = "device.revoked"
	PersonErased       Kind = "person.erased"
	EnquiryErased      Kind = "enquiry.erased"
	GrantMade          Kind = "grant.made"
	GrantUsed          Kind = "grant.used"
	GrantEnded         Kind = "grant.ended"
	LeadFileAdded      Kind = "lead.file_added"
	LeadFileRemoved    Kind = "lead.file_removed"
	ImageAdded         Kind = "image.added"
	ImageRemoved       Kind = "image.removed"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{
		EnquiryAttached, EnquiryConflict, EnquiryDead, LeadCreated, LeadReEnquired, LeadWaiting,
		LeadUnrouted, LeadQueued, LeadAssigned, LeadTransferred, LeadStageChanged, LeadNextAction,
		OfferMade, OfferSeen, OfferAccepted, OfferDeclined, OfferExpired, OfferLost,
		AttemptBegun, AttemptMade, NoteAdded, PresenceChanged, PersonPossibleDuplicate, PersonMerged,
		PersonUnmerged, SetupChanged, AlarmRaised, AlarmCleared, AlarmEnded, VisitPlanned,
		VisitDone, VisitNoShow, VisitCancelled, BookingMade, BookingCancelled, LeadTagged,
		PersonSuppressed, PersonUnsuppressed, PersonCorrected, EnquiryQuarantined, EnquiryReleased, EnquiryKept,
		KeyEnding, RecoveryUsed, DeviceRevoked, PersonErased, EnquiryErased, GrantMade,
		GrantUsed, GrantEnded, LeadFileAdded, LeadFileRemoved, ImageAdded, ImageRemoved,
	}
}

// Event is one thing that happened. Data holds ids, counts and words of the
// program, never what a person wrote.
type Event struct {
	Kind    Kind              `json:"kind"`
	At      time.Time         `json:"at"`
	Lead    lead.ID           `json:"lead_id,omitzero"`
	Enquiry lead.EnquiryID    `json:"enquiry_id,omitzero"`
	Offer   lead.OfferID      `json:"offer_id,omitzero"`
	User    account.UserID    `json:"user_id,omitzero"`
	Project account.ProjectID `json:"project_id,omitzero"`
	Source  account.SourceID  `json:"source_id,omitzero"`
	Test    bool              `json:"test,omitempty"`
	Data    map[string]any    `json:"data,omitempty"`
}

// Positioned is an event with its position in its account.
type Positioned struct {
	Position int64
	Event
}

// Waker tells followers to look, on every node. It promises nothing: they
// also look unasked. The journal has one.
type Waker interface {
	Wake(subject string) error
	OnWake(subject string, f func()) (stop func(), err error)
}

// emitted is woken when there are events without positions, placed(account)
// when there are new positions in an account.
const emitted = "events"

func placed(id account.ID) string { return "events." + id.String() }

// Log is where events are emitted.
type Log struct{ w Waker }

// NewLog returns the log; w wakes the sequencers.
func NewLog(w Waker) *Log { return &Log{w} }

type gathered struct{ events []Event }

type gatheredKey struct{}

// Emit adds events to what the transaction emits, in this order. They are
// written at its end, as one row for the account, and gone if it is rolled
// back. An event without a time gets that of the commit.
func (l *Log) Emit(tx *store.Tx, evs ...Event) {
	if len(evs) == 0 {
		return
	}
	g := tx.Keep(gatheredKey{}, func() any {
		g := &gathered{}
		tx.BeforeCommit(func() error { return l.write(tx, g) })
		return g
	}).(*gathered)
	g.events = append(g.events, evs...)
}

func (l *Log) write(tx *store.Tx, g *gathered) error {
	if len(g.events) == 0 {
		return nil
	}
	now := store.Clock(time.Now())
	for i := range g.events {
		if g.events[i].At.IsZero() {
			g.events[i].At = now
		}
		g.events[i].At = g.events[i].At.UTC()
	}
	text, err := json.Marshal(g.events)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	count := len(g.events)
	g.events = nil // a later hook may emit again
	if err := eventlog.Add(tx, now, count, string(text)); err != nil {
		return err
	}
	tx.AfterCommit(func() { _ = l.w.Wake(emitted) }) // the sequencer also looks unasked
	return nil
}

// unpack reads what write wrote. Every follower reads every event, so this one
// takes the reader that costs a third of the standard library's.
func unpack(text string) (list []Event, err error) {
	err = fastjson.Unmarshal([]byte(text), &list)
	return list, err
}

// readBatches is how many transactions' events one read looks at, at most.
const readBatches = 256

// Read returns events from the position on, in order, about limit of them
// (what one transaction emitted is not parted unless it alone is more), and
// the position to read from next. reset says that the follower cannot go on
// from there, because those events are not kept any more, or never were: it
// has to look at the things themselves, and follow from next.
func Read(tx *store.Tx, from int64, limit int) (evs []Positioned, next int64, reset bool, err error) {
	from = max(from, 1)
	next = from
	gap := false
	err = eventlog.From(tx, from, from+int64(limit), readBatches, func(b eventlog.Batch) (bool, error) {
		if b.First > next {
			gap = true
			return false, nil
		}
		list, err := unpack(b.Events)
		if err != nil {
			return false, fmt.Errorf("events: batch at %d: %w", b.First, err)
		}
		for i, e := range list {
			if p := b.First + int64(i); p == next && len(evs) < limit {
				evs = append(evs, Positioned{p, e})
				next++
			}
		}
		return len(evs) < limit, nil
	})
	if err != nil || len(evs) > 0 {
		return evs, next, false, err
	}
	head, err := eventlog.Head(tx)
	if err != nil {
		return nil, from, false, err
	}
	if gap || from != head {
		return nil, head, true, nil
	}
	return nil, from, false, nil
}

// Cursor is the position that a follower in the database reads next. What it
// has not read is kept, however old.
func Cursor(tx *store.Tx, follower string) (int64, error) { return eventlog.Cursor(tx, follower) }

// DropCursor forgets a follower: what it has not read is not kept for it.
func DropCursor(tx *store.Tx, follower string) error { return eventlog.DropCursor(tx, follower) }

// Since is the position of the first event that is kept and was emitted since
// then; 0 when there is none.
func Since(tx *store.Tx, since time.Time) (int64, error) { return eventlog.Since(tx, since) }

// MoveCursor moves it, in the transaction that holds what was made of the
// events from one position to the other. If somebody else moved it, the
// transaction runs again.
func MoveCursor(tx *store.Tx, follower string, from, to int64) error {
	return eventlog.MoveCursor(tx, follower, from, to)
}
