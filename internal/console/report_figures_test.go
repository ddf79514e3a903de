package console_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

var (
	setFirsts = store.Register("console_test.firsts", `UPDATE lead SET category = 'won', attempted_at = created_at + 60000000, contacted_at = created_at + 60000000,
		owner_id = $2 WHERE account_id = $1 AND created_at = (SELECT min(created_at) FROM lead WHERE account_id = $1)`)
	setCampaign = store.Register("console_test.campaign", `UPDATE enquiry SET attribution = '{"utm_source":"Google","utm_medium":"cpc","utm_campaign":"Spring"}' WHERE account_id = $1`)
)

func TestFigures(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		s, theirs := c.shop(), other.shop()
		sam := c.user(account.Salesperson)
		for range 3 {
			c.arrive(s)
		}
		user, _ := account.ParseUserID(sam.id)
		c.write(func(tx *store.Tx) error {
			if _, err := tx.Exec(setCampaign); err != nil {
				return err
			}
			_, err := tx.Exec(setFirsts, user)
			return err
		})
		other.arrive(theirs)
		h.count()
		for by, name := range map[string]string{"source": "", "project": "", "origin": "google / cpc", "campaign": "spring"} {
			r := c.admin.get("/v1/reports/figures?by="+by).want(t, 200)
			rows := r.list("rows")
			if len(rows) != 1 || rows[0]["leads"] != 3.0 || (name != "" && rows[0]["name"] != name) || rows[0]["contacted"] != 1.0 {
				t.Errorf("by %s: %s", by, r.text)
			}
			total := r.body["total"].(map[string]any)
			speed := total["clocks"].(map[string]any)["speed_to_lead"].(map[string]any)
			if speed["measured"] != 1.0 || speed["p50_ms"].(float64) < 58_000 || speed["p50_ms"].(float64) > 62_000 || len(speed["spread"].([]any)) != 1 {
				t.Errorf("speed to lead: %v", speed)
			}
			if clocks := total["clocks"].(map[string]any)["time_to_accept"].(map[string]any); clocks["p50_ms"] != nil || clocks["measured"] != 0.0 {
				t.Errorf("what was not measured: %v", clocks)
			}
		}
		rows := c.admin.get("/v1/reports/figures?by=salesperson").want(t, 200).list("rows")
		if i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["id"] == sam.id }); i < 0 || rows[i]["leads"] != 1.0 {
			t.Errorf("by salesperson: %v", rows)
		}
		c.admin.get("/v1/reports/figures?by=team").want(t, 200)
		hours := c.admin.get("/v1/reports/figures?by=hour&time_zone=Asia/Kolkata").want(t, 200).list("rows")
		zone, _ := time.LoadLocation("Asia/Kolkata")
		now := time.Now().In(zone)
		if len(hours) != 24 || hours[now.Hour()]["leads"].(float64)+hours[(now.Hour()+23)%24]["leads"].(float64) != 3 {
			t.Errorf("by hour: %v", hours)
		}
		for path, want := range map[string]string{"by=hour&time_zone=Mars/Base": "invalid time_zone unknown_time_zone", "by=person": "invalid by not_in_list",
			"by=hour&from=2015-01-01T00:00:00Z": "invalid from too_long"} {
			if got := c.admin.get("/v1/reports/figures?" + path); got.status != 422 || (got.code() != want && path[:7] == "by=hour") {
				t.Errorf("%s: %d %s, want %s", path, got.status, got.code(), want)
			}
		}
		sam.get("/v1/reports/figures").want(t, 403)
	})
}

