package followup

import (
	"database/sql"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// What says what a follow-up will be. It is a list and no text of one's own,
// because it stands beside the lead in clear.
type What string

// What a follow-up can be.
const (
	Call    What = "call"
	Message What = "message"
	Meet    What = "meet"
	Visit   What = "visit"
	Other   What = "other"
)

// Valid reports whether w is one of the list.
func (w What) Valid() bool {
	return w == Call || w == Message || w == Meet || w == Visit || w == Other
}

// Limits of what is reported.
const (
	Skew      = 2 * time.Minute // of a reporter's clock; within it a time is moved to the nearest possible one
	MaxTalk   = 24 * time.Hour
	MaxAhead  = 3 * 365 * 24 * time.Hour // of a follow-up
	MaxNote   = 8000                     // bytes
	doneEarly = 15 * time.Minute         // an attempt this much before its follow-up fulfils it
)

// Try is an attempt as it is reported. The zero StartedAt means now.
type Try struct {
	Channel     lead.Channel
	Disposition lead.Disposition
	StartedAt   time.Time
	EndedAt     time.Time     // zero: not known
	TalkMS      *int64        // nil: not known
	Evidence    lead.Evidence // "" means lead.Said
	Note        vault.Personal
	Next        *Next // nil: leave it, or clear the one that this attempt fulfils
	Move        *Move // nil: the stage stays
}

// Next is a follow-up; the zero At takes it away.
type Next struct {
	At   time.Time
	What What // "" means Call
}

// Move is a change of stage: to this stage, or to the first of the category.
type Move struct {
	Stage    lead.StageID
	Category lead.Category
	Reason   string // a code, see Reason
	In       string // where it stands in the request ("stage."): before the fields' names in a fault
}

// Worker is who works the lead.
type Worker struct {
	Said  time.Time // when it happened, of what a device tells later; zero: now
	Actor string
	User  account.UserID      // zero for a key
	All   bool                // may work leads that others own
	Teams []account.ProjectID // of these projects, too
	// Measures says that it is a provider's key: what it reports was measured.
	Measures bool
}

// mayWork reports whether the worker may work a lead of this owner and project.
func (w Worker) mayWork(owner account.UserID, project account.ProjectID) bool {
	return w.over(project) || (!w.User.IsZero() && w.User == owner)
}

// over reports whether the worker may work every lead of the project.
func (w Worker) over(project account.ProjectID) bool {
	return w.All || slices.Contains(w.Teams, project)
}

// begun settles when an attempt began: not in the future and not before the
// enquiry, each give or take Skew.
func begun(said, enquired, now time.Time) (time.Time, *problem.Field) {
	switch {
	case said.IsZero():
		return now, nil
	case said.After(now.Add(Skew)):
		return said, &problem.Field{Field: "started_at", Code: "in_the_future", Detail: "The attempt begins after now. Send when it began, or leave started_at out."}
	case said.Before(enquired.Add(-Skew)):
		return said, &problem.Field{Field: "started_at", Code: "before_enquiry", Detail: "The attempt begins before the lead's first enquiry."}
	case said.After(now):
		return now, nil
	case said.Before(enquired):
		return enquired, nil
	}
	return said, nil
}

// check settles a Try against its lead and lists its faults.
func (t *Try) check(w Worker, l leads.Lead, now time.Time) (faults []problem.Field) {
	fault := func(field, code, detail string) {
		faults = append(faults, problem.Field{Field: field, Code: code, Detail: detail})
	}
	if !t.Channel.Valid() {
		fault("channel", "not_in_list", "Send call, whatsapp, sms, email or in-person.")
	}
	if !t.Disposition.Valid() {
		fault("disposition", "not_in_list", "Send one of the dispositions that docs/api.md lists.")
	}
	if t.Evidence == "" {
		t.Evidence = lead.Said
	}
	switch {
	case !t.Evidence.Valid():
		fault("evidence", "not_in_list", "Send said or measured.")
	case t.Evidence == lead.Seen:
		fault("evidence", "not_seen", "What is told afterwards was not seen. Begin the attempt when it begins, or send said.")
	case t.Evidence == lead.Measured && !w.Measures:
		fault("evidence", "not_measured", "Only a key that may measure attempts does. Send said.")
	}
	if t.TalkMS != nil && (*t.TalkMS < 0 || *t.TalkMS > MaxTalk.Milliseconds()) {
		fault("talk_ms", "out_of_range", "Send milliseconds between 0 and a day, or leave it out when it was not measured.")
	}
	var f *problem.Field
	if t.StartedAt, f = begun(t.StartedAt, l.CreatedAt, now); f != nil {
		faults = append(faults, *f)
	}
	if !t.EndedAt.IsZero() && (t.EndedAt.Before(t.StartedAt) || t.EndedAt.After(now.Add(Skew))) {
		fault("ended_at", "out_of_order", "The attempt ends after it begins, and before now. Leave ended_at out when it is not known.")
	}
	if t.Next != nil {
		faults = append(faults, t.Next.check("next.", w.when(now))...)
	}
	return faults
}

// attempt is what is kept of a Try that was checked.
func (t *Try) attempt(w Worker, l leads.Lead, now time.Time) leads.Attempt {
	a := leads.Attempt{ID: lead.NewAttemptID(), Lead: l.ID, User: w.User, Channel: t.Channel, Disposition: t.Disposition,
		Reached: t.Disposition.Reached(), Evidence: t.Evidence, StartedAt: store.Clock(t.StartedAt), CreatedAt: now}
	if !t.EndedAt.IsZero() {
		a.EndedAt = store.Clock(t.EndedAt)
	}
	if t.TalkMS != nil {
		a.Talk = sql.Null[int64]{V: *t.TalkMS, Valid: true}
	}
	return a
}

// check settles a Next and lists its faults; prefix goes before the field's name.
func (n *Next) check(prefix string, now time.Time) (faults []problem.Field) {
	if n.What == "" && !n.At.IsZero() {
		n.What = Call
	}
	if n.What != "" && !n.What.Valid() {
		faults = append(faults, problem.Field{Field: prefix + "what", Code: "not_in_list", Detail: "Send call, message, meet, visit or other."})
	}
	switch {
	case n.At.IsZero():
		n.What = ""
	case n.At.Before(now.Add(-Skew)):
		faults = append(faults, problem.Field{Field: prefix + "at", Code: "in_the_past", Detail: "A follow-up lies ahead. Send a later time."})
	case n.At.After(now.Add(MaxAhead)):
		faults = append(faults, problem.Field{Field: prefix + "at", Code: "too_far", Detail: "A follow-up lies within three years."})
	}
	return faults
}

// fulfils reports whether an attempt now is the lead's follow-up.
func fulfils(l leads.Lead, now time.Time) bool {
	return !l.NextAt.IsZero() && !l.NextAt.After(now.Add(doneEarly))
}

// Reason makes a code of what was sent as a reason: "Too expensive" becomes
// "too-expensive". A reason stands in clear beside the lead, so it takes up to
// 40 letters and hyphens, and no sentence, number or address. False: it cannot
// be one.
func Reason(s string) (string, bool) {
	s = strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(strings.TrimSpace(s)))
	if len(s) > 40 {
		return "", false
	}
	for i := range len(s) {
		if (s[i] < 'a' || s[i] > 'z') && s[i] != '-' {
			return "", false
		}
	}
	return s, true
}

