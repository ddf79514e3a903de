package desk

import (
	"context"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/sift"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// SiteVisit is a visit of the person to what is sold.
type SiteVisit struct {
	ID        string    `json:"id" example:"visit_01h455vb4pex5vsknk084sn02q"`
	LeadID    string    `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	UserID    *string   `json:"user_id" doc:"Who receives the visitor."`
	State     string    `json:"state" enum:"planned,done,no-show,cancelled"`
	At        time.Time `json:"at" doc:"When it is, or was."`
	Place     *string   `json:"place" doc:"Personal: null without a purpose, in the answer to a change, and when there is none." example:"Show flat, second floor"`
	By        string    `json:"by" doc:"Who planned it: a user's or key's id."`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

func visitView(v leads.Visit) *SiteVisit {
	return &SiteVisit{ID: v.ID.String(), LeadID: v.Lead.String(), UserID: web.OrNull(v.User.String()), State: string(v.State), At: v.At,
		By: v.By, CreatedAt: v.CreatedAt, ChangedAt: v.ChangedAt}
}

type visitsIn struct {
	web.Page
	State string `query:"state" enum:"planned,done,no-show,cancelled" doc:"Only these."`
	User  string `query:"user" doc:"Only visits that this user receives: an id, or me."`
}

type leadVisitsIn struct {
	LeadPath
	web.Page
}

type planIn struct {
	LeadPath
	Body struct {
		At         time.Time  `json:"at" doc:"When." example:"2026-03-07T11:00:00Z"`
		Place      string     `json:"place,omitempty" maxLength:"300" doc:"Where; kept sealed under the person's key." example:"Show flat, second floor"`
		User       string     `json:"user,omitempty" doc:"Who receives the visitor; default the lead's owner." example:"user_01h455vb4pex5vsknk084sn02q"`
		HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

type visitIn struct {
	ID   string `path:"id" doc:"The visit's id." example:"visit_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		State      string     `json:"state,omitempty" enum:"planned,done,no-show,cancelled" doc:"How it went."`
		At         *time.Time `json:"at,omitempty" doc:"When it is instead, or when it was."`
		Place      string     `json:"place,omitempty" maxLength:"300" doc:"Where it is instead."`
		User       string     `json:"user,omitempty" doc:"Who receives the visitor instead." example:"user_01h455vb4pex5vsknk084sn02q"`
		HappenedAt *time.Time `json:"happened_at,omitempty" doc:"When it happened, by your clock, of what is told later; with Catchment-Clock."`
	}
}

func (d *Desk) visitRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/visits", Name: "list-visits", Tag: "work", Opens: true, Permission: account.ReadLeads,
		Summary: "Site visits, the latest first", Detail: "Salespeople get those that they receive. The places are personal: the page is one opening on the record; without a purpose they are null."}, d.listVisits)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/visits", Name: "list-lead-visits", Tag: "work", Opens: true, Permission: account.ReadLeads,
		Summary: "A lead's site visits, the latest first"}, d.leadVisits)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/leads/{id}/visits", Name: "plan-visit", Tag: "work", Later: true, Permission: account.WorkLeads, Status: http.StatusCreated,
		Summary: "Plan a site visit", Detail: "It becomes the lead's next follow-up unless there is an earlier one."}, d.planVisit)
	web.Do(d.API, web.Op{Method: http.MethodPost, Path: "/v1/visits/{id}", Name: "change-visit", Tag: "work", Later: true, Permission: account.WorkLeads,
		Summary: "Say how a visit went, or plan it anew", Detail: "What is left out stays."}, d.changeVisit)
}

func (d *Desk) listVisits(ctx context.Context, v *web.Visit, in *visitsIn) (*web.List[SiteVisit], error) {
	f := leads.VisitFilter{State: lead.VisitState(in.State)}
	var err error
	if in.User == "me" {
		f.User = v.User
	} else if f.User, err = sift.ID("user", in.User, account.ParseUserID); err != nil {
		return nil, err
	}
	of, ok := whose(v)
	if !ok || !narrow(&of, f.User) {
		return &web.List[SiteVisit]{Items: []SiteVisit{}}, nil
	}
	f.User, f.TeamsOf = of.Owner, of.TeamsOf
	return d.visits(ctx, v, in.Page, func(*store.Tx) (leads.VisitFilter, error) { return f, nil })
}

