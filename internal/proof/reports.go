package proof

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/insight"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
)

// proveReports writes many leads straight into the tables, has the figures
// made of them, compares reports with a plain recount, and asks for them over
// and over, by HTTP, alone and while leads come in.
func proveReports(ctx context.Context, t *trial) error {
	return t.on(ctx, t.reportsOn)
}

func (t *trial) reportsOn(ctx context.Context, e Engine) error {
	i, s, n, err := t.grown(ctx, e)
	if err != nil {
		return err
	}
	defer s.db.Close()
	if err := t.compareReports(ctx, i, s); err != nil {
		return err
	}
	return t.askReports(ctx, i, s, n)
}

// The house of the proof: a project of its own with a team, and more sources
// than the companies of the demo have.
const (
	reportPeople  = 40
	reportSources = 8
)

func (i *instance) manySources(ctx context.Context) error {
	i.t.say("hiring %d salespeople, making %d sources", reportPeople, reportSources)
	made, err := i.site(ctx, reportPeople)
	if err != nil {
		return err
	}
	a := i.api(i.world.Accounts[0].SecretKey)
	for n := range reportSources {
		err := a.post(ctx, "/v1/sources", map[string]any{"project_id": made.project, "name": fmt.Sprintf("Source %d", n), "slug": fmt.Sprintf("report-%d", n)}, nil)
		if err != nil {
			return err
		}
	}
	_, err = i.drain(ctx, time.Minute)
	return err
}

// seeded is the database of an instance, and an account in it.
type seeded struct {
	db      *store.DB
	options store.Options
	scope   account.Scope
	insight *insight.Insight
	engine  Engine

	sources []setup.Source
	stages  []setup.Stage
	people  []account.UserID
	end     time.Time // the leads came in in the year before
}

func openSeeded(ctx context.Context, i *instance) (*seeded, error) {
	s := &seeded{engine: i.engine, options: store.Options{Path: filepath.Join(i.dir, "catchment.db")}, end: time.Now().UTC().Truncate(time.Hour)}
	if i.engine == Postgres {
		s.options = store.Options{URL: i.cluster.URL("catchment")}
	}
	var err error
	if s.db, err = store.Open(ctx, s.options); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	feed := events.NewFeed(s.db, nil, quiet)
	s.insight = insight.New(s.db, feed, quiet)
	scopes, err := feed.Behind(ctx, "proof", account.ID{}, 500)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(scopes, func(x account.Scope) bool { return x.Account().String() == i.world.Accounts[0].ID })
	if at < 0 {
		return nil, fmt.Errorf("the company has no events")
	}
	s.scope = scopes[at]
	return s, s.db.Read(ctx, s.scope, s.setUp)
}

func (s *seeded) setUp(tx *store.Tx) (err error) {
	if s.sources, err = setup.Sources(tx); err != nil {
		return err
	}
	if s.stages, err = setup.Stages(tx); err != nil {
		return err
	}
	all, err := members.All(tx)
	for _, m := range all {
		s.people = append(s.people, m.ID)
	}
	return err
}

var (
	sizeCells  = store.Register("proof.size.cells", `SELECT count(*), COALESCE(CAST(sum(length(sums) + length(cell)) AS bigint), 0) FROM figure_cell WHERE account_id = $1`)
	sizeShares = store.Register("proof.size.shares", `SELECT count(*), COALESCE(CAST(sum(length(share)) AS bigint), 0) FROM figure_share WHERE account_id = $1`)
)

// makeFigures has flows and figures counted from the tables, as they are when
// their events are gone.
func (t *trial) makeFigures(ctx context.Context, s *seeded, n int) error {
	name := func(x string) string { return fmt.Sprintf("%s: %s", s.engine, x) }
	t.say("counting figures from the tables")
	began := time.Now()
	if err := s.insight.Rebuild(ctx, s.scope); err != nil {
		return err
	}
	t.figure(name("flows counted from the tables"), time.Since(began).Seconds(), "s")
	began = time.Now()
	if err := s.insight.RebuildFigures(ctx, s.scope); err != nil {
		return err
	}
	t.figure(name("figures counted from the tables"), time.Since(began).Seconds(), "s")
	for _, x := range []struct {
		what string
		st   *store.Stmt
	}{{"sums", sizeCells}, {"shares of leads", sizeShares}} {
		var rows, size int64
		err := s.db.Read(ctx, s.scope, func(tx *store.Tx) error { return tx.Row(x.st).Scan(&rows, &size) })
		if err != nil {
			return err
		}
		t.figure(name(x.what+", rows"), float64(rows), "")
		t.figure(name(x.what), float64(size)/(1<<20), "MiB")
	}
	if _, err := store.Analyze(ctx, s.options); err != nil {
		return err
	}
	return t.eachCell(ctx, s, n)
}

// mostCells: comparing cell by cell holds every cell in memory twice.
const mostCells = 100_000

// eachCell compares every cell with a recount by the same definition. Of more
// leads it would take gigabytes; those are compared report by report alone.
func (t *trial) eachCell(ctx context.Context, s *seeded, n int) error {
	if n > mostCells {
		return nil
	}
	for _, x := range []struct {
		what string
		diff func(context.Context, account.Scope) (counts.Figures, error)
	}{{"flows", s.insight.Difference}, {"figures", s.insight.FiguresDifference}} {
		diff, err := x.diff(ctx, s.scope)
		if err != nil {
			return err
		}
		t.check(fmt.Sprintf("%s: every cell of the %s is what a recount gives", s.engine, x.what), diff.Cells() == 0, "%d cells differ", diff.Cells())
	}
	return nil
}

// controlled changes what is kept by one lead of the first source, forty days
// before the end; sign −1 takes it back.
func (s *seeded) controlled(ctx context.Context, sign int64) error {
	part := counts.Part{At: s.end.Add(-40 * 24 * time.Hour)}
	part.Tally.Add(counts.FLeads, 1)
	share := counts.Share{Project: s.sources[0].Project.String(), Source: s.sources[0].ID.String()}
	return s.db.Write(ctx, s.scope, func(tx *store.Tx) error {
		f := counts.Figures{}
		f.AddPart(share, part, sign)
		return counts.Change(tx, f)
	})
}

// spans are times to report on: whole and crooked ones, short and long.
func (s *seeded) spans() [][2]time.Time {
	ago := func(hours float64) time.Time { return s.end.Add(-time.Duration(hours * float64(time.Hour))) }
	return [][2]time.Time{{ago(365 * 24), s.end}, {ago(300*24 + 7.5), ago(11)}, {ago(31 * 24), s.end}, {ago(7 * 24), s.end}, {ago(24), s.end},
		{ago(50 * 24), ago(20*24 + 5)}}
}

func (s *seeded) categories() map[lead.StageID]lead.Category {
	out := map[lead.StageID]lead.Category{}
	for _, x := range s.stages {
		out[x.ID] = x.Category
	}
	return out
}
