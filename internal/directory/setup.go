package directory

import (
	"fmt"
	"net/url"
	"slices"
	"unicode/utf8"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/setup"
)

// What an account is set up with.
type (
	Project = setup.Project
	Source  = setup.Source
	Stage   = setup.Stage
	Key     = access.Key
)

// The kinds of keys.
const (
	PublishableKey = "publishable" // in web pages: it only hands in leads
	SecretKey      = "secret"      // in servers: it does what its role may
)

// GetAccount reads the account of the transaction.
func (d *Directory) GetAccount(tx *store.Tx) (setup.Account, error) {
	a, err := setup.GetAccount(tx)
	return a, none(err)
}

// NewProject is a project to make. An empty slug is made of the name.
type NewProject struct{ Name, Slug, TimeZone string }

// ProjectChange says what changes; nil leaves a value as it is.
type ProjectChange struct {
	Name     *string
	TimeZone *string
	Active   *bool
}

// CreateProject makes a project.
func (d *Directory) CreateProject(tx *store.Tx, n NewProject) (Project, error) {
	var f faults
	p := Project{ID: account.NewProjectID(), Active: true, CreatedAt: d.now()}
	p.Name = f.name("name", n.Name)
	p.TimeZone = f.timeZone("time_zone", n.TimeZone)
	if n.Slug != "" {
		f.slug("slug", n.Slug)
	}
	if err := f.err(); err != nil {
		return Project{}, err
	}
	err := distinct(n.Slug, p.Name, "project", func(slug string) (bool, error) {
		p.Slug = slug
		return setup.AddProject(tx, p)
	})
	if err != nil {
		return Project{}, err
	}
	return p, d.o.Changed(tx)
}

// GetProject reads a project.
func (d *Directory) GetProject(tx *store.Tx, id account.ProjectID) (Project, error) {
	p, err := setup.GetProject(tx, id)
	return p, none(err)
}

// Projects reads all projects, newest first.
func (d *Directory) Projects(tx *store.Tx) ([]Project, error) { return setup.Projects(tx) }

// UpdateProject changes a project. Its slug stays: pages name it.
func (d *Directory) UpdateProject(tx *store.Tx, id account.ProjectID, c ProjectChange) (Project, error) {
	p, err := d.GetProject(tx, id)
	if err != nil {
		return Project{}, err
	}
	var f faults
	if c.Name != nil {
		p.Name = f.name("name", *c.Name)
	}
	if c.TimeZone != nil {
		p.TimeZone = f.timeZone("time_zone", *c.TimeZone)
	}
	if c.Active != nil {
		p.Active = *c.Active
	}
	if err := f.err(); err != nil {
		return Project{}, err
	}
	if err := setup.SetProject(tx, p); err != nil {
		return Project{}, err
	}
	return p, d.o.Changed(tx)
}

// The kinds of sources.
const (
	SourceAPI  = "api"
	SourceForm = "form"
)

// NewSource is a source to make. An empty slug is made of the name.
type NewSource struct {
	Project     account.ProjectID
	Name, Slug  string
	Kind        string // SourceAPI when empty
	NonPersonal []string
	Mapping     map[string]string
	ThanksURL   string
}

// SourceChange says what changes; nil leaves a value as it is.
type SourceChange struct {
	Project     *account.ProjectID
	Name        *string
	NonPersonal *[]string
	Mapping     *map[string]string
	ThanksURL   *string
	Active      *bool
}

// CreateSource makes a source.
func (d *Directory) CreateSource(tx *store.Tx, n NewSource) (Source, error) {
	s := Source{ID: account.NewSourceID(), Project: n.Project, Name: n.Name, Kind: n.Kind, NonPersonal: n.NonPersonal,
		Mapping: n.Mapping, ThanksURL: n.ThanksURL, Active: true, CreatedAt: d.now()}
	if s.Kind == "" {
		s.Kind = SourceAPI
	}
	var f faults
	if n.Slug != "" {
		f.slug("slug", n.Slug)
	}
	if s.Kind != SourceAPI && s.Kind != SourceForm {
		f.add("kind", "bad_kind", "Use api or form.")
	}
	if err := f.source(tx, &s); err != nil {
		return Source{}, err
	}
	err := distinct(n.Slug, s.Name, "source", func(slug string) (bool, error) {
		s.Slug = slug
		return setup.AddSource(tx, s)
	})
	if err != nil {
		return Source{}, err
	}
	return s, d.o.Changed(tx)
}

// GetSource reads a source.
func (d *Directory) GetSource(tx *store.Tx, id account.SourceID) (Source, error) {
	s, err := setup.GetSource(tx, id)
	return s, none(err)
}

// Sources reads all sources, newest first.
func (d *Directory) Sources(tx *store.Tx) ([]Source, error) { return setup.Sources(tx) }

