package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
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
// made, compares them with what plain SQL counts, and asks for reports.
func proveReports(ctx context.Context, t *trial) error {
	return t.on(ctx, t.reportsOn)
}

func (t *trial) reportsOn(ctx context.Context, e Engine) error {
	i, err := t.fresh(ctx, e)
	if err != nil {
		return err
	}
	if err := i.stop(); err != nil {
		return err
	}
	s, err := openSeeded(ctx, i)
	if err != nil {
		return err
	}
	defer s.db.Close()
	n := t.Leads
	if n == 0 {
		n = 1_000_000
	}
	if err := t.sow(ctx, s, n); err != nil {
		return err
	}
	if err := t.recountReports(ctx, s, n); err != nil {
		return err
	}
	s.db.Close()
	return t.askReports(ctx, i, s)
}

// seeded is the database of an instance that stands still, and an account in it.
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
	sowLead = store.Bulk("proof.sow.lead", `INSERT INTO lead (account_id, lead_id, person_id, project_id, source_id, test, stage_id, category, reason,
		route_state, owner_id, decided, offers_made, enquiries, version, created_at, enquired_at, offered_at, accepted_at, attempted_at, contacted_at,
		next_what, closed_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, 'owned', $10, true, 1, 1, 1, $11, $11, $12, $13, $14, $15, '', $16)`, ``)
	sowEnquiry = store.Bulk("proof.sow.enquiry", `INSERT INTO enquiry (account_id, enquiry_id, lead_id, person_id, project_id, source_id, state, test, re_enquiry,
		conflict, flags, attribution, custom, received_at, created_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, 'attached', $7, false, false, '[]', $8, '{}', $9, $9)`, ``)
	sowOffer = store.Bulk("proof.sow.offer", `INSERT INTO offer (account_id, offer_id, lead_id, pool_id, user_id, round_id, state, open, made_at, expires_at,
		resolved_at, reason) VALUES`, `($1, $2, $3, $4, $5, $4, $6, false, $7, $7, $8, '')`, ``)
	sowAttempt = store.Bulk("proof.sow.attempt", `INSERT INTO attempt (account_id, attempt_id, lead_id, user_id, channel, disposition, reached, evidence,
		started_at, created_at) VALUES`, `($1, $2, $3, $4, 'call', $5, $6, 'said', $7, $7)`, ``)
)

// sown are the rows of some leads.
type sown struct{ leads, enquiries, offers, attempts [][]any }

