package desk

import (
	"context"
	"net/http"
	"slices"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/vault"
	"catchment/internal/web"
)

type searchIn struct {
	web.Page
	Include []string `query:"include" enum:"person" doc:"person: with the persons, opened on the record as one entry."`
	Body    struct {
		Text string `json:"text" minLength:"1" maxLength:"254" doc:"A whole telephone number, as it is dialled or with its country code, or a whole e-mail address." example:"020 7946 0123"`
	}
}

func (d *Desk) searchRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/leads/search", Name: "search-leads", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "Find leads by a person's number or address",
		Detail: "Among all leads that you may read, newest first. In a body, because addresses of pages are kept in logs and browsers. " +
			"Numbers and addresses are found whole: only keyed hashes of them are kept. A text that is neither finds nothing."}, d.searchLeads)
}

// perPerson bounds how many leads of one person a page is laid from.
const perPerson = 500

func (d *Desk) searchLeads(ctx context.Context, v *web.Visit, in *searchIn) (*web.List[Lead], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	with := slices.Contains(in.Include, "person") && mayOpen(v)
	var list *web.List[Lead]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		found, err := d.leadsByContact(tx, v, vault.Hide(in.Body.Text), from)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found[:min(len(found), in.Limit+1)], func(l leads.Lead) web.Place { return web.Place{At: l.CreatedAt, ID: l.ID.UUID()} })
		list, err = leadList(tx, v, cut, func(l leads.Lead) rights.Sight { return reachedIf(with, v, l) }, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

// leadsByContact lists what the visitor reads of the leads of whom the text
// leads to.
func (d *Desk) leadsByContact(tx *store.Tx, v *web.Visit, text vault.Personal, from web.Place) ([]leads.Lead, error) {
	persons, err := d.Persons.Find(tx, text)
	if err != nil {
		return nil, err
	}
	var out []leads.Lead
	for _, p := range persons {
		all, err := leads.ListLeads(tx, leads.LeadFilter{Person: p, Test: true}, leads.LeadPage{CreatedAt: from.At, ID: web.IDAt[lead.ID](from)}, perPerson)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(all, func(l leads.Lead) bool { return !v.Reads(l.Owner, l.Project) })...)
	}
	return leads.Newest(out, len(out)), nil
}
