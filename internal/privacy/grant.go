package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// EndGrantJob ends a grant whose time is over, and destroys its key; its key is
// the grant's id.
const EndGrantJob jobs.Kind = "end-grant"

// Bounds of a grant.
const (
	LongestGrant = 30 * 24 * time.Hour
	MostGranted  = 500 // leads
)

// GrantFields are what a grant can be for, in the order of screens.
func GrantFields() []vault.Field {
	return []vault.Field{vault.Name, vault.Phone, vault.Email, vault.Message, vault.Note}
}

// NewGrant is what is to be granted, to whom, and why. Leads are chosen by their
// ids, or as those that a project has now.
type NewGrant struct {
	ID          account.GrantID // zero: a new one
	Kind        grants.Kind
	To          account.UserID
	Leads       []lead.ID
	Project     account.ProjectID
	Fields      []vault.Field
	From, Until time.Time // a zero From: now
	Reason      string
	By          string
	Approved    []string // of an emergency: who approved it besides
}

// Grant lets somebody of the platform open the leads: their persons' keys are
// wrapped a second time by a key that is kept outside SQL. A transaction that
// fails leaves a key that opens nothing, and goes with SweepGrants.
func (p *Privacy) Grant(tx *store.Tx, n NewGrant, now time.Time) (grants.Grant, error) {
	if err := n.check(now); err != nil {
		return grants.Grant{}, err
	}
	chosen, err := n.leads(tx)
	if err != nil {
		return grants.Grant{}, err
	}
	if n.ID.IsZero() {
		n.ID = account.NewGrantID()
	}
	g := grants.Grant{ID: n.ID, Account: tx.Account(), Kind: n.Kind, To: n.To, Fields: n.Fields, Reason: n.Reason, From: store.Clock(n.From), Until: store.Clock(n.Until),
		By: n.By, MadeAt: now, Leads: int64(len(chosen))}
	keys, err := p.lend(tx, g, chosen)
	if err != nil {
		return g, err
	}
	ids := make([]lead.ID, len(chosen))
	for i, l := range chosen {
		ids[i] = l.ID
	}
	if err := grants.Add(tx, g, ids, keys); err != nil {
		return g, err
	}
	if err := p.o.Jobs.Add(tx, EndGrantJob, g.ID.String(), g.Until); err != nil {
		return g, err
	}
	detail := map[string]any{"to": g.To.String(), "leads": g.Leads, "fields": g.Fields, "from": g.From, "until": g.Until, "kind": g.Kind, "reason": g.Reason}
	if len(n.Approved) > 0 {
		detail["approved_by"] = n.Approved
	}
	return g, told(tx, p.o.Events, events.GrantMade, g, n.By, now, detail)
}

func (n *NewGrant) check(now time.Time) error {
	if n.From.Before(now) {
		n.From = now
	}
	n.Reason = strings.TrimSpace(n.Reason)
	slices.SortFunc(n.Fields, func(a, b vault.Field) int { return slices.Index(GrantFields(), a) - slices.Index(GrantFields(), b) })
	n.Fields = slices.Compact(n.Fields)
	switch {
	case len(n.Fields) == 0:
		return problem.InvalidField("fields", "required", "Say what may be opened: name, phone, email, message, note.")
	case slices.ContainsFunc(n.Fields, func(f vault.Field) bool { return !slices.Contains(GrantFields(), f) }):
		return problem.InvalidField("fields", "unknown_field", "A grant is for name, phone, email, message and note.")
	case n.Reason == "":
		return problem.InvalidField("reason", "required", "Say why; it stands on the record.")
	case !n.Until.After(n.From):
		return problem.InvalidField("until", "bad_time", "A grant ends after it begins, and after now.")
	case n.Until.Sub(n.From) > LongestGrant || n.From.Sub(now) > LongestGrant:
		return problem.InvalidField("until", "too_long", "A grant lasts thirty days at most, and begins within thirty.")
	case (len(n.Leads) == 0) == n.Project.IsZero():
		return problem.InvalidField("leads", "required", "Choose leads by their ids, or all that a project has now.")
	}
	return nil
}

func (n *NewGrant) leads(tx *store.Tx) (out []leads.Lead, err error) {
	if n.Project.IsZero() {
		seen := map[lead.ID]bool{}
		n.Leads = slices.DeleteFunc(n.Leads, func(id lead.ID) bool { again := seen[id]; seen[id] = true; return again })
		out, err = leads.LeadsByID(tx, n.Leads...)
		if err == nil && len(out) != len(n.Leads) {
			err = problem.InvalidField("leads", "unknown_lead", "No lead of this account has one of these ids.")
		}
	} else {
		out, err = leads.ListLeads(tx, leads.LeadFilter{Project: n.Project}, leads.LeadPage{}, MostGranted+1)
		if err == nil && len(out) == 0 {
			err = problem.InvalidField("project", "no_leads", "This project has no leads, or is none of this account.")
		}
	}
	if err == nil && len(out) > MostGranted {
		err = problem.InvalidField("leads", "too_many", "A grant is for %d leads at most.", MostGranted)
	}
	return out, err
}

