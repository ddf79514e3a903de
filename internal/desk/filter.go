package desk

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// leadsIn is what a list of leads is asked for. Its filters are also what the
// figures' rows and steps stand for, so that each of them leads to its leads.
type leadsIn struct {
	web.Page
	Project  string    `query:"project" doc:"Only leads of this project (its id)."`
	Source   string    `query:"source" doc:"Only leads whose first enquiry came by this source (its id)."`
	Stage    string    `query:"stage" doc:"Only leads in this stage (its id)."`
	Category string    `query:"category" enum:"new,follow-up,won,dropped" doc:"Only leads in a stage of this category."`
	Owner    string    `query:"owner" doc:"Only leads that this user owns: an id, or me."`
	Team     string    `query:"team" doc:"Only leads that a member of this pool owns (its id)."`
	State    string    `query:"state" enum:"waiting,offered,owned,unrouted" doc:"Only leads whose move it is like this."`
	Person   string    `query:"person" doc:"Only leads of this person (its id)."`
	Tag      string    `query:"tag" maxLength:"40" doc:"Only leads with this tag."`
	From     time.Time `query:"from" format:"date-time" doc:"Only leads whose first enquiry was received at this time or later, RFC 3339." example:"2026-03-02T00:00:00Z"`
	To       time.Time `query:"to" format:"date-time" doc:"Only leads whose first enquiry was received before this time, RFC 3339." example:"2026-03-09T00:00:00Z"`
	Origin   string    `query:"origin" maxLength:"210" doc:"Only leads of this original source, as the figures name it; a few seconds behind, as they are." example:"google / cpc"`
	Campaign string    `query:"campaign" maxLength:"100" doc:"Only leads of this campaign, as the figures name it; a few seconds behind, as they are." example:"spring"`
	Came     string    `query:"came" enum:"offered,accepted,attempted,contacted,visited,booked" doc:"Only leads that came this far: offered to somebody, …, with a site visit that took place, with a booking that is not cancelled."`
	Least    int64     `query:"speed_from_ms" minimum:"0" doc:"Only leads whose speed to lead was measured, and is this long or longer."`
	Below    int64     `query:"speed_below_ms" minimum:"0" doc:"Only leads whose speed to lead was measured, and is shorter than this."`
	List     string    `query:"list" enum:"overdue,due-today,no-next-action,missed,re-engaged,new-without-contact" doc:"One of the lists that a team works off: open leads, what waits longest first. Of the other filters it takes owner alone."`
	Test     bool      `query:"test" doc:"Test leads too."`
	Include  []string  `query:"include" enum:"person" doc:"person: with the persons, opened on the record as one entry."`
}

// filter reads what can be read without the tables; named the rest.
func (in *leadsIn) filter(v *web.Visit) (f leads.LeadFilter, err error) {
	f = leads.LeadFilter{Category: lead.Category(in.Category), RouteState: lead.RouteState(in.State), Test: in.Test, Tag: in.Tag,
		From: in.From, To: in.To, Origin: counts.Key(in.Origin), Campaign: counts.Key(in.Campaign), Came: leads.Came(in.Came)}
	if f.Project, err = filterID("project", in.Project, account.ParseProjectID); err != nil {
		return f, err
	}
	if f.Source, err = filterID("source", in.Source, account.ParseSourceID); err != nil {
		return f, err
	}
	if f.Person, err = filterID("person", in.Person, lead.ParsePersonID); err != nil {
		return f, err
	}
	stage, err := filterID("stage", in.Stage, lead.ParseStageID)
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
		if v.User.IsZero() { // "nobody" would ask for every lead
			return f, problem.InvalidField("owner", "not_a_user", "A key owns no leads. Send a user's id, or leave owner out.")
		}
		f.Owners = []account.UserID{v.User}
		return f, nil
	}
	owner, err := filterID("owner", in.Owner, account.ParseUserID)
	if !owner.IsZero() {
		f.Owners = []account.UserID{owner}
	}
	return f, err
}

func (in *leadsIn) speed() (*leads.Speed, error) {
	if in.Least == 0 && in.Below == 0 {
		return nil, nil
	}
	if in.Below != 0 && in.Below <= in.Least {
		return nil, problem.InvalidField("speed_below_ms", "not_after_from", "Send more than speed_from_ms.")
	}
	const most = int64(10 * 365 * 24 * time.Hour / time.Millisecond)
	return &leads.Speed{Least: time.Duration(min(in.Least, most)) * time.Millisecond, Below: time.Duration(min(in.Below, most)) * time.Millisecond}, nil
}

// named fills in what the filter's words stand for: a category its stages, which
// have an index, and a team its members.
func (in *leadsIn) named(tx *store.Tx, f *leads.LeadFilter) error {
	if f.Category != "" && len(f.Stages) == 0 && in.List == "" {
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
	pool, err := filterID("team", in.Team, account.ParsePoolID)
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
