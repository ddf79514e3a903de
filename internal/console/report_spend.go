package console

import (
	"errors"
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

func (c *Console) spendRoutes() {
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/spend", Name: "set-spend", Tag: "reports", Permission: account.ManageSetup, MaxBody: 512 << 10,
		Summary: "Say what was spent", Detail: "Costs by source, project and campaign in the figures are made of it. Give the same money either to the source or to the campaign, or to both: each report uses one of them."}, c.setSpend)
}

func (c *Console) setSpend(v *web.Visit, tx *store.Tx, in *spendIn) (*SpendSaved, error) {
	known := map[string]bool{}
	seen := map[counts.Spend]bool{}
	all := make([]counts.Spend, 0, len(in.Body.Items))
	for i, item := range in.Body.Items {
		s, err := item.spend(tx, i, known)
		if err != nil {
			return nil, err
		}
		one := s
		if one.Minor = 0; seen[one] {
			return nil, problem.InvalidField(fmt.Sprintf("items[%d]", i), "twice", "Name each day, source or campaign, and currency once.")
		}
		seen[one] = true
		all = append(all, s)
	}
	if err := counts.SetSpend(tx, all); err != nil {
		return nil, err
	}
	return &SpendSaved{int64(len(all))}, c.changed(tx, v, "spend", "spend.set", "", map[string]any{"items": len(all)})
}

func (s SpendItem) spend(tx *store.Tx, i int, known map[string]bool) (out counts.Spend, err error) {
	at := func(name string) string { return fmt.Sprintf("items[%d].%s", i, name) }
	if out.Day, err = time.Parse(time.DateOnly, s.Day); err != nil || out.Day.Year() < 2000 || out.Day.Year() > 2200 {
		return out, problem.InvalidField(at("day"), "invalid", "Give a day such as 2026-03-02.")
	}
	out.Currency, out.Minor = s.Currency, s.Minor
	if (s.SourceID == nil) == (s.Campaign == nil) {
		return out, problem.InvalidField(at("source_id"), "one_of", "Give source_id or campaign, and not both.")
	}
	if s.Campaign != nil {
		out.Dim, out.Key = counts.OfCampaign, counts.Key(*s.Campaign)
		return out, nil
	}
	unknown := problem.InvalidField(at("source_id"), "unknown", "Give a source of this account.")
	id, err := account.ParseSourceID(*s.SourceID)
	if err != nil {
		return out, unknown
	}
	out.Dim, out.Key = counts.OfSource, id.String()
	if known[out.Key] {
		return out, nil
	}
	if _, err = setup.GetSource(tx, id); errors.Is(err, store.ErrNone) {
		return out, unknown
	}
	known[out.Key] = true
	return out, err
}
