package console

import (
	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// AccountStage is one of the account's own stages.
type AccountStage struct {
	ID          string `json:"id" example:"stg_01h455vb4pex5vsknk084sn02q"`
	Slug        string `json:"slug" example:"site-visit-planned"`
	Name        string `json:"name" example:"Site visit planned"`
	Category    string `json:"category" enum:"new,follow-up,won,dropped"`
	Place       int64  `json:"place" doc:"Its order on screens; the first of a category is where a lead begins in it."`
	NeedsReason bool   `json:"needs_reason" doc:"Moving a lead here asks why."`
}

type newStageIn struct {
	Body struct {
		Name        string `json:"name" minLength:"1" maxLength:"80" example:"Site visit planned"`
		Slug        string `json:"slug,omitempty" maxLength:"60" doc:"a-z, 0-9 and -. Left out: made from the name. It stays."`
		Category    string `json:"category" enum:"new,follow-up,won,dropped" doc:"What the account's stages have in common with all others': reports count it. It stays."`
		Place       *int   `json:"place,omitempty" minimum:"1" maximum:"100000" doc:"Left out: after all others."`
		NeedsReason bool   `json:"needs_reason,omitempty" doc:"Moving a lead here asks why."`
	}
}

type stageIn struct {
	ID   string `path:"id" doc:"The stage's id." example:"stg_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		Name        *string `json:"name,omitempty" minLength:"1" maxLength:"80"`
		Place       *int    `json:"place,omitempty" minimum:"1" maximum:"100000"`
		NeedsReason *bool   `json:"needs_reason,omitempty"`
	}
}

func (c *Console) stageRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/stages", Name: "list-stages", Tag: "set-up", Permission: account.ReadSetup,
		Summary: "The account's stages, in their order"}, listStages)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/stages", Name: "create-stage", Tag: "set-up", Permission: account.ManageSetup, Status: 201,
		Summary: "Add a stage", Detail: "409 slug_taken when another stage has the slug."}, c.newStage)
	web.Do(c.API, web.Op{Method: "PATCH", Path: "/v1/stages/{id}", Name: "change-stage", Tag: "set-up", Permission: account.ManageSetup,
		Summary: "Change a stage", Detail: "What is left out stays. A stage keeps its category: leads were counted by it."}, c.changeStage)
}

func stageView(s setup.Stage) AccountStage {
	return AccountStage{ID: s.ID.String(), Slug: s.Slug, Name: s.Name, Category: string(s.Category), Place: int64(s.Place), NeedsReason: s.NeedsReason}
}

func listStages(_ *web.Visit, tx *store.Tx, _ *struct{}) (*web.List[AccountStage], error) {
	all, err := setup.Stages(tx)
	return whole(all, stageView), err
}

func (c *Console) newStage(v *web.Visit, tx *store.Tx, in *newStageIn) (*AccountStage, error) {
	b := in.Body
	s, err := c.Directory.CreateStage(tx, directory.NewStage{Name: b.Name, Slug: b.Slug, Category: lead.Category(b.Category),
		Place: orNone(b.Place), NeedsReason: b.NeedsReason})
	if err != nil {
		return nil, err
	}
	out := stageView(s)
	return &out, c.changed(tx, v, "stage", "stage.created", out.ID, nil)
}

func (c *Console) changeStage(v *web.Visit, tx *store.Tx, in *stageIn) (*AccountStage, error) {
	id, err := web.PathID(in.ID, lead.ParseStageID)
	if err != nil {
		return nil, err
	}
	was, err := stageOf(tx, id)
	if err != nil {
		return nil, err
	}
	b := in.Body
	s, err := c.Directory.UpdateStage(tx, id, directory.StageChange{Name: b.Name, Place: b.Place, NeedsReason: b.NeedsReason})
	if err != nil {
		return nil, err
	}
	out := stageView(s)
	if err := keep(tx, v, out.ID, "", was, out); err != nil {
		return nil, err
	}
	return &out, c.changed(tx, v, "stage", "stage.changed", out.ID,
		given(map[string]bool{"name": b.Name != nil, "place": b.Place != nil, "needs_reason": b.NeedsReason != nil}))
}

// stageOf is the stage as it stands; the zero one when there is none.
func stageOf(tx *store.Tx, id lead.StageID) (out AccountStage, err error) {
	all, err := setup.Stages(tx)
	for _, s := range all {
		if s.ID == id {
			out = stageView(s)
		}
	}
	return out, err
}
