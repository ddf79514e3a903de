package console

import (
	"net/http"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// Alarm says what somebody has to look at: a service-level clock of a lead ran
// out, or something of the account is not as it was.
type Alarm struct {
	ID        string         `json:"id" example:"alrm_01h455vb4pex5vsknk084sn02q"`
	Kind      string         `json:"kind" doc:"clock: a service-level clock of a lead ran out. Others are of the account: codes, sso_domain, silence (of a source), break_glass (operators opened leads), ending (of the account), request_due and request_late (what a person asked about their data)." example:"clock"`
	LeadID    *string        `json:"lead_id" doc:"Of a clock." example:"lead_01h455vb4pex5vsknk084sn02q"`
	ProjectID *string        `json:"project_id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	SourceID  *string        `json:"source_id" doc:"Of an alarm about a source." example:"src_01h455vb4pex5vsknk084sn02q"`
	PolicyID  *string        `json:"policy_id" doc:"The version under which the clock began." example:"plcy_01h455vb4pex5vsknk084sn02q"`
	Clock     *string        `json:"clock" enum:"offer_to_accept,accept_to_attempt,attempt_to_contact"`
	UserID    *string        `json:"user_id" doc:"Who was to act; null: nobody had it at that moment, or several."`
	UserName  *string        `json:"user_name"`
	BeganAt   time.Time      `json:"began_at"`
	DueAt     *time.Time     `json:"due_at" doc:"Of a clock."`
	RaisedAt  time.Time      `json:"raised_at"`
	AgainAt   time.Time      `json:"again_at" doc:"When it was last raised: what is still so is raised again."`
	Times     int            `json:"times" doc:"How often it was raised while it waited for a look."`
	Detail    map[string]any `json:"detail" doc:"Of an alarm of the account: counts and words, by its kind; empty for a clock."`
	Taken     bool           `json:"taken" doc:"The lead was taken from the user and routed again."`
	EndedAt   *time.Time     `json:"ended_at" doc:"When what was missing came after all, or the lead went another way; null: it still lacks."`
	ClearedAt *time.Time     `json:"cleared_at"`
	ClearedBy *string        `json:"cleared_by" doc:"A user's or key's id."`
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
		Summary: "What somebody has to look at, newest first",
		Detail:  "Leads whose service-level clocks ran out, as far as one reads leads; and, for who reads all of them, what is about the account. Queues of projects are on the board."}, c.listAlarms)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/alarms/{id}/clear", Name: "clear-alarm", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Take an alarm off the list", Detail: "Clearing it again gives the same answer."}, c.clearAlarm)
}

func clockView(a offers.Clock, names map[account.UserID]string) Alarm {
	return Alarm{ID: a.ID.String(), Kind: "clock", LeadID: web.OrNull(a.Lead.String()), ProjectID: web.OrNull(a.Project.String()), PolicyID: web.OrNull(a.Policy.String()),
		Clock: &a.Name, UserID: web.OrNull(a.User.String()), UserName: web.OrNull(names[a.User]), BeganAt: a.BeganAt, DueAt: &a.DueAt, RaisedAt: a.FiredAt, AgainAt: a.FiredAt,
		Times: 1, Detail: map[string]any{}, Taken: a.Taken, EndedAt: web.TimeOrNull(a.EndedAt), ClearedAt: web.TimeOrNull(a.ClearedAt), ClearedBy: web.OrNull(a.ClearedBy)}
}

func alarmView(a alarm.Alarm) Alarm {
	return Alarm{ID: a.ID.String(), Kind: a.Kind, ProjectID: web.OrNull(a.Project.String()), SourceID: web.OrNull(a.Source.String()), BeganAt: a.RaisedAt, RaisedAt: a.RaisedAt,
		AgainAt: a.AgainAt, Times: a.Times, Detail: a.Detail, EndedAt: web.TimeOrNull(a.EndedAt), ClearedAt: web.TimeOrNull(a.ClearedAt), ClearedBy: web.OrNull(a.ClearedBy)}
}

func (c *Console) bell() alarm.Bell { return alarm.Bell{Events: c.Events} }

// placed is an alarm of either kind with its place in the list.
type placed struct {
	web.Place
	Alarm
}

func (c *Console) listAlarms(v *web.Visit, tx *store.Tx, in *alarmsIn) (*web.List[Alarm], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var user account.UserID
	reach := v.Reach(account.ReadLeads)
	if reach != rights.All {
		if user = v.User; user.IsZero() { // no lead is a key's
			return &web.List[Alarm]{Items: []Alarm{}}, nil
		}
	}
	seen, after := in.State == "cleared", web.IDAt[lead.AlarmID](from)
	clocks, err := c.Routing.Alarms(tx, seen, user, reach == rights.Teams, from.At, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	var all []placed
	for _, a := range clocks {
		all = append(all, placed{web.Place{At: a.FiredAt, ID: a.ID.UUID()}, clockView(a, names)})
	}
	if reach == rights.All {
		own, err := alarm.Page(tx, seen, from.At, after, in.Limit+1)
		if err != nil {
			return nil, err
		}
		for _, a := range own {
			all = append(all, placed{web.Place{At: a.RaisedAt, ID: a.ID.UUID()}, alarmView(a)})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		if before(a.Place, b.Place) {
			return 1
		}
		return -1
	})
	all = all[:min(len(all), in.Limit+1)]
	return web.ListOf(in.Page, all, func(a placed) web.Place { return a.Place }, func(a placed) Alarm { return a.Alarm }), nil
}

func (c *Console) clearAlarm(v *web.Visit, tx *store.Tx, in *AlarmPath) (*Alarm, error) {
	id, err := web.PathID(in.ID, lead.ParseAlarmID)
	if err != nil {
		return nil, err
	}
	clock, err := c.Routing.ClearAlarm(tx, id, v.Actor, v.At)
	if p, is := problem.Of(err); is && p.Status == http.StatusNotFound {
		a, err := c.bell().Clear(tx, id, v.Actor, v.At)
		out := alarmView(a)
		return &out, err
	}
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	out := clockView(clock, names)
	return &out, err
}
