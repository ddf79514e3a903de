package proof

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/counts"
)

// bys are what figures are asked by.
func bys() []string {
	return []string{"source", "origin", "campaign", "project", "team", "salesperson", "hour"}
}

// figureRow is a row of a report as a client reads it.
type figureRow struct {
	ID         *string          `json:"id"`
	Name       string           `json:"name"`
	Leads      float64          `json:"leads"`
	Enquiries  float64          `json:"enquiries"`
	Offered    float64          `json:"offered"`
	Accepted   float64          `json:"accepted"`
	Attempted  float64          `json:"attempted"`
	Contacted  float64          `json:"contacted"`
	Visits     float64          `json:"visits"`
	Bookings   float64          `json:"bookings"`
	Categories map[string]int64 `json:"categories"`
	Stages     []struct {
		ID    string  `json:"id"`
		Leads float64 `json:"leads"`
	} `json:"stages"`
	Reasons []struct {
		Reason string  `json:"reason"`
		Leads  float64 `json:"leads"`
	} `json:"reasons"`
	Work   map[string]float64  `json:"work"`
	Rates  map[string]*float64 `json:"rates"`
	Clocks map[string]struct {
		Measured float64 `json:"measured"`
		P50      *int64  `json:"p50_ms"`
		P90      *int64  `json:"p90_ms"`
		P99      *int64  `json:"p99_ms"`
		Spread   []struct {
			From  int64   `json:"from_ms"`
			Below int64   `json:"below_ms"`
			Leads float64 `json:"leads"`
		} `json:"spread"`
	} `json:"clocks"`
	Presence map[string]float64 `json:"presence"`
	Costs    []struct {
		Currency string   `json:"currency"`
		Spent    float64  `json:"spent_minor"`
		Lead     *float64 `json:"per_lead_minor"`
		Won      *float64 `json:"per_won_minor"`
		Visit    *float64 `json:"per_visit_minor"`
		Booking  *float64 `json:"per_booking_minor"`
	} `json:"costs"`
}

// values are the row's figures by the names that the recount has.
func (r figureRow) values() values {
	v := values{"leads": r.Leads, "enquiries": r.Enquiries, "offered": r.Offered, "accepted": r.Accepted, "attempted": r.Attempted,
		"contacted": r.Contacted, "visits": r.Visits, "bookings": r.Bookings}
	for k, n := range r.Categories {
		v["category/"+strings.ReplaceAll(k, "_", "-")] = float64(n)
	}
	for _, s := range r.Stages {
		v["stage/"+s.ID] = s.Leads
	}
	for _, s := range r.Reasons {
		v["reason/"+s.Reason] = s.Leads
	}
	for k, n := range r.Work {
		v["work/"+k] = n
	}
	for k, n := range r.Rates {
		if n != nil {
			v["rate/"+k] = *n
		}
	}
	for k, c := range r.Clocks {
		v[k+"/measured"] = c.Measured
		for _, s := range c.Spread {
			v[fmt.Sprintf("%s/from %d", k, s.From)] = s.Leads
		}
	}
	for k, n := range r.Presence {
		v["presence/"+strings.TrimSuffix(k, "_ms")] = n
	}
	for _, c := range r.Costs {
		at := "cost/" + c.Currency
		v[at] = c.Spent
		for k, n := range map[string]*float64{"lead": c.Lead, "won": c.Won, "visit": c.Visit, "booking": c.Booking} {
			if n != nil {
				v[at+"/"+k] = *n
			}
		}
	}
	return v
}

func (q question) path() string {
	v := url.Values{"by": {q.by}, "from": {q.from.Format(time.RFC3339)}, "to": {q.to.Format(time.RFC3339)}}
	if q.zone != nil {
		v.Set("time_zone", q.zone.String())
	}
	return "/v1/reports/figures?" + v.Encode()
}

// compared is how many figures were compared, and which differ.
type compared struct {
	n, quantiles int
	wrong        []string
	worst        float64 // deviation of a quantile, as a part of the exact one
}

