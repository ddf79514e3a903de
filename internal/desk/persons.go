package desk

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/intake"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// Persons finds, corrects and merges persons, and judges what is in quarantine, on a human's word.
// intake does, because it alone decides who is who and what becomes a lead.
type Persons interface {
	Release(tx *store.Tx, id lead.EnquiryID, actor string) error
	Keep(tx *store.Tx, id lead.EnquiryID, actor string) error
	Merge(tx *store.Tx, kept, merged lead.PersonID, actor string) (lead.MergeID, error)
	Unmerge(tx *store.Tx, id lead.MergeID, actor string) error
	Correct(tx *store.Tx, c intake.Correction) ([]vault.Field, error)
	Find(tx *store.Tx, text vault.Personal) ([]lead.PersonID, error)
}

// PersonCard is a person with what surrounds them.
type PersonCard struct {
	ID         string        `json:"id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Test       bool          `json:"test"`
	CreatedAt  time.Time     `json:"created_at"`
	MergedInto *string       `json:"merged_into" doc:"Who this one is, on a human's word."`
	Duplicates []MaybeSame   `json:"possible_duplicates" nullable:"false" doc:"Who else it may be."`
	Leads      []PersonsLead `json:"leads" nullable:"false" doc:"Those that you may read, newest first."`
	Suppressed []Suppression `json:"suppressions" nullable:"false" doc:"When the person must or must not have been contacted, newest first."`
	Corrected  []Corrected   `json:"corrections" nullable:"false" doc:"What stood there before it was corrected, newest first."`
	Person     *Person       `json:"person,omitempty" doc:"Only with a purpose."`
}

// MaybeSame is another person who may be the same human.
type MaybeSame struct {
	PersonID  string    `json:"person_id"`
	Kind      string    `json:"kind" enum:"possible_duplicate,corrected" doc:"An enquiry named both; or one of the two was corrected to what the other is found by."`
	EnquiryID string    `json:"enquiry_id" doc:"The enquiry that named both; of corrected, the latest one of who was corrected."`
	At        time.Time `json:"at"`
}

// PersonsLead is a lead of the person.
type PersonsLead struct {
	ID        string    `json:"id"`
	Project   Named     `json:"project"`
	Stage     LeadStage `json:"stage"`
	CreatedAt time.Time `json:"created_at"`
}

// Merged is the record of a merge.
type Merged struct {
	ID     string `json:"id" example:"mrg_01h455vb4pex5vsknk084sn02q"`
	Kept   string `json:"kept_id"`
	Merged string `json:"merged_id"`
	Undone bool   `json:"undone"`
}

// PersonPath is the input of a route about one person.
type PersonPath struct {
	ID string `path:"id" doc:"The person's id." example:"prsn_01h455vb4pex5vsknk084sn02q"`
}

type mergeIn struct {
	PersonPath
	Body struct {
		Other string `json:"other" doc:"The person who is the same; this one is kept." example:"prsn_01h455vb4pex5vsknk084sn02q"`
	}
}

type undoIn struct {
	ID string `path:"id" doc:"The merge's id." example:"mrg_01h455vb4pex5vsknk084sn02q"`
}

func (d *Desk) personRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/persons/{id}", Name: "get-person", Tag: "persons", Opens: true, Permission: account.ReadLeads,
		Summary: "A person, who else they may be, and their leads", Detail: "Salespeople read the persons of leads that they own."}, d.getPerson)
	web.Meet(d.API, web.Op{Method: http.MethodPatch, Path: "/v1/persons/{id}", Name: "correct-person", Tag: "persons", Opens: true, Permission: account.WorkLeads,
		Summary: "Correct a name, a phone or an e-mail address",
		Detail: "What is left out stays; an empty text takes a value away. Whoever works a lead of the person and may open it can. What stood there is opened for it, on the record, and kept sealed in `corrections`. " +
			"A number that is another person's stays theirs: the two are linked, and whoever may know both can merge them."}, d.correctPerson)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/persons/{id}/merge", Name: "merge-persons", Tag: "persons", Permission: account.MoveLeads, Status: http.StatusCreated,
		Summary: "Say that two persons are one", Detail: "Nothing is moved: enquiries of the other lead here from now on. It can be undone."}, d.merge)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/merges/{id}/undo", Name: "undo-merge", Tag: "persons", Permission: account.MoveLeads,
		Summary: "Undo a merge"}, d.undoMerge)
}

func (d *Desk) getPerson(ctx context.Context, v *web.Visit, in *PersonPath) (*PersonCard, error) {
	id, err := web.PathID(in.ID, lead.ParsePersonID)
	if err != nil {
		return nil, err
	}
	var out *PersonCard
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		out, err = personCard(tx, v, id, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, page.open(ctx, d.Opener, v)
}

func personCard(tx *store.Tx, v *web.Visit, id lead.PersonID, page *album) (*PersonCard, error) {
	p, err := people.One(tx, id)
	if errors.Is(err, store.ErrNone) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	if err := mayKnow(tx, v, id); err != nil {
		return nil, err
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	out := &PersonCard{ID: id.String(), Test: p.Test, CreatedAt: p.CreatedAt, MergedInto: web.OrNull(p.MergedInto.String()),
		Duplicates: []MaybeSame{}, Leads: []PersonsLead{}}
	all, err := leads.ListLeads(tx, leads.LeadFilter{Person: id, Test: true}, leads.LeadPage{}, 500)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if v.Reads(l.Owner, l.Project) {
			out.Leads = append(out.Leads, PersonsLead{l.ID.String(), n.project(l.Project), n.stage(l.Stage, l.Category), l.CreatedAt})
		}
	}
	if out.Duplicates, err = duplicates(tx, v, id); err != nil {
		return nil, err
	}
	sees, err := sightOf(tx, v, id)
	if err != nil {
		return nil, err
	}
	if out.Suppressed, err = suppressionsOf(tx, id, sees, page); err != nil {
		return nil, err
	}
	if out.Corrected, err = correctionsOf(tx, id, sees, page); err != nil {
		return nil, err
	}
	return out, page.persons(tx, []seen{{id, sees}}, func(_ int, p *Person) { out.Person = p })
}

// sightOf is how much of the person the visitor is given: as much as of those of
// their leads that the right to open reaches.
func sightOf(tx *store.Tx, v *web.Visit, id lead.PersonID) (rights.Sight, error) {
	known, err := knows(tx, v, account.OpenPersons, id)
	if err != nil || !known || !mayOpen(v) {
		return rights.Sight{}, err
	}
	as := rights.Owner
	switch v.Reach(account.OpenPersons) {
	case rights.Teams:
		as = rights.InTeam
	case rights.All:
		as = rights.Other
	}
	return v.Rights.Sight(as, true), nil
}

// duplicates lists who else the person may be: those that the visitor may know,
// and by an enquiry that they may read. Else whoever corrects a number would
// learn that the account knows it.
func duplicates(tx *store.Tx, v *web.Visit, id lead.PersonID) ([]MaybeSame, error) {
	out := []MaybeSame{}
	links, err := people.Links(tx, id)
	if err != nil {
		return nil, err
	}
	for _, k := range links {
		if v.Reach(account.ReadLeads) != rights.All {
			known, err := knows(tx, v, account.ReadLeads, k.Other)
			if err != nil {
				return nil, err
			}
			if _, err = enquiryFor(tx, v, k.Enquiry); !known || err != nil {
				continue
			}
		}
		out = append(out, MaybeSame{k.Other.String(), k.Kind, k.Enquiry.String(), k.At})
	}
	return out, nil
}

// mayKnow refuses, as if there were nobody, a person of whom the visitor may
// read no lead.
func mayKnow(tx *store.Tx, v *web.Visit, id lead.PersonID) error {
	ok, err := knows(tx, v, account.ReadLeads, id)
	if err == nil && !ok {
		err = problem.NotFound()
	}
	return err
}

// knows reports whether the permission reaches a lead of the person.
func knows(tx *store.Tx, v *web.Visit, p account.Permission, id lead.PersonID) (bool, error) {
	reach := v.Reach(p)
	if reach == rights.All || reach == rights.None || v.User.IsZero() {
		return reach == rights.All, nil
	}
	return leads.WorkKnows(tx, v.User, id, reach == rights.Teams)
}

func (d *Desk) merge(v *web.Visit, tx *store.Tx, in *mergeIn) (*Merged, error) {
	kept, err := web.PathID(in.ID, lead.ParsePersonID)
	if err != nil {
		return nil, err
	}
	other, err := lead.ParsePersonID(in.Body.Other)
	if err != nil || other.IsZero() {
		return nil, problem.InvalidField("other", "unknown_person", "Send the id of the other person.")
	}
	if kept == other {
		return nil, problem.InvalidField("other", "same_person", "Send another person than the one in the path.")
	}
	for _, p := range []lead.PersonID{kept, other} {
		if ok, err := knows(tx, v, account.MoveLeads, p); err != nil {
			return nil, err
		} else if !ok && p == kept {
			return nil, problem.NotFound()
		} else if !ok {
			return nil, problem.InvalidField("other", "unknown_person", "Send the id of the other person.")
		}
	}
	id, err := d.Persons.Merge(tx, kept, other, v.Actor)
	return &Merged{id.String(), kept.String(), other.String(), false}, err
}

func (d *Desk) undoMerge(v *web.Visit, tx *store.Tx, in *undoIn) (*Merged, error) {
	id, err := web.PathID(in.ID, lead.ParseMergeID)
	if err != nil {
		return nil, err
	}
	m, err := people.GetMerge(tx, id)
	if errors.Is(err, store.ErrNone) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	if ok, err := knows(tx, v, account.MoveLeads, m.Kept); err != nil || !ok {
		return nil, cmp.Or(err, error(problem.NotFound()))
	}
	if err := d.Persons.Unmerge(tx, id, v.Actor); err != nil {
		return nil, err
	}
	m, err = people.GetMerge(tx, id)
	return &Merged{m.ID.String(), m.Kept.String(), m.Merged.String(), true}, err
}
