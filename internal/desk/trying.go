package desk

import (
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/web"
)

// OpenAttempt is an attempt that was begun and has no result yet.
type OpenAttempt struct {
	ID        string     `json:"id" example:"attm_01h455vb4pex5vsknk084sn02q"`
	LeadID    string     `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	UserID    *string    `json:"user_id" doc:"null when a key began it."`
	Channel   string     `json:"channel" enum:"call,whatsapp,sms,email,in-person"`
	Evidence  string     `json:"evidence" enum:"seen,measured"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at" doc:"null: it goes on."`
	TalkMS    *int64     `json:"talk_ms" doc:"null: not measured."`
}

// AttemptPath is the input of a route about one attempt.
type AttemptPath struct {
	ID string `path:"id" doc:"The attempt's id." example:"attm_01h455vb4pex5vsknk084sn02q"`
}

type beginIn struct {
	LeadPath
	Body struct {
		Channel  string `json:"channel" enum:"call,whatsapp,sms,email,in-person" example:"call"`
		Evidence string `json:"evidence,omitempty" enum:"seen,measured" doc:"Default seen. measured: for keys that may measure."`
	}
}

type endIn struct {
	AttemptPath
	Body struct {
		TalkMS     *int64     `json:"talk_ms,omitempty" minimum:"0" maximum:"86400000" doc:"How long the person was talked to, as the provider measured it."`
		HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

type resultIn struct {
	AttemptPath
	Body struct {
		Disposition string     `json:"disposition" enum:"interested,not-interested,call-back,spoke,no-answer,busy,wrong-number,unreachable,sent" doc:"The result."`
		TalkMS      *int64     `json:"talk_ms,omitempty" minimum:"0" maximum:"86400000" doc:"How long they talked, as you say; not when a provider measures it."`
		Note        string     `json:"note,omitempty" maxLength:"8000" doc:"Kept sealed, as a note."`
		Next        *NextIn    `json:"next,omitempty" doc:"The next follow-up. Without it, one that was due by now is taken away."`
		Stage       *StageIn   `json:"stage,omitempty" doc:"The stage to move to."`
		HappenedAt  *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

func (d *Desk) tryingRoutes(own string) {
	op := func(path, name string, status int, summary, detail string) web.Op {
		return web.Op{Method: http.MethodPost, Path: path, Name: name, Tag: "work", Permission: account.WorkLeads, Status: status, Summary: summary, Detail: detail}
	}
	web.Do(d.API, op("/v1/leads/{id}/attempts/begin", "begin-attempt", http.StatusCreated, "Begin an attempt",
		"Speed to lead and the service-level clocks count from this moment. Beginning again gives the one that goes on. 409 suppressed: the person must not be contacted. "+own), d.beginAttempt)
	web.Do(d.API, later(op("/v1/attempts/{id}/end", "end-attempt", 0, "Say that an attempt is over", "Its result follows; what is between them is wrap-up. Ending it again gives the same answer.")), d.endAttempt)
	web.Do(d.API, later(op("/v1/attempts/{id}/result", "attempt-result", http.StatusCreated, "Give an attempt its result",
		"With its note, the next follow-up and the change of stage, all or nothing. After it the attempt is among the lead's attempts.")), d.attemptResult)
}

func tryingView(t leads.Trying) *OpenAttempt {
	out := &OpenAttempt{ID: t.ID.String(), LeadID: t.Lead.String(), UserID: web.OrNull(t.User.String()), Channel: string(t.Channel),
		Evidence: string(t.Evidence), StartedAt: t.StartedAt, EndedAt: web.TimeOrNull(t.EndedAt)}
	if t.Talk.Valid {
		out.TalkMS = &t.Talk.V
	}
	return out
}

func (d *Desk) beginAttempt(v *web.Visit, tx *store.Tx, in *beginIn) (*OpenAttempt, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	t, err := d.Followup.Begin(tx, worker(v), id, lead.Channel(in.Body.Channel), lead.Evidence(in.Body.Evidence), v.At)
	return tryingView(t), err
}

func (d *Desk) endAttempt(v *web.Visit, tx *store.Tx, in *endIn) (*OpenAttempt, error) {
	id, err := web.PathID(in.ID, lead.ParseAttemptID)
	if err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	t, err := d.Followup.End(tx, w, id, in.Body.TalkMS, v.At)
	return tryingView(t), err
}

func (d *Desk) attemptResult(v *web.Visit, tx *store.Tx, in *resultIn) (*AttemptMade, error) {
	id, err := web.PathID(in.ID, lead.ParseAttemptID)
	if err != nil {
		return nil, err
	}
	t := followup.Try{Disposition: lead.Disposition(in.Body.Disposition), TalkMS: in.Body.TalkMS}
	if err := brought(tx, &t, in.Body.Note, in.Body.Next, in.Body.Stage); err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	done, err := d.Followup.Result(tx, w, id, t, v.At)
	return madeView(tx, v, done, err)
}
