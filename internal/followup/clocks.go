package followup

import (
	"database/sql"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store/leads"
)

// Clock is a duration of a lead and how it is known. nil: not measured (yet);
// 0 is a measurement.
type Clock struct {
	MS  *int64
	How lead.Evidence
}

// Clocks are the durations of a lead in milliseconds.
type Clocks struct {
	SpeedToLead   Clock // first enquiry received → first attempt
	TimeToOffer   Clock // first enquiry received → first offer
	TimeToAccept  Clock // first offer → first acceptance
	FirstResponse Clock // first acceptance → first attempt
	TimeToContact Clock // first enquiry received → first contact
	TalkTime      Clock // of the person's leg, the sum over all attempts
	WrapUp        Clock // from an attempt's end to its result, the sum over all attempts
}

// ClocksOf reads a lead's clocks off its firsts and sums. Offers and
// acceptances the program takes part in itself; an attempt is known as whoever
// told of it knows it.
func ClocksOf(l leads.Lead) Clocks {
	if l.History { // its beginning was elsewhere
		l = leads.Lead{}
	}
	return Clocks{
		SpeedToLead:   between(l.CreatedAt, l.AttemptedAt, l.AttemptedHow),
		TimeToOffer:   between(l.CreatedAt, l.OfferedAt, lead.Seen),
		TimeToAccept:  between(l.OfferedAt, l.AcceptedAt, lead.Seen),
		FirstResponse: between(l.AcceptedAt, l.AttemptedAt, l.AttemptedHow),
		TimeToContact: between(l.CreatedAt, l.ContactedAt, l.ContactedHow),
		TalkTime:      total(l.Talk, l.TalkHow),
		WrapUp:        total(l.WrapUp, l.WrapUpHow),
	}
}

// between is not measured when an end is missing, or when they come in the
// other order: an attempt before the acceptance answers no acceptance.
func between(from, to time.Time, how lead.Evidence) Clock {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return Clock{How: lead.NotMeasured}
	}
	return Clock{new(to.Sub(from).Milliseconds()), known(how)}
}

func total(n sql.Null[int64], how lead.Evidence) Clock {
	if !n.Valid {
		return Clock{How: lead.NotMeasured}
	}
	return Clock{new(n.V), known(how)}
}

// known is the grade of a row that is older than grades: somebody said it.
func known(how lead.Evidence) lead.Evidence {
	if how == "" {
		return lead.Said
	}
	return how
}
