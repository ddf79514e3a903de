package console

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/web"
)

// Source is one configured way leads come in.
type Source struct {
	ID          string            `json:"id" example:"src_01h455vb4pex5vsknk084sn02q"`
	ProjectID   string            `json:"project_id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	Slug        string            `json:"slug" doc:"What a lead names as its source." example:"spring-form"`
	Name        string            `json:"name" example:"Spring campaign form"`
	Kind        string            `json:"kind" enum:"api,form"`
	NonPersonal []string          `json:"non_personal" nullable:"false" doc:"Custom fields that say nothing about the person. All others are sealed." example:"[\"budget\"]"`
	Mapping     map[string]string `json:"mapping" doc:"From a form's field to where it belongs: person.phone, custom.budget, or - to leave it out." example:"{\"q1\":\"person.name\"}"`
	ThanksURL   string            `json:"thanks_url" doc:"Where a form's sender is sent afterwards; empty: our own page." example:"https://homes.example/thanks"`
	Active      bool              `json:"active"`
	CreatedAt   time.Time         `json:"created_at"`
	Snippet     *Snippet          `json:"snippet,omitempty" doc:"Of a single source."`
}

func sourceView(s setup.Source) Source {
	out := Source{ID: s.ID.String(), ProjectID: s.Project.String(), Slug: s.Slug, Name: s.Name, Kind: s.Kind,
		NonPersonal: append([]string{}, s.NonPersonal...), Mapping: s.Mapping, ThanksURL: s.ThanksURL, Active: s.Active, CreatedAt: s.CreatedAt}
	if out.Mapping == nil {
		out.Mapping = map[string]string{}
	}
	return out
}

func (c *Console) sourceAnswer(s setup.Source) (*Source, error) {
	out := sourceView(s)
	text, err := snippet(c.PublicURL, out.ID, out.Slug, out.NonPersonal)
	out.Snippet = &text
	return &out, err
}

type sourcesIn struct {
	web.Page
	Project string `query:"project" doc:"Only this project's, by id." example:"proj_01h455vb4pex5vsknk084sn02q"`
}

// SourcePath is the input of a route about one source.
type SourcePath struct {
	ID string `path:"id" doc:"The source's id." example:"src_01h455vb4pex5vsknk084sn02q"`
}

type newSourceIn struct {
	Body struct {
		ProjectID   string            `json:"project_id" maxLength:"60" doc:"What its leads are about." example:"proj_01h455vb4pex5vsknk084sn02q"`
		Name        string            `json:"name" minLength:"1" maxLength:"120" example:"Spring campaign form"`
		Slug        string            `json:"slug,omitempty" maxLength:"60" doc:"a-z, 0-9 and -. Left out: made from the name. It stays." example:"spring-form"`
		Kind        string            `json:"kind,omitempty" enum:"api,form" default:"api"`
		NonPersonal []string          `json:"non_personal,omitempty" maxItems:"200" doc:"Custom fields that say nothing about the person. All others are sealed."`
		Mapping     map[string]string `json:"mapping,omitempty" doc:"From a form's field to where it belongs."`
		ThanksURL   string            `json:"thanks_url,omitempty" maxLength:"2000" doc:"Where a form's sender is sent afterwards."`
	}
}

type sourceIn struct {
	SourcePath
	Body struct {
		ProjectID   *string            `json:"project_id,omitempty" maxLength:"60" doc:"For leads from now on."`
		Name        *string            `json:"name,omitempty" minLength:"1" maxLength:"120"`
		NonPersonal *[]string          `json:"non_personal,omitempty" maxItems:"200" doc:"For enquiries from now on; earlier ones stay as they were sealed."`
		Mapping     *map[string]string `json:"mapping,omitempty" doc:"All of it: it replaces what was there."`
		ThanksURL   *string            `json:"thanks_url,omitempty" maxLength:"2000" doc:"Empty: our own page."`
		Active      *bool              `json:"active,omitempty" doc:"False: its leads are refused at the door."`
	}
}

func (c *Console) sourceRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/sources", Name: "list-sources", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "Where leads come in"}, listSources)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/sources", Name: "create-source", Tag: "set-up", Permission: account.ManageSetup, Status: 201,
		Summary: "Add a source", Detail: "The answer has a snippet for a page and one for a program. 409 slug_taken when another source has the slug."}, c.newSource)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/sources/{id}", Name: "get-source", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "One source, with its snippets"}, c.getSource)
	web.Do(c.API, web.Op{Method: "PATCH", Path: "/v1/sources/{id}", Name: "change-source", Tag: "set-up", Permission: account.ManageSetup,
		Summary: "Change a source", Detail: "What is left out stays. The doors follow within five seconds."}, c.changeSource)
}

func listSources(_ *web.Visit, tx *store.Tx, in *sourcesIn) (*web.List[Source], error) {
	all, err := setup.Sources(tx)
	if err != nil {
		return nil, err
	}
	if in.Project != "" {
		id, err := account.ParseProjectID(in.Project)
		if err != nil {
			return nil, problem.InvalidField("project", "bad_id", "This is not a project's id.")
		}
		all = only(all, func(s setup.Source) bool { return s.Project == id })
	}
	return window(in.Page, all, func(s setup.Source) web.Place { return web.Place{At: s.CreatedAt, ID: s.ID.UUID()} }, sourceView)
}

func (c *Console) getSource(_ *web.Visit, tx *store.Tx, in *SourcePath) (*Source, error) {
	id, err := web.PathID(in.ID, account.ParseSourceID)
	if err != nil {
		return nil, err
	}
	s, err := setup.GetSource(tx, id)
	if err != nil {
		return nil, err
	}
	return c.sourceAnswer(s)
}

func (c *Console) newSource(v *web.Visit, tx *store.Tx, in *newSourceIn) (*Source, error) {
	b := in.Body
	project, err := projectOf(tx, b.ProjectID)
	if err != nil {
		return nil, err
	}
	if err := checkSource(b.NonPersonal, b.Mapping); err != nil {
		return nil, err
	}
	s, err := c.Directory.CreateSource(tx, directory.NewSource{Project: project, Name: b.Name, Slug: b.Slug, Kind: b.Kind,
		NonPersonal: b.NonPersonal, Mapping: b.Mapping, ThanksURL: b.ThanksURL})
	if err != nil {
		return nil, err
	}
	if err := c.changed(tx, v, "source", "source.created", s.ID.String(), nil); err != nil {
		return nil, err
	}
	if err := c.Watcher.Wanted(tx); err != nil {
		return nil, err
	}
	return c.sourceAnswer(s)
}

func (c *Console) changeSource(v *web.Visit, tx *store.Tx, in *sourceIn) (*Source, error) {
	id, err := web.PathID(in.ID, account.ParseSourceID)
	if err != nil {
		return nil, err
	}
	was, err := setup.GetSource(tx, id)
	if err != nil {
		return nil, err
	}
	b := in.Body
	change := directory.SourceChange{Name: b.Name, NonPersonal: b.NonPersonal, Mapping: b.Mapping, ThanksURL: b.ThanksURL, Active: b.Active}
	if b.ProjectID != nil {
		project, err := projectOf(tx, *b.ProjectID)
		if err != nil {
			return nil, err
		}
		change.Project = &project
	}
	if err := checkSource(orNone(b.NonPersonal), orNone(b.Mapping)); err != nil {
		return nil, err
	}
	s, err := c.Directory.UpdateSource(tx, id, change)
	if err != nil {
		return nil, err
	}
	if err := keep(tx, v, s.ID.String(), "", sourceView(was), sourceView(s)); err != nil {
		return nil, err
	}
	fields := given(map[string]bool{"project_id": b.ProjectID != nil, "name": b.Name != nil, "non_personal": b.NonPersonal != nil,
		"mapping": b.Mapping != nil, "thanks_url": b.ThanksURL != nil, "active": b.Active != nil})
	if err := c.changed(tx, v, "source", "source.changed", s.ID.String(), fields); err != nil {
		return nil, err
	}
	if err := c.Watcher.Wanted(tx); err != nil {
		return nil, err
	}
	return c.sourceAnswer(s)
}

// projectOf finds the project that a source is to be of.
func projectOf(tx *store.Tx, s string) (account.ProjectID, error) {
	id, err := account.ParseProjectID(s)
	if err == nil {
		_, err = setup.GetProject(tx, id)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return id, err
		}
	}
	if err != nil {
		return id, problem.InvalidField("project_id", "unknown_project", "Send the id of a project of this account.")
	}
	return id, nil
}

func orNone[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// checkSource lists what is wrong with field marks and mapping, beside what
// the directory refuses. A field's name is not repeated: it came from outside.
func checkSource(nonPersonal []string, mapping map[string]string) error {
	var faults []problem.Field
	seen := map[string]bool{}
	for i, n := range nonPersonal {
		if at := fmt.Sprintf("non_personal.%d", i); !printable(n) {
			faults = append(faults, problem.Field{Field: at, Code: "control_characters", Detail: "Leave out control characters."})
		} else if seen[n] {
			faults = append(faults, problem.Field{Field: at, Code: "repeated", Detail: "This field is named before. Name it once."})
		}
		seen[n] = true
	}
	for from, to := range mapping {
		if !printable(from) || !printable(to) {
			faults = append(faults, problem.Field{Field: "mapping", Code: "control_characters", Detail: "Leave out control characters."})
			break
		}
		if !submission.Target(to) {
			faults = append(faults, problem.Field{Field: "mapping", Code: "unknown_target",
				Detail: "Map to a path such as person.phone, message or custom.budget, or to - to leave the field out. See docs/capture.md."})
			break
		}
	}
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return nil
}

func printable(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }
