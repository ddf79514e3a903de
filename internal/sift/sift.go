// Package sift says which leads are meant, in the words of addresses and of
// bodies: what a list on a screen is asked for, and what is taken out of it.
// Callers may rely on this: the same words mean the same leads at every door,
// and what is not an id of its kind is refused by the field's name.
package sift

import (
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
)

// LeadFilter holds the words. They are also what the figures' rows and steps stand
// for, so that each of them leads to its leads.
type LeadFilter struct {
	Project  string    `query:"project" json:"project,omitempty" doc:"Only leads of this project (its id)."`
	Source   string    `query:"source" json:"source,omitempty" doc:"Only leads whose first enquiry came by this source (its id)."`
	Stage    string    `query:"stage" json:"stage,omitempty" doc:"Only leads in this stage (its id)."`
	Category string    `query:"category" json:"category,omitempty" enum:"new,follow-up,won,dropped" doc:"Only leads in a stage of this category."`
	Owner    string    `query:"owner" json:"owner,omitempty" doc:"Only leads that this user owns: an id, or me."`
	Team     string    `query:"team" json:"team,omitempty" doc:"Only leads that a member of this pool owns (its id)."`
	State    string    `query:"state" json:"state,omitempty" enum:"waiting,offered,owned,unrouted" doc:"Only leads whose move it is like this."`
	Person   string    `query:"person" json:"person,omitempty" doc:"Only leads of this person (its id)."`
	Tag      string    `query:"tag" json:"tag,omitempty" maxLength:"40" doc:"Only leads with this tag."`
	From     time.Time `query:"from" json:"from,omitzero" format:"date-time" doc:"Only leads whose first enquiry was received at this time or later, RFC 3339." example:"2026-03-02T00:00:00Z"`
	To       time.Time `query:"to" json:"to,omitzero" format:"date-time" doc:"Only leads whose first enquiry was received before this time, RFC 3339." example:"2026-03-09T00:00:00Z"`
	Origin   string    `query:"origin" json:"origin,omitempty" maxLength:"210" doc:"Only leads of this original source, as the figures name it; a few seconds behind, as they are." example:"google / cpc"`
	Campaign string    `query:"campaign" json:"campaign,omitempty" maxLength:"100" doc:"Only leads of this campaign, as the figures name it; a few seconds behind, as they are." example:"spring"`
	Came     string    `query:"came" json:"came,omitempty" enum:"offered,accepted,attempted,contacted,visited,booked" doc:"Only leads that came this far: offered to somebody, …, with a site visit that took place, with a booking that is not cancelled."`
	Least    int64     `query:"speed_from_ms" json:"speed_from_ms,omitempty" minimum:"0" doc:"Only leads whose speed to lead was measured, and is this long or longer."`
	Below    int64     `query:"speed_below_ms" json:"speed_below_ms,omitempty" minimum:"0" doc:"Only leads whose speed to lead was measured, and is shorter than this."`
	Test     bool      `query:"test" json:"test,omitempty" doc:"Test leads too."`
}

// Filter reads what can be read without the tables, Name the rest. me is who
// asks; zero: a key.
func (in *LeadFilter) Filter(me account.UserID) (f leads.LeadFilter, err error) {
	f = leads.LeadFilter{Category: lead.Category(in.Category), RouteState: lead.RouteState(in.State), Test: in.Test, Tag: in.Tag,
		From: in.From, To: in.To, Origin: counts.Key(in.Origin), Campaign: counts.Key(in.Campaign), Came: leads.Came(in.Came)}
	if f.Project, err = ID("project", in.Project, account.ParseProjectID); err != nil {
		return f, err
	}
	if f.Source, err = ID("source", in.Source, account.ParseSourceID); err != nil {
		return f, err
	}
	if f.Person, err = ID("person", in.Person, lead.ParsePersonID); err != nil {
		return f, err
	}
	stage, err := ID("stage", in.Stage, lead.ParseStageID)
	if err != nil {
		return f, err
	}
	if !stage.IsZero() {
		f.Stages = []lead.StageID{stage}
	}
	if f.Tried, err = in.speed(); err != nil {
		return f, err
	}
	if in.Owner == "me" {
		if me.IsZero() { // "nobody" would ask for every lead
			return f, problem.InvalidField("owner", "not_a_user", "A key owns no leads. Send a user's id, or leave owner out.")
		}
		f.Owners = []account.UserID{me}
		return f, nil
	}
	owner, err := ID("owner", in.Owner, account.ParseUserID)
	if !owner.IsZero() {
		f.Owners = []account.UserID{owner}
	}
	return f, err
}

