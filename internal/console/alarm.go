package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// LeadAlarm says that a service-level clock of a lead ran out.
type LeadAlarm struct {
	ID        string     `json:"id" example:"alrm_01h455vb4pex5vsknk084sn02q"`
	LeadID    string     `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	ProjectID string     `json:"project_id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	PolicyID  string     `json:"policy_id" doc:"The version under which the clock began." example:"plcy_01h455vb4pex5vsknk084sn02q"`
	Clock     string     `json:"clock" enum:"offer_to_accept,accept_to_attempt,attempt_to_contact"`
	UserID    *string    `json:"user_id" doc:"Who was to act; null: nobody had it at that moment, or several."`
	UserName  *string    `json:"user_name"`
	BeganAt   time.Time  `json:"began_at"`
	DueAt     time.Time  `json:"due_at"`
	RaisedAt  time.Time  `json:"raised_at"`
	Taken     bool       `json:"taken" doc:"The lead was taken from the user and routed again."`
	EndedAt   *time.Time `json:"ended_at" doc:"When what was missing came after all, or the lead went another way; null: it still lacks."`
	ClearedAt *time.Time `json:"cleared_at"`
	ClearedBy *string    `json:"cleared_by" doc:"A user's or key's id."`
}

type alarmsIn struct {
	web.Page
	State string `query:"state" enum:"raised,cleared" default:"raised" doc:"raised: what waits for a look."`
}

// AlarmPath is the input of a route about one alarm.
type AlarmPath struct {
	ID string `path:"id" doc:"The alarm's id." example:"alrm_01h455vb4pex5vsknk084sn02q"`
}

func (c *Console) alarmRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/alarms", Name: "list-alarms", Tag: "routing", Permission: account.ReadLeads,
		Summary: "Leads whose service-level clocks ran out, newest first", Detail: "Those of a project's queue are on the board."}, c.listAlarms)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/alarms/{id}/clear", Name: "clear-alarm", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Take an alarm off the list", Detail: "Clearing it again gives the same answer."}, c.clearAlarm)
}

func alarmView(a offers.Clock, names map[account.UserID]string) LeadAlarm {
	return LeadAlarm{ID: a.ID.String(), LeadID: a.Lead.String(), ProjectID: a.Project.String(), PolicyID: a.Policy.String(), Clock: a.Name,
		UserID: web.OrNull(a.User.String()), UserName: web.OrNull(names[a.User]), BeganAt: a.BeganAt, DueAt: a.DueAt, RaisedAt: a.FiredAt,
		Taken: a.Taken, EndedAt: web.TimeOrNull(a.EndedAt), ClearedAt: web.TimeOrNull(a.ClearedAt), ClearedBy: web.OrNull(a.ClearedBy)}
}

func (c *Console) listAlarms(v *web.Visit, tx *store.Tx, in *alarmsIn) (*web.List[LeadAlarm], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var user account.UserID
	if reach := v.Reach(account.ReadLeads); reach != rights.All {
		if user = v.User; user.IsZero() { // no lead is a key's
			return &web.List[LeadAlarm]{Items: []LeadAlarm{}}, nil
		}
	}
	found, err := c.Routing.Alarms(tx, in.State == "cleared", user, v.Reach(account.ReadLeads) == rights.Teams, from.At, web.IDAt[lead.AlarmID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, found, func(a offers.Clock) web.Place { return web.Place{At: a.FiredAt, ID: a.ID.UUID()} },
		func(a offers.Clock) LeadAlarm { return alarmView(a, names) }), nil
}

func (c *Console) clearAlarm(v *web.Visit, tx *store.Tx, in *AlarmPath) (*LeadAlarm, error) {
	id, err := web.PathID(in.ID, lead.ParseAlarmID)
	if err != nil {
		return nil, err
	}
	a, err := c.Routing.ClearAlarm(tx, id, v.Actor, v.At)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	out := alarmView(a, names)
	return &out, nil
}
