package console

import (
	"cmp"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // zones are named by clients, whatever the machine has

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// FigureReport is figures of a time. docs/figures.md defines each of them.
type FigureReport struct {
	From  time.Time   `json:"from" doc:"As counted: a whole half hour."`
	To    time.Time   `json:"to" doc:"As counted: a whole half hour; what came before it."`
	By    string      `json:"by" enum:"source,origin,campaign,project,team,salesperson,hour"`
	Rows  []FigureRow `json:"rows" nullable:"false" doc:"Those with figures, most leads first; by hour in the order of the day. At most 500."`
	More  int64       `json:"more" doc:"How many rows were left out."`
	Total FigureRow   `json:"total" doc:"Of the whole account, or of the project that was asked for, also of what is in no row."`
}

// FigureRow is the figures of one source, campaign, …
type FigureRow struct {
	ID         *string          `json:"id" doc:"Of the source, project, pool or salesperson; null for the others." example:"src_01h455vb4pex5vsknk084sn02q"`
	Name       string           `json:"name" doc:"Origin and campaign as the first enquiry's link names them, in lower case; empty: it names none. Hours are 00 to 23." example:"google / cpc"`
	Leads      int64            `json:"leads" doc:"Leads that came in."`
	Enquiries  int64            `json:"enquiries" doc:"Of those leads until now."`
	Offered    int64            `json:"offered" doc:"Of those leads, offered to somebody until now."`
	Accepted   int64            `json:"accepted" doc:"Of those leads, accepted until now."`
	Attempted  int64            `json:"attempted" doc:"Of those leads, tried until now."`
	Contacted  int64            `json:"contacted" doc:"Of those leads, reached until now."`
	Visits     int64            `json:"visits" doc:"Site visits of those leads that took place until now."`
	Bookings   int64            `json:"bookings" doc:"Of those leads until now, not cancelled."`
	Categories FigureCategories `json:"categories"`
	Stages     []FigureStage    `json:"stages" nullable:"false" doc:"Where those leads stand now; in the order of the stages."`
	Reasons    []FigureReason   `json:"reasons" nullable:"false" doc:"Of those that are dropped now and have one; most first."`
	Work       FigureWork       `json:"work"`
	Rates      FigureRates      `json:"rates"`
	Clocks     FigureClocks     `json:"clocks"`
	Presence   *FigurePresence  `json:"presence,omitempty" doc:"By salesperson, team and hour."`
	Costs      []FigureCost     `json:"costs" nullable:"false" doc:"What was spent on the days that begin between from and to; by source, project and campaign."`
}

// FigureCategories is where leads stand now.
type FigureCategories struct {
	New      int64 `json:"new"`
	FollowUp int64 `json:"follow_up"`
	Won      int64 `json:"won"`
	Dropped  int64 `json:"dropped"`
}

// FigureStage is how many leads stand in a stage.
type FigureStage struct {
	ID    string `json:"id" example:"stg_01h455vb4pex5vsknk084sn02q"`
	Name  string `json:"name"`
	Leads int64  `json:"leads"`
}

// FigureReason is how many leads were dropped for a reason.
type FigureReason struct {
	Reason string `json:"reason" example:"too-expensive"`
	Leads  int64  `json:"leads"`
}

// FigureWork is what was done in the time, whenever the leads came in.
type FigureWork struct {
	Offers   int64 `json:"offers"`
	Accepted int64 `json:"accepted"`
	Declined int64 `json:"declined"`
	Expired  int64 `json:"expired"`
	Lost     int64 `json:"lost"`
	Attempts int64 `json:"attempts"`
	Contacts int64 `json:"contacts"`
}

// FigureRates are parts of one; null: there is nothing to take a part of.
type FigureRates struct {
	Acceptance *float64 `json:"acceptance" doc:"Accepted offers of those accepted, declined or expired."`
	Contact    *float64 `json:"contact" doc:"Contacted leads of all that came in."`
	Win        *float64 `json:"win" doc:"Leads won of all that came in."`
}

// FigureClocks are distributions.
type FigureClocks struct {
	SpeedToLead   FigureClock `json:"speed_to_lead"`
	TimeToOffer   FigureClock `json:"time_to_offer"`
	TimeToAccept  FigureClock `json:"time_to_accept"`
	FirstResponse FigureClock `json:"first_response"`
	TimeToContact FigureClock `json:"time_to_contact"`
}

// FigureClock is a distribution of durations. The quantiles are within
// 3.2 % of the exact ones.
type FigureClock struct {
	Measured int64        `json:"measured" doc:"Leads in which it was measured; the others are not in it."`
	P50      *int64       `json:"p50_ms" doc:"Within 3.2 %. null: not measured."`
	P90      *int64       `json:"p90_ms"`
	P99      *int64       `json:"p99_ms"`
	Spread   []FigureSpan `json:"spread" nullable:"false" doc:"Spans that double, those with leads only."`
}

// FigureSpan is how many durations lie in a span.
type FigureSpan struct {
	From  int64 `json:"from_ms"`
	Below int64 `json:"below_ms"`
	Leads int64 `json:"leads"`
}

// FigurePresence is time in milliseconds, up to now.
type FigurePresence struct {
	Available int64 `json:"available_ms"`
	Engaged   int64 `json:"engaged_ms"`
	Away      int64 `json:"away_ms"`
}

// FigureCost is money in one currency.
type FigureCost struct {
	Currency string `json:"currency" doc:"ISO 4217." example:"EUR"`
	Spent    int64  `json:"spent_minor" doc:"In the currency's smallest unit."`
	PerLead  *int64 `json:"per_lead_minor" doc:"null: no lead came in."`
	PerWon   *int64 `json:"per_won_minor" doc:"null: none of them is won."`
	PerVisit *int64 `json:"per_visit_minor" doc:"null: none took place."`
	PerBook  *int64 `json:"per_booking_minor" doc:"null: there is none."`
}

type figuresIn struct {
	From     time.Time `query:"from" format:"date-time" doc:"RFC 3339. Counted from the beginning of its half hour. Default: seven days before to." example:"2026-03-02T00:00:00Z"`
	To       time.Time `query:"to" format:"date-time" doc:"RFC 3339, counted to the end of its half hour unless it is a full one. Default: now." example:"2026-03-09T00:00:00Z"`
	By       string    `query:"by" enum:"source,origin,campaign,project,team,salesperson,hour" default:"source"`
	Project  string    `query:"project" maxLength:"60" doc:"Only this project's (its id), by source or by project: sums by the others are kept of the whole account." example:"proj_01h455vb4pex5vsknk084sn02q"`
	TimeZone string    `query:"time_zone" maxLength:"64" default:"UTC" doc:"IANA. Whose hours, by hour." example:"Europe/London"`
}

const mostRows = 500

func (c *Console) figureRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/reports/figures", Name: "report-figures", Tag: "reports", Permission: account.ReadReports,
		Summary: "Leads, work, clocks, rates and costs", Detail: "Of the leads that came in between from and to, as they stand now, and of the work done in that time; a few seconds behind at most. docs/figures.md defines each figure. Test leads never count."}, c.reportFigures)
}

