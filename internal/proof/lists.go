package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"catchment/internal/store/counts"
)

// listLimit is how long a page of leads may take among a million, in ms.
const listLimit = 100

// proveLists writes many leads straight into the tables, has the figures made of
// them, and asks for pages by every filter of the screen: the first one, and
// some further on. A figure and the list behind it have to agree.
func proveLists(ctx context.Context, t *trial) error { return t.on(ctx, t.listsOn) }

func (t *trial) listsOn(ctx context.Context, e Engine) error {
	i, s, n, err := t.grown(ctx, e)
	if err != nil {
		return err
	}
	defer s.db.Close()
	if err := t.figureLists(ctx, i, s); err != nil {
		return err
	}
	return t.timeLists(ctx, i, s, n)
}

// grown is an instance with many leads and the figures of them, which runs.
func (t *trial) grown(ctx context.Context, e Engine) (*instance, *seeded, int, error) {
	i, err := t.fresh(ctx, e)
	if err != nil {
		return nil, nil, 0, err
	}
	if err := i.manySources(ctx); err != nil {
		return nil, nil, 0, err
	}
	if err := i.stop(); err != nil {
		return nil, nil, 0, err
	}
	s, err := openSeeded(ctx, i)
	if err != nil {
		return nil, nil, 0, err
	}
	n := t.Leads
	if n == 0 {
		n = 1_000_000
	}
	if err = t.sow(ctx, s, n); err == nil {
		err = t.makeFigures(ctx, s, n)
	}
	if err == nil {
		err = i.again(ctx)
	}
	if err != nil {
		s.db.Close()
	}
	return i, s, n, err
}

// listings are what the screen asks for; of each something that is there and,
// where that is harder, something that is rare or is not.
func (s *seeded) listings() (out []struct {
	name string
	q    func(rnd *rand.Rand) url.Values
}) {
	add := func(name string, q func(rnd *rand.Rand) url.Values) {
		out = append(out, struct {
			name string
			q    func(rnd *rand.Rand) url.Values
		}{name, q})
	}
	one := func(k string, v func(rnd *rand.Rand) string) func(*rand.Rand) url.Values {
		return func(rnd *rand.Rand) url.Values { return url.Values{k: {v(rnd)}} }
	}
	day := func(d int) string { return s.end.Add(-time.Duration(d) * 24 * time.Hour).Format(time.RFC3339) }
	add("all leads", func(*rand.Rand) url.Values { return url.Values{} })
	add("by project", one("project", func(rnd *rand.Rand) string { return s.sources[rnd.IntN(len(s.sources))].Project.String() }))
	add("by source", one("source", func(rnd *rand.Rand) string { return s.sources[rnd.IntN(len(s.sources))].ID.String() }))
	add("by a source without leads", one("source", func(*rand.Rand) string { return "src_01h455vb4pex5vsknk084sn02q" }))
	add("by stage", one("stage", func(rnd *rand.Rand) string { return s.stages[rnd.IntN(len(s.stages))].ID.String() }))
	add("by category", one("category", func(rnd *rand.Rand) string { return []string{"new", "follow-up", "won", "dropped"}[rnd.IntN(4)] }))
	add("by source and category", func(rnd *rand.Rand) url.Values {
		return url.Values{"source": {s.sources[rnd.IntN(len(s.sources))].ID.String()}, "category": {[]string{"new", "won", "dropped"}[rnd.IntN(3)]}}
	})
	add("by owner", one("owner", func(rnd *rand.Rand) string { return s.people[rnd.IntN(len(s.people))].String() }))
	add("by campaign", one("campaign", func(rnd *rand.Rand) string { return fmt.Sprintf("campaign %02d", rnd.IntN(40)) }))
	add("by a campaign without leads", one("campaign", func(*rand.Rand) string { return "nobody's" }))
	add("by campaign and source", func(rnd *rand.Rand) url.Values {
		return url.Values{"campaign": {fmt.Sprintf("campaign %02d", rnd.IntN(40))}, "source": {s.sources[rnd.IntN(len(s.sources))].ID.String()}}
	})
	add("by original source", one("origin", func(rnd *rand.Rand) string {
		return []string{"google / cpc", "meta / social", "portal / cpc"}[rnd.IntN(3)]
	}))
	add("by time", func(rnd *rand.Rand) url.Values {
		d := rnd.IntN(300)
		return url.Values{"from": {day(d + 7)}, "to": {day(d)}}
	})
	add("by source and time", func(rnd *rand.Rand) url.Values {
		d := rnd.IntN(300)
		return url.Values{"source": {s.sources[rnd.IntN(len(s.sources))].ID.String()}, "from": {day(d + 7)}, "to": {day(d)}}
	})
	add("by how far they came", one("came", func(rnd *rand.Rand) string {
		return []string{"accepted", "contacted", "visited", "booked"}[rnd.IntN(4)]
	}))
	add("by how fast, in a month", func(rnd *rand.Rand) url.Values {
		return url.Values{"from": {day(30)}, "to": {day(0)}, "speed_from_ms": {"131072"}, "speed_below_ms": {"262144"}}
	})
	add("waiting", one("state", func(*rand.Rand) string { return "waiting" }))
	add("waiting, of a project", func(rnd *rand.Rand) url.Values {
		return url.Values{"state": {"waiting"}, "project": {s.sources[rnd.IntN(len(s.sources))].Project.String()}}
	})
	for _, list := range []string{"no-next-action", "new-without-contact", "re-engaged"} {
		add(list, one("list", func(*rand.Rand) string { return list }))
		add(list+", of somebody", func(rnd *rand.Rand) url.Values {
			return url.Values{"list": {list}, "owner": {s.people[rnd.IntN(len(s.people))].String()}}
		})
	}
	add("offered", one("state", func(*rand.Rand) string { return "offered" }))
	return out
}