// lend makes the grant's key and wraps with it the keys of those whom the leads
// are of, with all who are merged with them.
func (p *Privacy) lend(tx *store.Tx, g grants.Grant, of []leads.Lead) (map[lead.PersonID][]byte, error) {
	var subjects []vault.Subject
	seen := map[lead.PersonID]bool{}
	for _, l := range of {
		same, err := people.Same(tx, l.Person)
		if err != nil {
			return nil, err
		}
		for _, id := range same {
			if !seen[id] {
				seen[id] = true
				subjects = append(subjects, vault.Subject(id.UUID()))
			}
		}
	}
	wrapped, err := people.Keys(tx, subjects)
	if err != nil {
		return nil, err
	}
	set, err := p.o.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	key, err := p.o.Grants.New(tx.Context(), tx.Account(), keyring.GrantID(g.ID.UUID()), g.Until)
	if err != nil {
		return nil, err
	}
	out := map[lead.PersonID][]byte{}
	for subject, w := range wrapped {
		if out[lead.PersonIDFrom(subject)], err = set.Lend(key, subject, w); err != nil {
			return nil, fmt.Errorf("privacy: grant: %w", err)
		}
	}
	return out, nil
}

// Revoke ends a grant at once: nothing is opened by it after the commit, and its
// key is destroyed. 404: there is none; 409 grant_ended: it has ended before.
func (p *Privacy) Revoke(tx *store.Tx, id account.GrantID, by string, now time.Time) (grants.Grant, error) {
	g, err := revoke(tx, p.o.Jobs, p.o.Events, id, by, now)
	if err != nil {
		return g, err
	}
	tx.AfterCommit(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.o.Grants.Destroy(ctx, keyring.GrantID(id.UUID())) // the job does it again, and until it could
	})
	return g, nil
}

// revoke ends it; the job that it adds destroys the key.
func revoke(tx *store.Tx, list *jobs.List, log *events.Log, id account.GrantID, by string, now time.Time) (grants.Grant, error) {
	g, err := grants.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		return g, problem.NotFound()
	}
	if err != nil {
		return g, err
	}
	ok, err := grants.End(tx, id, by, now)
	if err == nil && !ok {
		err = problem.Conflict("grant_ended", "This grant has ended already.")
	}
	if err != nil {
		return g, err
	}
	if err := list.Add(tx, EndGrantJob, id.String(), now); err != nil {
		return g, err
	}
	g.EndedBy, g.EndedAt = by, now
	return g, told(tx, log, events.GrantEnded, g, by, now, map[string]any{"to": g.To.String(), "revoked": true})
}

// told puts it on the record, and tells whoever follows the account.
func told(tx *store.Tx, log *events.Log, kind events.Kind, g grants.Grant, by string, now time.Time, detail map[string]any) error {
	log.Emit(tx, events.Event{Kind: kind, At: now, Data: map[string]any{"grant_id": g.ID.String(), "kind": string(g.Kind), "by": by}})
	return audit.Write(tx, now, audit.Entry{Actor: by, Action: string(kind), About: g.ID.String(), Detail: detail})
}

// endGrant is the job: it ends what is over, and destroys the key of what has
// ended.
func (p *Privacy) endGrant(ctx context.Context, j jobs.Job) error {
	id, err := account.ParseGrantID(j.Key)
	if err != nil {
		return fmt.Errorf("privacy: job end-grant: %w", err)
	}
	now, over := p.now(), true
	var g grants.Grant
	err = p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) (err error) {
		g, err = grants.Get(tx, id)
		if errors.Is(err, store.ErrNone) {
			return nil
		}
		if over = !g.EndedAt.IsZero() || !now.Before(g.Until); err != nil || !over {
			return errors.Join(err, p.o.Jobs.Add(tx, EndGrantJob, j.Key, g.Until))
		}
		ok, err := grants.End(tx, id, Actor, now)
		if err != nil || !ok {
			return err
		}
		g.EndedBy, g.EndedAt = Actor, now
		return told(tx, p.o.Events, events.GrantEnded, g, Actor, now, map[string]any{"to": g.To.String(), "revoked": false})
	})
	if err != nil || !over {
		return err
	}
	if err := p.o.Grants.Destroy(ctx, keyring.GrantID(id.UUID())); err != nil {
		return err
	}
	err = p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if g.Kind == grants.BreakGlass && g.DestroyedAt.IsZero() {
			if err := p.bell().Mail(tx, alarm.Broken, id.String(), alarm.Ended, g.EndedAt); err != nil {
				return err
			}
		}
		return grants.Destroyed(tx, id, p.now())
	})
	if err == nil && g.Kind == grants.BreakGlass {
		err = p.emergencyOver(ctx, j.Scope, g)
	}
	if err != nil {
		return err
	}
	return p.o.Scrub(ctx)
}

// SweepGrants destroys keys whose time is over and whose grant is in no database
// any more: of transactions that failed, and after a restore. It returns how
// many there were.
func (p *Privacy) SweepGrants(ctx context.Context) (n int, err error) {
	all, err := p.o.Grants.Overdue(ctx, p.now())
	for _, id := range all {
		if err := p.o.Grants.Destroy(ctx, id); err != nil {
			return n, err
		}
		n++
	}
	return n, err
}

// Supporter is somebody to whom a grant can be given.
type Supporter = access.Supporter

// Supporters lists the platform's support.
func (p *Privacy) Supporters(ctx context.Context) (out []Supporter, err error) {
	err = p.o.DB.ReadDirectory(ctx, func(d *store.Dir) error {
		out, err = access.Supporters(d)
		return err
	})
	return out, err
}
