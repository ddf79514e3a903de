package retention

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Cut is before when something must have happened last to go; zero times keep
// everything.
type Cut struct{ Leads, Tests, Submissions, Attachments, Files time.Time }

// Cut counts the rules' days back from now.
func (r Rules) Cut(now time.Time) (c Cut) {
	back := func(days int) (t time.Time) {
		if days > 0 {
			t = store.Clock(now).AddDate(0, 0, -days)
		}
		return t
	}
	return Cut{back(r.Leads), back(r.Tests), back(r.Submissions), back(r.Attachments), back(r.Files)}
}

// Of is the time for a person's leads.
func (c Cut) Of(test bool) time.Time {
	if test {
		return c.Tests
	}
	return c.Leads
}

// restriction is the reason of a suppression that a restriction is.
const restriction = `'restricted'`

const personColumns = `p.person_id, p.test, p.created_at, p.erased_at IS NOT NULL,
	p.merged_into IS NOT NULL OR EXISTS (SELECT 1 FROM person m WHERE m.account_id = $1 AND m.merged_into = p.person_id),
	EXISTS (SELECT 1 FROM suppression s WHERE s.account_id = $1 AND s.person_id = p.person_id AND s.until_at IS NULL AND s.reason = ` + restriction + `)
		OR EXISTS (SELECT 1 FROM subject_request r WHERE r.account_id = $1 AND r.person_id = p.person_id AND r.kind = 'restrict' AND r.state = 'open'),
	(SELECT MAX(e.received_at) FROM enquiry e WHERE e.account_id = $1 AND e.person_id = p.person_id AND e.lead_id IS NULL AND e.person_id IS NOT NULL)`

// What was done with a lead, each at its latest.
const leadColumns = `l.lead_id, l.person_id, l.created_at, l.enquired_at, l.offered_at, l.accepted_at, l.attempted_at, l.contacted_at, l.closed_at, l.tried_at, l.next_at,
	(SELECT MAX(n.created_at) FROM note n WHERE n.account_id = $1 AND n.lead_id = l.lead_id),
	(SELECT MAX(f.created_at) FROM lead_file f WHERE f.account_id = $1 AND f.lead_id = l.lead_id),
	(SELECT MAX(a.created_at) FROM attempt a WHERE a.account_id = $1 AND a.lead_id = l.lead_id),
	(SELECT MAX(o.made_at) FROM offer o WHERE o.account_id = $1 AND o.lead_id = l.lead_id),
	(SELECT MAX(c.at) FROM stage_change c WHERE c.account_id = $1 AND c.lead_id = l.lead_id),
	(SELECT MAX(g.from_at) FROM assignment g WHERE g.account_id = $1 AND g.lead_id = l.lead_id),
	(SELECT MAX(v.planned_at) FROM site_visit v WHERE v.account_id = $1 AND v.lead_id = l.lead_id AND v.state = 'planned'),
	(SELECT MAX(v.changed_at) FROM site_visit v WHERE v.account_id = $1 AND v.lead_id = l.lead_id),
	(SELECT MAX(b.created_at) FROM booking b WHERE b.account_id = $1 AND b.lead_id = l.lead_id),
	(SELECT MAX(b.cancelled_at) FROM booking b WHERE b.account_id = $1 AND b.lead_id = l.lead_id),
	EXISTS (SELECT 1 FROM booking b WHERE b.account_id = $1 AND b.lead_id = l.lead_id AND b.cancelled_at IS NULL)`

var (
	candidates = store.Register("retention.candidates", `SELECT p.person_id FROM person p
		WHERE p.account_id = $1 AND p.person_id > $2 AND p.erased_at IS NULL AND p.created_at < CASE WHEN p.test THEN CAST($4 AS bigint) ELSE CAST($3 AS bigint) END
		AND NOT EXISTS (SELECT 1 FROM lead l WHERE l.account_id = $1 AND l.person_id = p.person_id AND l.enquired_at >= CASE WHEN p.test THEN CAST($4 AS bigint) ELSE CAST($3 AS bigint) END)
		ORDER BY p.person_id LIMIT $5`)
	personFacts = store.List("retention.persons", `SELECT `+personColumns+` FROM person p WHERE p.account_id = $1 AND p.person_id IN (LIST)`)
	leadFacts   = store.List("retention.leads", `SELECT `+leadColumns+` FROM lead l WHERE l.account_id = $1 AND l.person_id IN (LIST)`)

	oldEnquiries = store.Register("retention.enquiries", `SELECT enquiry_id, received_at FROM enquiry
		WHERE account_id = $1 AND received_at < $2 AND (received_at, enquiry_id) > ($3, $4) ORDER BY received_at, enquiry_id LIMIT $5`)
	oldSubmissions = store.List("retention.submissions", `SELECT enquiry_id FROM submission WHERE account_id = $1 AND received_at < $2 AND enquiry_id IN (LIST)`)
	// Whose lead it is, or with whom that person is merged, may have asked that
	// nothing is changed.
	attachments = store.Register("retention.attachments", `SELECT f.file_id, f.lead_id, l.project_id, l.source_id, l.test FROM lead_file f
		JOIN lead l ON l.account_id = $1 AND l.lead_id = f.lead_id
		JOIN person p ON p.account_id = $1 AND p.person_id = l.person_id
		WHERE f.account_id = $1 AND f.file_id > $3 AND f.state = 'kept' AND f.created_at < $2 AND l.closed_at > 0 AND l.closed_at < $2
		AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.account_id = $1 AND s.person_id IN (p.person_id, p.merged_into) AND s.until_at IS NULL AND s.reason = `+restriction+`)
		AND NOT EXISTS (SELECT 1 FROM subject_request r WHERE r.account_id = $1 AND r.person_id IN (p.person_id, p.merged_into) AND r.kind = 'restrict' AND r.state = 'open')
		ORDER BY f.file_id LIMIT $4`)
	drop = store.List("retention.submissions.drop", `DELETE FROM submission WHERE account_id = $1 AND received_at < $2 AND enquiry_id IN (LIST)`)
)

