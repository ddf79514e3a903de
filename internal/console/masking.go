package console

import (
	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/web"
)

// Masking is what the account masks of persons.
type Masking struct {
	OnOffer bool `json:"on_offer" doc:"Whoever has a lead only on offer sees the person's name, and of phone and e-mail a masked form, until they accept; messages, custom fields, notes and what came in not at all."`
}

type maskingIn struct{ Body Masking }

func (c *Console) maskingRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account/masking", Name: "get-masking", Tag: "privacy", Permission: account.ManagePrivacy,
		Summary: "What is masked of persons"}, c.getMasking)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/account/masking", Name: "put-masking", Tag: "privacy", Permission: account.ManagePrivacy, StepUp: true,
		Summary: "Say what is masked of persons", Detail: "From the next request on. Who owns the lead, and whoever opens more than their own leads, is given everything as before."}, c.putMasking)
}

func (c *Console) getMasking(_ *web.Visit, tx *store.Tx, _ *struct{}) (*Masking, error) {
	on, err := people.MasksOnOffer(tx)
	return &Masking{on}, err
}

func (c *Console) putMasking(v *web.Visit, tx *store.Tx, in *maskingIn) (*Masking, error) {
	on, err := people.MasksOnOffer(tx)
	if err != nil || on == in.Body.OnOffer {
		return &Masking{on}, err
	}
	about := v.Scope.Account().String()
	if err := keep(tx, v, about, "masking.", Masking{on}, in.Body); err != nil {
		return nil, err
	}
	if err := people.SetMasksOnOffer(tx, in.Body.OnOffer); err != nil {
		return nil, err
	}
	return &in.Body, c.changed(tx, v, "account", "masking.changed", about, in.Body)
}
