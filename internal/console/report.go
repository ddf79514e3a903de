package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// LeadReport is counts of what happened in a time.
type LeadReport struct {
	From  time.Time   `json:"from" doc:"As counted: a whole half hour."`
	To    time.Time   `json:"to" doc:"As counted: a whole half hour; what came before it."`
	By    string      `json:"by" enum:"source,project,category"`
	Rows  []ReportRow `json:"rows" nullable:"false" doc:"Every source or project that there is, or every category; by name."`
	Total *Counted    `json:"total,omitempty" doc:"Of all rows. Absent by category."`
}

// ReportRow is the counts of one source, project or category.
type ReportRow struct {
	ID     *string  `json:"id" doc:"Of the source or project; null by category." example:"src_01h455vb4pex5vsknk084sn02q"`
	Name   string   `json:"name" example:"Spring campaign form"`
	Leads  int64    `json:"leads" doc:"New leads. By category: leads that entered it."`
	Counts *Counted `json:"counts,omitempty" doc:"Absent by category."`
}

// Counted is what is counted.
type Counted struct {
	Leads       int64 `json:"leads" doc:"New leads."`
	Enquiries   int64 `json:"enquiries" doc:"With those of known leads."`
	ReEnquiries int64 `json:"re_enquiries" doc:"Of known, open leads. They count for their own source."`
	Offers      int64 `json:"offers"`
	Accepted    int64 `json:"accepted"`
	Declined    int64 `json:"declined"`
	Expired     int64 `json:"expired"`
	Lost        int64 `json:"lost" doc:"The lead went another way while the offer was open."`
	Attempts    int64 `json:"attempts"`
	Contacts    int64 `json:"contacts" doc:"Attempts that reached the person."`
	New         int64 `json:"new" doc:"Leads that entered a stage of this category."`
	FollowUp    int64 `json:"follow_up" doc:"Leads that entered a stage of this category."`
	Won         int64 `json:"won" doc:"Leads that entered a stage of this category."`
	Dropped     int64 `json:"dropped" doc:"Leads that entered a stage of this category."`
}

func counted(s counts.Sums) *Counted {
	return &Counted{s[counts.Leads], s[counts.Enquiries], s[counts.ReEnquiries], s[counts.Offers], s[counts.Accepted], s[counts.Declined],
		s[counts.Expired], s[counts.Lost], s[counts.Attempts], s[counts.Contacts], s[counts.New], s[counts.FollowUp], s[counts.Won], s[counts.Dropped]}
}

type reportIn struct {
	From time.Time `query:"from" format:"date-time" doc:"RFC 3339. Counted from the beginning of its half hour. Default: seven days before to." example:"2026-03-02T00:00:00Z"`
	To   time.Time `query:"to" format:"date-time" doc:"RFC 3339, counted to the end of its half hour unless it is a full one. Default: now." example:"2026-03-09T00:00:00Z"`
	By   string    `query:"by" enum:"source,project,category" default:"source"`
}

// longest is more than anybody compares; it bounds what is summed.
const longest = 5 * 366 * 24 * time.Hour

// span settles from and to: whole half hours, from before to.
func (in *reportIn) span(now time.Time) (from, to time.Time, err error) {
	from, to = in.From.UTC(), in.To.UTC()
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-7 * 24 * time.Hour)
	}
	if !from.Before(to) {
		return from, to, problem.InvalidField("from", "not_before_to", "Send a from that lies before to.")
	}
	if to.Sub(from) > longest || from.Year() < 2000 || to.Year() > 2200 {
		return from, to, problem.InvalidField("from", "too_long", "Ask for at most five years.")
	}
	from = from.Truncate(counts.Step)
	if t := to.Truncate(counts.Step); !t.Equal(to) {
		to = t.Add(counts.Step)
	}
	return from, to, nil
}

func (c *Console) reportRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/reports/leads", Name: "report-leads", Tag: "reports", Permission: account.ReadReports,
		Summary: "What came in and what came of it", Detail: "Counts of what happened between from and to, a second behind at most. Whatever happens to a lead counts for the source of its first enquiry. Nothing personal; test leads never."}, reportLeads)
	c.figureRoutes()
	c.spendRoutes()
}

func reportLeads(v *web.Visit, tx *store.Tx, in *reportIn) (*LeadReport, error) {
	from, to, err := in.span(v.At)
	if err != nil {
		return nil, err
	}
	if v.Reach(account.ReadReports) != rights.All {
		return teamsReport(v, tx, from, to, in.By)
	}
	out := &LeadReport{From: from, To: to, By: in.By, Rows: []ReportRow{}}
	all, err := counts.Flow(tx, from, to)
	if err != nil {
		return nil, err
	}
	switch in.By {
	case "category":
		for _, k := range lead.Categories() {
			out.Rows = append(out.Rows, ReportRow{Name: string(k), Leads: all[counts.Measure(k)]})
		}
		return out, nil
	case "project":
		out.Rows, err = projectRows(tx, from, to)
	default:
		out.Rows, err = sourceRows(tx, from, to)
	}
	out.Total = counted(all)
	byName(out.Rows, func(r ReportRow) (string, string) { return r.Name, *r.ID })
	return out, err
}

// ofTeams refuses what is not counted project by project to who sees the counts
// of teams.
func ofTeams(by string) error {
	if by == "project" {
		return nil
	}
	return problem.Forbidden("by_project_only", "Your role sees the counts of its teams. Ask with by=project.")
}

func teamsReport(v *web.Visit, tx *store.Tx, from, to time.Time, by string) (*LeadReport, error) {
	if err := ofTeams(by); err != nil {
		return nil, err
	}
	sums, err := counts.ByProject(tx, from, to)
	if err != nil {
		return nil, err
	}
	all, err := setup.Projects(tx)
	out, total := &LeadReport{From: from, To: to, By: by, Rows: []ReportRow{}}, counts.Sums{}
	for _, p := range all {
		if !v.ReachesProject(account.ReadReports, p.ID) {
			continue
		}
		out.Rows = append(out.Rows, row(p.ID.String(), p.Name, sums[p.ID]))
		for m, n := range sums[p.ID] {
			total[m] += n
		}
	}
	out.Total = counted(total)
	byName(out.Rows, func(r ReportRow) (string, string) { return r.Name, *r.ID })
	return out, err
}

func projectRows(tx *store.Tx, from, to time.Time) ([]ReportRow, error) {
	sums, err := counts.ByProject(tx, from, to)
	if err != nil {
		return nil, err
	}
	all, err := setup.Projects(tx)
	return whole(all, func(p setup.Project) ReportRow { return row(p.ID.String(), p.Name, sums[p.ID]) }).Items, err
}

func sourceRows(tx *store.Tx, from, to time.Time) ([]ReportRow, error) {
	sums, err := counts.BySource(tx, from, to)
	if err != nil {
		return nil, err
	}
	all, err := setup.Sources(tx)
	return whole(all, func(s setup.Source) ReportRow { return row(s.ID.String(), s.Name, sums[s.ID]) }).Items, err
}

func row(id, name string, s counts.Sums) ReportRow {
	return ReportRow{ID: &id, Name: name, Leads: s[counts.Leads], Counts: counted(s)}
}
