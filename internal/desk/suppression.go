package desk

import (
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/web"
)

// Suppression is a span in which the person must not be contacted.
type Suppression struct {
	ID       string     `json:"id" example:"supp_01h455vb4pex5vsknk084sn02q"`
	PersonID string     `json:"person_id"`
	Reason   string     `json:"reason" doc:"A code." example:"asked-not-to"`
	Evidence *string    `json:"evidence" doc:"Personal: null without a purpose, in the answer to a change, and when there is none."`
	By       string     `json:"by" doc:"A user's or key's id."`
	From     time.Time  `json:"from"`
	Until    *time.Time `json:"until" doc:"null: now."`
	UntilBy  *string    `json:"until_by" doc:"Who ended it."`
}

func suppressionView(s people.Suppression) Suppression {
	return Suppression{ID: s.ID.String(), PersonID: s.Person.String(), Reason: s.Reason, By: s.By, From: s.From,
		Until: web.TimeOrNull(s.Until), UntilBy: web.OrNull(s.UntilBy)}
}

// suppressionsOf shows a person's marks; their evidence goes into the album.
func suppressionsOf(tx *store.Tx, id lead.PersonID, sees rights.Sight, page *album) ([]Suppression, error) {
	found, err := people.Suppressions(tx, id, 100)
	out := make([]Suppression, len(found))
	for i, s := range found {
		out[i] = suppressionView(s)
		if !s.Evidence.Empty() {
			page.add(s.Evidence, sees.Of(rights.Notes), func(text string, _ keyring.State) { out[i].Evidence = web.OrNull(text) })
		}
	}
	return out, err
}

type suppressIn struct {
	PersonPath
	Body struct {
		Reason   string `json:"reason" minLength:"1" maxLength:"80" doc:"A code: letters and hyphens." example:"asked-not-to"`
		Evidence string `json:"evidence,omitempty" maxLength:"8000" doc:"What was said or written; kept sealed under the person's key." example:"Please take me off your list."`
	}
}

type unsuppressIn struct {
	PersonPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"80" doc:"A code: why the person may be contacted again." example:"asked-to-call"`
	}
}

func (d *Desk) suppressionRoutes() {
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/persons/{id}/suppress", Name: "suppress-person", Tag: "persons", Permission: account.WorkLeads, Status: http.StatusCreated,
		Summary: "Mark a person who must not be contacted", Detail: "Whoever works a lead of the person may. It counts for all persons that are merged with this one."}, d.suppress)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/persons/{id}/unsuppress", Name: "unsuppress-person", Tag: "persons", Permission: account.MoveLeads,
		Summary: "Say that a person may be contacted again"}, d.unsuppress)
}

// knownPerson finds the person of the path; 404 when the permission reaches no
// lead of theirs.
func (d *Desk) knownPerson(v *web.Visit, tx *store.Tx, in PersonPath, p account.Permission) (lead.PersonID, error) {
	id, err := web.PathID(in.ID, lead.ParsePersonID)
	if err != nil {
		return id, err
	}
	if _, err = personCard(tx, v, id, &album{}); err != nil { // 404 for who may not know the person
		return id, err
	}
	ok, err := knows(tx, v, p, id)
	if err == nil && !ok {
		err = problem.NotFound()
	}
	return id, err
}

func (d *Desk) suppress(v *web.Visit, tx *store.Tx, in *suppressIn) (*Suppression, error) {
	id, err := d.knownPerson(v, tx, in.PersonPath, account.WorkLeads)
	if err != nil {
		return nil, err
	}
	evidence, err := personalLine("evidence", in.Body.Evidence)
	if err != nil {
		return nil, err
	}
	s, err := d.Followup.Suppress(tx, worker(v), id, in.Body.Reason, evidence, v.At)
	if err != nil {
		return nil, err
	}
	return new(suppressionView(s)), nil
}

func (d *Desk) unsuppress(v *web.Visit, tx *store.Tx, in *unsuppressIn) (*Suppression, error) {
	id, err := d.knownPerson(v, tx, in.PersonPath, account.MoveLeads)
	if err != nil {
		return nil, err
	}
	if err := d.Followup.Unsuppress(tx, worker(v), id, in.Body.Reason, v.At); err != nil {
		return nil, err
	}
	all, err := people.Suppressions(tx, id, 1)
	if err != nil {
		return nil, err
	}
	return new(suppressionView(all[0])), nil
}
