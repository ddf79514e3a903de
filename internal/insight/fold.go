package insight

import (
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/store/counts"
)

// simple are the events that count as one of their measure.
var simple = map[events.Kind]counts.Measure{
	events.EnquiryAttached: counts.Enquiries,
	events.LeadReEnquired:  counts.ReEnquiries,
	events.OfferMade:       counts.Offers,
	events.OfferAccepted:   counts.Accepted,
	events.OfferDeclined:   counts.Declined,
	events.OfferExpired:    counts.Expired,
	events.OfferLost:       counts.Lost,
}

// fold counts n for the event: 1 as it comes, −1 to take it back.
func fold(c counts.Counts, e events.Event, n int64) {
	if e.Test {
		return
	}
	add := func(m counts.Measure) { c.Add(e.At, e.Project, e.Source, m, n) }
	switch e.Kind {
	case events.LeadCreated:
		add(counts.Leads)
		add(counts.New)
	case events.AttemptMade:
		add(counts.Attempts)
		if reached, _ := e.Data["reached"].(bool); reached {
			add(counts.Contacts)
		}
	case events.LeadStageChanged:
		from, _ := e.Data["from_category"].(string)
		to, _ := e.Data["to_category"].(string)
		if from != to && lead.Category(to).Valid() {
			add(counts.Measure(to))
		}
	default:
		if m, ok := simple[e.Kind]; ok {
			add(m)
		}
	}
}
