package desk

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/firewall"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// Quarantined is an enquiry that waits for a human's look, or that a human has
// judged.
type Quarantined struct {
	Enquiry    Enquiry    `json:"enquiry"`
	Reason     string     `json:"reason" enum:"honeypot,disposable_address,bad_pattern,burst_person,burst_address,firewall" doc:"Which rule held it."`
	Rules      []Spoke    `json:"rules" nullable:"false" doc:"Rules of the firewall that spoke of what it says; never what they spoke of."`
	Inspected  *time.Time `json:"inspected_at" doc:"When the firewall's whole set of rules was asked; null: not, or not needed."`
	State      string     `json:"state" enum:"held,kept,released"`
	ReceivedAt time.Time  `json:"received_at"`
	JudgedAt   *time.Time `json:"judged_at" doc:"null: nobody has looked."`
	JudgedBy   *string    `json:"judged_by" doc:"A user's or key's id."`
}

// Spoke is a rule of the firewall.
type Spoke struct {
	ID   int    `json:"id" doc:"The rule's number in the OWASP Core Rule Set; below 1000 it says why no rule was asked." example:"942100"`
	Name string `json:"name" doc:"What it looks for, in English." example:"SQL Injection Attack Detected via libinjection"`
}

// QuarantineRules are what an account adds to the program's own rules.
type QuarantineRules struct {
	Domains           []string `json:"domains" nullable:"false" maxItems:"1000" doc:"E-mail domains that are held; those below them too." example:"[\"disposable.example\"]"`
	Patterns          []string `json:"patterns" nullable:"false" maxItems:"200" doc:"Words that hold an enquiry when they are in its name or message." example:"[\"cheap followers\"]"`
	PersonAnHour      int      `json:"person_an_hour" minimum:"0" maximum:"100000" doc:"How many enquiries of one person pass in an hour, by one source. 0: 20."`
	AddressTenMinutes int      `json:"address_ten_minutes" minimum:"0" maximum:"1000000" doc:"How many of one sender's address pass in ten minutes, by one source. 0: 60."`
	FirewallPass      []int    `json:"firewall_pass,omitempty" maxItems:"100" doc:"Rules of the firewall that hold nothing of yours: what only they spoke of is let through." example:"[942100]"`
}

type quarantineIn struct {
	web.Page
	State   string   `query:"state" enum:"held,kept,released" default:"held" doc:"held: what waits for a look."`
	Test    bool     `query:"test" doc:"Test enquiries too."`
	Include []string `query:"include" enum:"person,message" doc:"Personal parts to open, on the record as one entry."`
}

// HeldPath is the input of a route about one quarantined enquiry.
type HeldPath struct {
	ID string `path:"id" doc:"The enquiry's id." example:"enq_01h455vb4pex5vsknk084sn02q"`
}

type rulesIn struct{ Body QuarantineRules }

func (d *Desk) quarantineRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/quarantine", Name: "list-quarantine", Tag: tagLeads, Opens: true, Permission: account.MoveLeads,
		Summary: "Enquiries that wait for a look, newest first"}, d.listQuarantine)
	op := func(verb, name, summary, detail string) web.Op {
		return web.Op{Method: http.MethodPost, Path: "/v1/quarantine/{id}/" + verb, Name: name, Tag: tagLeads, Permission: account.MoveLeads, Summary: summary, Detail: detail}
	}
	web.Do(d.API, op("release", "release-enquiry", "Let an enquiry through", "It goes to the person's open lead of the project, or makes one, which is routed. 409 already_released."),
		d.judge(func(tx *store.Tx, id lead.EnquiryID, by string) error { return d.Persons.Release(tx, id, by) }))
	web.Do(d.API, op("keep", "keep-enquiry", "Say that an enquiry stays in quarantine", "It leaves the list of those that wait, and can still be released."),
		d.judge(func(tx *store.Tx, id lead.EnquiryID, by string) error { return d.Persons.Keep(tx, id, by) }))
	web.See(d.API, web.Op{Method: http.MethodGet, Path: "/v1/quarantine-rules", Name: "get-quarantine-rules", Tag: "setup", Permission: account.MoveLeads,
		Summary: "What the account adds to the rules of the quarantine"}, getRules)
	web.Do(d.API, web.Op{Method: http.MethodPut, Path: "/v1/quarantine-rules", Name: "put-quarantine-rules", Tag: "setup", Permission: account.ManageSetup,
		Summary: "Set what the account adds to the rules of the quarantine", Detail: "It counts a second later. What was taken before stays as it is."}, putRules)
}

