// Package operate is the operator's door. It is wired without account keys:
// it shows that accounts exist and whether the machine is well, and of leads and
// persons only what an account has granted to the very person who asks. What it
// shows comes from a few functions, so that no handle of an account reaches it.
package operate

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/concern"
	"catchment/internal/limits"
	"catchment/internal/privacy"
	"catchment/internal/web"
)

// Account is a row of the list of accounts.
type Account struct {
	ID            account.ID
	Name          string
	DefaultRegion string
	CreatedAt     time.Time
	Users         int64
	Projects      int64
	Sources       int64
}

// Journal is how the log at the door stands.
type Journal struct {
	LastSeq  uint64        // of the newest message
	Cursor   uint64        // up to which SQL has taken them
	Backlog  uint64        // messages between the two
	Oldest   time.Duration // how long the oldest of those has waited; 0: none
	FreeDisk uint64        // bytes; 0: unknown
	Closed   bool          // it takes no leads now
	Why      string        // why it is closed: a code
}

// Jobs is how the work list stands.
type Jobs struct {
	Due    int64
	Oldest time.Duration // how long the oldest due one has waited; 0: none
	Failed int64         // that did not succeed so far and are tried again
}

// Events is how the log of events stands.
type Events struct {
	Unplaced int64         // transactions whose events have no positions yet
	Oldest   time.Duration // of those; 0: there are none
	Behind   int64         // events that the reports have not counted
}

// Parts is what the door is made of: the routes' API, and where the figures
// come from. A function that fails marks its part as unknown, not the whole
// answer. All are needed.
type Parts struct {
	API     *web.API
	Version string
	Started time.Time
	Engine  string // of SQL
	// Accounts lists up to limit accounts, newest first, after the given place.
	Accounts func(ctx context.Context, after web.Place, limit int) ([]Account, error)
	Journal  func(ctx context.Context) (Journal, error)
	Jobs     func(ctx context.Context) (Jobs, error)
	Events   func(ctx context.Context) (Events, error)
	Database func(ctx context.Context) error // does it answer?
	Keys     func() PlatformKeys
	Firewall func() *Firewall // nil: it is off
	// Limits reads what an account may have of its own, SetLimits stores it, on
	// both records. 404 when there is no such account.
	Limits    func(ctx context.Context, id account.ID) (limits.Own, error)
	SetLimits func(ctx context.Context, actor string, id account.ID, own limits.Own) error
	Counts    *limits.Limits // the platform's; nil: none
	Record    *audit.Platform
	Support   *privacy.Support // opens by grants, and has nothing else
	Approvals *privacy.Approvals
	Logs      *privacy.Logs // nil: none are kept
	Concerns  *concern.Concerns
	PublicURL string // of the platform
}

// AccountItem is an account as the operator sees it.
type AccountItem struct {
	ID            string    `json:"id" example:"acct_01h455vb4pex5vsknk084sn02q"`
	Name          string    `json:"name" example:"Harbour Homes"`
	DefaultRegion string    `json:"default_region" doc:"ISO 3166." example:"GB"`
	CreatedAt     time.Time `json:"created_at"`
	Users         int64     `json:"users" doc:"With those who were invited and those who left."`
	Projects      int64     `json:"projects"`
	Sources       int64     `json:"sources"`
}

// Health is how the machine is.
type Health struct {
	Version   string         `json:"version"`
	StartedAt time.Time      `json:"started_at" doc:"Of the process that answers."`
	Engine    string         `json:"engine" enum:"sqlite,postgres"`
	OK        bool           `json:"ok" doc:"Every part answers, leads are taken, and none has waited a minute for SQL or a worker."`
	Database  HealthDatabase `json:"database"`
	Journal   *HealthJournal `json:"journal" doc:"null: it could not be asked."`
	Jobs      *HealthJobs    `json:"jobs" doc:"null: they could not be counted."`
	Events    *HealthEvents  `json:"events" doc:"null: they could not be counted."`
	Firewall  *FirewallView  `json:"firewall" doc:"What the firewall has cause to alarm about, of the process that answers; it has no part in ok. null: it is off."`
}

// HealthDatabase says whether SQL answers.
type HealthDatabase struct {
	Answers bool `json:"answers"`
}

