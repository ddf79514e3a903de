// Package setup is the SQL of an account's set-up: what is sold, where leads
// come in, and the stages of a lead's life (tables account, project, source
// and stage).
package setup

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Account is one customer company.
type Account struct {
	ID            account.ID
	Name          string
	DefaultRegion string // ISO 3166, for phone numbers without a country code
	CreatedAt     time.Time
}

// Project is the thing being sold.
type Project struct {
	ID        account.ProjectID
	Slug      string
	Name      string
	TimeZone  string
	Active    bool
	CreatedAt time.Time
}

// Source is one configured way leads come in.
type Source struct {
	ID          account.SourceID
	Project     account.ProjectID
	Slug        string
	Name        string
	Kind        string            // "api" or "form"
	NonPersonal []string          // names of custom fields that are not personal
	Mapping     map[string]string // form field to word
	ThanksURL   string
	Active      bool
	CreatedAt   time.Time
}

// Stage is one of the account's own stages.
type Stage struct {
	ID          lead.StageID
	Slug        string
	Name        string
	Category    lead.Category
	Place       int // order on screens; the first of a category is its default
	NeedsReason bool
}

const (
	projectColumns = `project_id, slug, name, time_zone, active, created_at`
	sourceColumns  = `source_id, project_id, slug, name, kind, non_personal, mapping, thanks_url, active, created_at`
	stageColumns   = `stage_id, slug, name, category, place, needs_reason`
)