// sow writes n leads of the last year, with what happened to them.
func (t *trial) sow(ctx context.Context, s *seeded, n int) error {
	t.say("writing %d leads straight into %s", n, s.engine)
	rnd := rand.New(rand.NewPCG(3, uint64(n)))
	const batch = 20_000
	began := time.Now()
	for from := 0; from < n; from += batch {
		var rows sown
		for k := from; k < min(n, from+batch); k++ {
			// In the order in which they came: that is how tables grow.
			at := s.end.Add(-365 * 24 * time.Hour).Add(time.Duration(float64(365*24*time.Hour) * (float64(k) + rnd.Float64()) / float64(n)))
			s.sowOne(&rows, rnd, store.Clock(at))
		}
		err := s.db.Write(ctx, s.scope, func(tx *store.Tx) error {
			for _, x := range []struct {
				st   *store.Stmt
				rows [][]any
			}{{sowLead, rows.leads}, {sowEnquiry, rows.enquiries}, {sowOffer, rows.offers}, {sowAttempt, rows.attempts}} {
				if _, err := tx.Bulk(x.st, slices.Clone(x.rows)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if from%(10*batch) == 0 && from > 0 {
			t.say("%d", from)
		}
	}
	t.figure(fmt.Sprintf("%s: leads written", s.engine), float64(n), "")
	t.figure(fmt.Sprintf("%s: until they were there", s.engine), time.Since(began).Seconds(), "s")
	_, err := store.Analyze(ctx, s.options)
	return err
}

// sowOne draws one lead: most are answered within minutes, some never.
func (s *seeded) sowOne(rows *sown, rnd *rand.Rand, at time.Time) {
	after := func(from time.Time, median time.Duration, chance float64) time.Time {
		if from.IsZero() || rnd.Float64() > chance {
			return time.Time{}
		}
		return from.Add(time.Duration(float64(median) * math.Exp(1.5*rnd.NormFloat64()))).Truncate(time.Microsecond)
	}
	id, person, source := lead.NewID(), lead.NewPersonID(), s.sources[rnd.IntN(len(s.sources))]
	test := rnd.IntN(200) == 0
	offered := after(at, 3*time.Second, 0.99)
	accepted := after(offered, 15*time.Second, 0.8)
	tried := after(accepted, 4*time.Minute, 0.9)
	reached := after(tried, 20*time.Minute, 0.6)
	stage := s.stages[rnd.IntN(len(s.stages))]
	reason, closed := "", time.Time{}
	if !stage.Category.Open() {
		closed = at.Add(240 * time.Hour)
		if stage.Category == lead.Dropped {
			reason = []string{"too-expensive", "no-answer", "other-area", ""}[rnd.IntN(4)]
		}
	}
	owner := account.UserID{}
	if user := s.people[rnd.IntN(len(s.people))]; !accepted.IsZero() {
		owner = user
	}
	rows.leads = append(rows.leads, []any{id, person, source.Project, source.ID, test, stage.ID, string(stage.Category), reason, owner, at.UnixMicro(),
		store.Micro(offered), store.Micro(accepted), store.Micro(tried), store.Micro(reached), store.Micro(closed)})
	rows.enquiries = append(rows.enquiries, []any{lead.NewEnquiryID(), id, person, source.Project, source.ID, test, drawnAttribution(rnd), at.UnixMicro()})
	who := s.people[rnd.IntN(len(s.people))]
	if !offered.IsZero() {
		state, ended := lead.OfferExpired, offered.Add(45*time.Second)
		if !accepted.IsZero() {
			state, ended, who = lead.OfferAccepted, accepted, owner
		}
		rows.offers = append(rows.offers, []any{lead.NewOfferID(), id, who.Bytes(), who, string(state), offered.UnixMicro(), ended.UnixMicro()})
	}
	for _, try := range []time.Time{tried, reached} {
		if !try.IsZero() {
			rows.attempts = append(rows.attempts, []any{lead.NewAttemptID(), id, owner, []string{"no-answer", "spoke"}[b2i(try.Equal(reached))], try.Equal(reached), try.UnixMicro()})
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// drawnAttribution: forty campaigns of six origins, and a part without.
func drawnAttribution(rnd *rand.Rand) string {
	if rnd.IntN(5) == 0 {
		return "{}"
	}
	return fmt.Sprintf(`{"utm_source":"%s","utm_medium":"%s","utm_campaign":"Campaign %02d"}`, []string{"Google", "meta", "Portal"}[rnd.IntN(3)],
		[]string{"cpc", "social"}[rnd.IntN(2)], rnd.IntN(40))
}

// recountReports has the figures made and compares them: with all tables
// counted anew by the same definition, and, for some spans of time, with what
// plain SQL counts.
func (t *trial) recountReports(ctx context.Context, s *seeded, n int) error {
	name := func(x string) string { return fmt.Sprintf("%s: %s", s.engine, x) }
	began := time.Now()
	if err := s.insight.RebuildFigures(ctx, s.scope); err != nil {
		return err
	}
	t.figure(name("figures made of all tables"), time.Since(began).Seconds(), "s")
	if err := t.eachCell(ctx, s, n, true); err != nil {
		return err
	}
	compared, wrong, err := s.compareAll(ctx, s.spans()[:5])
	if err != nil {
		return err
	}
	t.check(name("figures are what plain SQL counts"), wrong == 0 && compared > 500, "%d figures compared, %d differ", compared, wrong)
	worst, clocks, err := s.compareClocks(ctx)
	if err != nil {
		return err
	}
	t.check(name("quantiles are within their error"), clocks > 10 && worst <= counts.BucketError, "the worst of %d is %.2f %% from the exact one, %.2f %% allowed",
		clocks, 100*worst, 100*counts.BucketError)
	return t.controlReports(ctx, s, n)
}

// mostCells: comparing cell by cell holds every cell in memory twice.
const mostCells = 100_000

// eachCell compares every cell with a recount by the same definition. Of more
// leads it would take gigabytes; those are compared by plain SQL alone.
func (t *trial) eachCell(ctx context.Context, s *seeded, n int, same bool) error {
	if n > mostCells {
		if same {
			t.note("%s: cell by cell only with --leads %d and fewer; figures of spans are compared below", s.engine, mostCells)
		}
		return nil
	}
	diff, err := s.insight.FiguresDifference(ctx, s.scope)
	if err != nil {
		return err
	}
	name := "every cell is what a recount gives"
	if !same {
		name = "control: the recount finds one lead too many"
	}
	t.check(fmt.Sprintf("%s: %s", s.engine, name), (diff.Cells() == 0) == same, "%d cells differ", diff.Cells())
	return nil
}

// controlReports adds one lead too many, has it found by both, and takes it back.
func (t *trial) controlReports(ctx context.Context, s *seeded, n int) error {
	part := counts.Part{Hour: s.end.Add(-40 * 24 * time.Hour), Tally: counts.Tally{}}
	part.Tally.Add(counts.FLeads, 1)
	share := counts.Share{Project: s.sources[0].Project.String(), Source: s.sources[0].ID.String()}
	change := func(sign int64) error {
		return s.db.Write(ctx, s.scope, func(tx *store.Tx) error {
			f := counts.Figures{}
			f.AddPart(share, part, sign)
			return counts.Change(tx, f)
		})
	}
	if err := change(1); err != nil {
		return err
	}
	if err := t.eachCell(ctx, s, n, false); err != nil {
		return err
	}
	_, wrong, err := s.compareAll(ctx, s.spans()[:1])
	if err != nil {
		return err
	}
	t.check(fmt.Sprintf("%s: control: plain SQL finds one lead too many", s.engine), wrong > 0, "%d figures differ", wrong)
	return change(-1)
}

// spans are times to report on: whole and crooked ones, short and long.
func (s *seeded) spans() [][2]time.Time {
	ago := func(hours int) time.Time { return s.end.Add(-time.Duration(hours) * time.Hour) }
	return [][2]time.Time{{ago(365 * 24), s.end}, {ago(300*24 + 7), ago(11)}, {ago(31 * 24), s.end}, {ago(7 * 24), s.end}, {ago(24), s.end}, {ago(50 * 24), ago(20*24 + 5)}}
}

const plainSums = `count(*), CAST(sum(CASE WHEN l.contacted_at IS NULL THEN 0 ELSE 1 END) AS bigint), CAST(sum(CASE WHEN l.category = 'won' THEN 1 ELSE 0 END) AS bigint),
	CAST(sum(CASE WHEN l.reason = 'too-expensive' AND l.category = 'dropped' THEN 1 ELSE 0 END) AS bigint)`

var (
	plainSource = store.Register("proof.plain.source", `SELECT l.source_id, `+plainSums+` FROM lead l
		WHERE l.account_id = $1 AND l.created_at >= $2 AND l.created_at < $3 AND NOT l.test GROUP BY l.source_id`)
	plainProject = store.Register("proof.plain.project", `SELECT l.project_id, `+plainSums+` FROM lead l
		WHERE l.account_id = $1 AND l.created_at >= $2 AND l.created_at < $3 AND NOT l.test GROUP BY l.project_id`)
	plainOwner = store.Register("proof.plain.owner", `SELECT l.owner_id, `+plainSums+` FROM lead l
		WHERE l.account_id = $1 AND l.created_at >= $2 AND l.created_at < $3 AND NOT l.test AND l.owner_id IS NOT NULL GROUP BY l.owner_id`)
	plainLink = store.Register("proof.plain.link", `SELECT e.attribution, `+plainSums+` FROM lead l
		JOIN enquiry e ON e.account_id = $1 AND e.lead_id = l.lead_id
		WHERE l.account_id = $1 AND l.created_at >= $2 AND l.created_at < $3 AND NOT l.test GROUP BY e.attribution`)
	plainOffers = store.Register("proof.plain.offers", `SELECT o.user_id, count(*) FROM offer o JOIN lead l ON l.account_id = $1 AND l.lead_id = o.lead_id
		WHERE o.account_id = $1 AND o.resolved_at >= $2 AND o.resolved_at < $3 AND o.state = 'accepted' AND NOT l.test GROUP BY o.user_id`)
	plainAttempts = store.Register("proof.plain.attempts", `SELECT a.user_id, count(*) FROM attempt a JOIN lead l ON l.account_id = $1 AND l.lead_id = a.lead_id
		WHERE a.account_id = $1 AND a.created_at >= $2 AND a.created_at < $3 AND NOT l.test GROUP BY a.user_id`)
	plainSpeed = store.Register("proof.plain.speed", `SELECT (l.attempted_at - l.created_at) / 1000 FROM lead l
		WHERE l.account_id = $1 AND l.created_at >= $2 AND l.created_at < $3 AND NOT l.test AND l.attempted_at IS NOT NULL ORDER BY 1`)
)

// plainMeasures are what plain counts, in its order.
var plainMeasures = []string{counts.FLeads, counts.FReached, counts.FCategory + "/won", counts.FReason + "/too-expensive"}

// compareAll compares the figures of some spans with plain SQL and returns how
// many it compared, and how many differ.
func (s *seeded) compareAll(ctx context.Context, spans [][2]time.Time) (compared, wrong int, err error) {
	err = s.db.Read(ctx, s.scope, func(tx *store.Tx) error {
		compared, wrong = 0, 0
		for _, span := range spans {
			for _, d := range counts.Dims()[1:] {
				want, measures, err := s.plainly(tx, d, span)
				if err != nil {
					return err
				}
				have, err := counts.Between(tx, d, span[0], span[1])
				if err != nil {
					return err
				}
				for key := range have {
					if want[key] == nil {
						want[key] = counts.Tally{}
					}
				}
				for key, tally := range want {
					for _, m := range measures {
						compared++
						if have[key].Of(m) != tally.Of(m) {
							wrong++
						}
					}
				}
			}
		}
		return nil
	})
	return compared, wrong, err
}

// plainly counts by plain SQL, and says which measures it counted.
func (s *seeded) plainly(tx *store.Tx, d counts.Dim, span [2]time.Time) (map[string]counts.Tally, []string, error) {
	out := map[string]counts.Tally{}
	add := func(key string, m string, n int64) {
		if out[key] == nil {
			out[key] = counts.Tally{}
		}
		out[key].Add(m, n)
	}
	run := func(st *store.Stmt, key any, text func() string, measures ...string) error {
		rows, err := tx.Query(st, span[0].UnixMicro(), span[1].UnixMicro())
		return store.Each(rows, err, func(scan func(...any) error) error {
			n := make([]int64, len(measures))
			to := []any{key}
			for i := range n {
				to = append(to, &n[i])
			}
			if err := scan(to...); err != nil {
				return err
			}
			for i, m := range measures {
				add(text(), m, n[i])
			}
			return nil
		})
	}
	var source account.SourceID
	var project account.ProjectID
	var user account.UserID
	var link string
	switch d {
	case counts.OfSource:
		return out, plainMeasures, run(plainSource, &source, func() string { return source.String() }, plainMeasures...)
	case counts.OfProject:
		return out, plainMeasures, run(plainProject, &project, func() string { return project.String() }, plainMeasures...)
	case counts.OfUser:
		measures := append(slices.Clone(plainMeasures), counts.FAnswer+"/accepted", counts.FAttempts)
		who := func() string { return user.String() }
		err := run(plainOwner, &user, who, plainMeasures...)
		if err == nil {
			err = run(plainOffers, &user, who, counts.FAnswer+"/accepted")
		}
		if err == nil {
			err = run(plainAttempts, &user, who, counts.FAttempts)
		}
		return out, measures, err
	}
	return out, plainMeasures, run(plainLink, &link, func() string { return plainKey(d, link) }, plainMeasures...)
}

// plainKey reads the origin or campaign that the proof itself has drawn.
func plainKey(d counts.Dim, link string) string {
	var a map[string]string
	if json.Unmarshal([]byte(link), &a) != nil || len(a) == 0 {
		return ""
	}
	if d == counts.OfCampaign {
		return counts.Key(a["utm_campaign"])
	}
	return counts.Key(a["utm_source"]) + " / " + counts.Key(a["utm_medium"])
}

// compareClocks compares quantiles of the speed to lead with the exact ones,
// and returns the worst deviation as a part of the exact one.
func (s *seeded) compareClocks(ctx context.Context) (worst float64, compared int, err error) {
	err = s.db.Read(ctx, s.scope, func(tx *store.Tx) error {
		worst, compared = 0, 0
		for _, span := range s.spans() {
			var exact []int64
			rows, err := tx.Query(plainSpeed, span[0].UnixMicro(), span[1].UnixMicro())
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var ms int64
				err := scan(&ms)
				exact = append(exact, ms)
				return err
			})
			if err != nil {
				return err
			}
			all, err := counts.Between(tx, counts.ByAll, span[0], span[1])
			if err != nil {
				return err
			}
			for _, q := range []float64{0.5, 0.9, 0.99} {
				got, ok := all[""].Spread("speed_to_lead").Quantile(q)
				if !ok || len(exact) == 0 {
					continue
				}
				want := exact[counts.Rank(int64(len(exact)), q)-1]
				worst = max(worst, math.Abs(float64(got-want))/float64(max(want, 1)))
				compared++
			}
		}
		return nil
	})
	return worst, compared, err
}

// askReports starts the instance again and asks for each report, one after the
// other, over many spans.
func (t *trial) askReports(ctx context.Context, i *instance, s *seeded) error {
	if err := i.again(ctx); err != nil {
		return err
	}
	a := i.api(i.world.Accounts[0].SecretKey)
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, by := range []string{"source", "origin", "campaign", "project", "team", "salesperson", "hour"} {
		var took []float64
		for n := range 200 {
			span := s.spans()[n%len(s.spans())]
			if n >= 100 { // and any
				from := s.end.Add(-time.Duration(1+rnd.IntN(365*24)) * time.Hour)
				span = [2]time.Time{from, from.Add(time.Duration(1+rnd.IntN(365*24)) * time.Hour)}
			}
			q := url.Values{"by": {by}, "from": {span[0].Format(time.RFC3339)}, "to": {span[1].Format(time.RFC3339)}}
			began := time.Now()
			r, err := a.do(ctx, "GET", "/v1/reports/figures?"+q.Encode(), nil, nil)
			if err != nil {
				return err
			}
			if r.status != 200 {
				return fmt.Errorf("report by %s: %d %s", by, r.status, r.body)
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
		slices.Sort(took)
		p99 := took[counts.Rank(int64(len(took)), 0.99)-1]
		t.figure(fmt.Sprintf("%s: report by %s, p50", s.engine, by), took[len(took)/2], "ms")
		t.aim(fmt.Sprintf("%s: report by %s, p99", s.engine, by), p99, "ms", "< 50 ms", p99 < 50)
	}
	return nil
}