type listPage struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
	Next string `json:"next_cursor"`
}

const listAsked = 60 // of each listing; every third goes on to the pages after

func (t *trial) timeLists(ctx context.Context, i *instance, s *seeded, n int) error {
	a := i.api(i.world.Accounts[0].SecretKey)
	var late []string
	worst := 0.0
	for k, l := range s.listings() {
		rnd := rand.New(rand.NewPCG(9, uint64(k)))
		var first, further []float64
		for m := range listAsked {
			q := l.q(rnd)
			q.Set("limit", "100")
			for page := range 6 {
				began := time.Now()
				got, err := a.do(ctx, "GET", "/v1/leads?"+q.Encode(), nil, nil)
				if err != nil {
					return err
				}
				took := float64(time.Since(began).Microseconds()) / 1000
				var p listPage
				if err := json.Unmarshal(got.body, &p); err != nil || got.status != 200 {
					return fmt.Errorf("%s: %d %s", l.name, got.status, got.body)
				}
				if page == 0 {
					first = append(first, took)
				} else {
					further = append(further, took)
				}
				if q.Set("cursor", p.Next); p.Next == "" || m%3 > 0 {
					break
				}
			}
		}
		for _, x := range []struct {
			what string
			took []float64
		}{{"first rows", first}, {"a further page", further}} {
			if len(x.took) == 0 {
				continue
			}
			slices.Sort(x.took)
			p95 := x.took[counts.Rank(int64(len(x.took)), 0.95)-1]
			t.figure(fmt.Sprintf("%s: %s, %s, p50", s.engine, l.name, x.what), x.took[len(x.took)/2], "ms")
			t.aim(fmt.Sprintf("%s: %s, %s, p95", s.engine, l.name, x.what), p95, "ms", fmt.Sprintf("< %d ms", listLimit), p95 < listLimit)
			if worst = max(worst, p95); p95 >= listLimit {
				late = append(late, l.name)
			}
		}
	}
	t.check(fmt.Sprintf("%s: a page of 100 among %d leads takes less than %d ms", s.engine, n, listLimit), len(late) == 0,
		"p95 at most %.1f ms; too long: %s", worst, or(strings.Join(slices.Compact(late), ", "), "none"))
	if n < mostCells {
		return nil
	}
	return t.slowControl(ctx, s)
}