var (
	addAccount = store.Register("setup.account.add", `INSERT INTO account (account_id, name, default_region, created_at) VALUES ($1, $2, $3, $4)`)
	getAccount = store.Register("setup.account", `SELECT name, default_region, created_at FROM account WHERE account_id = $1`)
	lockAcct   = store.Register("setup.account.lock", `UPDATE account SET name = name WHERE account_id = $1`)

	addProject = store.Register("setup.project.add", `INSERT INTO project (account_id, `+projectColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)
	setProject = store.Register("setup.project.set", `UPDATE project SET name = $3, time_zone = $4, active = $5 WHERE account_id = $1 AND project_id = $2`)
	getProject = store.Register("setup.project", `SELECT `+projectColumns+` FROM project WHERE account_id = $1 AND project_id = $2`)
	projects   = store.Register("setup.projects", `SELECT `+projectColumns+` FROM project WHERE account_id = $1 ORDER BY created_at DESC, project_id DESC`)

	addSource = store.Register("setup.source.add", `INSERT INTO source (account_id, `+sourceColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`)
	setSource = store.Register("setup.source.set", `UPDATE source SET project_id = $3, name = $4, non_personal = $5, mapping = $6, thanks_url = $7, active = $8
		WHERE account_id = $1 AND source_id = $2`)
	getSource = store.Register("setup.source", `SELECT `+sourceColumns+` FROM source WHERE account_id = $1 AND source_id = $2`)
	sources   = store.Register("setup.sources", `SELECT `+sourceColumns+` FROM source WHERE account_id = $1 ORDER BY created_at DESC, source_id DESC`)

	addStage = store.Register("setup.stage.add", `INSERT INTO stage (account_id, `+stageColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)
	setStage = store.Register("setup.stage.set", `UPDATE stage SET name = $3, place = $4, needs_reason = $5 WHERE account_id = $1 AND stage_id = $2`)
	stages   = store.Register("setup.stages", `SELECT `+stageColumns+` FROM stage WHERE account_id = $1 ORDER BY place, stage_id`)

	allAccounts  = store.Unbound("setup.accounts", `SELECT account_id, name, default_region, created_at FROM account ORDER BY created_at DESC, account_id DESC LIMIT $1`)
	moreAccounts = store.Unbound("setup.accounts.more", `SELECT account_id, name, default_region, created_at FROM account
		WHERE (created_at, account_id) < ($1, $2) ORDER BY created_at DESC, account_id DESC LIMIT $3`)
)

// AddAccount stores the account of the transaction.
func AddAccount(tx *store.Tx, a Account) error {
	return tx.Must(addAccount, a.Name, a.DefaultRegion, a.CreatedAt.UnixMicro())
}

// GetAccount reads it; store.ErrNone when it is not there.
func GetAccount(tx *store.Tx) (Account, error) {
	a := Account{ID: tx.Account()}
	err := tx.Row(getAccount).Scan(&a.Name, &a.DefaultRegion, store.Time(&a.CreatedAt))
	return a, err
}

// LockAccount lets one transaction after the other pass that calls it: for
// rules about several rows (there is always an admin).
func LockAccount(tx *store.Tx) error { return tx.Must(lockAcct) }

// Accounts lists accounts, newest first, that come after the given one in that
// order (nil: from the newest).
func Accounts(d *store.Dir, after *Account, limit int) (out []Account, err error) {
	var rows store.Rows
	if after == nil {
		rows, err = d.Query(allAccounts, limit)
	} else {
		rows, err = d.Query(moreAccounts, after.CreatedAt.UnixMicro(), after.ID, limit)
	}
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a Account
		err := scan(&a.ID, &a.Name, &a.DefaultRegion, store.Time(&a.CreatedAt))
		out = append(out, a)
		return err
	})
	return out, err
}

// AddProject stores a project. False: its slug is taken.
func AddProject(tx *store.Tx, p Project) (bool, error) {
	n, err := tx.Exec(addProject, p.ID, p.Slug, p.Name, p.TimeZone, p.Active, p.CreatedAt.UnixMicro())
	return n == 1, err
}

// SetProject stores name, time zone and whether it is active.
func SetProject(tx *store.Tx, p Project) error {
	return tx.Must(setProject, p.ID, p.Name, p.TimeZone, p.Active)
}

// GetProject reads a project; store.ErrNone when there is none.
func GetProject(tx *store.Tx, id account.ProjectID) (Project, error) {
	return scanProject(tx.Row(getProject, id).Scan)
}

// Projects reads all projects, newest first.
func Projects(tx *store.Tx) (out []Project, err error) {
	rows, err := tx.Query(projects)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		p, err := scanProject(scan)
		out = append(out, p)
		return err
	})
	return out, err
}

func scanProject(scan func(...any) error) (p Project, err error) {
	err = scan(&p.ID, &p.Slug, &p.Name, &p.TimeZone, &p.Active, store.Time(&p.CreatedAt))
	return p, err
}

// AddSource stores a source. False: its slug is taken.
func AddSource(tx *store.Tx, s Source) (bool, error) {
	open, mapping := s.lists()
	n, err := tx.Exec(addSource, s.ID, s.Project, s.Slug, s.Name, s.Kind, open, mapping, s.ThanksURL, s.Active, s.CreatedAt.UnixMicro())
	return n == 1, err
}

// SetSource stores all of a source but its slug and kind.
func SetSource(tx *store.Tx, s Source) error {
	open, mapping := s.lists()
	return tx.Must(setSource, s.ID, s.Project, s.Name, open, mapping, s.ThanksURL, s.Active)
}

// lists gives the JSON of NonPersonal and Mapping, never null.
func (s *Source) lists() (open, mapping string) {
	o, m := []byte("[]"), []byte("{}")
	if len(s.NonPersonal) > 0 {
		o, _ = json.Marshal(s.NonPersonal) // strings cannot fail
	}
	if len(s.Mapping) > 0 {
		m, _ = json.Marshal(s.Mapping)
	}
	return string(o), string(m)
}

// GetSource reads a source; store.ErrNone when there is none.
func GetSource(tx *store.Tx, id account.SourceID) (Source, error) {
	return scanSource(tx.Row(getSource, id).Scan)
}

// Sources reads all sources, newest first.
func Sources(tx *store.Tx) (out []Source, err error) {
	rows, err := tx.Query(sources)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		s, err := scanSource(scan)
		out = append(out, s)
		return err
	})
	return out, err
}

func scanSource(scan func(...any) error) (s Source, err error) {
	var open, mapping string
	err = scan(&s.ID, &s.Project, &s.Slug, &s.Name, &s.Kind, &open, &mapping, &s.ThanksURL, &s.Active, store.Time(&s.CreatedAt))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(open), &s.NonPersonal); err != nil {
		return s, fmt.Errorf("setup: field marks of %s: %w", s.ID, err)
	}
	if err := json.Unmarshal([]byte(mapping), &s.Mapping); err != nil {
		return s, fmt.Errorf("setup: mapping of %s: %w", s.ID, err)
	}
	return s, nil
}

// AddStage stores a stage. False: its slug is taken.
func AddStage(tx *store.Tx, s Stage) (bool, error) {
	n, err := tx.Exec(addStage, s.ID, s.Slug, s.Name, string(s.Category), s.Place, s.NeedsReason)
	return n == 1, err
}

// SetStage stores name, place and whether it needs a reason. The category of
// a stage never changes: leads were counted by it.
func SetStage(tx *store.Tx, s Stage) error {
	return tx.Must(setStage, s.ID, s.Name, s.Place, s.NeedsReason)
}

// Stages reads all stages in their order.
func Stages(tx *store.Tx) (out []Stage, err error) {
	rows, err := tx.Query(stages)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Stage
		var category string
		err := scan(&s.ID, &s.Slug, &s.Name, &category, &s.Place, &s.NeedsReason)
		s.Category = lead.Category(category)
		out = append(out, s)
		return err
	})
	return out, err
}