func TestSpend(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		s, theirs := c.shop(), other.shop()
		c.arrive(s)
		c.arrive(s)
		h.count()
		today := time.Now().UTC().Format(time.DateOnly)
		item := func(extra map[string]any) map[string]any {
			out := map[string]any{"day": today, "currency": "EUR", "amount_minor": 5001}
			for k, v := range extra {
				out[k] = v
			}
			return out
		}
		spend := func(items ...map[string]any) answer {
			return c.admin.post("/v1/spend", map[string]any{"items": items})
		}
		for range 2 { // said twice, it is spent once
			spend(item(map[string]any{"source_id": s.source}), item(map[string]any{"campaign": "Spring "})).want(t, 200)
		}
		costs := func(by string) map[string]any {
			r := c.admin.get("/v1/reports/figures?by="+by+"&from="+today+"T00:00:00Z").want(t, 200)
			for _, row := range r.list("rows") {
				if list := row["costs"].([]any); len(list) == 1 {
					return list[0].(map[string]any)
				}
			}
			t.Fatalf("no costs: %s", r.text)
			return nil
		}
		for _, by := range []string{"source", "project"} {
			if got := costs(by); got["spent_minor"] != 5001.0 || got["per_lead_minor"] != 2501.0 || got["per_won_minor"] != nil {
				t.Errorf("by %s: %v", by, got)
			}
		}
		if got := costs("campaign"); got["spent_minor"] != 5001.0 || got["per_lead_minor"] != nil {
			t.Errorf("by campaign: %v", got)
		}
		one := item(map[string]any{"campaign": "x"})
		for name, items := range map[string][]map[string]any{
			"another's source": {item(map[string]any{"source_id": theirs.source})},
			"neither":          {item(nil)},
			"both":             {item(map[string]any{"source_id": s.source, "campaign": "x"})},
			"twice":            {one, item(map[string]any{"campaign": " X"})},
			"no day":           {item(map[string]any{"campaign": "x", "day": "2026-02-30"})},
			"negative":         {item(map[string]any{"campaign": "x", "amount_minor": -1})},
		} {
			if got := spend(items...); got.status != 422 {
				t.Errorf("%s: %d %s", name, got.status, got.text)
			}
		}
		c.user(account.Salesperson).post("/v1/spend", map[string]any{"items": []any{one}}).want(t, 403)
		c.user(account.Marketer).post("/v1/spend", map[string]any{"items": []any{one}}).want(t, 200)
	})
}

func TestSpendFile(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		c.arrive(s)
		h.count()
		marketer := c.user(account.Marketer)
		send := func(who *visitor, text string) answer {
			return who.ask("POST", "/v1/spend/file", text, "Content-Type", "text/csv")
		}
		today := time.Now().UTC().Format(time.DateOnly)
		slug := ""
		for _, x := range c.admin.get("/v1/sources").want(t, 200).list("items") {
			if x["id"] == s.source {
				slug = x["slug"].(string)
			}
		}
		for range 2 { // sent again, it changes nothing
			r := send(marketer, "\ufeffDay;Source;Campaign;Currency;Amount\r\n"+today+";"+slug+";;eur;125.5\r\n"+today+";;Spring;EUR;7.00\r\n").want(t, 200)
			if r.body["saved"] != 2.0 {
				t.Errorf("saved: %s", r.text)
			}
		}
		row := c.admin.get("/v1/reports/figures?by=source&from="+today+"T00:00:00Z").want(t, 200).list("rows")[0]
		if got := row["costs"].([]any)[0].(map[string]any); got["spent_minor"] != 12550.0 {
			t.Errorf("costs: %v", got)
		}
		for text, want := range map[string]string{
			"\n": "file unreadable", "day,currency,amount\n": "file missing_column", "day,source,currency,amount,amount_minor\n": "file missing_column",
			"day,campaign,currency,amount\n":                                                     "file empty",
			"day,campaign,currency,amount\n2026-01-01,x,EUR,1\n2026-01-32,x,EUR,1\n":             "row 2: day invalid",
			"day,campaign,currency,amount\n2026-01-01,x,EUR,1\n2026-01-01,X,EUR,2\n":             "row 2: day twice",
			"day,campaign,currency,amount\n2026-01-01,x,EUR,1.234\n":                             "row 1: amount invalid",
			"day,campaign,currency,amount\n2026-01-01,x,EUR\n":                                   "row 1: line unreadable",
			"day,source,currency,amount\n2026-01-01," + "src_01kb4n2a5me3t8y0w7k2c9h4vj,EUR,1\n": "row 1: source_id unknown",
			"day,campaign,currency,amount,cost\n":                                                "column 5 unknown_column",
			"day,campaign,currency,amount\n2026-01-01,\xff,EUR,1\n":                              "file not_utf8",
		} {
			got := send(marketer, text)
			if got.status != 422 || got.code() != "invalid "+want {
				t.Errorf("%q: %d %s, want %s", text, got.status, got.code(), want)
			}
		}
		send(c.user(account.Salesperson), "day,campaign,currency,amount\n"+today+",x,EUR,1\n").want(t, 403)
	})
}

