package desk

import (
	"net/http"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/web"
)

type tagsIn struct {
	LeadPath
	Body struct {
		Tags []string `json:"tags" nullable:"false" maxItems:"20" doc:"All of the lead's tags: up to 40 letters, digits and hyphens each." example:"[\"hot\"]"`
	}
}

func (d *Desk) tagRoutes() {
	web.Do(d.API, web.Op{Method: http.MethodPut, Path: "/v1/leads/{id}/tags", Name: "set-tags", Tag: "work", Permission: account.WorkLeads,
		Summary: "Give a lead its tags", Detail: "Exactly these: others are taken away."}, d.setTags)
}

func (d *Desk) setTags(v *web.Visit, tx *store.Tx, in *tagsIn) (*Lead, error) {
	id, err := in.lead()
	if err != nil {
		return nil, err
	}
	l, _, err := d.Followup.SetTags(tx, worker(v), id, in.Body.Tags, v.At)
	return leadView(tx, v, l, err)
}