func (c *Console) reportFigures(v *web.Visit, tx *store.Tx, in *figuresIn) (*FigureReport, error) {
	from, to, err := (&reportIn{From: in.From, To: in.To}).span(v.At)
	if err != nil {
		return nil, err
	}
	r := &figureReader{tx: tx, from: from, to: to, now: v.At}
	if v.Reach(account.ReadReports) != rights.All {
		if err := ofTeams(in.By); err != nil {
			return nil, err
		}
		r.seen = func(p account.ProjectID) bool { return v.ReachesProject(account.ReadReports, p) }
	}
	if err := r.narrow(in); err != nil {
		return nil, err
	}
	if err := r.load(in.By); err != nil {
		return nil, err
	}
	rows, err := r.rows(in)
	if err != nil {
		return nil, err
	}
	out := &FigureReport{From: from, To: to, By: in.By, Rows: rows}
	if in.By != "hour" {
		slices.SortFunc(out.Rows, func(a, b FigureRow) int {
			return cmp.Or(cmp.Compare(b.Leads, a.Leads), cmp.Compare(a.Name, b.Name), cmp.Compare(text(a.ID), text(b.ID)))
		})
	}
	if n := len(out.Rows); n > mostRows {
		out.Rows, out.More = out.Rows[:mostRows], int64(n-mostRows)
	}
	out.Total = r.row(nil, "", r.all, r.spentOn(func(string) bool { return true }))
	return out, nil
}

