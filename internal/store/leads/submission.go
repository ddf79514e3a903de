package leads

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// The names that ciphertexts of these tables are bound to.
const (
	EnquiryTable    = "enquiry"
	SubmissionTable = "submission"
)

// SubmissionPlace is what one value of a submission is bound to: vault.Raw or
// vault.Trace.
func SubmissionPlace(id lead.SubmissionID, f vault.Field) vault.Binding {
	return vault.Binding{Table: SubmissionTable, Row: id.UUID(), Field: f}
}

// Submission is a row of submission: raw input as it was received. Another one
// of the same enquiry has another body and makes both a conflict.
type Submission struct {
	ID         lead.SubmissionID
	Enquiry    lead.EnquiryID
	BodyMAC    [16]byte
	Person     lead.PersonID // whose key seals it
	Conflict   bool
	Format     string
	Raw, Trace vault.Sealed
	Key        account.KeyID // zero for a form
	Stream     string
	Seq        uint64
	ReceivedAt time.Time
}

// SubmissionKey is which body of which enquiry: what is taken once.
type SubmissionKey struct {
	Enquiry lead.EnquiryID
	BodyMAC [16]byte
}

var (
	addSubmission = store.Bulk("leads.submission.add", `INSERT INTO submission (account_id, enquiry_id, body_mac, submission_id, person_id,
		conflict, format, raw, trace, api_key_id, stream, seq, received_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, `ON CONFLICT DO NOTHING`)
	knownSubmissions = store.List("leads.submission.known", `SELECT enquiry_id, body_mac, person_id FROM submission
		WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	markConflict = store.List("leads.submission.conflict", `UPDATE submission SET conflict = true
		WHERE account_id = $1 AND enquiry_id IN (LIST) AND NOT conflict`)
	submissionsOf = store.Register("leads.submission.of", `SELECT submission_id, enquiry_id, body_mac, person_id, conflict, format, raw, trace,
		api_key_id, stream, seq, received_at FROM submission WHERE account_id = $1 AND enquiry_id = $2 ORDER BY received_at, submission_id`)
)

// AddSubmissions inserts those that are not there yet and returns how many
// they were: fewer than given means that some were taken already.
func AddSubmissions(tx *store.Tx, all []*Submission) (int64, error) {
	rows := make([][]any, len(all))
	for i, s := range all {
		rows[i] = []any{s.Enquiry, s.BodyMAC[:], s.ID, s.Person, s.Conflict, s.Format, s.Raw.Data, sealedOrNull(s.Trace),
			s.Key, s.Stream, int64(s.Seq), store.Micro(s.ReceivedAt)}
	}
	return tx.Bulk(addSubmission, rows)
}

// KnownSubmissions returns which submissions of these enquiries were taken,
// and whose key seals each.
func KnownSubmissions(tx *store.Tx, of []lead.EnquiryID) (map[SubmissionKey]lead.PersonID, error) {
	out := map[SubmissionKey]lead.PersonID{}
	err := tx.QueryList(knownSubmissions, nil, anys(of), func(scan func(...any) error) error {
		var k SubmissionKey
		var mac []byte
		var p lead.PersonID
		err := scan(&k.Enquiry, &mac, &p)
		copy(k.BodyMAC[:], mac)
		out[k] = p
		return err
	})
	return out, err
}

// MarkConflict marks every submission of these enquiries, and the enquiries.
func MarkConflict(tx *store.Tx, of []lead.EnquiryID) error {
	list := anys(of)
	if _, err := tx.ExecList(markConflict, nil, list); err != nil {
		return err
	}
	_, err := tx.ExecList(markEnquiryConflict, nil, list)
	return err
}

// Submissions lists what came in for the enquiry, oldest first.
func Submissions(tx *store.Tx, of lead.EnquiryID) (out []Submission, err error) {
	rows, err := tx.Query(submissionsOf, of)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Submission
		var mac []byte
		var seq int64
		err := scan(&s.ID, &s.Enquiry, &mac, &s.Person, &s.Conflict, &s.Format, &s.Raw.Data, &s.Trace.Data,
			&s.Key, &s.Stream, &seq, store.Time(&s.ReceivedAt))
		copy(s.BodyMAC[:], mac)
		s.Seq = uint64(seq)
		s.Raw.Binding, s.Raw.Subject = SubmissionPlace(s.ID, vault.Raw), vault.Subject(s.Person.UUID())
		s.Trace.Binding, s.Trace.Subject = SubmissionPlace(s.ID, vault.Trace), vault.Subject(s.Person.UUID())
		out = append(out, s)
		return err
	})
	return out, err
}

func sealedOrNull(s vault.Sealed) any {
	if s.Empty() {
		return nil
	}
	return s.Data
}

func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