// HealthJournal is how the log at the door stands.
type HealthJournal struct {
	TakesLeads    bool   `json:"takes_leads"`
	Why           string `json:"why,omitempty" doc:"A code: why it takes none."`
	LastSeq       uint64 `json:"last_seq" doc:"Of its newest message."`
	Cursor        uint64 `json:"cursor" doc:"Up to which SQL has taken them."`
	Backlog       uint64 `json:"backlog" doc:"Messages between the two; a message holds up to a thousand leads."`
	OldestMS      *int64 `json:"oldest_ms" doc:"How long the oldest of those has waited; null: none."`
	FreeDiskBytes uint64 `json:"free_disk_bytes,omitempty"`
}

// HealthJobs is how the work list stands.
type HealthJobs struct {
	Due      int64  `json:"due"`
	OldestMS *int64 `json:"oldest_ms" doc:"How long the oldest due one has waited; null: none."`
	Failed   int64  `json:"failed" doc:"That did not succeed so far; they are tried again."`
}

// HealthEvents is how the log of events stands.
type HealthEvents struct {
	Unplaced int64  `json:"unplaced" doc:"Transactions whose events are not in the streams yet."`
	OldestMS *int64 `json:"oldest_ms" doc:"How long the oldest of those has waited; null: none."`
	Behind   int64  `json:"behind" doc:"Events that the reports have not counted yet."`
}

// late is how long something may wait before it is a fault.
const late = time.Minute

// New registers the routes.
func New(p Parts) {
	web.Meet(p.API, web.Op{Method: "GET", Path: "/v1/operator/accounts", Name: "operator-accounts", Tag: "operator", Permission: account.RunPlatform,
		Summary: "The accounts", Detail: "Newest first. Ids, names and counts of the set-up; nothing of a lead."}, p.accounts)
	web.Meet(p.API, web.Op{Method: "GET", Path: "/v1/operator/health", Name: "operator-health", Tag: "operator", Permission: account.RunPlatform,
		Summary: "How the machine is", Detail: "Figures over all accounts; nothing of a lead or a person, and of an account no more than its id beside an alarm of the firewall. Answers 200 also when something is wrong: look at ok."}, p.health)
	p.keyRoutes()
	p.limitRoutes()
	p.recordRoutes()
	p.grantRoutes()
	p.approvalRoutes()
	p.concernRoutes()
	p.reportPage()
}

type accountsIn struct{ web.Page }

func (p Parts) accounts(ctx context.Context, _ *web.Visit, in *accountsIn) (*web.List[AccountItem], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := p.Accounts(ctx, from, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page := web.NewList(in.Page, rows, func(a Account) web.Place { return web.Place{At: a.CreatedAt, ID: a.ID.UUID()} })
	out := &web.List[AccountItem]{Items: []AccountItem{}, NextCursor: page.NextCursor}
	for _, a := range page.Items {
		out.Items = append(out.Items, AccountItem{ID: a.ID.String(), Name: a.Name, DefaultRegion: a.DefaultRegion, CreatedAt: a.CreatedAt,
			Users: a.Users, Projects: a.Projects, Sources: a.Sources})
	}
	return out, nil
}

func (p Parts) health(ctx context.Context, _ *web.Visit, _ *struct{}) (*Health, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // of all parts together: an operator waits
	defer cancel()
	h := &Health{Version: p.Version, StartedAt: p.Started.UTC(), Engine: p.Engine}
	h.Database.Answers = p.Database(ctx) == nil
	h.OK = h.Database.Answers
	if j, err := p.Journal(ctx); err == nil {
		h.Journal = &HealthJournal{TakesLeads: !j.Closed, Why: j.Why, LastSeq: j.LastSeq, Cursor: j.Cursor, Backlog: j.Backlog,
			OldestMS: waited(j.Oldest), FreeDiskBytes: j.FreeDisk}
		h.OK = h.OK && !j.Closed && j.Oldest < late
	}
	if j, err := p.Jobs(ctx); err == nil {
		h.Jobs = &HealthJobs{Due: j.Due, OldestMS: waited(j.Oldest), Failed: j.Failed}
		h.OK = h.OK && j.Oldest < late
	}
	if e, err := p.Events(ctx); err == nil {
		h.Events = &HealthEvents{Unplaced: e.Unplaced, OldestMS: waited(e.Oldest), Behind: e.Behind}
		h.OK = h.OK && e.Oldest < late
	}
	h.Firewall = firewallView(p.Firewall())
	h.OK = h.OK && h.Journal != nil && h.Jobs != nil && h.Events != nil
	return h, nil
}

func waited(d time.Duration) *int64 {
	if d <= 0 {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}