// UpdateSource changes a source. Its slug and kind stay: pages name it.
func (d *Directory) UpdateSource(tx *store.Tx, id account.SourceID, c SourceChange) (Source, error) {
	s, err := d.GetSource(tx, id)
	if err != nil {
		return Source{}, err
	}
	set(&s.Project, c.Project)
	set(&s.Name, c.Name)
	set(&s.NonPersonal, c.NonPersonal)
	set(&s.Mapping, c.Mapping)
	set(&s.ThanksURL, c.ThanksURL)
	set(&s.Active, c.Active)
	var f faults
	if err := f.source(tx, &s); err != nil {
		return Source{}, err
	}
	if err := setup.SetSource(tx, s); err != nil {
		return Source{}, err
	}
	return s, d.o.Changed(tx)
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

const (
	mostFields  = 200 // as many as a submission may have
	fieldLength = 64
)

// source checks all of a source but its slug and kind.
func (f *faults) source(tx *store.Tx, s *Source) error {
	s.Name = f.name("name", s.Name)
	if _, err := setup.GetProject(tx, s.Project); err != nil {
		if none(err) == err {
			return err
		}
		f.add("project", "unknown_project", "Send the id of a project of the account.")
	}
	if len(s.NonPersonal) > mostFields {
		f.add("non_personal", "too_many", "Name at most %d fields.", mostFields)
	}
	for i, name := range s.NonPersonal {
		if !fieldName(name) {
			f.add(fmt.Sprintf("non_personal.%d", i), "bad_field", "A field's name has 1 to %d bytes.", fieldLength)
		}
	}
	if len(s.Mapping) > mostFields {
		f.add("mapping", "too_many", "Map at most %d fields.", mostFields)
	}
	for from, to := range s.Mapping {
		if !fieldName(from) || !fieldName(to) {
			f.add("mapping", "bad_field", "A field's name has 1 to %d bytes.", fieldLength)
			break
		}
	}
	if s.ThanksURL != "" {
		u, err := url.Parse(s.ThanksURL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || len(s.ThanksURL) > 2000 {
			f.add("thanks_url", "bad_url", "Send the whole address of a page, beginning with https://.")
		}
	}
	return f.err()
}

func fieldName(s string) bool { return s != "" && len(s) <= fieldLength && utf8.ValidString(s) }

// NewStage is a stage to make. An empty slug is made of the name, a zero place
// puts it at the end.
type NewStage struct {
	Name, Slug  string
	Category    lead.Category
	Place       int
	NeedsReason bool
}

// StageChange says what changes; nil leaves a value as it is.
type StageChange struct {
	Name        *string
	Place       *int
	NeedsReason *bool
}

const mostStages = 100

// CreateStage makes a stage.
func (d *Directory) CreateStage(tx *store.Tx, n NewStage) (Stage, error) {
	var f faults
	s := Stage{ID: lead.NewStageID(), Category: n.Category, Place: n.Place, NeedsReason: n.NeedsReason}
	s.Name = f.name("name", n.Name)
	if n.Slug != "" {
		f.slug("slug", n.Slug)
	}
	if !n.Category.Valid() {
		f.add("category", "bad_category", "Use one of: new, follow-up, won, dropped.")
	}
	f.place("place", n.Place)
	if err := f.err(); err != nil {
		return Stage{}, err
	}
	all, err := setup.Stages(tx)
	if err != nil {
		return Stage{}, err
	}
	if len(all) >= mostStages {
		return Stage{}, problem.Conflict("too_many_stages", "An account has at most %d stages.", mostStages)
	}
	if s.Place == 0 {
		for _, other := range all {
			s.Place = max(s.Place, other.Place)
		}
		s.Place += 10
	}
	err = distinct(n.Slug, s.Name, "stage", func(slug string) (bool, error) {
		s.Slug = slug
		return setup.AddStage(tx, s)
	})
	return s, err
}

func (f *faults) place(field string, n int) {
	if n < 0 || n > 100_000 {
		f.add(field, "out_of_range", "Use a number from 0 to 100000.")
	}
}

// Stages reads all stages in their order.
func (d *Directory) Stages(tx *store.Tx) ([]Stage, error) { return setup.Stages(tx) }

// UpdateStage changes a stage. Its category stays: leads were counted by it.
func (d *Directory) UpdateStage(tx *store.Tx, id lead.StageID, c StageChange) (Stage, error) {
	all, err := setup.Stages(tx)
	if err != nil {
		return Stage{}, err
	}
	i := slices.IndexFunc(all, func(s Stage) bool { return s.ID == id })
	if i < 0 {
		return Stage{}, problem.NotFound()
	}
	s := all[i]
	var f faults
	if c.Name != nil {
		s.Name = f.name("name", *c.Name)
	}
	set(&s.Place, c.Place)
	f.place("place", s.Place)
	set(&s.NeedsReason, c.NeedsReason)
	if err := f.err(); err != nil {
		return Stage{}, err
	}
	return s, setup.SetStage(tx, s)
}