func (d *Desk) listQuarantine(ctx context.Context, v *web.Visit, in *quarantineIn) (*web.List[Quarantined], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var list *web.List[Quarantined]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		var teamsOf account.UserID
		if v.Reach(account.MoveLeads) != rights.All {
			if teamsOf = v.User; teamsOf.IsZero() { // a key is in no team
				list = &web.List[Quarantined]{Items: []Quarantined{}}
				return nil
			}
		}
		found, err := leads.ListHeld(tx, lead.Held(in.State), in.Test, teamsOf, leads.EnquiryPage{ReceivedAt: from.At, ID: web.IDAt[lead.EnquiryID](from)}, in.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(h leads.Held) web.Place { return web.Place{At: h.ReceivedAt, ID: h.Enquiry.UUID()} })
		list = &web.List[Quarantined]{NextCursor: cut.NextCursor}
		asked := included(v, in.Include)
		list.Items, err = heldViews(tx, cut.Items, func(e leads.Enquiry) includes {
			return asked.seeing(reached(v, account.UserID{}, e.Project))
		}, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

func heldViews(tx *store.Tx, all []leads.Held, with func(leads.Enquiry) includes, page *album) ([]Quarantined, error) {
	ids := make([]lead.EnquiryID, len(all))
	for i, h := range all {
		ids[i] = h.Enquiry
	}
	known, err := leads.EnquiriesByID(tx, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]leads.Enquiry, len(all))
	for i, id := range ids {
		rows[i] = known[id]
	}
	views, err := enquiryViews(tx, rows, with, page)
	if err != nil {
		return nil, err
	}
	out := make([]Quarantined, len(all))
	for i, h := range all {
		out[i] = Quarantined{Reason: h.Reason, State: string(h.State), ReceivedAt: h.ReceivedAt, JudgedAt: web.TimeOrNull(h.JudgedAt), JudgedBy: web.OrNull(h.JudgedBy),
			Rules: spoke(h.Rules), Inspected: web.TimeOrNull(h.InspectedAt)}
	}
	// What is opened is put into the views when the album is.
	page.then(func() {
		for i := range out {
			out[i].Enquiry = views[i]
		}
	})
	return out, nil
}

func (d *Desk) judge(say func(*store.Tx, lead.EnquiryID, string) error) func(*web.Visit, *store.Tx, *HeldPath) (*Quarantined, error) {
	return func(v *web.Visit, tx *store.Tx, in *HeldPath) (*Quarantined, error) {
		id, err := web.PathID(in.ID, lead.ParseEnquiryID)
		if err != nil {
			return nil, err
		}
		e, err := leads.EnquiryByID(tx, id)
		if errors.Is(err, store.ErrNone) || err == nil && !v.ReachesProject(account.MoveLeads, e.Project) {
			err = problem.NotFound()
		}
		if err != nil {
			return nil, err
		}
		if err := say(tx, id, v.Actor); err != nil {
			return nil, err
		}
		h, err := leads.HeldByID(tx, id)
		if err != nil {
			return nil, err
		}
		page := &album{}
		out, err := heldViews(tx, []leads.Held{h}, always(includes{}), page)
		if err != nil {
			return nil, err
		}
		page.finish()
		return &out[0], nil
	}
}

func spoke(rules []int) []Spoke {
	out := make([]Spoke, len(rules))
	for i, id := range rules {
		out[i] = Spoke{id, firewall.Name(id)}
	}
	return out
}

func rulesView(r lead.QuarantineRules) *QuarantineRules {
	return &QuarantineRules{Domains: append([]string{}, r.Domains...), Patterns: append([]string{}, r.Patterns...),
		PersonAnHour: r.PersonAnHour, AddressTenMinutes: r.AddressTenMinutes, FirewallPass: r.FirewallPass}
}

func getRules(v *web.Visit, tx *store.Tx, in *struct{}) (*QuarantineRules, error) {
	r, err := setup.QuarantineRules(tx)
	return rulesView(r), err
}

func putRules(v *web.Visit, tx *store.Tx, in *rulesIn) (*QuarantineRules, error) {
	r := lead.QuarantineRules{PersonAnHour: in.Body.PersonAnHour, AddressTenMinutes: in.Body.AddressTenMinutes}
	for _, s := range in.Body.Domains {
		s = strings.ToLower(strings.TrimSpace(s))
		if len(s) > 253 || !strings.Contains(s, ".") || strings.ContainsAny(s, "@/ ") {
			return nil, problem.InvalidField("domains", "bad_domain", "Send domains, such as disposable.example.")
		}
		r.Domains = append(r.Domains, s)
	}
	for _, s := range in.Body.Patterns {
		s = strings.ToLower(strings.TrimSpace(s))
		if len(s) < 4 || len(s) > 200 {
			return nil, problem.InvalidField("patterns", "bad_pattern", "A pattern has 4 to 200 bytes: a shorter one would hold half of what comes.")
		}
		r.Patterns = append(r.Patterns, s)
	}
	for _, id := range in.Body.FirewallPass {
		if id < 900_000 || id > 999_999 {
			return nil, problem.InvalidField("firewall_pass", "unknown_rule", "Send numbers of the Core Rule Set's rules, such as 942100.")
		}
	}
	r.FirewallPass = in.Body.FirewallPass
	if err := setup.SetQuarantineRules(tx, r, v.At); err != nil {
		return nil, err
	}
	return rulesView(r), audit.Write(tx, v.At, audit.Entry{Actor: v.Actor, Action: "quarantine.rules", About: "quarantine",
		Detail: map[string]any{"domains": len(r.Domains), "patterns": len(r.Patterns), "firewall_pass": r.FirewallPass}})
}
