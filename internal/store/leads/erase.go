package leads

import (
	"catchment/internal/lead"
	"catchment/internal/store"
)

var (
	personsEnquiries = store.List("leads.erase.enquiries", `SELECT enquiry_id FROM enquiry WHERE account_id = $1 AND lead_id IN (LIST)`)
	looseEnquiries   = store.List("leads.erase.loose", `SELECT enquiry_id FROM enquiry
		WHERE account_id = $1 AND lead_id IS NULL AND person_id IS NOT NULL AND person_id IN (LIST)`)
	eraseEnquiries = store.List("leads.erase.enquiry", `UPDATE enquiry SET state = 'erased', message = NULL, custom_sealed = NULL, consent = NULL
		WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	eraseSubmissions = store.List("leads.erase.submission", `DELETE FROM submission WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	eraseHeld        = store.List("leads.erase.held", `DELETE FROM quarantine WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	// Of dead letters an account has few.
	eraseDead   = store.List("leads.erase.dead", `DELETE FROM dead_letter WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	eraseNotes  = store.List("leads.erase.notes", `DELETE FROM note WHERE account_id = $1 AND lead_id IN (LIST)`)
	erasePlaces = store.List("leads.erase.places", `UPDATE site_visit SET place = NULL WHERE account_id = $1 AND lead_id IN (LIST)`)
	holdAlone   = store.List("leads.erase.hold", `SELECT l.lead_id FROM lead l WHERE l.account_id = $1 AND l.lead_id IN (LIST) FOR UPDATE OF l`)
	forgetMACs  = store.Register("leads.erase.bursts", `DELETE FROM burst WHERE account_id = $1`)
)

// Erasure counts what was destroyed.
type Erasure struct {
	Leads       int   `json:"leads"`
	Enquiries   int   `json:"enquiries"`
	Submissions int64 `json:"submissions"`
	Notes       int64 `json:"notes"`
	Files       int64 `json:"files,omitempty"`
	DeadLetters int64 `json:"dead_letters"`
}

// EnquiriesOfPersons lists the enquiries of these leads, and those of the
// persons that belong to no lead, in no order.
func EnquiriesOfPersons(tx *store.Tx, of []lead.ID, persons []lead.PersonID) (out []lead.EnquiryID, err error) {
	take := func(scan func(...any) error) error {
		var id lead.EnquiryID
		err := scan(&id)
		out = append(out, id)
		return err
	}
	if err := tx.QueryList(personsEnquiries, nil, anys(of), take); err != nil {
		return nil, err
	}
	return out, tx.QueryList(looseEnquiries, nil, anys(persons), take)
}

// HoldAlone has nobody else write these leads until the transaction ends: what
// was done with one before is there to be read, and what comes after meets what
// this transaction made of it.
func HoldAlone(tx *store.Tx, of []lead.ID) error {
	return tx.QueryList(holdAlone, nil, anys(of), func(scan func(...any) error) error {
		var id lead.ID
		return scan(&id)
	})
}

// Erase destroys what is personal in the leads and enquiries, with what came in
// for them, and keeps what counts without it.
func Erase(tx *store.Tx, of []lead.ID, enquiries []lead.EnquiryID) (e Erasure, err error) {
	e.Leads, e.Enquiries = len(of), len(enquiries)
	for _, step := range []struct {
		st   *store.ListStmt
		list []any
		n    *int64
	}{
		{eraseEnquiries, anys(enquiries), nil},
		{eraseSubmissions, anys(enquiries), &e.Submissions},
		{eraseHeld, anys(enquiries), nil},
		{eraseDead, anys(enquiries), &e.DeadLetters},
		{eraseNotes, anys(of), &e.Notes},
		{eraseFile, anys(of), &e.Files},
		{erasePlaces, anys(of), nil},
	} {
		n, err := tx.ExecList(step.st, nil, step.list)
		if err != nil {
			return e, err
		}
		if step.n != nil {
			*step.n = n
		}
	}
	// Counters of the last days, which hashes of numbers and addresses lead to.
	_, err = tx.Exec(forgetMACs)
	return e, err
}
