package console

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"catchment/internal/lead"
	"catchment/internal/store/counts"
)

// row shows a tally, with what was spent by currency.
func (r *figureReader) row(id *string, name string, t *counts.Tally, spent map[string]int64) FigureRow {
	row := FigureRow{ID: id, Name: name, Leads: t.Of(counts.FLeads), Enquiries: t.Of(counts.FEnquiries), Offered: t.Of(counts.FOffered),
		Accepted: t.Of(counts.FTaken), Attempted: t.Of(counts.FTried), Contacted: t.Of(counts.FReached),
		Visits: t.Of(counts.FVisits), Bookings: t.Of(counts.FBookings),
		Stages: []FigureStage{}, Reasons: []FigureReason{}, Costs: []FigureCost{}}
	in := func(k lead.Category) int64 { return t.Of(counts.InCategory(k)) }
	row.Categories = FigureCategories{in(lead.New), in(lead.FollowUp), in(lead.Won), in(lead.Dropped)}
	standing := t.Named(counts.FStage)
	for _, s := range r.stages {
		if n := standing[s.ID.String()]; n != 0 {
			row.Stages = append(row.Stages, FigureStage{s.ID.String(), s.Name, n})
		}
	}
	for reason, n := range t.Named(counts.FReason) {
		row.Reasons = append(row.Reasons, FigureReason{reason, n})
	}
	slices.SortFunc(row.Reasons, func(a, b FigureReason) int {
		return cmp.Or(cmp.Compare(b.Leads, a.Leads), cmp.Compare(a.Reason, b.Reason))
	})
	row.Work = FigureWork{t.Of(counts.FOffers), t.Of(counts.FAccepted), t.Of(counts.FDeclined), t.Of(counts.FExpired), t.Of(counts.FLost),
		t.Of(counts.FAttempts), t.Of(counts.FContacts)}
	row.Rates = FigureRates{part(row.Work.Accepted, row.Work.Accepted+row.Work.Declined+row.Work.Expired),
		part(row.Contacted, row.Leads), part(row.Categories.Won, row.Leads)}
	row.Clocks = FigureClocks{clock(t, counts.SpeedToLead), clock(t, counts.TimeToOffer), clock(t, counts.TimeToAccept), clock(t, counts.FirstResponse), clock(t, counts.TimeToContact)}
	if r.presence {
		row.Presence = &FigurePresence{t.Of(counts.FAvailable), t.Of(counts.FEngaged), t.Of(counts.FAway)}
	}
	for _, currency := range slices.Sorted(maps.Keys(spent)) {
		n := spent[currency]
		row.Costs = append(row.Costs, FigureCost{currency, n, each(n, row.Leads), each(n, row.Categories.Won), each(n, row.Visits), each(n, row.Bookings)})
	}
	return row
}

func part(n, of int64) *float64 {
	if of == 0 {
		return nil
	}
	return new(float64(n) / float64(of))
}

// each is a sum shared among n, rounded.
func each(sum, n int64) *int64 {
	if n <= 0 {
		return nil
	}
	return new((sum + n/2) / n)
}

func clock(t *counts.Tally, c counts.Clock) FigureClock {
	s := t.Spread(c)
	out := FigureClock{Measured: s.Count(), Spread: []FigureSpan{}}
	for _, q := range []struct {
		q  float64
		to **int64
	}{{0.5, &out.P50}, {0.9, &out.P90}, {0.99, &out.P99}} {
		if ms, ok := s.Quantile(q.q); ok {
			*q.to = &ms
		}
	}
	for _, x := range s { // spans double, and begin at 0, 1, 2, 4, …
		first, _ := counts.BucketSpan(x.Bucket)
		from := int64(0)
		if first > 0 {
			from = 1 << (bits.Len64(uint64(first)) - 1)
		}
		if last := len(out.Spread) - 1; last >= 0 && out.Spread[last].From == from {
			out.Spread[last].Leads += x.N
			continue
		}
		out.Spread = append(out.Spread, FigureSpan{from, max(1, 2*from), x.N})
	}
	return out
}
