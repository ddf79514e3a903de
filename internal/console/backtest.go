package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/web"
)

// PolicyBacktest is a policy tried on the saved rounds of the past: a job with
// its progress, and what it found.
type PolicyBacktest struct {
	ID         string          `json:"id" example:"btst_01h455vb4pex5vsknk084sn02q"`
	URL        string          `json:"url" doc:"Where it is read." example:"/v1/backtests/btst_01h455vb4pex5vsknk084sn02q"`
	PolicyID   string          `json:"policy_id" example:"plcy_01h455vb4pex5vsknk084sn02q"`
	State      string          `json:"state" enum:"running,done,cancelled,failed" doc:"failed: a saved round cannot be read."`
	From       time.Time       `json:"from"`
	Until      time.Time       `json:"until"`
	Rounds     int64           `json:"rounds" doc:"Saved rounds of this time."`
	RoundsDone int64           `json:"rounds_done"`
	CreatedAt  time.Time       `json:"created_at"`
	CreatedBy  string          `json:"created_by"`
	FinishedAt *time.Time      `json:"finished_at" doc:"null: it runs."`
	Result     *BacktestResult `json:"result" doc:"null until it is done."`
}

// BacktestResult is what the policy would have decided.
type BacktestResult struct {
	Decisions int              `json:"decisions"`
	Changed   int              `json:"changed" doc:"Decisions that would have been another."`
	Changes   []BacktestChange `json:"changes" nullable:"false" doc:"The first hundred of them."`
	Shares    []BacktestShare  `json:"shares" nullable:"false"`
	Rules     []BacktestRule   `json:"rules" nullable:"false" doc:"In the policy's order; none of the plain rotation."`
	Was       BacktestSide     `json:"was"`
	Would     BacktestSide     `json:"would"`
	Unknown   int              `json:"unknown_leads" doc:"Leads whose attributes are not known any more; conditions saw none."`
	NotSaved  bool             `json:"asks_what_was_not_saved" doc:"The policy asks for capacity, cool-down or reachability, and some of the rounds did not save it: nobody was kept back by it there."`
	Cut       bool             `json:"cut" doc:"There are more rounds than were read; give fewer days."`
}

// BacktestChange is a decision that would have been another.
type BacktestChange struct {
	LeadID string    `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	At     time.Time `json:"at"`
	Rule   *string   `json:"rule" doc:"By which it would have been given; null: to nobody, or in plain rotation." example:"Everyone"`
	Was    []string  `json:"was" nullable:"false" doc:"Users who were offered it." example:"user_01h455vb4pex5vsknk084sn02q"`
	Would  []string  `json:"would" nullable:"false" doc:"Users who would have been." example:"user_01h455vb4pex5vsknk084sn02q"`
}

// BacktestRule is how one rule would have done.
type BacktestRule struct {
	Name    string `json:"name" example:"Everyone"`
	Matched int    `json:"leads_matched" doc:"Leads whose first rule it was: 0 is a rule that never matched."`
	Offers  int    `json:"offers" doc:"Also as a fallback."`
}

// BacktestShare is how many offers one person got and would have got.
type BacktestShare struct {
	UserID string `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Name   string `json:"name" example:"Ravi Example"`
	Was    int    `json:"was"`
	Would  int    `json:"would"`
}

// BacktestSide is one side of the comparison.
type BacktestSide struct {
	Offered    int           `json:"leads_offered"`
	Starved    int           `json:"leads_never_offered"`
	AfterHours int           `json:"leads_waited_after_hours" doc:"Because the routing hours were closed."`
	ToOffer    BacktestWaits `json:"seconds_to_offer" doc:"Of the leads that were offered, from waiting to the first offer."`
	OverHours  BacktestWaits `json:"seconds_to_offer_after_hours" doc:"The same, of those that waited after hours."`
}

// BacktestWaits are times within which a part of the leads had an offer.
type BacktestWaits struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// BacktestPath is the input of a route about one back-test.
type BacktestPath struct {
	ID string `path:"id" doc:"The back-test's id." example:"btst_01h455vb4pex5vsknk084sn02q"`
}

type backtestIn struct {
	PolicyPath
	Body struct {
		Days int `json:"days,omitempty" minimum:"1" maximum:"90" doc:"How far back. 7 when left out." example:"7"`
	}
}

