package leads

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// EnquiryPlace is what one value of an enquiry is bound to: vault.Message,
// vault.Custom or vault.Consent.
func EnquiryPlace(id lead.EnquiryID, f vault.Field) vault.Binding {
	return vault.Binding{Table: EnquiryTable, Row: id.UUID(), Field: f}
}

// Enquiry is a row of enquiry: one expression of interest. Its sealed values
// open with the key of its Person.
type Enquiry struct {
	ID          lead.EnquiryID
	Lead        lead.ID       // zero while it belongs to none
	Person      lead.PersonID // the same
	Project     account.ProjectID
	Source      account.SourceID
	State       lead.EnquiryState
	Test        bool
	ReEnquiry   bool // the lead was there before
	Conflict    bool // another body came under the same idempotency key
	Flags       []lead.Flag
	Attribution string // JSON object of known UTM parameters and click ids
	Custom      string // JSON object of the fields marked non-personal
	Message     vault.Sealed
	CustomSeal  vault.Sealed // JSON object of the other custom fields
	Consent     vault.Sealed // JSON object
	ReceivedAt  time.Time    // at the door
	CreatedAt   time.Time    // when intake wrote it
	History     bool         // brought from elsewhere: counts in no report
}

const enquiryColumns = `enquiry_id, lead_id, person_id, project_id, source_id, state, test, re_enquiry, conflict, flags, attribution, custom,
	message, custom_sealed, consent, received_at, created_at, history`

// enquiryFilter: a parameter that is NULL asks for nothing. The casts tell
// PostgreSQL the types.
const enquiryFilter = `(CAST($4 AS uuid) IS NULL OR project_id = $4) AND (CAST($5 AS uuid) IS NULL OR source_id = $5)
	AND (CAST($6 AS text) IS NULL OR state = $6) AND ($7 OR NOT test) AND (received_at, enquiry_id) < ($2, $3)`

const enquiryOrder = ` ORDER BY received_at DESC, enquiry_id DESC LIMIT $8`

var (
	addEnquiry = store.Bulk("leads.enquiry.add", `INSERT INTO enquiry (account_id, `+enquiryColumns+`) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`, `ON CONFLICT DO NOTHING`)
	markEnquiryConflict = store.List("leads.enquiry.conflict", `UPDATE enquiry SET conflict = true
		WHERE account_id = $1 AND enquiry_id IN (LIST) AND NOT conflict`)
	dropDead = store.List("leads.enquiry.drop_dead", `DELETE FROM enquiry
		WHERE account_id = $1 AND enquiry_id IN (LIST) AND state = 'dead'`)
	enquiryStates = store.List("leads.enquiry.states", `SELECT enquiry_id, state FROM enquiry WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	getEnquiry    = store.List("leads.enquiry.get", `SELECT `+enquiryColumns+` FROM enquiry WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	enquiriesOf   = store.Register("leads.enquiry.of_lead", `SELECT `+enquiryColumns+` FROM enquiry
		WHERE account_id = $1 AND lead_id = $2 AND (received_at, enquiry_id) < ($3, $4) ORDER BY received_at DESC, enquiry_id DESC LIMIT $5`)
	listEnquiries = store.Register("leads.enquiry.list", `SELECT `+enquiryColumns+` FROM enquiry
		WHERE account_id = $1 AND `+enquiryFilter+enquiryOrder)
	listTeamEnquiries = store.Register("leads.enquiry.list_teams", `SELECT `+enquiryColumns+` FROM enquiry
		WHERE account_id = $1 AND `+enquiryFilter+` AND (`+store.InTeam("enquiry.project_id", "$9")+
		` OR EXISTS (SELECT 1 FROM lead l WHERE l.account_id = $1 AND l.lead_id = enquiry.lead_id AND l.owner_id = $9))`+enquiryOrder)
	// Of one owner there are few leads: they are read first, then their enquiries.
	listOwnEnquiries = store.Register("leads.enquiry.list_own", `SELECT `+named("e.", enquiryColumns)+` FROM lead l
		JOIN enquiry e ON e.account_id = $1 AND e.lead_id = l.lead_id WHERE l.account_id = $1 AND l.owner_id = $9
		AND (CAST($4 AS uuid) IS NULL OR e.project_id = $4) AND (CAST($5 AS uuid) IS NULL OR e.source_id = $5)
		AND (CAST($6 AS text) IS NULL OR e.state = $6) AND ($7 OR NOT e.test) AND (e.received_at, e.enquiry_id) < ($2, $3)
		ORDER BY e.received_at DESC, e.enquiry_id DESC LIMIT $8`)
)

// AddEnquiries inserts those that are not there yet and returns how many.
func AddEnquiries(tx *store.Tx, all []*Enquiry) (int64, error) {
	rows := make([][]any, len(all))
	for i, e := range all {
		rows[i] = []any{e.ID, e.Lead, e.Person, e.Project, e.Source, string(e.State), e.Test, e.ReEnquiry, e.Conflict,
			flagsJSON(e.Flags), objectJSON(e.Attribution), objectJSON(e.Custom),
			sealedOrNull(e.Message), sealedOrNull(e.CustomSeal), sealedOrNull(e.Consent),
			store.Micro(e.ReceivedAt), store.Micro(e.CreatedAt), e.History}
	}
	return tx.Bulk(addEnquiry, rows)
}

// DropDeadEnquiries removes the place holders of dead letters, to make room
// for the enquiries that were read after all.
func DropDeadEnquiries(tx *store.Tx, ids []lead.EnquiryID) error {
	_, err := tx.ExecList(dropDead, nil, anys(ids))
	return err
}

// EnquiryStates returns the states of those enquiries that exist.
func EnquiryStates(tx *store.Tx, ids []lead.EnquiryID) (map[lead.EnquiryID]lead.EnquiryState, error) {
	out := map[lead.EnquiryID]lead.EnquiryState{}
	err := tx.QueryList(enquiryStates, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.EnquiryID
		var s lead.EnquiryState
		err := scan(&id, &s)
		out[id] = s
		return err
	})
	return out, err
}

