package console

import (
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// SpendItem is what was paid on a day for one source or one campaign.
type SpendItem struct {
	Day      string  `json:"day" format:"date" doc:"Of UTC." example:"2026-03-02"`
	SourceID *string `json:"source_id,omitempty" doc:"The source, or else the campaign." example:"src_01h455vb4pex5vsknk084sn02q"`
	Campaign *string `json:"campaign,omitempty" maxLength:"100" doc:"As utm_campaign has it; case does not matter." example:"spring"`
	Currency string  `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217." example:"EUR"`
	Minor    int64   `json:"amount_minor" minimum:"0" maximum:"1000000000000" doc:"In the currency's smallest unit. 0 takes it back." example:"12550"`
}

// SpendSaved says how much was taken.
type SpendSaved struct {
	Saved int64 `json:"saved"`
}

type spendIn struct {
	Body struct {
		Items []SpendItem `json:"items" minItems:"1" maxItems:"1000" nullable:"false" doc:"Each day, source or campaign, and currency once. What was said of it before is replaced."`
	}
}

type spendFileIn struct {
	RawBody []byte `contentType:"text/csv"`
}

func (c *Console) spendRoutes() {
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/spend", Name: "set-spend", Tag: "reports", Permission: account.EnterSpend, MaxBody: 512 << 10,
		Summary: "Say what was spent", Detail: "Costs by source, project and campaign in the figures are made of it. Give the same money either to the source or to the campaign, or to both: each report uses one of them."}, c.setSpend)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/spend/file", Name: "set-spend-file", Tag: "reports", Permission: account.EnterSpend, MaxBody: 1 << 20, Takes: "text/csv",
		Summary: "Say what was spent, by a file", Detail: "CSV with the columns day, source (id or slug) or campaign or both of them, currency, and amount (such as 125.50) or amount_minor; the first line names them. A row has a source or a campaign. All of it is taken, or, with a fault in any row, nothing. Sending it again changes nothing."}, c.setSpendFile)
}

func (c *Console) setSpend(v *web.Visit, tx *store.Tx, in *spendIn) (*SpendSaved, error) {
	all, faults, err := spends(tx, in.Body.Items, func(i int, field string) string { return fmt.Sprintf("items[%d].%s", i, field) })
	if err != nil {
		return nil, err
	}
	return c.saveSpend(v, tx, all, faults)
}

func (c *Console) setSpendFile(v *web.Visit, tx *store.Tx, in *spendFileIn) (*SpendSaved, error) {
	items, faults := readSpend(in.RawBody)
	if len(faults) > 0 {
		return nil, problem.Invalid(faults...)
	}
	sources, err := setup.Sources(tx)
	if err != nil {
		return nil, err
	}
	bySlug := map[string]string{}
	for _, s := range sources {
		bySlug[s.Slug] = s.ID.String()
	}
	for i, it := range items {
		if it.SourceID != nil && bySlug[*it.SourceID] != "" {
			items[i].SourceID = new(bySlug[*it.SourceID])
		}
	}
	all, faults, err := spends(tx, items, func(i int, field string) string { return fmt.Sprintf("row %d: %s", i+1, field) })
	if err != nil {
		return nil, err
	}
	return c.saveSpend(v, tx, all, faults)
}

func (c *Console) saveSpend(v *web.Visit, tx *store.Tx, all []counts.Spend, faults []problem.Field) (*SpendSaved, error) {
	if len(faults) > 0 {
		return nil, problem.Invalid(faults...)
	}
	if err := counts.SetSpend(tx, all); err != nil {
		return nil, err
	}
	return &SpendSaved{int64(len(all))}, c.changed(tx, v, "spend", "spend.set", "", map[string]any{"items": len(all)})
}

const mostFaults = 50 // that an answer lists

// spends reads items, and says what is wrong with them; at names a field of one.
func spends(tx *store.Tx, items []SpendItem, at func(i int, field string) string) (all []counts.Spend, faults []problem.Field, err error) {
	sources, err := setup.Sources(tx)
	if err != nil {
		return nil, nil, err
	}
	known := map[string]bool{}
	for _, s := range sources {
		known[s.ID.String()] = true
	}
	seen := map[counts.Spend]bool{}
	for i, item := range items {
		s, fault := item.spend(known)
		one := s
		if one.Minor = 0; fault.Code == "" && seen[one] {
			fault = problem.Field{Field: "day", Code: "twice", Detail: "Name each day, source or campaign, and currency once."}
		}
		if fault.Code != "" && len(faults) < mostFaults {
			fault.Field = at(i, fault.Field)
			faults = append(faults, fault)
		}
		seen[one] = true
		all = append(all, s)
	}
	return all, faults, nil
}

// spend reads an item; the fault has no code when there is none.
func (s SpendItem) spend(known map[string]bool) (out counts.Spend, fault problem.Field) {
	day, err := time.Parse(time.DateOnly, s.Day)
	if err != nil || day.Year() < 2000 || day.Year() > 2200 {
		return out, problem.Field{Field: "day", Code: "invalid", Detail: "Give a day such as 2026-03-02."}
	}
	out = counts.Spend{Day: day, Currency: s.Currency, Minor: s.Minor}
	if (s.SourceID == nil) == (s.Campaign == nil) {
		return out, problem.Field{Field: "source_id", Code: "one_of", Detail: "Give source_id or campaign, and not both."}
	}
	if s.Campaign != nil {
		out.Dim, out.Key = counts.OfCampaign, counts.Key(*s.Campaign)
		return out, fault
	}
	if out.Dim, out.Key = counts.OfSource, *s.SourceID; !known[out.Key] {
		return out, problem.Field{Field: "source_id", Code: "unknown", Detail: "Give a source of this account."}
	}
	return out, fault
}
