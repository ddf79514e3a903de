package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Facts is what intake needs to know of an account to read its submissions.
type Facts struct {
	Region   string // ISO 3166, for phone numbers without a country code
	Sources  map[account.SourceID]SourceFacts
	Projects map[account.ProjectID]bool
	NewStage lead.StageID // where a lead begins; zero when no stage is of category New

	Quarantine lead.QuarantineRules
	Servers    map[account.KeyID]bool // secret keys: behind them is a server, not a visitor
}

// SourceFacts is how a source's submissions are to be read.
type SourceFacts struct {
	Project     account.ProjectID
	NonPersonal map[string]bool   // names of custom fields
	Mapping     map[string]string // form field to word
}

var (
	factsRegion   = store.Register("setup.facts.region", `SELECT default_region FROM account WHERE account_id = $1`)
	factsProjects = store.Register("setup.facts.projects", `SELECT project_id FROM project WHERE account_id = $1`)
	factsSources  = store.Register("setup.facts.sources", `SELECT source_id, project_id, non_personal, mapping FROM source WHERE account_id = $1`)
	factsStage    = store.Register("setup.facts.stage", `SELECT stage_id FROM stage
		WHERE account_id = $1 AND category = 'new' ORDER BY place, stage_id LIMIT 1`)
	factsRules   = store.Register("setup.facts.quarantine", `SELECT rules FROM quarantine_rules WHERE account_id = $1`)
	factsServers = store.Register("setup.facts.servers", `SELECT key_id FROM api_key WHERE account_id = $1 AND kind = 'secret'`)
	setRules     = store.Register("setup.quarantine.set", `INSERT INTO quarantine_rules (account_id, rules, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (account_id) DO UPDATE SET rules = excluded.rules, changed_at = excluded.changed_at`)
)

// QuarantineRules reads the account's own rules; the zero value when it has none.
func QuarantineRules(tx *store.Tx) (r lead.QuarantineRules, err error) {
	var text string
	if err := tx.Row(factsRules).Scan(&text); errors.Is(err, store.ErrNone) {
		return r, nil
	} else if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("setup: rules of the quarantine: %w", err)
	}
	return r, nil
}

// SetQuarantineRules keeps the account's own rules in place of those before.
func SetQuarantineRules(tx *store.Tx, r lead.QuarantineRules, at time.Time) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Must(setRules, string(text), store.Micro(at))
}

// ReadFacts returns the facts; store.ErrNone when there is no such account.
func ReadFacts(tx *store.Tx) (*Facts, error) {
	f := &Facts{Sources: map[account.SourceID]SourceFacts{}, Projects: map[account.ProjectID]bool{}, Servers: map[account.KeyID]bool{}}
	if err := tx.Row(factsRegion).Scan(&f.Region); err != nil {
		return nil, err
	}
	rows, err := tx.Query(factsProjects)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ProjectID
		err := scan(&id)
		f.Projects[id] = true
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(factsSources)
	if err := store.Each(rows, err, f.addSource); err != nil {
		return nil, err
	}
	if err := tx.Row(factsStage).Scan(&f.NewStage); err != nil && !errors.Is(err, store.ErrNone) {
		return nil, err
	}
	if f.Quarantine, err = QuarantineRules(tx); err != nil {
		return nil, err
	}
	rows, err = tx.Query(factsServers)
	return f, store.Each(rows, err, func(scan func(...any) error) error {
		var id account.KeyID
		err := scan(&id)
		f.Servers[id] = true
		return err
	})
}

func (f *Facts) addSource(scan func(...any) error) error {
	var id account.SourceID
	var s SourceFacts
	var open, mapping string
	if err := scan(&id, &s.Project, &open, &mapping); err != nil {
		return err
	}
	var names []string
	if err := json.Unmarshal([]byte(open), &names); err != nil {
		return fmt.Errorf("setup: field marks of %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(mapping), &s.Mapping); err != nil {
		return fmt.Errorf("setup: mapping of %s: %w", id, err)
	}
	s.NonPersonal = make(map[string]bool, len(names))
	for _, n := range names {
		s.NonPersonal[n] = true
	}
	f.Sources[id] = s
	return nil
}
