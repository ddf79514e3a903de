package console

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/web"
)

// DeviceRule is what the account wants of devices that keep something.
type DeviceRule struct {
	OfflineMS int64 `json:"offline_ms" minimum:"0" maximum:"604800000" doc:"How long the app works without the server, in milliseconds; seven days at most, 0: not at all." example:"43200000"`
	Level     int   `json:"level" minimum:"1" maximum:"2" doc:"Of the sessions that get a device's key. 2: a second factor or a passkey was shown."`
}

type deviceRuleIn struct{ Body DeviceRule }

// UserDevicePath is the input of a route about one device of a user.
type UserDevicePath struct {
	UserPath
	Device string `path:"device_id" doc:"The device's id." example:"dev_01h455vb4pex5vsknk084sn02q"`
}

func (c *Console) deviceRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/account/devices", Name: "get-device-rule", Tag: "people", Permission: account.ManagePeople,
		Summary: "What the account wants of devices"}, c.getDeviceRule)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/account/devices", Name: "put-device-rule", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Say how long the app works without the server, and who gets a device's key", Detail: "Leases that run are not shortened."}, c.putDeviceRule)
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/users/{id}/devices", Name: "list-user-devices", Tag: "people", Opens: true, Permission: account.ManagePeople,
		Summary: "A user's devices that keep something", Detail: "Newest first, whole. What they are is opened for the purpose, on the record; without one it is null."}, c.userDevices)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/users/{id}/devices/{device_id}", Name: "revoke-user-device", Tag: "people", Permission: account.ManagePeople,
		Summary: "Revoke a user's device", Detail: "Its share of the key is destroyed, its session ends, and it is told to delete what it keeps."}, c.revokeUserDevice)
}

func (c *Console) getDeviceRule(_ *web.Visit, tx *store.Tx, _ *struct{}) (*DeviceRule, error) {
	r, err := c.Signin.DeviceRule(tx)
	return &DeviceRule{r.Lease.Milliseconds(), r.Level}, err
}

func (c *Console) putDeviceRule(v *web.Visit, tx *store.Tx, in *deviceRuleIn) (*DeviceRule, error) {
	r := devices.Rule{Lease: time.Duration(in.Body.OfflineMS) * time.Millisecond, Level: in.Body.Level}
	was, err := c.getDeviceRule(v, tx, nil)
	if err != nil {
		return nil, err
	}
	if err := c.Signin.SetDeviceRule(tx, r); err != nil {
		return nil, err
	}
	if err := keep(tx, v, v.Scope.Account().String(), "devices.", was, &in.Body); err != nil {
		return nil, err
	}
	return &in.Body, c.changed(tx, v, "devices", "devices.changed", v.Scope.Account().String(), &in.Body)
}

func (c *Console) userDevices(ctx context.Context, v *web.Visit, in *UserPath) (*web.List[signin.UserDevice], error) {
	m, err := c.known(ctx, v, *in)
	if err != nil {
		return nil, err
	}
	list, err := c.Signin.Devices(ctx, v.Principal, m.ID, v.Purpose)
	return &web.List[signin.UserDevice]{Items: list}, err
}

func (c *Console) revokeUserDevice(v *web.Visit, tx *store.Tx, in *UserDevicePath) (*Gone, error) {
	id, err := web.PathID(in.Device, account.ParseDeviceID)
	if err != nil {
		return nil, err
	}
	m, err := in.member(tx)
	if err != nil {
		return nil, err
	}
	return &Gone{true}, c.Signin.EndDevice(tx, v.Principal, m.ID, id)
}