// Person is what decides about a person, beside their leads.
type Person struct {
	ID          lead.PersonID
	Test        bool
	CreatedAt   time.Time
	Erased      bool
	Merged      bool      // with somebody else
	Restricted  bool      // or asked to be
	LooseEnding time.Time // the newest enquiry that belongs to no lead
}

// Lead is what decides about a lead.
type Lead struct {
	ID     lead.ID
	Person lead.PersonID
	Last   time.Time // of its activity; a follow-up or a visit that is planned counts when it is to be
	Booked bool      // a booking of it stands
}

// Candidates lists up to limit persons after the given one who may be due: they
// came before the cut, and nothing came of them since. PersonsByID and Leads
// decide.
func Candidates(tx *store.Tx, after lead.PersonID, c Cut, limit int) (out []lead.PersonID, err error) {
	if after.IsZero() {
		after = lead.PersonIDFrom(lowest)
	}
	rows, err := tx.Query(candidates, after, micro(c.Leads), micro(c.Tests), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id lead.PersonID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// lowest is below every id; the zero id would be NULL, which is not.
var lowest = [16]byte{15: 1}

// micro is 0 for the zero time, before which nothing was.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// PersonsByID reads what decides about these persons, in no order.
func PersonsByID(tx *store.Tx, ids []lead.PersonID) (out []Person, err error) {
	err = tx.QueryList(personFacts, nil, anys(ids), func(scan func(...any) error) error {
		var p Person
		err := scan(&p.ID, &p.Test, store.Time(&p.CreatedAt), &p.Erased, &p.Merged, &p.Restricted, store.Time(&p.LooseEnding))
		out = append(out, p)
		return err
	})
	return out, err
}

// Leads reads what decides about the leads of these persons, in no order.
func Leads(tx *store.Tx, of []lead.PersonID) (out []Lead, err error) {
	err = tx.QueryList(leadFacts, nil, anys(of), func(scan func(...any) error) error {
		var l Lead
		var at [19]time.Time
		to := []any{&l.ID, &l.Person}
		for i := range at {
			to = append(to, store.Time(&at[i]))
		}
		if err := scan(append(to, &l.Booked)...); err != nil {
			return err
		}
		for _, t := range at {
			if t.After(l.Last) {
				l.Last = t
			}
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

// OldSubmissions lists those of the next limit enquiries that have submissions
// from before the cut, and moves the place behind all of them; more is false
// when there are no further enquiries.
func OldSubmissions(tx *store.Tx, p *Place, cut time.Time, limit int) (of []lead.EnquiryID, more bool, err error) {
	if p.Enquiry.IsZero() {
		if p.Enquiry, err = lead.EnquiryIDFrom(lowest[:]); err != nil {
			return nil, false, err
		}
	}
	var all []lead.EnquiryID
	rows, err := tx.Query(oldEnquiries, micro(cut), micro(p.At), p.Enquiry, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		err := scan(&p.Enquiry, store.Time(&p.At))
		all = append(all, p.Enquiry)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	err = tx.QueryList(oldSubmissions, []any{micro(cut)}, anys(all), func(scan func(...any) error) error {
		var id lead.EnquiryID
		err := scan(&id)
		of = append(of, id)
		return err
	})
	return of, len(all) == limit, err
}

// DropSubmissions destroys what came in for these enquiries before the cut, and
// counts it.
func DropSubmissions(tx *store.Tx, of []lead.EnquiryID, cut time.Time) (int64, error) {
	return tx.ExecList(drop, []any{micro(cut)}, anys(of))
}

// Attachment is a file of a lead that is due.
type Attachment struct {
	ID      lead.FileID
	Lead    lead.ID
	Project account.ProjectID
	Source  account.SourceID
	Test    bool
}

// DueAttachments lists up to limit files of leads after the given one that came
// before the cut, and whose lead was closed before it.
func DueAttachments(tx *store.Tx, after lead.FileID, cut time.Time, limit int) (out []Attachment, err error) {
	if after.IsZero() {
		after = lead.FileIDFrom(lowest)
	}
	rows, err := tx.Query(attachments, micro(cut), after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a Attachment
		err := scan(&a.ID, &a.Lead, &a.Project, &a.Source, &a.Test)
		out = append(out, a)
		return err
	})
	return out, err
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
