package desk

import (
	"context"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// DeviceKey is a device's share of the key to what it keeps.
type DeviceKey struct {
	DeviceID   string    `json:"device_id" doc:"Keep it in clear, and send it the next time." example:"dev_01h455vb4pex5vsknk084sn02q"`
	Share      string    `json:"share" doc:"32 bytes, base64url without padding. Keep it in memory alone."`
	New        bool      `json:"new" doc:"The device was not known before: what it has from an earlier one cannot be opened."`
	OfflineMS  int64     `json:"offline_ms" doc:"How long the app may work without the server; 0: not at all."`
	LeaseUntil time.Time `json:"lease_until" doc:"When that is over, by the server's clock."`
	ServerTime time.Time `json:"server_time" doc:"Now, by the server's clock."`
}

type deviceIn struct {
	Body struct {
		DeviceID string `json:"device_id,omitempty" doc:"Of the answer before; left out, the device is a new one." example:"dev_01h455vb4pex5vsknk084sn02q"`
	}
}

// DevicePath is the input of a route about one device.
type DevicePath struct {
	ID string `path:"id" doc:"The device's id." example:"dev_01h455vb4pex5vsknk084sn02q"`
}

func (d *Desk) deviceRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/me/device", Name: "release-device-key", Tag: tagSession, Permission: account.UseOwnSession, Opens: true, MaxBody: 4 << 10,
		Summary: "Get this device's share of the key to what it keeps",
		Detail:  "After each sign-in and before the lease ends, which begins anew. On the record. 409 device_revoked: the share was destroyed; delete what the app keeps. 403 second_factor_required: the account wants more shown."}, d.releaseDevice)
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/me/devices", Name: "list-own-devices", Tag: tagSession, Permission: account.UseOwnSession, Opens: true,
		Summary: "Your devices that keep something", Detail: "Newest first, whole. What they are is opened, on the record."}, d.ownDevices)
	web.Meet(d.API, web.Op{Method: http.MethodDelete, Path: "/v1/me/devices/{id}", Name: "revoke-own-device", Tag: tagSession, Permission: account.UseOwnSession,
		Summary: "Revoke a device", Detail: "Its share is destroyed, its session ends, and it is told to delete what it keeps."}, d.revokeOwnDevice)
}

func (d *Desk) releaseDevice(ctx context.Context, v *web.Visit, in *deviceIn) (*DeviceKey, error) {
	id, err := sift.ID("device_id", in.Body.DeviceID, account.ParseDeviceID)
	if err != nil {
		return nil, err
	}
	r, err := d.Signin.Release(ctx, client(v), v.Principal, id)
	if err != nil {
		return nil, err
	}
	return &DeviceKey{DeviceID: r.Device.String(), Share: r.Share, New: r.New, OfflineMS: r.Lease.Milliseconds(), LeaseUntil: r.Until, ServerTime: r.Now}, nil
}

func (d *Desk) ownDevices(ctx context.Context, v *web.Visit, _ *struct{}) (*web.List[signin.UserDevice], error) {
	if v.User.IsZero() {
		return nil, errNoUser()
	}
	list, err := d.Signin.Devices(ctx, v.Principal, v.User, vault.ForOwnUse)
	return &web.List[signin.UserDevice]{Items: list}, err
}

func (d *Desk) revokeOwnDevice(ctx context.Context, v *web.Visit, in *DevicePath) (*Ended, error) {
	id, err := web.PathID(in.ID, account.ParseDeviceID)
	if err != nil {
		return nil, err
	}
	if v.User.IsZero() {
		return nil, errNoUser()
	}
	if !v.Scope.Valid() {
		return nil, problem.NotFound() // an operator has none
	}
	err = d.DB.Write(ctx, v.Scope, func(tx *store.Tx) error { return d.Signin.EndDevice(tx, v.Principal, v.User, id) })
	return &Ended{true}, err
}
