package desk

import (
	"errors"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// NextIn is a follow-up to set.
type NextIn struct {
	At   *time.Time `json:"at" doc:"When; null takes the follow-up away." example:"2026-03-02T09:30:00Z"`
	What string     `json:"what,omitempty" enum:"call,message,meet,visit,other" doc:"Default call."`
}

func (n NextIn) next() followup.Next {
	out := followup.Next{What: followup.What(n.What)}
	if n.At != nil {
		out.At = *n.At
	}
	return out
}

// StageIn is a stage to move to.
type StageIn struct {
	Stage    string `json:"stage,omitempty" doc:"A stage's id or slug." example:"site-visit-planned"`
	Category string `json:"category,omitempty" enum:"new,follow-up,won,dropped" doc:"Instead of stage: the first stage of this category."`
	Reason   string `json:"reason,omitempty" maxLength:"80" doc:"A code: letters and hyphens. Some stages ask for one." example:"too-expensive"`
}

// move reads a StageIn; prefix goes before the fields' names in a fault.
func (in StageIn) move(tx *store.Tx, prefix string) (followup.Move, error) {
	m := followup.Move{Category: lead.Category(in.Category), Reason: in.Reason, In: prefix}
	if (in.Stage == "") == (in.Category == "") {
		return m, problem.InvalidField(prefix+"stage", "required", "Send either stage or category.")
	}
	if in.Stage == "" {
		return m, nil
	}
	stages, err := setup.Stages(tx)
	if err != nil {
		return m, err
	}
	for _, s := range stages {
		if s.Slug == in.Stage || s.ID.String() == in.Stage {
			m.Stage = s.ID
			return m, nil
		}
	}
	return m, problem.InvalidField(prefix+"stage", "unknown_stage", "Send the id or slug of a stage of GET /v1/stages.")
}

// MoveTold is a change of stage, perhaps of earlier.
type MoveTold struct {
	StageIn
	HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
}

// NextTold is a follow-up, perhaps set earlier.
type NextTold struct {
	NextIn
	HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
}

type attemptIn struct {
	LeadPath
	Body struct {
		Channel     string     `json:"channel" enum:"call,whatsapp,sms,email,in-person"`
		Disposition string     `json:"disposition" enum:"interested,not-interested,call-back,spoke,no-answer,busy,wrong-number,unreachable,sent" doc:"The result."`
		StartedAt   *time.Time `json:"started_at,omitempty" doc:"When it began; default now. Two minutes of a wrong clock are forgiven."`
		EndedAt     *time.Time `json:"ended_at,omitempty" doc:"When it was over; leave it out when it is not known."`
		TalkMS      *int64     `json:"talk_ms,omitempty" minimum:"0" maximum:"86400000" doc:"How long they talked; leave it out when it was not measured."`
		Evidence    string     `json:"evidence,omitempty" enum:"said,measured" doc:"How it is known; default said. measured: by a provider, for keys that may measure. What the program is to see is begun with attempts/begin."`
		Note        string     `json:"note,omitempty" maxLength:"8000" doc:"Kept sealed, as a note."`
		Next        *NextIn    `json:"next,omitempty" doc:"The next follow-up. Without it, one that was due by now is taken away."`
		Stage       *StageIn   `json:"stage,omitempty" doc:"The stage to move to."`
		HappenedAt  *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

// AttemptMade is the answer to an attempt.
type AttemptMade struct {
	Attempt Attempt `json:"attempt"`
	NoteID  *string `json:"note_id" doc:"null without a note."`
	Lead    Lead    `json:"lead" doc:"As it is now, without its person."`
}

// NoteMade is the answer to a note. The text is not repeated.
type NoteMade struct {
	ID        string    `json:"id" example:"note_01h455vb4pex5vsknk084sn02q"`
	LeadID    string    `json:"lead_id"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

type noteIn struct {
	LeadPath
	Body struct {
		Text       string     `json:"text" minLength:"1" maxLength:"8000" doc:"Kept sealed under the person's key." example:"Prefers calls after six."`
		HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

type stageIn struct {
	LeadPath
	Body MoveTold
}

type nextIn struct {
	LeadPath
	Body NextTold
}

type transferIn struct {
	LeadPath
	Body struct {
		To     string `json:"to" doc:"The new owner's id." example:"user_01h455vb4pex5vsknk084sn02q"`
		Reason string `json:"reason,omitempty" maxLength:"80" doc:"A code: letters and hyphens." example:"speaks-tamil"`
	}
}

// later marks a route that also takes what a device tells when it is back.
func later(o web.Op) web.Op { o.Later = true; return o }

func (d *Desk) workRoutes() {
	op := func(verb, name string, p account.Permission, status int, summary, detail string) web.Op {
		return web.Op{Method: http.MethodPost, Path: "/v1/leads/{id}/" + verb, Name: name, Tag: "work", Permission: p, Status: status, Summary: summary, Detail: detail}
	}
	const own = "Only the lead's owner may, and whoever may work every lead; for others the lead is not there."
	web.Do(d.API, later(op("attempts", "add-attempt", account.WorkLeads, http.StatusCreated, "Report an attempt",
		"With its note, the next follow-up and the change of stage, all or nothing. "+own)), d.addAttempt)
	d.tryingRoutes(own)
	web.Do(d.API, later(op("notes", "add-note", account.WorkLeads, http.StatusCreated, "Add a note", own)), d.addNote)
	web.Do(d.API, later(op("stage", "set-stage", account.WorkLeads, 0, "Move a lead to another stage",
		"Closing takes it out of routing. Reopening is refused with open_lead_exists while the person has another open lead of the project. "+own)), d.setStage)
	web.Do(d.API, later(op("next-action", "set-next-action", account.WorkLeads, 0, "Set or take away the next follow-up", own)), d.setNext)
	web.Do(d.API, op("transfer", "transfer-lead", account.MoveLeads, 0, "Give a lead to another owner", "Whoever has it or is offered it now; an open offer is lost."), d.transfer)
	web.Do(d.API, op("claim", "claim-lead", account.AnswerOffers, 0, "Take a waiting lead",
		"For members of the project's pool; the first one wins, the others get 409 with the code lead_taken."), d.claim)
}

func (d *Desk) addAttempt(v *web.Visit, tx *store.Tx, in *attemptIn) (*AttemptMade, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	b := in.Body
	t := followup.Try{Channel: lead.Channel(b.Channel), Disposition: lead.Disposition(b.Disposition), TalkMS: b.TalkMS, Evidence: lead.Evidence(b.Evidence)}
	if b.StartedAt != nil {
		t.StartedAt = v.Corrected(*b.StartedAt)
	}
	if b.EndedAt != nil {
		t.EndedAt = v.Corrected(*b.EndedAt)
	}
	if err := brought(tx, &t, b.Note, b.Next, b.Stage); err != nil {
		return nil, err
	}
	w, err := teller(v, b.HappenedAt)
	if err != nil {
		return nil, err
	}
	done, err := d.Followup.Attempt(tx, w, id, t, v.At)
	return madeView(tx, v, done, err)
}

// brought reads what comes with the result of an attempt.
func brought(tx *store.Tx, t *followup.Try, note string, next *NextIn, stage *StageIn) error {
	if note != "" {
		if f := followup.CheckNote("note", note); f != nil {
			return problem.Invalid(*f)
		}
		t.Note = vault.Hide(note)
	}
	if next != nil {
		t.Next = new(next.next())
	}
	if stage == nil {
		return nil
	}
	m, err := stage.move(tx, "stage.")
	t.Move = &m
	return err
}

func madeView(tx *store.Tx, v *web.Visit, done followup.Done, err error) (*AttemptMade, error) {
	if err != nil {
		return nil, err
	}
	l, err := leadView(tx, v, done.Lead, nil)
	if err != nil {
		return nil, err
	}
	return &AttemptMade{Attempt: attemptView(done.Attempt), NoteID: web.OrNull(done.Note.String()), Lead: *l}, nil
}

func (d *Desk) addNote(v *web.Visit, tx *store.Tx, in *noteIn) (*NoteMade, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	if f := followup.CheckNote("text", in.Body.Text); f != nil {
		return nil, problem.Invalid(*f)
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	n, err := d.Followup.Note(tx, w, id, vault.Hide(in.Body.Text), v.At)
	if err != nil {
		return nil, err
	}
	return &NoteMade{n.ID.String(), n.Lead.String(), n.By, n.CreatedAt}, nil
}

func (d *Desk) setStage(v *web.Visit, tx *store.Tx, in *stageIn) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	m, err := in.Body.move(tx, "")
	if err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	l, err := d.Followup.SetStage(tx, w, id, m, v.At)
	return leadView(tx, v, l, err)
}

func (d *Desk) setNext(v *web.Visit, tx *store.Tx, in *nextIn) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	l, err := d.Followup.NextAction(tx, w, id, in.Body.next(), v.At)
	return leadView(tx, v, l, err)
}

// leadView shows a lead without its person, unless err.
func leadView(tx *store.Tx, v *web.Visit, l leads.Lead, err error) (*Lead, error) {
	if err != nil {
		return nil, err
	}
	all, err := leadViews(tx, v, []leads.Lead{l})
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// nowView reads the lead again after routing moved it.
func nowView(tx *store.Tx, v *web.Visit, id lead.ID, err error) (*Lead, error) {
	if err != nil {
		return nil, err
	}
	l, err := leads.LeadByID(tx, id)
	return leadView(tx, v, l, err)
}

func (d *Desk) transfer(v *web.Visit, tx *store.Tx, in *transferIn) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	reason, err := code("reason", in.Body.Reason)
	if err != nil {
		return nil, err
	}
	to, err := account.ParseUserID(in.Body.To)
	if err != nil {
		return nil, problem.InvalidField("to", "unknown_user", "Give the id of an active user of this account.")
	}
	if err := movable(tx, v, id); err != nil {
		return nil, err
	}
	_, err = d.Routing.Transfer(tx, id, to, reason, v.Actor, v.At)
	if p, ok := problem.Of(err); ok && len(p.Errors) == 1 && p.Errors[0].Code == "unknown_user" {
		err = problem.InvalidField("to", "unknown_user", "Give the id of an active user of this account.")
	}
	return nowView(tx, v, id, err)
}

// movable refuses, as if it were not there, a lead that the right to move leads
// does not reach.
func movable(tx *store.Tx, v *web.Visit, id lead.ID) error {
	l, err := leads.LeadByID(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && !v.Reaches(account.MoveLeads, l.Owner, l.Project) {
		err = problem.NotFound()
	}
	return err
}

func (d *Desk) claim(v *web.Visit, tx *store.Tx, in *LeadPath) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	if v.User.IsZero() {
		return nil, problem.Forbidden("not_a_user", "Only a user can own a lead. Use transfer with a key.")
	}
	_, err = d.Routing.Claim(tx, id, v.User, v.At)
	return nowView(tx, v, id, err)
}
