package desk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/sift"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/web"
)

type enquiriesIn struct {
	web.Page
	Project string   `query:"project" doc:"Only enquiries about this project (its id)."`
	Source  string   `query:"source" doc:"Only enquiries by this source (its id)."`
	State   string   `query:"state" enum:"attached,quarantined,dead,erased" doc:"Only enquiries in this state."`
	Test    bool     `query:"test" doc:"Test enquiries too."`
	Include []string `query:"include" enum:"person,message" doc:"Personal parts to open, on the record as one entry."`
}

type enquiryIn struct {
	ID      string   `path:"id" doc:"The id that the 202 of capture gave." example:"enq_01h455vb4pex5vsknk084sn02q"`
	Include []string `query:"include" enum:"person,message" doc:"Personal parts to open, on the record as one entry."`
}

// includes says which personal parts of an enquiry were asked for, and how much
// of them the visitor is given.
type includes struct {
	person, message bool
	sees            rights.Sight
}

// seeing is what was asked for, as far as it is seen.
func (i includes) seeing(s rights.Sight) includes {
	i.sees = s
	return i
}

func included(v *web.Visit, list []string) includes {
	return includes{
		person:  mayOpen(v) && slices.Contains(list, "person"),
		message: mayOpen(v) && slices.Contains(list, "message"),
	}
}

func (d *Desk) enquiryRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/enquiries", Name: "list-enquiries", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "List enquiries, newest first"}, d.listEnquiries)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/enquiries/{id}", Name: "get-enquiry", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "One enquiry: where it got to, and which lead it belongs to",
		Detail: "Until intake has written an enquiry, normally for under a second after its 202, the answer is 404 with the code enquiry_not_yet_known " +
			"and Retry-After: 1. An id that never was, and one of another account, answer the same."}, d.getEnquiry)
}

func (d *Desk) listEnquiries(ctx context.Context, v *web.Visit, in *enquiriesIn) (*web.List[Enquiry], error) {
	f := leads.EnquiryFilter{State: lead.EnquiryState(in.State), Test: in.Test}
	of, ok := whose(v)
	f.Whose = of
	from, err := in.Start()
	if err == nil {
		f.Project, err = sift.ID("project", in.Project, account.ParseProjectID)
	}
	if err == nil {
		f.Source, err = sift.ID("source", in.Source, account.ParseSourceID)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return &web.List[Enquiry]{Items: []Enquiry{}}, nil
	}
	var list *web.List[Enquiry]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		found, err := leads.ListEnquiries(tx, f, leads.EnquiryPage{ReceivedAt: from.At, ID: web.IDAt[lead.EnquiryID](from)}, in.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(e leads.Enquiry) web.Place { return web.Place{At: e.ReceivedAt, ID: e.ID.UUID()} })
		list = &web.List[Enquiry]{NextCursor: cut.NextCursor}
		with, err := opensEnquiries(tx, v, cut.Items, included(v, in.Include))
		if err != nil {
			return err
		}
		list.Items, err = enquiryViews(tx, cut.Items, with, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

// enquiryViews gives the enquiries' public parts and puts the personal ones
// that are asked for into the album.
func enquiryViews(tx *store.Tx, found []leads.Enquiry, with func(leads.Enquiry) includes, page *album) ([]Enquiry, error) {
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	out := make([]Enquiry, len(found))
	persons := make([]seen, len(found))
	for i, e := range found {
		out[i] = n.enquiry(e)
		w := with(e)
		if w.person {
			persons[i] = seen{e.Person, w.sees}
		}
		if w.message {
			messageOf(e, w.sees, &out[i], page)
		}
	}
	return out, page.persons(tx, persons, func(i int, p *Person) { out[i].Person = p })
}

func always(in includes) func(leads.Enquiry) includes {
	return func(leads.Enquiry) includes { return in }
}

// opensEnquiries says how much the visitor gets of each enquiry's personal parts
// that were asked for: as much as of its lead.
func opensEnquiries(tx *store.Tx, v *web.Visit, all []leads.Enquiry, asked includes) (func(leads.Enquiry) includes, error) {
	if asked == (includes{}) {
		return always(asked), nil
	}
	if v.Reach(account.OpenPersons) == rights.All {
		return always(asked.seeing(reached(v, account.UserID{}, account.ProjectID{}))), nil
	}
	var ids []lead.ID
	for _, e := range all {
		if !e.Lead.IsZero() {
			ids = append(ids, e.Lead)
		}
	}
	found, err := leads.LeadsByID(tx, ids...)
	if err != nil {
		return nil, err
	}
	sees := map[lead.ID]rights.Sight{}
	for _, l := range found {
		if sees[l.ID], err = sight(tx, v, l); err != nil {
			return nil, err
		}
	}
	return func(e leads.Enquiry) includes {
		if e.Lead.IsZero() {
			return asked.seeing(reached(v, account.UserID{}, e.Project))
		}
		return asked.seeing(sees[e.Lead])
	}, nil
}

func messageOf(e leads.Enquiry, sees rights.Sight, out *Enquiry, page *album) {
	page.add(e.Message, sees.Of(rights.Message), func(s string, _ keyring.State) { out.Message = web.OrNull(s) })
	page.add(e.CustomSeal, sees.Of(rights.Custom), func(s string, _ keyring.State) { out.PersonalCustom = objectOrNull(s) })
	page.add(e.Consent, sees.Of(rights.Custom), func(s string, _ keyring.State) { out.Consent = objectOrNull(s) })
}

func objectOrNull(s string) map[string]any {
	if s == "" {
		return nil
	}
	return object(s)
}

// unknownEnquiry is the one answer for an enquiry that is not written yet, that
// never was, or that the visitor may not read.
func unknownEnquiry() *problem.Problem {
	return &problem.Problem{Status: http.StatusNotFound, Code: "enquiry_not_yet_known", Title: "There is nothing here yet",
		Detail:     "An enquiry is known about a second after its 202. Check the id, or ask again shortly.",
		RetryAfter: time.Second}
}

func (d *Desk) getEnquiry(ctx context.Context, v *web.Visit, in *enquiryIn) (*Enquiry, error) {
	id, err := lead.ParseEnquiryID(in.ID)
	if err != nil {
		return nil, unknownEnquiry()
	}
	var out *Enquiry
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		e, err := enquiryFor(tx, v, id)
		if err != nil {
			return err
		}
		with, err := opensEnquiries(tx, v, []leads.Enquiry{e}, included(v, in.Include))
		if err != nil {
			return err
		}
		views, err := enquiryViews(tx, []leads.Enquiry{e}, with, page)
		if err == nil {
			out = &views[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, page.open(ctx, d.Opener, v)
}

func enquiryFor(tx *store.Tx, v *web.Visit, id lead.EnquiryID) (leads.Enquiry, error) {
	e, err := leads.EnquiryByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return e, unknownEnquiry()
	}
	if err != nil || v.ReachesProject(account.ReadLeads, e.Project) {
		return e, err
	}
	if e.Lead.IsZero() {
		return e, unknownEnquiry()
	}
	_, err = readable(tx, v, e.Lead)
	if p, ok := problem.Of(err); ok && p.Status == http.StatusNotFound {
		return e, unknownEnquiry()
	}
	return e, err
}