// docs/figures.md names every field of a row and has an example that fits.
func TestFiguresAreDefined(t *testing.T) {
	text, err := os.ReadFile("../../docs/figures.md")
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, storetest.SQLite(t))
	c := h.company()
	c.arrive(c.shop())
	h.count()
	r := c.admin.get("/v1/reports/figures?by=salesperson").want(t, 200)
	var names []string
	var walk func(v any)
	walk = func(v any) {
		if m, ok := v.(map[string]any); ok {
			for k, x := range m {
				names = append(names, k)
				walk(x)
			}
		}
	}
	walk(r.body["total"])
	if len(names) < 40 {
		t.Errorf("only %d names", len(names))
	}
	for _, n := range names {
		if !strings.Contains(string(text), "`"+n+"`") {
			t.Errorf("docs/figures.md does not define %s", n)
		}
	}
	m := regexp.MustCompile("(?s)```json name=spend\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/figures.md has no example of spend")
	}
	var body map[string]any
	h.ok(json.Unmarshal(m[1], &body))
	body["items"].([]any)[0].(map[string]any)["source_id"] = c.shop().source
	c.admin.post("/v1/spend", body).want(t, 200)
}

// The figures of one project are of its leads and its sources' money alone, for
// who sees all and for who sees teams.
func TestFiguresOfOneProject(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, stranger := h.company(), h.company()
		first := c.shop()
		p := c.admin.post("/v1/projects", map[string]any{"name": "Mill Yard"}).want(t, 201).str("id")
		second := shop{p, c.admin.post("/v1/sources", map[string]any{"project_id": p, "name": "Mill form"}).want(t, 201).str("id")}
		for range 3 {
			c.arrive(first)
		}
		c.arrive(second)
		day := time.Now().UTC().Format(time.DateOnly)
		for _, s := range []shop{first, second} {
			c.admin.post("/v1/spend", map[string]any{"items": []any{map[string]any{"day": day, "source_id": s.source, "currency": "EUR", "amount_minor": 700}}}).want(t, 200)
		}
		h.count()
		for _, by := range []string{"source", "project"} {
			for s, n := range map[shop]float64{first: 3, second: 1} {
				r := c.admin.get("/v1/reports/figures?by="+by+"&project="+s.project).want(t, 200)
				rows, total := r.list("rows"), r.body["total"].(map[string]any)
				spent, _ := total["costs"].([]any)
				if len(rows) != 1 || rows[0]["leads"] != n || total["leads"] != n || len(spent) != 1 || spent[0].(map[string]any)["spent_minor"] != 700.0 {
					t.Errorf("by %s: %s", by, r.text)
				}
			}
			if all := c.admin.get("/v1/reports/figures?by="+by).want(t, 200); all.body["total"].(map[string]any)["leads"] != 4.0 || len(all.list("rows")) != 2 {
				t.Errorf("by %s, of all: %s", by, all.text)
			}
		}
		for path, code := range map[string]string{"by=campaign&project=" + p: "invalid by not_of_project", "project=nonsense": "invalid project bad_id"} {
			if got := c.admin.get("/v1/reports/figures?"+path).want(t, 422); got.code() != code {
				t.Errorf("%s: %s", path, got.text)
			}
		}
		for _, id := range []string{p, account.NewProjectID().String()} {
			if got := stranger.admin.get("/v1/reports/figures?project="+id).want(t, 200); got.body["total"].(map[string]any)["leads"] != 0.0 || len(got.list("rows")) != 0 {
				t.Errorf("another account's project: %s", got.text)
			}
		}
	})
}