func (in *LeadFilter) speed() (*leads.Speed, error) {
	if in.Least == 0 && in.Below == 0 {
		return nil, nil
	}
	if in.Below != 0 && in.Below <= in.Least {
		return nil, problem.InvalidField("speed_below_ms", "not_after_from", "Send more than speed_from_ms.")
	}
	const most = int64(10 * 365 * 24 * time.Hour / time.Millisecond)
	return &leads.Speed{Least: time.Duration(min(in.Least, most)) * time.Millisecond, Below: time.Duration(min(in.Below, most)) * time.Millisecond}, nil
}

// Name fills in what the filter's words stand for: a category its stages, which
// have an index, and a team its members.
func (in *LeadFilter) Name(tx *store.Tx, f *leads.LeadFilter) error {
	if f.Category != "" && len(f.Stages) == 0 {
		all, err := setup.Stages(tx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Category == f.Category {
				f.Stages = append(f.Stages, s.ID)
			}
		}
	}
	if in.Team == "" {
		return nil
	}
	if in.Owner != "" {
		return problem.InvalidField("team", "not_with_owner", "Ask for an owner or for a team, not for both.")
	}
	pool, err := ID("team", in.Team, account.ParsePoolID)
	if err != nil {
		return err
	}
	members, err := offers.Roster(tx, pool)
	if err != nil {
		return err
	}
	for _, m := range members {
		f.Owners = append(f.Owners, m.User)
	}
	if len(f.Owners) == 0 { // a team of nobody owns nothing
		f.Owners = []account.UserID{account.NewUserID()}
	}
	return nil
}

// ID reads the id of a filter's field; "" is the zero id, which asks for nothing.
func ID[T interface{ IsZero() bool }](field, s string, parse func(string) (T, error)) (T, error) {
	var none T
	if s == "" {
		return none, nil
	}
	id, err := parse(s)
	if err != nil || id.IsZero() {
		return none, problem.InvalidField(field, "bad_id", "This is not an id of that kind.")
	}
	return id, nil
}

// Known refuses what names nothing of the account. A list of nobody's leads is
// empty, and says so at once; what is kept for later has no place for it.
func (in *LeadFilter) Known(tx *store.Tx, f leads.LeadFilter) error {
	for _, of := range []struct {
		field, code string
		asked       bool
		look        func() (bool, error)
	}{
		{"project", "unknown_project", in.Project != "", func() (bool, error) { _, err := setup.GetProject(tx, f.Project); return found(err) }},
		{"source", "unknown_source", in.Source != "", func() (bool, error) { _, err := setup.GetSource(tx, f.Source); return found(err) }},
		{"stage", "unknown_stage", in.Stage != "", func() (bool, error) {
			all, err := setup.Stages(tx)
			return slices.ContainsFunc(all, func(s setup.Stage) bool { return slices.Contains(f.Stages, s.ID) }), err
		}},
		{"owner", "unknown_user", in.Owner != "" && in.Owner != "me", func() (bool, error) { _, err := members.Get(tx, f.Owners[0]); return found(err) }},
		{"person", "unknown_person", in.Person != "", func() (bool, error) { all, err := people.Get(tx, f.Person); return len(all) > 0, err }},
	} {
		if !of.asked {
			continue
		}
		there, err := of.look()
		if err != nil {
			return err
		}
		if !there {
			return problem.InvalidField(of.field, of.code, "Send an id of this account.")
		}
	}
	return nil
}

func found(err error) (bool, error) {
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}
