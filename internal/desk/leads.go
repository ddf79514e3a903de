package desk

import (
	"context"
	"net/http"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

const tagLeads = "leads"

func (d *Desk) leadRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads", Name: "list-leads", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "List leads, newest first",
		Detail:  "Those that the right to read leads reaches: a salesperson gets the leads they own. Without include=person the answer holds nothing personal."}, d.listLeads)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}", Name: "get-lead", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "One lead, with its person",
		Detail:  "The person is there when a purpose is: a session has one, a secret key states it in Catchment-Purpose. The opening is on the record."}, d.getLead)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/enquiries", Name: "list-lead-enquiries", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "A lead's enquiries, newest first"}, d.leadEnquiries)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/offers", Name: "list-lead-offers", Tag: tagLeads, Permission: account.ReadLeads,
		Summary: "A lead's offers, newest first"}, leadOffers)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/attempts", Name: "list-attempts", Tag: tagLeads, Permission: account.ReadLeads,
		Summary: "A lead's attempts, newest first"}, leadAttempts)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/notes", Name: "list-notes", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "A lead's notes, newest first", Detail: "The texts are personal: the page is one opening on the record; without a purpose they are null."}, d.leadNotes)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/decisions", Name: "list-decisions", Tag: tagLeads, Permission: account.ReadLeads,
		Summary: "Why the lead was offered to whom", Detail: "Each decision with every candidate and the reason why they were or were not chosen, newest first."}, d.leadDecisions)
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/next-offer", Name: "foresee-offer", Tag: tagLeads, Permission: account.ReadLeads,
		Summary: "To whom the lead would be offered now, and why not to the others",
		Detail:  "What routing would decide if the lead waited alone at this moment, by the pool, the policy in force and everybody's hours and presence. Nothing is offered and nothing is kept. A test lead is never offered: of it this says to whom one like it would go."}, d.nextOffer)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/history", Name: "lead-history", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "What was changed of the lead, by whom, from what to what",
		Detail:  "Who owned it, which stages it went through, its tags and follow-ups, and what was corrected of its person. What a name, a phone or an e-mail address was and became opens with include=person and a purpose: one opening on the record."}, d.leadHistory)
}

func (d *Desk) listLeads(ctx context.Context, v *web.Visit, in *leadsIn) (*leadsOut, error) {
	asked, err := in.Filter(v.User)
	if err != nil {
		return nil, err
	}
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	with := slices.Contains(in.Include, "person") && mayOpen(v)
	out := &leadsOut{}
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		f := asked
		if err := in.Name(tx, &f); err != nil {
			return err
		}
		found, is, err := in.find(tx, v, f, from)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(l leads.Lead) web.Place { return web.Place{At: is.TimeOf(l), ID: l.ID.UUID()} })
		cut.Items = slices.DeleteFunc(cut.Items, func(l leads.Lead) bool {
			return len(f.Owners) > 0 && !slices.Contains(f.Owners, l.Owner) || !v.Reads(l.Owner, l.Project)
		})
		list, err := leadList(tx, v, cut, func(l leads.Lead) rights.Sight { return reachedIf(with, v, l) }, page)
		if err == nil {
			out.List, out.Work = *list, is
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, page.open(ctx, d.Opener, v)
}

// listFor lists what was asked for of what the visitor reads. A list by person does
// not look at the owner, so the caller leaves out what the visitor may not read.
func listFor(tx *store.Tx, v *web.Visit, f leads.LeadFilter, from web.Place, limit int) ([]leads.Lead, error) {
	of, ok := whose(v)
	if !ok {
		return nil, nil
	}
	if f.TeamsOf = of.TeamsOf; !of.Owner.IsZero() {
		if len(f.Owners) > 0 && !slices.Contains(f.Owners, of.Owner) {
			return nil, nil
		}
		f.Owners = []account.UserID{of.Owner}
	}
	return leads.ListLeads(tx, f, leads.LeadPage{CreatedAt: from.At, ID: web.IDAt[lead.ID](from)}, limit)
}

func leadList(tx *store.Tx, v *web.Visit, cut *web.List[leads.Lead], with func(leads.Lead) rights.Sight, page *album) (*web.List[Lead], error) {
	items, err := leadViews(tx, v, cut.Items)
	if err != nil {
		return nil, err
	}
	list := &web.List[Lead]{Items: items, NextCursor: cut.NextCursor}
	persons := make([]seen, len(cut.Items))
	for i, l := range cut.Items {
		persons[i] = seen{l.Person, with(l)}
	}
	return list, page.persons(tx, persons, func(i int, p *Person) { list.Items[i].Person = p })
}

