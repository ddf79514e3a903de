package console

import (
	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/store"
	"catchment/internal/web"
)

// AllowedNetworks are from where the account's people and secret keys may come.
type AllowedNetworks struct {
	Admins   []string `json:"admins" nullable:"false" maxItems:"100" doc:"Admins, and whoever else manages people or keys; they keep to everyone as well. Empty: from anywhere." example:"[\"192.0.2.0/24\"]"`
	Everyone []string `json:"everyone" nullable:"false" maxItems:"100" doc:"All who sign in. Empty: from anywhere." example:"[\"2001:db8::/48\"]"`
	Keys     []string `json:"keys" nullable:"false" maxItems:"100" doc:"Secret keys; one key can have its own as well. Empty: from anywhere." example:"[\"198.51.100.7/32\"]"`
}

type allowedNetworksIn struct{ Body AllowedNetworks }

func (c *Console) networkRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account/networks", Name: "get-networks", Tag: "people", Permission: account.ManagePeople,
		Summary: "From where people and secret keys may come"}, c.getNetworks)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/account/networks", Name: "put-networks", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Say from where people and secret keys may come", Detail: "Addresses and networks, as 192.0.2.0/24. Judged at sign-in and at each request, at once also for sessions that are there: elsewhere is 403 network. Publishable keys are in pages, and not judged. 409 locks_you_out: your own address, which it names, would not be in it."}, c.putNetworks)
}

func (c *Console) getNetworks(_ *web.Visit, tx *store.Tx, _ *struct{}) (*AllowedNetworks, error) {
	n, err := c.Directory.ReadNetworks(tx)
	return networksView(n), err
}

func networksView(n directory.Networks) *AllowedNetworks {
	return &AllowedNetworks{n.Admins.Strings(), n.Everyone.Strings(), n.Keys.Strings()}
}

func (c *Console) putNetworks(v *web.Visit, tx *store.Tx, in *allowedNetworksIn) (*AllowedNetworks, error) {
	was, err := c.Directory.ReadNetworks(tx)
	if err != nil {
		return nil, err
	}
	n, err := c.Directory.SetNetworks(tx, v.Principal, in.Body.Admins, in.Body.Everyone, in.Body.Keys)
	if err != nil {
		return nil, err
	}
	if err := keep(tx, v, v.Scope.Account().String(), "networks.", networksView(was), networksView(n)); err != nil {
		return nil, err
	}
	return networksView(n), c.changed(tx, v, "networks", "networks.changed", v.Scope.Account().String(),
		map[string]any{"admins": len(n.Admins), "everyone": len(n.Everyone), "keys": len(n.Keys)})
}
