package console

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/store"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// AccessGrant lets somebody of the platform open chosen leads for a time.
type AccessGrant struct {
	ID             string     `json:"id" example:"grant_01h455vb4pex5vsknk084sn02q"`
	Kind           string     `json:"kind" enum:"account,break-glass" doc:"account: an admin made it. break-glass: operators of the platform did, several of them, in an emergency."`
	To             string     `json:"to" doc:"Who of the platform: an id." example:"user_01h455vb4pex5vsknk084sn02q"`
	Fields         []string   `json:"fields" nullable:"false" doc:"What may be opened." example:"[\"name\",\"phone\"]"`
	Leads          int64      `json:"leads" doc:"Of how many leads."`
	Reason         string     `json:"reason"`
	From           time.Time  `json:"from"`
	Until          time.Time  `json:"until"`
	State          string     `json:"state" enum:"waiting,open,ended"`
	By             string     `json:"by" doc:"Who made it."`
	CreatedAt      time.Time  `json:"created_at"`
	EndedAt        *time.Time `json:"ended_at"`
	EndedBy        *string    `json:"ended_by" doc:"Who revoked it; system:privacy when its time was over."`
	KeyDestroyedAt *time.Time `json:"key_destroyed_at" doc:"From then on no copy of the database opens anything by it."`
	LeadIDs        []string   `json:"lead_ids,omitempty" doc:"In the answer for one grant."`
}

func grantView(now time.Time) func(grants.Grant) AccessGrant {
	return func(g grants.Grant) AccessGrant {
		out := AccessGrant{ID: g.ID.String(), Kind: string(g.Kind), To: g.To.String(), Fields: []string{}, Leads: g.Leads, Reason: g.Reason, From: g.From, Until: g.Until, State: g.State(now), By: g.By,
			CreatedAt: g.MadeAt, EndedAt: web.TimeOrNull(g.EndedAt), EndedBy: web.OrNull(g.EndedBy), KeyDestroyedAt: web.TimeOrNull(g.DestroyedAt)}
		for _, f := range g.Fields {
			out.Fields = append(out.Fields, string(f))
		}
		return out
	}
}

