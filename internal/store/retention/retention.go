// Package retention is the SQL of what goes by itself after the account's time
// (table retention), and of finding it.
package retention

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// Rules are days; 0 keeps for ever.
type Rules struct {
	Leads       int `json:"lead_days,omitempty"`       // persons none of whose leads had activity for so long
	Tests       int `json:"test_lead_days,omitempty"`  // the same, of test leads
	Submissions int `json:"submission_days,omitempty"` // what came in, as it came
	Attachments int `json:"attachment_days,omitempty"` // files of leads that were closed so long ago
	Files       int `json:"file_days,omitempty"`       // of imports and exports that nobody finished
}

// None reports whether nothing ever goes.
func (r Rules) None() bool { return r == Rules{} }

// Counts are what was taken, or would be.
type Counts struct {
	Persons     int64 `json:"persons"`
	Leads       int64 `json:"leads"`
	TestPersons int64 `json:"test_persons"`
	TestLeads   int64 `json:"test_leads"`
	Submissions int64 `json:"submissions"`
	Attachments int64 `json:"attachments"`
	Files       int64 `json:"files"`
}

// Step is a part of a look.
type Step string

// The steps, in their order; "" while no look is under way.
const (
	Persons     Step = "persons"
	Submissions Step = "submissions"
	Attachments Step = "attachments"
	Files       Step = "files"
)

// Place is where a look goes on.
type Place struct {
	Step    Step           `json:"step,omitempty"`
	Person  lead.PersonID  `json:"person,omitzero"`  // the last that was looked at
	Enquiry lead.EnquiryID `json:"enquiry,omitzero"` // the same, of submissions
	File    lead.FileID    `json:"file,omitzero"`    // the same, of files of leads
	At      time.Time      `json:"at,omitzero"`      // when that enquiry came
	Counts  Counts         `json:"counts"`           // taken so far
}

// Plan is a row of retention.
type Plan struct {
	Rules     Rules
	By        string
	ChangedAt time.Time
	Place     Place
	RanAt     time.Time // zero: never
	Ran       Counts
}

var (
	get = store.Register("retention.get", `SELECT rules, by_actor, changed_at, place, ran_at, ran FROM retention WHERE account_id = $1`)
	set = store.Register("retention.set", `INSERT INTO retention (account_id, rules, by_actor, changed_at, place, ran) VALUES ($1, $2, $3, $4, '{}', '{}')
		ON CONFLICT (account_id) DO UPDATE SET rules = excluded.rules, by_actor = excluded.by_actor, changed_at = excluded.changed_at, place = '{}'`)
	// A look that was begun by other rules does not write over these.
	move = store.Register("retention.move", `UPDATE retention SET place = $3, ran_at = $4, ran = $5 WHERE account_id = $1 AND changed_at = $2`)
)

// Get reads the plan; the zero Plan when no rule was ever set.
func Get(tx *store.Tx) (p Plan, err error) {
	var rules, place, ran string
	err = tx.Row(get).Scan(&rules, &p.By, store.Time(&p.ChangedAt), &place, store.Time(&p.RanAt), &ran)
	if errors.Is(err, store.ErrNone) {
		return Plan{}, nil
	}
	if err != nil {
		return p, err
	}
	err = errors.Join(json.Unmarshal([]byte(rules), &p.Rules), json.Unmarshal([]byte(place), &p.Place), json.Unmarshal([]byte(ran), &p.Ran))
	if err != nil {
		return p, fmt.Errorf("retention: %w", err)
	}
	return p, nil
}

// Set stores the rules. A look that is under way ends, and begins anew by them.
func Set(tx *store.Tx, r Rules, actor string, at time.Time) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return tx.Must(set, string(text), actor, store.Micro(at))
}

// Move stores how far the look has got, unless the rules were changed since p
// was read.
func Move(tx *store.Tx, p Plan) error {
	place, err := json.Marshal(p.Place)
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	ran, err := json.Marshal(p.Ran)
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	_, err = tx.Exec(move, store.Micro(p.ChangedAt), string(place), store.Micro(p.RanAt), string(ran))
	return err
}
