package desk

import (
	"errors"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// HandedOver is how far a hand-over has come.
type HandedOver struct {
	Moved int `json:"moved" doc:"How many leads have gone over by this call."`
	Left  int `json:"left" doc:"How many follow, by themselves."`
}

// HandingOver is what goes on with the open leads of one user.
type HandingOver struct {
	UserID string     `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Left   int        `json:"left" doc:"How many open leads they own."`
	State  string     `json:"state" enum:"idle,running,failing" doc:"running: leads go over until none is left. failing: the last step did not succeed, and is tried again. idle: nothing goes on."`
	To     *string    `json:"to" doc:"Who gets them; null when routing does." example:"user_01h455vb4pex5vsknk084sn02q"`
	Reason string     `json:"reason" example:"left-the-company"`
	By     string     `json:"by" doc:"Who said so." example:"user_01h455vb4pex5vsknk084sn02q"`
	Since  *time.Time `json:"since"`
}

// LeaverPath is the input of a route about one who leaves.
type LeaverPath struct {
	ID string `path:"id" doc:"The user's id." example:"user_01h455vb4pex5vsknk084sn02q"`
}

type leaverIn struct {
	LeaverPath
	Body struct {
		To     string `json:"to,omitempty" doc:"The new owner's id." example:"user_01h455vb4pex5vsknk084sn02q"`
		Pool   bool   `json:"pool,omitempty" doc:"Instead of to: back to routing, each to the pool of its project."`
		Reason string `json:"reason,omitempty" maxLength:"80" doc:"A code: letters and hyphens." example:"left-the-company"`
	}
}

type handoverIn struct {
	LeadPath
	Body struct {
		To     string   `json:"to,omitempty" doc:"The new owner's id." example:"user_01h455vb4pex5vsknk084sn02q"`
		Pool   bool     `json:"pool,omitempty" doc:"Instead of to: back to routing."`
		Reason string   `json:"reason,omitempty" maxLength:"80" doc:"A code: letters and hyphens." example:"ready-for-sales"`
		Stage  *StageIn `json:"stage,omitempty" doc:"The stage to move it to, in the same step."`
		Note   string   `json:"note,omitempty" maxLength:"8000" doc:"For who gets it; kept sealed, as a note."`
	}
}

func (d *Desk) handoverRoutes() {
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/users/{id}/handover", Name: "handover-user", Tag: "people", Permission: account.MoveLeads,
		Summary: "Hand over the open leads of somebody who leaves",
		Detail:  "To one colleague, or back to routing: the 200 oldest in this call, the others by themselves until none is left. It takes the place of what was said before; what is left goes back to routing when the colleague leaves, too. First deactivate the user, or routing may give them new ones."}, d.handoverUser)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/users/{id}/handover", Name: "get-user-handover", Tag: "people", Permission: account.MoveLeads,
		Summary: "How far the hand-over of somebody who leaves has come"}, d.handingOver)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/leads/{id}/handover", Name: "handover-lead", Tag: "work", Permission: account.WorkLeads,
		Summary: "Hand a lead over: from pre-sales to sales",
		Detail:  "Its owner may, and whoever works every lead; with a stage and a note for the next one, all or nothing."}, d.handoverLead)
}

// handOver gives one lead to a user, or back to routing when to is zero.
func (d *Desk) handOver(v *web.Visit, tx *store.Tx, id lead.ID, to account.UserID, reason string) error {
	if to.IsZero() {
		return d.Routing.GiveBack(tx, id, reason, v.Actor, v.At)
	}
	_, err := d.Routing.Transfer(tx, id, to, reason, v.Actor, v.At)
	return toField(err)
}

// toField names the field as these routes call it.
func toField(err error) error {
	if p, ok := problem.Of(err); ok && len(p.Errors) == 1 && p.Errors[0].Code == "unknown_user" {
		err = problem.InvalidField("to", "unknown_user", "Give the id of an active user of this account.")
	}
	return err
}

// receiver reads who is to have leads, a user or zero for routing, and why.
func receiver(to string, pool bool, reason string) (user account.UserID, why string, err error) {
	if why, err = code("reason", reason); err != nil {
		return user, "", err
	}
	if (to == "") != pool {
		return user, "", problem.InvalidField("to", "required", "Send either to or pool.")
	}
	user, err = userOf("to", to)
	return user, why, err
}

// leaver is the user whose leads whoever may move every lead asks about.
func (in *LeaverPath) leaver(v *web.Visit, tx *store.Tx) (id account.UserID, err error) {
	if err := v.Whole(account.MoveLeads); err != nil {
		return id, err
	}
	if id, err = web.PathID(in.ID, account.ParseUserID); err != nil {
		return id, err
	}
	if _, err = members.Get(tx, id); errors.Is(err, store.ErrNone) {
		err = problem.NotFound()
	}
	return id, err
}

func (d *Desk) handoverUser(v *web.Visit, tx *store.Tx, in *leaverIn) (*HandedOver, error) {
	id, err := in.leaver(v, tx)
	if err != nil {
		return nil, err
	}
	to, reason, err := receiver(in.Body.To, in.Body.Pool, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	if to == id {
		return nil, problem.InvalidField("to", "same_user", "Name somebody else.")
	}
	moved, left, err := d.Routing.StartHandOver(tx, routing.HandOver{From: id, To: to, Reason: reason, By: v.Actor}, v.At)
	return &HandedOver{Moved: moved, Left: left}, toField(err)
}

func (d *Desk) handingOver(v *web.Visit, tx *store.Tx, in *LeaverPath) (*HandingOver, error) {
	id, err := in.leaver(v, tx)
	if err != nil {
		return nil, err
	}
	left, on, err := d.Routing.HandingOver(tx, id)
	if err != nil {
		return nil, err
	}
	out := &HandingOver{UserID: id.String(), Left: left, State: "idle"}
	if on == nil {
		return out, nil
	}
	out.State, out.Reason, out.By, out.Since = "running", on.Reason, on.By, &on.Since
	if on.Failing {
		out.State = "failing"
	}
	if !on.To.IsZero() {
		out.To = new(on.To.String())
	}
	return out, nil
}

func (d *Desk) handoverLead(v *web.Visit, tx *store.Tx, in *handoverIn) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	l, err := leads.LeadByID(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && !v.Reaches(account.WorkLeads, l.Owner, l.Project) {
		err = problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	to, reason, err := receiver(in.Body.To, in.Body.Pool, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	if err := d.handoverWork(v, tx, id, in); err != nil {
		return nil, err
	}
	return nowView(tx, v, id, d.handOver(v, tx, id, to, reason))
}

// handoverWork does what the present owner leaves behind.
func (d *Desk) handoverWork(v *web.Visit, tx *store.Tx, id lead.ID, in *handoverIn) error {
	if in.Body.Note != "" {
		if f := followup.CheckNote("note", in.Body.Note); f != nil {
			return problem.Invalid(*f)
		}
		if _, err := d.Followup.Note(tx, worker(v), id, vault.Hide(in.Body.Note), v.At); err != nil {
			return err
		}
	}
	if in.Body.Stage == nil {
		return nil
	}
	m, err := in.Body.Stage.move(tx, "stage.")
	if err != nil {
		return err
	}
	_, err = d.Followup.SetStage(tx, worker(v), id, m, v.At)
	return err
}
