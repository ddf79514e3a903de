package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// Project is a thing being sold.
type Project struct {
	ID        string    `json:"id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	Slug      string    `json:"slug" example:"harbour-lofts"`
	Name      string    `json:"name" example:"Harbour Lofts"`
	TimeZone  string    `json:"time_zone" example:"Europe/London"`
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"created_at"`
}

func projectView(p setup.Project) Project {
	return Project{ID: p.ID.String(), Slug: p.Slug, Name: p.Name, TimeZone: p.TimeZone, Active: p.Active, CreatedAt: p.CreatedAt}
}

// ProjectPath is the input of a route about one project.
type ProjectPath struct {
	ID string `path:"id" doc:"The project's id." example:"proj_01h455vb4pex5vsknk084sn02q"`
}

func (p ProjectPath) project() (account.ProjectID, error) {
	return web.PathID(p.ID, account.ParseProjectID)
}

type projectsIn struct{ web.Page }

type newProjectIn struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"120" example:"Harbour Lofts"`
		Slug     string `json:"slug,omitempty" maxLength:"60" doc:"a-z, 0-9 and -. Left out: made from the name. It stays." example:"harbour-lofts"`
		TimeZone string `json:"time_zone,omitempty" maxLength:"60" doc:"An IANA name. Left out: UTC." example:"Europe/London"`
	}
}

type projectIn struct {
	ProjectPath
	Body struct {
		Name     *string `json:"name,omitempty" minLength:"1" maxLength:"120"`
		TimeZone *string `json:"time_zone,omitempty" maxLength:"60" doc:"An IANA name."`
		Active   *bool   `json:"active,omitempty" doc:"False: it is not sold any more and leaves the board. Leads that its sources still bring are taken: switch those off to refuse them."`
	}
}

func (c *Console) projectRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/projects", Name: "list-projects", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "What is sold"}, listProjects)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/projects", Name: "create-project", Tag: "set-up", Permission: account.ManageSetup, Status: 201,
		Summary: "Add a project", Detail: "Give it sources (POST /v1/sources) and a pool (PUT /v1/projects/{id}/pool) next. 409 slug_taken when another project has the slug."}, c.newProject)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/projects/{id}", Name: "get-project", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "One project"}, getProject)
	web.Do(c.API, web.Op{Method: "PATCH", Path: "/v1/projects/{id}", Name: "change-project", Tag: "set-up", Permission: account.ManageSetup,
		Summary: "Change a project", Detail: "What is left out stays. The doors follow within five seconds."}, c.changeProject)
}

func listProjects(_ *web.Visit, tx *store.Tx, in *projectsIn) (*web.List[Project], error) {
	all, err := setup.Projects(tx)
	if err != nil {
		return nil, err
	}
	return window(in.Page, all, func(p setup.Project) web.Place { return web.Place{At: p.CreatedAt, ID: p.ID.UUID()} }, projectView)
}

func getProject(_ *web.Visit, tx *store.Tx, in *ProjectPath) (*Project, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	p, err := setup.GetProject(tx, id)
	if err != nil {
		return nil, err
	}
	out := projectView(p)
	return &out, nil
}

func (c *Console) newProject(v *web.Visit, tx *store.Tx, in *newProjectIn) (*Project, error) {
	p, err := c.Directory.CreateProject(tx, directory.NewProject{Name: in.Body.Name, Slug: in.Body.Slug, TimeZone: in.Body.TimeZone})
	if err != nil {
		return nil, err
	}
	out := projectView(p)
	return &out, c.changed(tx, v, "project", "project.created", out.ID, nil)
}

func (c *Console) changeProject(v *web.Visit, tx *store.Tx, in *projectIn) (*Project, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	b := in.Body
	was, err := setup.GetProject(tx, id)
	if err != nil {
		return nil, err
	}
	p, err := c.Directory.UpdateProject(tx, id, directory.ProjectChange{Name: b.Name, TimeZone: b.TimeZone, Active: b.Active})
	if err != nil {
		return nil, err
	}
	out := projectView(p)
	if err := keep(tx, v, out.ID, "", projectView(was), out); err != nil {
		return nil, err
	}
	return &out, c.changed(tx, v, "project", "project.changed", out.ID,
		given(map[string]bool{"name": b.Name != nil, "time_zone": b.TimeZone != nil, "active": b.Active != nil}))
}
