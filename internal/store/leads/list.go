package leads

import (
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// LeadFilter says which leads to list; zero values ask for nothing.
type LeadFilter struct {
	Project    account.ProjectID
	Source     account.SourceID
	Category   lead.Category
	Stages     []lead.StageID // any of them; empty: every stage
	RouteState lead.RouteState
	Owners     []account.UserID // any of them; empty: everybody, and nobody
	Person     lead.PersonID
	Tag        string
	Test       bool // test leads too
	// From and To bound when the first enquiry was received, To not included.
	From, To time.Time
	// Origin and Campaign are as the figures have them (counts.Key).
	Origin, Campaign string
	// Came says how far a lead has come.
	Came Came
	// Tried keeps to leads whose speed to lead was measured and lies in
	// [Least, Below); Below 0 has no end.
	Tried *Speed
	// TeamsOf keeps to leads of the projects whose team the user is in, and to
	// the user's own.
	TeamsOf account.UserID
}

// Speed is a span of speeds to lead.
type Speed struct{ Least, Below time.Duration }

// Came is a step that a lead has reached, now or before.
type Came string

// The steps, as the figures of leads count them.
const (
	CameOffered   Came = "offered"
	CameAccepted  Came = "accepted"
	CameAttempted Came = "attempted"
	CameContacted Came = "contacted"
	CameVisited   Came = "visited" // a site visit took place
	CameBooked    Came = "booked"  // a booking that is not cancelled
)

// Plain reports whether the filter asks for nothing.
func (f LeadFilter) Plain() bool {
	return len(f.Stages)+len(f.Owners) == 0 && f.Tried == nil && f.From.IsZero() && f.To.IsZero() && f.Project.IsZero() && f.Source.IsZero() &&
		f.Category == "" && f.RouteState == "" && f.Person.IsZero() && f.Tag == "" && !f.Test && f.Origin == "" && f.Campaign == "" && f.Came == "" && f.TeamsOf.IsZero()
}

// LeadPage is the place after which a list goes on; the zero value begins it.
type LeadPage struct {
	CreatedAt time.Time
	ID        lead.ID
}

// Every list takes the same parameters. One part of the filter leads: its
// condition stands plain, so that its index gives the order of the list; the
// others ask for nothing where their parameter is NULL. The casts tell
// PostgreSQL the types.
var filterParts = []struct{ name, maybe, leads string }{
	{"project", `(CAST($5 AS uuid) IS NULL OR lead.project_id = $5)`, `lead.project_id = $5`},
	{"source", `(CAST($6 AS uuid) IS NULL OR lead.source_id = $6)`, `lead.source_id = $6`},
	{"category", `(CAST($7 AS text) IS NULL OR lead.category = $7)`, ``},
	{"stage", `(CAST($8 AS uuid) IS NULL OR lead.stage_id = $8)`, `lead.stage_id = $8`},
	{"state", `(CAST($9 AS text) IS NULL OR lead.route_state = $9)`, ``},
	{"test", `($10 OR NOT lead.test)`, ``},
	{"owner", `(CAST($11 AS uuid) IS NULL OR lead.owner_id = $11)`, `lead.owner_id = $11`},
	{"sight", `(CAST($12 AS uuid) IS NULL OR ` + ofTeams("lead.", "$12") + `)`, ofTeams("lead.", "$12")},
	{"came", `(CAST($13 AS text) IS NULL OR $13 = 'offered' AND lead.offered_at IS NOT NULL OR $13 = 'accepted' AND lead.accepted_at IS NOT NULL
		OR $13 = 'attempted' AND lead.attempted_at IS NOT NULL OR $13 = 'contacted' AND lead.contacted_at IS NOT NULL
		OR $13 = 'visited' AND EXISTS (SELECT 1 FROM site_visit v WHERE v.account_id = $1 AND v.lead_id = lead.lead_id AND v.state = 'done')
		OR $13 = 'booked' AND EXISTS (SELECT 1 FROM booking b WHERE b.account_id = $1 AND b.lead_id = lead.lead_id AND b.cancelled_at IS NULL))`, ``},
	{"speed", `(CAST($14 AS bigint) IS NULL OR NOT lead.history AND lead.attempted_at - lead.created_at >= $14 AND lead.attempted_at - lead.created_at < $15)`, ``},
	{"origin", `(CAST($16 AS text) IS NULL OR ` + hasOrigin("origin", "$16") + `)`, ``},
	{"campaign", `(CAST($17 AS text) IS NULL OR ` + hasOrigin("campaign", "$17") + `)`, ``},
	{"person", `(CAST($18 AS uuid) IS NULL OR lead.person_id = $18)`, `lead.person_id = $18`},
	{"tag", `(CAST($19 AS text) IS NULL OR EXISTS (SELECT 1 FROM lead_tag g WHERE g.account_id = $1 AND g.lead_id = lead.lead_id AND g.tag = $19))`, ``},
}

func hasOrigin(dim, key string) string {
	return `EXISTS (SELECT 1 FROM lead_origin f WHERE f.account_id = $1 AND f.dim = '` + dim + `' AND f.key = ` + key + `
		AND f.created_at = lead.created_at AND f.lead_id = lead.lead_id)`
}

// ofTeams are the leads of a user's teams, and their own. COALESCE keeps SQLite
// off the indexes of both halves: it would gather every lead of a large team
// and sort them (4 s of 200,000), where the list's own index has them in order.
func ofTeams(alias, user string) string {
	return `(` + alias + `owner_id = ` + user + ` OR ` + store.InTeam(`COALESCE(`+alias+`project_id, `+alias+`lead_id)`, user) + `)`
}

// listBy makes the list that one part leads. at is the table whose index has
// the order of the list, after the words of FROM.
func listBy(name, from, at, where string) *store.Stmt {
	return listIn(name, from, at, at+".created_at", where)
}

// fewBy is listBy where the condition finds few: they are sorted. The sum keeps
// planners off the index in the order of the list, of which they would read all.
func fewBy(name, where string) *store.Stmt {
	return listIn(name, "lead", "lead", "lead.created_at + 0", where)
}

func listIn(name, from, at, time, where string) *store.Stmt {
	text := []string{`SELECT ` + qualified("lead.") + ` FROM ` + from + ` WHERE ` + at + `.account_id = $1`,
		`(` + time + `, ` + at + `.lead_id) < ($2, $3)`, time + ` >= $4`}
	if where != "" {
		text = append(text, where)
	}
	for _, p := range filterParts {
		if p.name == name && p.leads != "" {
			text = append(text, p.leads)
		} else {
			text = append(text, p.maybe)
		}
	}
	return store.Register("leads.lead.list_"+name, strings.Join(text, "\n\t\tAND ")+
		`
		ORDER BY `+time+` DESC, `+at+`.lead_id DESC LIMIT $20`)
}

const besideLead = ` JOIN lead ON lead.account_id = $1 AND lead.lead_id = `

var (
	listAll      = listBy("all", "lead", "lead", "")
	listProject  = listBy("project", "lead", "lead", "")
	listSource   = listBy("source", "lead", "lead", "")
	listStage    = listBy("stage", "lead", "lead", "")
	listOwned    = listBy("owner", "lead", "lead", "")
	listTeams    = listBy("sight", "lead", "lead", "")
	listPersons  = listBy("person", "lead", "lead", "")
	listCampaign = listBy("campaign", "lead_origin o"+besideLead+"o.lead_id", "o", `o.dim = 'campaign' AND o.key = $17`)
	listOrigin   = listBy("origin", "lead_origin o"+besideLead+"o.lead_id", "o", `o.dim = 'origin' AND o.key = $16`)
	listWaiting  = listBy("waiting", "lead", "lead", `lead.waiting_at IS NOT NULL`)
	listOffered  = fewBy("offered", `lead.lead_id IN (SELECT o.lead_id FROM offer o WHERE o.account_id = $1 AND o.open)`)
)

// Of a lead's tags and origins the time is the lead's own.
var listTagged = func() *store.Stmt {
	st := `SELECT ` + qualified("lead.") + ` FROM lead_tag t` + besideLead + `t.lead_id
		WHERE t.account_id = $1 AND t.tag = $19 AND (t.lead_created_at, t.lead_id) < ($2, $3) AND t.lead_created_at >= $4`
	for _, p := range filterParts {
		if p.name != "tag" {
			st += "\n\t\tAND " + p.maybe
		}
	}
	return store.Register("leads.lead.list_tag", st+` ORDER BY t.lead_created_at DESC, t.lead_id DESC LIMIT $20`)
}()

// leading is the list for the filter: the part that finds fewest leads leads.
func (f *LeadFilter) leading() *store.Stmt {
	switch {
	case f.Tag != "":
		return listTagged
	case !f.Person.IsZero():
		return listPersons
	case f.RouteState == lead.Waiting:
		return listWaiting
	case f.RouteState == lead.Offered:
		return listOffered
	case len(f.Owners) > 0:
		return listOwned
	case f.Campaign != "":
		return listCampaign
	case len(f.Stages) > 0:
		return listStage
	case !f.Source.IsZero():
		return listSource
	case f.Origin != "":
		return listOrigin
	case !f.Project.IsZero():
		return listProject
	case !f.TeamsOf.IsZero():
		return listTeams
	}
	return listAll
}

// ListLeads returns up to limit leads, newest first.
func ListLeads(tx *store.Tx, f LeadFilter, after LeadPage, limit int) ([]Lead, error) {
	if f.ofTeamsAlone() {
		return listOfTeams(tx, f, after, limit)
	}
	return listLeadsBy(tx, f.leading(), f, after, limit)
}

// listLeadsBy lists by the statement whose index fits the filter.
func listLeadsBy(tx *store.Tx, st *store.Stmt, f LeadFilter, after LeadPage, limit int) (out []Lead, err error) {
	at := after.CreatedAt.UnixMicro()
	if after.CreatedAt.IsZero() {
		at, after.ID = endOfTime, lead.NewID()
	}
	if !f.To.IsZero() && f.To.UnixMicro() <= at {
		at, after.ID = f.To.UnixMicro(), lead.ID{}
	}
	stages, owners := f.Stages, f.Owners
	if len(stages) == 0 {
		stages = make([]lead.StageID, 1)
	}
	if len(owners) == 0 {
		owners = make([]account.UserID, 1)
	}
	// Of several stages or owners each has its own list, in the same order.
	for _, stage := range stages {
		for _, owner := range owners {
			rows, err := tx.Query(st, f.args(at, after.ID, stage, owner, limit)...)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				l, err := scanLead(scan)
				out = append(out, l)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	if len(stages)*len(owners) > 1 {
		out = Newest(out, limit)
	}
	return out, nil
}

func (f *LeadFilter) args(at int64, after lead.ID, stage lead.StageID, owner account.UserID, limit int) []any {
	from := -endOfTime
	if !f.From.IsZero() {
		from = f.From.UnixMicro()
	}
	var least, below any
	if f.Tried != nil {
		least, below = f.Tried.Least.Microseconds(), endOfTime
		if f.Tried.Below > 0 {
			below = f.Tried.Below.Microseconds()
		}
	}
	return []any{at, after.Bytes(), from, f.Project, f.Source, textOrNull(string(f.Category)), stage, textOrNull(string(f.RouteState)), f.Test, owner, f.TeamsOf,
		textOrNull(string(f.Came)), least, below, textOrNull(f.Origin), textOrNull(f.Campaign), f.Person, textOrNull(f.Tag), limit}
}