func (c *Console) backtestRoutes() {
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/policies/{id}/backtest", Name: "backtest-policy", Tag: "routing", Permission: account.ManageRouting, Status: 202,
		Summary: "Try this version on the past",
		Detail:  "Decides the saved rounds of the last days again, without opening personal data. The answer has the address of a job: its progress, and what it found. Presence and open offers are as they were. 409 backtest_running: one at a time a project."}, c.beginBacktest)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/backtests", Name: "list-backtests", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Back-tests, newest first"}, c.listBacktests)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/backtests/{id}", Name: "get-backtest", Tag: "routing", Permission: account.ManageRouting,
		Summary: "One back-test: how far it is, and what it found"}, c.getBacktest)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/backtests/{id}/cancel", Name: "cancel-backtest", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Cancel a back-test", Detail: "409 backtest_ended: it has ended already."}, c.cancelBacktest)
}

func (c *Console) beginBacktest(v *web.Visit, tx *store.Tx, in *backtestIn) (*PolicyBacktest, error) {
	id, err := in.policy()
	if err != nil {
		return nil, err
	}
	days := in.Body.Days
	if days == 0 {
		days = 7
	}
	t, err := c.Routing.BeginBacktest(tx, id, v.At.AddDate(0, 0, -days), v.At, v.Actor, v.At)
	return backtestAnswer(tx, t, err)
}

func (c *Console) listBacktests(_ *web.Visit, tx *store.Tx, in *web.Page) (*web.List[*PolicyBacktest], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := c.Routing.Backtests(tx, from.At, web.IDAt[account.BacktestID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	return web.ListOf(*in, rows, func(t routing.Trial) web.Place { return web.Place{At: t.CreatedAt, ID: t.ID.UUID()} },
		func(t routing.Trial) *PolicyBacktest { return backtestView(t, names) }), err
}

func (c *Console) getBacktest(_ *web.Visit, tx *store.Tx, in *BacktestPath) (*PolicyBacktest, error) {
	id, err := web.PathID(in.ID, account.ParseBacktestID)
	if err != nil {
		return nil, err
	}
	t, err := c.Routing.GetBacktest(tx, id)
	return backtestAnswer(tx, t, err)
}

func (c *Console) cancelBacktest(v *web.Visit, tx *store.Tx, in *BacktestPath) (*PolicyBacktest, error) {
	id, err := web.PathID(in.ID, account.ParseBacktestID)
	if err != nil {
		return nil, err
	}
	t, err := c.Routing.CancelBacktest(tx, id, v.At)
	return backtestAnswer(tx, t, err)
}

func backtestAnswer(tx *store.Tx, t routing.Trial, err error) (*PolicyBacktest, error) {
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	return backtestView(t, names), nil
}

func backtestView(t routing.Trial, names map[account.UserID]string) *PolicyBacktest {
	out := &PolicyBacktest{ID: t.ID.String(), URL: "/v1/backtests/" + t.ID.String(), PolicyID: t.Policy.String(), State: t.State, From: t.From, Until: t.Until,
		Rounds: t.Rounds, RoundsDone: t.Done, CreatedAt: t.CreatedAt, CreatedBy: t.By, FinishedAt: web.TimeOrNull(t.FinishedAt)}
	b := t.Found
	if b == nil {
		return out
	}
	out.Result = &BacktestResult{Decisions: b.Decisions, Changed: b.Changed, Changes: []BacktestChange{}, Shares: []BacktestShare{}, Rules: []BacktestRule{},
		Was: backtestSide(b.Was), Would: backtestSide(b.Would), Unknown: b.Unknown, NotSaved: b.NotSaved, Cut: b.Cut}
	for _, s := range b.Shares {
		out.Result.Shares = append(out.Result.Shares, BacktestShare{UserID: s.User.String(), Name: names[s.User], Was: s.Was, Would: s.Would})
	}
	for _, x := range b.Rules {
		out.Result.Rules = append(out.Result.Rules, BacktestRule(x))
	}
	for _, x := range b.Changes {
		out.Result.Changes = append(out.Result.Changes, BacktestChange{LeadID: x.Lead.String(), At: x.At, Rule: web.OrNull(x.Rule),
			Was: userIDs(x.Was), Would: userIDs(x.Would)})
	}
	return out
}

func userIDs(users []account.UserID) []string {
	out := make([]string, len(users))
	for i, u := range users {
		out[i] = u.String()
	}
	return out
}

func backtestSide(s routing.TestSide) BacktestSide {
	return BacktestSide{Offered: s.Offered, Starved: s.Starved, AfterHours: s.AfterHours, ToOffer: backtestWaits(s.ToOffer), OverHours: backtestWaits(s.OverHours)}
}

func backtestWaits(w routing.TestWaits) BacktestWaits {
	seconds := func(micros int64) float64 { return (time.Duration(micros) * time.Microsecond).Seconds() }
	return BacktestWaits{P50: seconds(w.P50), P90: seconds(w.P90), P99: seconds(w.P99)}
}
