package setup

import (
	"encoding/json"
	"fmt"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Doors is what the doors' snapshot says of an account's set-up.
type Doors struct {
	Region   string // ISO 3166
	Projects []DoorProject
	Sources  []DoorSource
}

// DoorProject is a project of Doors.
type DoorProject struct {
	ID     account.ProjectID
	Slug   string
	Active bool
}

// DoorSource is a source of Doors.
type DoorSource struct {
	ID          account.SourceID
	Project     account.ProjectID
	Slug, Name  string
	NonPersonal []string          // names of custom fields
	Mapping     map[string]string // form field to word
	ThanksURL   string
	Active      bool
}

var (
	doorsProjects = store.Register("setup.doors.projects", `SELECT project_id, slug, active FROM project
		WHERE account_id = $1 ORDER BY project_id`)
	doorsSources = store.Register("setup.doors.sources", `SELECT source_id, project_id, slug, name, non_personal, mapping, thanks_url, active
		FROM source WHERE account_id = $1 ORDER BY source_id`)
)

// ReadDoors returns it; store.ErrNone when there is no such account.
func ReadDoors(tx *store.Tx) (*Doors, error) {
	d := new(Doors)
	if err := tx.Row(factsRegion).Scan(&d.Region); err != nil {
		return nil, err
	}
	rows, err := tx.Query(doorsProjects)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p DoorProject
		err := scan(&p.ID, &p.Slug, &p.Active)
		d.Projects = append(d.Projects, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(doorsSources)
	return d, store.Each(rows, err, d.addSource)
}

func (d *Doors) addSource(scan func(...any) error) error {
	var s DoorSource
	var open, mapping string
	if err := scan(&s.ID, &s.Project, &s.Slug, &s.Name, &open, &mapping, &s.ThanksURL, &s.Active); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(open), &s.NonPersonal); err != nil {
		return fmt.Errorf("setup: fields of source %s: %w", s.ID, err)
	}
	if err := json.Unmarshal([]byte(mapping), &s.Mapping); err != nil {
		return fmt.Errorf("setup: mapping of source %s: %w", s.ID, err)
	}
	d.Sources = append(d.Sources, s)
	return nil
}