func (c *compared) values(where string, want, have values) {
	for name := range have {
		if _, ok := want[name]; !ok {
			want[name] = 0
		}
	}
	for name, n := range want {
		if c.n++; have[name] != n {
			c.wrong = append(c.wrong, fmt.Sprintf("%s %s: %v, the recount says %v", where, name, have[name], n))
		}
	}
}

func (c *compared) row(where string, want *plainRow, r figureRow) {
	c.values(where, want.values, r.values())
	slices.Sort(want.speed)
	speed := r.Clocks["speed_to_lead"]
	for _, x := range []struct {
		q   float64
		got *int64
	}{{0.5, speed.P50}, {0.9, speed.P90}, {0.99, speed.P99}} {
		if x.got == nil || len(want.speed) == 0 {
			continue
		}
		exact := want.speed[counts.Rank(int64(len(want.speed)), x.q)-1]
		c.worst = max(c.worst, math.Abs(float64(*x.got-exact))/float64(max(exact, 1)))
		c.quantiles++
	}
}

// compareReports asks for reports and compares every figure of every row with
// the plain recount.
func (t *trial) compareReports(ctx context.Context, i *instance, s *seeded) error {
	a := i.api(i.world.Accounts[0].SecretKey)
	t.say("reading every row for the plain recount")
	var p *allRows
	err := s.db.Read(ctx, s.scope, func(tx *store.Tx) (err error) { p, err = readPlain(tx, s.categories()); return err })
	if err != nil {
		return err
	}
	if p.spent, err = s.spend(ctx, a); err != nil {
		return err
	}
	c, err := s.compareAll(ctx, a, p, s.spans())
	if err != nil {
		return err
	}
	name := func(x string) string { return fmt.Sprintf("%s: %s", s.engine, x) }
	t.check(name("reports are what a plain recount gives"), len(c.wrong) == 0 && c.n > 5000, "%d figures compared, %d differ %s", c.n, len(c.wrong), first(c.wrong))
	t.check(name("quantiles are within their error"), c.quantiles > 50 && c.worst <= counts.BucketError, "the worst of %d is %.2f %% from the exact one, %.2f %% allowed",
		c.quantiles, 100*c.worst, 100*counts.BucketError)
	if err := s.controlled(ctx, 1); err != nil {
		return err
	}
	if c, err = s.compareAll(ctx, a, p, s.spans()[5:]); err != nil {
		return err
	}
	t.check(name("control: one lead too many is found"), len(c.wrong) > 0, "%d figures differ %s", len(c.wrong), first(c.wrong))
	return s.controlled(ctx, -1)
}

func first(wrong []string) string {
	if len(wrong) == 0 {
		return ""
	}
	return "(" + strings.Join(wrong[:min(3, len(wrong))], "; ") + ")"
}