// figureLists compares what figures count with the lists behind them: row by
// row of three reports, step by step, and each span of the speed to lead.
func (t *trial) figureLists(ctx context.Context, i *instance, s *seeded) error {
	a := i.api(i.world.Accounts[0].SecretKey)
	from, to := s.end.Add(-3*24*time.Hour), s.end.Add(-2*24*time.Hour)
	span := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	n, wrong := 0, []string(nil)
	compare := func(name string, want float64, more url.Values) error {
		if want == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		for k, v := range span {
			more[k] = v
		}
		got, err := a.countLeads(ctx, more)
		if n++; err == nil && got != int(want) {
			wrong = append(wrong, fmt.Sprintf("%s: %d in the list, %v counted", name, got, want))
		}
		return err
	}
	for _, by := range []string{"source", "campaign", "origin", "project", "salesperson"} {
		var r struct {
			Rows  []figureRow `json:"rows"`
			Total figureRow   `json:"total"`
		}
		span.Set("by", by)
		err := a.get(ctx, "/v1/reports/figures?"+span.Encode(), &r)
		if span.Del("by"); err != nil {
			return err
		}
		for _, row := range r.Rows {
			key, value := by, row.Name
			if row.ID != nil {
				value = *row.ID
			}
			if by == "salesperson" {
				key = "owner"
			}
			if value == "" {
				continue
			}
			if err := compare(by+" "+row.Name, row.Leads, url.Values{key: {value}}); err != nil {
				return err
			}
		}
		if by != "source" {
			continue
		}
		for step, count := range map[string]float64{"offered": r.Total.Offered, "accepted": r.Total.Accepted, "attempted": r.Total.Attempted, "contacted": r.Total.Contacted} {
			if err := compare(step, count, url.Values{"came": {step}}); err != nil {
				return err
			}
		}
		for category, count := range r.Total.Categories {
			if err := compare(category, float64(count), url.Values{"category": {strings.ReplaceAll(category, "_", "-")}}); err != nil {
				return err
			}
		}
		for _, x := range r.Total.Clocks["speed_to_lead"].Spread {
			more := url.Values{"speed_from_ms": {fmt.Sprint(x.From)}, "speed_below_ms": {fmt.Sprint(x.Below)}}
			if err := compare(fmt.Sprintf("speed from %d ms", x.From), x.Leads, more); err != nil {
				return err
			}
		}
	}
	t.check(fmt.Sprintf("%s: figures and the lists behind them agree", s.engine), len(wrong) == 0 && n > 20, "%d compared, %d differ %s", n, len(wrong), first(wrong))
	// The control: another hour has other leads.
	span.Set("to", to.Add(time.Hour).Format(time.RFC3339))
	more, err := a.countLeads(ctx, span)
	if err != nil {
		return err
	}
	span.Set("to", to.Format(time.RFC3339))
	all, err := a.countLeads(ctx, span)
	t.check(fmt.Sprintf("%s: control: an hour more has more leads", s.engine), more > all && all > 0, "%d and %d", more, all)
	return err
}

// countLeads counts the leads of a list, page by page, and that none comes twice.
func (a *api) countLeads(ctx context.Context, q url.Values) (int, error) {
	q.Set("limit", "500")
	defer q.Del("cursor")
	seen := map[string]bool{}
	for {
		var p listPage
		if err := a.get(ctx, "/v1/leads?"+q.Encode(), &p); err != nil {
			return 0, err
		}
		for _, l := range p.Items {
			if seen[l.ID] {
				return 0, fmt.Errorf("%s is in the list twice", l.ID)
			}
			seen[l.ID] = true
		}
		if p.Next == "" {
			return len(seen), nil
		}
		q.Set("cursor", p.Next)
	}
}