func (d *Desk) getLead(ctx context.Context, v *web.Visit, in *LeadPath) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	var out *Lead
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		l, err := readable(tx, v, id)
		if err != nil {
			return err
		}
		sees, err := sight(tx, v, l)
		if err != nil {
			return err
		}
		list, err := leadList(tx, v, &web.List[leads.Lead]{Items: []leads.Lead{l}}, func(leads.Lead) rights.Sight { return sees }, page)
		if err == nil {
			out = &list.Items[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, page.open(ctx, d.Opener, v)
}

type leadEnquiriesIn struct {
	LeadPath
	web.Page
	Include []string `query:"include" enum:"message" doc:"message: with message, personal custom fields and consent, opened on the record."`
}

func (d *Desk) leadEnquiries(ctx context.Context, v *web.Visit, in *leadEnquiriesIn) (*web.List[Enquiry], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var list *web.List[Enquiry]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page, list = &album{}, &web.List[Enquiry]{}
		l, err := leadOf(&in.LeadPath, tx, v)
		if err != nil {
			return err
		}
		found, err := leads.EnquiriesOf(tx, l.ID, leads.EnquiryPage{ReceivedAt: from.At, ID: web.IDAt[lead.EnquiryID](from)}, in.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(e leads.Enquiry) web.Place { return web.Place{At: e.ReceivedAt, ID: e.ID.UUID()} })
		sees, err := sight(tx, v, l)
		if err != nil {
			return err
		}
		include := includes{message: slices.Contains(in.Include, "message"), sees: sees}
		list.NextCursor = cut.NextCursor
		list.Items, err = enquiryViews(tx, cut.Items, always(include), page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

func leadOffers(v *web.Visit, tx *store.Tx, in *LeadPath) (*web.List[Offer], error) {
	l, err := leadOf(in, tx, v)
	if err != nil {
		return nil, err
	}
	found, err := offers.OfLead(tx, l.ID)
	if err != nil {
		return nil, err
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	list := &web.List[Offer]{Items: []Offer{}}
	for _, o := range slices.Backward(found) {
		list.Items = append(list.Items, n.offer(o, l))
	}
	return list, nil
}

// leadOf finds the path's lead for the visitor.
func leadOf(in *LeadPath, tx *store.Tx, v *web.Visit) (leads.Lead, error) {
	id, err := in.lead()
	if err != nil {
		return leads.Lead{}, err
	}
	return readable(tx, v, id)
}

type pagedLead struct {
	LeadPath
	web.Page
}

func leadAttempts(v *web.Visit, tx *store.Tx, in *pagedLead) (*web.List[Attempt], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	l, err := leadOf(&in.LeadPath, tx, v)
	if err != nil {
		return nil, err
	}
	found, err := leads.WorkAttempts(tx, l.ID, from.At, web.IDAt[lead.AttemptID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, found, func(a leads.Attempt) web.Place { return web.Place{At: a.StartedAt, ID: a.ID.UUID()} }, attemptView), nil
}

func (d *Desk) leadNotes(ctx context.Context, v *web.Visit, in *pagedLead) (*web.List[Note], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var list *web.List[Note]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page, list = &album{}, &web.List[Note]{}
		l, err := leadOf(&in.LeadPath, tx, v)
		if err != nil {
			return err
		}
		found, err := leads.WorkNotes(tx, l.ID, from.At, web.IDAt[lead.NoteID](from), in.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(n leads.Note) web.Place { return web.Place{At: n.CreatedAt, ID: n.ID.UUID()} })
		list.NextCursor, list.Items = cut.NextCursor, make([]Note, len(cut.Items))
		sees, err := sight(tx, v, l)
		for i, n := range cut.Items {
			list.Items[i] = Note{ID: n.ID.String(), LeadID: n.Lead.String(), By: n.By, CreatedAt: n.CreatedAt}
			page.add(n.Text, sees.Of(rights.Notes), func(s string, _ keyring.State) { list.Items[i].Text = web.OrNull(s) })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

// Decision is one round's word about a lead.
type Decision struct {
	RoundID    string      `json:"round_id" example:"rnd_01h455vb4pex5vsknk084sn02q"`
	DecidedAt  time.Time   `json:"decided_at"`
	UserID     *string     `json:"user_id" doc:"Who was chosen; null: nobody was eligible."`
	OfferID    *string     `json:"offer_id"`
	PolicyID   *string     `json:"policy_id" doc:"null: the plain rotation."`
	Rule       *string     `json:"rule" doc:"By which it was given; of nobody's: the first that held." example:"Everyone"`
	Candidates []Candidate `json:"candidates" nullable:"false" doc:"Everybody in the pool."`
}

// Candidate is a member of the pool in a decision.
type Candidate struct {
	UserID string `json:"user_id"`
	Name   string `json:"name"`
	Reason string `json:"reason" doc:"A code." example:"off_shift"`
	Words  string `json:"words" doc:"The reason for people." example:"Not on shift"`
}

// words says a candidate's reason to people.
var words = map[routing.Reason]string{
	routing.Inactive:       "Not active in the account or the pool",
	routing.OffShift:       "Not on shift",
	routing.IsAway:         "Away",
	routing.IsEngaged:      "Engaged",
	routing.IsLoggedOff:    "Logged off",
	routing.DeclinedBefore: "Declined this lead before",
	routing.AlreadyOffered: "Missed this lead before, and has not been away since",
	routing.Busy:           "Has as many open offers as the pool allows",
	routing.LaterInTurn:    "Eligible, but another one's turn came first",
	routing.Unreachable:    "No device of theirs answered lately",
	routing.CoolingDown:    "Accepted a lead a moment ago",
	routing.AtCapacity:     "Has as many open leads as the policy allows",
	routing.DayFull:        "Took as many leads today as the policy allows",
	routing.HoursClosed:    "Outside the routing hours",
	routing.NotInRule:      "Not a member of the rules that were tried",
	routing.NoWeight:       "Has no weight in the rule",
	routing.LacksTag:       "Lacks a tag that the rule asks for",
	routing.NoContact:      "The person must not be contacted",
	routing.WasSilent:      "Had this lead, and let a clock of the policy run out",
	routing.Chosen:         "Chosen: eligible, and next by the rule's method",
}

type decisionsIn struct {
	LeadPath
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many decisions at most."`
}

func (d *Desk) leadDecisions(v *web.Visit, tx *store.Tx, in *decisionsIn) (*web.List[Decision], error) {
	l, err := leadOf(&in.LeadPath, tx, v)
	if err != nil {
		return nil, err
	}
	found, err := d.Routing.Explain(tx, l.ID, in.Limit)
	if err != nil {
		return nil, err
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	list := &web.List[Decision]{Items: []Decision{}}
	for _, e := range slices.Backward(found) {
		out := Decision{RoundID: e.Round.String(), DecidedAt: e.At, UserID: web.OrNull(e.User.String()), OfferID: web.OrNull(e.Offer.String()),
			PolicyID: web.OrNull(e.Policy.String()), Rule: web.OrNull(e.Rule), Candidates: n.candidates(e.Candidates)}
		list.Items = append(list.Items, out)
	}
	return list, nil
}

func (n names) candidates(all []routing.Why) []Candidate {
	out := make([]Candidate, len(all))
	for i, c := range all {
		out[i] = Candidate{c.User.String(), n.users[c.User], c.Reason.String(), words[c.Reason]}
	}
	return out
}

// NextOffer is what routing would decide about a lead now.
type NextOffer struct {
	DecidedAt  time.Time   `json:"decided_at"`
	UserID     *string     `json:"user_id" doc:"Who would be offered it; null: nobody can take it."`
	PolicyID   *string     `json:"policy_id" doc:"null: the plain rotation."`
	Rule       *string     `json:"rule" doc:"By which; of nobody's: the first that holds." example:"Everyone"`
	HasPool    bool        `json:"has_pool" doc:"False: the project has no pool, and its leads wait until it gets one."`
	AgainAt    *time.Time  `json:"again_at" doc:"When a shift, the routing hours or a limit of time next change it; null: not by themselves."`
	Candidates []Candidate `json:"candidates" nullable:"false" doc:"Everybody in the pool."`
}

func (d *Desk) nextOffer(v *web.Visit, tx *store.Tx, in *LeadPath) (*NextOffer, error) {
	l, err := leadOf(in, tx, v)
	if err != nil {
		return nil, err
	}
	f, err := d.Routing.Foresee(tx, l.ID)
	if err != nil {
		return nil, err
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	return &NextOffer{DecidedAt: f.At, UserID: web.OrNull(f.User.String()), PolicyID: web.OrNull(f.Policy.String()), Rule: web.OrNull(f.Rule),
		HasPool: f.Pool, AgainAt: web.TimeOrNull(f.Again.UTC()), Candidates: n.candidates(f.Candidates)}, nil
}
