// Package desk is the salesperson's door: offers, leads and persons, what is
// done with them, and the live stream of events. Managers and integrators read
// leads through it too. Callers may rely on this: who may not read a lead gets
// the very answer of one that never was; personal data leaves only with a
// purpose and after its opening is on the record, one entry for each answer;
// and no answer that is kept for a repeated request contains any.
package desk

import (
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/filing"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/notify"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// Parts is what the desk is made of. All are needed but Log and Timing.
type Parts struct {
	API       *web.API
	DB        *store.DB
	Directory *directory.Directory
	Signin    *signin.Signin
	Auth      web.Authenticator
	Routing   *routing.Router
	Followup  *followup.Followup
	Filing    *filing.Filing
	FilesRoom int64 // bytes that all files of an account may have
	Notify    *notify.Notifier
	PushKey   []byte // what browsers subscribe with
	Persons   Persons
	Opener    Opener
	Feed      *events.Feed
	Log       *slog.Logger
	Timing    Timing

	// SignReceipt signs with the key that signed receipts at that time, and
	// names it.
	SignReceipt func(at time.Time, message []byte) (signature []byte, keyID string)
}

// Timing of the stream of events; zero values take the defaults.
type Timing struct {
	Heartbeat time.Duration // a comment keeps the connection, 15 s
	Recheck   time.Duration // of the credential, 30 s
	Write     time.Duration // for one write, 10 s
}

// Desk is the door, with its routes on Parts.API.
type Desk struct {
	Parts
	streams *streams
	pages   *pages
}

// New registers the routes.
func New(p Parts) *Desk {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	p.Timing.Heartbeat = either(p.Timing.Heartbeat, 15*time.Second)
	p.Timing.Recheck = either(p.Timing.Recheck, 30*time.Second)
	p.Timing.Write = either(p.Timing.Write, 10*time.Second)
	d := &Desk{Parts: p, streams: newStreams(), pages: newPages(p.DB)}
	d.sessionRoutes()
	d.factorRoutes()
	d.passkeyRoutes()
	d.deviceRoutes()
	d.ssoRoutes()
	d.offerRoutes()
	d.pushRoutes()
	d.leadRoutes()
	d.searchRoutes()
	d.enquiryRoutes()
	d.submissionRoutes()
	d.workRoutes()
	d.fileRoutes()
	d.visitRoutes()
	d.bookingRoutes()
	d.tagRoutes()
	d.suppressionRoutes()
	d.quarantineRoutes()
	d.handoverRoutes()
	d.personRoutes()
	d.streamRoutes()
	return d
}

// Close ends the open streams and takes no new ones: http.Server.Shutdown
// would wait for them.
func (d *Desk) Close() { d.streams.close() }

func either(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// worker is the visitor as followup knows them.
func worker(v *web.Visit) followup.Worker {
	w := followup.Worker{Actor: v.Actor, User: v.User, All: v.Reach(account.WorkLeads) == rights.All,
		Measures: v.User.IsZero() && v.May(account.Measure)}
	if v.Reach(account.WorkLeads) == rights.Teams {
		w.Teams = v.Teams
	}
	return w
}

// teller is worker, of something that happened by the visitor's clock.
func teller(v *web.Visit, happened *time.Time) (w followup.Worker, err error) {
	w = worker(v)
	w.Said, err = v.Happened(happened)
	return w, err
}

// whose says whose leads a visitor lists; false: nobody's, because there is no
// user to whom any could belong.
func whose(v *web.Visit) (w leads.Whose, ok bool) {
	switch v.Reach(account.ReadLeads) {
	case rights.All:
		return w, true
	case rights.Teams:
		w.TeamsOf = v.User
	case rights.Mine:
		w.Owner = v.User
	}
	return w, w != leads.Whose{}
}

// LeadPath is the input of a route about one lead. Like the other paths it is
// exported for huma, which fills no embedded field otherwise.
type LeadPath struct {
	ID string `path:"id" doc:"The lead's id." example:"lead_01h455vb4pex5vsknk084sn02q"`
}

func (p LeadPath) lead() (lead.ID, error) { return web.PathID(p.ID, lead.ParseID) }

// named loads the names that an answer needs.
func named(tx *store.Tx) (n names, err error) {
	n = names{map[account.ProjectID]string{}, map[account.SourceID]string{}, map[lead.StageID]LeadStage{}, map[account.UserID]string{}}
	projects, err := setup.Projects(tx)
	if err != nil {
		return n, err
	}
	for _, p := range projects {
		n.projects[p.ID] = p.Name
	}
	sources, err := setup.Sources(tx)
	if err != nil {
		return n, err
	}
	for _, s := range sources {
		n.sources[s.ID] = s.Name
	}
	stages, err := setup.Stages(tx)
	if err != nil {
		return n, err
	}
	for _, s := range stages {
		n.stages[s.ID] = LeadStage{s.ID.String(), s.Slug, s.Name, string(s.Category)}
	}
	all, err := members.All(tx)
	for _, m := range all {
		n.users[m.ID] = m.Name
	}
	return n, err
}