// EnquiryByID returns the enquiry, or store.ErrNone.
func EnquiryByID(tx *store.Tx, id lead.EnquiryID) (e Enquiry, err error) {
	found := false
	err = tx.QueryList(getEnquiry, nil, []any{id}, func(scan func(...any) error) error {
		found = true
		e, err = scanEnquiry(scan)
		return err
	})
	if err == nil && !found {
		err = store.ErrNone
	}
	return e, err
}

// EnquiriesOf lists up to limit enquiries of the lead that come after the
// place, newest first.
func EnquiriesOf(tx *store.Tx, id lead.ID, after EnquiryPage, limit int) ([]Enquiry, error) {
	at, place := workPlace(after.ReceivedAt, after.ID)
	rows, err := tx.Query(enquiriesOf, id, at, place, limit)
	return scanEnquiries(rows, err)
}

// EnquiryFilter says which enquiries to list; zero values ask for nothing.
type EnquiryFilter struct {
	Project account.ProjectID
	Source  account.SourceID
	State   lead.EnquiryState
	Test    bool // test ones too
	Whose   Whose
}

// EnquiryPage is the place after which a list goes on; the zero value begins it.
type EnquiryPage struct {
	ReceivedAt time.Time
	ID         lead.EnquiryID
}

// ListEnquiries returns up to limit enquiries, newest first.
func ListEnquiries(tx *store.Tx, f EnquiryFilter, after EnquiryPage, limit int) ([]Enquiry, error) {
	at := after.ReceivedAt.UnixMicro()
	if after.ReceivedAt.IsZero() {
		at, after.ID = endOfTime, lead.NewEnquiryID()
	}
	st, args := listEnquiries, []any{at, after.ID, f.Project, f.Source, textOrNull(string(f.State)), f.Test, limit}
	switch {
	case !f.Whose.Owner.IsZero():
		st, args = listOwnEnquiries, append(args, f.Whose.Owner)
	case !f.Whose.TeamsOf.IsZero():
		st, args = listTeamEnquiries, append(args, f.Whose.TeamsOf)
	}
	rows, err := tx.Query(st, args...)
	return scanEnquiries(rows, err)
}

// endOfTime is later than every row's time.
const endOfTime = int64(1) << 62

func scanEnquiries(rows store.Rows, err error) (out []Enquiry, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		e, err := scanEnquiry(scan)
		out = append(out, e)
		return err
	})
	return out, err
}

func scanEnquiry(scan func(...any) error) (e Enquiry, err error) {
	var flags string
	err = scan(&e.ID, &e.Lead, &e.Person, &e.Project, &e.Source, &e.State, &e.Test, &e.ReEnquiry, &e.Conflict, &flags, &e.Attribution, &e.Custom,
		&e.Message.Data, &e.CustomSeal.Data, &e.Consent.Data, store.Time(&e.ReceivedAt), store.Time(&e.CreatedAt), &e.History)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(flags), &e.Flags); err != nil {
		return e, fmt.Errorf("leads: flags of %s: %w", e.ID, err)
	}
	for f, s := range map[vault.Field]*vault.Sealed{vault.Message: &e.Message, vault.Custom: &e.CustomSeal, vault.Consent: &e.Consent} {
		s.Binding, s.Subject = EnquiryPlace(e.ID, f), vault.Subject(e.Person.UUID())
	}
	return e, nil
}

func flagsJSON(flags []lead.Flag) string {
	if len(flags) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(flags) // strings only
	return string(b)
}

func objectJSON(s string) string {
	if s == "" {
		return "{}"
	}
	return s
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
