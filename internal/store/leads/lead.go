// Package leads keeps what is worked on: submissions, enquiries, leads, dead
// letters, and what is done with them. It alone writes these tables. Rows go
// in and out as they are; what may follow what is decided by the stages.
package leads

import (
	"database/sql"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Lead is a row of lead: a person's interest in a project. Times that have
// not come yet are zero.
type Lead struct {
	ID          lead.ID
	Person      lead.PersonID
	Project     account.ProjectID
	Source      account.SourceID // of the first enquiry
	Test        bool
	Stage       lead.StageID
	Category    lead.Category
	Reason      string // of the last change of stage
	RouteState  lead.RouteState
	Owner       account.UserID
	Offer       lead.OfferID // the open one
	WaitingAt   time.Time
	QueuedAt    time.Time
	OffersMade  int64
	Enquiries   int64
	Previous    lead.ID // the closed lead of the same person and project
	Version     int64
	CreatedAt   time.Time // when its first enquiry was received
	EnquiredAt  time.Time // the newest enquiry
	OfferedAt   time.Time
	AcceptedAt  time.Time
	AttemptedAt time.Time
	ContactedAt time.Time
	NextAt      time.Time
	NextWhat    string
	NextSetAt   time.Time // when that was set; zero: never, or before this was kept
	ClosedAt    time.Time
	TriedAt     time.Time // the latest attempt
	MissedAt    time.Time // the latest attempt that should have reached the person and did not; zero after a contact
	History     bool      // brought from elsewhere: never routed, no clocks

	// How the first attempt and the first contact are known, and the sums over
	// all attempts; not Valid: nothing measured it.
	AttemptedHow, ContactedHow lead.Evidence
	Talk, WrapUp               sql.Null[int64] // milliseconds
	TalkHow, WrapUpHow         lead.Evidence
}

const leadColumns = `lead_id, person_id, project_id, source_id, test, stage_id, category, reason, route_state, owner_id, offer_id,
	waiting_at, queued_at, offers_made, enquiries, previous_id, version, created_at, enquired_at, offered_at, accepted_at,
	attempted_at, contacted_at, next_at, next_what, next_set_at, closed_at, history, tried_at, missed_at,
	attempted_evidence, contacted_evidence, talk_ms, talk_evidence, wrap_up_ms, wrap_up_evidence`

// qualified names a lead's columns in a join.
func qualified(prefix string) string { return named(prefix, leadColumns) }

// named puts the prefix before each of the columns.
func named(prefix, list string) string {
	columns := strings.Split(list, ",")
	for i, c := range columns {
		columns[i] = prefix + strings.TrimSpace(c)
	}
	return strings.Join(columns, ", ")
}

var (
	addLead = store.Bulk("leads.lead.add", `INSERT INTO lead (account_id, lead_id, person_id, project_id, source_id, test, stage_id, category,
		reason, route_state, waiting_at, decided, offers_made, enquiries, previous_id, version, created_at, enquired_at, next_what, owner_id, closed_at, history) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false, 0, $12, $13, 1, $14, $15, '', $16, $17, $18)`, `ON CONFLICT DO NOTHING`)
	// COALESCE keeps PostgreSQL's planner off the index lead_open, which it takes for the smallest before it has statistics.
	reEnquire = store.Register("leads.lead.re_enquire", `UPDATE lead SET version = version + 1, enquiries = enquiries + $3,
		enquired_at = CASE WHEN enquired_at < $4 THEN $4 ELSE enquired_at END
		WHERE account_id = $1 AND lead_id = $2 AND COALESCE(closed_at, 0) = 0`)
	personsLeads = store.List("leads.lead.of_persons", `SELECT lead_id, person_id, project_id, created_at, closed_at FROM lead
		WHERE account_id = $1 AND person_id IN (LIST)`)
	getLead = store.List("leads.lead.get", `SELECT `+leadColumns+` FROM lead WHERE account_id = $1 AND lead_id IN (LIST)`)
)

// AddLeads inserts leads with what a new one has: ID to Stage, Category,
// RouteState, WaitingAt, Enquiries, Previous, CreatedAt and EnquiredAt, and of
// history also Reason, Owner and ClosedAt. It returns how many there were: fewer than given means that somebody else
// opened one for the same person and project.
func AddLeads(tx *store.Tx, all []*Lead) (int64, error) {
	rows := make([][]any, len(all))
	for i, l := range all {
		rows[i] = []any{l.ID, l.Person, l.Project, l.Source, l.Test, l.Stage, string(l.Category), l.Reason, string(l.RouteState),
			store.Micro(l.WaitingAt), l.Enquiries, l.Previous, store.Micro(l.CreatedAt), store.Micro(l.EnquiredAt), l.Owner, store.Micro(l.ClosedAt), l.History}
	}
	return tx.Bulk(addLead, rows)
}

// ReEnquiry is what new enquiries change of a lead that is open.
type ReEnquiry struct {
	Lead  lead.ID
	Count int64
	At    time.Time // the newest
}

// ReEnquire notes new enquiries at open leads, and returns how many of these
// leads are still open.
func ReEnquire(tx *store.Tx, all []*ReEnquiry) (int64, error) {
	rows := make([][]any, len(all))
	for i, r := range all {
		rows[i] = []any{r.Lead, r.Count, store.Micro(r.At)}
	}
	return tx.ExecEach(reEnquire, rows)
}

// Brief is as much of a lead as intake asks for.
type Brief struct {
	ID        lead.ID
	Person    lead.PersonID
	Project   account.ProjectID
	CreatedAt time.Time
	ClosedAt  time.Time
}

// LeadsOfPersons returns every lead of these persons, in no order.
func LeadsOfPersons(tx *store.Tx, persons []lead.PersonID) (out []Brief, err error) {
	err = tx.QueryList(personsLeads, nil, anys(persons), func(scan func(...any) error) error {
		var b Brief
		err := scan(&b.ID, &b.Person, &b.Project, store.Time(&b.CreatedAt), store.Time(&b.ClosedAt))
		out = append(out, b)
		return err
	})
	return out, err
}

// LeadByID returns the lead, or store.ErrNone.
func LeadByID(tx *store.Tx, id lead.ID) (Lead, error) {
	found, err := LeadsByID(tx, id)
	if err == nil && len(found) == 0 {
		err = store.ErrNone
	}
	if err != nil {
		return Lead{}, err
	}
	return found[0], nil
}

// LeadsByID returns those leads that exist, in no order.
func LeadsByID(tx *store.Tx, ids ...lead.ID) (out []Lead, err error) {
	err = tx.QueryList(getLead, nil, anys(ids), func(scan func(...any) error) error {
		l, err := scanLead(scan)
		out = append(out, l)
		return err
	})
	return out, err
}

func scanLead(scan func(...any) error) (l Lead, err error) {
	err = scan(&l.ID, &l.Person, &l.Project, &l.Source, &l.Test, &l.Stage, &l.Category, &l.Reason, &l.RouteState, &l.Owner, &l.Offer,
		store.Time(&l.WaitingAt), store.Time(&l.QueuedAt), &l.OffersMade, &l.Enquiries, &l.Previous, &l.Version,
		store.Time(&l.CreatedAt), store.Time(&l.EnquiredAt), store.Time(&l.OfferedAt), store.Time(&l.AcceptedAt),
		store.Time(&l.AttemptedAt), store.Time(&l.ContactedAt), store.Time(&l.NextAt), &l.NextWhat, store.Time(&l.NextSetAt), store.Time(&l.ClosedAt), &l.History,
		store.Time(&l.TriedAt), store.Time(&l.MissedAt), &l.AttemptedHow, &l.ContactedHow, &l.Talk, &l.TalkHow, &l.WrapUp, &l.WrapUpHow)
	return l, err
}
