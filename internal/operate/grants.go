package operate

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// GrantToMe is what an account lets the visitor open, or did.
type GrantToMe struct {
	ID        string    `json:"id" example:"grant_01h455vb4pex5vsknk084sn02q"`
	AccountID string    `json:"account_id" example:"acct_01h455vb4pex5vsknk084sn02q"`
	Kind      string    `json:"kind" enum:"account,break-glass"`
	Fields    []string  `json:"fields" nullable:"false" doc:"What may be opened." example:"[\"name\",\"phone\"]"`
	Reason    string    `json:"reason"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	State     string    `json:"state" enum:"waiting,open,ended"`
	CreatedAt time.Time `json:"created_at"`
}

// GrantedLead is a lead of a grant, with nothing personal.
type GrantedLead struct {
	ID         string     `json:"id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	ProjectID  string     `json:"project_id"`
	SourceID   string     `json:"source_id"`
	Category   string     `json:"category" enum:"new,follow-up,won,dropped"`
	RouteState string     `json:"route_state"`
	CreatedAt  time.Time  `json:"created_at"`
	ClosedAt   *time.Time `json:"closed_at"`
}

// GrantedLeads are all leads of a grant that are left.
type GrantedLeads struct {
	Grant GrantToMe     `json:"grant"`
	Items []GrantedLead `json:"items" nullable:"false"`
}

// OpenedLead is what a grant opens of a lead.
type OpenedLead struct {
	Lead   GrantedLead   `json:"lead"`
	Values []OpenedValue `json:"values" nullable:"false"`
}

// OpenedValue is one text of a lead.
type OpenedValue struct {
	Field  string     `json:"field" enum:"name,phone,email,message,note"`
	Text   *string    `json:"text" doc:"null: there is none."`
	At     *time.Time `json:"at" doc:"Of a message or a note: when it came or was written."`
	Erased bool       `json:"erased" doc:"It was erased, for good."`
}

// GrantToMePath is the input of a route about a grant to oneself.
type GrantToMePath struct {
	ID string `path:"id" doc:"The grant's id." example:"grant_01h455vb4pex5vsknk084sn02q"`
}

type grantsToMeIn struct{ web.Page }

type grantedLeadIn struct {
	GrantToMePath
	Lead string `path:"lead" doc:"The lead's id." example:"lead_01h455vb4pex5vsknk084sn02q"`
}

func (p Parts) grantRoutes() {
	op := func(path, name, summary, detail string) web.Op {
		return web.Op{Method: "GET", Path: "/v1/operator/grants" + path, Name: name, Tag: "operator", Permission: account.UseGrants, Summary: summary, Detail: detail}
	}
	web.Meet(p.API, op("", "operator-grants", "What accounts let you open", "Newest first, with those that have ended. Nobody else's."), p.grants)
	web.Meet(p.API, op("/{id}/leads", "operator-grant-leads", "The leads of a grant", "With nothing personal. 403 grant_ended once it is over or revoked."), p.grantLeads)
	open := op("/{id}/leads/{lead}", "operator-open-lead", "Open what a grant is for of a lead",
		"The opening is on the account's record before anything is opened, and the account sees it at once. Say why in Catchment-Purpose. 403 grant_ended once it is over or revoked, on every node.")
	open.Opens = true
	web.Meet(p.API, open, p.openLead)
}

func toMe(now time.Time) func(grants.Grant) GrantToMe {
	return func(g grants.Grant) GrantToMe {
		out := GrantToMe{ID: g.ID.String(), AccountID: g.Account.String(), Kind: string(g.Kind), Fields: []string{}, Reason: g.Reason, From: g.From, Until: g.Until, State: g.State(now), CreatedAt: g.MadeAt}
		for _, f := range g.Fields {
			out.Fields = append(out.Fields, string(f))
		}
		return out
	}
}

func (p Parts) grants(ctx context.Context, v *web.Visit, in *grantsToMeIn) (*web.List[GrantToMe], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := p.Support.Grants(ctx, v.User, from.At, web.IDAt[account.GrantID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(g grants.Grant) web.Place { return web.Place{At: g.MadeAt, ID: g.ID.UUID()} }, toMe(v.At)), nil
}

func (p Parts) grantLeads(ctx context.Context, v *web.Visit, in *GrantToMePath) (*GrantedLeads, error) {
	id, err := web.PathID(in.ID, account.ParseGrantID)
	if err != nil {
		return nil, err
	}
	g, all, err := p.Support.Leads(ctx, v.User, id)
	if err != nil {
		return nil, err
	}
	out := &GrantedLeads{Grant: toMe(v.At)(g), Items: []GrantedLead{}}
	for _, l := range all {
		out.Items = append(out.Items, grantedView(l))
	}
	return out, nil
}

func grantedView(l leads.Lead) GrantedLead {
	return GrantedLead{ID: l.ID.String(), ProjectID: l.Project.String(), SourceID: l.Source.String(), Category: string(l.Category), RouteState: string(l.RouteState),
		CreatedAt: l.CreatedAt, ClosedAt: web.TimeOrNull(l.ClosedAt)}
}

func (p Parts) openLead(ctx context.Context, v *web.Visit, in *grantedLeadIn) (*OpenedLead, error) {
	id, err := web.PathID(in.ID, account.ParseGrantID)
	if err != nil {
		return nil, err
	}
	of, err := web.PathID(in.Lead, lead.ParseID)
	if err != nil {
		return nil, err
	}
	if v.Purpose == "" {
		return nil, problem.InvalidField("Catchment-Purpose", "required", "Say in this header why you open somebody's data; the account reads it.")
	}
	opened, err := p.Support.Open(ctx, v.User, id, of, v.Purpose)
	if err != nil {
		return nil, err
	}
	return openedView(opened), nil
}

func openedView(o privacy.Granted) *OpenedLead {
	out := &OpenedLead{Lead: grantedView(o.Lead), Values: []OpenedValue{}}
	for _, x := range o.Values {
		out.Values = append(out.Values, OpenedValue{Field: string(x.Field), Text: web.OrNull(reveal.Text(x.Text)), At: web.TimeOrNull(x.At), Erased: x.Erased})
	}
	return out
}
