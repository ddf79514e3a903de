package routing

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/policies"
	"catchment/internal/store/setup"
)

// planned is a round's plan with what is needed to fill in its leads.
type planned struct {
	*Plan
	policy *compiled // nil: the plain rotation
	zone   *time.Location
	next   time.Time // when the policy next lets somebody take a lead who cannot now
}

// policy reads a published or drafted one, ready to be asked.
func (r *Router) policy(tx *store.Tx, id account.PolicyID) (*compiled, error) {
	if c, ok := r.policies.Load(id); ok {
		return c.(*compiled), nil
	}
	row, err := policies.Get(tx, id)
	if err != nil {
		return nil, err
	}
	var p Policy
	if err := json.Unmarshal([]byte(row.Body), &p); err != nil {
		return nil, fmt.Errorf("routing: policy %s: %w", id, err)
	}
	c, err := compilePolicy(p)
	if err != nil {
		return nil, err
	}
	tx.AfterCommit(func() { r.policies.Store(id, c) })
	return c, nil
}

// plan gives the round the pool's published policy, and its candidates what
// the policy asks of them. Of the plain rotation nothing is read or saved.
func (r *Router) plan(tx *store.Tx, pool offers.Pool, in *Round) (planned, error) {
	if pool.Policy.IsZero() {
		return planned{}, nil
	}
	c, err := r.policy(tx, pool.Policy)
	if err != nil || c.plain() {
		return planned{}, err
	}
	project, err := setup.GetProject(tx, pool.Project)
	if err != nil {
		return planned{}, err
	}
	out := planned{Plan: &Plan{ID: pool.Policy, Policy: c.Policy}, policy: c, zone: r.zone(project.TimeZone)}
	at := time.UnixMicro(in.At).UTC()
	open, next := c.openAt(at, out.zone)
	out.Closed = !open
	out.next = next
	in.Plan = out.Plan
	if err := r.people(tx, in, out.zone); err != nil {
		return planned{}, err
	}
	if c.CapacityDay > 0 {
		out.next = sooner(out.next, midnight(at.In(out.zone), 1))
	}
	for _, p := range in.Candidates {
		if p.absent() == 0 && out.kept(p, in.At) == Unreachable { // nobody tells us when a device answers again
			out.next = sooner(out.next, at.Add(reachPause))
		}
		if end := p.LastAcceptAt + c.CoolDownSeconds*1e6; p.LastAcceptAt > 0 && end > in.At {
			out.next = sooner(out.next, time.UnixMicro(end).UTC())
		}
	}
	return out, nil
}

// reachPause is how soon a round looks again whether a device has answered.
const reachPause = 15 * time.Second

// sooner is the earlier one; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// people fills in what the plan asks of the candidates, and only that.
func (r *Router) people(tx *store.Tx, in *Round, zone *time.Location) error {
	p := in.Plan.Policy
	users := make([]account.UserID, len(in.Candidates))
	for i, c := range in.Candidates {
		users[i] = c.User
	}
	fill := func(wanted bool, read func() (map[account.UserID]int64, error), put func(*Candidate, int64)) error {
		if !wanted {
			return nil
		}
		of, err := read()
		for i := range in.Candidates {
			put(&in.Candidates[i], of[in.Candidates[i].User])
		}
		return err
	}
	least := false
	for _, rule := range p.Rules {
		least = least || rule.Method == LeastOpen
	}
	day := midnight(time.UnixMicro(in.At).In(zone), 0)
	for _, f := range []struct {
		wanted bool
		read   func() (map[account.UserID]int64, error)
		put    func(*Candidate, int64)
	}{
		{p.CapacityOpen > 0 || least, func() (map[account.UserID]int64, error) { return offers.OpenLeads(tx, users) }, func(c *Candidate, n int64) { c.OpenLeads = n }},
		{p.CapacityDay > 0, func() (map[account.UserID]int64, error) { return offers.TakenSince(tx, day, users) }, func(c *Candidate, n int64) { c.TakenToday = n }},
		{p.CoolDownSeconds > 0, func() (map[account.UserID]int64, error) { return offers.LastTaken(tx, users) }, func(c *Candidate, n int64) { c.LastAcceptAt = n }},
		{p.ReachableSeconds > 0, func() (map[account.UserID]int64, error) { return offers.LastSeen(tx, users) }, func(c *Candidate, n int64) { c.SeenAt = n }},
	} {
		if err := fill(f.wanted, f.read, f.put); err != nil {
			return err
		}
	}
	return nil
}

// attributes fills in the leads' attributes, which rule takes each, and who
// owned the person's last lead.
func (r *Router) attributes(tx *store.Tx, plan planned, in *Round) error {
	if plan.policy == nil || len(in.Leads) == 0 {
		return nil
	}
	ids := make([]lead.ID, len(in.Leads))
	for i, l := range in.Leads {
		ids[i] = l.Lead
	}
	facts, err := offers.FactsOf(tx, ids)
	if err != nil {
		return err
	}
	t := time.UnixMicro(in.At).In(plan.zone)
	for i := range in.Leads {
		a := attributesOf(facts[in.Leads[i].Lead])
		in.Leads[i].Attributes = &a
		in.Leads[i].Rule = plan.policy.rule(a, t.Hour(), int(t.Weekday()))
	}
	for _, rule := range plan.policy.Rules {
		if !rule.Sticky {
			continue
		}
		owners, err := offers.OwnersBefore(tx, ids)
		for i := range in.Leads {
			in.Leads[i].Sticky = owners[in.Leads[i].Lead]
		}
		return err
	}
	return nil
}

// attributesOf reads them out of an enquiry. area, language, value and tags
// are custom fields of these names that the source marks non-personal.
func attributesOf(f offers.LeadFacts) Attributes {
	a := Attributes{Source: f.Source, Project: f.Project, Country: f.Country}
	var from, custom map[string]any
	_ = json.Unmarshal([]byte(f.Attribution), &from) // what is no object has no attributes
	_ = json.Unmarshal([]byte(f.Custom), &custom)
	a.Campaign, a.Medium = text(from["utm_campaign"]), text(from["utm_medium"])
	a.Area, a.Language = text(custom["area"]), text(custom["language"])
	switch v := custom["value"].(type) {
	case float64:
		a.Value = v
	case string:
		_ = json.Unmarshal([]byte(v), &a.Value) // no number: 0
	}
	switch v := custom["tags"].(type) {
	case string:
		a.Tags = []string{v}
	case []any:
		for _, t := range v {
			if s := text(t); s != "" {
				a.Tags = append(a.Tags, s)
			}
		}
	}
	return a
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
