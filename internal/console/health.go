package console

import (
	"math"
	"time"

	"catchment/internal/account"
	"catchment/internal/insight"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/web"
)

// SourceHealth is how a source does.
type SourceHealth struct {
	SourceID    string     `json:"source_id" example:"src_01h455vb4pex5vsknk084sn02q"`
	State       string     `json:"state" enum:"well,silent,learning,off" doc:"silent: it has brought nothing for longer than its rhythm says. learning: nobody can tell yet; that takes a week and twenty enquiries. off: it is not watched, or takes no leads."`
	LastAt      *time.Time `json:"last_at" doc:"Its last enquiry, without tests; null: none so far."`
	Day         int64      `json:"day" doc:"Enquiries of the last 24 hours, the half hour that runs with them." example:"41"`
	UsualDay    *float64   `json:"usual_day" doc:"How many usually come in these hours of the week; null: not known." example:"44.5"`
	DueAt       *time.Time `json:"due_at" doc:"When it will have been silent for too long, if nothing comes; null: nobody can tell."`
	SilentSince *time.Time `json:"silent_since" doc:"Its last enquiry before the silence; null: it is not silent."`
}

// SourceRhythm is SourceHealth with the last week and how the source is watched.
type SourceRhythm struct {
	SourceHealth
	TimeZone string       `json:"time_zone" doc:"The project's; hours and quiet hours are its wall clock's." example:"Europe/London"`
	Watch    SourceWatch  `json:"watch"`
	Hours    []SourceHour `json:"hours" nullable:"false" doc:"168, the present one last."`
}

// SourceHour is what came in an hour.
type SourceHour struct {
	At    time.Time `json:"at"`
	N     int64     `json:"n" doc:"Enquiries, without tests."`
	Usual *float64  `json:"usual" doc:"Of this hour of the week; null: not known."`
}

// SourceWatch is how a source is watched.
type SourceWatch struct {
	Mode     string  `json:"mode" enum:"learned,minutes,off" doc:"learned: by the rhythm of the last four weeks. minutes: after a fixed time. off: not at all."`
	Minutes  int64   `json:"minutes" minimum:"5" maximum:"40320" doc:"Of mode minutes: how long it may bring nothing, quiet hours left out." example:"60"`
	Patience int64   `json:"patience" minimum:"25" maximum:"1000" doc:"Of mode learned, in percent: 200 waits until twice as many enquiries are missing." example:"100"`
	Quiet    []Shift `json:"quiet" maxItems:"21" nullable:"false" doc:"Weekly stretches in which nothing is expected of it, in the project's time zone."`
}

type watchIn struct {
	SourcePath
	Body SourceWatch
}

func (c *Console) healthRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/sources/health", Name: "list-source-health", Tag: "set-up", Permission: account.ReadReports,
		Summary: "Whether the sources bring what they usually do", Detail: "Of every source, the newest first. A source that is silent is an alarm, too (GET /v1/alarms)."}, c.listHealth)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/sources/{id}/health", Name: "get-source-health", Tag: "set-up", Permission: account.ReadReports,
		Summary: "How one source does, hour by hour, and how it is watched"}, c.getHealth)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/sources/{id}/watch", Name: "put-source-watch", Tag: "set-up", Permission: account.ManageRouting,
		Summary: "Set how a source's silence is noticed", Detail: "A silence takes two looks, two minutes apart; no alarm comes within 15 minutes of an enquiry, unless mode minutes says less."}, c.putWatch)
}

func healthView(h insight.Health) SourceHealth {
	out := SourceHealth{SourceID: h.Source.ID.String(), State: h.State(), LastAt: web.TimeOrNull(h.LastAt), Day: h.Day, DueAt: web.TimeOrNull(h.DueAt)}
	if h.Rhythm.Known {
		out.UsualDay = tenths(h.UsualDay())
	}
	if h.Silence != nil {
		out.SilentSince = &h.Silence.BeganAt
	}
	return out
}

func tenths(x float64) *float64 { return new(math.Round(x*10) / 10) }

func (c *Console) listHealth(v *web.Visit, tx *store.Tx, in *projectsIn) (*web.List[SourceHealth], error) {
	all, err := c.Watcher.Healths(tx, v.At)
	if err != nil {
		return nil, err
	}
	return window(in.Page, all, func(h insight.Health) web.Place { return web.Place{At: h.Source.CreatedAt, ID: h.Source.ID.UUID()} }, healthView)
}

func (c *Console) getHealth(v *web.Visit, tx *store.Tx, in *SourcePath) (*SourceRhythm, error) {
	id, err := web.PathID(in.ID, account.ParseSourceID)
	if err != nil {
		return nil, err
	}
	return c.rhythmOf(v, tx, id)
}

func (c *Console) rhythmOf(v *web.Visit, tx *store.Tx, id account.SourceID) (*SourceRhythm, error) {
	h, err := c.Watcher.HealthOf(tx, id, v.At)
	if err != nil {
		return nil, err
	}
	out := &SourceRhythm{SourceHealth: healthView(h), TimeZone: h.Rhythm.Zone(), Watch: watchView(h.Watch)}
	for _, x := range h.Hours() {
		hour := SourceHour{At: x.At, N: x.N}
		if h.Rhythm.Known {
			hour.Usual = tenths(x.Usual)
		}
		out.Hours = append(out.Hours, hour)
	}
	return out, nil
}

func watchView(w counts.Watch) SourceWatch {
	out := SourceWatch{Mode: string(w.Mode), Minutes: w.Minutes, Patience: w.Patience, Quiet: make([]Shift, len(w.Quiet))}
	for i, q := range w.Quiet {
		out.Quiet[i] = Shift{q.Weekday, q.Start, q.End}
	}
	return out
}

func (c *Console) putWatch(v *web.Visit, tx *store.Tx, in *watchIn) (*SourceRhythm, error) {
	id, err := web.PathID(in.ID, account.ParseSourceID)
	if err != nil {
		return nil, err
	}
	to := counts.Watch{Source: id, Mode: counts.WatchMode(in.Body.Mode), Minutes: in.Body.Minutes, Patience: in.Body.Patience}
	for _, q := range in.Body.Quiet {
		to.Quiet = append(to.Quiet, counts.Stretch{Weekday: q.Weekday, Start: q.StartMinute, End: q.EndMinute})
	}
	was, err := c.Watcher.HealthOf(tx, id, v.At)
	if err != nil {
		return nil, err
	}
	if err := c.Watcher.SetWatch(tx, to, v.Actor, v.At); err != nil {
		return nil, err
	}
	if err := keep(tx, v, id.String(), "watch.", watchView(was.Watch), watchView(to)); err != nil {
		return nil, err
	}
	return c.rhythmOf(v, tx, id)
}
