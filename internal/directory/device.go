package directory

import (
	"context"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
)

// EndDevices destroys the shares of those of a user's devices whose last
// session which chooses; nil chooses all. The devices are told when they come,
// and by Options.DeviceEnded.
func (d *Directory) EndDevices(tx *store.Tx, by string, user account.UserID, why string, which func(account.SessionID) bool) error {
	list, err := devices.Of(tx, user)
	if err != nil {
		return err
	}
	for _, x := range list {
		if which != nil && !which(x.Session) {
			continue
		}
		if err := d.end(tx, by, x, why); err != nil {
			return err
		}
	}
	return d.wipe(tx, user, which)
}

// EndDevice is EndDevices for one.
func (d *Directory) EndDevice(tx *store.Tx, by string, x devices.Device, why string) error {
	if err := d.end(tx, by, x, why); err != nil {
		return err
	}
	return d.wipe(tx, x.User, func(s account.SessionID) bool { return s == x.Session })
}

// wipe ends their pushes but for the one that tells them.
func (d *Directory) wipe(tx *store.Tx, user account.UserID, which func(account.SessionID) bool) error {
	n, err := devices.WipePushes(tx, user, which, d.now())
	if err != nil || n == 0 {
		return err
	}
	return d.o.PushesEnded(tx, user)
}

func (d *Directory) end(tx *store.Tx, by string, x devices.Device, why string) error {
	now := d.now()
	ok, err := devices.End(tx, x.ID, why, now)
	if err != nil || !ok {
		return err
	}
	if err := d.o.Record(tx, now, by, "device.end", x.ID.String()); err != nil {
		return err
	}
	return d.o.DeviceEnded(tx, now, x.User, x.ID, why)
}

// refused is what a session's token gets that is not valid: one whose device
// was revoked is told so, that the app may delete what it keeps.
func (d *Directory) refused(ctx context.Context, hash access.Hash) error {
	var ended bool
	err := d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		ended, err = devices.EndedBy(dir, hash)
		return err
	})
	if err != nil || !ended {
		return errBearer()
	}
	p := problem.Unauthenticated("This device was revoked. Delete what the app keeps on it, then sign in anew.")
	p.Code = "device_revoked"
	return p
}