// narrow has the report be of the project that was asked for.
func (r *figureReader) narrow(in *figuresIn) error {
	if in.Project == "" {
		return nil
	}
	id, err := account.ParseProjectID(in.Project)
	if err != nil {
		return problem.InvalidField("project", "bad_id", "This is not a project's id.")
	}
	if in.By != "source" && in.By != "project" {
		return problem.InvalidField("by", "not_of_project", "The figures of one project are kept by source and by project. Leave project out for the others.")
	}
	may := r.seen
	r.seen = func(p account.ProjectID) bool { return p == id && (may == nil || may(p)) }
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// figureReader is what every row of a report needs.
type figureReader struct {
	tx       *store.Tx
	from, to time.Time
	now      time.Time
	stages   []setup.Stage
	all      *counts.Tally
	spans    []counts.Span
	spent    []counts.Spend // of sources or of campaigns: two views of the same money, never both
	presence bool
	seen     func(account.ProjectID) bool // which projects; nil: all, and what is of none
}

func (r *figureReader) load(by string) (err error) {
	if r.stages, err = setup.Stages(r.tx); err != nil {
		return err
	}
	if r.all, err = r.total(); err != nil {
		return err
	}
	switch by {
	case "source", "project":
		r.spent, err = counts.Spent(r.tx, counts.OfSource, r.from, r.to)
	case "campaign":
		r.spent, err = counts.Spent(r.tx, counts.OfCampaign, r.from, r.to)
	}
	if err != nil {
		return err
	}
	if r.seen != nil {
		return nil // presence is not of a project
	}
	r.spans, err = counts.OpenSpans(r.tx)
	for _, s := range r.spans {
		r.lasting(r.all, s)
	}
	return err
}

// total is of the account, or of the projects that are seen.
func (r *figureReader) total() (*counts.Tally, error) {
	if r.seen == nil {
		return counts.Total(r.tx, r.from, r.to)
	}
	by, err := counts.Between(r.tx, counts.OfProject, r.from, r.to)
	sum := &counts.Tally{}
	for key, t := range by {
		if id, err := account.ParseProjectID(key); err == nil && r.seen(id) {
			sum.Merge(t, 1)
		}
	}
	return sum, err
}

// lasting adds what has passed of a presence that lasts, as far as it lies in
// the report's time.
func (r *figureReader) lasting(t *counts.Tally, s counts.Span) {
	from, until := s.From, r.now
	if from.Before(r.from) {
		from = r.from
	}
	if until.After(r.to) {
		until = r.to
	}
	if c := counts.Present(s.Presence); c != 0 && from.Before(until) {
		t.Add(c, until.UnixMilli()-from.UnixMilli())
	}
}

func (r *figureReader) rows(in *figuresIn) ([]FigureRow, error) {
	switch in.By {
	case "hour":
		return r.byHour(in.TimeZone)
	case "team":
		return r.byTeam()
	case "salesperson":
		return r.bySalesperson()
	case "project":
		return r.byProject()
	case "origin":
		return r.byText(counts.OfOrigin)
	case "campaign":
		return r.byText(counts.OfCampaign)
	}
	return r.bySource()
}

func (r *figureReader) bySource() ([]FigureRow, error) {
	all, err := setup.Sources(r.tx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, s := range all {
		if r.seen == nil || r.seen(s.Project) {
			names[s.ID.String()] = s.Name
		}
	}
	if r.seen != nil {
		r.spent = only(r.spent, func(s counts.Spend) bool { _, ours := names[s.Key]; return ours })
	}
	return r.named(counts.OfSource, names, func(key, source string) bool { return source == key })
}

func (r *figureReader) byProject() ([]FigureRow, error) {
	all, err := setup.Projects(r.tx)
	if err != nil {
		return nil, err
	}
	sources, err := setup.Sources(r.tx)
	if err != nil {
		return nil, err
	}
	names, of := map[string]string{}, map[string]string{}
	for _, p := range all {
		if r.seen == nil || r.seen(p.ID) {
			names[p.ID.String()] = p.Name
		}
	}
	for _, s := range sources {
		of[s.ID.String()] = s.Project.String()
	}
	if r.seen != nil { // what was spent on sources of other projects is not told
		r.spent = only(r.spent, func(s counts.Spend) bool { return names[of[s.Key]] != "" })
	}
	return r.named(counts.OfProject, names, func(key, source string) bool { return of[source] == key })
}

// named makes a row of each thing that has figures or costs.
func (r *figureReader) named(d counts.Dim, names map[string]string, costs func(key, source string) bool) ([]FigureRow, error) {
	by, err := counts.Between(r.tx, d, r.from, r.to)
	if err != nil {
		return nil, err
	}
	rows := []FigureRow{}
	for key, name := range names {
		spent := r.spentOn(func(source string) bool { return costs(key, source) })
		if by[key] == nil && len(spent) == 0 {
			continue
		}
		rows = append(rows, r.row(&key, name, by[key], spent))
	}
	return rows, nil
}

func (r *figureReader) byText(d counts.Dim) ([]FigureRow, error) {
	by, err := counts.Between(r.tx, d, r.from, r.to)
	if err != nil {
		return nil, err
	}
	for _, s := range r.spent {
		if s.Dim == d && by[s.Key] == nil {
			by[s.Key] = &counts.Tally{}
		}
	}
	rows := []FigureRow{}
	for key, t := range by {
		rows = append(rows, r.row(nil, key, t, r.spentOn(func(x string) bool { return x == key })))
	}
	return rows, nil
}

// users reads the figures of everybody, with presences that last.
func (r *figureReader) users() (map[string]*counts.Tally, error) {
	by, err := counts.Between(r.tx, counts.OfUser, r.from, r.to)
	for _, s := range r.spans {
		if by[s.User.String()] == nil {
			by[s.User.String()] = &counts.Tally{}
		}
		r.lasting(by[s.User.String()], s)
	}
	r.presence = true
	return by, err
}

func (r *figureReader) bySalesperson() ([]FigureRow, error) {
	by, err := r.users()
	if err != nil {
		return nil, err
	}
	all, err := members.All(r.tx)
	rows := []FigureRow{}
	for _, m := range all {
		if id := m.ID.String(); by[id] != nil {
			rows = append(rows, r.row(&id, m.Name, by[id], nil))
		}
	}
	return rows, err
}

// byTeam sums the members of each pool, as it is now.
func (r *figureReader) byTeam() ([]FigureRow, error) {
	by, err := r.users()
	if err != nil {
		return nil, err
	}
	pools, err := offers.Pools(r.tx)
	if err != nil {
		return nil, err
	}
	rows := []FigureRow{}
	for _, p := range pools {
		team, err := offers.Roster(r.tx, p.ID)
		if err != nil {
			return nil, err
		}
		sum := counts.Tally{}
		for _, m := range team {
			sum.Merge(by[m.User.String()], 1)
		}
		rows = append(rows, r.row(new(p.ID.String()), p.Name, &sum, nil))
	}
	return rows, nil
}

func (r *figureReader) byHour(zone string) ([]FigureRow, error) {
	where, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, problem.InvalidField("time_zone", "unknown_time_zone", "Give the IANA name of a time zone, such as Europe/London.")
	}
	sums, err := counts.ByHour(r.tx, r.from, r.to, where)
	rows := make([]FigureRow, len(sums))
	r.presence = true
	for i := range sums {
		rows[i] = r.row(nil, strconv.Itoa(100 + i)[1:], &sums[i], nil)
	}
	return rows, err
}

// spentOn sums by currency what was spent on the keys.
func (r *figureReader) spentOn(of func(key string) bool) map[string]int64 {
	out := map[string]int64{}
	for _, s := range r.spent {
		if of(s.Key) {
			out[s.Currency] += s.Minor
		}
	}
	return out
}
