package intake

import (
	"encoding/json"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store/leads"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// A lead of history was worked on elsewhere before it came here by an import.
// It keeps the time it was made, its owner, its stage and its notes. It is
// never routed, and it tells nobody: no job and no event is made for it, so it
// counts in no report and no clock.

// readPast reads what a payload of history says; false when it cannot be read.
func (it *item) readPast(p *submission.Payload, text func(vault.Personal) string) bool {
	if !it.head.History {
		return p.Past.Empty()
	}
	past := &submission.Past{}
	if json.Unmarshal([]byte(text(p.Past)), past) != nil || !past.Category.Valid() || past.Stage.IsZero() {
		return false
	}
	it.text.note = vault.Hide(past.Note)
	past.Note = ""
	it.past, it.note = past, lead.NewNoteID()
	return true
}

// restore gives a new lead the place that it had.
func (b *batch) restore(it *item, l *leads.Lead) {
	p := it.past
	l.History, l.Stage, l.Category, l.Reason, l.Owner = true, p.Stage, p.Category, p.Reason, p.Owner
	l.RouteState, l.WaitingAt = lead.Unrouted, time.Time{}
	if !p.Category.Open() {
		l.ClosedAt = l.CreatedAt // when it was closed is not told
	}
	if !p.Owner.IsZero() {
		l.RouteState = lead.Owned
		b.owned = append(b.owned, leads.Assignment{Lead: l.ID, User: p.Owner, From: l.CreatedAt, Reason: "imported", By: Actor})
	}
}

// closed reports whether the item is a lead that is over: it is kept beside an
// open one of the same person, and not made part of it.
func (it *item) closed() bool { return it.past != nil && !it.past.Category.Open() }

// noteOf keeps the note that came with the item.
func (b *batch) noteOf(it *item, id lead.ID, h *human, v *values) {
	if len(v.note) == 0 {
		return
	}
	b.notes = append(b.notes, leads.Note{ID: it.note, Lead: id, Person: h.id, By: Actor, CreatedAt: it.head.ReceivedAt,
		Text: vault.Sealed{Data: v.note}})
}

func (b *batch) savePast() error {
	if len(b.owned) > 0 {
		if err := leads.RouteImported(b.tx, b.owned); err != nil {
			return err
		}
	}
	if len(b.notes) > 0 {
		return leads.WorkAddNotes(b.tx, b.notes)
	}
	return nil
}