func (d *Desk) leadVisits(ctx context.Context, v *web.Visit, in *leadVisitsIn) (*web.List[SiteVisit], error) {
	return d.visits(ctx, v, in.Page, func(tx *store.Tx) (leads.VisitFilter, error) {
		l, err := leadOf(&in.LeadPath, tx, v)
		return leads.VisitFilter{Lead: l.ID}, err
	})
}

// visits lists a page; the places are opened where the visitor reads the lead.
func (d *Desk) visits(ctx context.Context, v *web.Visit, p web.Page, asked func(*store.Tx) (leads.VisitFilter, error)) (*web.List[SiteVisit], error) {
	from, err := p.Start()
	if err != nil {
		return nil, err
	}
	var list *web.List[SiteVisit]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		f, err := asked(tx)
		if err != nil {
			return err
		}
		found, err := leads.ListVisits(tx, f, from.At, web.IDAt[lead.VisitID](from), p.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(p, found, func(x leads.Visit) web.Place { return web.Place{At: x.At, ID: x.ID.UUID()} })
		list = &web.List[SiteVisit]{Items: make([]SiteVisit, len(cut.Items)), NextCursor: cut.NextCursor}
		holds, err := holdsOfVisits(tx, cut.Items)
		for i, x := range cut.Items {
			list.Items[i] = *visitView(x)
			as := reached(v, holds[x.Lead].Owner, x.Project).Of(rights.Notes)
			if mayOpen(v) && x.User == v.User && !v.User.IsZero() { // who receives the visitor has to know where
				as = rights.Clear
			}
			page.add(x.Place, as, func(s string, _ keyring.State) { list.Items[i].Place = web.OrNull(s) })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

func holdsOfVisits(tx *store.Tx, all []leads.Visit) (map[lead.ID]leads.Hold, error) {
	var ids []lead.ID
	for _, x := range all {
		ids = append(ids, x.Lead)
	}
	return leads.WorkHolds(tx, ids)
}

// userOf reads a user's id of a body; "" is none.
func userOf(field, s string) (id account.UserID, err error) {
	if s == "" {
		return id, nil
	}
	if id, err = account.ParseUserID(s); err != nil || id.IsZero() {
		return id, problem.InvalidField(field, "unknown_user", "Give the id of a user of this account.")
	}
	return id, nil
}

func (d *Desk) planVisit(v *web.Visit, tx *store.Tx, in *planIn) (*SiteVisit, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	user, err := userOf("user", in.Body.User)
	if err != nil {
		return nil, err
	}
	place, err := personalLine("place", in.Body.Place)
	if err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	x, err := d.Followup.PlanVisit(tx, w, id, followup.Plan{At: in.Body.At, Place: place, User: user}, v.At)
	if err != nil {
		return nil, err
	}
	return visitView(x), nil
}

// personalLine takes a text of a body into custody.
func personalLine(field, s string) (vault.Personal, error) {
	if s == "" {
		return vault.Personal{}, nil
	}
	if f := followup.CheckNote(field, s); f != nil {
		return vault.Personal{}, problem.Invalid(*f)
	}
	return vault.Hide(s), nil
}

func (d *Desk) changeVisit(v *web.Visit, tx *store.Tx, in *visitIn) (*SiteVisit, error) {
	id, err := web.PathID(in.ID, lead.ParseVisitID)
	if err != nil {
		return nil, err
	}
	o := followup.Outcome{State: lead.VisitState(in.Body.State)}
	if in.Body.At != nil {
		o.At = *in.Body.At
	}
	if o.User, err = userOf("user", in.Body.User); err != nil {
		return nil, err
	}
	if o.Place, err = personalLine("place", in.Body.Place); err != nil {
		return nil, err
	}
	w, err := teller(v, in.Body.HappenedAt)
	if err != nil {
		return nil, err
	}
	x, err := d.Followup.ChangeVisit(tx, w, id, o, v.At)
	if err != nil {
		return nil, err
	}
	return visitView(x), nil
}