// Supporter is somebody to whom a grant can be given.
type Supporter struct {
	ID   string `json:"id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Name string `json:"name"`
}

type grantsIn struct {
	web.Page
	State string `query:"state" enum:"waiting,open,ended" doc:"Only those that stand like this now."`
}

// GrantPath is the input of a route about one grant.
type GrantPath struct {
	ID string `path:"id" doc:"The grant's id." example:"grant_01h455vb4pex5vsknk084sn02q"`
}

type newGrantIn struct {
	Body struct {
		To      string           `json:"to" doc:"Somebody of GET /v1/grants/supporters." example:"user_01h455vb4pex5vsknk084sn02q"`
		Leads   []string         `json:"leads,omitempty" maxItems:"500" doc:"Ids of leads. Or project_id, or filter."`
		Project string           `json:"project_id,omitempty" doc:"All leads that the project has now, 500 at most; later ones are not in it."`
		Filter  *sift.LeadFilter `json:"filter,omitempty" doc:"The leads that fit now, 500 at most: what GET /v1/leads takes, under the same names."`
		Fields  []string         `json:"fields" minItems:"1" maxItems:"5" doc:"Any of name, phone, email, message, note." example:"[\"name\",\"phone\"]"`
		From    *time.Time       `json:"from,omitempty" doc:"Left out: now."`
		Until   time.Time        `json:"until" doc:"Thirty days after from at most."`
		Reason  string           `json:"reason" minLength:"1" maxLength:"200" doc:"Why, with nothing personal; it stands on the record." example:"Ticket 4711: numbers without a country"`
	}
}

func (c *Console) grantRoutes() {
	op := func(method, path, name string, p account.Permission, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/grants" + path, Name: name, Tag: "privacy", Permission: p, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "", "list-grants", account.ReadRecord, "What somebody of the platform may open, or could", "Newest first, with those that have ended."), listGrants)
	web.Meet(c.API, op("GET", "/supporters", "list-supporters", account.ManageGrants, "To whom a grant can be given", "The platform's support."), c.supporters)
	grant := op("POST", "", "create-grant", account.ManageGrants, "Let somebody of the platform open chosen leads for a time",
		"Each opening is on your record and in GET /v1/openings at once. The keys of the leads' persons are wrapped by a key of the grant, which lies outside the database and is destroyed when the grant ends.")
	grant.Status, grant.StepUp = 201, true
	web.Do(c.API, grant, c.newGrant)
	web.See(c.API, op("GET", "/{id}", "get-grant", account.ReadRecord, "One grant, with its leads", ""), seeGrant)
	web.Do(c.API, op("POST", "/{id}/revoke", "revoke-grant", account.ManageGrants, "Take a grant back, at once",
		"Nothing more is opened by it, on any node; its key is destroyed, so that no copy of the database opens anything by it either."), c.revokeGrant)
}

func listGrants(v *web.Visit, tx *store.Tx, in *grantsIn) (*web.List[AccessGrant], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := grants.List(tx, in.State, v.At, from.At, web.IDAt[account.GrantID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(g grants.Grant) web.Place { return web.Place{At: g.MadeAt, ID: g.ID.UUID()} }, grantView(v.At)), nil
}

func (c *Console) supporters(ctx context.Context, _ *web.Visit, _ *struct{}) (*web.List[Supporter], error) {
	all, err := c.Privacy.Supporters(ctx)
	if err != nil {
		return nil, err
	}
	return whole(all, func(s privacy.Supporter) Supporter { return Supporter{s.ID.String(), s.Name} }), nil
}

func (c *Console) newGrant(v *web.Visit, tx *store.Tx, in *newGrantIn) (*AccessGrant, error) {
	b := in.Body
	n := privacy.NewGrant{Kind: grants.ByAccount, From: orNone(b.From), Until: b.Until, Reason: b.Reason, By: v.Actor}
	var err error
	if n.To, err = c.supporter(tx.Context(), b.To); err != nil {
		return nil, err
	}
	for _, text := range b.Leads {
		id, err := lead.ParseID(text)
		if err != nil {
			return nil, problem.InvalidField("leads", "unknown_lead", "No lead of this account has one of these ids.")
		}
		n.Leads = append(n.Leads, id)
	}
	if b.Project != "" {
		if n.Project, err = account.ParseProjectID(b.Project); err != nil {
			return nil, problem.InvalidField("project_id", "no_leads", "This project has no leads, or is none of this account.")
		}
	}
	if b.Filter != nil {
		if n.Leads, err = fitting(v, tx, b.Filter, n.Leads); err != nil {
			return nil, err
		}
	}
	for _, f := range b.Fields {
		n.Fields = append(n.Fields, vault.Field(f))
	}
	g, err := c.Privacy.Grant(tx, n, v.At)
	if err != nil {
		return nil, err
	}
	return new(grantView(v.At)(g)), nil
}

// fitting lists the leads that a filter means now: one more than a grant takes
// when there are too many.
func fitting(v *web.Visit, tx *store.Tx, in *sift.LeadFilter, named []lead.ID) (ids []lead.ID, err error) {
	if len(named) > 0 {
		return nil, problem.InvalidField("filter", "one_of", "Send leads or filter, not both.")
	}
	f, err := in.Filter(v.User)
	if err == nil {
		err = in.Known(tx, f)
	}
	if err == nil {
		err = in.Name(tx, &f)
	}
	if err != nil {
		return nil, err
	}
	all, err := leads.ListLeads(tx, f, leads.LeadPage{}, privacy.MostGranted+1)
	if err == nil && len(all) == 0 {
		err = problem.InvalidField("filter", "no_leads", "No lead fits this.")
	}
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	return ids, err
}

func (c *Console) supporter(ctx context.Context, text string) (account.UserID, error) {
	all, err := c.Privacy.Supporters(ctx)
	if err != nil {
		return account.UserID{}, err
	}
	for _, s := range all {
		if s.ID.String() == text {
			return s.ID, nil
		}
	}
	return account.UserID{}, problem.InvalidField("to", "no_supporter", "Nobody of the platform's support has this id: GET /v1/grants/supporters lists them.")
}

func seeGrant(v *web.Visit, tx *store.Tx, in *GrantPath) (*AccessGrant, error) {
	id, err := web.PathID(in.ID, account.ParseGrantID)
	if err != nil {
		return nil, err
	}
	g, err := grants.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	out := grantView(v.At)(g)
	ids, err := grants.Leads(tx, id)
	for _, l := range ids {
		out.LeadIDs = append(out.LeadIDs, l.String())
	}
	return &out, err
}

func (c *Console) revokeGrant(v *web.Visit, tx *store.Tx, in *GrantPath) (*AccessGrant, error) {
	id, err := web.PathID(in.ID, account.ParseGrantID)
	if err != nil {
		return nil, err
	}
	g, err := c.Privacy.Revoke(tx, id, v.Actor, v.At)
	if err != nil {
		return nil, err
	}
	return new(grantView(v.At)(g)), nil
}