// Default returns the account's first stage of the category.
func Default(stages []setup.Stage, c lead.Category) (setup.Stage, bool) {
	var best setup.Stage
	found := false
	for _, s := range stages {
		if s.Category == c && (!found || s.Place < best.Place) {
			best, found = s, true
		}
	}
	return best, found
}

// target finds the stage of a Move and settles its reason.
func (m *Move) target(stages []setup.Stage, prefix string) (setup.Stage, *problem.Field) {
	reason, ok := Reason(m.Reason)
	if !ok {
		return setup.Stage{}, &problem.Field{Field: prefix + "reason", Code: "bad_reason", Detail: "A reason is a code: up to 40 letters and hyphens. Keep sentences in a note."}
	}
	m.Reason = reason
	to, ok := m.find(stages)
	if !ok {
		return setup.Stage{}, &problem.Field{Field: prefix + "stage", Code: "unknown_stage", Detail: "Send the id of a stage of GET /v1/stages, or a category that has one."}
	}
	if to.NeedsReason && reason == "" {
		return setup.Stage{}, &problem.Field{Field: prefix + "reason", Code: "required", Detail: "This stage asks why. Send a reason."}
	}
	return to, nil
}

func (m *Move) find(stages []setup.Stage) (setup.Stage, bool) {
	if m.Stage.IsZero() {
		return Default(stages, m.Category)
	}
	for _, s := range stages {
		if s.ID == m.Stage {
			return s, true
		}
	}
	return setup.Stage{}, false
}