// spend says what was spent on each day, on sources and on campaigns.
func (s *seeded) spend(ctx context.Context, a *api) (out []plainSpend, err error) {
	var items []map[string]any
	for day := s.end.Add(-year).Truncate(24 * time.Hour); day.Before(s.end); day = day.Add(24 * time.Hour) {
		add := func(by, key string, minor int64) {
			items = append(items, map[string]any{"day": day.Format(time.DateOnly), map[string]string{"source": "source_id", "campaign": "campaign"}[by]: key,
				"currency": "EUR", "amount_minor": minor})
			out = append(out, plainSpend{day, by, strings.ToLower(key), "EUR", minor})
		}
		for n, x := range s.sources {
			add("source", x.ID.String(), int64(1000+100*n+day.Day()))
		}
		for n := range 5 {
			add("campaign", fmt.Sprintf("Campaign %02d", 8*n), int64(500+day.Day()))
		}
	}
	for part := range slices.Chunk(items, 1000) {
		if err := a.post(ctx, "/v1/spend", map[string]any{"items": part}, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// compareAll asks for every report of some spans, and compares.
func (s *seeded) compareAll(ctx context.Context, a *api, p *allRows, spans [][2]time.Time) (c compared, err error) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		return c, err
	}
	for n, span := range spans {
		for _, by := range bys() {
			q := question{by: by, from: span[0], to: span[1], zone: []*time.Location{time.UTC, kolkata}[n%2]}
			if err := compareFigures(ctx, a, p, q, &c); err != nil {
				return c, err
			}
		}
		for _, by := range []string{"source", "project"} {
			if err := compareFlows(ctx, a, p, question{by: by, from: span[0], to: span[1]}, &c); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func compareFigures(ctx context.Context, a *api, p *allRows, q question, c *compared) error {
	var r struct {
		Rows  []figureRow `json:"rows"`
		Total figureRow   `json:"total"`
	}
	if err := a.get(ctx, q.path(), &r); err != nil {
		return err
	}
	where := func(key string) string {
		return fmt.Sprintf("%s of %s, %s to %s:", key, q.by, q.from.Format("2006-01-02T15:04"), q.to.Format("2006-01-02T15:04"))
	}
	want := p.figures(q)
	c.row(where("total"), want["total"], r.Total)
	delete(want, "total")
	for _, row := range r.Rows {
		key := row.Name
		if row.ID != nil {
			key = *row.ID
		}
		c.row(where(key), want.of(key), row)
		delete(want, key)
	}
	for key, left := range want { // the report has no such row
		c.values(where(key), left.values, values{})
	}
	return nil
}

func compareFlows(ctx context.Context, a *api, p *allRows, q question, c *compared) error {
	var r struct {
		Rows []struct {
			ID     string `json:"id"`
			Counts values `json:"counts"`
		} `json:"rows"`
		Total values `json:"total"`
	}
	if err := a.get(ctx, strings.Replace(q.path(), "/figures?", "/leads?", 1), &r); err != nil {
		return err
	}
	want := p.flows(q)
	c.values("total flow by "+q.by, want["total"], r.Total)
	for _, row := range r.Rows {
		if want[row.ID] == nil {
			want[row.ID] = values{}
		}
		c.values("flow of "+row.ID, want[row.ID], row.Counts)
	}
	return nil
}

const reportLimit = 50 // ms

// askReports asks for each report over and over, alone and while leads come in.
func (t *trial) askReports(ctx context.Context, i *instance, s *seeded, n int) error {
	routes := s.routes()
	if err := t.askEach(ctx, i, s, routes, "", true); err != nil {
		return err
	}
	if n >= mostCells {
		if err := t.slowControl(ctx, s); err != nil {
			return err
		}
	}
	const rate = 100
	l := i.load("reports", 1<<40, 8)
	l.rate, l.book.lean = rate, true
	under, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { l.run(under, true); close(done) }()
	err := t.askEach(ctx, i, s, routes, fmt.Sprintf(", with %d leads/s", rate), false)
	stop()
	<-done
	if err != nil {
		return err
	}
	return t.figuresFollow(ctx, i, s, n, l.book.status(202))
}

// asking is a kind of question; each call of ask draws one.
type asking struct {
	name string
	ask  func(rnd *rand.Rand) string
}

func (s *seeded) routes() (out []asking) {
	for _, by := range bys() {
		out = append(out, asking{"figures by " + by, func(rnd *rand.Rand) string { return s.drawSpan(rnd, by).path() }})
	}
	for _, by := range []string{"source", "project", "category"} {
		out = append(out, asking{"leads by " + by, func(rnd *rand.Rand) string {
			return strings.Replace(s.drawSpan(rnd, by).path(), "/figures?", "/leads?", 1)
		}})
	}
	return append(out, asking{"the list behind a figure", func(rnd *rand.Rand) string {
		v := url.Values{"source": {s.sources[rnd.IntN(len(s.sources))].ID.String()}, "category": {[]string{"new", "won", "dropped"}[rnd.IntN(3)]}}
		return "/v1/leads?" + v.Encode()
	}})
}

// drawSpan draws what somebody would ask: mostly today, a week, a month, a
// quarter or a year, in days of their own time zone; sometimes any span.
func (s *seeded) drawSpan(rnd *rand.Rand, by string) question {
	zone := time.FixedZone("", []int{0, 3600, 19800, -18000, 28800}[rnd.IntN(5)])
	days := []int{1, 7, 7, 30, 30, 90, 365, 0}[rnd.IntN(8)]
	to := s.end.In(zone)
	to = time.Date(to.Year(), to.Month(), to.Day()-rnd.IntN(60), 0, 0, 0, 0, zone)
	from := to.AddDate(0, 0, -days)
	if days == 0 {
		from = to.Add(-time.Duration(1+rnd.IntN(2*365*24)) * counts.Step)
	}
	q := question{by: by, from: from.UTC(), to: to.UTC()}
	if by == "hour" {
		q.zone, _ = time.LoadLocation([]string{"UTC", "Europe/London", "Asia/Kolkata", "America/New_York"}[rnd.IntN(4)])
	}
	return q
}

const asked = 500 // of each route

func (t *trial) askEach(ctx context.Context, i *instance, s *seeded, routes []asking, when string, must bool) error {
	a := i.api(i.world.Accounts[0].SecretKey)
	var late []string
	worst := 0.0
	for n, r := range routes {
		rnd := rand.New(rand.NewPCG(5, uint64(n)))
		took := make([]float64, asked)
		size := 0
		for k := range took {
			path := r.ask(rnd)
			began := time.Now()
			got, err := a.do(ctx, "GET", path, nil, nil)
			if err != nil {
				return err
			}
			took[k] = float64(time.Since(began).Microseconds()) / 1000
			if size += len(got.body); got.status != 200 {
				return fmt.Errorf("%s: %d %s", r.name, got.status, got.body)
			}
		}
		slices.Sort(took)
		p50, p99 := took[asked/2], took[counts.Rank(asked, 0.99)-1]
		t.figure(fmt.Sprintf("%s: %s%s, p50", s.engine, r.name, when), p50, "ms")
		t.aim(fmt.Sprintf("%s: %s%s, p99", s.engine, r.name, when), p99, "ms", fmt.Sprintf("< %d ms", reportLimit), p99 < reportLimit)
		if worst = max(worst, p99); p99 >= reportLimit {
			late = append(late, r.name)
		}
	}
	if must {
		t.check(fmt.Sprintf("%s: reports take less than %d ms", s.engine, reportLimit), len(late) == 0, "p99 of %d questions each of %d kinds: %.1f ms at most; too long: %s",
			asked, len(routes), worst, or(strings.Join(late, ", "), "none"))
	}
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var plainYear = store.Register("proof.plain.year", `SELECT source_id, category, count(*) FROM lead
	WHERE account_id = $1 AND created_at >= $2 AND created_at < $3 AND NOT test GROUP BY source_id, category`)

// slowControl: the limit tells kept figures from those that are counted when
// somebody asks.
func (t *trial) slowControl(ctx context.Context, s *seeded) error {
	began := time.Now()
	err := s.db.Read(ctx, s.scope, func(tx *store.Tx) error {
		rows, err := tx.Query(plainYear, s.end.Add(-year).UnixMicro(), s.end.UnixMicro())
		return store.Each(rows, err, func(func(...any) error) error { return nil })
	})
	took := float64(time.Since(began).Microseconds()) / 1000
	t.check(fmt.Sprintf("%s: control: counting one figure of the year from its rows takes longer", s.engine), took > reportLimit, "%.0f ms", took)
	return err
}

// figuresFollow waits until the figures have every lead that was captured.
func (t *trial) figuresFollow(ctx context.Context, i *instance, s *seeded, sown, acked int) error {
	if _, err := i.drain(ctx, 2*time.Minute); err != nil {
		return err
	}
	began := time.Now()
	a := i.api(i.world.Accounts[0].SecretKey)
	q := question{by: "source", from: s.end, to: time.Now().Add(time.Hour)}
	var r struct {
		Total figureRow `json:"total"`
	}
	for time.Since(began) < time.Minute && int(r.Total.Leads) != acked {
		if err := a.get(ctx, q.path(), &r); err != nil {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	t.check(fmt.Sprintf("%s: the figures have every lead that was captured meanwhile", s.engine), int(r.Total.Leads) == acked,
		"%d of %d, %.1f s after they were all in", int(r.Total.Leads), acked, time.Since(began).Seconds())
	return nil
}
